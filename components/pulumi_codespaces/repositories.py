"""What the components accept as a selection of repositories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pulumi

from .labels import labelled
from .later import is_later
from .one_repository import is_repository
from .resources import RepositorySelection, RepositorySelectionArgs
from .rules import RuleViolation
from .rules.wording import a_kind

if TYPE_CHECKING:
    from typing import TypeAlias

    import pulumi_github

    SelectedRepositories: TypeAlias = (
        RepositorySelection
        | pulumi.Input[Mapping[str, int]]
        | Mapping[str, pulumi.Input[int]]
        | Sequence[pulumi.Input[str] | pulumi_github.Repository]
    )
    """A selection, its `repositories`, a map of name -> id, or a list of names and `github.Repository` objects."""
else:
    # What a program in another language can say; the union above has no form in a schema.
    SelectedRepositories = pulumi.Input[Mapping[str, pulumi.Input[int]]]


def check_selected(given: SelectedRepositories | None) -> None:
    """Check the kind of what a component's argument selects, before anything is registered.

    Raises:
        RuleViolation: it is no selection, or an item of a list is neither a name nor a repository.
    """
    if given is None or isinstance(given, (Mapping, pulumi.Output, RepositorySelection)):
        return
    if isinstance(given, str) or not isinstance(cast("object", given), Sequence):
        raise RuleViolation(
            "selected_repositories",
            f"selected_repositories is {a_kind(given)}; give a list of repository names, such as ['web'], a "
            "map of name to id, or a RepositorySelection.",
        )
    for index, item in enumerate(cast("Sequence[Any]", given)):
        if not isinstance(item, str) and not is_later(item) and not is_repository(item):
            raise RuleViolation(
                f"selected_repositories[{index}]",
                f"selected_repositories[{index}] is {a_kind(item)}; write a repository's name, or give a "
                "github.Repository.",
            )


def selected(
    given: SelectedRepositories | None, name: str, parent: pulumi.Resource
) -> pulumi.Input[Mapping[str, pulumi.Input[int]]] | None:
    """The repositories that a component's argument selects, as name -> id.

    A list is resolved by a `RepositorySelection` of the component's own, so that names are checked while previewing.

    Args:
        given: the argument, checked.
        name: the name for a selection of the component's own.
        parent: the component.
    """
    if given is None or isinstance(given, (Mapping, pulumi.Output)):
        return cast("pulumi.Input[Mapping[str, pulumi.Input[int]]] | None", given)
    if isinstance(given, RepositorySelection):
        return given.repositories
    items = cast("Sequence[Any]", given)
    names = [item for item in items if isinstance(item, str) or is_later(item)]
    made: list[pulumi_github.Repository] = [item for item in items if is_repository(item)]
    ids: dict[str, pulumi.Input[int]] = {label: repository.repo_id for label, repository in labelled(made).items()}
    args: RepositorySelectionArgs = {}
    if names:
        args["names"] = names
    if ids:
        args["ids"] = ids
    return RepositorySelection(name, args, pulumi.ResourceOptions(parent=parent)).repositories
