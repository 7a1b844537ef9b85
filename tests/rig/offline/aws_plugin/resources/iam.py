"""IAM users, their keys, groups and policies.

What each does, in which order and with which messages is that of terraform-provider-aws
(https://github.com/hashicorp/terraform-provider-aws/tree/v6.34.0/internal/service/iam).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from ..documents import check_policy, equivalent, normalize, normalize_inline, to_json
from ..failures import AwsError, ProviderError, doing
from ..resource import Resource, State
from ..schema import TAGS, Kind, Property, Schema
from ..tags import to_api

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..clients import Aws
    from ..values import Value

_GONE = "NoSuchEntity"
_NAME = re.compile(r"[0-9A-Za-z=,.@\-_+]+")
_POLICY_VERSIONS = 5
_NAME_PREFIX = re.compile(r"(.*?)\d{26}")


def _check_name(name: str) -> str | None:
    if _NAME.fullmatch(name):
        return None
    return (
        f"invalid value for name ({name}): must only contain alphanumeric characters, hyphens, underscores, commas, "
        "periods, @ symbols, plus and equals signs"
    )


def _one_of(*allowed: str) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        if value in allowed:
            return None
        return f"expected one of {', '.join(allowed)}, got {value}"

    return check


def _check_arn(value: str) -> str | None:
    if value.startswith("arn:") and value.count(":") >= 5:
        return None
    return f'"policy_arn" ({value}) is an invalid ARN: arn: invalid prefix or not enough sections'


def _check_boundary(value: str) -> str | None:
    return (
        None if len(value) <= 2048 else f"expected length of permissions_boundary to be at most 2048, got {len(value)}"
    )


def _refuse_pgp(_: str) -> str:
    return "pgp_key is not served by this stand-in for Pulumi's AWS plugin: leave it out"


def _unique_suffix() -> str:
    """Twenty-six digits that sort by time, as the Terraform SDK makes them."""
    moment = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S")
    return f"{moment}{time.time_ns() % 10**12:012d}"


def _name_or_prefixed(state: State) -> str:
    if state["name"] is None:
        state.values["name"] = f"{state['namePrefix']}{_unique_suffix()}"
    return state["name"]


def _prefix_of(name: str) -> str:
    found = _NAME_PREFIX.fullmatch(name)
    return found[1] if found else ""


def _document_of(answer: Any) -> str:
    """A policy document of an answer, as JSON. IAM escapes it for URLs; botocore parses it into an object if it can."""
    return unquote(answer) if isinstance(answer, str) else to_json(answer)


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class User(Resource):
    """aws.iam.User. Its name and path change in place; nobody renames the users in other resources' states."""

    label = "IAM User"
    schema = Schema(
        "aws:iam/user:User",
        (
            Property("arn", output=True),
            Property("forceDestroy", Kind.BOOLEAN, default=False),
            Property("name", named=True, check=_check_name),
            Property("path", default="/"),
            Property("permissionsBoundary", check=_check_boundary),
            *TAGS,
            Property("uniqueId", output=True),
        ),
    )

    def create(self, aws: Aws, state: State) -> None:
        name = state["name"]
        with doing(f"creating IAM User ({name})"):
            answer = aws.call(
                "iam",
                "CreateUser",
                UserName=name,
                Path=state["path"],
                PermissionsBoundary=state["permissionsBoundary"] or None,
                Tags=to_api(state["tagsAll"]),
            )
        state.id = answer["User"]["UserName"]

    def read(self, aws: Aws, state: State) -> bool:
        try:
            user = aws.call("iam", "GetUser", UserName=state.id)["User"]
        except AwsError as error:
            if error.code == _GONE:
                return False
            raise ProviderError(f"reading IAM User ({state.id}): {error}") from None
        state.values |= {
            "arn": user["Arn"],
            "name": user["UserName"],
            "path": user["Path"],
            "permissionsBoundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "uniqueId": user["UserId"],
        }
        aws.configuration.tags.store(state.values, user.get("Tags", []))
        return True

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        if (before.get("name"), before.get("path")) != (state["name"], state["path"]):
            with doing(f"updating IAM User ({state.id})"):
                aws.call(
                    "iam", "UpdateUser", UserName=before.get("name"), NewUserName=state["name"], NewPath=state["path"]
                )
            state.id = state["name"]
        boundary = state["permissionsBoundary"]
        if (before.get("permissionsBoundary") or None) == (boundary or None):
            return
        if boundary:
            with doing(f"setting IAM User ({state.id}) permissions boundary"):
                aws.call("iam", "PutUserPermissionsBoundary", UserName=state.id, PermissionsBoundary=boundary)
        else:
            with doing(f"deleting IAM User ({state.id}) permissions boundary"):
                aws.call("iam", "DeleteUserPermissionsBoundary", UserName=state.id)

    def retag(self, aws: Aws, state: State, removed: Sequence[str], added: Mapping[str, str]) -> None:
        if removed:
            aws.call("iam", "UntagUser", UserName=state.id, TagKeys=list(removed))
        if added:
            aws.call("iam", "TagUser", UserName=state.id, Tags=to_api(added))

    def delete(self, aws: Aws, state: State) -> None:
        name = state.id
        with doing(f"removing IAM User ({name}) group memberships", ignore=(_GONE,)):
            for group in aws.everything("iam", "ListGroupsForUser", "Groups", UserName=name):
                aws.call("iam", "RemoveUserFromGroup", GroupName=group["GroupName"], UserName=name)
        if state["forceDestroy"]:
            for what, remove in _BELONGINGS:
                with doing(f"removing IAM User ({name}) {what}", ignore=(_GONE,)):
                    remove(aws, name)
        with doing(f"deleting IAM User ({name})", ignore=(_GONE,)):
            aws.call("iam", "DeleteUser", UserName=name)


