"""What a preview changes in who may pull what, in sentences; what a reviewer should look at first is marked a risk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

from ..rules.policies import matches_everything
from ..rules.secret_names import triples_in
from ..rules.wording import are, in_words
from .access import LOGINS, PULLS, accesses
from .digest import is_known

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .access import Access, Grant, Readers
    from .digest import Digest, Message, Step

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
_MANY = 3


@dataclass(frozen=True)
class Change:
    """A sentence on a change.

    Attributes:
        text: Markdown of one line, names as code.
        risk: the code of the risk that it is; empty for none.
        details: further lines, such as all names where the sentence counts.
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
        registry: the registry, as it is named in the sentences.
        state: `kept`, `gained` or `lost`.
    """

    readers: str
    registry: str
    state: str


@dataclass(frozen=True)
class Review:
    """What a reviewer needs to know.

    Attributes:
        stack: `project/stack`.
        risks: what to look at first.
        changes: all else that changes.
        edges: who may pull from where, before and after.
        others: how many other resources are created, changed and so on.
        messages: what the preview warned of.
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
        return {one.risk for one in self.risks}


def review(digest: Digest, *, max_key_age_days: int = 90, now: datetime | None = None) -> Review:
    """Put into sentences what a preview changes.

    Args:
        digest: the preview.
        max_key_age_days: how old a published key may be.
        now: for the age of keys; the time of day by default.
    """
    before, after = accesses(digest.before), accesses(digest.after)
    steps = {step.resource.urn: step for step in digest.steps}
    public = _Public.of(digest)
    found: list[Change] = []
    errors = [one for one in digest.messages if one.severity == "error"]
    found += [
        Change(f"The preview failed: {f'{one.name}: ' if one.name else ''}{_line(one.text)}", "failed-preview")
        for one in errors
    ]
    found += _readers_changes(before, after, public)
    for urn in sorted(before.keys() | after.keys()):
        old, new = before.get(urn), after.get(urn)
        if old and new and _moves(old, new):
            stays = bool(new.user) and old.user == new.user
            found += [*_made(new, public, known_user=stays), *_removed(old, keeps_user=stays)]
            found += _key_changes(old, new, steps) if stays else ()
        elif old and new:
            found += _kept(old, new, steps)
        elif new:
            found += _made(new, public)
        elif old:
            found += _removed(old)
    found += [
        change
        for urn, one in sorted(after.items())
        if (change := _aged(before.get(urn, one), one, max_key_age_days, now or datetime.now(timezone.utc)))
    ]
    found += _roles(digest.steps)
    others = Counter(step.op for step in digest.steps if step.op != "same" and not _is_ours(step))
    return Review(
        digest.stack,
        tuple(sorted((one for one in found if one.risk), key=lambda it: list(RISKS).index(it.risk))),
        tuple(one for one in found if not one.risk),
        tuple(_edges(before, after)),
        dict(sorted(others.items())),
        tuple(one for one in digest.messages if one.severity == "warning"),
    )


def _is_ours(step: Step) -> bool:
    """Whether a resource is one of this package's, a part of a component of it, or a provider."""
    resource = step.resource
    return resource.type.startswith((_OURS, "pulumi:")) or _OURS in resource.parent


# -- who may read


def _readers_changes(before: Mapping[str, Access], after: Mapping[str, Access], public: _Public) -> Iterable[Change]:
    """Who joins and who leaves; registries that share a selection share a sentence."""
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
        before_it = "" if old.readers.unknown else f"; before, {_who(old.owner, old.readers)} could"
        text = f"{_who(new.owner, new.readers)} may {_use(new)}{before_it}."
        yield Change(text, "wider-visibility" if _width(new.readers) > _width(old.readers) else "", _listed(new))
    for (owner, names), some in gains.items():
        text = f"{_repositories(owner, names)} may {_uses(some)}."
        yield Change(text, details=_full(owner, names, _MANY))
        yield from _opened(owner, public.among(names))
    for (owner, readers), some in unknown.items():
        before_it = "" if readers.unknown else f"; before, {_who(owner, readers)} could"
        text = f"Who may {_uses(some)} is known only after the update{before_it}."
        yield Change(text, details=_full(owner, readers.names, _MANY))
        yield from _opened(owner, frozenset[str]().union(*map(public.readers, some)))
    for (owner, names), some in losses.items():
        text = f"{_repositories(owner, names)} may no longer {_uses(some)}; running codespaces do until they stop."
        yield Change(text, details=_full(owner, names, _MANY))


