"""A set of secrets that is added, removed or updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rules.wording import are
from .keys import key_changes, rotates
from .model import Change
from .permissions import new_permissions
from .phrases import (
    capital,
    names_text,
    readers_text,
    repository_details,
    secret_details,
    secrets_text,
    use_text,
)
from .readers import PublicRepositories, public_changes, width

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ...state.access import Access
    from ...state.digest import Step


def added(new: Access, public: PublicRepositories, *, has_user_already: bool = False) -> Iterable[Change]:
    """A new set of secrets: its readers, its user, and the secrets that it overwrites."""
    text = f"{readers_text(new.owner, new.readers)} may {use_text(new)}."
    if new.user and not has_user_already:
        text += f" New IAM user `{new.user}`, with its first key."
    yield Change(
        capital(text),
        "wider-visibility" if width(new.readers) > 1 else "",
        (*repository_details(new.owner, new.readers.names), *(f"secret {name}" for name in secret_details(new))),
    )
    yield from public_changes(new.owner, public.readers(new))
    if new.adopts:
        text = f"Existing secrets with these names are overwritten: {secrets_text(new)}."
        yield Change(text, "adoption", secret_details(new))
    if not has_user_already:
        yield from new_permissions(new)


def removed(old: Access, *, keeps_user: bool = False) -> Iterable[Change]:
    """A set of secrets that is deleted."""
    text = capital(f"{readers_text(old.owner, old.readers)} can no longer {use_text(old)}: ")
    text += f"{secrets_text(old)} {are(old.secrets)} deleted"
    if old.user and not keeps_user:
        text += f", and the IAM user `{old.user}` with its keys"
    details = (*repository_details(old.owner, old.readers.names), *secret_details(old))
    yield Change(f"{text}.", "secrets-deleted", details)


def updated(old: Access, new: Access, steps: Mapping[str, Step]) -> Iterable[Change]:
    """A set of secrets that stays: its key, its names and its values.

    Args:
        old: the access before.
        new: the access after.
        steps: URN -> the step of the preview.
    """
    yield from key_changes(old, new, steps)
    added_names, deleted_names = set(new.secrets) - set(old.secrets), set(old.secrets) - set(new.secrets)
    if deleted_names:
        yield Change(f"Deleted: {names_text(deleted_names)}.", "secrets-deleted")
    if added_names:
        yield Change(f"New: {names_text(added_names)}.")
    written = [name for name in _written(steps.get(new.urn)) if name not in added_names | deleted_names]
    if written and not rotates(old, new):
        # A change of the whole map has the path `secrets`.
        yield _new_values([name for name in written if name != "secrets"] or list(new.secrets))
    if new.adopts and not old.adopts:
        text = f"`adopt_existing` is switched on for `{new.name}`: existing secrets are overwritten."
        yield Change(text, "adoption")


def _written(step: Step | None) -> list[str]:
    """The secrets whose values a step changes."""
    paths = step.paths if step else ()
    return sorted(path.removeprefix("secrets.") for path in paths if path.startswith("secrets"))


def _new_values(names: Collection[str]) -> Change:
    if len(names) == 1:
        return Change(f"The value of {names_text(names)} is written; codespaces get it at their next start.")
    return Change(f"The values of {names_text(names)} are written; codespaces get them at their next start.")
