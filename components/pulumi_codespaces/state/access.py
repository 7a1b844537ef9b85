"""The access that each set of secrets gives: its readers, registries, IAM user and key, from a stack's resources."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from ..rules.policies import CACHE_ACTIONS, PULL_ACTIONS
from ..rules.secret_names import triples_in
from .digest import is_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .digest import Resource

ORGANIZATION_SECRETS = "codespaces:index:OrganizationSecrets"
REPOSITORY_SECRETS = "codespaces:index:RepositorySecrets"
_SECRETS = (ORGANIZATION_SECRETS, REPOSITORY_SECRETS)
_COMPONENTS = ("codespaces:index:EcrPullAccess", "codespaces:index:RegistryLogin")
_INLINE, _MANAGED = "aws:iam/userPolicy:UserPolicy", "aws:iam/policy:Policy"
_GIVERS: Mapping[str, tuple[str, str]] = {
    _INLINE: ("user", ""),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": ("user", "policyArn"),
    "aws:iam/policyAttachment:PolicyAttachment": ("users", "policyArn"),
    "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive": ("userName", "policyArns"),
    "aws:iam/userGroupMembership:UserGroupMembership": ("user", "groups"),
    "aws:iam/groupMembership:GroupMembership": ("users", "group"),
}
"""Type of a resource that gives users permissions -> the properties that name the users, and the policies or groups.

An inline policy names no other policy or group.
"""
PULLS = frozenset({*PULL_ACTIONS, *CACHE_ACTIONS})
LOGINS = frozenset({"ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"})


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource that a policy allows or denies.

    Attributes:
        effect: `Allow` or `Deny`.
        action: such as `ecr:BatchGetImage`.
        resource: an ARN, or a pattern of ARNs.
        condition: JSON; empty without a condition.
    """

    effect: str
    action: str
    resource: str
    condition: str = ""


@dataclass(frozen=True)
class Readers:
    """The repositories whose codespaces get the secrets.

    Attributes:
        visibility: `selected`, `private`, `all`, or `repository` for the secrets of one repository.
        names: the repositories, without the organization.
        unknown: whether there are further repositories that are known only after the update.
    """

    visibility: str
    names: frozenset[str] = frozenset()
    unknown: bool = False


@dataclass(frozen=True)
class Access:
    """A set of secrets, and the access that it gives.

    Attributes:
        urn: the URN of the secrets.
        name: the name of the component, or of the resource if no component contains it.
        owner: the organization.
        secrets: the names of all secrets.
        servers: the known hosts of the registries.
        readers: the repositories whose codespaces get the secrets.
        adopts: whether existing secrets are taken over.
        user: the IAM user; empty if the program passes its own credentials.
        grants: the statements of the user's policies.
        opaque: whether the user has policies that are known only after the update.
        elsewhere: other sources of the user's permissions, whose content the stack does not have: (`policy`, ARN) or
            (`group`, name). The second item is empty until the update.
        boundary: the user's permissions boundary.
        generation: the generation of the access key; 0 without a key.
        slots: the serial of each key slot.
        statuses: the status of the key of each slot.
        current: the slot whose key is published.
        keeps_previous: whether the previous key stays Active.
        key_id: the id of the published access key; empty if the key does not exist yet.
        key_made: the time when the key was made, as AWS writes it; empty if unknown.
        hosts: (prefix, host) of each registry, as far as they are known.
        readers_from: the URNs of the resources that determine the readers.
    """

    urn: str
    name: str
    owner: str
    secrets: tuple[str, ...]
    servers: tuple[str, ...]
    readers: Readers
    adopts: bool = False
    user: str = ""
    grants: frozenset[Grant] = frozenset()
    opaque: bool = False
    elsewhere: frozenset[tuple[str, str]] = frozenset()
    boundary: str = ""
    generation: int = 0
    slots: tuple[tuple[str, int], ...] = ()
    statuses: tuple[tuple[str, str], ...] = ()
    current: str = ""
    keeps_previous: bool = True
    key_id: str = ""
    key_made: str = ""
    hosts: tuple[tuple[str, str], ...] = ()
    readers_from: tuple[str, ...] = ()

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefixes of the registries' triples."""
        return tuple(triple.prefix for triple in triples_in(self.secrets))

    @property
    def suspended(self) -> bool:
        """Whether the user is denied everything."""
        return Grant("Deny", "*", "*") in self.grants

    @property
    def repositories(self) -> tuple[str, ...]:
        """The ARNs, or patterns of them, of the ECR repositories that may be pulled from."""
        pulls = [grant for grant in self.grants if grant.effect == "Allow" and grant.action in PULL_ACTIONS]
        return tuple(sorted({grant.resource for grant in pulls}))

    def key_age_days(self, now: datetime) -> int | None:
        """The age of the published key in whole days; None if it is unknown."""
        try:
            return (now - datetime.fromisoformat(self.key_made.replace("Z", "+00:00"))).days
        except (ValueError, TypeError):
            return None


