"""Who may pull what from where, by which key: put together from the resources of a stack."""

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
"""What gives users permissions -> the properties that name the users, and the policies or groups."""
PULLS = frozenset({*PULL_ACTIONS, *CACHE_ACTIONS})
LOGINS = frozenset({"ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"})


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource that a policy allows or denies.

    Attributes:
        effect: `Allow` or `Deny`.
        action: such as `ecr:BatchGetImage`.
        resource: an ARN, or a pattern of one.
        condition: JSON; empty for none.
    """

    effect: str
    action: str
    resource: str
    condition: str = ""


@dataclass(frozen=True)
class Readers:
    """Whose codespaces get the secrets.

    Attributes:
        visibility: `selected`, `private`, `all`, or `repository` for the secrets of one.
        names: the repositories, without the organization.
        unknown: whether there are more that only the update will tell.
    """

    visibility: str
    names: frozenset[str] = frozenset()
    unknown: bool = False


@dataclass(frozen=True)
class Access:
    """Secrets that belong together, and what they open.

    Attributes:
        urn: that of the secrets.
        name: of the component, or of the resource if it is in none.
        owner: the organization.
        secrets: the names of all secrets.
        servers: the registries' hosts, as far as they are known.
        readers: whose codespaces get them.
        adopts: whether secrets that exist are taken over.
        user: the IAM user; empty if the credentials were given.
        grants: what the user's policies say.
        opaque: whether there are policies that only the update will tell.
        elsewhere: what else gives the user permissions, which the stack does not tell: `policy` and an ARN, or `group`
            and a name; the second is empty until the update.
        boundary: the user's permissions boundary.
        generation: of the access key; 0 if there is none.
        slots: the serial of each key slot.
        statuses: the status of the key of each slot.
        current: the slot that is published.
        keeps_previous: whether the key before stays Active.
        key_id: the access key that is published; empty if it is not made yet.
        key_made: when it was made, as AWS writes it; empty if it is not known.
        hosts: prefix -> host of each registry, as far as they are known.
        readers_from: the URNs of the resources that tell whose codespaces get the secrets.
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
        return tuple(
            sorted({one.resource for one in self.grants if one.effect == "Allow" and one.action in PULL_ACTIONS})
        )

    def key_age_days(self, now: datetime) -> int | None:
        """How many whole days ago the published key was made; None if it is not known."""
        try:
            return (now - datetime.fromisoformat(self.key_made.replace("Z", "+00:00"))).days
        except (ValueError, TypeError):
            return None


def accesses(resources: Iterable[Resource]) -> dict[str, Access]:
    """Every set of secrets among the resources of a stack, by its URN."""
    known = {one.urn: one for one in resources}
    children: dict[str, list[Resource]] = {}
    for one in known.values():
        children.setdefault(one.parent, []).append(one)
    of_iam = [one for one in known.values() if one.type in (_MANAGED, *_GIVERS)]
    found: dict[str, Access] = {}
    for one in known.values():
        if one.type not in _SECRETS:
            continue
        in_component = any(f"{component}::" in one.parent for component in _COMPONENTS)
        siblings = children[one.parent] if in_component else [one]
        name = one.parent.rsplit("::", 1)[-1] if in_component else one.name
        component = known.get(one.parent) if in_component else None
        found[one.urn] = _access(one, name, siblings, component, of_iam)
    return found


def _access(
    secrets: Resource, name: str, siblings: list[Resource], component: Resource | None, of_iam: list[Resource]
) -> Access:
    by_type = {one.type: one for one in siblings}
    user, rotation = by_type.get("aws:iam/user:User"), by_type.get("codespaces:index:KeyRotation")
    state = {key: value for key, value in (rotation.inputs if rotation else {}).items() if is_known(value)}
    user_name = str(user.inputs.get("name", "")) if user else str(state.get("userName", ""))
    policies, elsewhere = _given(user_name, name, siblings, of_iam)
    documents = [one.inputs.get("policy") for one in policies]
    current = str(state.get("current", ""))
    keys = {one.name.rpartition("-")[2]: one for one in siblings if one.type == "aws:iam/accessKey:AccessKey"}
    key = keys.get(current)
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
        slots=tuple(sorted((slot, int(one.get("serial") or 0)) for slot, one in slots.items())),
        statuses=tuple(sorted((slot, str(one)) for slot, one in statuses.items())),
        current=current,
        keeps_previous=state.get("keepPreviousKey") is not False,
        key_id=key.id if key else "",
        key_made=str(key.outputs.get("createDate") or "") if key else "",
        hosts=_hosts(names, servers, component),
        readers_from=tuple(secrets.comes_from.get("selectedRepositories") or ()),
    )


