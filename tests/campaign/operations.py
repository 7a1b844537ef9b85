"""What is done to a stack, and what its program declares before and after."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FEW = ("payments/api",)
MORE = ("payments/api", "payments/web")
MANY = ("payments/api", *(f"payments/service-number-{index:03}" for index in range(60)))
"""More than an inline policy has room for."""
ALWAYS_READS, SOMETIMES_READS, NEVER_READS = "acme/web", "acme/api", "acme/docs"


@dataclass(frozen=True)
class Standing:
    """What the program declares.

    Attributes:
        exists: whether there is anything.
        generation: of the access key.
        keep: whether the key before stays Active after a rotation.
        api_reads: whether acme/api may pull too.
        repositories: of ECR.
        suspended: whether the user is denied everything.
        login: which of the other registry's two accounts is used.
        adopt: take over secrets that are there.
        retired: whether the key before the last rotation has been retired.
    """

    exists: bool = True
    generation: int = 1
    keep: bool = True
    api_reads: bool = False
    repositories: tuple[str, ...] = FEW
    suspended: bool = False
    login: int = 0
    adopt: bool = False
    retired: bool = True


@dataclass(frozen=True)
class Operation:
    """Something that is done to a stack.

    Attributes:
        name: as in the report.
        before: what the stack must be for it, from what it is.
        after: what the program declares then.
        command: of the CLI.
    """

    name: str
    after: Callable[[Standing], Standing]
    before: Callable[[Standing], Standing] = lambda standing: replace(standing, exists=True, suspended=False)
    command: str = "up"


def _ready(**changes: object) -> Callable[[Standing], Standing]:
    return lambda standing: replace(standing, **{"exists": True, "suspended": False, **changes})  # type: ignore[arg-type]


def _rotated(by: int) -> Callable[[Standing], Standing]:
    return lambda standing: replace(standing, generation=standing.generation + by, retired=False)


def _toggled_repositories(other: tuple[str, ...]) -> Callable[[Standing], Standing]:
    return lambda standing: replace(standing, repositories=FEW if standing.repositories == other else other)


def _with(repositories: tuple[str, ...]) -> Callable[[Standing], Standing]:
    """Ready for a change between a few repositories and these."""
    return lambda it: _ready(repositories=repositories if it.repositories == repositories else FEW)(it)


OPERATIONS = {
    one.name: one
    for one in (
        Operation("create", lambda it: replace(it, exists=True, generation=1), lambda it: Standing(exists=False)),
        Operation("destroy", lambda it: replace(it, exists=False), command="destroy"),
        Operation("rotation", _rotated(1), _ready(keep=True)),
        Operation("rotation by jump", _rotated(7), _ready(keep=True)),
        Operation("rotation, the key before is not kept", _rotated(1), _ready(keep=False, retired=True)),
        Operation(
            "retirement of the key before",
            lambda it: replace(it, retired=True),
            lambda it: _ready(keep=False)(_rotated(1)(it)),
        ),
        Operation("repository change", lambda it: replace(it, api_reads=not it.api_reads)),
        Operation("value change", lambda it: replace(it, login=1 - it.login)),
        Operation("policy change", _toggled_repositories(MORE), _with(MORE)),
        Operation("policy change past one document", _toggled_repositories(MANY), _with(MANY)),
        Operation("suspend", lambda it: replace(it, suspended=True)),
        Operation("resume", lambda it: replace(it, suspended=False), _ready(suspended=True)),
    )
}  # fmt: skip