def accesses(resources: Iterable[Resource]) -> dict[str, Access]:
    """The URN of every set of secrets among the resources of a stack -> the access that it gives."""
    by_urn = {resource.urn: resource for resource in resources}
    children: dict[str, list[Resource]] = {}
    for resource in by_urn.values():
        children.setdefault(resource.parent, []).append(resource)
    of_iam = [resource for resource in by_urn.values() if resource.type in (_MANAGED, *_GIVERS)]
    result: dict[str, Access] = {}
    for secrets in by_urn.values():
        if secrets.type not in _SECRETS:
            continue
        if any(f"{component}::" in secrets.parent for component in _COMPONENTS):
            name, siblings = secrets.parent.rsplit("::", 1)[-1], children[secrets.parent]
            result[secrets.urn] = _access(secrets, name, siblings, by_urn.get(secrets.parent), of_iam)
        else:
            result[secrets.urn] = _access(secrets, secrets.name, [secrets], None, of_iam)
    return result


def _access(
    secrets: Resource, name: str, siblings: list[Resource], component: Resource | None, of_iam: list[Resource]
) -> Access:
    by_type = {resource.type: resource for resource in siblings}
    user, rotation = by_type.get("aws:iam/user:User"), by_type.get("codespaces:index:KeyRotation")
    state = {key: value for key, value in (rotation.inputs if rotation else {}).items() if is_known(value)}
    user_name = str(user.inputs.get("name", "")) if user else str(state.get("userName", ""))
    policies, elsewhere = _permissions(user_name, name, siblings, of_iam)
    documents = [policy.inputs.get("policy") for policy in policies]
    current = str(state.get("current", ""))
    keys = [resource for resource in siblings if resource.type == "aws:iam/accessKey:AccessKey"]
    key = {resource.name.rpartition("-")[2]: resource for resource in keys}.get(current)
    slots = cast("dict[str, dict[str, Any]]", state.get("slots") or {})
    statuses = cast("dict[str, Any]", state.get("statuses") or {})
    names = _names(secrets)
    servers = _servers(siblings, component)
    owner = secrets.inputs.get("owner")
    return Access(
        urn=secrets.urn,
        name=name,
        owner=str(owner) if is_known(owner) else "",
        secrets=names,
        servers=servers,
        readers=_readers(secrets),
        adopts=secrets.inputs.get("adoptExisting") is True,
        user=user_name,
        grants=frozenset(grant for document in documents for grant in _grants(document)),
        opaque=any(not is_known(document) for document in documents),
        elsewhere=frozenset(elsewhere),
        boundary=str((user.inputs.get("permissionsBoundary") if user else "") or ""),
        generation=int(state.get("generation") or 0),
        slots=tuple(sorted((name, int(slot.get("serial") or 0)) for name, slot in slots.items())),
        statuses=tuple(sorted((slot, str(status)) for slot, status in statuses.items())),
        current=current,
        keeps_previous=state.get("keepPreviousKey") is not False,
        key_id=key.id if key else "",
        key_made=str(key.outputs.get("createDate") or "") if key else "",
        hosts=_hosts(names, servers, component),
        readers_from=tuple(secrets.comes_from.get("selectedRepositories") or ()),
    )


def _permissions(
    user: str, name: str, siblings: list[Resource], of_iam: list[Resource]
) -> tuple[list[Resource], set[tuple[str, str]]]:
    """The policies of a user, and the other sources of its permissions.

    The program may give the user more permissions than the component does.

    Args:
        user: the user's name; empty without a user.
        name: the component's name.
        siblings: the resources that the component made.
        of_iam: all policies of the stack, and all resources that give users permissions.
    """
    sibling_urns = frozenset(resource.urn for resource in siblings)
    managed = {resource.urn: resource for resource in of_iam if resource.type == _MANAGED}
    by_arn = {str(policy.outputs.get("arn") or policy.id): policy for policy in managed.values()}
    policies = {resource.urn: resource for resource in siblings if resource.type in (_INLINE, _MANAGED)}
    elsewhere: set[tuple[str, str]] = set()
    for giver in of_iam:
        if not user or giver.type == _MANAGED or not _gives_to(giver, user, sibling_urns):
            continue
        if giver.type == _INLINE:
            policies[giver.urn] = giver
            continue
        if giver.urn in sibling_urns and giver.name.startswith(f"{name}-pull-"):
            # The component's own attachment. Its policy is one of the siblings, but a preview may leave out an
            # unchanged policy, which would then look as if the stack did not have it.
            continue
        property_name = _GIVERS[giver.type][1]
        for value in _values(giver, property_name):
            linked = [by_arn[value]] if value in by_arn else []
            if not is_known(value):
                linked = [managed[urn] for urn in giver.comes_from.get(property_name) or () if urn in managed]
            policies |= {policy.urn: policy for policy in linked}
            if not linked:
                kind = "group" if property_name.startswith("group") else "policy"
                elsewhere.add((kind, str(value) if is_known(value) else ""))
    return list(policies.values()), elsewhere


