"""A resource as the server calls it: parses the properties of a call, and writes the properties of the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..values import reveal

if TYPE_CHECKING:
    from ..values import Properties
    from .resource import Difference, Resource
    from .run import Run


class Writable(Protocol):
    """Something that travels as properties."""

    def write(self) -> Properties:
        """The properties to send; None for a missing one."""
        ...


InputsT = TypeVar("InputsT", bound=Writable)
StateT = TypeVar("StateT", bound=Writable)
WritableT = TypeVar("WritableT", bound=Writable)
ParsedT_co = TypeVar("ParsedT_co", covariant=True)


class StateParser(Protocol[ParsedT_co]):
    """Parses the state of a resource."""

    def parse(self, sent: Properties) -> ParsedT_co:
        """Parse properties that an earlier call wrote."""
        ...


class InputsParser(StateParser[ParsedT_co], Protocol[ParsedT_co]):
    """Parses the inputs of a resource."""

    def parse_new(self, sent: Properties) -> ParsedT_co:
        """Parse properties that a program sent, which may be anything.

        Raises:
            InvalidInputs: an input is not of the right kind.
        """
        ...


@dataclass(frozen=True)
class Stored:
    """The answer to Read: the id, the inputs and the outputs to store in the state."""

    identifier: str
    inputs: Properties
    properties: Properties


class Endpoint(ABC):
    """Answers the calls for one type of resource, in properties. `Resource` says what each call does.

    Attributes:
        token: the type token.
    """

    token: str

    @abstractmethod
    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        """Answer Check."""

    @abstractmethod
    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        """Answer Diff."""

    @abstractmethod
    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        """Answer Create."""

    @abstractmethod
    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        """Answer Read."""

    @abstractmethod
    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        """Answer Update."""

    @abstractmethod
    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Answer Delete."""


class ResourceEndpoint(Endpoint, Generic[InputsT, StateT]):
    """The endpoint of a `Resource`.

    Args:
        resource: the resource.
        inputs: parses its inputs.
        state: parses its state.
    """

    def __init__(
        self, resource: Resource[InputsT, StateT], inputs: InputsParser[InputsT], state: StateParser[StateT]
    ) -> None:
        self.token = resource.token
        self._resource = resource
        self._inputs = inputs
        self._state = state

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        """Answer Check."""
        inputs = self._inputs.parse_new(new)
        past = old
        if self._resource.remembers_inputs:
            past = run.past.setdefault(urn, old) if old else run.past.get(urn, {})
        return _written(await self._resource.check(run, urn, self._inputs.parse(past) if past else None, inputs))

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        """Answer Diff."""
        return await self._resource.difference(run, urn, self._state.parse(state), self._inputs.parse(new))

    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        """Answer Create."""
        identifier, state = await self._resource.create(run, urn, self._inputs.parse(new), preview=preview)
        return identifier, _written(state)

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        """Answer Read. Inputs and a state that the resource returns as they are keep their secret marks."""
        parsed_inputs = self._inputs.parse(inputs) if inputs else None
        parsed_state = self._state.parse(state) if state else None
        reading = await self._resource.read(run, urn, identifier, parsed_inputs, parsed_state)
        if reading is None:
            return None
        return Stored(
            reading.identifier,
            _unless_same(inputs, parsed_inputs, reading.inputs),
            _unless_same(state, parsed_state, reading.state),
        )

    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        """Answer Update."""
        old, inputs = self._state.parse(state), self._inputs.parse(new)
        return _written(await self._resource.update(run, urn, identifier, old, inputs, preview=preview))

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Answer Delete."""
        await self._resource.delete(run, urn, identifier, self._state.parse(state))


def _written(answer: Writable) -> Properties:
    return {name: value for name, value in answer.write().items() if value is not None}


def _unless_same(sent: Properties, parsed: WritableT | None, answer: WritableT | None) -> Properties:
    """The properties of an answer. A value that is as it was sent keeps its secret marks."""
    if answer is None or answer is parsed:
        return sent
    return {
        name: sent[name] if name in sent and reveal(sent[name]) == value else value
        for name, value in _written(answer).items()
    }
