"""The IAM policies of a user that may log in to Amazon ECR and pull from listed repositories.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html,
https://docs.aws.amazon.com/AmazonECR/latest/userguide/security-iam-awsmanpol.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from . import RuleViolation
from .wording import a_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .repository_arns import RepositoryArn

PULL_ACTIONS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
CACHE_ACTIONS = ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository")

_TAG = re.compile(r"[\w\s.:/=+@-]*")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/[A-Za-z0-9_+=,.@/-]+")


def login_document(*, suspended: bool = False) -> str:
    """The policy that lets a user log in. It always exists, so that no update can interrupt a login.

    A suspension is a statement of this policy: an explicit Deny, which overrides every Allow. As a separate policy it
    would be deleted at the very end of an update. That is too late, because the update proves the key before that, and
    a suspended key does not work.

    Neither action supports resources, so `*` is the only resource that matches. In one statement with repositories,
    the actions would match nothing. GitHub's guide asks for `sts:GetServiceBearerToken`; AWS documents it only for ECR
    Public and CodeArtifact, and by itself it gives access to nothing
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
    """The policy that grants the pull from repositories, and the extra rights for pulling through a cache.

    The first pull of an image through a cache imports the image and may create its repository. Both are writes, so they
    are granted only for the caches (https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-iam.html).

    IAM refuses a document without a statement. So a document without repositories grants a right that the user already
    has.

    Args:
        repositories: the repositories to pull from; order and duplicates do not matter.
        caches: the repositories that a pull may create and fill.
    """
    grants = [("Pull", PULL_ACTIONS, repositories), ("PullThroughCache", CACHE_ACTIONS, caches)]
    resources = [(sid, actions, sorted({str(arn) for arn in arns})) for sid, actions, arns in grants]
    statements = [_statement(sid, "Allow", list(actions), arns) for sid, actions, arns in resources if arns]
    return _document(*(statements or [_statement("Login", "Allow", "ecr:GetAuthorizationToken", "*")]))


def tagged_document(partition: str, region: str, account: str, tags: Mapping[str, str]) -> str:
    """The policy that grants the pull from every repository of one registry that has all of these tags.

    Everybody who may tag a repository decides whether this user may pull from it
    (https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-supported-iam-actions-tagging.html).

    Args:
        partition: the registry's partition.
        region: its Region.
        account: its account.
        tags: key -> value, without patterns.
    """
    every = f"arn:{partition}:ecr:{region}:{account}:repository/*"
    condition = {"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in sorted(tags.items())}}
    return _document({**_statement("PullTagged", "Allow", list(PULL_ACTIONS), every), "Condition": condition})


def check_tags(tags: object, argument: str = "ecr_repository_tags") -> Mapping[str, str]:
    """Check the tags that select repositories.

    Raises:
        RuleViolation: `tags` is not a map of texts, or AWS does not allow such tags.
    """
    if not isinstance(tags, Mapping):
        raise RuleViolation(argument, f"{argument} is {a_kind(tags)}; give a map of plain keys and values.")
    for key, value in cast("Mapping[object, object]", tags).items():
        where = f"{argument}.{key}"
        if not isinstance(key, str) or not isinstance(value, str):
            raise RuleViolation(
                where,
                f"{where} is {a_kind(value)}; write key and value as plain text, since the number of policies depends "
                "on their length.",
            )
        if not key or len(key) > 128 or len(value) > 256 or key.startswith("aws:") or not _TAG.fullmatch(key + value):
            raise RuleViolation(
                where,
                f"{where} {value!r} is not a valid tag of a repository; use at most 128 characters of key and 256 of "
                "value, letters, digits, spaces and _ . : / = + - @, and no key that begins with aws: "
                "(https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html).",
            )
    return cast("Mapping[str, str]", tags)


def repository_policy_statement(principal_arn: str, sid: str = "CodespacesPull") -> dict[str, object]:
    """The statement that a repository of another account needs in its repository policy, beside the user's policies.

    AWS stores the principal's internal id instead of the ARN, and refuses a principal that does not exist. So save the
    policy after the user is created (https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html).

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


def matches_everything(resource: str) -> bool:
    """Whether the resource of a statement is `*`, or an ARN without a specific resource or a single account.

    IAM reads missing parts of an ARN as `*`, and a `*` at the end of a part also matches colons: `arn:aws:ecr:*`
    means every repository of every account (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html). The policy pack
    has a copy of this function, because it runs in an environment of its own.
    """
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return True
    _, _, _, _, account, name = parts
    return "*" in account or "?" in account or not name.strip("*?")


def characters(document: str) -> int:
    """The number of characters that IAM counts in a policy document: all except white space."""
    return len(re.sub(r"\s", "", document))


def _statement(sid: str, effect: str, action: str | Sequence[str], resource: str | Sequence[str]) -> dict[str, object]:
    return {"Sid": sid, "Effect": effect, "Action": action, "Resource": resource}


def _document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
