"""Starts the plugin. This is the only module that imports both the server and the components."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, cast

from ..version import PACKAGE, VERSION
from .resources import RESOURCES
from .server import Server, serve

if TYPE_CHECKING:
    from pulumi import Inputs, ResourceOptions
    from pulumi.provider import ConstructResult
    from pulumi.provider.experimental.analyzer import ComponentDefinition
    from pulumi.provider.experimental.component import ComponentProvider
    from pulumi.provider.server import ProviderServicer


@cache
def components() -> ComponentProvider:
    """The host that constructs the components for programs in other languages.

    It imports the components, and with them the SDKs of AWS and GitHub. Those take longer to load than a preview of a
    small stack should take, so they are loaded only when the engine asks for a component.
    """
    from pulumi.errors import InputPropertyError  # noqa: PLC0415
    from pulumi.provider.experimental.component import ComponentProvider  # noqa: PLC0415
    from pulumi.provider.server import ComponentInitError  # noqa: PLC0415

    from ..ecr_pull_access import EcrPullAccess  # noqa: PLC0415
    from ..errors import InvalidArgument  # noqa: PLC0415
    from ..package_access import PackageAccess  # noqa: PLC0415
    from ..plugin_location import assume_found  # noqa: PLC0415
    from ..registry_login import RegistryLogin  # noqa: PLC0415

    class Components(ComponentProvider):
        """Reports a broken rule without a traceback. The SDK reports other exceptions with the place they came from."""

        def construct(
            self, name: str, resource_type: str, inputs: Inputs, options: ResourceOptions | None = None
        ) -> ConstructResult:
            try:
                return super().construct(name, resource_type, inputs, options)
            except ComponentInitError as error:
                if isinstance(error.inner, InvalidArgument):
                    raise error.inner from None
                raise

        def map_inputs(self, inputs: Inputs, component_def: ComponentDefinition) -> Inputs:
            """Rename the inputs to their Python names and leave the values unchanged.

            The SDK's own method (3.259) would refuse an Output as an invalid enum member, or as not a number.
            """
            for name, definition in component_def.inputs.items():
                if not definition.optional and inputs.get(name) is None:
                    raise InputPropertyError(name, f"Missing required input '{name}' on '{component_def.name}'")
            names = component_def.inputs_mapping
            return {names[name]: value for name, value in inputs.items() if name in names and value is not None}

    assume_found()
    return Components([EcrPullAccess, RegistryLogin, PackageAccess], PACKAGE, version=VERSION)


@cache
def component_servicer() -> ProviderServicer:
    """The SDK's server of the components, which answers what the engine asks of them."""
    from pulumi.provider.server import ProviderServicer  # noqa: PLC0415

    return ProviderServicer(components(), [], "")


def main() -> None:
    """Run the plugin, and end the process. The engine's address is the first argument that is not a flag."""
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    # httpx would import its command line, with rich and click. Without this module it does without.
    cast("dict[str, object]", sys.modules).update({"httpx._main": None})
    asyncio.run(_main(addresses[0] if addresses else ""))
    # Every call is answered, and no task or thread is left. The engine waits for the end, and tearing down the
    # interpreter would take as long as half of a start. Only Pulumi's SDK, where it constructed components, still has
    # to send its traces.
    if "pulumi" not in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _main(engine_address: str) -> None:
    await serve(Server(component_servicer, RESOURCES, VERSION, engine_address))
