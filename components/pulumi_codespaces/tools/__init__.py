"""The command `codespaces`."""
