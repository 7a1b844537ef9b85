"""The Codespaces secrets as a stack manages them, and as GitHub lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...values import plain_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...state.access import Access
    from ...state.resources import Resource
    from ...state.stack import Stack

_ACCESS_KEY, _USER = "aws:iam/accessKey:AccessKey", "aws:iam/user:User"
_INLINE, _ATTACHMENT = "aws:iam/userPolicy:UserPolicy", "aws:iam/userPolicyAttachment:UserPolicyAttachment"


@dataclass(frozen=True)
class LiveSecret:
    """A secret as GitHub lists it.

    Attributes:
        updated_at: the time of the last write.
        visibility: `all`, `private` or `selected`; "" for a secret of a repository.
        repositories: id -> name of the repositories that may read it, where visibility is `selected`; None if GitHub
            was not asked.
    """

    updated_at: str
    visibility: str = ""
    repositories: Mapping[int, str] | None = None


@dataclass(frozen=True)
class LiveSecrets:
    """The Codespaces secrets of one place, as GitHub lists them.

    Attributes:
        place: `organization acme` or `repository acme/web`.
        flags: the options of `gh secret` that select the place.
        secrets: name -> the secret.
    """

    place: str
    flags: str
    secrets: Mapping[str, LiveSecret]


@dataclass(frozen=True)
class ManagedSecrets:
    """A set of secrets that a stack manages, as its state has them.

    Attributes:
        stack: the stack's name.
        access: what the secrets give access to, and who may read them.
        written_at: secret -> the time when the stack last wrote it.
        repository_ids: the repositories that may read them, where visibility is `selected`.
        user_arn: the ARN of the IAM user; "" without a user.
        keys: id -> status of the access keys, including keys that are still to be deleted.
        policies: the names of the user's inline policies, and the ARNs of its attached policies.
    """

    stack: str
    access: Access
    written_at: Mapping[str, str]
    repository_ids: frozenset[int] = field(default_factory=frozenset[int])
    user_arn: str = ""
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    policies: frozenset[str] = field(default_factory=frozenset[str])

    @property
    def repository(self) -> str:
        """The repository that has the secrets; "" if the organization has them, or if the repository is unknown."""
        if self.of_organization:
            return ""
        return next(iter(self.access.readers.names), "")

    @property
    def writer(self) -> str:
        """The stack and the component, for messages."""
        return f"stack {self.stack} ({self.access.name})"

    @property
    def refresh_command(self) -> str:
        """The command that writes everything again that somebody changed."""
        return f"pulumi up --refresh --stack {self.stack}"

    @property
    def of_organization(self) -> bool:
        """Whether the organization has the secrets."""
        return self.access.readers.visibility != "repository"


def managed_secrets(stack: Stack) -> list[ManagedSecrets]:
    """The sets of secrets of a stack, with the access keys that they publish."""
    by_urn = {resource.urn: resource for resource in stack.resources}
    return [
        _secret_set(stack.name, access, by_urn[access.urn], stack.all_resources) for access in stack.accesses.values()
    ]


def _secret_set(stack: str, access: Access, secrets: Resource, resources: Sequence[Resource]) -> ManagedSecrets:
    selected = plain_map(secrets.outputs.get("selectedRepositories"))
    siblings = [resource for resource in resources if resource.parent == secrets.parent and access.user]
    arns = (str(resource.outputs.get("arn") or "") for resource in siblings if resource.type == _USER)
    return ManagedSecrets(
        stack=stack,
        access=access,
        written_at={name: str(time) for name, time in plain_map(secrets.outputs.get("updatedAt")).items()},
        repository_ids=frozenset(int(number) for number in selected.values() if isinstance(number, (int, float))),
        user_arn=next(arns, ""),
        keys={key.id: _status(key) for key in siblings if key.type == _ACCESS_KEY and key.id},
        policies=frozenset(_policies_of(access.user, resources)),
    )


def _status(key: Resource) -> str:
    return str(key.outputs.get("status") or key.inputs.get("status") or "Active")


def _policies_of(user: str, resources: Iterable[Resource]) -> Iterable[str]:
    """The policies that a stack gives a user. The program may give more policies than the component does."""
    for resource in resources:
        if resource.type == _INLINE and resource.id.startswith(f"{user}:"):
            yield resource.id.partition(":")[2]
        if resource.type == _ATTACHMENT and (resource.outputs or resource.inputs).get("user") == user:
            yield str((resource.outputs or resource.inputs).get("policyArn"))
