"""Writes a set of secrets as one unit.

Afterwards either every secret is new, or every secret is as before, or `Written` records exactly which are neither.

A registry's USER and PASSWORD must belong together at every instant. They are written back to back, and if the second
write fails, the first is put back. Once both are written, the writer only goes forward. SERVER comes last: a new stamp
on SERVER marks the pair before it as whole (see `rules.rotation`).
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..clients.errors import CloudError, OutcomeUnknown
from ..rules.rotation import written_together
from ..rules.secret_names import Triple, triples_in, write_order

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ..clients.codespaces_secrets import SecretInfo
    from ..clients.pace import Pace

_STAMP_SECONDS = 1.0
"""The resolution of `updated_at`."""
_STAMP_TRIES = 5
_LASTING_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""The pauses between the tries of the second write of a pair whose first write cannot be put back."""


class SecretStore(Protocol):
    """The place that holds the secrets of a set."""

    @property
    def pairs(self) -> AbstractAsyncContextManager[object]:
        """Held while a registry's USER and PASSWORD are written."""
        ...

    async def secrets(self, *, fresh: bool = False) -> Mapping[str, SecretInfo]:
        """The secrets as GitHub lists them, by name."""
        ...

    async def put_secret(
        self, name: str, value: str, visibility: str, repository_ids: Sequence[int], *, urgent: bool = False
    ) -> None:
        """Create a secret or overwrite it in place."""
        ...

    async def put_secret_repositories(self, name: str, repository_ids: Sequence[int]) -> None:
        """Replace the repositories that may read a secret."""
        ...

    async def delete_secret(self, name: str) -> None:
        """Delete a secret."""
        ...


@dataclass(frozen=True)
class SecretReaders:
    """The readers of a secret: `all`, `private`, or `selected` with the repositories' ids."""

    visibility: str
    repository_ids: tuple[int, ...] = ()


@dataclass
class Written:
    """The result of a write: what GitHub holds afterwards.

    Attributes:
        names: the names that were written, in order, including those put back.
        restored: name -> the old value that was put back, for the readers that the secret had before.
        removed: names that did not exist before and were removed again.
        uncertain: names whose value is now unknown.
        readers_restored: names whose value was not written and whose readers were put back.
        readers_uncertain: names whose value was not written and whose readers are now unknown.
        error: what failed; None if everything was written.
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
        """The names that hold, or may hold, their new value: neither put back nor removed."""
        undone = {*self.restored, *self.removed, *self.readers_restored}
        return [name for name in self.names if name not in undone]


def whole_units(changed: set[str], declared: Mapping[str, str]) -> list[str]:
    """Extend changed names to whole registries: if one of a registry's three secrets changes, all three are written.

    Args:
        changed: the names whose value has to be written.
        declared: every name of the set -> its value.

    Returns:
        The names to write, in the order of writing.
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
    readers: SecretReaders,
    fallback: Mapping[str, str],
    existing: Mapping[str, SecretInfo],
    readers_before: SecretReaders | None = None,
    drifted: Collection[str] = (),
    *,
    pace: Pace | None = None,
) -> Written:
    """Write secrets in the order of `names`; if a pair does not become whole, put it back.

    Args:
        store: where to write.
        values: name -> value.
        names: the names to write, as `whole_units` returns them.
        readers: who may read the secrets.
        fallback: name -> the value to put back if the pair does not become whole. A name that is neither here nor in
            `existing` is removed instead.
        existing: the secrets that existed before.
        readers_before: who may read a secret that is put back; the new readers if the old ones are not known.
        drifted: names that a killed run may have written, so that they may not hold their `fallback` now. If their pair
            is put back, they are put back too; otherwise the pair would consist of two halves.
        pace: counts the written secrets.
    """
    written = Written()
    for unit in _units(names):
        triple = unit if isinstance(unit, Triple) else None
        pair = (unit,) if isinstance(unit, str) else unit.names[:2]
        async with store.pairs if triple else nullcontext():
            try:
                for name in pair:
                    written.names.append(name)
                    stuck = name != pair[0] and pair[0] in existing and pair[0] not in fallback
                    await _put(store, name, values[name], readers, urgent=triple is not None, lasting=stuck)
            except CloudError as error:
                written.error = error
                if not isinstance(error, OutcomeUnknown):
                    written.names.pop()
                torn = _torn(pair, written.names, {name for name in drifted if name in fallback})
                await _put_back(store, torn, readers_before or readers, fallback, existing, written)
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


async def _put(
    store: SecretStore, name: str, value: str, readers: SecretReaders, *, urgent: bool, lasting: bool
) -> None:
    """Write a secret. If `lasting`, try for longer: a failure would leave a pair of two halves until the next update.

    Raises:
        CloudError: GitHub refused, or failed each time.
    """
    for pause in (*(_LASTING_PAUSES_SECONDS if lasting else ()), None):
        try:
            await store.put_secret(name, value, readers.visibility, readers.repository_ids, urgent=urgent)
        except CloudError as error:
            transient = isinstance(error, OutcomeUnknown) or error.status >= 500
            if pause is None or not transient:
                raise
            await asyncio.sleep(pause)
        else:
            return


def _torn(pair: Sequence[str], touched: Collection[str], drifted: Collection[str]) -> list[str]:
    """The names of a pair to put back after a failed write: each that this run or a killed run has written."""
    if not any(name in touched for name in pair):
        return []
    return [name for name in pair if name in touched or name in drifted]


async def write_readers(
    store: SecretStore, names: Sequence[str], new: SecretReaders, old: SecretReaders | None, *, pace: Pace | None = None
) -> Written:
    """Change who may read the secrets and leave the values alone; if one write fails, put the others back.

    Args:
        store: where to write.
        names: the secrets.
        new: who may read them from now on.
        old: who could read them before; None if that is not known.
        pace: counts the written secrets.
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
    readers: SecretReaders,
    existing: Mapping[str, SecretInfo],
    written: Written,
) -> None:
    """Write SERVER until its stamp is new and close to the stamps of the pair.

    Raises:
        CloudError: a write failed, or `_STAMP_TRIES` writes did not give SERVER such a stamp.
    """
    before = existing.get(triple.server)
    written.names.append(triple.server)
    for _ in range(_STAMP_TRIES):
        await store.put_secret(triple.server, values[triple.server], readers.visibility, readers.repository_ids)
        listed = await store.secrets(fresh=True)
        if any(name not in listed for name in triple.names):
            return
        if before is None or listed[triple.server].updated_at != before.updated_at:
            if written_together(triple, {name: listed[name].updated_at for name in triple.names}):
                return
            # A rate limit delayed SERVER for too long. Writing the pair again keeps it whole and renews its stamps.
            async with store.pairs:
                for name in triple.names[:2]:
                    await store.put_secret(name, values[name], readers.visibility, readers.repository_ids, urgent=True)
            continue
        await asyncio.sleep(_STAMP_SECONDS)
    raise CloudError(f"GitHub does not move updated_at of {triple.server} when it is written; run `pulumi up` again.")


async def _put_back(
    store: SecretStore,
    names: Sequence[str],
    readers: SecretReaders,
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
