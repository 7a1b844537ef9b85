"""Pulumi's protocol without the rest of its SDK, for the engine's own processes, which start for every operation."""

import importlib.util
import sys
import types


def import_protocol_only() -> None:
    """Make `import pulumi.runtime.proto` import that and no more.

    The SDK's packages import all of the SDK, which takes longer than everything else that such a process does at its
    start. The protocol's modules need none of it. Nothing else in the process may use the SDK.
    """
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        return
    for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
        package = types.ModuleType(name)
        package.__path__ = ["/".join((location, *name.split(".")[1:])) for location in spec.submodule_search_locations]
        sys.modules[name] = package
