"""The failures, in the words of the real provider.

ProviderError              a message for a person
├── PartialFailure         something exists or was changed before the failure; carries what the state must say now
├── CannotAssumeRole       the provider has no credentials, since AWS refused a role
└── AwsError               AWS refused a request, or did not answer
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .values import Properties


class ProviderError(Exception):
    """A failure whose message is shown to a person."""


class AwsError(ProviderError):
    """AWS refused a request or did not answer it.

    The message is that of the AWS SDK for Go, which the real provider uses
    (https://github.com/aws/smithy-go/blob/main/errors.go).

    Attributes:
        code: AWS's error code, "" where there was no answer.
    """

    def __init__(self, message: str, code: str = "") -> None:
        self.code = code
        super().__init__(message)


class CannotAssumeRole(ProviderError):
    """A role was refused. The real provider lists three common causes between the two parts of the message.

    Attributes:
        summary: what failed.
        detail: which role, and why.
        code: AWS's error code.
    """

    def __init__(self, arn: str, reason: AwsError) -> None:
        self.code = reason.code
        self.summary = "Cannot assume IAM Role"
        self.detail = f"IAM Role ({arn}) cannot be assumed.\n\nError: {reason}\n"
        super().__init__(f"{self.summary}: {self.detail}")


class PartialFailure(ProviderError):
    """A create or an update failed after the resource had come to exist.

    Attributes:
        identifier: the resource's id.
        properties: what the state holds from now on.
    """

    def __init__(self, message: str, identifier: str, properties: Properties) -> None:
        self.identifier = identifier
        self.properties = properties
        super().__init__(message)


@contextmanager
def doing(what: str, *, ignore: tuple[str, ...] = ()) -> Iterator[None]:
    """Put what was being done in front of AWS's error.

    Args:
        what: such as "creating IAM User (bot)".
        ignore: error codes that mean that there was nothing to do.

    Raises:
        ProviderError: any other error of AWS.
    """
    try:
        yield
    except AwsError as error:
        if error.code not in ignore:
            raise ProviderError(f"{what}: {error}") from None


def as_bridge_error(error: ProviderError) -> str:
    """The error as the bridge prints a list of one, tail of blank lines included (hashicorp/go-multierror)."""
    return f"1 error occurred:\n\t* {error}\n\n"
