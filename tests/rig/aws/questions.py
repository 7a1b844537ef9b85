"""The questions of the front to MiniStack's process: a key's rights, an image's parts, an account's contents.

MiniStack's `SimulatePrincipalPolicy` cannot be asked: it knows no user with a path, no permissions boundary, no
repository policy and no condition key of the caller. So the same functions are called that MiniStack's own enforcement
of API calls uses, with the caller that they resolve; `tests/unit/rig/test_aws_authorization.py` holds the two against
each other.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from .iam_rules import HANDED_OUT, Clock, repository_scope
from .ministack import ecr, iam, iam_evaluator, responses, sts
from .oci import digest_of

Question = Mapping[str, Any]


def answer(question: Question) -> dict[str, Any]:
    """Answer one question; `op` names it, the rest are its arguments."""
    return _OPERATIONS[question["op"]](question)


def _authorize(question: Question) -> dict[str, Any]:
    key_id: str = question["access_key_id"]
    account = _account_of(key_id)
    responses.set_request_account_id(account)
    secret = question.get("secret")
    # A key that is shown with its secret is shown without a session token, as the two parts of a login are.
    given = () if secret is None else ("",)
    credential: Any = iam_evaluator.resolve_credential(key_id, account, *given)
    if isinstance(credential, iam_evaluator.CredentialResolutionError):
        code = "UnrecognizedClientException" if credential.code == "InvalidToken" else credential.code
        return {"refused": code, "message": credential.message}
    if secret is not None and not hmac.compare_digest(secret.encode(), credential.secret_access_key.encode()):
        return {
            "refused": "SignatureDoesNotMatch",
            "message": "The request signature we calculated does not match the signature you provided.",
        }
    principal: Any = iam_evaluator.resolve_principal(key_id, account, credential)
    Clock.read = False
    decisions = [_decide(principal, *check) for check in question["checks"]]
    passing = Clock.read or credential.expiration is not None
    return {"account": account, "principal": principal.arn, "decisions": decisions, "passing": passing}


def _account_of(key_id: str) -> str:
    session = sts._sessions.get(key_id)
    found: str | None = session["AccountId"] if session else iam_evaluator.find_iam_access_key_account(key_id)
    return found or key_id


def _decide(principal: Any, action: str, resource: str, region: str, context: Mapping[str, Any]) -> str:
    """`Allow`, `Deny` (an explicit one) or `ImplicitDeny`, by identity, boundary, session and repository policies."""
    request = iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource,
        region=region,
        source_ip="127.0.0.1",
        secure_transport=True,
        service_context={"aws:tagkeys": None} | {name.lower(): value for name, value in context.items()},
        principal_keys=principal.keys,
    )
    owner = resource.split(":")[4] if resource.startswith("arn:") else None
    if principal.policies is None:
        if owner in (None, principal.account):
            return "Allow"
        result = iam_evaluator.EvalResult("Allow")
    else:
        result = iam_evaluator.evaluate(request, principal.policies, *principal.limits)
    if owner is not None:
        policy = _repository_policy(resource)
        result = iam_evaluator.combine_resource_policy(result, request, policy, owner, limits=principal.limits)
    decision: str = result.decision
    return decision


def _repository_policy(arn: str) -> str:
    scope = repository_scope(arn)
    return (ecr._repo_policies.get_scoped(*scope) if scope else None) or ""


def _image(question: Question) -> dict[str, Any]:
    """The result of pulling an image: its manifest, and the blobs that are missing or have other content."""
    responses.set_request_account_id(question["account"])
    responses.set_request_region(question["region"])
    name = question["repository"]
    if name not in ecr._repositories:
        return {"found": "nothing"}
    digest, manifest, _ = ecr._resolve_manifest(name, question["reference"])
    if manifest is None:
        return {"found": "repository"}
    parsed = json.loads(manifest)
    wanted = [parsed["config"]["digest"], *(layer["digest"] for layer in parsed["layers"])]
    blobs = ecr._layer_blobs.get(name, {})
    broken = [blob for blob in wanted if blob not in blobs or digest_of(blobs[blob]) != blob]
    if digest_of(manifest) != digest:
        broken.insert(0, digest)
    return {"found": "image", "digest": digest, "blobs": wanted, "broken": broken}


def _users(question: Question) -> dict[str, Any]:
    """The IAM users of an account with all that hangs on them, secrets of keys left out."""
    account = question["account"]
    responses.set_request_account_id(account)
    users: dict[str, Any] = {}
    for name, user in iam._users.items():
        groups = [group for group, of in iam._groups.items() if name in of.get("Users", [])]
        keys = [key for key in iam._access_keys.values() if key["UserName"] == name]
        users[name] = {
            "arn": user["Arn"],
            "path": user["Path"],
            "boundary": user.get("PermissionsBoundary") or None,
            "tags": {tag["Key"]: tag["Value"] for tag in user.get("Tags", [])},
            "inline_policies": dict(iam._user_inline_policies.get(name) or {}),
            "attached_policies": {arn: _document(arn, account) for arn in user["AttachedPolicies"]},
            "groups": groups,
            "access_keys": [[key["AccessKeyId"], key["Status"], key["CreateDate"]] for key in keys],
        }
    return {"users": users}


def _document(arn: str, account: str) -> str:
    document: Any = iam_evaluator._resolve_managed_policy_document(arn, account)
    return document if isinstance(document, str) else json.dumps(document)


def _managed_policies(question: Question) -> dict[str, Any]:
    account = question["account"]
    responses.set_request_account_id(account)
    return {"policies": {arn: _document(arn, account) for arn in list(iam._policies.keys())}}


def _repositories(question: Question) -> dict[str, Any]:
    account = question["account"]
    found: list[dict[str, Any]] = []
    for (owner, region, name), repository in ecr._repositories.all_items():
        if owner == account:
            images: list[dict[str, Any]] = ecr._images.get_scoped(account, region, name) or []
            found.append(
                {
                    "name": name,
                    "region": region,
                    "arn": repository["repositoryArn"],
                    "policy": ecr._repo_policies.get_scoped(account, region, name) or None,
                    "tags": sorted(tag for image in images for tag in image.get("imageTags", [])),
                }
            )
    return {"repositories": found}


def _handed_out(_question: Question) -> dict[str, Any]:
    return {"secrets": list(HANDED_OUT)}


_OPERATIONS: dict[str, Callable[[Question], dict[str, Any]]] = {
    "authorize": _authorize,
    "image": _image,
    "users": _users,
    "managed_policies": _managed_policies,
    "repositories": _repositories,
    "handed_out": _handed_out,
}
