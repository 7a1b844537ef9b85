"""The inputs and the state of a `RepositorySelection`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...values import Unknown, is_id, is_text, is_unknown, plain_map, reveal
from .shapes import (
    check_list,
    check_map,
    id_map,
    known_ids,
    known_items,
    known_texts,
    map_changes,
    raise_if,
    sent_list,
    sent_map,
    text_map,
    texts,
)

if TYPE_CHECKING:
    from ...values import Properties
    from ..failures import Failure
    from .shapes import ChangeKind, IdMap, TextMap, Texts

_DECLARED = ("names", "topics", "properties", "ids")
_RESOLVED = ("repositories", "renamed", "skipped")


@dataclass(frozen=True)
class SelectionRules:
    """What a program selects; None for a missing rule.

    Attributes:
        names: names of repositories.
        topics: topics, any of which a repository has.
        properties: custom properties, all of which a repository has.
        ids: name in the program -> id of a repository.
    """

    names: Texts = None
    topics: Texts = None
    properties: TextMap = None
    ids: IdMap = None

    @classmethod
    def parse(cls, sent: Properties) -> SelectionRules:
        """Parse properties."""
        return cls(
            names=texts(sent.get("names")),
            topics=texts(sent.get("topics")),
            properties=text_map(sent.get("properties")),
            ids=id_map(sent.get("ids")),
        )

    def write(self) -> Properties:
        """The properties to send."""
        return {
            "names": sent_list(self.names),
            "topics": sent_list(self.topics),
            "properties": sent_map(self.properties),
            "ids": sent_map(self.ids),
        }

    @property
    def is_unresolvable(self) -> bool:
        """Whether a rule is not known yet. A single id may be: the others resolve without it."""
        return is_unknown([sent_list(self.names), sent_list(self.topics), sent_map(self.properties)]) or isinstance(
            self.ids, Unknown
        )


@dataclass(frozen=True)
class Members:
    """The repositories that a selection resolved to.

    Attributes:
        repositories: name -> id, UNKNOWN for a repository that the update creates.
        renamed: name in the program -> current name.
        skipped: name -> why it is not a member.
    """

    repositories: dict[str, int | Unknown]
    renamed: dict[str, str]
    skipped: dict[str, str]

    @classmethod
    def parse(cls, sent: Properties) -> Members | Unknown | None:
        """Parse properties; UNKNOWN if the members are not known yet, None if they were never resolved."""
        repositories = id_map(sent.get("repositories"))
        if repositories is None or isinstance(repositories, Unknown):
            return repositories
        return cls(repositories, known_items(text_map(sent.get("renamed"))), known_items(text_map(sent.get("skipped"))))

    def write(self) -> Properties:
        """The properties to send."""
        return {
            "repositories": sent_map({**self.repositories}),
            "renamed": {**self.renamed},
            "skipped": {**self.skipped},
        }


@dataclass(frozen=True)
class SelectionState:
    """The state of a selection: its rules, and the members."""

    rules: SelectionRules
    members: Members | Unknown | None = None

    @classmethod
    def parse(cls, sent: Properties) -> SelectionState:
        """Parse properties that an earlier call wrote."""
        return cls(SelectionRules.parse(sent), Members.parse(sent))

    def write(self) -> Properties:
        """The properties to send."""
        members = self.members
        if isinstance(members, Members):
            return self.rules.write() | members.write()
        return self.rules.write() | dict.fromkeys(_RESOLVED, members)

    def changes(self, new: SelectionInputs) -> dict[str, ChangeKind]:
        """The changes that the inputs make, by property path. Other rules for the same members are a change too."""
        before, after = self.write(), SelectionState(new.rules, new.members).write()
        changes: dict[str, ChangeKind] = {}
        for name in _RESOLVED:
            changes |= map_changes(name, before.get(name), after.get(name))
        return changes or {name: "update" for name in _DECLARED if before.get(name) != after.get(name)}


@dataclass(frozen=True)
class SelectionInputs:
    """The inputs of a selection, with what Check resolved them to.

    Attributes:
        rules: what the program selects.
        members: the members; UNKNOWN if they could not be resolved.
        seen: name that ever resolved -> id; None if the members are unknown.
        public: the names of the public members; None if the members are unknown.
    """

    rules: SelectionRules
    members: Members | Unknown | None = None
    seen: dict[str, int] | None = None
    public: list[str] | None = None

    @classmethod
    def parse_new(cls, sent: Properties) -> SelectionInputs:
        """Parse properties that a program sent; anything but the rules is left out.

        Raises:
            InvalidInputs: an input is not of the right kind.
        """
        raise_if(*_shape_failures(plain_map(sent)))
        return cls(SelectionRules.parse(sent))

    @classmethod
    def parse(cls, sent: Properties) -> SelectionInputs:
        """Parse properties that an earlier call wrote."""
        seen, public = reveal(sent.get("seen")), texts(sent.get("public"))
        return cls(
            SelectionRules.parse(sent),
            Members.parse(sent),
            seen=None if seen is None else known_ids(id_map(seen)),
            public=None if public is None else known_texts(public),
        )

    def write(self) -> Properties:
        """The properties to send."""
        return {
            **SelectionState(self.rules, self.members).write(),
            "seen": None if self.seen is None else {**self.seen},
            "public": None if self.public is None else [*self.public],
        }


def _shape_failures(inputs: Properties) -> list[Failure]:
    return [
        *check_list("names", inputs.get("names")),
        *check_list("topics", inputs.get("topics")),
        *check_map("properties", inputs.get("properties"), is_text, "a text"),
        *check_map("ids", inputs.get("ids"), is_id, "the id of a repository (a whole number)"),
    ]