def _gives_to(giver: Resource, user: str, sibling_urns: frozenset[str]) -> bool:
    """Whether a resource gives permissions to a user.

    A name that is not known yet stands for the component's user if it comes from a resource of the component.
    """
    property_name = _GIVERS[giver.type][0]
    users = _values(giver, property_name)
    sources = giver.comes_from.get(property_name) or ()
    is_to_come = any(not is_known(name) for name in users) and not sibling_urns.isdisjoint(sources)
    return user in users or is_to_come or (giver.type == _INLINE and giver.id.startswith(f"{user}:"))


def _values(resource: Resource, name: str) -> list[Any]:
    return _items(resource.inputs.get(name) or resource.outputs.get(name) or [])


def _names(secrets: Resource) -> tuple[str, ...]:
    """The names of the secrets. If the whole map is masked, they come from the id, once the resource has one."""
    values = secrets.inputs.get("secrets")
    if isinstance(values, dict):
        return tuple(sorted(cast("dict[str, Any]", values)))
    return tuple(sorted(filter(None, secrets.id.split(","))))


def _servers(siblings: list[Resource], component: Resource | None) -> tuple[str, ...]:
    for resource in siblings:
        if resource.type == "codespaces:index:VerifiedEcrKey":
            return _texts(resource.inputs.get("servers"))
        if resource.type == "codespaces:index:VerifiedLogin":
            return _texts([resource.inputs.get("server")])
    outputs: dict[str, Any] = component.outputs if component else {}
    return _texts(outputs.get("servers")) or _texts([outputs.get("server")])


def _hosts(names: tuple[str, ...], servers: tuple[str, ...], component: Resource | None) -> tuple[tuple[str, str], ...]:
    """(prefix, host) of each registry.

    The component lists the names of its secrets in the order of its servers. Without that list, the pairs are known
    only if there is a single registry.
    """
    declared = _texts(component.outputs.get("secretNames")) if component else ()
    prefixes = [
        triple.prefix for first in range(0, len(declared), 3) for triple in triples_in(declared[first : first + 3])
    ] or [triple.prefix for triple in triples_in(names)]
    is_unambiguous = len(prefixes) == len(servers) and (bool(declared) or len(servers) == 1)
    return tuple(zip(prefixes, servers, strict=True)) if is_unambiguous else ()


def _texts(value: object) -> tuple[str, ...]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str) and is_known(item))


def _readers(secrets: Resource) -> Readers:
    inputs = secrets.inputs
    if secrets.type == REPOSITORY_SECRETS:
        name = inputs.get("repositoryName") if is_known(inputs.get("repositoryName")) else inputs.get("repository")
        return Readers("repository", frozenset(_texts([name])), not is_known(name))
    visibility = str(inputs.get("visibility") or "selected")
    selected = inputs.get("selectedRepositories")
    if isinstance(selected, dict):
        return Readers(visibility, frozenset(cast("dict[str, Any]", selected)))
    return Readers(visibility, unknown=visibility == "selected")


def _grants(document: object) -> list[Grant]:
    if not is_known(document):
        return []
    try:
        policy: Any = json.loads(document) if isinstance(document, str) else document
        statements: Any = policy.get("Statement") or []
    except (json.JSONDecodeError, AttributeError):
        return []
    return [
        grant
        for statement in _items(statements)
        if isinstance(statement, dict)
        for grant in _grants_of_statement(cast("dict[str, Any]", statement))
    ]


def _grants_of_statement(statement: dict[str, Any]) -> list[Grant]:
    effect = str(statement.get("Effect"))
    condition = json.dumps(statement["Condition"]) if statement.get("Condition") else ""
    return [
        Grant(effect, action, resource, condition)
        for action in _elements(statement, "Action")
        for resource in _elements(statement, "Resource")
    ]


def _elements(statement: dict[str, Any], name: str) -> list[str]:
    """The values of the element `name` of a statement, and those of its opposite such as `NotAction`."""
    everything_but = [f"everything but {value}" for value in _items(statement.get(f"Not{name}") or [])]
    return [str(value) for value in _items(statement.get(name) or [])] + everything_but


def _items(value: Any) -> list[Any]:
    """The items of a list; a single value is a list of one item."""
    return cast("list[Any]", value) if isinstance(value, list) else [value]
