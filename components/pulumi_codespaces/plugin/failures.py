"""What can go wrong in the plugin, as exceptions.

PluginError               a message for a person; nothing was changed
├── InvalidInputs         Check refused inputs: one or more failures, each of a property
├── CloudError            GitHub or AWS refused, or did not answer
│   └── OutcomeUnknown    the answer was lost: the request may have been handled
└── PartialWrite          something was written before the failure; carries what the state must say now
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .values import Properties


class PluginError(Exception):
    """A failure whose message tells a person what to do."""


@dataclass(frozen=True)
class Failure:
    """A reason why inputs are refused.

    Attributes:
        path: the property path, such as `secrets.X`, or "" for none. It must not be a top-level property that holds
            a secret: the engine prints the value of the property that a failure names.
        reason: what is wrong, which rule, and the way out.
    """

    path: str
    reason: str


class InvalidInputs(PluginError):
    """Inputs that Check refuses."""

    def __init__(self, *failures: Failure) -> None:
        self.failures = list(failures)
        super().__init__("; ".join(failure.reason for failure in failures))


class CloudError(PluginError):
    """GitHub or AWS refused a request.

    Attributes:
        status: the HTTP status, 0 where there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class OutcomeUnknown(CloudError):
    """The answer to a request that writes was lost: it may have been handled or not."""


class PartialWrite(PluginError):
    """A create or an update failed after it had written something.

    Attributes:
        identifier: the resource's id.
        properties: the outputs that the state must hold so that the next update finishes the job.
        inputs: the inputs that the state must hold; None for those of the program.
    """

    def __init__(self, message: str, identifier: str, properties: Properties, inputs: Properties | None = None) -> None:
        self.identifier = identifier
        self.properties = properties
        self.inputs = inputs
        super().__init__(message)
