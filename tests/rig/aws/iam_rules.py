"""IAM's rules that MiniStack does not have; they run in MiniStack's process, behind its own authorization.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, the IAM API reference
(https://docs.aws.amazon.com/IAM/latest/APIReference/), and the shapes in botocore's `iam/service-2.json`.
"""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from .ministack import ecr, iam, iam_actions, iam_evaluator

Parameters = Mapping[str, Any]
Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[Parameters], Answer]

KEYS_PER_USER = 2
INLINE_POLICY_CHARACTERS = 2_048
MANAGED_POLICY_CHARACTERS = 6_144
POLICIES_PER_USER = 10
TAGS = 50

_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
_PATH = re.compile(r"/|/[!-\x7f]+/")
_POLICY_TEXT = re.compile(r"[\t\n\r -\xff]+")
_TAG = re.compile(r"[^\W_\d]|[\d\s_.:/=+\-@]")

_HANDLERS: dict[str, Handler] = iam._IAM_HANDLERS

HANDED_OUT: list[str] = []
"""The secrets of all access keys ever made, also deleted ones: tests search for them where they must not be."""


class Refused(Exception):
    """An answer with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def install() -> None:
    """Put the rules in front of MiniStack's handlers, and add the actions that it lacks."""
    for action, check in _CHECKS.items():
        _HANDLERS[action] = _checked(check, _HANDLERS[action])
    for action, handler in _ADDED.items():
        _HANDLERS[action] = _checked(lambda _: None, handler)
    resource_arn, condition_key = iam_actions.extract_resource_arn, iam_evaluator._resolve_condition_key
    tag_context = iam_actions.request_tag_context

    def with_paths(service: str, *request: Any) -> str:
        arn: str = resource_arn(service, *request)
        if service == "ecr" and arn == "*":
            return _listed_repository(*request[3:]) or arn
        return _with_path(arn, request[4], account=request[6]) if service == "iam" else arn

    def with_iam_keys(service: str, action: str, body: bytes, parameters: Parameters) -> dict[str, Any]:
        found: dict[str, Any] = tag_context(service, action, body, parameters)
        return found | _iam_keys(action, parameters) if service == "iam" else found

    def with_more_keys(key: str, request: Any) -> Any:
        found = _condition_key(key.lower(), request.resource_arn)
        return condition_key(key, request) if found is None else found

    iam_actions.extract_resource_arn = with_paths
    iam_actions.request_tag_context = with_iam_keys
    iam_evaluator._resolve_condition_key = with_more_keys


class Clock:
    """Whether a policy asked for the time since `read` was last set to False."""

    read = False


def _condition_key(key: str, arn: str) -> str | None:
    """Keys that MiniStack does not fill in: the tags of ECR repositories, and whether a service calls for somebody."""
    if key in ("aws:currenttime", "aws:epochtime"):
        Clock.read = True
    if key == "aws:viaawsservice":
        return "false"
    kind, _, tag = key.partition("resourcetag/")
    scope = repository_scope(arn) if kind in ("aws:", "ecr:") and tag else None
    repository: dict[str, Any] | None = ecr._repositories.get_scoped(*scope) if scope else None
    tags: dict[str, str] = {pair["Key"].lower(): pair["Value"] for pair in (repository or {}).get("tags", [])}
    return tags.get(tag)


def repository_scope(arn: str) -> tuple[str, str, str] | None:
    """Account, Region and name of the ECR repository of an ARN; None if it is not one's."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[2] != "ecr" or not parts[5].startswith("repository/"):
        return None
    return parts[4], parts[3], parts[5].removeprefix("repository/")


def _listed_repository(body: bytes, _: Parameters, region: str, account: str) -> str | None:
    """The ARN of the repository that a call names in a list or by its ARN, neither of which MiniStack looks at."""
    given: dict[str, Any] = json.loads(body) if body.startswith(b"{") else {}
    names: list[str] = given.get("repositoryNames") or []
    arn: str | None = given.get("resourceArn")
    return f"arn:aws:ecr:{region}:{account}:repository/{names[0]}" if names else arn


_BOUNDARY_IN_REQUEST = ("iam:CreateUser", "iam:PutUserPermissionsBoundary")
_BOUNDARY_OF_USER = (
    "iam:AttachUserPolicy",
    "iam:DeleteUserPermissionsBoundary",
    "iam:DeleteUserPolicy",
    "iam:DetachUserPolicy",
    "iam:PutUserPolicy",
)
_WITH_POLICY_ARN = ("iam:AttachUserPolicy", "iam:DetachUserPolicy")


def _iam_keys(action: str, parameters: Parameters) -> dict[str, str]:
    """IAM's own condition keys of a call.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    """
    keys: dict[str, str] = {}
    if action in _WITH_POLICY_ARN:
        keys["iam:policyarn"] = _given(parameters, "PolicyArn")
    boundary = _given(parameters, "PermissionsBoundary") if action in _BOUNDARY_IN_REQUEST else ""
    if action in _BOUNDARY_OF_USER:
        boundary = (_find_user(_given(parameters, "UserName")) or {}).get("PermissionsBoundary") or ""
    return keys | ({"iam:permissionsboundary": boundary} if boundary else {})


