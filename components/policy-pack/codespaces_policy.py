"""The rules of the policy pack: plain functions on plain data, without Pulumi.

The pack has its own environment, in which `pulumi_codespaces` is not installed. It therefore repeats some code of that
package, and a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOGIN_ACTIONS = ("ecr:GetAuthorizationToken", "sts:GetServiceBearerToken")
PULL_ACTIONS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
CACHE_ACTIONS = ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository")
USER_PATH = "/codespaces/"

ECR_PULL_ACCESS = "codespaces:index:EcrPullAccess"
ORGANIZATION_SECRETS = "codespaces:index:OrganizationSecrets"
USER = "aws:iam/user:User"
USER_POLICY = "aws:iam/userPolicy:UserPolicy"
POLICY = "aws:iam/policy:Policy"
ACCESS_KEY = "aws:iam/accessKey:AccessKey"
ATTACHMENTS: Mapping[str, tuple[str, str]] = {
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": ("user", "policyArn"),
    "aws:iam/policyAttachment:PolicyAttachment": ("users", "policyArn"),
    "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive": ("userName", "policyArns"),
}
"""Type of a resource that gives users managed policies -> the properties that name the users and the policies."""
MEMBERSHIPS = {
    "aws:iam/userGroupMembership:UserGroupMembership": "user",
    "aws:iam/groupMembership:GroupMembership": "users",
}
"""Type of a resource that puts users in groups -> the property that names the users."""
STOCK_SECRETS = {
    "github:index/codespacesOrganizationSecret:CodespacesOrganizationSecret": "codespaces.OrganizationSecrets",
    "github:index/codespacesSecret:CodespacesSecret": "codespaces.RepositorySecrets",
}
"""Type of a stock resource that a new value replaces -> the resource to use instead."""

_LOGIN = frozenset(action.lower() for action in LOGIN_ACTIONS)
_ALLOWED = _LOGIN | {action.lower() for action in (*PULL_ACTIONS, *CACHE_ACTIONS)}
_WIDE = {
    "all": "the codespaces of every repository, public ones included,",
    "private": "the codespaces of every private and internal repository",
}


class _Unknown(Enum):
    UNKNOWN = "unknown"


UNKNOWN: Final = _Unknown.UNKNOWN
"""Stands for a value that a preview does not know."""


@dataclass(frozen=True)
class Resource:
    """A resource of the stack.

    Attributes:
        urn: its URN, which contains the types of the components around it.
        type: its type token.
        name: its name in the program.
        properties: its properties, with UNKNOWN where a preview does not know them.
        comes_from: property -> the URNs of the resources that its value comes from.
    """

    urn: str
    type: str
    name: str
    properties: Mapping[str, object]
    comes_from: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    @property
    def label(self) -> str:
        """The name of the resource in messages."""
        return f"{self.type.rsplit(':', 1)[-1]} {self.name}"

    @property
    def in_pull_access(self) -> bool:
        """Whether an `EcrPullAccess` made it."""
        return ECR_PULL_ACCESS in self.urn.split("::")[2].split("$")

    @property
    def is_codespaces_user(self) -> bool:
        """Whether it is an IAM user that codespaces have."""
        path = self.properties.get("path")
        return self.type == USER and (self.in_pull_access or (isinstance(path, str) and path.startswith(USER_PATH)))


@dataclass(frozen=True)
class Violation:
    """A violation of a rule.

    Attributes:
        urn: the URN of the resource.
        message: the resource, the value, the rule and the way out. It never contains the value of a secret.
    """

    urn: str
    message: str


def pull_only(resources: Sequence[Resource]) -> Iterator[Violation]:
    """Policies of codespaces' users allow only the login to Amazon ECR and the pull, also through a cache.

    Policies that the stack does not have and groups are refused too, because their content cannot be read here.
    """
    granted = _granted(resources)
    for resource in granted.policies:
        statements = _statements(resource)
        if statements is None:
            yield Violation(resource.urn, f"{resource.label}: its policy is not valid JSON; write a policy document.")
            continue
        allowing = [statement for statement in statements if statement.get("Effect") == "Allow"]
        actions = {action for statement in allowing for action in _texts(statement.get("Action"))}
        beyond = {action for action in actions if action.lower() not in _ALLOWED}
        if any("NotAction" in statement for statement in allowing):
            beyond.add("all but a NotAction")
        if beyond:
            yield Violation(
                resource.urn,
                f"{resource.label} allows codespaces {', '.join(sorted(beyond))}. Whoever may write to a repository "
                "can use a codespace's key: leave the actions of login and pull alone, each by its name "
                f"({', '.join((*LOGIN_ACTIONS, *PULL_ACTIONS))}), and give the rest to a user that no codespace has.",
            )
    for resource, arn in granted.elsewhere:
        yield Violation(
            resource.urn,
            f"{resource.label} attaches {arn}, which this stack does not have, so that nobody can see here what it "
            "allows. Declare it as an aws.iam.Policy or aws.iam.UserPolicy of this stack.",
        )
    for resource in granted.memberships:
        yield Violation(
            resource.urn,
            f"{resource.label} puts a user that codespaces have in a group, which gives it the group's policies. "
            "Take it out, and give the user policies of its own.",
        )


def no_wildcard_resource(resources: Sequence[Resource]) -> Iterator[Violation]:
    """Policies of codespaces' users allow only the login on `*`. The actions of the login support no other resource."""
    for resource in _granted(resources).policies:
        for statement in _statements(resource) or ():
            if statement.get("Effect") != "Allow":
                continue
            wide = [arn for arn in _texts(statement.get("Resource")) if matches_everything(arn)]
            if "NotResource" in statement:
                wide.append("all but a NotResource")
            actions = [action for action in _texts(statement.get("Action")) if action.lower() not in _LOGIN]
            if "NotAction" in statement:
                actions.append("all but a NotAction")
            if wide and actions:
                yield Violation(
                    resource.urn,
                    f"{resource.label} allows {', '.join(actions)} on {', '.join(wide)}. Only "
                    f"{' and '.join(LOGIN_ACTIONS)} know no other resource: list the ARNs of the repositories, and "
                    "keep the login in a statement of its own.",
                )


