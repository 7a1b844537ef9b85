"""Asks IAM for what a user has, by the credentials of the environment; it changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..rules.iam_users import LiveKey
from .errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = 15.0


@dataclass(frozen=True)
class Holdings:
    """The access keys and policies of an IAM user.

    Attributes:
        keys: id -> its access key.
        inline: the names of the user's inline policies.
        attached: the ARNs of the attached managed policies.
    """

    keys: dict[str, LiveKey]
    inline: list[str]
    attached: list[str]


def holdings(user: str, arn: str, uses_of: Iterable[str]) -> Holdings:
    """What a user has.

    Sources: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html,
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html,
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUserPolicies.html,
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAttachedUserPolicies.html

    Args:
        user: the user's name.
        arn: its ARN, which identifies the account; empty if it is not known.
        uses_of: ids of the keys whose last use is asked for.

    Raises:
        CloudError: AWS refused or did not answer, or the credentials are for another account.
    """
    # It takes half a second to load, and it has no types.
    exceptions: Any = import_module("botocore.exceptions")
    config: Any = import_module("botocore.config").Config(connect_timeout=_SECONDS, read_timeout=_SECONDS)
    action = "iam:GetUser"
    try:
        client: Any = import_module("boto3").client("iam", config=config)
        found: str = client.get_user(UserName=user)["User"]["Arn"]
        if arn and found != arn:
            raise CloudError(f"the AWS credentials of the environment are for {found}; the stack's user is {arn}")

        def listed_by(call: str, key: str) -> list[Any]:
            return [item for page in client.get_paginator(call).paginate(UserName=user) for item in page[key]]

        action = "iam:ListAccessKeys"
        listed = listed_by("list_access_keys", "AccessKeyMetadata")
        action = "iam:GetAccessKeyLastUsed"
        used = {
            key["AccessKeyId"]: client.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
            for key in listed
            if key["AccessKeyId"] in set(uses_of)
        }
        action = "iam:ListUserPolicies"
        inline: list[str] = listed_by("list_user_policies", "PolicyNames")
        action = "iam:ListAttachedUserPolicies"
        attached = [str(policy["PolicyArn"]) for policy in listed_by("list_attached_user_policies", "AttachedPolicies")]
    except exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "an error")
        raise CloudError(f"{action} of user {user} answers {code}") from None
    except (exceptions.BotoCoreError, ValueError) as error:
        raise CloudError(f"{action} of user {user} could not be asked ({type(error).__name__})") from None
    keys = {
        key["AccessKeyId"]: LiveKey(
            key["Status"], key["CreateDate"], used.get(key["AccessKeyId"], {}).get("LastUsedDate")
        )
        for key in listed
    }
    return Holdings(keys, inline, attached)
