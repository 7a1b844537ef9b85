"""Starts the plugin: the one place that knows both the server and the components."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..version import PACKAGE, VERSION
from .resources import RESOURCES
from .server import Server, serve

if TYPE_CHECKING:
    from pulumi.provider.experimental.component import ComponentProvider

_SCHEMA = Path(__file__).with_name("schema.json")


@cache
def components() -> ComponentProvider:
    """What constructs the components for programs in other languages.

    It imports the components and with them the SDKs of AWS and GitHub, which take longer to load than a preview of a
    small stack should: hence only when the engine asks for a component or for the schema.
    """
    from pulumi.provider.experimental.component import ComponentProvider  # noqa: PLC0415

    from ..ecr_pull_access import EcrPullAccess  # noqa: PLC0415
    from ..registry_login import RegistryLogin  # noqa: PLC0415

    provider = ComponentProvider([EcrPullAccess, RegistryLogin], PACKAGE, version=VERSION)
    provider.schema = json.dumps(whole_schema(json.loads(provider.schema or "{}")))
    return provider


def whole_schema(inferred: dict[str, Any]) -> dict[str, Any]:
    """The schema of the package: the inferred one of the components, and the written one of the custom resources."""
    written: dict[str, Any] = json.loads(_SCHEMA.read_text())
    return (
        inferred
        | {section: inferred.get(section, {}) | written.get(section, {}) for section in ("resources", "types")}
        | {name: written[name] for name in ("provider", "config", "description") if name in written}
    )


def main() -> None:
    """Run the plugin. The engine's address is the first argument that is no flag."""
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    asyncio.run(_main(addresses[0] if addresses else ""))


async def _main(engine_address: str) -> None:
    await serve(Server(components, RESOURCES, VERSION, engine_address))