def _moves(old: Access, new: Access) -> bool:
    """Whether the secrets go to another organization; GitHub does not tell `Acme` from `acme`."""
    return bool(old.owner and new.owner) and old.owner.lower() != new.owner.lower()


def _width(readers: Readers) -> int:
    return {"repository": 0, "selected": 1, "private": 2, "all": 3}.get(readers.visibility, 3)


def _who(owner: str, readers: Readers) -> str:
    if readers.visibility == "all":
        return f"**every repository of `{owner}`, public ones too,**"
    if readers.visibility == "private":
        return f"**every private and internal repository of `{owner}`**"
    if readers.unknown and not readers.names:
        return "repositories that the update will tell"
    return _repositories(owner, readers.names)


def _repositories(owner: str, names: Collection[str]) -> str:
    full = sorted(_full_name(owner, name) for name in names)
    if not full:
        return "no repository"
    shown = full if len(full) <= _MANY else full[:_NAMED]
    more = len(full) - len(shown)
    return in_words([f"`{name}`" for name in shown] + ([f"{more} more"] if more else []))


def _full_name(owner: str, name: str) -> str:
    return name if "/" in name or not owner else f"{owner}/{name}"


def _full(owner: str, names: Collection[str], above: int) -> tuple[str, ...]:
    return tuple(sorted(f"`{_full_name(owner, name)}`" for name in names)) if len(names) > above else ()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# -- what they may


def _registry(access: Access) -> str:
    """What a registry is called: by its hosts, or after the component if they are not known."""
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
    return f"pull {f'{images} ' if images else ''}from {_registry(access)}"


def _uses(some: list[Access]) -> str:
    if len(some) == 1:
        return _use(some[0])
    parts = [_registry(one) if one.prefixes else _secrets(one) for one in sorted(some, key=lambda it: it.name)]
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


def _listed(access: Access) -> tuple[str, ...]:
    return tuple(f"`{name}`" for name in access.secrets)


# -- a set of secrets that is made, that goes, that stays


def _made(new: Access, public: _Public, *, known_user: bool = False) -> Iterable[Change]:
    key = f" New IAM user `{new.user}`, with its first key." if new.user and not known_user else ""
    yield Change(
        _capital(f"{_who(new.owner, new.readers)} may {_use(new)}.{key}"),
        "wider-visibility" if _width(new.readers) > 1 else "",
        (*_full(new.owner, new.readers.names, _MANY), *(f"secret `{name}`" for name in new.secrets)),
    )
    yield from _opened(new.owner, public.readers(new))
    if new.adopts:
        yield Change(f"Secrets of these names that exist are overwritten: {_secrets(new)}.", "adoption", _listed(new))
    wide = frozenset(one for one in new.grants if _is_wide(one))
    if wide and not known_user:
        yield Change(f"`{new.user}` may do more than pull.", "wider-policy", diff=_lines("+", wide))
    if new.elsewhere and not known_user:
        yield _given_elsewhere(new, new.elsewhere)


def _removed(old: Access, *, keeps_user: bool = False) -> Iterable[Change]:
    user = f", and the IAM user `{old.user}` with its keys" if old.user and not keeps_user else ""
    yield Change(
        _capital(f"{_who(old.owner, old.readers)} can no longer {_use(old)}: ")
        + f"{_secrets(old)} {are(old.secrets)} deleted{user}.",
        "secrets-deleted",
        (*_full(old.owner, old.readers.names, _MANY), *_listed(old)),
    )


def _key_changes(old: Access, new: Access, steps: Mapping[str, Step]) -> Iterable[Change]:
    yield from _policy(old, new)
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
    elif lost := next((step for step in steps.values() if _ends_current_key(step, old, new)), None):
        # Its old key is deleted before it is replaced: IAM allows two keys a user.
        replaced = "replace" in lost.op
        yield Change(
            f"The key of `{old.user}` (slot {old.current}) is {'replaced' if replaced else 'deleted'} without a "
            f"rotation: codespaces {'running now ' if replaced else ''}can no longer pull from {_registry(new)}"
            f"{' until they are restarted' if replaced else ''}.",
            "replaced-key",
        )


