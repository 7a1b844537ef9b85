"""A preview digest -> what a reviewer needs to know."""
