"""One operation of the engine on the plugin, without an engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fault_world import travelled

from pulumi_codespaces.clients.credentials import Configuration
from pulumi_codespaces.plugin.run import Run, Severity

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rig.github import GitHubStandIn


class Operation:
    """One operation of the engine: its own run and warnings."""

    def __init__(self, github: GitHubStandIn, token: str) -> None:
        self.warnings: list[str] = []
        self.run = Run(Configuration("acme", f"{github.url}/", token), self._log)

    def _log(self, severity: Severity, _: str, text: str) -> None:
        if severity is Severity.WARNING:
            self.warnings.append(text)

    def do(self, *work: Coroutine[Any, Any, Any]) -> Any:
        async def in_order() -> Any:
            try:
                return [await step for step in work][-1]
            finally:
                await self.run.close()

        return travelled(asyncio.run(in_order()))
