"""What a custom resource of this package answers the engine; one file a resource implements it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from .failures import Failure, InvalidInputs, PluginError
from .values import Unknown, is_text, is_unknown, plain_map, reveal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .run import Run
    from .values import Properties, Value

Change = Literal["add", "update", "delete"]


@dataclass
class Difference:
    """What an update would do.

    A value is never changed by a replacement, which means a moment, or forever, without the secret.

    Attributes:
        changes: property path -> kind of change; empty for none.
        replaces: the changed properties that make it another resource: secrets of another repository.
    """

    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    replaces: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Stored:
    """A resource as it is: its id, the inputs that would make it so, and its outputs."""

    identifier: str
    inputs: Properties
    properties: Properties


class Resource(ABC):
    """A custom resource: its answers to Check, Diff, Create, Read, Update and Delete.

    Every method may raise PluginError. `run` gives GitHub, messages and the memory of the run.
    """

    token: ClassVar[str]

    @abstractmethod
    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        """The inputs to use; raises InvalidInputs. `old` is empty for a resource not made yet."""

    @abstractmethod
    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        """What an update of the resource to the inputs `new` would change."""

    @abstractmethod
    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        """Make it; gives id and outputs. A preview changes nothing and gives UNKNOWN for what it cannot know."""

    @abstractmethod
    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        """It as it is now, None where it is gone; an import comes with empty `inputs` and `state`."""

    @abstractmethod
    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        """Change it to the inputs `new`; gives the outputs."""

    @abstractmethod
    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Remove it."""


def same_owner(run: Run, state: Properties) -> None:
    """Refuse to touch what was made in another organization.

    Raises:
        PluginError: the provider works for another organization than the one in the state.
    """
    owner = state.get("owner")
    if owner and not is_unknown(owner) and owner.lower() != run.configuration.owner.lower():
        raise PluginError(
            f"these secrets belong to organization {owner}, but the provider works for {run.configuration.owner}. Set "
            f"GITHUB_OWNER (or the provider's `owner`) back to {owner}."
        )


def check_list(argument: str, given: Value) -> list[Failure]:
    """Why an input is not a list of texts; it may be absent or not known yet.

    Args:
        argument: what the program calls the input.
        given: the input, secret marks taken off.
    """
    if given is None or isinstance(given, Unknown):
        return []
    if not isinstance(given, list):
        return [Failure("", f"{argument} must be a list of texts, such as ['web', 'api'].")]
    items = cast("list[Value]", given)
    return [
        Failure("", f"{argument}[{index}] must be a text, not {_kind(item)}.")
        for index, item in enumerate(items)
        if not is_text(item)
    ]


def check_map(argument: str, given: Value, fits: Callable[[Value], bool], what: str) -> list[Failure]:
    """Why an input is not a map whose values fit; it may be absent or not known yet.

    The messages tell the kind of a value only, since the map may hold secrets.

    Args:
        argument: what the program calls the input.
        given: the input, secret marks taken off.
        fits: whether a value fits.
        what: what a value must be, for messages.
    """
    if given is None or isinstance(given, Unknown):
        return []
    if not isinstance(given, dict):
        return [Failure("", f"{argument} must be a map whose values are each {what}, not {_kind(given)}.")]
    items = cast("Properties", given)
    return [
        Failure("", f"{join(argument, name)} must be {what}, not {_kind(value)}.")
        for name, value in items.items()
        if not fits(value)
    ]


def raise_if(*failures: Failure) -> None:
    """Refuse inputs for these reasons, if there are any.

    Raises:
        InvalidInputs: there are.
    """
    if failures:
        raise InvalidInputs(*failures)


def _kind(value: Value) -> str:
    if value is None:
        return "nothing"
    kinds = ((bool, "true or false"), ((int, float), "a number"), (str, "a text"), (list, "a list"), (dict, "a map"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "a value of another kind")


def join(path: str, key: str) -> str:
    """The property path of `key` in the map at `path`; quoted where the key is not a plain word."""
    return f"{path}.{key}" if key.replace("_", "a").isalnum() else f'{path}["{key}"]'


def map_changes(path: str, old: Value, new: Value) -> dict[str, Change]:
    """The changes between two maps, by property path; a value not known yet counts as changed."""
    if is_unknown(new) and not isinstance(reveal(new), dict):
        return {path: "update"}
    before, after = plain_map(old), plain_map(new)
    changes: dict[str, Change] = {}
    for key in sorted({*before, *after}):
        if key not in after:
            changes[join(path, key)] = "delete"
        elif key not in before:
            changes[join(path, key)] = "add"
        elif is_unknown(after[key]) or before[key] != after[key]:
            changes[join(path, key)] = "update"
    return changes
