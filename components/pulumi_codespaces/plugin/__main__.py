"""Starts the provider plugin: `python -m pulumi_codespaces.plugin`."""

from .host import main

if __name__ == "__main__":
    main()
