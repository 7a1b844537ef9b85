"""Where a component's secrets go: to an organization, for a selection of its repositories, or to one repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, cast

import pulumi
from typing_extensions import NotRequired

from .one_repository import OneRepository, check_repository, name_of
from .repositories import check_selected, selected
from .resources import (
    OrganizationSecrets,
    OrganizationSecretsArgs,
    RepositorySecrets,
    RepositorySecretsArgs,
    RotatedOrganizationSecrets,
    RotatedRepositorySecrets,
    Visibility,
)
from .rules import RuleViolation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .repositories import SelectedRepositories
    from .resources import Rotating, VisibilityInput


class Readers(TypedDict):
    """The arguments of a component that say who may read its secrets."""

    selected_repositories: NotRequired[SelectedRepositories | None]
    visibility: NotRequired[VisibilityInput | None]
    repository: NotRequired[OneRepository | None]
    repository_id: NotRequired[pulumi.Input[int] | None]


def check_readers(args: Readers) -> None:
    """Check who may read, as far as the program itself tells, before anything is registered.

    Raises:
        RuleViolation: what is given is of the wrong kind, or says two things at once.
    """
    check_selected(args.get("selected_repositories"))
    repository = args.get("repository")
    if repository is None:
        if args.get("repository_id") is not None:
            raise RuleViolation("repository_id", "repository_id is given without repository; give its name too.")
        return
    both = [name for name in ("selected_repositories", "visibility") if args.get(name) is not None]
    if both:
        raise RuleViolation(
            "repository",
            f"repository and {both[0]} are given: secrets belong to one repository, or to the organization for those "
            "that are selected. Leave out one of the two.",
        )
    check_repository(repository)


def repository_name(args: Readers) -> pulumi.Input[str] | None:
    """The name of the one repository that the secrets belong to; None if they are the organization's."""
    repository = args.get("repository")
    return None if repository is None else name_of(repository)


def publish(
    component: pulumi.ComponentResource,
    name: str,
    args: Readers,
    secrets: Mapping[str, pulumi.Input[str]],
    *,
    adopt_existing: bool,
    rotating: Rotating | None = None,
    depends_on: list[pulumi.Resource] | None = None,
) -> pulumi.Output[list[str] | str]:
    """Declare a component's secrets for those who may read them.

    Args:
        component: whose secrets they are.
        name: the component's name.
        args: who may read them, checked.
        secrets: NAME -> value.
        adopt_existing: whether to take over secrets that exist already.
        rotating: the key rotation that is published, if there is one.
        depends_on: what has to be there before they are written.

    Returns:
        Who may read them, for a person: the names of repositories, or `private` or `all`.
    """
    opts = pulumi.ResourceOptions(parent=component, depends_on=depends_on)
    repository = args.get("repository")
    if repository is not None:
        own: RepositorySecretsArgs = {
            "repository": repository,
            "repository_id": args.get("repository_id"),
            "secrets": secrets,
            "adopt_existing": adopt_existing,
        }
        if rotating:
            RotatedRepositorySecrets(f"{name}-secrets", own, rotating, opts)
        else:
            RepositorySecrets(f"{name}-secrets", own, opts)
        return pulumi.Output.from_input(name_of(repository)).apply(lambda known: [known])
    visibility = args.get("visibility") or Visibility.SELECTED
    readers = selected(args.get("selected_repositories"), f"{name}-repositories", component)
    shared: OrganizationSecretsArgs = {
        "secrets": secrets,
        "visibility": visibility,
        "selected_repositories": readers,
        "adopt_existing": adopt_existing,
    }
    if rotating:
        RotatedOrganizationSecrets(f"{name}-secrets", shared, rotating, opts)
    else:
        OrganizationSecrets(f"{name}-secrets", shared, opts)

    def described(names: Mapping[str, Any] | None, visible: str) -> list[str] | str:
        if names:
            return sorted(names)
        return visible.value if isinstance(visible, Visibility) else visible

    # Not by one `Output.all` of both, which makes an Output of each of a thousand names.
    visible = pulumi.Output.from_input(visibility)
    if isinstance(readers, pulumi.Output):
        return readers.apply(lambda names: visible.apply(lambda value: described(names, value)))
    members = cast("Mapping[str, Any] | None", readers)
    return visible.apply(lambda value: described(members, value))


def summary_of(
    outputs: Mapping[str, pulumi.Output[Any]], readers: pulumi.Output[list[str] | str]
) -> pulumi.Output[Mapping[str, Any]]:
    """A component's outputs and who may read, in one map."""
    known = pulumi.Output.all(**outputs)
    # Not by one `Output.all` of both, which makes an Output of each of a thousand names.
    return readers.apply(lambda repositories: known.apply(lambda it: {**it, "repositories": repositories}))
