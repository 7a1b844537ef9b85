"""What is accepted as one repository of GitHub: its name, or a `github.Repository`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from .rules import RuleViolation
from .rules.wording import a_kind

if TYPE_CHECKING:
    from typing import TypeAlias

    import pulumi_github
    from typing_extensions import TypeIs

    OneRepository: TypeAlias = pulumi.Input[str] | pulumi_github.Repository
    """The name of a repository, or a `github.Repository`."""
else:
    # What a program in another language can say.
    OneRepository = pulumi.Input[str]


def is_repository(given: object) -> TypeIs[pulumi_github.Repository]:
    """Whether an argument is a `github.Repository`, without loading that package."""
    # An Output has every attribute, as an Output of what its value has.
    return not isinstance(given, pulumi.Output) and isinstance(getattr(given, "repo_id", None), pulumi.Output)


def check_repository(given: OneRepository) -> None:
    """Check the kind of what a component's argument `repository` is, before anything is registered.

    Raises:
        RuleViolation: it is neither a name nor a repository.
    """
    if not isinstance(given, (str, pulumi.Output)) and not is_repository(given):
        raise RuleViolation(
            "repository",
            f"repository is {a_kind(given)}; write a repository's name, or give a github.Repository.",
        )


def name_of(given: OneRepository) -> pulumi.Input[str]:
    """The name of a repository that was given as either."""
    return given.name if is_repository(given) else given
