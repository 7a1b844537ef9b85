"""Divides repositories among IAM policies, each within IAM's limits, so that no update interrupts a listed repository.

Pulumi makes new policies first, updates the others in place and in any order, and deletes last. Two rules follow:

1. An update in place takes nothing from a repository that stays listed: its name alone decides which policy of a layout
   holds it. No other rule works: a packing that knows only the list, and never moves what it has packed, must be a
   function of each repository alone.
2. There are three layouts: one inline policy, one managed policy, and eight managed policies. Each layout already
   exists beside the previous one once that is three quarters full. So when one repository is added or removed, every
   other repository is in a policy that this update neither creates nor deletes. A jump across a whole overlap still
   creates policies before it deletes any.

A repository that the program passes as an Output counts with the longest possible name, like a repository that the
program creates. Once its name is known, the name decides which of the eight policies holds it. Until then all eight
policies exist, and a preview shows their documents as unknown. An Output that becomes known later moves nothing.

The price: names fill the eight policies by chance, so they hold fewer repositories than the tightest packing would
(usually about 400 repositories with names of 40 characters; eight full policies would hold 472). Near a border between
layouts, a repository is granted twice.

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
from .repository_arns import NAME_LIMIT, RepositoryArn, check_ecr_repository_name
from .wording import a_kind

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING: Mapping[str, str] = MappingProxyType({})
INLINE_LIMIT = 2048
"""The most characters in all inline policies of a user together."""
MANAGED_LIMIT = 6144
"""The most characters in one managed policy."""
SPREAD = 8
"""The policies of the widest layout. IAM attaches at most ten policies to a user. The ninth is the managed policy of
the previous layout, while both layouts exist. The tenth is left to others, such as AWS, which attaches a quarantine
policy when it finds a key in public."""

_PULL_INLINE_LIMIT = INLINE_LIMIT - characters(login_document(suspended=True))
_OVERLAP = 3 / 4
_LONGEST = ("aws-iso-f", "us-isof-south-1", "0" * 12)


@dataclass(frozen=True)
class NewRepository:
    """A repository that the program creates itself, so that its ARN is not known in advance.

    Attributes:
        label: the name of its resource, which decides where it is packed.
    """

    label: str

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class LaterRepository:
    """A repository whose name or ARN is an Output, which a preview may not know.

    Attributes:
        place: its place in the arguments, such as `ecr_repositories[3]`.
    """

    place: str

    def __str__(self) -> str:
        return self.place


ListedRepository = str | NewRepository | LaterRepository
"""A repository as a program lists it: a name, an ARN, a repository that it creates, or an Output of a name or ARN."""


@dataclass(frozen=True)
class PullPolicy:
    """A policy that grants the pull from a part of the repositories.

    Attributes:
        label: its name, the same in every update: `inline`, `managed`, or `managed-1` to `managed-8`.
        inline: whether it is an inline policy of the user instead of an attached managed policy.
        repositories: names, ARNs and new repositories as the program lists them.
        cache_prefixes: prefixes of pull-through caches.
        later: all Outputs of names or ARNs; this policy holds its share of them.
        number: the number of that share, 1 to 8; None if the policy holds all of them.
    """

    label: str
    inline: bool
    repositories: tuple[str | NewRepository, ...]
    cache_prefixes: tuple[str, ...] = ()
    later: tuple[LaterRepository, ...] = ()
    number: int | None = None

    @property
    def awaited(self) -> list[NewRepository | LaterRepository]:
        """The repositories whose names or ARNs the document still needs."""
        new = [repository for repository in self.repositories if isinstance(repository, NewRepository)]
        return [*new, *self.later]

    def arns(self, account: str, region: str, resolved: Mapping[str, object] = NOTHING) -> list[RepositoryArn]:
        """The repositories to pull from; a name means a repository of this account and Region.

        Args:
            account: the user's own account.
            region: the Region of the registry.
            resolved: the name or the ARN of each awaited repository.

        Raises:
            RuleViolation: the account or the Region is malformed, or an awaited repository has no name or ARN.
        """
        texts = [
            repository if isinstance(repository, str) else _text(resolved[repository.label], repository.label)
            for repository in self.repositories
        ]
        arns = [RepositoryArn.of(text, account, region) for text in texts]
        later = [
            RepositoryArn.of(_text(resolved[repository.place], repository.place), account, region, repository.place)
            for repository in self.later
        ]
        return arns + [arn for arn in later if self.number in (None, _number(arn.name))]

    def document(self, account: str, region: str, resolved: Mapping[str, object] = NOTHING) -> str:
        """The policy's JSON; see `arns` for the arguments.

        Raises:
            RuleViolation: an ARN is of another partition than the Region, the account or the Region is malformed, an
                awaited repository has no name or ARN, or the policy has no room for it.
        """
        arns = self.arns(account, region, resolved)
        caches = [RepositoryArn.of(f"{prefix}/*", account, region) for prefix in self.cache_prefixes]
        _check_partitions([RepositoryArn.of("*", account, region), *arns])
        document = pull_document(arns, caches)
        if self.later and not self.inline and characters(document) > MANAGED_LIMIT:
            raise _NoRoom(self.label, [arn.name for arn in arns], characters(document))
        return document

    @property
    def longest(self) -> int:
        """The most characters that the document can have, whatever account and Region the names turn out to mean.

        It does not count the Outputs if the policy holds only a share of them.
        """
        repositories = [*self.repositories, *(self.later if self.number is None else ())]
        arns = [_longest(repository, index) for index, repository in enumerate(repositories)]
        caches = [RepositoryArn(*_LONGEST, f"{prefix}/*") for prefix in self.cache_prefixes]
        return characters(pull_document(arns, caches))


def pack(
    repositories: Sequence[ListedRepository], cache_prefixes: Sequence[str] = (), tags: Mapping[str, str] = NOTHING
) -> tuple[PullPolicy, ...]:
    """Divide repositories among policies. The login policy, which keeps room for a suspension, is not one of them.

    The result depends only on what a preview knows: a name counts with the longest ARN that it can get, and a new or
    later repository counts with the longest possible name.

    Args:
        repositories: names in the user's own account and Region, and ARNs, both also as patterns with `*` and `?`; new
            repositories; and Outputs of names or ARNs.
        cache_prefixes: prefixes of pull-through caches in the user's own account and Region.
        tags: tags that select further repositories; an inline policy of its own grants those.

    Returns:
        The policies of one layout, or of two layouts if they overlap. In each layout, each repository is in one policy.

    Raises:
        RuleViolation: a name is malformed, the ARNs are of several partitions, no listed repository is under a cache's
            prefix, no repository is selected, or the repositories need more room than IAM has.
    """
    _check(repositories, cache_prefixes, tags)
    if not repositories:
        return ()
    named = {repository for repository in repositories if not isinstance(repository, LaterRepository)}
    later = tuple(repository for repository in repositories if isinstance(repository, LaterRepository))
    whole = PullPolicy("inline", True, tuple(sorted(named, key=str)), tuple(sorted(set(cache_prefixes))), later)
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
    repositories: dict[int, list[str | NewRepository]] = {}
    prefixes: dict[int, list[str]] = {}
    for repository in whole.repositories:
        repositories.setdefault(_number(_name(repository)), []).append(repository)
    for prefix in whole.cache_prefixes:
        prefixes.setdefault(_number(prefix), []).append(prefix)
    numbers = range(1, SPREAD + 1) if whole.later else sorted({*repositories, *prefixes})
    policies = [
        PullPolicy(
            f"managed-{number}",
            False,
            tuple(repositories.get(number, ())),
            tuple(prefixes.get(number, ())),
            whole.later,
            number if whole.later else None,
        )
        for number in numbers
    ]
    names = [_name(repository) for repository in (*whole.repositories, *whole.later)]
    fullest = max(policies, key=lambda policy: policy.longest)
    if fullest.longest > MANAGED_LIMIT:
        raise _NoRoom(fullest.label, names, fullest.longest, len(fullest.repositories))
    if whole.longest > SPREAD * MANAGED_LIMIT:
        raise _NoRoom(f"all {SPREAD} together", names, whole.longest, len(names), SPREAD * MANAGED_LIMIT)
    return policies


def _number(name: str) -> int:
    """The number of a name's policy, from 1 to 8. A different function here would move packed repositories."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % SPREAD + 1