def unjudged(resources: Sequence[Resource]) -> list[Resource]:
    """The policies of codespaces' users that a preview does not know. They are judged after the update made them."""
    granted = _granted(resources)
    unknown_documents = [policy for policy in granted.policies if policy.properties.get("policy") is UNKNOWN]
    return unknown_documents + granted.unknown


def permissions_boundary(resource: Resource) -> Iterator[Violation]:
    """Users that codespaces have need a permissions boundary."""
    if resource.is_codespaces_user and not resource.properties.get("permissionsBoundary"):
        yield Violation(
            resource.urn,
            f"{resource.label} has no permissions boundary. Set `permissions_boundary_arn` of its EcrPullAccess, "
            "or `permissions_boundary` of a user of your own.",
        )


def visibility_reason(resource: Resource, reasons: Mapping[str, str]) -> Iterator[Violation]:
    """Secrets that more than selected repositories may read need a reason in the configuration.

    Args:
        resource: any resource.
        reasons: the name of a secret, or the prefix of a registry's three secrets -> the reason.
    """
    readers = _WIDE.get(str(resource.properties.get("visibility")))
    secrets = resource.properties.get("secrets")
    if resource.type != ORGANIZATION_SECRETS or readers is None or not isinstance(secrets, Mapping):
        return
    with_reason = {name.upper() for name, reason in reasons.items() if reason.strip()}
    names = sorted(str(name) for name in cast("Mapping[object, object]", secrets))
    without_reason = [name for name in names if not {name.upper(), _prefix(name.upper())} & with_reason]
    if without_reason:
        example = _prefix(without_reason[0].upper())
        yield Violation(
            resource.urn,
            f"{resource.label}: {readers} may read {', '.join(without_reason)} (visibility "
            f"{resource.properties['visibility']}). Select the repositories, or say why in the pack's configuration: "
            f'{{"codespaces-visibility-reason": {{"reasons": {{"{example}": "…"}}}}}}.',
        )


def no_stock_secrets(resource: Resource) -> Iterator[Violation]:
    """Codespaces secrets must not be the stock resources of the GitHub provider, which have no update operation.

    A new value replaces the resource. The secret is written, and then deleted under the same name. No resource option
    repairs this. With `delete_before_replace` the secret is missing for seconds, and permanently if the write fails.
    `retain_on_delete` works only if it was deployed before, it leaves the secret behind when the resource is removed,
    and a policy cannot see the option
    (https://github.com/integrations/terraform-provider-github/blob/v6.13.0/github/resource_github_codespaces_organization_secret.go).
    """
    instead = STOCK_SECRETS.get(resource.type)
    if instead:
        name = resource.properties.get("secretName")
        secret = f"the secret {name}" if isinstance(name, str) else "the secret"
        yield Violation(
            resource.urn,
            f"{resource.label}: a new value deletes {secret} in GitHub, whatever the options. Use {instead}, which "
            "writes in place; docs/recipes.md says how to move.",
        )