def _with_path(arn: str, parameters: Parameters, account: str) -> str:
    """The ARN of what a call is about, which MiniStack gives a user without its path, and a new policy not at all."""
    new_policy = _given(parameters, "PolicyName")
    if arn == "*" and new_policy:
        return f"arn:aws:iam::{account}:policy{_given(parameters, 'Path') or '/'}{new_policy}"
    head, separator, name = arn.partition(":user/")
    if not separator:
        return arn
    found = _find_user(name)
    path = found["Path"] if found else _given(parameters, "Path") or "/"
    return f"{head}:user{path}{name}"


def _checked(check: Callable[[Parameters], None], handler: Handler) -> Handler:
    def handle(parameters: Parameters) -> Answer:
        try:
            _check_names(parameters)
            check(parameters)
            return handler(parameters)
        except Refused as refused:
            answer: Answer = iam._error(refused.status, refused.code, escape(refused.message), ns="iam")
            return answer

    return handle


def _given(parameters: Parameters, name: str) -> str:
    value: str = iam._p(parameters, name)
    return value


def _find_user(name: str) -> dict[str, Any] | None:
    """A user by name, which IAM compares without regard to case only when it looks for duplicates."""
    found: dict[str, Any] | None = iam._users.get(name)
    return found


def _user(parameters: Parameters) -> dict[str, Any]:
    name = _given(parameters, "UserName")
    found = _find_user(name)
    if found is None:
        raise Refused(404, "NoSuchEntity", f"The user with name {name} cannot be found.")
    return found


def _invalid(parameter: str, value: str, rule: str) -> Refused:
    return Refused(
        400,
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{parameter[0].lower()}{parameter[1:]}' failed to satisfy "
        f"constraint: {rule}",
    )


def _check_names(parameters: Parameters) -> None:
    for parameter, longest in (
        ("UserName", 64),
        ("NewUserName", 64),
        ("RoleName", 64),
        ("GroupName", 128),
        ("PolicyName", 128),
    ):
        value = _given(parameters, parameter)
        if not value:
            continue
        if len(value) > longest:
            raise _invalid(parameter, value, f"Member must have length less than or equal to {longest}")
        if not _NAME.fullmatch(value):
            raise Refused(
                400,
                "ValidationError",
                f"The specified value for {parameter[0].lower()}{parameter[1:]} is invalid. It must contain only "
                "alphanumeric characters and/or the following: +=,.@_-",
            )
    for parameter in ("Path", "NewPath"):
        value = _given(parameters, parameter)
        if value and (len(value) > 512 or not _PATH.fullmatch(value)):
            raise Refused(
                400,
                "ValidationError",
                f"The specified value for {parameter[0].lower()}{parameter[1:]} is invalid. It must begin and end with "
                "/ and contain only alphanumeric characters and/or / characters.",
            )
    _check_tags(iam._extract_tags(parameters))


def _check_tags(tags: Iterable[Mapping[str, str]]) -> None:
    tags = list(tags)
    if len(tags) > TAGS:
        raise Refused(409, "LimitExceeded", f"The number of tags has reached the maximum limit of {TAGS}.")
    for tag in tags:
        for part, value, longest in (("key", tag["Key"], 128), ("value", tag["Value"], 256)):
            if len(value) > longest:
                raise _invalid(
                    f"tags.1.member.{part}", value, f"Member must have length less than or equal to {longest}"
                )
            if any(not _TAG.fullmatch(character) for character in value):
                raise _invalid(
                    f"tags.1.member.{part}",
                    value,
                    r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*",
                )


