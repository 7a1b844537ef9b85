"""What the tests and the examples run on; the README tells of its parts."""
