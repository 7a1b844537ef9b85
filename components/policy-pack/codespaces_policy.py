"""The rules of the policy pack: plain functions on plain data, without Pulumi.

The pack has an environment of its own, in which `pulumi_codespaces` is not installed. What it repeats of that package
is held against it by a test.
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
"""What gives users managed policies -> the properties that name the users and the policies."""
MEMBERSHIPS = {
    "aws:iam/userGroupMembership:UserGroupMembership": "user",
    "aws:iam/groupMembership:GroupMembership": "users",
}
"""What puts users in groups -> the property that names the users."""
STOCK_SECRETS = {
    "github:index/codespacesOrganizationSecret:CodespacesOrganizationSecret": "codespaces.OrganizationSecrets",
    "github:index/codespacesSecret:CodespacesSecret": "codespaces.RepositorySecrets",
}
"""The stock resources that a new value replaces -> what to use instead."""

_LOGIN = frozenset(action.lower() for action in LOGIN_ACTIONS)
_ALLOWED = _LOGIN | {action.lower() for action in (*PULL_ACTIONS, *CACHE_ACTIONS)}
_WIDE = {
    "all": "the codespaces of every repository, public ones included,",
    "private": "the codespaces of every private and internal repository",
}


class _Unknown(Enum):
    UNKNOWN = "unknown"


UNKNOWN: Final = _Unknown.UNKNOWN
"""In place of a value that a preview does not know."""


@dataclass(frozen=True)
class Resource:
    """A resource of the stack.

    Attributes:
        urn: its URN, which tells the components that it is in.
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
        """What messages call it."""
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
    """What breaks a rule, with the way out.

    Attributes:
        urn: the URN of the resource.
        message: the resource, the value, the rule and the way out; never a secret's value.
    """

    urn: str
    message: str


def pull_only(resources: Sequence[Resource]) -> Iterator[Violation]:
    """Policies of codespaces' users allow to log in to Amazon ECR and to pull from it, through a cache too.

    What cannot be read here is refused: policies that the stack does not have, and groups.
    """
    granted = _granted(resources)
    for resource in granted.policies:
        statements = _statements(resource)
        if statements is None:
            yield Violation(resource.urn, f"{resource.label}: its policy is no JSON; write a policy document.")
            continue
        allowing = [one for one in statements if one.get("Effect") == "Allow"]
        beyond = {action for one in allowing for action in _texts(one.get("Action")) if action.lower() not in _ALLOWED}
        if any("NotAction" in one for one in allowing):
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
    """Policies of codespaces' users allow nothing on `*` but the login, which knows no resources."""
    for resource in _granted(resources).policies:
        for statement in _statements(resource) or ():
            if statement.get("Effect") != "Allow":
                continue
            wide = [one for one in _texts(statement.get("Resource")) if matches_everything(one)]
            if "NotResource" in statement:
                wide.append("all but a NotResource")
            actions = [one for one in _texts(statement.get("Action")) if one.lower() not in _LOGIN]
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
    """The policies of codespaces' users that a preview does not know; they are judged when the update has made them."""
    granted = _granted(resources)
    return [one for one in granted.policies if one.properties.get("policy") is UNKNOWN] + granted.unknown


def permissions_boundary(resource: Resource) -> Iterator[Violation]:
    """Users that codespaces have are held by a permissions boundary."""
    if resource.is_codespaces_user and not resource.properties.get("permissionsBoundary"):
        yield Violation(
            resource.urn,
            f"{resource.label} has no permissions boundary. Set `permissions_boundary_arn` of its EcrPullAccess, "
            "or `permissions_boundary` of a user of your own.",
        )


def visibility_reason(resource: Resource, reasons: Mapping[str, str]) -> Iterator[Violation]:
    """Secrets that more than selected repositories may read have a reason in the configuration.

    Args:
        resource: any resource.
        reasons: the name of a secret, or the prefix of a registry's three secrets -> the reason.
    """
    readers = _WIDE.get(str(resource.properties.get("visibility")))
    secrets = resource.properties.get("secrets")
    if resource.type != ORGANIZATION_SECRETS or readers is None or not isinstance(secrets, Mapping):
        return
    given = {name.upper() for name, reason in reasons.items() if reason.strip()}
    names = sorted(str(name) for name in cast("Mapping[object, object]", secrets))
    without = [name for name in names if not {name.upper(), _prefix(name.upper())} & given]
    if without:
        example = _prefix(without[0].upper())
        yield Violation(
            resource.urn,
            f"{resource.label}: {readers} may read {', '.join(without)} (visibility "
            f"{resource.properties['visibility']}). Select the repositories, or say why in the pack's configuration: "
            f'{{"codespaces-visibility-reason": {{"reasons": {{"{example}": "…"}}}}}}.',
        )