def _given(
    user: str, name: str, siblings: list[Resource], of_iam: list[Resource]
) -> tuple[list[Resource], set[tuple[str, str]]]:
    """The policies of a user, and what else gives it permissions; the program may give more than the component does.

    Args:
        user: the user's name; empty for none.
        name: the component's.
        siblings: what the component has made.
        of_iam: all policies of the stack, and all that gives users permissions.
    """
    beside = frozenset(one.urn for one in siblings)
    managed = {one.urn: one for one in of_iam if one.type == _MANAGED}
    by_arn = {str(one.outputs.get("arn") or one.id): one for one in managed.values()}
    policies = {one.urn: one for one in siblings if one.type in (_INLINE, _MANAGED)}
    elsewhere: set[tuple[str, str]] = set()
    for one in of_iam:
        if not user or one.type == _MANAGED or not _gives_to(one, user, beside):
            continue
        if one.type == _INLINE:
            policies[one.urn] = one
            continue
        if one.urn in beside and one.name.startswith(f"{name}-pull-"):
            # The component's own: its policy is beside it, though a preview may not show one that stays as it is.
            continue
        what = _GIVERS[one.type][1]
        for given in _values(one, what):
            linked = [by_arn[given]] if given in by_arn else []
            if not is_known(given):
                linked = [managed[urn] for urn in one.comes_from.get(what) or () if urn in managed]
            policies |= {policy.urn: policy for policy in linked}
            if not linked:
                kind = "group" if what.startswith("group") else "policy"
                elsewhere.add((kind, str(given) if is_known(given) else ""))
    return list(policies.values()), elsewhere


def _gives_to(giver: Resource, user: str, beside: frozenset[str]) -> bool:
    """Whether a user is meant: by its name, or where that is not known yet by what the component has made."""
    users = _GIVERS[giver.type][0]
    named = _values(giver, users)
    made = any(not is_known(one) for one in named) and not beside.isdisjoint(giver.comes_from.get(users) or ())
    return user in named or made or (giver.type == _INLINE and giver.id.startswith(f"{user}:"))


def _values(resource: Resource, name: str) -> list[Any]:
    return _several(resource.inputs.get(name) or resource.outputs.get(name) or [])


def _names(secrets: Resource) -> tuple[str, ...]:
    """The names of the secrets; where the whole map is masked the id tells them, once there is one."""
    given = secrets.inputs.get("secrets")
    return tuple(
        sorted(cast("dict[str, Any]", given) if isinstance(given, dict) else filter(None, secrets.id.split(",")))
    )


def _servers(siblings: list[Resource], component: Resource | None) -> tuple[str, ...]:
    for one in siblings:
        if one.type == "codespaces:index:VerifiedEcrKey":
            return _texts(one.inputs.get("servers"))
        if one.type == "codespaces:index:VerifiedLogin":
            return _texts([one.inputs.get("server")])
    outputs: dict[str, Any] = component.outputs if component else {}
    return _texts(outputs.get("servers")) or _texts([outputs.get("server")])


def _hosts(names: tuple[str, ...], servers: tuple[str, ...], component: Resource | None) -> tuple[tuple[str, str], ...]:
    """Which prefix is that of which host; the component lists the names of its secrets in the order of its servers."""
    declared = _texts(component.outputs.get("secretNames")) if component else ()
    prefixes = [
        triple.prefix for first in range(0, len(declared), 3) for triple in triples_in(declared[first : first + 3])
    ] or [triple.prefix for triple in triples_in(names)]
    one_way = len(prefixes) == len(servers) and (bool(declared) or len(servers) == 1)
    return tuple(zip(prefixes, servers, strict=True)) if one_way else ()


def _texts(given: object) -> tuple[str, ...]:
    items = cast("list[object]", given) if isinstance(given, list) else []
    return tuple(one for one in items if isinstance(one, str) and is_known(one))


def _readers(secrets: Resource) -> Readers:
    inputs = secrets.inputs
    if secrets.type == REPOSITORY_SECRETS:
        name = inputs.get("repositoryName") if is_known(inputs.get("repositoryName")) else inputs.get("repository")
        return Readers(
            "repository", frozenset({name} if isinstance(name, str) and is_known(name) else ()), not is_known(name)
        )
    visibility = str(inputs.get("visibility") or "selected")
    selected = inputs.get("selectedRepositories")
    if isinstance(selected, dict):
        return Readers(visibility, frozenset(cast("dict[str, Any]", selected)))
    return Readers(visibility, unknown=visibility == "selected")


def _grants(document: object) -> list[Grant]:
    if not is_known(document):
        return []
    try:
        known: Any = json.loads(document) if isinstance(document, str) else document
        statements: Any = known.get("Statement") or []
    except (json.JSONDecodeError, AttributeError):
        return []
    return [
        Grant(str(one.get("Effect")), action, resource, json.dumps(one["Condition"]) if one.get("Condition") else "")
        for one in cast("list[dict[str, Any]]", [one for one in _several(statements) if isinstance(one, dict)])
        for action in _named(one, "Action")
        for resource in _named(one, "Resource")
    ]


def _named(statement: dict[str, Any], what: str) -> list[str]:
    everything_but = [f"everything but {one}" for one in _several(statement.get(f"Not{what}") or [])]
    return [str(one) for one in _several(statement.get(what) or [])] + everything_but


def _several(given: Any) -> list[Any]:
    return cast("list[Any]", given) if isinstance(given, list) else [given]
