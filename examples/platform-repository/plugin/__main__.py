"""Starts the provider plugin of pulumi-codespaces; the Pulumi CLI runs this folder."""

import sys

try:
    from pulumi_codespaces.plugin.host import main
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed in {sys.prefix}: run `pulumi install` in the folder of Pulumi.yaml.")

if __name__ == "__main__":
    main()
