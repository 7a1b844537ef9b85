"""The operations on a stack, and the declarations of its program before and after."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FEW = ("payments/api",)
MORE = ("payments/api", "payments/web")


def _services(count: int) -> tuple[str, ...]:
    return ("payments/api", *map(_service, range(count)))


def _service(index: int) -> str:
    return f"payments/service-number-{index:03}"


MANY = _services(30)
"""More than the inline policy has room for, so that there is one managed policy."""
MANY_AND_ONE = _services(31)
MOST = _services(60)
"""So many that there are nine managed policies."""
WATCHED = (*MORE, *map(_service, (0, 30, 59)))
"""The repositories of ECR that have an image which codespaces try to pull."""
ALWAYS_READS, SOMETIMES_READS, NEVER_READS = "acme/web", "acme/api", "acme/docs"


@dataclass(frozen=True)
class Standing:
    """The declarations of the program.

    Attributes:
        exists: whether it declares anything.
        generation: of the access key.
        keep: whether the previous key stays Active after a rotation.
        api_reads: whether acme/api may pull too.
        repositories: of ECR.
        suspended: whether the user is denied everything.
        login: the index of the account at the other registry, 0 or 1.
        adopt: whether to take over existing secrets.
        retired: whether the previous key has been retired.
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
    """An operation on a stack.

    Attributes:
        name: as in the report.
        before: the current declarations -> the declarations that the operation starts from.
        after: those -> the declarations after the operation.
        command: the command of the CLI.
        each: whether faults happen at each of its requests. Otherwise they happen only at the first and the last of the
            equal requests that the AWS provider makes for each of nine policies.
    """

    name: str
    after: Callable[[Standing], Standing]
    before: Callable[[Standing], Standing] = lambda standing: replace(standing, exists=True, suspended=False)
    command: str = "up"
    each: bool = True


def _ready(**changes: object) -> Callable[[Standing], Standing]:
    return lambda standing: replace(standing, **{"exists": True, "suspended": False, **changes})  # type: ignore[arg-type]


def _rotated(by: int) -> Callable[[Standing], Standing]:
    return lambda standing: replace(standing, generation=standing.generation + by, retired=False)


def _never_rotated(standing: Standing) -> Standing:
    return standing if standing.exists and standing.generation == 1 else Standing()


def _of_two_keys(standing: Standing) -> Standing:
    """Ready for the rotation of a user with two keys, which is every rotation but the first."""
    two = standing.exists and not standing.retired
    return _ready(keep=True)(standing if two else _rotated(1)(standing))


def _set(**changes: object) -> Callable[[Standing], Standing]:
    return lambda standing: replace(standing, **changes)  # type: ignore[arg-type]


def _one_more_or_less(standing: Standing) -> Standing:
    return replace(standing, repositories=MANY if standing.repositories == MANY_AND_ONE else MANY_AND_ONE)


def _with_many(standing: Standing) -> Standing:
    choices = (MANY, MANY_AND_ONE)
    return _ready(repositories=standing.repositories if standing.repositories in choices else MANY)(standing)


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("create", _set(exists=True, generation=1), lambda standing: Standing(exists=False)),
        Operation("the first rotation", _rotated(1), _never_rotated),
        Operation("destroy", _set(exists=False), _ready(repositories=FEW), command="destroy"),
        Operation("rotation", _rotated(1), _of_two_keys),
        Operation("rotation by jump", _rotated(7), _of_two_keys),
        Operation("rotation, the key before is not kept", _rotated(1), _ready(keep=False, retired=True)),
        Operation(
            "retirement of the key before",
            _set(retired=True),
            lambda standing: _ready(keep=False)(_rotated(1)(standing)),
        ),
        Operation("a repository joins", _set(api_reads=True), _ready(api_reads=False)),
        Operation("a repository leaves", _set(api_reads=False), _ready(api_reads=True)),
        Operation("value change", lambda standing: replace(standing, login=1 - standing.login)),
        Operation("a wider policy", _set(repositories=MORE), _ready(repositories=FEW)),
        Operation("a narrower policy", _set(repositories=FEW), _ready(repositories=MORE)),
        Operation("a policy past one document", _set(repositories=MANY), _ready(repositories=FEW)),
        Operation("a policy back in one document", _set(repositories=FEW), _ready(repositories=MANY)),
        Operation("change of a managed policy", _one_more_or_less, _with_many),
        Operation("a policy of nine documents", _set(repositories=MOST), _ready(repositories=FEW), each=False),
        Operation("suspend", _set(suspended=True)),
        Operation("resume", _set(suspended=False), _ready(suspended=True)),
    )
}
TURNS = (
    ("create", "the first rotation", "destroy"),
    ("a repository joins", "a repository leaves"),
    ("a wider policy", "a narrower policy"),
    ("a policy past one document", "a policy back in one document"),
    ("suspend", "resume"),
)
"""Operations that take turns, since each leaves what the next begins with."""
