"""The ground that the tests and the examples run on; the README describes its parts."""