def _name(repository: ListedRepository) -> str:
    """The name that decides where a repository is packed. To replace a name by its ARN later moves nothing."""
    if not isinstance(repository, str):
        return str(repository)
    return RepositoryArn.parse(repository).name if _is_arn(repository) else repository


def _longest(repository: ListedRepository, index: int) -> RepositoryArn:
    """The longest ARN that a repository can have; the ARNs of new and later repositories differ by `index`."""
    if not isinstance(repository, str):
        return RepositoryArn(*_LONGEST, f"{index:03}".rjust(NAME_LIMIT, "x"))
    return RepositoryArn.parse(repository) if _is_arn(repository) else RepositoryArn(*_LONGEST, repository)


def _is_arn(repository: ListedRepository) -> bool:
    return isinstance(repository, str) and repository.startswith("arn:")


def _text(value: object, place: str) -> str:
    """The value of a resolved Output, if it is a text.

    Raises:
        RuleViolation: it is not a text. An output that a stack does not have resolves to None.
    """
    if not isinstance(value, str):
        raise RuleViolation(
            place, f"{place} is {a_kind(value)}; an Output here must be the name or the ARN of an ECR repository."
        )
    return value


class _NoRoom(RuleViolation):
    def __init__(
        self, label: str, names: Sequence[str], size: int, members: int | None = None, limit: int = MANAGED_LIMIT
    ) -> None:
        heads = Counter(name.split("/")[0] for name in names if "/" in name)
        prefix = "'team/*'"
        if heads:
            head, number = heads.most_common(1)[0]
            prefix = f"'{head}/*' in place of {number} of them"
        super().__init__(
            "ecr_repositories",
            f"ecr_repositories: {len(names)} repositories do not fit into the IAM policies of a user. They are divided "
            f"by name among {SPREAD} managed policies, and {label} would need {size:,} characters for "
            f"{members or len(names)} of them; the limit is {limit:,} "
            "(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html). List a prefix: "
            f"{prefix}; or select by tag (ecr_repository_tags); or divide the repositories among several components, "
            "each for the codespaces of other repositories.",
        )