def _check_document(text: str) -> None:
    if not text or not _POLICY_TEXT.fullmatch(text):
        raise Refused(400, "MalformedPolicyDocument", "The policy contains characters that are not allowed.")
    if len(text) > 131_072:
        raise _invalid("PolicyDocument", "…", "Member must have length less than or equal to 131072")
    try:
        json.loads(text)
    except ValueError:
        raise Refused(400, "MalformedPolicyDocument", "Syntax errors in policy.") from None


def policy_size(text: str) -> int:
    """The characters of a policy document that count: white space between its parts does not."""
    return len(json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False))


def _check_create_user(parameters: Parameters) -> None:
    name = _given(parameters, "UserName")
    _check_free(name)
    if not name:
        raise _invalid("UserName", "", "Member must have length greater than or equal to 1")


def _check_free(name: str) -> None:
    """User names are unique without regard to case, whatever their paths."""
    if name.lower() in (other.lower() for other in iam._users.keys()):  # noqa: SIM118 - iterates the account's own
        raise Refused(409, "EntityAlreadyExists", f"User with name {name} already exists.")


def _update_user(parameters: Parameters) -> Answer:
    user = _user(parameters)
    before = user["UserName"]
    name, path = _given(parameters, "NewUserName") or before, _given(parameters, "NewPath") or user["Path"]
    if name != before:
        if name.lower() != before.lower():
            _check_free(name)
        del iam._users[before]
        iam._users[name] = user
        if before in iam._user_inline_policies:
            iam._user_inline_policies[name] = iam._user_inline_policies.pop(before)
        for key in iam._access_keys.values():
            if key["UserName"] == before:
                key["UserName"] = name
        for group in iam._groups.values():
            group["Users"] = [name if member == before else member for member in group.get("Users", [])]
    head = user["Arn"].partition(":user/")[0]
    user.update(UserName=name, Path=path, Arn=f"{head}:user{path}{name}")
    answer: Answer = iam._xml(200, "UpdateUserResponse", "", ns="iam")
    return answer


def _check_delete_user(parameters: Parameters) -> None:
    """What keeps a user from being deleted: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html."""
    user = _user(parameters)
    name = user["UserName"]
    if iam._user_inline_policies.get(name):
        raise Refused(409, "DeleteConflict", "Cannot delete entity, must delete policies first.")
    if any(name in group.get("Users", []) for group in iam._groups.values()):
        raise Refused(409, "DeleteConflict", "Cannot delete entity, must remove users from group first.")
    if name in iam._login_profiles:
        raise Refused(409, "DeleteConflict", "Cannot delete entity, must delete login profile first.")
    iam._user_inline_policies.pop(name, None)


def _create_access_key(parameters: Parameters) -> Answer:
    """Ids and secrets of AWS's own form: MiniStack's secrets lack the `/` and `+` that break careless quoting."""
    if not _given(parameters, "UserName"):
        raise Refused(400, "ValidationError", "Must specify userName when calling with non-User credentials")
    name = _user(parameters)["UserName"]
    if sum(key["UserName"] == name for key in iam._access_keys.values()) >= KEYS_PER_USER:
        raise Refused(409, "LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {KEYS_PER_USER}")
    key_id = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
    secret = "".join(secrets.choice(string.ascii_letters + string.digits + "+/") for _ in range(38)) + "/+"
    record = {
        "UserName": name,
        "AccessKeyId": key_id,
        "SecretAccessKey": secret,
        "Status": "Active",
        "CreateDate": iam._now(),
    }
    iam._access_keys[key_id] = record
    HANDED_OUT.append(secret)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in record.items())
    answer: Answer = iam._xml(
        200,
        "CreateAccessKeyResponse",
        f"<CreateAccessKeyResult><AccessKey>{inner}</AccessKey></CreateAccessKeyResult>",
        ns="iam",
    )
    return answer


def _check_own_key(parameters: Parameters) -> None:
    key_id = _given(parameters, "AccessKeyId")
    name = _given(parameters, "UserName")
    if not name:
        raise Refused(400, "ValidationError", "Must specify userName when calling with non-User credentials")
    _user(parameters)
    key: dict[str, str] | None = iam._access_keys.get(key_id)
    if key is None or key["UserName"] != name:
        raise Refused(404, "NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")


def _check_user_exists(parameters: Parameters) -> None:
    if _given(parameters, "UserName"):
        _user(parameters)