def _remove_access_keys(aws: Aws, user: str) -> None:
    for key in aws.everything("iam", "ListAccessKeys", "AccessKeyMetadata", UserName=user):
        aws.call("iam", "DeleteAccessKey", UserName=user, AccessKeyId=key["AccessKeyId"])


def _remove_ssh_keys(aws: Aws, user: str) -> None:
    for key in aws.everything("iam", "ListSSHPublicKeys", "SSHPublicKeys", UserName=user):
        aws.call("iam", "DeleteSSHPublicKey", UserName=user, SSHPublicKeyId=key["SSHPublicKeyId"])


def _remove_virtual_devices(aws: Aws, user: str) -> None:
    for device in aws.everything("iam", "ListVirtualMFADevices", "VirtualMFADevices", AssignmentStatus="Assigned"):
        if device.get("User", {}).get("UserName") == user:
            aws.call("iam", "DeactivateMFADevice", UserName=user, SerialNumber=device["SerialNumber"])
            aws.call("iam", "DeleteVirtualMFADevice", SerialNumber=device["SerialNumber"])


def _remove_devices(aws: Aws, user: str) -> None:
    for device in aws.everything("iam", "ListMFADevices", "MFADevices", UserName=user):
        aws.call("iam", "DeactivateMFADevice", UserName=user, SerialNumber=device["SerialNumber"])


def _remove_login_profile(aws: Aws, user: str) -> None:
    aws.retrying(
        lambda: aws.call("iam", "DeleteLoginProfile", UserName=user),
        lambda error: error.code == "EntityTemporarilyUnmodifiable",
    )


def _remove_certificates(aws: Aws, user: str) -> None:
    for certificate in aws.everything("iam", "ListSigningCertificates", "Certificates", UserName=user):
        aws.call("iam", "DeleteSigningCertificate", UserName=user, CertificateId=certificate["CertificateId"])


def _remove_service_credentials(aws: Aws, user: str) -> None:
    answer = aws.call("iam", "ListServiceSpecificCredentials", UserName=user)
    for credential in answer.get("ServiceSpecificCredentials", []):
        aws.call(
            "iam",
            "DeleteServiceSpecificCredential",
            UserName=user,
            ServiceSpecificCredentialId=credential["ServiceSpecificCredentialId"],
        )


_BELONGINGS: tuple[tuple[str, Callable[[Aws, str], None]], ...] = (
    ("access keys", _remove_access_keys),
    ("SSH keys", _remove_ssh_keys),
    ("Virtual MFA devices", _remove_virtual_devices),
    ("MFA devices", _remove_devices),
    ("login profile", _remove_login_profile),
    ("signing certificate", _remove_certificates),
    ("Service Specific Credentials", _remove_service_credentials),
)
"""What `forceDestroy` removes, in the order of the real provider."""


