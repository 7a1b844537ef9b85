"""Divides repositories among IAM policies, each within IAM's limits, so that no update interrupts a listed repository.

Pulumi makes new policies first, updates the others in place and in any order, and deletes last. Two rules follow:

1. An update in place takes nothing from a repository that stays listed: which policy of a layout holds it depends on
   its name alone. Nothing else would do: a packing that knows only the list, and never moves what it has packed, comes
   down to a function of each repository alone.
2. There are three layouts: one inline policy, one managed policy, eight managed policies. Each is there beside the one
   before it from three quarters of what that one holds, so that one repository more or less finds every other in a
   policy which neither comes nor goes. A jump across a whole overlap still makes before it deletes.

The price: names fill the eight policies by chance, so they hold fewer than the tightest packing would (usually some
400 repositories with names of 40 characters, where eight full policies had 472), and near a border a repository is
granted twice.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from . import RuleViolation
from .policies import characters, check_tags, login_document, pull_document, tagged_document
from .repository_arns import NAME_LIMIT, RepositoryArn, check_repository_name

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING: Mapping[str, str] = MappingProxyType({})
INLINE_LIMIT = 2048
"""Characters of all inline policies of a user together."""
MANAGED_LIMIT = 6144
"""Characters of one managed policy."""
SPREAD = 8
"""Policies of the widest layout. IAM attaches ten to a user: a ninth is the managed policy of the layout before, while
both are there, and one is left to others, such as AWS, which attaches a quarantine when it finds a key in public."""

_PULL_INLINE_LIMIT = INLINE_LIMIT - characters(login_document(suspended=True))
_OVERLAP = 3 / 4
_LONGEST = ("aws-iso-f", "us-isof-south-1", "0" * 12)


@dataclass(frozen=True)
class NewRepository:
    """A repository that the program makes itself, whose ARN is not known before it is made.

    Attributes:
        label: the name of its resource, by which it is packed.
    """

    label: str

    def __str__(self) -> str:
        return self.label


Given = str | NewRepository
"""A repository as a program gives it: a name, an ARN, or what it makes itself."""


@dataclass(frozen=True)
class PullPolicy:
    """A policy that grants the pull from some of the repositories.

    Attributes:
        label: what it is called in every update that has it: `inline`, `managed`, or `managed-1` to `managed-8`.
        inline: whether it is an inline policy of the user, and not a managed policy that is attached.
        repositories: names, ARNs and new repositories as the program gives them.
        cache_prefixes: prefixes of pull-through caches.
    """

    label: str
    inline: bool
    repositories: tuple[Given, ...]
    cache_prefixes: tuple[str, ...] = ()

    def arns(self, account: str, region: str, made: Mapping[str, str] = NOTHING) -> list[RepositoryArn]:
        """What may be pulled from; a name means a repository of this account and Region.

        Args:
            account: the user's own account.
            region: the Region of the registry.
            made: label -> ARN of the repositories that were new.

        Raises:
            RuleViolation: the account or the Region is malformed.
        """
        return [
            RepositoryArn.of(made[given.label] if isinstance(given, NewRepository) else given, account, region)
            for given in self.repositories
        ]

    def document(self, account: str, region: str, made: Mapping[str, str] = NOTHING) -> str:
        """The policy's JSON; see `arns`.

        Raises:
            RuleViolation: an ARN is of another partition than the Region, or account or Region are malformed.
        """
        arns = self.arns(account, region, made)
        caches = [RepositoryArn.of(f"{prefix}/*", account, region) for prefix in self.cache_prefixes]
        _check_partitions([RepositoryArn.of("*", account, region), *arns])
        return pull_document(arns, caches)

    @property
    def longest(self) -> int:
        """The most characters that the document can have, whatever account and Region names come to mean."""
        arns = [_longest(given, index) for index, given in enumerate(self.repositories)]
        caches = [RepositoryArn(*_LONGEST, f"{prefix}/*") for prefix in self.cache_prefixes]
        return characters(pull_document(arns, caches))


def pack(
    repositories: Sequence[Given], cache_prefixes: Sequence[str] = (), tags: Mapping[str, str] = NOTHING
) -> tuple[PullPolicy, ...]:
    """Divide repositories among policies, beside the login policy, with room left in it for a suspension.

    The result depends on nothing that a preview may not know: a name counts with the longest ARN that it can get, and a
    new repository with the longest name.

    Args:
        repositories: names in the user's own account and Region, and ARNs, both also as patterns with `*` and `?`; and
            new repositories.
        cache_prefixes: prefixes of pull-through caches in the user's own account and Region.
        tags: those that select further repositories, by an inline policy of their own.

    Returns:
        The policies of one layout, or of two where they overlap; each layout has each repository in one policy.

    Raises:
        RuleViolation: a malformed name, ARNs of several partitions, a cache from which nothing may be pulled, no
            repository at all, or more than IAM has room for.
    """
    _check(repositories, cache_prefixes, tags)
    if not repositories:
        return ()
    whole = PullPolicy("inline", True, tuple(sorted(set(repositories), key=str)), tuple(sorted(set(cache_prefixes))))
    size = whole.longest
    inline_limit = _PULL_INLINE_LIMIT
    if tags:
        partition, region, account = _LONGEST
        inline_limit -= characters(tagged_document(partition, region, account, tags))
    policies: list[PullPolicy] = []
    if size <= inline_limit:
        policies.append(whole)
    if _OVERLAP * inline_limit < size <= MANAGED_LIMIT:
        policies.append(replace(whole, label="managed", inline=False))
    if size > _OVERLAP * MANAGED_LIMIT:
        policies.extend(_spread(whole))
    return tuple(policies)


def _spread(whole: PullPolicy) -> list[PullPolicy]:
    repositories: dict[int, list[Given]] = {}
    prefixes: dict[int, list[str]] = {}
    for given in whole.repositories:
        repositories.setdefault(_number(_name(given)), []).append(given)
    for prefix in whole.cache_prefixes:
        prefixes.setdefault(_number(prefix), []).append(prefix)
    policies = [
        PullPolicy(f"managed-{number}", False, tuple(repositories.get(number, ())), tuple(prefixes.get(number, ())))
        for number in sorted({*repositories, *prefixes})
    ]
    fullest = max(policies, key=lambda policy: policy.longest)
    if fullest.longest > MANAGED_LIMIT:
        raise RuleViolation("ecr_repositories", _too_many(whole, fullest))
    return policies


def _number(name: str) -> int:
    """Which of the eight policies a name belongs to. Another function here would move what is packed already."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % SPREAD + 1


