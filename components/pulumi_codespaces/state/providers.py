"""The providers of a stack, by organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..values import secret_json
from .access import accesses
from .digest import read_state

if TYPE_CHECKING:
    from collections.abc import Mapping


def providers_of(state: str) -> dict[str, Mapping[str, Any]]:
    """Organization -> the inputs of the provider that the stack uses for it. The state has the inputs in clear."""
    resources = {resource.urn: resource for resource in read_state(state, secret_json).after}
    providers: dict[str, Mapping[str, Any]] = {}
    for access in accesses(read_state(state).after).values():
        provider = resources.get(resources[access.urn].provider.rpartition("::")[0])
        providers.setdefault(access.owner, provider.inputs if provider else {})
    for resource in resources.values():
        provider = resources.get(resource.provider.rpartition("::")[0])
        if resource.type.startswith("codespaces:index:") and provider:
            providers.setdefault(str(provider.inputs.get("owner") or ""), provider.inputs)
    return providers
