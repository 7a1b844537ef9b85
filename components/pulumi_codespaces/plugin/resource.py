"""The base class of the custom resources, and helpers to check and compare their inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from ..clients.errors import ActionableError
from ..values import Unknown, is_text, is_unknown, plain_map, reveal
from .failures import Failure, InvalidInputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..values import Properties, Value
    from .run import Run

ChangeKind = Literal["add", "update", "delete"]


@dataclass
class Difference:
    """The changes of an update.

    A changed value never replaces a resource: a replacement would leave codespaces without the secret for a moment, or
    for good.

    Attributes:
        changes: property path -> kind of change; empty if nothing changes.
        replaces: the changed properties that make it another resource, such as the secrets of another repository.
    """

    changes: dict[str, ChangeKind] = field(default_factory=dict[str, ChangeKind])
    replaces: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Stored:
    """A resource as it exists now: its id, the inputs that would produce it, and its outputs."""

    identifier: str
    inputs: Properties
    properties: Properties


class Resource(ABC):
    """A custom resource: its answers to Check, Diff, Create, Read, Update and Delete. One module implements each.

    Every method may raise ActionableError. `run` holds the GitHub client, the messages and the memory of the run.
    """

    token: ClassVar[str]

    @abstractmethod
    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        """Check the new inputs and return the inputs to use; `old` is empty for a resource not created yet.

        Raises:
            InvalidInputs: the inputs break a rule.
        """

    @abstractmethod
    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        """Compare the state with the inputs `new`: the changes that an update would make."""

    @abstractmethod
    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        """Create the resource and return its id and outputs.

        A preview changes nothing, and returns UNKNOWN for values that it cannot know.
        """

    @abstractmethod
    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        """Read the resource; None if it no longer exists. For an import, `inputs` and `state` are empty."""

    @abstractmethod
    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        """Change the resource to the inputs `new` and return its outputs."""

    @abstractmethod
    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Delete the resource."""


def same_owner(run: Run, state: Properties) -> None:
    """Refuse to touch secrets of another organization.

    Raises:
        ActionableError: the provider works for another organization than the one in the state.
    """
    owner = state.get("owner")
    if owner and not is_unknown(owner) and owner.lower() != run.configuration.owner.lower():
        raise ActionableError(
            f"these secrets belong to organization {owner}, but the provider works for {run.configuration.owner}. Set "
            f"GITHUB_OWNER (or the provider's `owner`) back to {owner}."
        )


def check_list(argument: str, value: Value) -> list[Failure]:
    """Check that an input is a list of texts. It may be missing or not known yet.

    Args:
        argument: the name of the input in the program.
        value: the input, without secret marks.
    """
    if value is None or isinstance(value, Unknown):
        return []
    if not isinstance(value, list):
        return [Failure("", f"{argument} must be a list of texts, such as ['web', 'api'].")]
    items = cast("list[Value]", value)
    return [
        Failure("", f"{argument}[{index}] must be a text, not {_kind(item)}.")
        for index, item in enumerate(items)
        if not is_text(item)
    ]


def check_map(argument: str, value: Value, fits: Callable[[Value], bool], expected: str) -> list[Failure]:
    """Check that an input is a map with values of the right kind. It may be missing or not known yet.

    The messages contain only the kind of a value, because the map may hold secrets.

    Args:
        argument: the name of the input in the program.
        value: the input, without secret marks.
        fits: whether a value in the map is of the right kind.
        expected: the right kind, for messages.
    """
    if value is None or isinstance(value, Unknown):
        return []
    if not isinstance(value, dict):
        return [Failure("", f"{argument} must be a map whose values are each {expected}, not {_kind(value)}.")]
    items = cast("Properties", value)
    return [
        Failure("", f"{join(argument, name)} must be {expected}, not {_kind(item)}.")
        for name, item in items.items()
        if not fits(item)
    ]


def raise_if(*failures: Failure) -> None:
    """Refuse inputs if there are failures.

    Raises:
        InvalidInputs: there is at least one failure.
    """
    if failures:
        raise InvalidInputs(*failures)


def _kind(value: Value) -> str:
    if value is None:
        return "nothing"
    kinds = ((bool, "true or false"), ((int, float), "a number"), (str, "a text"), (list, "a list"), (dict, "a map"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "a value of another kind")


def join(path: str, key: str) -> str:
    """The property path of `key` in the map at `path`; the key is quoted if it is not a plain word."""
    return f"{path}.{key}" if key.replace("_", "a").isalnum() else f'{path}["{key}"]'


def map_changes(path: str, old: Value, new: Value) -> dict[str, ChangeKind]:
    """The changes between two maps, by property path. A value that is not known yet counts as changed."""
    if is_unknown(new) and not isinstance(reveal(new), dict):
        return {path: "update"}
    before, after = plain_map(old), plain_map(new)
    changes: dict[str, ChangeKind] = {}
    for key in sorted({*before, *after}):
        if key not in after:
            changes[join(path, key)] = "delete"
        elif key not in before:
            changes[join(path, key)] = "add"
        elif is_unknown(after[key]) or before[key] != after[key]:
            changes[join(path, key)] = "update"
    return changes
