"""Writes a set of secrets as one unit: all of it, or as it was before, or a record of exactly what is neither.

A registry's USER and PASSWORD must belong together at every instant, so they are written back to back, and if the
second fails the first is put back. Once both stand there is only forward. SERVER comes last, since a SERVER that moved
is the mark that the pair before it is whole (see `rules.rotation`).
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..rules.rotation import written_at_one_go
from ..rules.secret_names import Triple, triples_in, write_order
from .failures import CloudError, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from .pace import Pace
    from .secret_client import SecretInfo

_STAMP_SECONDS = 1.0
"""The resolution of `updated_at`."""
_STAMP_TRIES = 5


class SecretStore(Protocol):
    """Where the secrets of a set are kept."""

    @property
    def pairs(self) -> AbstractAsyncContextManager[object]:
        """Held while a registry's USER and PASSWORD are written."""
        ...

    async def secrets(self, *, fresh: bool = False) -> Mapping[str, SecretInfo]:
        """What GitHub tells about the secrets, by name."""
        ...

    async def put_secret(
        self, name: str, value: str, visibility: str, repository_ids: Sequence[int], *, urgent: bool = False
    ) -> None:
        """Create or overwrite a secret in place."""
        ...

    async def put_secret_repositories(self, name: str, repository_ids: Sequence[int]) -> None:
        """Replace who may read a secret."""
        ...

    async def delete_secret(self, name: str) -> None:
        """Delete a secret."""
        ...


@dataclass(frozen=True)
class Readers:
    """Who may read a secret: `all`, `private`, or `selected` with the repositories' ids."""

    visibility: str
    repository_ids: tuple[int, ...] = ()


@dataclass
class Written:
    """What a write left in GitHub.

    Attributes:
        names: the names that were written, in order, including those put back.
        restored: name -> the value it was put back to, for the readers it had before.
        removed: names that did not exist before and were removed again.
        uncertain: names whose value nobody can tell now.
        readers_restored: names whose value was left alone and whose readers were put back.
        readers_uncertain: names whose value was left alone and of whose readers nobody can tell now.
        error: what failed, None if everything was written.
    """

    names: list[str] = field(default_factory=list[str])
    restored: dict[str, str] = field(default_factory=dict[str, str])
    removed: list[str] = field(default_factory=list[str])
    uncertain: list[str] = field(default_factory=list[str])
    readers_restored: list[str] = field(default_factory=list[str])
    readers_uncertain: list[str] = field(default_factory=list[str])
    error: CloudError | None = None

    @property
    def forward(self) -> list[str]:
        """The names that stand as they are meant to, or may: neither put back nor removed."""
        back = {*self.restored, *self.removed, *self.readers_restored}
        return [name for name in self.names if name not in back]


def whole_units(changed: set[str], declared: Mapping[str, str]) -> list[str]:
    """The names to write for these to change: a registry's three go together, in the order they are written.

    Args:
        changed: the names whose value has to be written.
        declared: every name of the set -> its value.
    """
    names = set(changed)
    for triple in triples_in(declared):
        if names & set(triple.names):
            names |= set(triple.names)
    return write_order(names)


