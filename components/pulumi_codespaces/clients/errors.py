"""The errors that the clients raise."""

from __future__ import annotations


class ActionableError(Exception):
    """An error whose message says what to do."""


class CloudError(ActionableError):
    """GitHub or AWS refused a request.

    Attributes:
        status: the HTTP status, 0 where there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class OutcomeUnknown(CloudError):
    """The answer to a request that writes was lost: it may have been handled or not."""
