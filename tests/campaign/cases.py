"""The cases: every fault that fits, at every request that an operation makes."""

from __future__ import annotations

import random
from itertools import zip_longest
from typing import TYPE_CHECKING

from .contenders import CONTENDERS
from .faults import FAULTS
from .operations import OPERATIONS, TURNS
from .trial import Bench, Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .faults import Target

TWO_IN_A_ROW = ("rotation", "rotation, the key before is not kept")
"""Operations whose failed publication is followed by another update, which fails too or does not."""
NEXT = ("raised", "reverted", "raised and failing", "repeated and failing", "reverted and failing")
"""What that update does with the generation; repeated without a fault is the recovery of every case."""
_LASTING = ("502 at each try", "503 from everything from then on", "connection reset at each try, handled",
            "401, the token is revoked", "SIGKILL to the plugin", "SIGKILL to everything", "AWS 503 at each try",
            "AWS connection reset at each try, handled")  # fmt: skip
_TWICE = ("sts.AssumeRole",)
"""Calls that the AWS provider makes twice when its configuration is checked, and twice when it is used."""
_PUBLISHES = "PUT /orgs/acme/codespaces/secrets/PAYMENTS"


def requests(contender: str, operations: Sequence[str]) -> dict[str, list[Target]]:
    """The requests of operations without a fault."""
    with Bench(contender) as bench:
        return {name: bench.requests_of(OPERATIONS[name]) for name in operations}


def all_cases(contender: str, made: dict[str, list[Target]], faults: Iterable[str] | None = None) -> list[Case]:
    """Every case: each fault at each request, and two faults in a row where a publication fails."""
    names = list(faults or FAULTS)
    cases: list[Case] = []
    for operation in CONTENDERS[contender].operations:
        for target in _struck(operation, made.get(operation, [])):
            fitting = [name for name in names if FAULTS[name].fits(target)]
            cases += [Case(contender, operation, target, name) for name in fitting]
            if contender == "ours" and operation in TWO_IN_A_ROW and _may_fail_a_publication(target):
                cases += [
                    Case(contender, operation, target, name, then)
                    for name in fitting
                    if name in _LASTING
                    for then in NEXT
                ]
    return cases


def _struck(operation: str, targets: Sequence[Target]) -> list[Target]:
    """The requests of an operation at which faults happen."""
    last = {target.call: target for target in targets}
    return [
        target
        for target in targets
        if (OPERATIONS[operation].each and target.call not in _TWICE)
        or target.number == 1
        or target == last[target.call]
    ]


def _may_fail_a_publication(target: Target) -> bool:
    return target.number == 1 and target.call.startswith(
        (_PUBLISHES, "iam.CreateAccessKey", "ecr.GetAuthorizationToken")
    )


def chunks(cases: Sequence[Case], seed: int, size: int = 24) -> list[list[Case]]:
    """The cases, shuffled by the seed, in portions that one stack runs one after the other.

    Each portion has one operation, since a change of operation costs an update; but some operations take turns.
    """
    order = random.Random(seed)
    by_operation: dict[str, list[Case]] = {}
    for case in cases:
        by_operation.setdefault(case.operation, []).append(case)
    for of_operation in by_operation.values():
        order.shuffle(of_operation)
    portions: list[list[Case]] = []
    for names in TURNS:
        rounds = zip_longest(*(by_operation.pop(name, []) for name in names))
        portions += _portions([case for turn in rounds for case in turn if case], size)
    for of_operation in by_operation.values():
        portions += _portions(of_operation, size)
    order.shuffle(portions)
    return portions


def in_common(cases: Iterable[Case], *others: Iterable[Case]) -> list[Case]:
    """The cases that all other contenders have too, in the same order for every contender."""
    names_of_others = [{_without_contender(case) for case in group} for group in others]
    common = [case for case in cases if all(_without_contender(case) in names for names in names_of_others)]
    return sorted(common, key=_without_contender)


def _without_contender(case: Case) -> str:
    return case.name.partition(" | ")[2]


def sample(cases: Sequence[Case], seed: int, count: int) -> list[Case]:
    """A sample of this size: evenly spread over the operations, with as many different faults as possible."""
    order = random.Random(seed)
    mixed = list(cases)
    order.shuffle(mixed)
    by_operation: dict[str, list[Case]] = {}
    for case in mixed:
        by_operation.setdefault(case.operation, []).append(case)
    taken: list[Case] = []
    faults: set[str] = set()
    while len(taken) < count and any(by_operation.values()):
        for of_operation in by_operation.values():
            if of_operation and len(taken) < count:
                case = next((candidate for candidate in of_operation if candidate.fault not in faults), of_operation[0])
                of_operation.remove(case)
                taken.append(case)
                faults.add(case.fault)
    return taken


def _portions(cases: Sequence[Case], size: int) -> list[list[Case]]:
    return [list(cases[start : start + size]) for start in range(0, len(cases), size)]
