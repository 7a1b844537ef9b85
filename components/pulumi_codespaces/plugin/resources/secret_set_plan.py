"""What an update of a set of secrets writes and deletes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...rules.secret_names import triples_in, write_order
from ..secret_writer import SecretReaders, whole_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...clients.codespaces_secrets import SecretInfo
    from ..properties.secret_set import SecretSetInputs, SecretSetState, TargetT


@dataclass(frozen=True)
class Plan:
    """The writes and deletes of one update.

    Attributes:
        values: name -> value of all secrets.
        names: the names to write, in the order of writing.
        removed: name -> last known stamp of the secrets to delete.
        readers: who may read the secrets from now on.
        old_readers: who could read them before; None if that is not known.
        fallback: name -> the value to put back if its pair does not become whole.
        drifted: the names that were written since they were last known to hold their fallback.
    """

    values: dict[str, str]
    names: list[str]
    removed: dict[str, str]
    readers: SecretReaders
    old_readers: SecretReaders | None
    fallback: dict[str, str]
    drifted: set[str]

    @property
    def readers_alone(self) -> list[str]:
        """The names whose readers are written while their values stay as they are."""
        if self.old_readers == self.readers or self.readers.visibility != "selected":
            return []
        return [name for name in write_order(self.values) if name not in self.names]

    @property
    def marked(self) -> bool:
        """Whether the last write is a registry's mark; the writer lists the secrets after a mark."""
        triples = triples_in(self.names)
        return not self.readers_alone and bool(triples) and self.names[-1] == triples[-1].server


def make_plan(
    state: SecretSetState[TargetT] | None, new: SecretSetInputs[TargetT], live: Mapping[str, SecretInfo]
) -> Plan:
    """Compare the inputs with the state and with what GitHub lists."""
    values, stamps, readers = new.values, state.stamps if state else {}, new.target.readers
    names = whole_units(_changed(state, values, live, readers), values)
    fallback = _fallback(names, state, new, live)
    expected = new.published_stamps or stamps
    return Plan(
        values=values,
        names=names,
        removed={name: stamp for name, stamp in stamps.items() if name not in values},
        readers=readers,
        old_readers=state.target.readers if state and not state.readers_unfinished else None,
        fallback=fallback,
        drifted={name for name in fallback if name in live and live[name].updated_at != expected.get(name)},
    )


def _changed(
    state: SecretSetState[TargetT] | None,
    values: Mapping[str, str],
    live: Mapping[str, SecretInfo],
    readers: SecretReaders,
) -> set[str]:
    """The names whose secret is not, or may not be, as it should be."""
    old_values = state.values if state else {}
    stamps = state.stamps if state else {}
    unfinished = (state.unfinished if state else None) or ()
    return {
        name
        for name, value in values.items()
        if old_values.get(name) != value
        or name not in live
        or live[name].updated_at != stamps.get(name)
        or live[name].visibility != readers.visibility
        or name in unfinished
    }


def _fallback(
    names: Iterable[str],
    state: SecretSetState[TargetT] | None,
    new: SecretSetInputs[TargetT],
    live: Mapping[str, SecretInfo],
) -> dict[str, str]:
    """The value to restore for each secret if its pair does not become whole.

    With a key rotation (`publishedAt` is set), the value is the key of the published slot, provided that the registry's
    mark has not changed since the rotation read it. It is never the value in the state: a killed run may have published
    a newer one. Without a rotation, it is the state's value if nobody has written the secret since.
    """
    published_at = new.published_stamps
    if published_at is None:
        old, stamps = (state.values, state.stamps) if state else ({}, {})
        return {
            name: old[name]
            for name in names
            if name in old and name in live and live[name].updated_at == stamps.get(name)
        }
    still_marked = {
        name
        for triple in triples_in(names)
        if triple.server in live and live[triple.server].updated_at == published_at.get(triple.server)
        for name in triple.names
    }
    return {name: value for name, value in new.fallback_values.items() if name in still_marked}
