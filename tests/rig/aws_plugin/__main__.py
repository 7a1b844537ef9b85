"""Starts the plugin: the engine runs it as `pulumi-resource-aws [flags] ENGINE_ADDRESS`."""

import importlib.util
import sys
import types

from . import ABOUT, VERSION

_HELP = f"""\
usage: pulumi-resource-aws [--version | --help] [flags of the engine] ENGINE_ADDRESS

{ABOUT}

The Pulumi engine starts it, from $PULUMI_HOME/plugins/resource-aws-v{VERSION}/pulumi-resource-aws.
Its first line of output is the port on 127.0.0.1 on which it serves the engine.
Without an address it serves engines that attach (PULUMI_DEBUG_PROVIDERS=aws:PORT) until it is terminated.
"""


def _import_protocol_only() -> None:
    """Make `import pulumi.runtime.proto` import that and no more.

    The SDK's packages import all of the SDK, which takes longer than everything else that this process does at its
    start. The protocol's modules need none of it. Nothing else in this process may use the SDK.
    """
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        return
    for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
        package = types.ModuleType(name)
        package.__path__ = ["/".join((location, *name.split(".")[1:])) for location in spec.submodule_search_locations]
        sys.modules[name] = package


def main() -> None:
    """Run the plugin."""
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(_HELP)
    elif "--version" in arguments:
        sys.stdout.write(f"{VERSION}\n{ABOUT}\n")
    else:
        _import_protocol_only()
        from .server import serve

        serve(arguments)


if __name__ == "__main__":
    main()
