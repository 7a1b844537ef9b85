"""Changes of who may read a set of secrets, and the public repositories among the readers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ...rules.wording import are
from ...state.resources import is_known
from .model import Change
from .phrases import readers_text, repositories_text, repository_details, secret_details, use_text, uses_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ...state.access import Access, Readers
    from ...state.digest import Digest
    from ...state.resources import Resource


def readers_changes(
    before: Mapping[str, Access], after: Mapping[str, Access], public: PublicRepositories
) -> Iterable[Change]:
    """Repositories that join or leave. Registries that share a selection share a sentence."""
    groups = _Groups()
    for urn, new in after.items():
        old = before.get(urn)
        if old and old.readers != new.readers and not moves(old, new) and not groups.add(old, new):
            yield _other_visibility(old, new)
    for (owner, names), accesses in groups.gains.items():
        text = f"{repositories_text(owner, names)} may {uses_text(accesses)}."
        yield Change(text, details=repository_details(owner, names))
        yield from public_changes(owner, public.among(names))
    for (owner, readers), accesses in groups.unknown.items():
        text = f"Who may {uses_text(accesses)} is known only after the update{_earlier(owner, readers)}."
        yield Change(text, details=repository_details(owner, readers.names))
        yield from public_changes(owner, frozenset[str]().union(*map(public.readers, accesses)))
    for (owner, names), accesses in groups.losses.items():
        text = (
            f"{repositories_text(owner, names)} may no longer {uses_text(accesses)}; running codespaces can until they "
            "stop."
        )
        yield Change(text, details=repository_details(owner, names))


@dataclass(frozen=True)
class _Groups:
    """Sets of secrets whose readers change alike.

    Attributes:
        gains: (owner, repositories that join) -> the sets.
        losses: (owner, repositories that leave) -> the sets.
        unknown: (owner, readers before) -> the sets whose readers only the update knows.
    """

    gains: dict[tuple[str, frozenset[str]], list[Access]] = field(default_factory=lambda: defaultdict(list))
    losses: dict[tuple[str, frozenset[str]], list[Access]] = field(default_factory=lambda: defaultdict(list))
    unknown: dict[tuple[str, Readers], list[Access]] = field(default_factory=lambda: defaultdict(list))

    def add(self, old: Access, new: Access) -> bool:
        """Add a set to its group. Returns False if its readers change in another way."""
        if new.readers.unknown:
            self.unknown[new.owner, old.readers].append(new)
            return True
        if old.readers.unknown or not old.readers.visibility == new.readers.visibility == "selected":
            return False
        if joined := new.readers.names - old.readers.names:
            self.gains[new.owner, joined].append(new)
        if left := old.readers.names - new.readers.names:
            self.losses[new.owner, left].append(new)
        return True


def _other_visibility(old: Access, new: Access) -> Change:
    text = f"{readers_text(new.owner, new.readers)} may {use_text(new)}{_earlier(old.owner, old.readers)}."
    risk = "wider-visibility" if width(new.readers) > width(old.readers) else ""
    return Change(text, risk, secret_details(new))


def _earlier(owner: str, readers: Readers) -> str:
    """The end of a sentence that names the earlier readers, if they are known."""
    return "" if readers.unknown else f"; before, {readers_text(owner, readers)} could"


def moves(old: Access, new: Access) -> bool:
    """Whether the secrets go to another organization. GitHub treats `Acme` and `acme` as the same."""
    return bool(old.owner and new.owner) and old.owner.lower() != new.owner.lower()


def width(readers: Readers) -> int:
    """A number that is higher for more readers; more than 1 for a whole organization."""
    return {"repository": 0, "selected": 1, "private": 2, "all": 3}.get(readers.visibility, 3)


# -- public repositories


def public_changes(owner: str, names: Collection[str]) -> Iterable[Change]:
    """Public repositories that join."""
    if names:
        text = (
            f"{repositories_text(owner, names)} {are(names)} public; everybody with write access can read the secrets."
        )
        yield Change(text, "public-repository")


@dataclass(frozen=True)
class PublicRepositories:
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
    def of(cls, digest: Digest) -> PublicRepositories:
        """The public repositories in a preview."""
        selections = [resource for resource in digest.after if resource.type == "codespaces:index:RepositorySelection"]
        repositories = [resource for resource in digest.after if _is_public_repository(resource)]
        made = {resource.urn: _names_of(resource) for resource in repositories}
        existing = {resource.urn for resource in digest.before}
        new = {urn: names for urn, names in made.items() if urn not in existing}
        public_names = frozenset(name for names in made.values() for name in names)
        selected = {str(name) for selection in selections for name in selection.inputs.get("public") or ()}
        to_come = {selection.urn: _to_come(selection, new, public_names) for selection in selections}
        return cls(public_names | selected, to_come)

    def readers(self, access: Access) -> frozenset[str]:
        """The public repositories among the readers; those that the update makes if the readers are unknown."""
        if access.readers.unknown:
            selections = [urn for urn in access.readers_from if urn in self.to_come] or self.to_come
            return frozenset(name for urn in selections for name in self.to_come[urn])
        return self.among(access.readers.names)

    def among(self, names: Iterable[str]) -> frozenset[str]:
        """The public repositories among some names. A selection adds ` (new)` to a name that it has twice."""
        return frozenset(name for name in names if name.removesuffix(" (new)") in self.names)


def _names_of(repository: Resource) -> list[str]:
    return [str(name) for name in (repository.inputs.get("name"), repository.name) if is_known(name)]


def _to_come(selection: Resource, new: Mapping[str, list[str]], public_names: frozenset[str]) -> frozenset[str]:
    """The public repositories of a selection that the update makes.

    Args:
        selection: the selection.
        new: URN -> the names of each public repository that the update makes.
        public_names: the names of all public repositories that the program makes.
    """
    ids = selection.inputs.get("ids")
    numbers = cast("dict[str, object]", ids) if isinstance(ids, dict) else {}
    without_id = {name for name, number in numbers.items() if not is_known(number)}
    sources = [new[urn] for urn in selection.comes_from.get("ids") or () if urn in new]
    others = {names[0] for names in sources if not without_id.intersection(names)}
    return frozenset(without_id & public_names | others)


def _is_public_repository(resource: Resource) -> bool:
    if resource.type != "github:index/repository:Repository":
        return False
    visibility = resource.inputs.get("visibility")
    if visibility:
        return visibility == "public"
    return not resource.inputs.get("private")
