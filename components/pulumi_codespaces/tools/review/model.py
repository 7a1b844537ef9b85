"""A preview, as a reviewer needs to know it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...state.digest import Message

RISKS = {
    "failed-preview": "the preview itself failed",
    "wider-visibility": "secrets become readable by every private, or every, repository of the organization",
    "public-repository": "a public repository joins",
    "wider-policy": "an IAM user may do more than before",
    "secrets-deleted": "secrets that codespaces use are deleted",
    "adoption": "existing secrets are overwritten",
    "retired-key": "codespaces that have not been restarted since the last rotation can no longer pull",
    "replaced-key": "the access key that codespaces use is replaced, or deleted, without a rotation",
    "suspended": "an IAM user is denied everything",
    "replaced-user": "an IAM user is replaced, and its keys with it",
    "key-age": "a published key is older than it should be",
}
"""Code of a risk -> what it means."""


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
