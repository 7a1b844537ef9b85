"""What a kind of resource can do; how it does it is in `resources`, and when in `lifecycle`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .failures import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .clients import Aws
    from .schema import Schema
    from .values import Properties, Value


@dataclass
class State:
    """A resource while something is done with it.

    Attributes:
        id: "" until it exists. From then on, the engine learns that it exists, whatever fails.
        values: its properties: first as planned, then as AWS says they are.
    """

    id: str
    values: Properties

    def __getitem__(self, name: str) -> Value:
        return self.values.get(name)


class Resource(ABC):
    """A kind of resource."""

    schema: ClassVar[Schema]
    label: ClassVar[str]
    """The name of the kind in the real provider's messages, such as "IAM User"."""
    service: ClassVar[str] = "IAM (Identity & Access Management)"
    reads_after_create: ClassVar[bool] = True

    @abstractmethod
    def create(self, aws: Aws, state: State) -> None:
        """Make it as planned, and set `state.id` as soon as it exists.

        Raises:
            ProviderError: AWS refused.
        """

    @abstractmethod
    def read(self, aws: Aws, state: State) -> bool:
        """Bring `state` to what AWS says.

        Returns:
            Whether it exists.

        Raises:
            ProviderError: AWS refused.
        """

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        """Change what differs between `before` and `state`; tags are not its business.

        It is also called where nothing differs: when the engine comes back to what failed before.

        Raises:
            ProviderError: AWS refused, or every change of such a resource replaces it.
        """
        raise ProviderError("doesn't support update")

    @abstractmethod
    def delete(self, aws: Aws, state: State) -> None:
        """Delete it; that it is gone already is fine.

        Raises:
            ProviderError: AWS refused.
        """

    def retag(self, aws: Aws, state: State, removed: Sequence[str], added: Mapping[str, str]) -> None:
        """Remove and set tags.

        Raises:
            ProviderError: AWS refused.
        """
        raise NotImplementedError

    def adopt(self, aws: Aws, identifier: str) -> State | None:
        """The values that follow from an id to import; `read` finds the rest.

        Returns:
            None if the id cannot be one.
        """
        del aws
        return State(identifier, {})
