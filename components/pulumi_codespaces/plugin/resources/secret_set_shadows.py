"""Logins that codespaces would put together from secrets of two levels: an organization and its repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clients.concurrency import gather_limited
from ...clients.errors import CloudError
from ...clients.pace import Pace
from ...rules.secret_names import mixed_logins, triples_in
from ...rules.wording import shortened
from ..run import Severity

if TYPE_CHECKING:
    from ...clients.codespaces_secrets import Place, Secrets
    from ...rules.secret_names import Triple
    from ..properties.secret_set import SecretSetInputs, SecretSetState, TargetT
    from ..run import Run
    from .secret_scope import SecretScope

_CONCURRENT_LISTINGS = 5
_LISTINGS = 300
"""The most joining repositories whose own secrets a preview lists."""


async def warn_of_shadows(
    scope: SecretScope[TargetT],
    run: Run,
    urn: str,
    secrets: Secrets,
    state: SecretSetState[TargetT] | None,
    new: SecretSetInputs[TargetT],
) -> None:
    """Warn of logins that codespaces would put together from secrets of two levels."""
    declared = set(new.plain)
    unseen: list[str] = []
    has_new_names = not declared <= set(state.plain if state else ())
    others = await scope.other_levels(run, state.target if state else None, new.target, has_new_names=has_new_names)
    examined, skipped = others[:_LISTINGS], others[_LISTINGS:]
    pace = Pace(run.status_line(urn), "looking for secrets of the same names", len(examined))

    async def look(other: Secrets) -> None:
        try:
            candidates = {*await other.secrets(), *run.claimed(other.place)}
            names = await scope.visible_names(other, candidates, new.target, declared)
        except CloudError:
            unseen.append(other.place.full_name)
            return
        finally:
            pace.step()
        levels = (declared, names) if other.place.repository else (names, declared)
        for triple, shared in mixed_logins(*levels).items():
            run.log(Severity.WARNING, urn, _mixture_warning(triple, shared, secrets.place, other.place))

    await gather_limited(look, examined, _CONCURRENT_LISTINGS)
    unseen += [other.place.full_name for other in skipped]
    if unseen and triples_in(declared):
        run.log(
            Severity.INFO,
            urn,
            "it was not looked at whether there are Codespaces secrets of the same names in "
            f"{shortened(sorted(unseen))}; a repository's secret takes the place of one of the organization.",
        )


def _mixture_warning(triple: Triple, shared: list[str], place: Place, other: Place) -> str:
    repository, organization = (place, other) if place.repository else (other, place)
    return (
        f"codespaces of {repository.full_name} would log in with a mixture for {triple.prefix}: {' and '.join(shared)} "
        f"of the {repository} takes the place of that of the {organization}, and the rest does not. Remove it with "
        f"`gh secret delete {shared[0]} --app codespaces {repository.flags}`, or give the repository all three."
    )
