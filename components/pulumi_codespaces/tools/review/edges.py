"""The registries that each repository may pull from, before and after."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .model import Edge
from .phrases import full_name
from .readers import moves

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...state.access import Access


def edges_of(before: Mapping[str, Access], after: Mapping[str, Access]) -> Iterable[Edge]:
    """Yields an edge for each repository and registry, unless the readers are unknown on one side."""
    for urn in sorted(before.keys() | after.keys()):
        old, new = before.get(urn), after.get(urn)
        if old and new and not moves(old, new):
            if old.readers.unknown or new.readers.unknown:
                continue
            # The owner may be spelled in two ways, which would show the same repositories twice.
            old = replace(old, owner=new.owner)
        old_nodes, new_nodes = _reader_nodes(old), _reader_nodes(new)
        access = after.get(urn) or before[urn]
        registry = ", ".join(access.servers) or access.name
        for node in sorted(old_nodes | new_nodes):
            yield Edge(node, registry, _state(in_old=node in old_nodes, in_new=node in new_nodes))


def _state(*, in_old: bool, in_new: bool) -> str:
    if in_old and in_new:
        return "kept"
    return "gained" if in_new else "lost"


def _reader_nodes(access: Access | None) -> set[str]:
    if access is None:
        return set()
    if access.readers.visibility == "all":
        return {f"every repository of {access.owner}"}
    if access.readers.visibility == "private":
        return {f"every private repository of {access.owner}"}
    return {full_name(access.owner, name) for name in access.readers.names}
