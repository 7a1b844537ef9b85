"""Starts the plugin: the one place that knows both the server and the components."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..version import PACKAGE, VERSION
from .resources import RESOURCES
from .server import Server, serve

if TYPE_CHECKING:
    from pulumi import Inputs, ResourceOptions
    from pulumi.provider import ConstructResult
    from pulumi.provider.experimental.component import ComponentProvider

_SCHEMA = Path(__file__).with_name("schema.json")


@cache
def components() -> ComponentProvider:
    """What constructs the components for programs in other languages.

    It imports the components and with them the SDKs of AWS and GitHub, which take longer to load than a preview of a
    small stack should: hence only when the engine asks for a component or for the schema.
    """
    from pulumi.errors import InputPropertiesError  # noqa: PLC0415
    from pulumi.provider.experimental.component import ComponentProvider  # noqa: PLC0415
    from pulumi.provider.server import ComponentInitError  # noqa: PLC0415

    from ..ecr_pull_access import EcrPullAccess  # noqa: PLC0415
    from ..errors import InvalidArgument  # noqa: PLC0415
    from ..package_access import PackageAccess  # noqa: PLC0415
    from ..registry_login import RegistryLogin  # noqa: PLC0415

    class Components(ComponentProvider):
        """Tells a broken rule in the rule's words; of other exceptions the SDK shows where they were raised."""

        def construct(
            self, name: str, resource_type: str, inputs: Inputs, options: ResourceOptions | None = None
        ) -> ConstructResult:
            try:
                return super().construct(name, resource_type, inputs, options)
            except ComponentInitError as error:
                if isinstance(error.inner, InvalidArgument):
                    # Without the list the SDK (3.259) fails to answer.
                    raise InputPropertiesError(str(error.inner), []) from None
                raise

    provider = Components([EcrPullAccess, RegistryLogin, PackageAccess], PACKAGE, version=VERSION)
    provider.schema = json.dumps(whole_schema(json.loads(provider.schema or "{}")))
    return provider


def whole_schema(inferred: dict[str, Any]) -> dict[str, Any]:
    """The schema of the package: the inferred one of the components, and the written one of all else.

    What cannot be inferred of a component, such as that an input is secret, is written too.
    """
    return _merged(inferred, json.loads(_SCHEMA.read_text()))


def _merged(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    left, right = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
    return left | {key: _merged(left[key], value) if key in left else value for key, value in right.items()}


def main() -> None:
    """Run the plugin. The engine's address is the first argument that is no flag."""
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    asyncio.run(_main(addresses[0] if addresses else ""))


async def _main(engine_address: str) -> None:
    await serve(Server(components, RESOURCES, VERSION, engine_address))
