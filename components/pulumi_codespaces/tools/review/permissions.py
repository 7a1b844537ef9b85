"""Changes of what an IAM user may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rules.policies import matches_everything
from ...rules.wording import in_words
from ...state.permissions import LOGINS, PULLS
from .model import Change
from .phrases import MANY, code, codespaces_text, registry_text, repository_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...state.access import Access
    from ...state.permissions import Grant


def new_permissions(new: Access) -> Iterable[Change]:
    """The permissions of a new user that go beyond pulling, or whose content the stack does not have."""
    wide_grants = frozenset(grant for grant in new.grants if _is_wide(grant))
    if wide_grants:
        yield Change(f"`{new.user}` may do more than pull.", "wider-policy", diff=_diff_lines("+", wide_grants))
    if new.elsewhere:
        yield _elsewhere_change(new, new.elsewhere)


def permission_changes(old: Access, new: Access) -> Iterable[Change]:
    """The permissions that a user gains and loses."""
    yield from _suspension_changes(old, new)
    if gained := new.elsewhere - old.elsewhere:
        yield _elsewhere_change(new, gained)
    if lost := old.elsewhere - new.elsewhere:
        yield Change(f"`{new.user}` no longer has the permissions of {_sources_text(lost)}.")
    if new.opaque or old.opaque:
        if new.opaque != old.opaque:
            yield Change(f"What `{new.user}` may do is known only after the update.", "wider-policy")
        return
    yield from _grant_changes(old, new)
    if old.boundary and old.boundary != new.boundary:
        yield Change(f"The permissions boundary of `{new.user}` changes.", "wider-policy")


def _suspension_changes(old: Access, new: Access) -> Iterable[Change]:
    if new.suspended and not old.suspended:
        text = f"`{new.user}` is suspended: no codespace can pull from {registry_text(new)} until the suspension ends."
        yield Change(text, "suspended")
    elif old.suspended and not new.suspended:
        yield Change(f"The suspension of `{new.user}` ends; its key is verified first.")


def _grant_changes(old: Access, new: Access) -> Iterable[Change]:
    added, removed = _without_denials(new.grants - old.grants), _without_denials(old.grants - new.grants)
    diff = _diff_lines("-", removed) + _diff_lines("+", added)
    lost = in_words(_resources(removed)[:MANY])
    if added:
        text = f"`{new.user}` may now {_gain_text(added)}"
        if lost:
            text += f", and no longer {lost}"
        yield Change(f"{text}, {codespaces_text(new)}.", "wider-policy", diff=diff)
    elif removed:
        yield Change(f"`{new.user}` may no longer pull {lost}.", diff=diff)


def _gain_text(added: frozenset[Grant]) -> str:
    resources = _resources(added)
    text = f"pull {in_words(resources[:MANY])}"
    if any(_is_wide(grant) for grant in added):
        text = "do more than pull"
    return f"{text} and {len(resources) - MANY} more" if len(resources) > MANY else text


def _resources(grants: Iterable[Grant]) -> list[str]:
    """The resources of grants, as code, each once."""
    return code(sorted({repository_name(grant.resource) for grant in grants}))


def _elsewhere_change(access: Access, elsewhere: Iterable[tuple[str, str]]) -> Change:
    text = (
        f"`{access.user}` also has the permissions of {_sources_text(elsewhere)}, {codespaces_text(access)}; this "
        "review does not show what they allow."
    )
    return Change(text, "wider-policy")


def _sources_text(elsewhere: Iterable[tuple[str, str]]) -> str:
    """The policies and groups that give permissions."""
    return in_words(
        [
            f"the {kind} `{name}`" if name else f"a {kind} that is known only after the update"
            for kind, name in sorted(elsewhere)
        ]
    )


def _without_denials(grants: Iterable[Grant]) -> frozenset[Grant]:
    return frozenset(grant for grant in grants if grant.effect != "Deny")


def _is_wide(grant: Grant) -> bool:
    if grant.effect != "Allow":
        return False
    wide = matches_everything(grant.resource) or grant.resource.startswith("everything but ")
    return grant.action not in PULLS | LOGINS or (wide and grant.action not in LOGINS)


def _diff_lines(sign: str, grants: Iterable[Grant]) -> tuple[str, ...]:
    """One line for each effect, ARN and condition, with all its actions."""
    by_resource: dict[tuple[str, str, str], list[str]] = {}
    for grant in sorted(grants):
        suffix = f" if {grant.condition}" if grant.condition else ""
        by_resource.setdefault((grant.effect, grant.resource, suffix), []).append(grant.action)
    return tuple(
        f"{sign} {effect} {', '.join(actions)} on {resource}{suffix}"
        for (effect, resource, suffix), actions in sorted(by_resource.items())
    )