def _name(given: Given) -> str:
    """The name of a repository, by which it is packed, so that writing it out as an ARN later moves nothing."""
    if isinstance(given, NewRepository):
        return given.label
    return RepositoryArn.parse(given).name if _is_arn(given) else given


def _longest(given: Given, index: int) -> RepositoryArn:
    """The longest ARN that a repository can have; new ones differ from each other."""
    if isinstance(given, NewRepository):
        return RepositoryArn(*_LONGEST, f"{index:03}".rjust(NAME_LIMIT, "x"))
    return RepositoryArn.parse(given) if _is_arn(given) else RepositoryArn(*_LONGEST, given)


def _is_arn(given: Given) -> bool:
    return isinstance(given, str) and given.startswith("arn:")


def _too_many(whole: PullPolicy, fullest: PullPolicy) -> str:
    heads = Counter(name.split("/")[0] for given in whole.repositories if "/" in (name := _name(given)))
    prefix = next((f"'{head}/*' in place of {members} of them" for head, members in heads.most_common(1)), "'team/*'")
    return (
        f"ecr_repositories: {len(whole.repositories)} repositories are more than IAM has room for. They are divided "
        f"among {SPREAD} managed policies by their names, and {fullest.label} would have {len(fullest.repositories)} "
        f"of them in {fullest.longest:,} characters of {MANAGED_LIMIT:,} "
        f"(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html). List a prefix: {prefix}; or "
        "select by tag (ecr_repository_tags); or "
        "divide the repositories among several components, each for the codespaces of other repositories."
    )


def _check(repositories: Sequence[Given], cache_prefixes: Sequence[str], tags: Mapping[str, str]) -> None:
    _check_texts("ecr_repositories", repositories)
    _check_texts("pull_through_cache_prefixes", cache_prefixes)
    check_tags(tags)
    if not repositories and not tags:
        raise RuleViolation(
            "ecr_repositories",
            "ecr_repositories is empty: list at least one repository to pull from, or 'prefix/*'; or select by "
            "ecr_repository_tags.",
        )
    arns: list[RepositoryArn] = []
    for index, given in enumerate(repositories):
        argument = f"ecr_repositories[{index}]"
        if isinstance(given, NewRepository):
            continue
        if _is_arn(given):
            arns.append(RepositoryArn.parse(given, argument))
        else:
            check_repository_name(given, argument)
    _check_partitions(arns)
    names = [_name(given) for given in repositories]
    for index, prefix in enumerate(cache_prefixes):
        _check_cache_prefix(prefix, f"pull_through_cache_prefixes[{index}]", names)


def _check_texts(argument: str, given: object) -> None:
    """Refuse what a program could pass by mistake: one text, or the Outputs of repositories that it makes."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        text = f"{argument} must be a list of plain texts, such as ['payments/api'], not a {type(given).__name__}."
        raise RuleViolation(argument, text)
    for index, one in enumerate(cast("Sequence[object]", given)):
        if not isinstance(one, (str, NewRepository)):
            instead = ", or give an aws.ecr.Repository" if argument == "ecr_repositories" else ""
            raise RuleViolation(
                f"{argument}[{index}]",
                f"{argument}[{index}] is a {type(one).__name__}; write the name as a plain text{instead}, since the "
                "number of policies that the names fill must be known before anything is made.",
            )


def _check_partitions(arns: Sequence[RepositoryArn]) -> None:
    for arn in arns:
        if arn.partition != arns[0].partition:
            raise RuleViolation(
                "ecr_repositories",
                f"ecr_repositories: {str(arn)!r} is a repository of another partition than {arns[0].partition!r}. A "
                "user of one partition cannot pull in another; make a component with a provider of that partition.",
            )


def _check_cache_prefix(prefix: str, argument: str, names: Iterable[str]) -> None:
    if any(character in prefix for character in "*?") or prefix in ("", "ROOT"):
        raise RuleViolation(
            argument,
            f"{argument} {prefix!r}: give the prefix of one cache rule, such as 'docker-hub'; with anything wider a "
            "pull could create repositories anywhere in the registry.",
        )
    check_repository_name(prefix.removesuffix("/"), argument)
    if prefix.endswith("/"):
        raise RuleViolation(argument, f"{argument} {prefix!r}: leave out the slash at its end: {prefix[:-1]!r}.")
    if not any(_may_be_under(name, f"{prefix}/") for name in names):
        raise RuleViolation(
            argument,
            f"{argument} {prefix!r}: no listed repository is under it, so nothing could be pulled through the cache; "
            f"add '{prefix}/*', or what of it is needed, to ecr_repositories.",
        )


def _may_be_under(name: str, folder: str) -> bool:
    literal = name.replace("?", "*").partition("*")[0]
    return name.startswith(folder) or (literal != name and folder.startswith(literal))