def _kept(old: Access, new: Access, steps: Mapping[str, Step]) -> Iterable[Change]:
    yield from _key_changes(old, new, steps)
    step = steps.get(new.urn)
    written = sorted(
        path.removeprefix("secrets.") for path in (step.paths if step else ()) if path.startswith("secrets")
    )
    added, gone = set(new.secrets) - set(old.secrets), set(old.secrets) - set(new.secrets)
    if gone:
        yield Change(f"Deleted: {_names(gone)}.", "secrets-deleted")
    if added:
        yield Change(f"New: {_names(added)}.")
    if (rest := [name for name in written if name not in added | gone]) and not _rotates(old, new):
        named = [name for name in rest if name != "secrets"] or list(new.secrets)
        one = len(named) == 1
        what = f"The value of {_names(named)} is" if one else f"The values of {_names(named)} are"
        yield Change(f"{what} written; codespaces get {'it' if one else 'them'} at their next start.")
    if new.adopts and not old.adopts:
        yield Change(
            f"`adopt_existing` is switched on for `{new.name}`: secrets that exist are overwritten.", "adoption"
        )


def _rotates(old: Access, new: Access) -> bool:
    return dict(old.slots) != dict(new.slots)


def _is_user(step: Step, access: Access) -> bool:
    return step.resource.type == "aws:iam/user:User" and access.user in (
        step.resource.inputs.get("name"),
        step.resource.id,
    )


def _ends_current_key(step: Step, old: Access, new: Access) -> bool:
    """Whether a step ends the key that codespaces use now; a rotation makes its key in the other slot."""
    key = step.resource
    return (
        key.type == "aws:iam/accessKey:AccessKey"
        and ("replace" in step.op or "delete" in step.op)
        and key.inputs.get("user") == old.user
        and key.name.rpartition("-")[2] == old.current
        and dict(old.slots).get(old.current) == dict(new.slots).get(old.current)
    )


def _opened(owner: str, names: Collection[str]) -> Iterable[Change]:
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


def _policy(old: Access, new: Access) -> Iterable[Change]:
    if new.suspended != old.suspended:
        if new.suspended:
            yield Change(
                f"`{new.user}` is suspended: no codespace can pull from {_registry(new)} until that ends.", "suspended"
            )
        else:
            yield Change(f"The suspension of `{new.user}` ends; its key is proven first.")
    if more_elsewhere := new.elsewhere - old.elsewhere:
        yield _given_elsewhere(new, more_elsewhere)
    if less_elsewhere := old.elsewhere - new.elsewhere:
        yield Change(f"`{new.user}` no longer has the permissions of {_givers(less_elsewhere)}.")
    if new.opaque or old.opaque:
        if new.opaque != old.opaque:
            yield Change(f"What `{new.user}` may do is known only after the update.", "wider-policy")
        return
    added, gone = _without_suspension(new.grants - old.grants), _without_suspension(old.grants - new.grants)
    more, less = sorted({_short(one.resource) for one in added}), sorted({_short(one.resource) for one in gone})
    diff = _lines("-", gone) + _lines("+", added)
    if added:
        what = (
            "do more than pull"
            if any(map(_is_wide, added))
            else f"pull {in_words([f'`{name}`' for name in more[:_MANY]])}"
        )
        tail = f" and {len(more) - _MANY} more" if len(more) > _MANY else ""
        instead = f", and no longer {in_words([f'`{name}`' for name in less[:_MANY]])}" if less else ""
        where = f", in codespaces of {_who(new.owner, new.readers)}"
        yield Change(f"`{new.user}` may now {what}{tail}{instead}{where}.", "wider-policy", diff=diff)
    elif gone:
        yield Change(f"`{new.user}` may no longer pull {in_words([f'`{name}`' for name in less[:_MANY]])}.", diff=diff)
    if old.boundary and old.boundary != new.boundary:
        yield Change(f"The permissions boundary of `{new.user}` changes.", "wider-policy")


def _given_elsewhere(access: Access, some: Iterable[tuple[str, str]]) -> Change:
    where = f"in codespaces of {_who(access.owner, access.readers)}"
    text = f"`{access.user}` has the permissions of {_givers(some)} too, {where}; what they are is not told here."
    return Change(text, "wider-policy")


def _givers(some: Iterable[tuple[str, str]]) -> str:
    return in_words(
        [f"the {kind} `{name}`" if name else f"a {kind} that the update will tell" for kind, name in sorted(some)]
    )


def _without_suspension(grants: Iterable[Grant]) -> frozenset[Grant]:
    return frozenset(one for one in grants if one.effect != "Deny")


def _is_wide(grant: Grant) -> bool:
    if grant.effect != "Allow":
        return False
    wide = matches_everything(grant.resource) or grant.resource.startswith("everything but ")
    return grant.action not in PULLS | LOGINS or (wide and grant.action not in LOGINS)