def no_stock_secrets(resource: Resource) -> Iterator[Violation]:
    """Codespaces secrets are not the GitHub provider's stock resources, which know no update.

    A new value replaces the resource: it is written, and then deleted under the same name. No option mends that:
    with `delete_before_replace` the secret is absent for seconds, and for good if the write fails; `retain_on_delete`
    works only if it was deployed before, leaves the secret behind when it is removed, and no policy can see it
    (https://github.com/integrations/terraform-provider-github/blob/v6.13.0/github/resource_github_codespaces_organization_secret.go).
    """
    instead = STOCK_SECRETS.get(resource.type)
    if instead:
        secret = resource.properties.get("secretName")
        yield Violation(
            resource.urn,
            f"{resource.label}: a new value deletes the secret{f' {secret}' if isinstance(secret, str) else ''} in "
            f"GitHub, whatever the options. Use {instead}, which writes in place; docs/recipes.md says how to move.",
        )


def key_age(resources: Sequence[Resource], max_age_days: int, now: datetime) -> Iterator[Violation]:
    """The newest key of each user that codespaces have is young enough.

    Only the newest of the active ones counts: the one before it is kept for codespaces that run, until the next
    rotation, and a rule that refused it would refuse the rotation.

    Args:
        resources: all resources of the stack.
        max_age_days: how old a key may be.
        now: the time, with its zone.
    """
    users = _Users.of(resources)
    newest: dict[object, tuple[datetime, Resource]] = {}
    for key in resources:
        if key.type != ACCESS_KEY or not users.have(key, "user") or key.properties.get("status") == "Inactive":
            continue
        # A key that is made by this update has no date yet.
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
    """Whether the resource of a statement is `*`, or an ARN that names no resource or not one account.

    IAM takes the parts that an ARN leaves out for `*`, and a `*` that ends a part for colons too: `arn:aws:ecr:*`
    is every repository of every account (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html,
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
        users = [one for one in resources if one.is_codespaces_user]
        names = (one.properties.get("name") for one in users)
        return cls(frozenset(one.urn for one in users), frozenset(one for one in names if isinstance(one, str)))

    def have(self, resource: Resource, users: str) -> bool:
        """Whether a resource is for one of them: a component made it, or its property `users` names one."""
        return (
            resource.in_pull_access
            or not self.names.isdisjoint(_texts(resource.properties.get(users)))
            or not self.urns.isdisjoint(resource.comes_from.get(users, ()))
        )


@dataclass
class _Granted:
    """What gives permissions to the users that codespaces have."""

    policies: list[Resource]
    """With a document: inline policies, and managed ones that are attached."""
    elsewhere: list[tuple[Resource, str]]
    """Attachments, and the ARN of a policy that is not in the stack."""
    unknown: list[Resource]
    """Attachments of a policy that is not known yet."""
    memberships: list[Resource]


def _granted(resources: Sequence[Resource]) -> _Granted:
    users = _Users.of(resources)
    managed = {one.urn: one for one in resources if one.type == POLICY}
    by_arn = {one.properties.get("arn"): one for one in managed.values()}
    found = {one.urn: one for one in resources if one.type == USER_POLICY and users.have(one, "user")}
    granted = _Granted([], [], [], [])
    for resource in resources:
        if resource.type in MEMBERSHIPS and users.have(resource, MEMBERSHIPS[resource.type]):
            granted.memberships.append(resource)
        if resource.type not in ATTACHMENTS or not users.have(resource, ATTACHMENTS[resource.type][0]):
            continue
        property_ = ATTACHMENTS[resource.type][1]
        given = resource.properties.get(property_)
        arns = _texts(given)
        attached = {urn: managed[urn] for urn in resource.comes_from.get(property_, ()) if urn in managed}
        attached |= {by_arn[arn].urn: by_arn[arn] for arn in arns if arn in by_arn}
        found |= attached
        granted.elsewhere += [(resource, arn) for arn in arns if arn not in by_arn]
        if len(arns) < len(_items(given)) and not attached:
            granted.unknown.append(resource)
    granted.policies = list(found.values())
    return granted


def _statements(resource: Resource) -> list[Mapping[str, object]] | None:
    """The statements of a policy; none of one that is not known yet, None if it is malformed."""
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
    given = cast("Mapping[str, object]", document).get("Statement")
    return [cast("Mapping[str, object]", one) for one in _items(given) if isinstance(one, Mapping)]


def _items(given: object) -> list[object]:
    """The items of what may be one or a list."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        return list(cast("Sequence[object]", given))
    return [] if given is None else [given]


def _texts(given: object) -> list[str]:
    return [one for one in _items(given) if isinstance(one, str)]


def _prefix(name: str) -> str:
    """The prefix of a registry's secret; the name of another one."""
    return name.partition("_CONTAINER_REGISTRY_")[0]


def _moment(given: object) -> datetime | None:
    if not isinstance(given, str):
        return None
    try:
        # Python 3.10 does not read the Z.
        moment = datetime.fromisoformat(given.removesuffix("Z") + ("+00:00" if given.endswith("Z") else ""))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
