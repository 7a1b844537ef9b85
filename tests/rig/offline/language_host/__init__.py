"""Pulumi's language host for Python, for a CLI that was built from Go modules."""
