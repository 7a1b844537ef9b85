"""The base classes of the custom resources. Their inputs and states are objects; `endpoint` parses and writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from .properties.shapes import ChangeKind
    from .run import Run

InputsT = TypeVar("InputsT")
StateT = TypeVar("StateT")


@dataclass(frozen=True)
class Difference:
    """The changes of an update.

    A changed value never replaces a resource: a replacement would leave codespaces without the secret for a moment, or
    for good.

    Attributes:
        changes: property path -> kind of change; empty if nothing changes.
        replaces: the changed properties that make it another resource, such as the secrets of another repository.
    """

    changes: dict[str, ChangeKind] = field(default_factory=dict[str, "ChangeKind"])
    replaces: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Reading(Generic[InputsT, StateT]):
    """A resource as it exists now: its id, the inputs that would produce it, and its state."""

    identifier: str
    inputs: InputsT
    state: StateT


class Resource(ABC, Generic[InputsT, StateT]):
    """A custom resource: its answers to Check, Diff, Create, Read, Update and Delete. One module implements each.

    Every method may raise ActionableError. `run` holds the GitHub client, the messages and the memory of the run.

    Attributes:
        token: the type token.
        remembers_inputs: whether Check needs the inputs of the last update also before a replacement, when the engine
            calls it a second time without them.
    """

    token: str
    remembers_inputs: ClassVar[bool] = False

    @abstractmethod
    async def check(self, run: Run, urn: str, old: InputsT | None, new: InputsT) -> InputsT:
        """Check the new inputs and return the inputs to use; `old` is None for a resource not created yet.

        Raises:
            InvalidInputs: the inputs break a rule.
        """

    @abstractmethod
    async def difference(self, run: Run, urn: str, state: StateT, new: InputsT) -> Difference:
        """Compare the state with the inputs `new`: the changes that an update would make."""

    @abstractmethod
    async def create(self, run: Run, urn: str, new: InputsT, *, preview: bool) -> tuple[str, StateT]:
        """Create the resource and return its id and its state.

        A preview changes nothing, and returns UNKNOWN for values that it cannot know.
        """

    @abstractmethod
    async def read(
        self, run: Run, urn: str, identifier: str, inputs: InputsT | None, state: StateT | None
    ) -> Reading[InputsT | None, StateT | None] | None:
        """Read the resource; None if it no longer exists. For an import, `inputs` and `state` are None."""

    @abstractmethod
    async def update(
        self, run: Run, urn: str, identifier: str, state: StateT, new: InputsT, *, preview: bool
    ) -> StateT:
        """Change the resource to the inputs `new` and return its state."""

    @abstractmethod
    async def delete(self, run: Run, urn: str, identifier: str, state: StateT) -> None:
        """Delete the resource."""


class Computed(Resource[InputsT, StateT]):
    """A resource that creates nothing: it computes its state from its inputs."""

    @abstractmethod
    async def compute(self, run: Run, urn: str, new: InputsT, *, preview: bool) -> StateT:
        """Compute the state from checked inputs."""

    def identifier(self, urn: str, new: InputsT) -> str:
        """The id of a new resource: its name in the program."""
        return urn.rsplit("::", 1)[-1]

    async def create(self, run: Run, urn: str, new: InputsT, *, preview: bool) -> tuple[str, StateT]:
        """Compute the state."""
        return self.identifier(urn, new), await self.compute(run, urn, new, preview=preview)

    async def update(
        self, run: Run, urn: str, identifier: str, state: StateT, new: InputsT, *, preview: bool
    ) -> StateT:
        """Compute the state again."""
        return await self.compute(run, urn, new, preview=preview)

    async def read(
        self, run: Run, urn: str, identifier: str, inputs: InputsT | None, state: StateT | None
    ) -> Reading[InputsT | None, StateT | None] | None:
        """Return the resource as it is."""
        return Reading(identifier, inputs, state)

    async def delete(self, run: Run, urn: str, identifier: str, state: StateT) -> None:
        """Do nothing: the resource creates nothing."""
