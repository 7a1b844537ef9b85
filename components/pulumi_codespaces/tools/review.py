"""Describes in sentences how a preview changes access to registries.

A change that a reviewer should look at first is marked as a risk.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

from ..rules.policies import matches_everything
from ..rules.secret_names import triples_in
from ..rules.wording import are, in_words
from ..state.access import LOGINS, PULLS, accesses
from ..state.digest import is_known

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ..state.access import Access, Grant, Readers
    from ..state.digest import Digest, Message, Resource, Step

RISKS = {
    "failed-preview": "the preview itself failed",
    "wider-visibility": "secrets become readable by every private, or every, repository of the organization",
    "public-repository": "a public repository joins",
    "wider-policy": "an IAM user may do more than before",
    "secrets-deleted": "secrets that codespaces use are deleted",
    "adoption": "secrets that exist are overwritten",
    "retired-key": "codespaces that have not been restarted since the last rotation can no longer pull",
    "replaced-key": "the access key that codespaces use is replaced, or deleted, without a rotation",
    "suspended": "an IAM user is denied everything",
    "replaced-user": "an IAM user is replaced, and its keys with it",
    "key-age": "a published key is older than it should be",
}
"""Code of a risk -> what it means."""
_OURS = "codespaces:index:"
_NAMED = 2
"""The number of names shown from a list of more than `_MANY`."""
_MANY = 3
"""The maximum number of names that are all shown."""


@dataclass(frozen=True)
class Change:
    """A sentence about a change.

    Attributes:
        text: Markdown of one line, names as code.
        risk: the code of the risk; empty if the change is not a risk.
        details: further lines, such as all names if the sentence gives only their number.
        diff: lines that begin with + or -.
    """

    text: str
    risk: str = ""
    details: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """Whether the codespaces of a repository get a registry's login.

    Attributes:
        readers: a repository, or words for many.
        registry: the registry, under the name that the sentences use.
        state: `kept`, `gained` or `lost`.
    """

    readers: str
    registry: str
    state: str


@dataclass(frozen=True)
class Review:
    """A preview, as a reviewer needs to know it.

    Attributes:
        stack: `project/stack`.
        risks: the changes to look at first.
        changes: all other changes.
        edges: the registries that each repository may pull from, before and after.
        others: operation -> the number of other resources.
        messages: the warnings of the preview.
    """

    stack: str
    risks: tuple[Change, ...]
    changes: tuple[Change, ...]
    edges: tuple[Edge, ...]
    others: Mapping[str, int]
    messages: tuple[Message, ...] = field(default=())

    @property
    def codes(self) -> set[str]:
        """The codes of all risks."""
        return {change.risk for change in self.risks}


def review(digest: Digest, *, max_key_age_days: int = 90, now: datetime | None = None) -> Review:
    """Describe the changes of a preview in sentences.

    Args:
        digest: the preview.
        max_key_age_days: the maximum age of a published key.
        now: the time that the age of keys is measured from; the current time by default.
    """
    before, after = accesses(digest.before), accesses(digest.after)
    steps = {step.resource.urn: step for step in digest.steps}
    public = _Public.of(digest)
    changes = [_failure(message) for message in digest.messages if message.severity == "error"]
    changes += _readers_changes(before, after, public)
    for urn in sorted(before.keys() | after.keys()):
        old, new = before.get(urn), after.get(urn)
        if old and new and _moves(old, new):
            same_user = bool(new.user) and old.user == new.user
            changes += [*_added(new, public, known_user=same_user), *_removed(old, keeps_user=same_user)]
            changes += _key_changes(old, new, steps) if same_user else ()
        elif old and new:
            changes += _updated(old, new, steps)
        elif new:
            changes += _added(new, public)
        elif old:
            changes += _removed(old)
    changes += [
        change
        for urn, new in sorted(after.items())
        if (change := _key_age_change(before.get(urn, new), new, max_key_age_days, now or datetime.now(timezone.utc)))
    ]
    changes += _roles(digest.steps)
    others = Counter(step.op for step in digest.steps if step.op != "same" and not _is_ours(step))
    order = list(RISKS)
    return Review(
        digest.stack,
        tuple(sorted((change for change in changes if change.risk), key=lambda change: order.index(change.risk))),
        tuple(change for change in changes if not change.risk),
        tuple(_edges(before, after)),
        dict(sorted(others.items())),
        tuple(message for message in digest.messages if message.severity == "warning"),
    )


def _failure(message: Message) -> Change:
    resource = f"{message.name}: " if message.name else ""
    return Change(f"The preview failed: {resource}{_line(message.text)}", "failed-preview")


def _is_ours(step: Step) -> bool:
    """Whether a resource is a provider, a resource of this package, or a part of one of its components."""
    resource = step.resource
    return resource.type.startswith((_OURS, "pulumi:")) or _OURS in resource.parent


# -- who may read


def _readers_changes(before: Mapping[str, Access], after: Mapping[str, Access], public: _Public) -> Iterable[Change]:
    """Repositories that join or leave. Registries that share a selection share a sentence."""
    gains: dict[tuple[str, frozenset[str]], list[Access]] = {}
    losses: dict[tuple[str, frozenset[str]], list[Access]] = {}
    unknown: dict[tuple[str, Readers], list[Access]] = {}
    for urn, new in after.items():
        old = before.get(urn)
        if old is None or old.readers == new.readers or _moves(old, new):
            continue
        if new.readers.unknown:
            unknown.setdefault((new.owner, old.readers), []).append(new)
            continue
        if old.readers.visibility == new.readers.visibility == "selected" and not old.readers.unknown:
            if joined := new.readers.names - old.readers.names:
                gains.setdefault((new.owner, joined), []).append(new)
            if left := old.readers.names - new.readers.names:
                losses.setdefault((new.owner, left), []).append(new)
            continue
        text = f"{_readers_text(new.owner, new.readers)} may {_use(new)}{_earlier(old.owner, old.readers)}."
        risk = "wider-visibility" if _width(new.readers) > _width(old.readers) else ""
        yield Change(text, risk, _secret_details(new))
    for (owner, names), group in gains.items():
        text = f"{_repositories(owner, names)} may {_uses(group)}."
        yield Change(text, details=_repository_details(owner, names))
        yield from _public_repositories(owner, public.among(names))
    for (owner, readers), group in unknown.items():
        text = f"Who may {_uses(group)} is known only after the update{_earlier(owner, readers)}."
        yield Change(text, details=_repository_details(owner, readers.names))
        yield from _public_repositories(owner, frozenset[str]().union(*map(public.readers, group)))
    for (owner, names), group in losses.items():
        text = f"{_repositories(owner, names)} may no longer {_uses(group)}; running codespaces do until they stop."
        yield Change(text, details=_repository_details(owner, names))


def _earlier(owner: str, readers: Readers) -> str:
    """The end of a sentence that names the earlier readers, if they are known."""
    return "" if readers.unknown else f"; before, {_readers_text(owner, readers)} could"


def _moves(old: Access, new: Access) -> bool:
    """Whether the secrets go to another organization. GitHub treats `Acme` and `acme` as the same."""
    return bool(old.owner and new.owner) and old.owner.lower() != new.owner.lower()


def _width(readers: Readers) -> int:
    return {"repository": 0, "selected": 1, "private": 2, "all": 3}.get(readers.visibility, 3)


def _readers_text(owner: str, readers: Readers) -> str:
    if readers.visibility == "all":
        return f"**every repository of `{owner}`, public ones too,**"
    if readers.visibility == "private":
        return f"**every private and internal repository of `{owner}`**"
    if readers.unknown and not readers.names:
        return "repositories that the update will tell"
    return _repositories(owner, readers.names)


def _repositories(owner: str, names: Collection[str]) -> str:
    full_names = sorted(_full_name(owner, name) for name in names)
    if not full_names:
        return "no repository"
    shown = full_names if len(full_names) <= _MANY else full_names[:_NAMED]
    more = len(full_names) - len(shown)
    return in_words([f"`{name}`" for name in shown] + ([f"{more} more"] if more else []))


def _full_name(owner: str, name: str) -> str:
    return name if "/" in name or not owner else f"{owner}/{name}"


def _repository_details(owner: str, names: Collection[str]) -> tuple[str, ...]:
    """All names, if a sentence does not show all of them."""
    if len(names) <= _MANY:
        return ()
    return tuple(sorted(f"`{_full_name(owner, name)}`" for name in names))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# -- what they may


def _registry(access: Access) -> str:
    """The hosts of a registry, or the name of its component if the hosts are unknown."""
    if not access.prefixes:
        return f"`{access.name}`"
    if not access.servers:
        return f"the registry of `{access.name}`"
    more = len(access.servers) - _NAMED
    return in_words([f"`{server}`" for server in access.servers[:_NAMED]] + ([f"{more} more"] if more > 0 else []))


def _use(access: Access) -> str:
    if not access.prefixes:
        return f"read {_secrets(access)}"
    images = _images(access)
    if not images:
        return f"pull from {_registry(access)}"
    return f"pull {images} from {_registry(access)}"


def _uses(group: list[Access]) -> str:
    if len(group) == 1:
        return _use(group[0])
    by_name = sorted(group, key=lambda access: access.name)
    parts = [_registry(access) if access.prefixes else _secrets(access) for access in by_name]
    shown = parts if len(parts) <= _MANY else [*parts[:_NAMED], f"{len(parts) - _NAMED} more"]
    return f"pull from {in_words(shown)}"


def _secrets(access: Access) -> str:
    triples = triples_in(access.secrets)
    others = sorted(set(access.secrets) - {name for triple in triples for name in triple.names})
    names = [f"`{triple.prefix}_CONTAINER_REGISTRY_*`" for triple in triples] + [f"`{name}`" for name in others]
    shown = names if len(names) <= _MANY else [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    return f"the secret{'s' if len(access.secrets) > 1 else ''} {in_words(shown)}"


def _images(access: Access) -> str:
    names = [_short(arn) for arn in access.repositories]
    if not names:
        return ""
    shown = names if len(names) <= _MANY else names[:_NAMED]
    more = len(names) - len(shown)
    return in_words([f"`{name}`" for name in shown] + ([f"{more} more repositories"] if more else []))


def _short(arn: str) -> str:
    return arn.partition(":repository/")[2] or arn


def _secret_details(access: Access) -> tuple[str, ...]:
    return tuple(f"`{name}`" for name in access.secrets)


# -- a set of secrets that is added, removed or updated


def _added(new: Access, public: _Public, *, known_user: bool = False) -> Iterable[Change]:
    key = f" New IAM user `{new.user}`, with its first key." if new.user and not known_user else ""
    yield Change(
        _capital(f"{_readers_text(new.owner, new.readers)} may {_use(new)}.{key}"),
        "wider-visibility" if _width(new.readers) > 1 else "",
        (*_repository_details(new.owner, new.readers.names), *(f"secret `{name}`" for name in new.secrets)),
    )
    yield from _public_repositories(new.owner, public.readers(new))
    if new.adopts:
        text = f"Secrets of these names that exist are overwritten: {_secrets(new)}."
        yield Change(text, "adoption", _secret_details(new))
    wide_grants = frozenset(grant for grant in new.grants if _is_wide(grant))
    if wide_grants and not known_user:
        yield Change(f"`{new.user}` may do more than pull.", "wider-policy", diff=_diff_lines("+", wide_grants))
    if new.elsewhere and not known_user:
        yield _elsewhere_change(new, new.elsewhere)


def _removed(old: Access, *, keeps_user: bool = False) -> Iterable[Change]:
    user = f", and the IAM user `{old.user}` with its keys" if old.user and not keeps_user else ""
    yield Change(
        _capital(f"{_readers_text(old.owner, old.readers)} can no longer {_use(old)}: ")
        + f"{_secrets(old)} {are(old.secrets)} deleted{user}.",
        "secrets-deleted",
        (*_repository_details(old.owner, old.readers.names), *_secret_details(old)),
    )


def _key_changes(old: Access, new: Access, steps: Mapping[str, Step]) -> Iterable[Change]:
    yield from _policy_changes(old, new)
    if _rotates(old, new):
        yield _rotation(old, new)
    elif retired := [
        slot for slot, status in new.statuses if status == "Inactive" and dict(old.statuses).get(slot) == "Active"
    ]:
        yield Change(
            f"The key of `{new.user}` from before the last rotation is retired (slot {retired[0]}): codespaces that "
            f"were not restarted since can no longer pull from {_registry(new)}.",
            "retired-key",
        )
    elif old.current != new.current:
        yield Change(f"`{new.user}` goes back to the key of generation {new.generation}, which is published again.")
    if any("replace" in step.op and _is_user(step, old) for step in steps.values()):
        yield Change(f"The IAM user `{old.user}` is replaced, and its keys with it.", "replaced-user")
    elif step := next((step for step in steps.values() if _ends_current_key(step, old, new)), None):
        # IAM allows only two keys per user, so a replacement deletes the old key first.
        replaced = "replace" in step.op
        yield Change(
            f"The key of `{old.user}` (slot {old.current}) is {'replaced' if replaced else 'deleted'} without a "
            f"rotation: codespaces {'running now ' if replaced else ''}can no longer pull from {_registry(new)}"
            f"{' until they are restarted' if replaced else ''}.",
            "replaced-key",
        )


def _updated(old: Access, new: Access, steps: Mapping[str, Step]) -> Iterable[Change]:
    yield from _key_changes(old, new, steps)
    step = steps.get(new.urn)
    written = sorted(
        path.removeprefix("secrets.") for path in (step.paths if step else ()) if path.startswith("secrets")
    )
    added, deleted = set(new.secrets) - set(old.secrets), set(old.secrets) - set(new.secrets)
    if deleted:
        yield Change(f"Deleted: {_names(deleted)}.", "secrets-deleted")
    if added:
        yield Change(f"New: {_names(added)}.")
    if (rest := [name for name in written if name not in added | deleted]) and not _rotates(old, new):
        yield _new_values([name for name in rest if name != "secrets"] or list(new.secrets))
    if new.adopts and not old.adopts:
        yield Change(
            f"`adopt_existing` is switched on for `{new.name}`: secrets that exist are overwritten.", "adoption"
        )


def _new_values(names: Collection[str]) -> Change:
    if len(names) == 1:
        return Change(f"The value of {_names(names)} is written; codespaces get it at their next start.")
    return Change(f"The values of {_names(names)} are written; codespaces get them at their next start.")


def _rotates(old: Access, new: Access) -> bool:
    return dict(old.slots) != dict(new.slots)


def _is_user(step: Step, access: Access) -> bool:
    return step.resource.type == "aws:iam/user:User" and access.user in (
        step.resource.inputs.get("name"),
        step.resource.id,
    )


def _ends_current_key(step: Step, old: Access, new: Access) -> bool:
    """Whether a step ends the key that codespaces use now. A rotation creates the new key in the other slot."""
    key = step.resource
    return (
        key.type == "aws:iam/accessKey:AccessKey"
        and ("replace" in step.op or "delete" in step.op)
        and key.inputs.get("user") == old.user
        and key.name.rpartition("-")[2] == old.current
        and dict(old.slots).get(old.current) == dict(new.slots).get(old.current)
    )


def _public_repositories(owner: str, names: Collection[str]) -> Iterable[Change]:
    if names:
        text = f"{_repositories(owner, names)} {are(names)} public; whoever may write to it can read the secrets."
        yield Change(text, "public-repository")


def _names(names: Collection[str]) -> str:
    return in_words([f"`{name}`" for name in sorted(names)])


def _rotation(old: Access, new: Access) -> Change:
    until = "the next rotation" if new.keeps_previous else "the update after this one"
    jump = f"from generation {old.generation} to {new.generation}" if old.generation != new.generation else "again"
    replaced = [slot for slot, serial in new.slots if dict(old.slots).get(slot) not in (0, serial)]
    ends = " The key from before the last rotation is deleted." if replaced else ""
    return Change(f"The key of `{new.user}` rotates {jump}; codespaces running now keep working until {until}.{ends}")


def _policy_changes(old: Access, new: Access) -> Iterable[Change]:
    if new.suspended and not old.suspended:
        yield Change(
            f"`{new.user}` is suspended: no codespace can pull from {_registry(new)} until that ends.", "suspended"
        )
    elif old.suspended and not new.suspended:
        yield Change(f"The suspension of `{new.user}` ends; its key is proven first.")
    if more_elsewhere := new.elsewhere - old.elsewhere:
        yield _elsewhere_change(new, more_elsewhere)
    if less_elsewhere := old.elsewhere - new.elsewhere:
        yield Change(f"`{new.user}` no longer has the permissions of {_sources(less_elsewhere)}.")
    if new.opaque or old.opaque:
        if new.opaque != old.opaque:
            yield Change(f"What `{new.user}` may do is known only after the update.", "wider-policy")
        return
    yield from _grant_changes(old, new)
    if old.boundary and old.boundary != new.boundary:
        yield Change(f"The permissions boundary of `{new.user}` changes.", "wider-policy")


def _grant_changes(old: Access, new: Access) -> Iterable[Change]:
    added, removed = _without_denials(new.grants - old.grants), _without_denials(old.grants - new.grants)
    more, less = _short_names(added), _short_names(removed)
    diff = _diff_lines("-", removed) + _diff_lines("+", added)
    first_less = in_words(less[:_MANY])
    if added:
        what = "do more than pull" if any(map(_is_wide, added)) else f"pull {in_words(more[:_MANY])}"
        tail = f" and {len(more) - _MANY} more" if len(more) > _MANY else ""
        instead = f", and no longer {first_less}" if less else ""
        where = f", in codespaces of {_readers_text(new.owner, new.readers)}"
        yield Change(f"`{new.user}` may now {what}{tail}{instead}{where}.", "wider-policy", diff=diff)
    elif removed:
        yield Change(f"`{new.user}` may no longer pull {first_less}.", diff=diff)


def _short_names(grants: Iterable[Grant]) -> list[str]:
    """The resources of grants, as code, each once."""
    return [f"`{name}`" for name in sorted({_short(grant.resource) for grant in grants})]


def _elsewhere_change(access: Access, elsewhere: Iterable[tuple[str, str]]) -> Change:
    where = f"in codespaces of {_readers_text(access.owner, access.readers)}"
    text = f"`{access.user}` has the permissions of {_sources(elsewhere)} too, {where}; what they are is not told here."
    return Change(text, "wider-policy")


def _sources(elsewhere: Iterable[tuple[str, str]]) -> str:
    """The policies and groups that give permissions."""
    return in_words(
        [f"the {kind} `{name}`" if name else f"a {kind} that the update will tell" for kind, name in sorted(elsewhere)]
    )


def _without_denials(grants: Iterable[Grant]) -> frozenset[Grant]:
    return frozenset(grant for grant in grants if grant.effect != "Deny")


def _is_wide(grant: Grant) -> bool:
    if grant.effect != "Allow":
        return False
    wide = matches_everything(grant.resource) or grant.resource.startswith("everything but ")
    return grant.action not in PULLS | LOGINS or (wide and grant.action not in LOGINS)


def _diff_lines(sign: str, grants: Iterable[Grant]) -> tuple[str, ...]:
    """One line for each effect, ARN and condition, with all its actions."""
    by_resource: dict[tuple[str, str, str], list[str]] = {}
    for grant in sorted(grants):
        suffix = f" if {grant.condition}" if grant.condition else ""
        by_resource.setdefault((grant.effect, grant.resource, suffix), []).append(grant.action)
    return tuple(
        f"{sign} {effect} {', '.join(actions)} on {resource}{suffix}"
        for (effect, resource, suffix), actions in sorted(by_resource.items())
    )


def _key_age_change(old: Access, new: Access, days: int, now: datetime) -> Change | None:
    if not old.key_made or dict(old.slots) != dict(new.slots):
        return None
    age = old.key_age_days(now)
    if age is None or age <= days:
        return None
    return Change(
        f"The key of `{new.user}` is {age} days old (limit {days}): raise `key_generation` of `{new.name}`.", "key-age"
    )


# -- others


_ROLES = {
    "github:index/teamRepository:TeamRepository": ("team", "teamId"),
    "github:index/repositoryCollaborator:RepositoryCollaborator": ("user", "username"),
}
"""Type of a role -> (what has the role, the property with its name)."""


def _roles(steps: Iterable[Step]) -> Iterable[Change]:
    """Changed roles on the repository that a package is linked to."""
    for step in steps:
        if step.op == "same" or step.resource.type not in _ROLES or "PackageAccess::" not in step.resource.parent:
            continue
        what, key = _ROLES[step.resource.type]
        inputs = step.resource.inputs
        holder, repository = f"The {what} `{inputs.get(key)}`", inputs.get("repository")
        if step.new is None:
            yield Change(f"{holder} loses its role on `{repository}`, and with it the package.")
        else:
            role = inputs.get("permission")
            yield Change(f"{holder} gets the role `{role}` on `{repository}`, and so on the package.")


@dataclass(frozen=True)
class _Public:
    """The public repositories in a preview.

    Attributes:
        names: the public repositories that a selection contains or the program makes. A repository that the program
            makes is also listed by the name of its resource, which a selection may use for a repository that does not
            exist yet.
        to_come: URN of a selection -> the public repositories in it that this update makes. Only the update knows the
            readers of such a selection.
    """

    names: frozenset[str]
    to_come: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, digest: Digest) -> _Public:
        selections = [resource for resource in digest.after if resource.type == "codespaces:index:RepositorySelection"]
        names_by_urn = {
            resource.urn: [str(name) for name in (resource.inputs.get("name"), resource.name) if is_known(name)]
            for resource in digest.after
            if _is_public_repository(resource)
        }
        public_names = {name for names in names_by_urn.values() for name in names}
        existing = {resource.urn for resource in digest.before}
        to_come: dict[str, frozenset[str]] = {}
        for selection in selections:
            ids = selection.inputs.get("ids")
            numbers = cast("dict[str, object]", ids) if isinstance(ids, dict) else {}
            not_made = {name for name, number in numbers.items() if not is_known(number)}
            others = {
                names_by_urn[urn][0]
                for urn in selection.comes_from.get("ids") or ()
                if urn in names_by_urn and urn not in existing and not not_made.intersection(names_by_urn[urn])
            }
            to_come[selection.urn] = frozenset(not_made & public_names | others)
        selected = {str(name) for selection in selections for name in selection.inputs.get("public") or ()}
        return cls(frozenset(public_names | selected), to_come)

    def readers(self, access: Access) -> frozenset[str]:
        """The public repositories among the readers; those that the update makes if the readers are unknown."""
        if access.readers.unknown:
            selections = [urn for urn in access.readers_from if urn in self.to_come] or self.to_come
            return frozenset(name for urn in selections for name in self.to_come[urn])
        return self.among(access.readers.names)

    def among(self, names: Iterable[str]) -> frozenset[str]:
        """The public repositories among some names. A selection adds ` (new)` to a name that it has twice."""
        return frozenset(name for name in names if name.removesuffix(" (new)") in self.names)


def _is_public_repository(resource: Resource) -> bool:
    if resource.type != "github:index/repository:Repository":
        return False
    visibility = resource.inputs.get("visibility")
    if visibility:
        return visibility == "public"
    return not resource.inputs.get("private")


def _edges(before: Mapping[str, Access], after: Mapping[str, Access]) -> Iterable[Edge]:
    for urn in sorted(before.keys() | after.keys()):
        old, new = before.get(urn), after.get(urn)
        if old and new and not _moves(old, new):
            if old.readers.unknown or new.readers.unknown:
                continue
            # The owner may be spelled in two ways, which would show the same repositories twice.
            old = replace(old, owner=new.owner)
        old_nodes, new_nodes = _reader_nodes(old), _reader_nodes(new)
        access = after.get(urn) or before[urn]
        registry = ", ".join(access.servers) or access.name
        for readers in sorted(old_nodes | new_nodes):
            yield Edge(readers, registry, _edge_state(in_old=readers in old_nodes, in_new=readers in new_nodes))


def _edge_state(*, in_old: bool, in_new: bool) -> str:
    if in_old and in_new:
        return "kept"
    return "gained" if in_new else "lost"


def _reader_nodes(access: Access | None) -> set[str]:
    if access is None:
        return set()
    if access.readers.visibility == "all":
        return {f"every repository of {access.owner}"}
    if access.readers.visibility == "private":
        return {f"every private repository of {access.owner}"}
    return {_full_name(access.owner, name) for name in access.readers.names}


def _line(text: str) -> str:
    return " ".join(text.split())
