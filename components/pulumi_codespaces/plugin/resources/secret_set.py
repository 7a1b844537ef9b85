"""`OrganizationSecrets` and `RepositorySecrets`: secrets that belong together, written as one unit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ...clients.errors import ActionableError, CloudError
from ...rules.suggestions import did_you_mean
from ...values import UNKNOWN, Secret, Unknown
from ..failures import PartialWrite
from ..properties.secret_set import SecretSetInputs, SecretSetState, TargetT, sent_secrets
from ..properties.shapes import join, map_changes, raise_if
from ..resource import Difference, Reading, Resource
from ..run import Severity
from .secret_set_checks import (
    check_against_github,
    check_may_write,
    check_owner,
    check_values,
    claim_of,
    clashes,
    secret_failures,
)
from .secret_set_plan import make_plan
from .secret_set_proof import prove_keys
from .secret_set_shadows import warn_of_shadows
from .secret_set_write import carry_out, delete_ours, failure_message, new_stamps, outputs, partial_outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...clients.codespaces_secrets import SecretInfo, Secrets
    from ...values import Value
    from ..properties.secret_set import SecretMap
    from ..properties.shapes import ChangeKind
    from ..run import Run
    from .secret_scope import SecretScope

T = TypeVar("T")


class SecretSet(Resource[SecretSetInputs[TargetT], SecretSetState[TargetT]]):
    """Codespaces secrets of one organization or one repository that belong together.

    Beside the values, the state holds `updatedAt`: when this resource last wrote each secret. If GitHub has a different
    stamp, the secret was changed outside of this resource: an update writes it again, and a delete leaves it in place.

    Args:
        scope: where the secrets are, and who reads them.
    """

    remembers_inputs = True

    def __init__(self, scope: SecretScope[TargetT]) -> None:
        self.token = scope.token
        self._scope = scope

    async def check(
        self, run: Run, urn: str, old: SecretSetInputs[TargetT] | None, new: SecretSetInputs[TargetT]
    ) -> SecretSetInputs[TargetT]:
        """Check names, values and readers, and that nobody else has or declares the same secrets."""
        owned = replace(new, owner=run.configuration.owner if run.configuration.complete else UNKNOWN)
        if isinstance(owned.adopt_existing, Unknown) or not isinstance(owned.secrets, dict):
            return owned
        before = _of_this_owner(run, old)
        declared_before = _upper(before.plain) if before else {}
        failures = secret_failures(owned.secrets, declared_before)
        target = await self._scope.resolve(run, urn, before.target if before else None, owned.target)
        if isinstance(target, list):
            raise_if(*failures, *target)
            return owned
        raise_if(*failures)
        fallback = _upper(owned.fallback) if isinstance(owned.fallback, dict) else owned.fallback
        checked = replace(owned, target=target, secrets=_upper(owned.secrets), fallback=fallback)
        secrets = self._scope.secrets_of(run, target)
        if secrets is None:
            return checked
        claim = claim_of(secrets.place, checked)
        run.claims[urn] = claim
        raise_if(*clashes(run, urn, claim))
        if run.configuration.complete:
            ours = set[str]() if before and before.target.is_elsewhere(target) else {*declared_before}
            await check_against_github(run, urn, secrets, ours, checked)
        return checked

    async def difference(
        self, run: Run, urn: str, state: SecretSetState[TargetT], new: SecretSetInputs[TargetT]
    ) -> Difference:
        """Compare the values and the readers, and look for secrets that were changed outside of this stack."""
        first_property, last_property = self._scope.reader_properties[0], self._scope.reader_properties[-1]
        if state.target.is_elsewhere(new.target):
            return Difference({first_property: "update"}, replaces=[first_property])
        check_values(new)
        changes = map_changes("secrets", sent_secrets(state.secrets), sent_secrets(new.secrets))
        changes |= state.target.changes(new.target)
        secrets = self._scope.secrets_of(run, state.target) if run.configuration.complete else None
        if secrets:
            changes |= _drift(run, urn, await secrets.secrets(), state, new.plain, first_property)
        for name in state.unfinished or ():
            changes.setdefault(join("secrets", name), "update")
        if state.readers_unfinished and not any(path.startswith(self._scope.reader_properties) for path in changes):
            changes[last_property] = "update"
        return Difference(changes)

    async def create(
        self, run: Run, urn: str, new: SecretSetInputs[TargetT], *, preview: bool
    ) -> tuple[str, SecretSetState[TargetT]]:
        """Write all secrets."""
        identifier = new.target.identifier(new.plain)
        return identifier, await self._write(run, urn, identifier, None, new, preview=preview)

    async def update(
        self,
        run: Run,
        urn: str,
        identifier: str,
        state: SecretSetState[TargetT],
        new: SecretSetInputs[TargetT],
        *,
        preview: bool,
    ) -> SecretSetState[TargetT]:
        """Write the secrets that changed, and delete those that are no longer declared."""
        check_owner(run, state)
        return await self._write(run, urn, identifier, state, new, preview=preview)

    async def _write(
        self,
        run: Run,
        urn: str,
        identifier: str,
        state: SecretSetState[TargetT] | None,
        new: SecretSetInputs[TargetT],
        *,
        preview: bool,
    ) -> SecretSetState[TargetT]:
        check_values(new)
        secrets = self._scope.secrets_of(run, new.target)
        if preview:
            if secrets:
                await warn_of_shadows(self._scope, run, urn, secrets, state, new)
                check_may_write(run, urn, secrets, preview=True)
            return outputs(run, new, new.secrets, UNKNOWN)
        if secrets is None:
            raise _unknown_place()
        check_may_write(run, urn, secrets, preview=False)
        live = await secrets.secrets()
        plan = make_plan(state, new, live)
        if new.verify is True:
            await prove_keys(run, urn, plan)
        written = await carry_out(run, urn, secrets, plan, live)
        error = written.error
        if error is None:
            try:
                return outputs(run, new, new.secrets, await new_stamps(secrets, state, plan, written))
            except CloudError as unlisted:
                error = unlisted
        if not written.names:
            raise error
        message = failure_message(replace(written, error=error))
        if not state and set(written.removed) == set(written.names):
            # Everything was removed again, so the state has nothing to record.
            raise CloudError(message)
        partial = await partial_outputs(run, secrets, state, new, plan, written)
        raise PartialWrite(message, identifier, partial.write(), _still_owned(new, partial).write())

    async def read(
        self,
        run: Run,
        urn: str,
        identifier: str,
        inputs: SecretSetInputs[TargetT] | None,
        state: SecretSetState[TargetT] | None,
    ) -> Reading[SecretSetInputs[TargetT] | None, SecretSetState[TargetT] | None] | None:
        """Read which secrets exist and who may read them; GitHub does not return values."""
        if state is None:
            return await self._import(run, identifier, inputs)
        found = await self._scope.find(run, urn, state.target)
        if found is None or _was_transferred(run, found[1]):
            return None
        check_owner(run, state)
        target, secrets = found
        live = await secrets.secrets()
        present = [name for name in state.stamps if name in live]
        if not present:
            return None
        old = state.secrets if isinstance(state.secrets, dict) else {}
        unchanged = {name: old[name] for name in present if name in old and live[name].updated_at == state.stamps[name]}
        now = replace(
            state,
            owner=run.configuration.owner,
            secrets=unchanged,
            target=await self._scope.read_back(secrets, present, live, target, imported=False),
            updated_at=state.stamps,
        )
        if now.target.readers != state.target.readers:
            # The state no longer says who may read the secrets that kept their readers.
            now = replace(now, readers_unfinished=True)
        return Reading(identifier, inputs or _without_values(run, now.target, present), now)

    async def _import(
        self, run: Run, identifier: str, inputs: SecretSetInputs[TargetT] | None
    ) -> Reading[SecretSetInputs[TargetT] | None, SecretSetState[TargetT] | None]:
        """Read the secrets that the id of an import names.

        Raises:
            ActionableError: one of them does not exist.
        """
        named_target, names = await self._scope.parse_identifier(run, identifier)
        secrets = self._scope.secrets_of(run, named_target)
        if secrets is None:
            raise _unknown_place()
        live = await secrets.secrets()
        missing = [name for name in names if name not in live]
        if missing or not names:
            hint = did_you_mean(missing[0], live) if missing else ""
            raise ActionableError(
                f"cannot import {identifier!r}: {secrets.place} has no secret "
                f"{', '.join(missing) or 'of an empty name'}{hint or '.'} Give the names, separated by commas."
            )
        target = await self._scope.read_back(secrets, names, live, named_target, imported=True)
        stamps = {name: live[name].updated_at for name in names}
        state = SecretSetState(target, {}, owner=run.configuration.owner, updated_at=stamps)
        return Reading(identifier, inputs or _without_values(run, target, list(stamps)), state)

    async def delete(self, run: Run, urn: str, identifier: str, state: SecretSetState[TargetT]) -> None:
        """Delete the secrets that this resource wrote last."""
        check_owner(run, state)
        found = await self._scope.find(run, urn, state.target)
        if found is None:
            return
        secrets = found[1]
        try:
            await delete_ours(run, urn, secrets, state.stamps)
        except CloudError as error:
            if error.status != 404:
                raise
            # The repository may have been deleted since the lookup, and its secrets with it.
            if _was_transferred(run, secrets):
                run.log(
                    Severity.WARNING,
                    urn,
                    f"the secrets went along with the repository to {secrets.place.full_name}, where "
                    "these credentials cannot delete them; renew the credentials that they hold.",
                )
            elif await self._scope.find(run, urn, state.target, fresh=True):
                raise


def _was_transferred(run: Run, secrets: Secrets) -> bool:
    return secrets.place.organization.lower() != run.configuration.owner.lower()


def _unknown_place() -> ActionableError:
    return ActionableError("it is not known whose secrets these are; run `pulumi refresh`, then `pulumi up` again.")


def _of_this_owner(run: Run, old: SecretSetInputs[TargetT] | None) -> SecretSetInputs[TargetT] | None:
    """The inputs of the last update; None if they are of another organization."""
    owner = old.owner if old else None
    if isinstance(owner, str) and owner.lower() != run.configuration.owner.lower():
        return None
    return old


def _upper(secrets: Mapping[str, T]) -> dict[str, T]:
    return {name.upper(): value for name, value in secrets.items()}


def _still_owned(new: SecretSetInputs[TargetT], partial: SecretSetState[TargetT]) -> SecretSetInputs[TargetT]:
    """The inputs to record after a write that failed.

    The resource keeps owning secrets that are no longer declared but still exist, in case the program takes the change
    back.
    """
    remaining: SecretMap = {name: Secret("") for name in partial.stamps}
    return replace(new, secrets=remaining | new.secrets if isinstance(new.secrets, dict) else remaining)


def _without_values(run: Run, target: TargetT, names: list[str]) -> SecretSetInputs[TargetT]:
    """The inputs of an imported set; the program has to supply the values before the next update."""
    values: SecretMap = {name: Secret("") for name in names}
    return SecretSetInputs(target, values, adopt_existing=False, owner=run.configuration.owner)


def _drift(
    run: Run,
    urn: str,
    live: Mapping[str, SecretInfo],
    state: SecretSetState[TargetT],
    declared: Mapping[str, Value],
    visibility_property: str,
) -> dict[str, ChangeKind]:
    """The secrets that were changed outside of this stack, with a warning for each."""
    changes: dict[str, ChangeKind] = {}
    for name, stamp in sorted(state.stamps.items()):
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
        elif live[name].visibility != state.target.readers.visibility:
            changes[visibility_property] = "update"
    return changes
