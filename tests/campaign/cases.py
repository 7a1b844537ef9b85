"""Which cases there are: every fault that fits, at every request that an operation makes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .contenders import CONTENDERS
from .faults import FAULTS
from .operations import OPERATIONS
from .trial import Bench, Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .faults import Target

TWO_IN_A_ROW = ("rotation", "rotation, the key before is not kept")
"""Operations whose failed publication is followed by another generation."""
_LASTING = ("502 at each try", "503 from everything from then on", "connection reset at each try, handled",
            "401, the token is revoked", "SIGKILL to the plugin", "SIGKILL to everything", "AWS 503 at each try",
            "AWS connection reset at each try, handled")  # fmt: skip
_PUBLISHES = "PUT /orgs/acme/codespaces/secrets/PAYMENTS"


def requests(contender: str, operations: Sequence[str]) -> dict[str, list[Target]]:
    """The requests that operations make if nothing goes wrong."""
    with Bench(contender) as bench:
        return {name: bench.requests_of(OPERATIONS[name]) for name in operations}


def all_cases(contender: str, made: dict[str, list[Target]], faults: Iterable[str] | None = None) -> list[Case]:
    """Every case: each fault at each request, and two faults in a row where a publication fails."""
    names = list(faults or FAULTS)
    cases: list[Case] = []
    for operation in CONTENDERS[contender].operations:
        for target in made.get(operation, []):
            fitting = [name for name in names if FAULTS[name].fits(target)]
            cases += [Case(contender, operation, target, name) for name in fitting]
            if contender == "ours" and operation in TWO_IN_A_ROW and _may_fail_a_publication(target):
                cases += [
                    Case(contender, operation, target, name, then)
                    for name in fitting
                    if name in _LASTING
                    for then in ("raised", "reverted")
                ]
    return cases


def _may_fail_a_publication(target: Target) -> bool:
    return target.call.startswith(_PUBLISHES) or target.call in ("iam.CreateAccessKey", "ecr.GetAuthorizationToken")


def chunks(cases: Sequence[Case], seed: int, size: int = 24) -> list[list[Case]]:
    """The cases in an order that the seed decides, in portions that one stack carries out one after the other.

    Each portion is of one operation, since a stack would have to be changed between two; but what creates and what
    destroys take turns.
    """
    order = random.Random(seed)
    by_operation: dict[str, list[Case]] = {}
    for case in cases:
        by_operation.setdefault(case.operation, []).append(case)
    for some in by_operation.values():
        order.shuffle(some)
    portions: list[list[Case]] = []
    for one, other in (("create", "destroy"), ("suspend", "resume")):
        turns = [by_operation.pop(one, []), by_operation.pop(other, [])]
        mixed = [case for pair in zip(*turns, strict=False) for case in pair]
        shorter = min(len(some) for some in turns)
        mixed += [case for some in turns for case in some[shorter:]]
        portions += _portions(mixed, size)
    for some in by_operation.values():
        portions += _portions(some, size)
    order.shuffle(portions)
    return portions


def sample(cases: Sequence[Case], seed: int, count: int) -> list[Case]:
    """So many of the cases, with every operation and every fault among them as far as they reach."""
    order = random.Random(seed)
    mixed = list(cases)
    order.shuffle(mixed)
    seen: set[tuple[str, str]] = set()
    first = [one for one in mixed if not ({("o", one.operation), ("f", one.fault)} <= seen or seen.update(
        {("o", one.operation), ("f", one.fault)}))]  # fmt: skip
    return (first + [one for one in mixed if one not in first])[:count]


def _portions(cases: Sequence[Case], size: int) -> list[list[Case]]:
    return [list(cases[start : start + size]) for start in range(0, len(cases), size)]
