"""Publishes the secrets of a component: to an organization, for selected repositories, or to one repository."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations at run time.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pulumi
from typing_extensions import NotRequired, TypedDict

from .one_repository import OneRepository, check_repository, name_of
from .repositories import SelectedRepositories, check_selected, selected
from .resources import (
    OrganizationSecrets,
    OrganizationSecretsArgs,
    RepositorySecrets,
    RepositorySecretsArgs,
    RotatedOrganizationSecrets,
    RotatedRepositorySecrets,
    Rotating,
    Visibility,
    VisibilityInput,
)
from .rules import RuleViolation


class PublicationArgs(TypedDict):
    """The arguments that every component with secrets has."""

    selected_repositories: NotRequired[SelectedRepositories | None]
    """The repositories whose codespaces get the secrets: name -> id, such as the `repositories` of a
    `RepositorySelection`; in Python also the `RepositorySelection` itself, or a list of names or `github.Repository`
    objects."""
    visibility: NotRequired[VisibilityInput | None]
    """`private` or `all` repositories of the organization instead of a selection; `selected` by default."""
    repository: NotRequired[OneRepository | None]
    """The one repository that gets the secrets, instead of the organization: its name; in Python also a
    `github.Repository`."""
    # Described where they are passed on to: `RepositorySecretsArgs`.
    repository_id: NotRequired[pulumi.Input[int] | None]
    adopt_existing: NotRequired[bool | None]
    secret_prefix: NotRequired[str | None]
    """The beginning of the secrets' names. It is made from the name by default: `payments-prod` gives
    `PAYMENTS_PROD`."""
    probe_images: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Images (`repository:tag`, or with the registry's host) that the credentials must be able to read before they are
    published."""
    verify: NotRequired[pulumi.Input[bool] | None]
    """Whether to log in with the credentials before they are published. Turn it off for a registry that cannot be
    reached from where Pulumi runs. Defaults to `true`."""


@dataclass(frozen=True)
class Audience:
    """The repositories whose codespaces get the secrets of a component.

    Attributes:
        repository: the one repository that gets them; None if they belong to the organization.
        repository_id: its id, if the program gives it.
        selected_repositories: the repositories of the organization.
        visibility: which repositories of the organization may read them.
        adopt_existing: whether to take over secrets that exist already.
    """

    repository: OneRepository | None
    repository_id: pulumi.Input[int] | None
    selected_repositories: SelectedRepositories | None
    visibility: VisibilityInput
    adopt_existing: bool

    @property
    def repository_name(self) -> pulumi.Input[str] | None:
        """The name of the one repository; None if the secrets belong to the organization."""
        return None if self.repository is None else name_of(self.repository)


def checked_audience(args: PublicationArgs) -> Audience:
    """Read who gets the secrets, and check it as far as it is known before anything is registered.

    Raises:
        RuleViolation: an argument has the wrong kind, or two arguments contradict each other.
    """
    check_selected(args.get("selected_repositories"))
    repository = args.get("repository")
    if repository is None:
        if args.get("repository_id") is not None:
            raise RuleViolation("repository_id", "repository_id is given without repository; give its name too.")
    else:
        _check_alone(args)
        check_repository(repository)
    return Audience(
        repository,
        args.get("repository_id"),
        args.get("selected_repositories"),
        args.get("visibility") or Visibility.SELECTED,
        bool(args.get("adopt_existing")),
    )


def _check_alone(args: PublicationArgs) -> None:
    both = [name for name in ("selected_repositories", "visibility") if args.get(name) is not None]
    if both:
        raise RuleViolation(
            "repository",
            f"repository and {both[0]} are given: secrets belong to one repository, or to the organization for its "
            "selected repositories. Leave out one of the two.",
        )


def publish(
    component: pulumi.ComponentResource,
    name: str,
    audience: Audience,
    secrets: Mapping[str, pulumi.Input[str]],
    *,
    rotating: Rotating | None = None,
    depends_on: list[pulumi.Resource] | None = None,
) -> pulumi.Output[list[str] | str]:
    """Declare the secrets of a component.

    Args:
        component: the component.
        name: the name of the component.
        audience: the repositories whose codespaces get the secrets.
        secrets: NAME -> value.
        rotating: the key rotation, if the secrets publish a key under rotation.
        depends_on: the resources that must exist before the secrets are written.

    Returns:
        The names of the repositories, or `private` or `all`: for a person.
    """
    opts = pulumi.ResourceOptions(parent=component, depends_on=depends_on)
    if audience.repository is None:
        return _publish_to_organization(component, name, audience, secrets, rotating, opts)
    args: RepositorySecretsArgs = {
        "repository": audience.repository,
        "repository_id": audience.repository_id,
        "secrets": secrets,
        "adopt_existing": audience.adopt_existing,
    }
    if rotating:
        RotatedRepositorySecrets(f"{name}-secrets", args, rotating, opts)
    else:
        RepositorySecrets(f"{name}-secrets", args, opts)
    return pulumi.Output.from_input(name_of(audience.repository)).apply(lambda repository: [repository])


def _publish_to_organization(
    component: pulumi.ComponentResource,
    name: str,
    audience: Audience,
    secrets: Mapping[str, pulumi.Input[str]],
    rotating: Rotating | None,
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[list[str] | str]:
    repositories = selected(audience.selected_repositories, f"{name}-repositories", component)
    args: OrganizationSecretsArgs = {
        "secrets": secrets,
        "visibility": audience.visibility,
        "selected_repositories": repositories,
        "adopt_existing": audience.adopt_existing,
    }
    if rotating:
        RotatedOrganizationSecrets(f"{name}-secrets", args, rotating, opts)
    else:
        OrganizationSecrets(f"{name}-secrets", args, opts)
    visibility = pulumi.Output.from_input(audience.visibility)
    if isinstance(repositories, pulumi.Output):
        # `Output.all` of both would make an Output of each of a thousand names.
        return repositories.apply(lambda ids: visibility.apply(lambda value: _readers_text(ids, value)))
    ids = cast("Mapping[str, Any] | None", repositories)
    return visibility.apply(lambda value: _readers_text(ids, value))


def _readers_text(ids: Mapping[str, Any] | None, visibility: str) -> list[str] | str:
    if ids:
        return sorted(ids)
    return visibility.value if isinstance(visibility, Visibility) else visibility


def summary_of(
    outputs: Mapping[str, pulumi.Output[Any]], repositories: pulumi.Output[list[str] | str]
) -> pulumi.Output[Mapping[str, Any]]:
    """A component's outputs and the repositories whose codespaces get its secrets, in one map."""
    all_outputs = pulumi.Output.all(**outputs)
    # `Output.all` of both would make an Output of each of a thousand names.
    return repositories.apply(lambda names: all_outputs.apply(lambda values: {**values, "repositories": names}))
