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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .repository_arns import RepositoryArn

PULL_ACTIONS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
CACHE_ACTIONS = ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository")

_TAG = re.compile(r"[\w\s.:/=+@-]*")
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


def tagged_document(partition: str, region: str, account: str, tags: Mapping[str, str]) -> str:
    """The policy that grants the pull from every repository of one registry that has all of these tags.

    Whoever may tag a repository decides by that who may pull from it
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
        RuleViolation: they are none, or AWS cannot have them.
    """
    if not isinstance(tags, Mapping):
        raise RuleViolation(argument, f"{argument} is a {type(tags).__name__}; give a map of keys and values.")
    for key, value in cast("Mapping[object, object]", tags).items():
        where = f"{argument}.{key}"
        if not isinstance(key, str) or not isinstance(value, str):
            raise RuleViolation(where, f"{where}: key and value of a tag are plain texts.")
        if not key or len(key) > 128 or len(value) > 256 or key.startswith("aws:") or not _TAG.fullmatch(key + value):
            raise RuleViolation(
                where,
                f"{where} {value!r} is no tag that a repository can have: at most 128 characters of key and 256 of "
                "value, letters, digits, spaces and _ . : / = + - @, and no key that begins with aws: "
                "(https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html).",
            )
    return cast("Mapping[str, str]", tags)


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


def matches_everything(resource: str) -> bool:
    """Whether the resource of a statement is `*`, or an ARN that names no resource or not one account.

    IAM takes the parts that an ARN leaves out for `*`, and a `*` that ends a part for colons too: `arn:aws:ecr:*`
    is every repository of every account (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html). The policy pack, which
    has an environment of its own, repeats it.
    """
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return True
    _, _, _, _, account, name = parts
    return "*" in account or "?" in account or not name.strip("*?")


def characters(document: str) -> int:
    """How many characters IAM counts in a policy document: all but white space."""
    return len(re.sub(r"\s", "", document))


def _statement(sid: str, effect: str, action: str | Sequence[str], resource: str | Sequence[str]) -> dict[str, object]:
    return {"Sid": sid, "Effect": effect, "Action": action, "Resource": resource}


def _document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
