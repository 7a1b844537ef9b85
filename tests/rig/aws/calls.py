"""The log of the local AWS: the calls that it received, and the changes that they made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

HIDDEN = "***"
_SECRET_NAME = re.compile(r"password|secret|token|private_?key|certificatebody", re.IGNORECASE)
_READS = re.compile(r"(Get|List|Describe|Simulate|BatchGet|BatchCheck|Generate|Login)")
_PARTS_OF_A_PUSH = ("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload")


@dataclass
class AwsCall:
    """One call of the AWS API, or of a registry.

    Attributes:
        at: when it arrived, by the clock of the stand-in.
        service: `iam`, `sts`, `ecr`, or `registry` for calls of the registry protocol.
        action: of the API, e.g. `PutUserPolicy`; of a registry call the ECR action that it needs, or `Login`.
        access_key_id: who signed it, or whose token it came with; empty where that is unknown.
        account: of the caller; empty where that is unknown.
        region: of the signature, or of the registry.
        parameters: without secrets.
        status: of the answer; 0 where the connection broke or nothing was answered.
        error: AWS's code where the call was refused.
        written: whether the call changed something.
    """

    at: datetime
    service: str
    action: str
    access_key_id: str = ""
    account: str = ""
    region: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    status: int = 0
    error: str = ""
    written: bool = False


@dataclass(frozen=True)
class Event:
    """One change of state, as observers receive it.

    Attributes:
        kind: `user.created`, `user.updated`, `user.deleted`, `key.created`, `key.updated`, `key.deleted`,
            `policy.changed` (a user's or group's inline policy, or a version of a managed one), `policy.created`,
            `policy.deleted`, `policy.attached`, `policy.detached`, `boundary.changed`, `group.changed`, `role.changed`,
            `repository.created`, `repository.deleted`, `repository.policy`, `image.pushed`, `image.deleted` or
            `other.changed`.
        account: the AWS account number.
        name: of the user, key, policy, repository or role that changed.
        user: the IAM user that it belongs to, where there is one.
        action: the API action that did it.
    """

    kind: str
    account: str
    name: str
    user: str | None = None
    action: str = ""


_KINDS: dict[str, tuple[str, str]] = {
    "CreateUser": ("user.created", "UserName"),
    "UpdateUser": ("user.updated", "UserName"),
    "TagUser": ("user.updated", "UserName"),
    "UntagUser": ("user.updated", "UserName"),
    "DeleteUser": ("user.deleted", "UserName"),
    "CreateAccessKey": ("key.created", "AccessKeyId"),
    "UpdateAccessKey": ("key.updated", "AccessKeyId"),
    "DeleteAccessKey": ("key.deleted", "AccessKeyId"),
    "PutUserPolicy": ("policy.changed", "PolicyName"),
    "DeleteUserPolicy": ("policy.changed", "PolicyName"),
    "PutGroupPolicy": ("policy.changed", "PolicyName"),
    "DeleteGroupPolicy": ("policy.changed", "PolicyName"),
    "CreatePolicyVersion": ("policy.changed", "PolicyArn"),
    "SetDefaultPolicyVersion": ("policy.changed", "PolicyArn"),
    "CreatePolicy": ("policy.created", "PolicyName"),
    "DeletePolicy": ("policy.deleted", "PolicyArn"),
    "AttachUserPolicy": ("policy.attached", "PolicyArn"),
    "AttachGroupPolicy": ("policy.attached", "PolicyArn"),
    "DetachUserPolicy": ("policy.detached", "PolicyArn"),
    "DetachGroupPolicy": ("policy.detached", "PolicyArn"),
    "PutUserPermissionsBoundary": ("boundary.changed", "UserName"),
    "DeleteUserPermissionsBoundary": ("boundary.changed", "UserName"),
    "CreateGroup": ("group.changed", "GroupName"),
    "DeleteGroup": ("group.changed", "GroupName"),
    "AddUserToGroup": ("group.changed", "GroupName"),
    "RemoveUserFromGroup": ("group.changed", "GroupName"),
    "CreateRole": ("role.changed", "RoleName"),
    "DeleteRole": ("role.changed", "RoleName"),
    "PutRolePolicy": ("role.changed", "RoleName"),
    "DeleteRolePolicy": ("role.changed", "RoleName"),
    "AttachRolePolicy": ("role.changed", "RoleName"),
    "DetachRolePolicy": ("role.changed", "RoleName"),
    "UpdateAssumeRolePolicy": ("role.changed", "RoleName"),
    "CreateRepository": ("repository.created", "repositoryName"),
    "DeleteRepository": ("repository.deleted", "repositoryName"),
    "SetRepositoryPolicy": ("repository.policy", "repositoryName"),
    "DeleteRepositoryPolicy": ("repository.policy", "repositoryName"),
    "PutImage": ("image.pushed", "repositoryName"),
    "BatchDeleteImage": ("image.deleted", "repositoryName"),
}


def writes(service: str, action: str) -> bool:
    """Whether an action changes state; sts only hands out credentials."""
    return service != "sts" and not _READS.match(action)


def event_of(call: AwsCall) -> Event | None:
    """The event for observers of a call that changed something; None while nobody can see the change."""
    if call.action in _PARTS_OF_A_PUSH:
        return None
    kind, parameter = _KINDS.get(call.action, ("other.changed", ""))
    name = call.parameters.get(parameter) or call.action
    return Event(kind, call.account, str(name), call.parameters.get("UserName"), call.action)


def without_secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a call, values of secret ones hidden."""
    return {name: HIDDEN if _SECRET_NAME.search(name) else value for name, value in parameters.items()}