def _lines(sign: str, grants: Iterable[Grant]) -> tuple[str, ...]:
    """One line an ARN and its actions."""
    by_resource: dict[tuple[str, str, str], list[str]] = {}
    for one in sorted(grants):
        by_resource.setdefault((one.effect, one.resource, one.condition), []).append(one.action)
    return tuple(
        f"{sign} {effect} {', '.join(actions)} on {resource}{f' if {condition}' if condition else ''}"
        for (effect, resource, condition), actions in sorted(by_resource.items())
    )


def _aged(old: Access, new: Access, days: int, now: datetime) -> Change | None:
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
"""Type of a role -> what has it, and where its name is."""


def _roles(steps: Iterable[Step]) -> Iterable[Change]:
    """Roles on the repository that a package is linked to."""
    for step in steps:
        if step.op == "same" or step.resource.type not in _ROLES or "PackageAccess::" not in step.resource.parent:
            continue
        what, key = _ROLES[step.resource.type]
        inputs = step.resource.inputs
        who, repository = f"The {what} `{inputs.get(key)}`", inputs.get("repository")
        if step.new is None:
            yield Change(f"{who} loses its role on `{repository}`, and with it the package.")
        else:
            yield Change(f"{who} gets the role `{inputs.get('permission')}` on `{repository}`, and so on the package.")


@dataclass(frozen=True)
class _Public:
    """The public repositories that a preview tells of.

    Attributes:
        names: those among the selected ones, and those that the program makes itself, by the resource's name too: a
            selection may call one so that is not made yet.
        to_come: URN of a selection -> those in it that this update makes, so that only the update tells who reads.
    """

    names: frozenset[str]
    to_come: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, digest: Digest) -> _Public:
        selections = [one for one in digest.after if one.type == "codespaces:index:RepositorySelection"]
        made = {
            one.urn: [str(name) for name in (one.inputs.get("name"), one.name) if is_known(name)]
            for one in digest.after
            if one.type == "github:index/repository:Repository"
            and (one.inputs.get("visibility") or ("private" if one.inputs.get("private") else "public")) == "public"
        }
        names = {name for some in made.values() for name in some}
        there = {one.urn for one in digest.before}
        to_come: dict[str, frozenset[str]] = {}
        for selection in selections:
            ids = selection.inputs.get("ids")
            numbers = cast("dict[str, object]", ids) if isinstance(ids, dict) else {}
            called = {name for name, number in numbers.items() if not is_known(number)}
            others = {
                made[urn][0]
                for urn in selection.comes_from.get("ids") or ()
                if urn in made and urn not in there and not called.intersection(made[urn])
            }
            to_come[selection.urn] = frozenset(called & names | others)
        selected = {str(name) for selection in selections for name in selection.inputs.get("public") or ()}
        return cls(frozenset(names | selected), to_come)

    def readers(self, access: Access) -> frozenset[str]:
        """Those of the readers that are public; of readers that are not known, those that the update makes."""
        if access.readers.unknown:
            selections = [one for one in access.readers_from if one in self.to_come] or self.to_come
            return frozenset(name for one in selections for name in self.to_come[one])
        return self.among(access.readers.names)

    def among(self, names: Iterable[str]) -> frozenset[str]:
        """Those of some names that are public; a selection marks a name that it has twice."""
        return frozenset(name for name in names if name.removesuffix(" (new)") in self.names)


def _edges(before: Mapping[str, Access], after: Mapping[str, Access]) -> Iterable[Edge]:
    for urn in sorted(before.keys() | after.keys()):
        old, new = before.get(urn), after.get(urn)
        if old and new and not _moves(old, new):
            if old.readers.unknown or new.readers.unknown:
                continue
            # Of one organization under two spellings, the repositories are the same.
            old = replace(old, owner=new.owner)
        left, right = _ends(old), _ends(new)
        registry = next(", ".join(one.servers) or one.name for one in (new, old) if one)
        for who in sorted(left | right):
            state = "kept" if who in left and who in right else "gained" if who in right else "lost"
            yield Edge(who, registry, state)


def _ends(access: Access | None) -> set[str]:
    if access is None:
        return set()
    if access.readers.visibility in ("private", "all"):
        return {f"{'every' if access.readers.visibility == 'all' else 'every private'} repository of {access.owner}"}
    return {_full_name(access.owner, name) for name in access.readers.names}


def _line(text: str) -> str:
    return " ".join(text.split())