class AccessKey(Resource):
    """aws.iam.AccessKey. Its secret is only ever in the answer to CreateAccessKey, and from then on in the state."""

    label = "IAM Access Key"
    reads_after_create = False
    schema = Schema(
        "aws:iam/accessKey:AccessKey",
        (
            Property("createDate", output=True),
            Property("encryptedSecret", output=True),
            Property("encryptedSesSmtpPasswordV4", output=True),
            Property("keyFingerprint", output=True),
            Property(
                "pgpKey",
                replaces=True,
                check=_refuse_pgp,
            ),
            Property("secret", output=True, secret=True),
            Property("sesSmtpPasswordV4", output=True, secret=True),
            Property("status", default="Active", check=_one_of("Active", "Inactive")),
            Property("user", required=True, replaces=True),
        ),
    )

    def create(self, aws: Aws, state: State) -> None:
        user = state["user"]
        with doing(f"creating IAM Access Key ({user})"):
            key = aws.call("iam", "CreateAccessKey", UserName=user)["AccessKey"]
        state.id = key["AccessKeyId"]
        state.values["secret"] = key["SecretAccessKey"]
        state.values["sesSmtpPasswordV4"] = ses_smtp_password(key["SecretAccessKey"], aws.configuration.region)
        if state["status"] == "Inactive":
            with doing(f"deactivating IAM Access Key ({state.id})"):
                aws.call("iam", "UpdateAccessKey", AccessKeyId=state.id, Status="Inactive", UserName=user)
        state.values["createDate"] = _timestamp(key["CreateDate"])

    def read(self, aws: Aws, state: State) -> bool:
        try:
            keys = aws.everything("iam", "ListAccessKeys", "AccessKeyMetadata", UserName=state["user"])
        except AwsError as error:
            if error.code == _GONE:
                return False
            raise ProviderError(f"reading IAM Access Key ({state.id}): {error}") from None
        key = next((each for each in keys if each["AccessKeyId"] == state.id), None)
        if key is None:
            return False
        state.values |= {"createDate": _timestamp(key["CreateDate"]), "status": key["Status"], "user": key["UserName"]}
        return True

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        if before.get("status") != state["status"]:
            with doing(f"updating IAM Access Key ({state.id})"):
                aws.call("iam", "UpdateAccessKey", AccessKeyId=state.id, Status=state["status"], UserName=state["user"])

    def delete(self, aws: Aws, state: State) -> None:
        # A key of a user who has another name by now is not found, taken for deleted, and stays: observed, and left so.
        with doing(f"deleting IAM Access Key ({state.id})", ignore=(_GONE,)):
            aws.call("iam", "DeleteAccessKey", AccessKeyId=state.id, UserName=state["user"])

    def adopt(self, aws: Aws, identifier: str) -> State | None:
        user = aws.call("iam", "GetAccessKeyLastUsed", AccessKeyId=identifier).get("UserName")
        return State(identifier, {"user": user}) if user else None


def ses_smtp_password(secret: str, region: str) -> str:
    """The password for Amazon SES that belongs to a secret key.

    Source: https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html#smtp-credentials-convert
    """
    signature = f"AWS4{secret}".encode()
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        signature = hmac.new(signature, part.encode(), hashlib.sha256).digest()
    return base64.b64encode(b"\x04" + signature).decode()


