"""An argument that is one repository of GitHub: its name, or a `github.Repository`."""

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
    # The form for programs in other languages.
    OneRepository = pulumi.Input[str]


def is_repository(value: object) -> TypeIs[pulumi_github.Repository]:
    """Whether an argument is a `github.Repository`, without loading that package."""
    # An Output has every attribute: each is an Output of that attribute of its value.
    return not isinstance(value, pulumi.Output) and isinstance(getattr(value, "repo_id", None), pulumi.Output)


def check_repository(repository: OneRepository) -> None:
    """Check the type of the argument `repository` before anything is registered.

    Raises:
        RuleViolation: the argument is neither a name nor a repository.
    """
    if not isinstance(repository, (str, pulumi.Output)) and not is_repository(repository):
        raise RuleViolation(
            "repository",
            f"repository is {a_kind(repository)}; write a repository's name, or give a github.Repository.",
        )


def name_of(repository: OneRepository) -> pulumi.Input[str]:
    """The name of the repository."""
    return repository.name if is_repository(repository) else repository
