"""Pulumi's protocol without the rest of its SDK.

`import pulumi.runtime.proto` runs `pulumi/__init__.py`, which imports the whole SDK. That takes longer and more memory
than the rest of the plugin, and only `Construct` needs the SDK. So this module is a package of its own over the folder
of `pulumi.runtime.proto`, and imports the generated modules by its own name.

The SDK can still be imported beside it. It executes the generated modules again, under their own names. protobuf keeps
one class per message, so that both have the same message classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        status_pb2,
    )
else:
    from importlib import import_module
    from importlib.util import find_spec
    from os.path import join

    _sdk = find_spec("pulumi")
    if _sdk is None or not _sdk.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'pulumi'", name="pulumi")
    # A module with a path is a package.
    __path__ = [join(folder, "runtime", "proto") for folder in _sdk.submodule_search_locations]  # noqa: PTH118
    engine_pb2 = import_module(f"{__name__}.engine_pb2")
    engine_pb2_grpc = import_module(f"{__name__}.engine_pb2_grpc")
    plugin_pb2 = import_module(f"{__name__}.plugin_pb2")
    provider_pb2 = import_module(f"{__name__}.provider_pb2")
    provider_pb2_grpc = import_module(f"{__name__}.provider_pb2_grpc")
    status_pb2 = import_module(f"{__name__}.status_pb2")

__all__ = ["engine_pb2", "engine_pb2_grpc", "plugin_pb2", "provider_pb2", "provider_pb2_grpc", "status_pb2"]