async def write_values(
    store: SecretStore,
    values: Mapping[str, str],
    names: Sequence[str],
    readers: Readers,
    fallback: Mapping[str, str],
    existing: Mapping[str, SecretInfo],
    readers_before: Readers | None = None,
    drifted: Collection[str] = (),
    *,
    pace: Pace | None = None,
) -> Written:
    """Write secrets in this order; put a pair that did not become whole back.

    Args:
        store: where to write.
        values: name -> value.
        names: what to write, as `whole_units` gives it.
        readers: who may read them.
        fallback: name -> the value to put back if the pair does not become whole; a name that is neither here nor in
            `existing` is removed instead.
        existing: what was there before.
        readers_before: who may read what is put back; the new readers if it is not known who might before.
        drifted: names that may hold something else than `fallback` before this writes anything: a run that was killed
            wrote them. Of a pair they are put back too, or it would be left in two halves.
        pace: counts the secrets that are written.
    """
    written = Written()
    for unit in _units(names):
        triple = unit if isinstance(unit, Triple) else None
        async with store.pairs if triple else nullcontext():
            try:
                for name in unit.names[:2] if isinstance(unit, Triple) else [unit]:
                    written.names.append(name)
                    await store.put_secret(
                        name, values[name], readers.visibility, readers.repository_ids, urgent=triple is not None
                    )
            except CloudError as error:
                written.error = error
                last = written.names[-1]
                if not isinstance(error, OutcomeUnknown):
                    written.names.remove(last)
                pair = [name for name in (triple.names[:2] if triple else [last]) if name in written.names]
                if triple and pair:
                    pair = [name for name in triple.names[:2] if name in pair or (name in drifted and name in fallback)]
                await _put_back(store, pair, readers_before or readers, fallback, existing, written)
                return written
        if triple:
            try:
                await _mark(store, triple, values, readers, existing, written)
            except CloudError as error:
                written.error = error
                written.uncertain.append(triple.server)
                return written
        if pace:
            pace.step(len(triple.names) if triple else 1)
    return written


async def write_readers(
    store: SecretStore, names: Sequence[str], new: Readers, old: Readers | None, *, pace: Pace | None = None
) -> Written:
    """Change who may read the secrets, leaving the values alone; all of them, or as it was before.

    Args:
        store: where to write.
        names: the secrets.
        new: who may read them from now on.
        old: who might before; None where that is not known.
        pace: counts the secrets that are written.
    """
    written = Written()
    for name in names:
        try:
            written.names.append(name)
            await store.put_secret_repositories(name, new.repository_ids)
        except CloudError as error:
            written.error = error
            if not isinstance(error, OutcomeUnknown):
                written.names.remove(name)
            for touched in written.names:
                try:
                    if old is None or old.visibility != "selected":
                        written.readers_uncertain.append(touched)
                        continue
                    await store.put_secret_repositories(touched, old.repository_ids)
                    written.readers_restored.append(touched)
                except CloudError:
                    written.readers_uncertain.append(touched)
            return written
        if pace:
            pace.step()
    return written


def _units(names: Sequence[str]) -> list[Triple | str]:
    units: list[Triple | str] = []
    triples = {name: triple for triple in triples_in(names) for name in triple.names}
    for name in names:
        unit = triples.get(name, name)
        if unit not in units:
            units.append(unit)
    return units


async def _mark(
    store: SecretStore,
    triple: Triple,
    values: Mapping[str, str],
    readers: Readers,
    existing: Mapping[str, SecretInfo],
    written: Written,
) -> None:
    """Write SERVER, again if need be, until its stamp differs from the one before and is near to those of the pair."""
    before = existing.get(triple.server)
    written.names.append(triple.server)
    for _ in range(_STAMP_TRIES):
        await store.put_secret(triple.server, values[triple.server], readers.visibility, readers.repository_ids)
        listed = await store.secrets(fresh=True)
        if any(name not in listed for name in triple.names):
            return
        if before is None or listed[triple.server].updated_at != before.updated_at:
            if written_at_one_go(triple, {name: listed[name].updated_at for name in triple.names}):
                return
            # A rate limit held SERVER up for long. The pair is whole and stays so.
            async with store.pairs:
                for name in triple.names[:2]:
                    await store.put_secret(name, values[name], readers.visibility, readers.repository_ids, urgent=True)
            continue
        await asyncio.sleep(_STAMP_SECONDS)
    raise CloudError(f"GitHub does not move updated_at of {triple.server} when it is written; run `pulumi up` again.")


async def _put_back(
    store: SecretStore,
    names: Sequence[str],
    readers: Readers,
    fallback: Mapping[str, str],
    existing: Mapping[str, SecretInfo],
    written: Written,
) -> None:
    for name in names:
        if name not in written.names:
            written.names.append(name)
        try:
            if name in fallback:
                await store.put_secret(name, fallback[name], readers.visibility, readers.repository_ids)
                written.restored[name] = fallback[name]
            elif name not in existing:
                await store.delete_secret(name)
                written.removed.append(name)
            else:
                written.uncertain.append(name)
        except CloudError:
            written.uncertain.append(name)
