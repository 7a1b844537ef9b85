"""The IAM policies of a user that may log in to Amazon ECR and pull from listed repositories.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html,
https://docs.aws.amazon.com/AmazonECR/latest/userguide/security-iam-awsmanpol.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from . import RuleViolation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .repository_arns import RepositoryArn

PULL_ACTIONS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
CACHE_ACTIONS = ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository")

_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/[A-Za-z0-9_+=,.@/-]+")


def login_document(*, suspended: bool = False) -> str:
    """The policy that lets a user log in. It always exists, so that no update can interrupt a login.

    A suspension is a statement of it, an explicit Deny, which wins over whatever else allows. As a policy of its own it
    would be deleted at the very end of an update, after the key was to be proven that a suspension keeps from working.

    Neither action knows resources, so `*` is the only resource that matches; in one statement with repositories they
    would match nothing. GitHub's guide asks for `sts:GetServiceBearerToken`; AWS documents it for ECR Public and
    CodeArtifact alone, and by itself it opens nothing
    (https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_bearer.html).

    Args:
        suspended: whether the user is denied everything.
    """
    statements = [
        _statement("Login", "Allow", "ecr:GetAuthorizationToken", "*"),
        _statement("Swap", "Allow", "sts:GetServiceBearerToken", "*"),
    ]
    if suspended:
        statements.append(_statement("Suspend", "Deny", "*", "*"))
    return _document(*statements)


def pull_document(repositories: Iterable[RepositoryArn], caches: Iterable[RepositoryArn] = ()) -> str:
    """The policy that grants the pull from repositories, and what pulling through a cache needs on top.

    The first pull of an image through a cache imports it and may create its repository. Both write, so they are given
    for the caches alone (https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-iam.html).

    Args:
        repositories: what may be pulled from; order and doubles do not matter.
        caches: the repositories that a pull may create and fill.
    """
    grants = [("Pull", PULL_ACTIONS, repositories), ("PullThroughCache", CACHE_ACTIONS, caches)]
    resources = [(sid, actions, sorted({str(arn) for arn in arns})) for sid, actions, arns in grants]
    return _document(*(_statement(sid, "Allow", list(actions), arns) for sid, actions, arns in resources if arns))


def repository_policy_statement(principal_arn: str, sid: str = "CodespacesPull") -> dict[str, object]:
    """The statement that another account's repository needs in its repository policy, beside the user's own policies.

    AWS keeps the principal's internal id in place of the ARN, and refuses a principal that does not exist: save the
    policy after the user is made (https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html).

    Raises:
        RuleViolation: the principal is not one user or role.
    """
    if not _PRINCIPAL.fullmatch(principal_arn):
        raise RuleViolation(
            "principal_arn",
            f"principal_arn {principal_arn!r} is not the ARN of one user or role; give that of the user who pulls. "
            "Anything wider would open the repository to others.",
        )
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal_arn}, "Action": list(PULL_ACTIONS)}


def characters(document: str) -> int:
    """How many characters IAM counts in a policy document: all but white space."""
    return len(re.sub(r"\s", "", document))


def _statement(sid: str, effect: str, action: str | Sequence[str], resource: str | Sequence[str]) -> dict[str, object]:
    return {"Sid": sid, "Effect": effect, "Action": action, "Resource": resource}


def _document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