def key_age(resources: Sequence[Resource], max_age_days: int, now: datetime) -> Iterator[Violation]:
    """The newest active key of each user that codespaces have must not be too old.

    Older active keys do not count. The previous key stays for running codespaces until the next rotation, and a rule
    that refused it would refuse the rotation.

    Args:
        resources: all resources of the stack.
        max_age_days: the maximum age of a key.
        now: the time, with its zone.
    """
    users = _Users.of(resources)
    newest: dict[object, tuple[datetime, Resource]] = {}
    for key in resources:
        if key.type != ACCESS_KEY or not users.have(key, "user") or key.properties.get("status") == "Inactive":
            continue
        # A key that this update creates has no date yet.
        created = _moment(key.properties.get("createDate")) or now
        user = key.properties.get("user")
        if user not in newest or created > newest[user][0]:
            newest[user] = (created, key)
    for user, (created, key) in newest.items():
        days = (now - created).days
        if days > max_age_days:
            yield Violation(
                key.urn,
                f"{key.label} of the user {user} is {days} days old, more than {max_age_days}, and no newer one is "
                "there. Rotate it: raise `key_generation` of its EcrPullAccess, or replace a key of your own.",
            )


def matches_everything(resource: str) -> bool:
    """Whether the resource of a statement is `*`, or an ARN that does not name a resource and a single account.

    IAM reads missing parts of an ARN as `*`, and a `*` at the end of a part also matches colons. `arn:aws:ecr:*` thus
    means every repository of every account
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html).
    """
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return True
    _, _, _, _, account, name = parts
    return "*" in account or "?" in account or not name.strip("*?")


@dataclass(frozen=True)
class _Users:
    """The users that codespaces have."""

    urns: frozenset[str]
    names: frozenset[str]

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> _Users:
        users = [resource for resource in resources if resource.is_codespaces_user]
        names = (user.properties.get("name") for user in users)
        return cls(frozenset(user.urn for user in users), frozenset(name for name in names if isinstance(name, str)))

    def have(self, resource: Resource, property_name: str) -> bool:
        """Whether a resource belongs to one of the users.

        That is so if an `EcrPullAccess` made it, or if its property names one of the users.
        """
        return (
            resource.in_pull_access
            or not self.names.isdisjoint(_texts(resource.properties.get(property_name)))
            or not self.urns.isdisjoint(resource.comes_from.get(property_name, ()))
        )

    def having(self, resources: Iterable[Resource], property_names: Mapping[str, str]) -> list[Resource]:
        """The resources that belong to one of the users.

        Args:
            resources: the resources.
            property_names: type of resource -> the property that names the users; other types are left out.
        """
        return [
            resource
            for resource in resources
            if resource.type in property_names and self.have(resource, property_names[resource.type])
        ]


@dataclass
class _Granted:
    """The resources that give permissions to the users that codespaces have."""

    policies: list[Resource]
    """Policies with a document: inline policies and attached managed policies."""
    elsewhere: list[tuple[Resource, str]]
    """(attachment, ARN of a policy that the stack does not have)."""
    unknown: list[Resource]
    """Attachments of a policy that is not known yet."""
    memberships: list[Resource]
    """Memberships in groups."""


def _granted(resources: Sequence[Resource]) -> _Granted:
    users = _Users.of(resources)
    managed = {resource.urn: resource for resource in resources if resource.type == POLICY}
    by_arn = {policy.properties.get("arn"): policy for policy in managed.values()}
    policies = {policy.urn: policy for policy in users.having(resources, {USER_POLICY: "user"})}
    granted = _Granted([], [], [], [])
    granted.memberships = users.having(resources, MEMBERSHIPS)
    for resource in users.having(resources, {kind: names[0] for kind, names in ATTACHMENTS.items()}):
        property_name = ATTACHMENTS[resource.type][1]
        value = resource.properties.get(property_name)
        arns = _texts(value)
        attached = {urn: managed[urn] for urn in resource.comes_from.get(property_name, ()) if urn in managed}
        attached |= {by_arn[arn].urn: by_arn[arn] for arn in arns if arn in by_arn}
        policies |= attached
        granted.elsewhere += [(resource, arn) for arn in arns if arn not in by_arn]
        if len(arns) < len(_items(value)) and not attached:
            granted.unknown.append(resource)
    granted.policies = list(policies.values())
    return granted


def _statements(resource: Resource) -> list[Mapping[str, object]] | None:
    """The statements of a policy; an empty list if the document is not known yet, None if it is malformed."""
    document: object = resource.properties.get("policy")
    if document is UNKNOWN:
        return []
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return None
    if not isinstance(document, Mapping):
        return None
    statements = cast("Mapping[str, object]", document).get("Statement")
    return [cast("Mapping[str, object]", item) for item in _items(statements) if isinstance(item, Mapping)]


def _items(value: object) -> list[object]:
    """The items of a list; a single value is a list of one item, and None is an empty list."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(cast("Sequence[object]", value))
    return [] if value is None else [value]


def _texts(value: object) -> list[str]:
    return [item for item in _items(value) if isinstance(item, str)]


def _prefix(name: str) -> str:
    """The prefix of a registry's secret, or the whole name of another secret."""
    return name.partition("_CONTAINER_REGISTRY_")[0]


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        # `fromisoformat` of Python 3.10 does not accept the suffix Z.
        moment = datetime.fromisoformat(value.removesuffix("Z") + ("+00:00" if value.endswith("Z") else ""))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