class _InlinePolicy(Resource):
    """An inline policy of a user or of a group; putting it is creating and updating it."""

    owner: ClassVar[str]
    """The property that holds the owner's name, which is also what IAM calls the owner."""

    @classmethod
    def table(cls, token: str, owner: str) -> Schema:
        return Schema(
            token,
            (
                Property("name", computed=True, replaces=True, named=True, excludes="namePrefix"),
                Property("namePrefix", computed=True, replaces=True, excludes="name"),
                Property(
                    "policy",
                    Kind.DOCUMENT,
                    required=True,
                    check=check_policy,
                    normal=normalize_inline,
                    same=equivalent,
                ),
                Property(owner, required=True, replaces=True),
            ),
        )

    def create(self, aws: Aws, state: State) -> None:
        self._put(aws, state, _name_or_prefixed(state))
        state.id = f"{state[self.owner]}:{state['name']}"
        # It waits until the policy shows, and reads it once more then.
        if not aws.patiently(lambda: self._document(aws, state) is not None):
            raise ProviderError(f"waiting for {self.label} ({state.id}) create: couldn't find resource")

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        del before
        self._put(aws, state, state["name"])

    def _put(self, aws: Aws, state: State, name: str) -> None:
        kind, owner = self.owner.capitalize(), state[self.owner]
        with doing(f"putting IAM {kind} ({owner}) Policy ({name})"):
            aws.call(
                "iam",
                f"Put{kind}Policy",
                PolicyName=name,
                PolicyDocument=normalize_inline(state["policy"]),
                **{f"{kind}Name": owner},
            )

    def _document(self, aws: Aws, state: State) -> str | None:
        kind = self.owner.capitalize()
        owner, _, name = state.id.partition(":")
        try:
            answer = aws.call("iam", f"Get{kind}Policy", PolicyName=name, **{f"{kind}Name": owner})
        except AwsError as error:
            if error.code == _GONE:
                return None
            raise ProviderError(f"reading IAM {kind} Policy ({state.id}): {error}") from None
        return _document_of(answer["PolicyDocument"])

    def read(self, aws: Aws, state: State) -> bool:
        owner, separator, name = state.id.partition(":")
        if not (owner and separator and name):
            raise ProviderError(f"{self.owner}_policy id must be of the form <{self.owner} name>:<policy name>")
        found = self._document(aws, state)
        if found is None:
            return False
        state.values |= {
            "name": name,
            "namePrefix": _prefix_of(name),
            "policy": normalize_inline(state["policy"] if equivalent(state["policy"], found) else found),
            self.owner: owner,
        }
        return True

    def delete(self, aws: Aws, state: State) -> None:
        kind = self.owner.capitalize()
        owner, _, name = state.id.partition(":")
        with doing(f"deleting IAM {kind} Policy ({state.id})", ignore=(_GONE,)):
            aws.call("iam", f"Delete{kind}Policy", PolicyName=name, **{f"{kind}Name": owner})


class UserPolicy(_InlinePolicy):
    """aws.iam.UserPolicy."""

    label, owner = "IAM User Policy", "user"
    schema = _InlinePolicy.table("aws:iam/userPolicy:UserPolicy", "user")


class GroupPolicy(_InlinePolicy):
    """aws.iam.GroupPolicy."""

    label, owner = "IAM Group Policy", "group"
    schema = _InlinePolicy.table("aws:iam/groupPolicy:GroupPolicy", "group")