def _check_put_user_policy(parameters: Parameters) -> None:
    user = _user(parameters)
    text = _given(parameters, "PolicyDocument")
    _check_document(text)
    policies = dict(iam._user_inline_policies.get(user["UserName"]) or {})
    policies[_given(parameters, "PolicyName")] = text
    if sum(map(policy_size, policies.values())) > INLINE_POLICY_CHARACTERS:
        raise Refused(
            409,
            "LimitExceeded",
            f"Maximum policy size of {INLINE_POLICY_CHARACTERS} bytes exceeded for user {user['UserName']}",
        )


def _check_managed_policy(parameters: Parameters) -> None:
    text = _given(parameters, "PolicyDocument")
    _check_document(text)
    if policy_size(text) > MANAGED_POLICY_CHARACTERS:
        raise Refused(409, "LimitExceeded", f"Cannot exceed quota for PolicySize: {MANAGED_POLICY_CHARACTERS}")


def _check_create_policy(parameters: Parameters) -> None:
    name = _given(parameters, "PolicyName")
    if name.lower() in (policy["PolicyName"].lower() for policy in iam._policies.values()):
        raise Refused(
            409, "EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed."
        )
    _check_managed_policy(parameters)


def _check_attach(parameters: Parameters) -> None:
    user = _user(parameters)
    arn = _given(parameters, "PolicyArn")
    if not iam._policy_exists(arn):
        raise Refused(404, "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    if arn not in user["AttachedPolicies"] and len(user["AttachedPolicies"]) >= POLICIES_PER_USER:
        raise Refused(409, "LimitExceeded", f"Cannot exceed quota for PoliciesPerUser: {POLICIES_PER_USER}")


def _check_delete_policy(parameters: Parameters) -> None:
    policy = iam._policies.get(_given(parameters, "PolicyArn"))
    if policy and len(policy["Versions"]) > 1 and not policy.get("AttachmentCount"):
        raise Refused(
            409,
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy.",
        )


def _check_tag_user(parameters: Parameters) -> None:
    user = _user(parameters)
    together = {tag["Key"]: tag for tag in [*user.get("Tags", []), *iam._extract_tags(parameters)]}
    _check_tags(together.values())


def _set_default_policy_version(parameters: Parameters) -> Answer:
    policy = iam._policies.get(_given(parameters, "PolicyArn"))
    version = _given(parameters, "VersionId")
    if not policy or version not in policy["Versions"]:
        raise Refused(404, "NoSuchEntity", f"Policy version {version} does not exist or is not attachable.")
    for candidate in policy["Versions"].values():
        candidate["IsDefaultVersion"] = candidate["VersionId"] == version
    policy["DefaultVersionId"] = version
    answer: Answer = iam._xml(200, "SetDefaultPolicyVersionResponse", "", ns="iam")
    return answer


def _empty_list(action: str, members: str) -> Handler:
    """A list of things that the rig has no use for, of a user who must be there."""

    def handle(parameters: Parameters) -> Answer:
        _check_user_exists(parameters)
        truncated = "" if action == "ListServiceSpecificCredentials" else "<IsTruncated>false</IsTruncated>"
        answer: Answer = iam._xml(
            200, f"{action}Response", f"<{action}Result><{members}></{members}>{truncated}</{action}Result>", ns="iam"
        )
        return answer

    return handle


_CHECKS: dict[str, Callable[[Parameters], None]] = {
    "CreateUser": _check_create_user,
    "DeleteUser": _check_delete_user,
    "TagUser": _check_tag_user,
    "ListAccessKeys": _check_user_exists,
    "DeleteAccessKey": _check_own_key,
    "UpdateAccessKey": _check_own_key,
    "ListMFADevices": _check_user_exists,
    "PutUserPolicy": _check_put_user_policy,
    "CreatePolicy": _check_create_policy,
    "CreatePolicyVersion": _check_managed_policy,
    "DeletePolicy": _check_delete_policy,
    "AttachUserPolicy": _check_attach,
}

_ADDED: dict[str, Handler] = {
    "UpdateUser": _update_user,
    "CreateAccessKey": _create_access_key,
    "SetDefaultPolicyVersion": _set_default_policy_version,
    "ListSSHPublicKeys": _empty_list("ListSSHPublicKeys", "SSHPublicKeys"),
    "ListSigningCertificates": _empty_list("ListSigningCertificates", "Certificates"),
    "ListServiceSpecificCredentials": _empty_list("ListServiceSpecificCredentials", "ServiceSpecificCredentials"),
}
