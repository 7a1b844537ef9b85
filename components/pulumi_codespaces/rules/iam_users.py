"""IAM users: their names and paths, their access keys, and commands to change them.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import RuleViolation

if TYPE_CHECKING:
    from datetime import datetime

_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_PATH = re.compile(r"/|/[\x21-\x7e]{1,510}/")


@dataclass(frozen=True)
class LiveKey:
    """An access key as AWS lists it.

    Attributes:
        status: `Active` or `Inactive`.
        made: when it was created.
        used: when it was last used; None if it never was, or if AWS was not asked.
    """

    status: str
    made: datetime
    used: datetime | None = None

    def age_days(self, now: datetime) -> int:
        """The age in whole days."""
        return (now - self.made).days

    def idle_days(self, now: datetime) -> int:
        """The whole days since the last use, or since the creation of a key that was never used."""
        return (now - (self.used or self.made)).days


def check_user(name: str, path: str) -> None:
    """Check the name and the path of a user.

    Raises:
        RuleViolation: IAM would refuse one of them.
    """
    if not _NAME.fullmatch(name):
        raise RuleViolation(
            "user_name",
            f"user_name {name!r} ({len(name)} characters): IAM allows 1 to 64 letters, digits and _+=,.@- . Set "
            "user_name to a valid name. Names are unique in an account, regardless of their path and case.",
        )
    if not _PATH.fullmatch(path):
        raise RuleViolation(
            "user_path",
            f"user_path {path!r} is not a valid path; it must begin and end with / and have at most 512 characters.",
        )


def delete_key_command(user: str, key_id: str) -> str:
    """The command that deletes an access key."""
    return f"aws iam delete-access-key --user-name {user} --access-key-id {key_id}"


def remove_policy_command(user: str, policy: str) -> str:
    """The command that removes a policy from a user: an inline policy by its name, an attached policy by its ARN."""
    verb, flag = ("detach", "arn") if policy.startswith("arn:") else ("delete", "name")
    return f"aws iam {verb}-user-policy --user-name {user} --policy-{flag} {policy}"