class Policy(Resource):
    """aws.iam.Policy: a managed policy; a change is a new default version, and IAM keeps five."""

    label = "IAM Policy"
    schema = Schema(
        "aws:iam/policy:Policy",
        (
            Property("arn", output=True),
            Property("attachmentCount", Kind.INTEGER, output=True),
            Property("delayAfterPolicyCreationInMs", Kind.INTEGER),
            Property("description", replaces=True),
            Property("name", computed=True, replaces=True, named=True, excludes="namePrefix"),
            Property("namePrefix", computed=True, replaces=True, excludes="name"),
            Property("path", default="/", replaces=True),
            Property("policy", Kind.DOCUMENT, required=True, check=check_policy, normal=normalize, same=equivalent),
            Property("policyId", output=True),
            *TAGS,
        ),
    )

    def create(self, aws: Aws, state: State) -> None:
        name = _name_or_prefixed(state)
        with doing(f"creating IAM Policy ({name})"):
            answer = aws.call(
                "iam",
                "CreatePolicy",
                PolicyName=name,
                PolicyDocument=normalize(state["policy"]),
                Path=state["path"],
                Description=state["description"] or None,
                Tags=to_api(state["tagsAll"]),
            )
        state.id = answer["Policy"]["Arn"]

    def read(self, aws: Aws, state: State) -> bool:
        try:
            policy = aws.call("iam", "GetPolicy", PolicyArn=state.id)["Policy"]
            version = aws.call("iam", "GetPolicyVersion", PolicyArn=state.id, VersionId=policy["DefaultVersionId"])[
                "PolicyVersion"
            ]
        except AwsError as error:
            if error.code == _GONE:
                return False
            raise ProviderError(f"reading IAM Policy ({state.id}): {error}") from None
        found = _document_of(version["Document"])
        state.values |= {
            "arn": policy["Arn"],
            "attachmentCount": policy.get("AttachmentCount", 0),
            "description": policy.get("Description"),
            "name": policy["PolicyName"],
            "namePrefix": _prefix_of(policy["PolicyName"]),
            "path": policy["Path"],
            "policy": normalize(state["policy"] if equivalent(state["policy"], found) else found),
            "policyId": policy["PolicyId"],
        }
        aws.configuration.tags.store(state.values, policy.get("Tags", []))
        return True

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        if equivalent(before.get("policy"), state["policy"]):
            return
        self._prune(aws, state.id)
        delay = state["delayAfterPolicyCreationInMs"]
        what = f"creating IAM Policy ({state.id}) version" if delay else f"updating IAM Policy ({state.id})"
        with doing(what):
            answer = aws.call(
                "iam",
                "CreatePolicyVersion",
                PolicyArn=state.id,
                PolicyDocument=normalize(state["policy"]),
                SetAsDefault=not delay,
            )
        if delay:
            version = answer["PolicyVersion"]["VersionId"]
            time.sleep(delay / 1000)
            with doing(f"setting IAM Policy ({state.id}) default version ({version})"):
                aws.call("iam", "SetDefaultPolicyVersion", PolicyArn=state.id, VersionId=version)

    def _prune(self, aws: Aws, arn: str) -> None:
        """Make room for one more version: the oldest that is not the default goes."""
        with doing(f"reading IAM Policy ({arn}) versions"):
            versions = aws.everything("iam", "ListPolicyVersions", "Versions", PolicyArn=arn)
        old = [each for each in versions if not each["IsDefaultVersion"]]
        if len(versions) >= _POLICY_VERSIONS and old:
            # Versions made within one second differ only in their numbers.
            oldest = min(old, key=lambda each: (each["CreateDate"], int(each["VersionId"][1:])))
            self._delete_version(aws, arn, oldest["VersionId"])

    def _delete_version(self, aws: Aws, arn: str, version: str) -> None:
        with doing(f"deleting IAM Policy ({arn}) version ({version})"):
            aws.call("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=version)

    def retag(self, aws: Aws, state: State, removed: Sequence[str], added: Mapping[str, str]) -> None:
        if removed:
            aws.call("iam", "UntagPolicy", PolicyArn=state.id, TagKeys=list(removed))
        if added:
            aws.call("iam", "TagPolicy", PolicyArn=state.id, Tags=to_api(added))

    def delete(self, aws: Aws, state: State) -> None:
        try:
            versions = aws.everything("iam", "ListPolicyVersions", "Versions", PolicyArn=state.id)
        except AwsError as error:
            if error.code == _GONE:
                return
            raise ProviderError(f"reading IAM Policy ({state.id}) versions: {error}") from None
        for version in versions:
            if not version["IsDefaultVersion"]:
                self._delete_version(aws, state.id, version["VersionId"])
        with doing(f"deleting IAM Policy ({state.id})", ignore=(_GONE,)):
            aws.call("iam", "DeletePolicy", PolicyArn=state.id)


class UserPolicyAttachment(Resource):
    """aws.iam.UserPolicyAttachment."""

    label = "IAM User Policy Attachment"
    schema = Schema(
        "aws:iam/userPolicyAttachment:UserPolicyAttachment",
        (
            Property("policyArn", required=True, replaces=True, check=_check_arn),
            Property("user", required=True, replaces=True),
        ),
        delete_before_replace=True,
    )

    def create(self, aws: Aws, state: State) -> None:
        user, arn = state["user"], state["policyArn"]
        with doing(f"attaching IAM Policy ({arn}) to IAM User ({user})"):
            aws.retrying(lambda: aws.call("iam", "AttachUserPolicy", UserName=user, PolicyArn=arn), _is_concurrent)
        state.id = f"{user}-{_unique_suffix()}"

    def read(self, aws: Aws, state: State) -> bool:
        user, arn = state["user"], state["policyArn"]
        try:
            attached = aws.everything("iam", "ListAttachedUserPolicies", "AttachedPolicies", UserName=user)
        except AwsError as error:
            if error.code == _GONE:
                return False
            raise ProviderError(f"reading IAM User Policy Attachment ({user}:{arn}): {error}") from None
        return any(each["PolicyArn"] == arn for each in attached)

    def delete(self, aws: Aws, state: State) -> None:
        user, arn = state["user"], state["policyArn"]
        with doing(f"detaching IAM Policy ({arn}) from IAM User ({user})", ignore=(_GONE,)):
            aws.retrying(lambda: aws.call("iam", "DetachUserPolicy", UserName=user, PolicyArn=arn), _is_concurrent)

    def adopt(self, aws: Aws, identifier: str) -> State | None:
        del aws
        user, separator, arn = identifier.partition("/")
        return State(f"{user}-{arn}", {"user": user, "policyArn": arn}) if user and separator and arn else None


def _is_concurrent(error: AwsError) -> bool:
    return error.code == "ConcurrentModification"


class Group(Resource):
    """aws.iam.Group."""

    label = "IAM Group"
    schema = Schema(
        "aws:iam/group:Group",
        (
            Property("arn", output=True, follows=("name", "path")),
            Property("name", named=True, check=_check_name),
            Property("path", default="/"),
            Property("uniqueId", output=True),
        ),
    )

    def create(self, aws: Aws, state: State) -> None:
        name = state["name"]
        with doing(f"creating IAM Group ({name})"):
            state.id = aws.call("iam", "CreateGroup", GroupName=name, Path=state["path"])["Group"]["GroupName"]

    def read(self, aws: Aws, state: State) -> bool:
        try:
            group = aws.call("iam", "GetGroup", GroupName=state.id)["Group"]
        except AwsError as error:
            if error.code == _GONE:
                return False
            raise ProviderError(f"reading IAM Group ({state.id}): {error}") from None
        state.values |= {
            "arn": group["Arn"],
            "name": group["GroupName"],
            "path": group["Path"],
            "uniqueId": group["GroupId"],
        }
        return True

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        with doing(f"updating IAM Group ({state.id})"):
            aws.call(
                "iam", "UpdateGroup", GroupName=before.get("name"), NewGroupName=state["name"], NewPath=state["path"]
            )
        state.id = state["name"]

    def delete(self, aws: Aws, state: State) -> None:
        with doing(f"deleting IAM Group ({state.id})", ignore=(_GONE,)):
            aws.call("iam", "DeleteGroup", GroupName=state.id)


class UserGroupMembership(Resource):
    """aws.iam.UserGroupMembership: some of the groups that a user is in; it does not mind the others."""

    label = "IAM User Group Membership"
    schema = Schema(
        "aws:iam/userGroupMembership:UserGroupMembership",
        (Property("groups", Kind.SET, required=True), Property("user", required=True, replaces=True)),
    )

    def create(self, aws: Aws, state: State) -> None:
        with doing(f"assigning IAM User Group Membership ({state['user']})"):
            _add(aws, state["user"], state["groups"])
        state.id = f"terraform-{_unique_suffix()}"

    def read(self, aws: Aws, state: State) -> bool:
        user = state["user"]
        try:
            groups = aws.everything("iam", "ListGroupsForUser", "Groups", UserName=user)
        except AwsError as error:
            if error.code == _GONE:
                return False
            raise ProviderError(f"reading IAM User Group Membership ({user}): {error}") from None
        wanted = state["groups"] or []
        member = {group["GroupName"] for group in groups}
        state.values["groups"] = [group for group in wanted if group in member]
        return True

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        old, new = before.get("groups") or [], state["groups"] or []
        with doing(f"updating IAM User Group Membership ({state['user']})"):
            _remove(aws, state["user"], [group for group in old if group not in new])
            _add(aws, state["user"], [group for group in new if group not in old])

    def delete(self, aws: Aws, state: State) -> None:
        with doing(f"deleting IAM User Group Membership ({state['user']})"):
            _remove(aws, state["user"], state["groups"] or [])

    def adopt(self, aws: Aws, identifier: str) -> State | None:
        del aws
        user, *groups = identifier.split("/")
        return State(f"terraform-{_unique_suffix()}", {"user": user, "groups": groups}) if groups else None


def _add(aws: Aws, user: str, groups: Sequence[str]) -> None:
    for group in groups:
        aws.call("iam", "AddUserToGroup", UserName=user, GroupName=group)


def _remove(aws: Aws, user: str, groups: Sequence[str]) -> None:
    for group in groups:
        try:
            aws.call("iam", "RemoveUserFromGroup", UserName=user, GroupName=group)
        except AwsError as error:
            if error.code != _GONE:
                raise


RESOURCES: tuple[Resource, ...] = (
    User(),
    AccessKey(),
    UserPolicy(),
    Policy(),
    UserPolicyAttachment(),
    Group(),
    GroupPolicy(),
    UserGroupMembership(),
)
