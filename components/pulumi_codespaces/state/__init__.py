"""Reads the state of a stack, and its previews."""
