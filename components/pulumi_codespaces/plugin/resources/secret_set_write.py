"""Carries out the plan of an update of secrets, and records what GitHub holds afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...clients.errors import CloudError
from ...clients.pace import Pace
from ...rules.secret_names import write_order
from ...values import Secret
from ..properties.secret_set import SecretSetState
from ..run import Severity
from ..secret_writer import Written, write_readers, write_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...clients.codespaces_secrets import SecretInfo, Secrets
    from ...values import Unknown
    from ..properties.secret_set import SecretMap, SecretSetInputs, TargetT
    from ..run import Run
    from .secret_set_plan import Plan


async def carry_out(run: Run, urn: str, secrets: Secrets, plan: Plan, live: Mapping[str, SecretInfo]) -> Written:
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
        written_readers = await write_readers(secrets, plan.readers_alone, plan.readers, plan.old_readers, pace=pace)
        written = replace(written_readers, names=written.names + written_readers.names)
    run.written.update({(secrets.place, name): urn for name in written.names})
    if written.error is None:
        try:
            await delete_ours(run, urn, secrets, plan.removed)
        except CloudError as error:
            return replace(written, error=error)
    return written


async def new_stamps(
    secrets: Secrets, state: SecretSetState[TargetT] | None, plan: Plan, written: Written
) -> dict[str, str]:
    """When each secret was last written, once all writes are done."""
    stamps = dict(state.stamps) if state else {}
    if written.names:
        live = await secrets.secrets(fresh=not plan.marked)
        # A secret that GitHub does not list yet counts as changed, so the next update looks at it again.
        stamps = stamps | _live_stamps(plan.values, live)
    return {name: stamp for name, stamp in stamps.items() if name in plan.values}


def _live_stamps(names: Iterable[str], live: Mapping[str, SecretInfo]) -> dict[str, str]:
    """Name -> `updated_at` in GitHub; "" for a secret that GitHub does not list."""
    return {name: live[name].updated_at if name in live else "" for name in names}


def outputs(
    run: Run,
    new: SecretSetInputs[TargetT],
    secrets: SecretMap | Unknown | None,
    stamps: dict[str, str] | Unknown,
) -> SecretSetState[TargetT]:
    """The state after a write."""
    return SecretSetState(
        new.target,
        secrets,
        adopt_existing=new.adopt_existing,
        owner=run.configuration.owner or None,
        updated_at=stamps or None,
    )


async def partial_outputs(
    run: Run,
    secrets: Secrets,
    state: SecretSetState[TargetT] | None,
    new: SecretSetInputs[TargetT],
    plan: Plan,
    written: Written,
) -> SecretSetState[TargetT]:
    """The state to record after a write that failed half-way."""
    values = (state.values if state else {}) | {
        name: written.restored.get(name, plan.values[name]) for name in written.names
    }
    lost = {*written.uncertain, *written.removed}
    try:
        live = await secrets.secrets(fresh=True)
    except CloudError:
        live = {}
    stamps = (state.stamps if state else {}) | _live_stamps(written.names, live)
    partial = replace(
        outputs(
            run,
            new,
            {name: Secret(value) for name, value in values.items() if name not in lost},
            {name: stamp for name, stamp in stamps.items() if name not in written.removed},
        ),
        unfinished=sorted(set(written.uncertain)),
    )
    if state is None or plan.old_readers == plan.readers:
        return partial
    readers_unfinished = bool(written.forward) or bool(state.readers_unfinished)
    return replace(partial, target=state.target, readers_unfinished=readers_unfinished)


def failure_message(written: Written) -> str:
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


async def delete_ours(run: Run, urn: str, secrets: Secrets, stamps: Mapping[str, str]) -> None:
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
