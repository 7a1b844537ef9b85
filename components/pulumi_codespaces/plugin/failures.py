"""The exceptions by which the plugin reports failures to the engine.

ActionableError           the message says what to do; nothing was changed
├── InvalidInputs         Check refused inputs, with a failure for each property
├── CloudError            GitHub or AWS refused the request, or did not answer
│   └── OutcomeUnknown    the answer was lost: the request may have been handled
└── PartialWrite          something was written before the failure; holds the new state
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..clients.errors import ActionableError

if TYPE_CHECKING:
    from ..values import Properties


@dataclass(frozen=True)
class Failure:
    """A reason to refuse inputs.

    Attributes:
        path: the property path, such as `secrets.X`, or "" for none. It must not be a top-level property that holds
            a secret, because the engine prints the value of the property that a failure names.
        reason: what is wrong, the rule, and the way out.
    """

    path: str
    reason: str


class InvalidInputs(ActionableError):
    """Inputs that Check refuses."""

    def __init__(self, *failures: Failure) -> None:
        self.failures = list(failures)
        super().__init__("; ".join(failure.reason for failure in failures))


class PartialWrite(ActionableError):
    """A create or an update failed after it had written something.

    Attributes:
        identifier: the resource's id.
        properties: the outputs to store in the state, so that the next update can finish.
        inputs: the inputs to store in the state; None for the inputs from the program.
    """

    def __init__(self, message: str, identifier: str, properties: Properties, inputs: Properties | None = None) -> None:
        self.identifier = identifier
        self.properties = properties
        self.inputs = inputs
        super().__init__(message)
