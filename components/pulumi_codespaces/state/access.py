"""The access that each set of secrets gives: its readers, registries, IAM user and key, from a stack's resources."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from ..rules.lifetimes import moment
from ..rules.policies import PULL_ACTIONS
from ..rules.secret_names import triples_in
from .permissions import IAM_TYPES, Grant, permissions_of_user
from .resources import is_known

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from .resources import Resource

ORGANIZATION_SECRETS = "codespaces:index:OrganizationSecrets"
REPOSITORY_SECRETS = "codespaces:index:RepositorySecrets"
_SECRETS = (ORGANIZATION_SECRETS, REPOSITORY_SECRETS)
_COMPONENTS = ("codespaces:index:EcrPullAccess", "codespaces:index:RegistryLogin")


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
            return (now - moment(self.key_made)).days
        except (ValueError, TypeError):
            return None


def accesses(resources: Iterable[Resource]) -> dict[str, Access]:
    """The URN of every set of secrets among the resources of a stack -> the access that it gives."""
    by_urn = {resource.urn: resource for resource in resources}
    children: dict[str, list[Resource]] = {}
    for resource in by_urn.values():
        children.setdefault(resource.parent, []).append(resource)
    of_iam = [resource for resource in by_urn.values() if resource.type in IAM_TYPES]
    result: dict[str, Access] = {}
    for secrets in by_urn.values():
        if secrets.type not in _SECRETS:
            continue
        name, siblings, component = secrets.name, [secrets], None
        if any(f"{component_type}::" in secrets.parent for component_type in _COMPONENTS):
            name, siblings = secrets.parent.rsplit("::", 1)[-1], children[secrets.parent]
            component = by_urn.get(secrets.parent)
        access = _with_key(_of_secrets(secrets, name, siblings, component), siblings)
        result[secrets.urn] = _with_permissions(access, siblings, of_iam)
    return result


def _of_secrets(secrets: Resource, name: str, siblings: list[Resource], component: Resource | None) -> Access:
    """The secrets, their readers and their registries.

    Args:
        secrets: the set of secrets.
        name: the name of the component, or of the secrets without a component.
        siblings: the resources that the component made, the secrets among them.
        component: the component, if the stack has it.
    """
    owner = secrets.inputs.get("owner")
    names = _names(secrets)
    servers = _servers(siblings, component)
    return Access(
        urn=secrets.urn,
        name=name,
        owner=str(owner) if is_known(owner) else "",
        secrets=names,
        servers=servers,
        readers=_readers(secrets),
        adopts=secrets.inputs.get("adoptExisting") is True,
        hosts=_hosts(names, servers, component),
        readers_from=tuple(secrets.comes_from.get("selectedRepositories") or ()),
    )


def _with_key(access: Access, siblings: list[Resource]) -> Access:
    """The access with the user's access keys, as their rotation among the siblings has them."""
    rotations = [resource for resource in siblings if resource.type == "codespaces:index:KeyRotation"]
    if not rotations:
        return access
    rotation = {key: value for key, value in rotations[-1].inputs.items() if is_known(value)}
    current = str(rotation.get("current", ""))
    slots = cast("dict[str, dict[str, Any]]", rotation.get("slots") or {})
    statuses = cast("dict[str, Any]", rotation.get("statuses") or {})
    keys = [resource for resource in siblings if resource.type == "aws:iam/accessKey:AccessKey"]
    key = {resource.name.rpartition("-")[2]: resource for resource in keys}.get(current)
    return replace(
        access,
        user=str(rotation.get("userName", "")),
        generation=int(rotation.get("generation") or 0),
        slots=tuple(sorted((slot, int(values.get("serial") or 0)) for slot, values in slots.items())),
        statuses=tuple(sorted((slot, str(status)) for slot, status in statuses.items())),
        current=current,
        keeps_previous=rotation.get("keepPreviousKey") is not False,
        key_id=key.id if key else "",
        key_made=str(key.outputs.get("createDate") or "") if key else "",
    )


def _with_permissions(access: Access, siblings: list[Resource], of_iam: list[Resource]) -> Access:
    """The access with the name, the permissions and the boundary of its IAM user."""
    users = [resource for resource in siblings if resource.type == "aws:iam/user:User"]
    name, boundary = access.user, ""
    if users:
        name = str(users[-1].inputs.get("name", ""))
        boundary = str(users[-1].inputs.get("permissionsBoundary") or "")
    permissions = permissions_of_user(name, access.name, siblings, of_iam)
    return replace(
        access,
        user=name,
        grants=permissions.grants,
        opaque=permissions.opaque,
        elsewhere=permissions.elsewhere,
        boundary=boundary,
    )


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
