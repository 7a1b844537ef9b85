"""ARNs and names of ECR repositories, and the AWS partitions they belong to.

Sources: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html (names),
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html (ARNs),
https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json (partitions)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import RuleViolation

PARTITIONS = {
    "aws": (re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d+"), "amazonaws.com"),
    "aws-cn": (re.compile(r"cn-[a-z]+-\d+"), "amazonaws.com.cn"),
    "aws-us-gov": (re.compile(r"us-gov-[a-z]+-\d+"), "amazonaws.com"),
    "aws-eusc": (re.compile(r"eusc-de-[a-z]+-\d+"), "amazonaws.eu"),
    "aws-iso": (re.compile(r"us-iso-[a-z]+-\d+"), "c2s.ic.gov"),
    "aws-iso-b": (re.compile(r"us-isob-[a-z]+-\d+"), "sc2s.sgov.gov"),
    "aws-iso-e": (re.compile(r"eu-isoe-[a-z]+-\d+"), "cloud.adc-e.uk"),
    "aws-iso-f": (re.compile(r"us-isof-[a-z]+-\d+"), "csp.hci.ic.gov"),
}
"""Partition -> the pattern of its Regions' names, and the domain of its ECR registries."""
_ACCOUNT = re.compile(r"[0-9]{12}")
_NAME_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_NAME_PART}(?:/{_NAME_PART})*")
_PATTERN = re.compile(r"[a-z0-9._/*?-]+")
_HOST_BEFORE_NAME = re.compile(r"[0-9]{12}\.dkr[.-]ecr[^/]*/")
NAME_LIMIT = 256
"""The most characters in a repository's name."""
_NAMES_PAGE = "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html"


def partition_of(region: str, argument: str = "region") -> str:
    """The AWS partition of a Region.

    Raises:
        RuleViolation: no partition has a Region with such a name.
    """
    for partition, (pattern, _) in PARTITIONS.items():
        if pattern.fullmatch(region):
            return partition
    raise RuleViolation(argument, f"{argument} {region!r} is not an AWS Region; use a name such as 'eu-west-1'.")


def check_account(account: str, argument: str = "account") -> None:
    """Check an AWS account id.

    Raises:
        RuleViolation: the id does not consist of 12 digits.
    """
    if not _ACCOUNT.fullmatch(account):
        raise RuleViolation(
            argument,
            f"{argument} {account!r}: an AWS account id has 12 digits; YAML without quotes drops a leading 0.",
        )


@dataclass(frozen=True)
class RepositoryArn:
    """The ARN of an ECR repository, or a pattern of ARNs with `*` or `?` in the name (`*` also matches `/`).

    Attributes:
        partition: the AWS partition.
        region: the Region, or `*`.
        account: the 12 digits of the account that owns the repository.
        name: the repository's name or a pattern.
    """

    partition: str
    region: str
    account: str
    name: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{self.name}"

    @classmethod
    def parse(cls, arn: str, argument: str = "ecr_repositories") -> RepositoryArn:
        """Parse an ARN.

        Raises:
            RuleViolation: it is not the ARN of a repository, or its Region is not in its partition.
        """
        parts = arn.split(":", 5)
        if len(parts) != 6 or (parts[0], parts[2]) != ("arn", "ecr") or not parts[5].startswith("repository/"):
            raise RuleViolation(
                argument,
                f"{argument} {arn!r} is not the ARN of an ECR repository; use "
                "arn:<partition>:ecr:<region>:<account>:repository/<name>, or the repository's name alone.",
            )
        _, partition, _, region, account, resource = parts
        if partition not in PARTITIONS:
            raise RuleViolation(argument, f"{argument} {arn!r}: its partition must be one of {', '.join(PARTITIONS)}.")
        home = partition if region == "*" else partition_of(region, argument)
        if home != partition:
            raise RuleViolation(
                argument, f"{argument} {arn!r}: Region {region} is in partition {home}; write arn:{home}:…"
            )
        check_account(account, argument)
        name = resource.removeprefix("repository/")
        check_ecr_repository_name(name, argument)
        return cls(partition, region, account, name)

    @classmethod
    def of(cls, repository: str, account: str, region: str, argument: str = "ecr_repositories") -> RepositoryArn:
        """The ARN of a repository, from its ARN or from its name in an account and a Region.

        Raises:
            RuleViolation: the name, the ARN, the account or the Region is malformed.
        """
        if repository.startswith("arn:"):
            return cls.parse(repository, argument)
        check_account(account)
        check_ecr_repository_name(repository, argument)
        return cls(partition_of(region), region, account, repository)


def check_ecr_repository_name(name: str, argument: str = "ecr_repositories") -> None:
    """Check the name of an ECR repository, or a pattern of names.

    Raises:
        RuleViolation: ECR does not allow such a name, so the grant would have no effect.
    """
    is_pattern = "*" in name or "?" in name
    rule = _PATTERN if is_pattern else _NAME
    if len(name) > NAME_LIMIT or (len(name) < 2 and not is_pattern):
        text = f"{argument} {name!r}: a repository's name has 2 to 256 characters ({_NAMES_PAGE})."
        raise RuleViolation(argument, text)
    host = _HOST_BEFORE_NAME.match(name)
    if not host and rule.fullmatch(name):
        return
    untagged = re.split("[:@]", name, maxsplit=1)[0]
    if host:
        way_out = f"leave out the registry's host: {name[host.end() :]!r}"
    elif _NAME.fullmatch(untagged):
        way_out = f"leave out the tag and the digest, because permissions are for whole repositories: {untagged!r}"
    elif rule.fullmatch(name.lower()):
        way_out = f"ECR's names are lower-case: {name.lower()!r}"
    else:
        way_out = "each part between slashes consists of a-z and 0-9, joined by a single . or _, by __ or by -"
    raise RuleViolation(
        argument, f"{argument} {name!r} is not a valid name of an ECR repository; {way_out} ({_NAMES_PAGE})."
    )
