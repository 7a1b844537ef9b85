"""Starts the provider plugin; the Pulumi CLI runs this folder."""

from pulumi_codespaces.plugin.host import main

if __name__ == "__main__":
    main()