def _check(repositories: Sequence[ListedRepository], cache_prefixes: Sequence[str], tags: Mapping[str, str]) -> None:
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
    for index, repository in enumerate(repositories):
        argument = f"ecr_repositories[{index}]"
        if not isinstance(repository, str):
            continue
        if _is_arn(repository):
            arns.append(RepositoryArn.parse(repository, argument))
        else:
            check_ecr_repository_name(repository, argument)
    _check_partitions(arns)
    # An Output may turn out to be any name.
    names = ["*" if isinstance(repository, LaterRepository) else _name(repository) for repository in repositories]
    for index, prefix in enumerate(cache_prefixes):
        _check_cache_prefix(prefix, f"pull_through_cache_prefixes[{index}]", names)


def _check_texts(argument: str, value: object) -> None:
    """Refuse a value that a program could pass by mistake, such as a text instead of a list of texts."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise RuleViolation(argument, f"{argument} is {a_kind(value)}; give a list of names, such as ['payments/api'].")
    for index, item in enumerate(cast("Sequence[object]", value)):
        if isinstance(item, (str, NewRepository, LaterRepository)):
            continue
        place = f"{argument}[{index}]"
        way_out = "write the prefix as plain text, since the number of policies depends on its length."
        if argument == "ecr_repositories":
            way_out = "give the name or the ARN of a repository, or an aws.ecr.Repository."
        raise RuleViolation(place, f"{place} is {a_kind(item)}; {way_out}")


def _check_partitions(arns: Sequence[RepositoryArn]) -> None:
    for arn in arns:
        if arn.partition != arns[0].partition:
            raise RuleViolation(
                "ecr_repositories",
                f"ecr_repositories: {str(arn)!r} is in another partition than {arns[0].partition!r}. A user cannot "
                "pull across partitions; create another component with a provider for that partition.",
            )


def _check_cache_prefix(prefix: str, argument: str, names: Iterable[str]) -> None:
    if any(character in prefix for character in "*?") or prefix in ("", "ROOT"):
        raise RuleViolation(
            argument,
            f"{argument} {prefix!r}: give the prefix of one cache rule, such as 'docker-hub'; with a pattern, a pull "
            "could create repositories anywhere in the registry.",
        )
    check_ecr_repository_name(prefix.removesuffix("/"), argument)
    if prefix.endswith("/"):
        raise RuleViolation(argument, f"{argument} {prefix!r}: remove the slash at the end: {prefix[:-1]!r}.")
    if not any(_may_be_under(name, f"{prefix}/") for name in names):
        raise RuleViolation(
            argument,
            f"{argument} {prefix!r}: no listed repository has this prefix, so nothing can be pulled through the cache; "
            f"add '{prefix}/*', or the repositories that are needed, to ecr_repositories.",
        )


def _may_be_under(name: str, folder: str) -> bool:
    literal = name.replace("?", "*").partition("*")[0]
    return name.startswith(folder) or (literal != name and folder.startswith(literal))
