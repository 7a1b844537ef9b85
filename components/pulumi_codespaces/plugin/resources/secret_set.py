"""The base of `OrganizationSecrets` and `RepositorySecrets`: secrets that belong together, written as one unit."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from ...clients.errors import ActionableError, CloudError
from ...clients.pace import Pace
from ...rules import RuleViolation
from ...rules.registries import same_registry
from ...rules.secret_names import (
    check_capacity,
    check_name,
    check_value_size,
    mixed_logins,
    triples_in,
    write_order,
)
from ...rules.suggestions import did_you_mean
from ...values import UNKNOWN, Properties, Secret, Unknown, Value, is_text, is_unknown, plain_map, reveal
from ..failures import Failure, InvalidInputs, PartialWrite
from ..resource import Difference, Resource, Stored, check_map, join, map_changes, raise_if, same_owner
from ..run import Claim, Severity
from ..secret_writer import SecretReaders, Written, whole_units, write_readers, write_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...clients.codespaces_secrets import Place, SecretInfo, Secrets
    from ...rules.secret_names import Triple
    from ..resource import ChangeKind
    from ..run import Run


_CONCURRENT_LISTINGS = 5
_LISTINGS = 300
"""The most joining repositories whose own secrets a preview lists."""


class SecretSet(Resource):
    """Codespaces secrets of one organization or one repository that belong together.

    Beside the values, the state holds `updatedAt`: when this resource last wrote each secret. If GitHub has a different
    stamp, the secret was changed outside of this resource: an update writes it again, and a delete leaves it in place.
    """

    reader_inputs: ClassVar[tuple[str, ...]]
    """The inputs that say who may read the secrets."""

    @abstractmethod
    def secrets_of(self, run: Run, properties: Properties) -> Secrets | None:
        """The secrets of the place that inputs or a state name; None if the place is unknown or not created yet."""

    @abstractmethod
    async def resolve(self, run: Run, urn: str, before: Properties, inputs: Properties) -> list[Failure]:
        """Complete the inputs that say where the secrets are and who may read them.

        Args:
            run: the run.
            urn: the resource.
            before: the inputs of the last update; empty if there was none.
            inputs: the new inputs, already of the right kind; changed in place.

        Returns:
            Why the inputs break a rule; empty if they are valid.
        """

    @abstractmethod
    def shape_failures(self, inputs: Properties) -> list[Failure]:
        """Set the defaults of those inputs, in place, and return why they are not of the right kind."""

    @abstractmethod
    def is_elsewhere(self, before: Properties, new: Properties) -> bool:
        """Whether new inputs mean another place than the previous ones; False if either place is unknown."""

    @abstractmethod
    def readers(self, properties: Properties) -> SecretReaders:
        """The readers of the secrets, from inputs or a state."""

    @abstractmethod
    def claimed_readers(self, inputs: Properties) -> tuple[str, dict[str, int | None]]:
        """The future readers: `all`, `private` or `selected`, and the selected repositories: name -> id if known."""

    @abstractmethod
    def reader_changes(self, state: Properties, new: Properties) -> dict[str, ChangeKind]:
        """The changes of an update to those inputs, by property path."""

    @abstractmethod
    async def live_readers(
        self, secrets: Secrets, names: list[str], live: Mapping[str, SecretInfo], location: Properties
    ) -> Properties:
        """Read those inputs back from GitHub; `location` is the state, or the place parsed from an import's id."""

    @abstractmethod
    async def other_levels(self, run: Run, state: Properties, new: Properties) -> list[Secrets]:
        """The places where a secret of the same name would hide one of these secrets, or be hidden by it."""

    async def visible_names(self, other: Secrets, names: set[str], new: Properties) -> set[str]:
        """Filter names of another level's secrets: keep those that the codespaces of these secrets also get."""
        return names

    @abstractmethod
    def identifier(self, inputs: Properties) -> str:
        """The resource's id, which is also the id to import it by."""

    @abstractmethod
    async def parse_identifier(self, run: Run, identifier: str) -> tuple[Properties, list[str]]:
        """Parse the id of an import: the properties of the place, and the names of the secrets.

        Raises:
            ActionableError: the place does not exist.
        """

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        inputs = dict(new)
        for name in ("secrets", "fallback"):
            inputs[name] = _marked_secret(new.get(name))
        inputs["adoptExisting"] = reveal(new.get("adoptExisting")) or False
        inputs["owner"] = run.configuration.owner if run.configuration.complete else UNKNOWN
        raise_if(*_shape_failures(inputs), *self.shape_failures(inputs))
        if is_unknown(inputs["adoptExisting"]) or not isinstance(inputs["secrets"], dict):
            return inputs
        before = _past_inputs(run, urn, old)
        failures = _secret_failures(cast("Properties", inputs["secrets"]), _declared(before))
        raise_if(*failures, *await self.resolve(run, urn, before, inputs))
        ours: set[str] = set() if self.is_elsewhere(before, inputs) else {*_declared(before)}
        for name in ("secrets", "fallback"):
            if isinstance(inputs[name], dict):
                values: Properties = inputs[name]
                inputs[name] = {key.upper(): value for key, value in values.items()}
        secrets = self.secrets_of(run, inputs)
        if secrets is None:
            return inputs
        claim = self._claim(secrets.place, inputs)
        run.claims[urn] = claim
        raise_if(*_clashes(run, urn, claim))
        if run.configuration.complete:
            await self._check_against_github(run, urn, secrets, ours, inputs)
        return inputs

    def _claim(self, place: Place, inputs: Properties) -> Claim:
        declared: dict[str, Value] = reveal(inputs["secrets"])
        servers: dict[str, str] = {
            triple.prefix: declared[triple.server]
            for triple in triples_in(declared)
            if isinstance(declared[triple.server], str)
        }
        return Claim(place, list(declared), servers, *self.claimed_readers(inputs))

    async def _check_against_github(
        self, run: Run, urn: str, secrets: Secrets, ours: set[str], inputs: Properties
    ) -> None:
        if not ours:
            await secrets.public_key()
        existing = await secrets.secrets()
        names = set(inputs["secrets"])
        foreign = sorted((names - ours) & set(existing))
        if foreign and not inputs["adoptExisting"]:
            conflicts = ", ".join(f"{name} (last changed {existing[name].updated_at})" for name in foreign)
            raise InvalidInputs(
                Failure(
                    "",
                    f"{secrets.place} has these secrets already, and this resource did not make them: {conflicts}. "
                    "Choose another secret_prefix, or set adopt_existing to take them over; their values are "
                    "overwritten. (With --replace the engine shows a resource nothing of its past: then set "
                    "adopt_existing for that one update.)",
                )
            )
        if ours and not names - ours and inputs["adoptExisting"]:
            run.log(Severity.WARNING, urn, "adopt_existing has done its work; remove it, so that it adopts no more.")
        claims = [claim for claim in run.claims.values() if claim.place == secrets.place]
        added = {name for claim in claims for name in claim.names} - set(existing)
        if names & added:
            try:
                check_capacity(set(existing), added, secrets.place.full_name)
            except RuleViolation as violation:
                raise InvalidInputs(Failure("", str(violation))) from violation

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        _check_values(new)
        changes = map_changes("secrets", plain_map(state.get("secrets")), new["secrets"])
        changes |= self.reader_changes(state, new)
        secrets = self.secrets_of(run, state) if run.configuration.complete else None
        if secrets:
            changes |= await self._drift(run, urn, secrets, state, plain_map(new["secrets"]))
        unfinished: list[str] = state.get("unfinished") or []
        for name in unfinished:
            changes.setdefault(join("secrets", name), "update")
        if state.get("readersUnfinished") and not any(path.startswith(self.reader_inputs) for path in changes):
            changes[self.reader_inputs[-1]] = "update"
        return Difference(changes)

    def _located_secrets(self, run: Run, properties: Properties) -> Secrets:
        """The secrets of a place that must be known by now.

        Raises:
            ActionableError: the place is not known.
        """
        secrets = self.secrets_of(run, properties)
        if secrets is None:
            raise ActionableError(
                "it is not known whose secrets these are; run `pulumi refresh`, then `pulumi up` again."
            )
        return secrets

    async def _drift(
        self, run: Run, urn: str, secrets: Secrets, state: Properties, declared: Mapping[str, Value]
    ) -> dict[str, ChangeKind]:
        live = await secrets.secrets()
        changes: dict[str, ChangeKind] = {}
        for name, stamp in sorted(_stamps(state).items()):
            if name not in declared:
                continue
            if name not in live:
                changes[join("secrets", name)] = "add"
                run.log(Severity.WARNING, urn, f"{name} was deleted outside of this stack; it is written again.")
            elif live[name].updated_at != stamp:
                changes[join("secrets", name)] = "update"
                run.log(
                    Severity.WARNING,
                    urn,
                    f"{name} was changed outside of this stack at {live[name].updated_at}; it is written again.",
                )
            elif live[name].visibility != self.readers(state).visibility:
                changes[self.reader_inputs[0]] = "update"
        return changes

    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        identifier = self.identifier(new)
        return identifier, await self._write(run, urn, identifier, {}, new, preview=preview)

    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        same_owner(run, state)
        return await self._write(run, urn, identifier, state, new, preview=preview)

    async def _write(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        _check_values(new)
        if preview:
            secrets = self.secrets_of(run, new)
            if secrets:
                await self._warn_of_shadows(run, urn, secrets, state, new)
                _check_may_write(run, urn, secrets, preview=True)
            return self._outputs(run, new, new["secrets"], {}) | {"updatedAt": UNKNOWN}
        secrets = self._located_secrets(run, new)
        _check_may_write(run, urn, secrets, preview=False)
        live = await secrets.secrets()
        plan = self._plan(state, new, live)
        written = await self._carry_out(run, urn, secrets, state, plan, live)
        if written.error is None:
            try:
                return self._outputs(run, new, new["secrets"], await _new_stamps(secrets, state, plan, written))
            except CloudError as error:
                written.error = error
        if not written.names:
            raise written.error
        if not state and set(written.removed) == set(written.names):
            # Everything was removed again, so the state has nothing to record.
            raise CloudError(_failure_message(written))
        partial = await self._partial_state(run, secrets, state, new, plan, written)
        # The resource keeps owning secrets that are no longer declared but still exist, in case the program takes the
        # change back.
        remaining = {name: Secret("") for name in _stamps(partial)}
        raise PartialWrite(
            _failure_message(written), identifier, partial, new | {"secrets": remaining | new["secrets"]}
        )

    async def _warn_of_shadows(self, run: Run, urn: str, secrets: Secrets, state: Properties, new: Properties) -> None:
        """Warn of logins that codespaces would put together from secrets of two levels."""
        declared = set(plain_map(new["secrets"]))
        unseen: list[str] = []
        others = await self.other_levels(run, state, new)
        examined, skipped = others[:_LISTINGS], others[_LISTINGS:]
        gate = asyncio.Semaphore(_CONCURRENT_LISTINGS)
        pace = Pace(run.status_line(urn), "looking for secrets of the same names", len(examined))

        async def look(other: Secrets) -> None:
            async with gate:
                try:
                    candidates = {*await other.secrets(), *run.claimed(other.place)}
                    names = await self.visible_names(other, candidates, new)
                except CloudError:
                    unseen.append(other.place.full_name)
                    return
                finally:
                    pace.step()
            levels = (declared, names) if other.place.repository else (names, declared)
            for triple, shared in mixed_logins(*levels).items():
                run.log(Severity.WARNING, urn, _mixture_warning(triple, shared, secrets.place, other.place))

        await asyncio.gather(*(look(other) for other in examined))
        unseen += [other.place.full_name for other in skipped]
        if unseen and triples_in(declared):
            run.log(
                Severity.INFO,
                urn,
                "it was not looked at whether there are Codespaces secrets of the same names in "
                f"{_shortened(sorted(unseen))}; a repository's secret takes the place of one of the organization.",
            )

    async def _carry_out(
        self,
        run: Run,
        urn: str,
        secrets: Secrets,
        state: Properties,
        plan: _Plan,
        live: Mapping[str, SecretInfo],
    ) -> Written:
        """Write values, then readers, then remove secrets no longer declared; stop at the first failure."""
        written = Written()
        pace = Pace(run.status_line(urn), "writing secrets", len(plan.names) + len(plan.readers_alone))
        if plan.names:
            written = await write_values(
                secrets,
                plan.values,
                plan.names,
                plan.readers,
                plan.fallback,
                live,
                plan.old_readers,
                plan.drifted,
                pace=pace,
            )
        if written.error is None and plan.readers_alone:
            written_readers = await write_readers(
                secrets, plan.readers_alone, plan.readers, plan.old_readers, pace=pace
            )
            written_readers.names = written.names + written_readers.names
            written = written_readers
        run.written.update({(secrets.place, name): urn for name in written.names})
        if written.error is None:
            try:
                await self._remove(run, urn, secrets, state, plan)
            except CloudError as error:
                written.error = error
        return written

    async def _remove(self, run: Run, urn: str, secrets: Secrets, state: Properties, plan: _Plan) -> None:
        stamps = _stamps(state)
        await _delete_ours(run, urn, secrets, {name: stamps[name] for name in plan.removed})

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        names: list[str] = []
        location = state
        if state:
            same_owner(run, state)
        else:
            location, names = await self.parse_identifier(run, identifier)
        secrets = self._located_secrets(run, location)
        live = await secrets.secrets()
        stamps = _stamps(state) if state else {}
        if not state:
            missing = [name for name in names if name not in live]
            if missing or not names:
                hint = did_you_mean(missing[0], live) if missing else ""
                raise ActionableError(
                    f"cannot import {identifier!r}: {secrets.place} has no secret "
                    f"{', '.join(missing) or 'of an empty name'}{hint or '.'} Give the names, separated by commas."
                )
            stamps = {name: live[name].updated_at for name in names}
        present = [name for name in stamps if name in live]
        if not present:
            return None
        old_values: dict[str, Value] = plain_map(state.get("secrets"))
        unchanged = {
            name: Secret(old_values[name])
            for name in present
            if name in old_values and live[name].updated_at == stamps[name]
        }
        readers = await self.live_readers(secrets, present, live, location)
        owner = run.configuration.owner
        properties = {**state, "owner": owner, "secrets": unchanged, **readers, "updatedAt": stamps}
        if state and self.readers(properties) != self.readers(state):
            # The state no longer says who may read the secrets that kept their readers.
            properties["readersUnfinished"] = True
        if not inputs:
            # GitHub does not return values, so the program has to supply them before the next update.
            values = {name: Secret("") for name in present}
            inputs = {"owner": owner, "secrets": values, **readers, "adoptExisting": False}
        return Stored(identifier, inputs, properties)

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        same_owner(run, state)
        await self.delete_from(run, urn, self._located_secrets(run, state), state)

    async def delete_from(self, run: Run, urn: str, secrets: Secrets, state: Properties) -> None:
        """Delete the secrets recorded in a state from the place where they are now."""
        await _delete_ours(run, urn, secrets, _stamps(state))

    def _plan(self, state: Properties, new: Properties, live: Mapping[str, SecretInfo]) -> _Plan:
        values: dict[str, str] = reveal(new["secrets"])
        old_values: dict[str, str] = plain_map(state.get("secrets"))
        stamps = _stamps(state)
        readers = self.readers(new)
        old_readers = self.readers(state) if state and not state.get("readersUnfinished") else None
        unfinished: list[str] = state.get("unfinished") or []
        changed = {
            name
            for name, value in values.items()
            if old_values.get(name) != value
            or name not in live
            or live[name].updated_at != stamps.get(name)
            or live[name].visibility != readers.visibility
            or name in unfinished
        }
        names = whole_units(changed, values)
        fallback = _fallback(names, state, new, live)
        expected: dict[str, str] = reveal(new.get("publishedAt")) or stamps
        return _Plan(
            values=values,
            names=names,
            removed=[name for name in stamps if name not in values],
            readers=readers,
            old_readers=old_readers,
            fallback=fallback,
            drifted={name for name in fallback if name in live and live[name].updated_at != expected.get(name)},
        )

    async def _partial_state(
        self, run: Run, secrets: Secrets, state: Properties, new: Properties, plan: _Plan, written: Written
    ) -> Properties:
        """The outputs to record after a write that failed half-way."""
        values: dict[str, str] = dict(plain_map(state.get("secrets")))
        for name in written.names:
            values[name] = written.restored.get(name, plan.values[name])
        for name in (*written.uncertain, *written.removed):
            values.pop(name, None)
        try:
            live = await secrets.secrets(fresh=True)
        except CloudError:
            live = {}
        stamps = _stamps(state) | _live_stamps(written.names, live)
        for name in written.removed:
            stamps.pop(name, None)
        outputs = self._outputs(run, new, {name: Secret(value) for name, value in values.items()}, stamps)
        outputs["unfinished"] = sorted(set(written.uncertain))
        if state and plan.old_readers != plan.readers:
            outputs |= {name: state.get(name) for name in self.reader_inputs}
            outputs["readersUnfinished"] = bool(written.forward) or bool(state.get("readersUnfinished"))
        return outputs

    def _outputs(self, run: Run, new: Properties, secrets: Value, stamps: Mapping[str, str]) -> Properties:
        return {
            "owner": run.configuration.owner or None,
            "secrets": secrets,
            **{name: new.get(name) for name in self.reader_inputs},
            "adoptExisting": new["adoptExisting"],
            "updatedAt": dict(stamps) if stamps else None,
        }


@dataclass
class _Plan:
    """The writes and deletes of one update."""

    values: dict[str, str]
    names: list[str]
    removed: list[str]
    readers: SecretReaders
    old_readers: SecretReaders | None
    fallback: dict[str, str]
    drifted: set[str]
    """The names that were written since they were last known to hold their fallback."""

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


def _fallback(
    names: Iterable[str], state: Properties, new: Properties, live: Mapping[str, SecretInfo]
) -> dict[str, str]:
    """The value to restore for each secret if its pair does not become whole.

    With a key rotation (`publishedAt` is set), the value is the key of the published slot, provided that the registry's
    mark is still the one that the rotation saw. It is never the value in the state: a killed run may have published a
    newer one. Without a rotation, it is the state's value if nobody has written the secret since.
    """
    published_at: dict[str, str] | None = reveal(new.get("publishedAt"))
    if published_at is None:
        old: dict[str, str] = plain_map(state.get("secrets"))
        stamps = _stamps(state)
        return {
            name: old[name]
            for name in names
            if name in old and name in live and live[name].updated_at == stamps.get(name)
        }
    slot_values: dict[str, str] = reveal(new.get("fallback")) or {}
    still_marked = {
        name
        for triple in triples_in(names)
        if triple.server in live and live[triple.server].updated_at == published_at.get(triple.server)
        for name in triple.names
    }
    return {name: value for name, value in slot_values.items() if name in still_marked}


async def _new_stamps(secrets: Secrets, state: Properties, plan: _Plan, written: Written) -> dict[str, str]:
    """When each secret was last written, once all writes are done."""
    stamps = _stamps(state)
    if written.names:
        live = await secrets.secrets(fresh=not plan.marked)
        # A secret that GitHub does not list yet counts as changed, so the next update looks at it again.
        stamps |= _live_stamps(plan.values, live)
    return {name: stamp for name, stamp in stamps.items() if name in plan.values}


def _live_stamps(names: Iterable[str], live: Mapping[str, SecretInfo]) -> dict[str, str]:
    """Name -> `updated_at` in GitHub; "" for a secret that GitHub does not list."""
    return {name: live[name].updated_at if name in live else "" for name in names}


def _mixture_warning(triple: Triple, shared: list[str], place: Place, other: Place) -> str:
    repository, organization = (place, other) if place.repository else (other, place)
    return (
        f"codespaces of {repository.full_name} would log in with a mixture for {triple.prefix}: {' and '.join(shared)} "
        f"of the {repository} takes the place of that of the {organization}, and the rest does not. Remove it with "
        f"`gh secret delete {shared[0]} --app codespaces {repository.flags}`, or give the repository all three."
    )


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _failure_message(written: Written) -> str:
    """The message of a failed write: the error, what each secret holds now, and the way out."""
    parts = [str(written.error)]
    uncertain = {*written.uncertain, *written.readers_uncertain}
    for names, text in (
        ([name for name in written.forward if name not in uncertain], "written: {}"),
        (list(written.restored), "put back to what they held before: {}"),
        (written.removed, "removed again: {}"),
        (written.uncertain, "whose value is uncertain until the next update writes it: {}"),
        (written.readers_restored, "whose repositories were put back: {}"),
        (written.readers_uncertain, "whose repositories are uncertain until the next update writes them: {}"),
    ):
        if names:
            parts.append("Secrets " + text.format(", ".join(names)) + ".")
    parts.append("Run `pulumi up` again to finish.")
    return " ".join(parts)


async def _delete_ours(run: Run, urn: str, secrets: Secrets, stamps: Mapping[str, str]) -> None:
    """Delete secrets unless somebody else wrote them since.

    The other writer may be a person, a resource in this run, or a resource in another process: when a resource is
    renamed, replaced or moved to another provider, the engine deletes the old one after the new one has written the
    same names. So an earlier listing of this run is too old to rely on.

    Args:
        run: the run.
        urn: the resource that deletes them.
        secrets: the secrets of the place.
        stamps: name -> when this resource last wrote the secret; "" if that is not known.
    """
    names = [name for name in reversed(write_order(stamps)) if not run.wants(secrets.place, name)]
    live = await secrets.secrets(fresh=True) if names else {}
    for name in names:
        # Another resource of this run may have written the secret in the meantime.
        if name not in live or run.wants(secrets.place, name):
            continue
        if stamps[name] and live[name].updated_at != stamps[name]:
            run.log(
                Severity.WARNING,
                urn,
                f"{name} was written by somebody else at {live[name].updated_at} and is left in place. If nobody needs "
                f"it, remove it with `gh secret delete {name} --app codespaces {secrets.place.flags}`.",
            )
            continue
        await secrets.delete_secret(name)


def _check_may_write(run: Run, urn: str, secrets: Secrets, *, preview: bool) -> None:
    if not run.configuration.complete or secrets.may_write() is not False:
        return
    need = secrets.place.need("write")
    text = (
        "these GitHub credentials may read but not write Codespaces secrets; `pulumi up` needs the scope "
        f"{need.scope} (a classic token) or {need.permission} (a fine-grained token or an App)."
    )
    if not preview:
        raise ActionableError(text)
    run.log(Severity.WARNING, urn, text)


def _marked_secret(sent: Value) -> Value:
    """Mark each value of a map secret, whatever the program sent.

    An unknown map gets no mark: once known, its values are marked and not the map as a whole, and an update by a plan
    (`--plan`) compares marks.
    """
    plain = sent.value if isinstance(sent, Secret) else sent
    if isinstance(plain, dict):
        values = cast("Properties", plain)
        return {name: value if isinstance(value, Secret) else Secret(value) for name, value in values.items()}
    return plain if plain is None or isinstance(plain, Unknown) else Secret(plain)


def _stamps(state: Properties) -> dict[str, str]:
    return plain_map(state.get("updatedAt"))


def _past_inputs(run: Run, urn: str, old: Properties) -> Properties:
    """The inputs of the last update; empty if they are of another organization.

    Before the engine replaces a resource, it calls Check a second time without the old inputs; the run remembers them.
    """
    before = run.past.setdefault(urn, reveal(old)) if old else run.past.get(urn, {})
    if before.get("owner", run.configuration.owner).lower() != run.configuration.owner.lower():
        return {}
    return before


def _declared(before: Properties) -> dict[str, Value]:
    """The declared secrets: NAME -> value."""
    return {name.upper(): value for name, value in plain_map(before.get("secrets")).items()}


def _shape_failures(inputs: Properties) -> list[Failure]:
    maps = {name: reveal(inputs.get(name)) for name in ("secrets", "fallback", "publishedAt")}
    failures = [
        *check_map("secrets", maps["secrets"], lambda value: value is None or is_text(value), "a text"),
        *check_map("fallback", maps["fallback"], is_text, "a text"),
        *check_map("published_at", maps["publishedAt"], is_text, "a text"),
    ]
    if not isinstance(inputs["adoptExisting"], (bool, Unknown)):
        failures.append(Failure("", "adopt_existing must be true or false."))
    if maps["secrets"] is None:
        failures.append(Failure("", "secrets is missing: give at least one NAME and its value."))
    return failures


def _check_values(new: Properties) -> None:
    """Refuse to write a secret without a value. Check lets it pass for a resource that was just imported.

    Raises:
        ActionableError: a secret has no value.
    """
    missing = sorted(name for name, value in plain_map(new["secrets"]).items() if value == "")
    if missing:
        raise ActionableError(
            f"{', '.join(missing)}: GitHub does not tell what an imported secret holds; write its value in the program."
        )


def _secret_failures(secrets: Mapping[str, Value], past: Mapping[str, Value]) -> list[Failure]:
    if not secrets:
        return [Failure("", "secrets is empty: give at least one NAME and its value.")]
    failures: list[Failure] = []
    seen: dict[str, str] = {}
    for name in sorted(secrets):
        value = reveal(secrets[name])
        try:
            check_name(name, f"secrets.{name}")
            if isinstance(value, str):
                check_value_size(name, value)
        except RuleViolation as violation:
            failures.append(Failure(violation.argument, str(violation)))
        if value is None or (value == "" and past.get(name.upper()) != ""):
            failures.append(Failure(f"secrets.{name}", f"secrets.{name} has no value; a secret must hold something."))
        if name.upper() in seen:
            failures.append(
                Failure(
                    f"secrets.{name}",
                    f"secrets.{name} and secrets.{seen[name.upper()]} are one secret for GitHub, which does not tell "
                    "upper from lower case; keep one.",
                )
            )
        seen[name.upper()] = name
    return failures


def _clashes(run: Run, urn: str, claim: Claim) -> list[Failure]:
    """Find secrets that another resource of this run declares too, and registries with two logins in one repository.

    docker keeps one credential per registry (https://github.com/docker/cli/issues/5582), so of two triples for the same
    server, the one that GitHub happens to log in with last wins. A repository's triple with the same prefix as an
    organization's triple is harmless, because it replaces it.
    """
    failures: list[Failure] = []
    for other_urn, other in run.claims.items():
        if other_urn == urn or other.place != claim.place:
            continue
        other_name = other_urn.rsplit("::", 1)[-1]
        failures.extend(
            Failure(
                f"secrets.{name}",
                f"{name} is declared by {other_name} too; two resources would overwrite each other's secret. Give one "
                "of them another secret_prefix.",
            )
            for name in sorted(set(claim.names) & set(other.names))
        )
    for other_urn, other in run.claims.items():
        for prefix, server in claim.servers.items():
            for other_prefix, other_server in other.servers.items():
                seen_already = urn == other_urn and prefix >= other_prefix
                hidden = other.place != claim.place and prefix == other_prefix
                if seen_already or hidden or not same_registry(server, other_server):
                    continue
                shared = _shared_readers(claim, other)
                if shared:
                    failures.append(
                        Failure(
                            "",
                            f"{shared} would get two logins for {server}: by {prefix} and by {other_prefix}. docker "
                            "keeps one login a registry, and which one wins is chance. Select disjoint repositories, "
                            "or put both grants into one login.",
                        )
                    )
    return failures


def _shared_readers(claim: Claim, other: Claim) -> str:
    """Who reads the secrets of both claims; "" for nobody."""
    if "selected" not in (claim.visibility, other.visibility):
        return "every private repository"
    selected, wide = (claim, other) if claim.visibility == "selected" else (other, claim)
    if wide.visibility != "selected":
        return f"repository {next(iter(selected.repositories), '?')}"
    for name, number in claim.repositories.items():
        if name in other.repositories or (number is not None and number in other.repositories.values()):
            return f"repository {name}"
    return ""
