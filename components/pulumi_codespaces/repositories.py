"""The argument `selected_repositories` of the components."""

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
    # The form for programs in other languages: a schema cannot express the union above.
    SelectedRepositories = pulumi.Input[Mapping[str, pulumi.Input[int]]]


def check_selected(selection: SelectedRepositories | None) -> None:
    """Check the type of the argument before anything is registered.

    Raises:
        RuleViolation: the argument is not a selection, or an item of a list is neither a name nor a repository.
    """
    if selection is None or isinstance(selection, (Mapping, pulumi.Output, RepositorySelection)):
        return
    if isinstance(selection, str) or not isinstance(cast("object", selection), Sequence):
        raise RuleViolation(
            "selected_repositories",
            f"selected_repositories is {a_kind(selection)}; give a list of repository names, such as ['web'], a "
            "map of name to id, or a RepositorySelection.",
        )
    for index, item in enumerate(cast("Sequence[Any]", selection)):
        if not isinstance(item, str) and not is_later(item) and not is_repository(item):
            raise RuleViolation(
                f"selected_repositories[{index}]",
                f"selected_repositories[{index}] is {a_kind(item)}; write a repository's name, or give a "
                "github.Repository.",
            )


def selected(
    selection: SelectedRepositories | None, name: str, parent: pulumi.Resource
) -> pulumi.Input[Mapping[str, pulumi.Input[int]]] | None:
    """The selected repositories: name -> id.

    For a list, the component makes a `RepositorySelection`, so that a preview checks the names.

    Args:
        selection: the argument, checked.
        name: the name for that `RepositorySelection`.
        parent: the component.
    """
    if selection is None or isinstance(selection, (Mapping, pulumi.Output)):
        return cast("pulumi.Input[Mapping[str, pulumi.Input[int]]] | None", selection)
    if isinstance(selection, RepositorySelection):
        return selection.repositories
    items = cast("Sequence[Any]", selection)
    names = [item for item in items if isinstance(item, str) or is_later(item)]
    resources: list[pulumi_github.Repository] = [item for item in items if is_repository(item)]
    ids: dict[str, pulumi.Input[int]] = {label: repository.repo_id for label, repository in labelled(resources).items()}
    args: RepositorySelectionArgs = {}
    if names:
        args["names"] = names
    if ids:
        args["ids"] = ids
    return RepositorySelection(name, args, pulumi.ResourceOptions(parent=parent)).repositories
