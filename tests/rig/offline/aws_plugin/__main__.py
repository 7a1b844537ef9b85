"""Starts the plugin: the engine runs it as `pulumi-resource-aws [flags] ENGINE_ADDRESS`."""

import sys

from . import ABOUT, VERSION

_HELP = f"""\
usage: pulumi-resource-aws [--version | --help] [flags of the engine] ENGINE_ADDRESS

{ABOUT}

The Pulumi engine starts it, from $PULUMI_HOME/plugins/resource-aws-v{VERSION}/pulumi-resource-aws.
Its first line of output is the port on 127.0.0.1 on which it serves the engine.
Without an address it serves engines that attach (PULUMI_DEBUG_PROVIDERS=aws:PORT) until it is terminated.
"""


def main() -> None:
    """Run the plugin."""
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(_HELP)
    elif "--version" in arguments:
        sys.stdout.write(f"{VERSION}\n{ABOUT}\n")
    else:
        # Beside this package in the engine's `lib`.
        from protocol_only import import_protocol_only

        import_protocol_only()
        from .server import serve

        serve(arguments)


if __name__ == "__main__":
    main()
