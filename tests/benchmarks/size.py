"""Runs as many registries as GitHub has room for, by hand-written stock resources and by this package.

    python tests/benchmarks/size.py [--only TEXT]

33 registries with three secrets each for 250 of 260 repositories, and one registry for 1,000 of 5,000, on the real
engine against the local cloud; the stock GitHub provider is the real one, with the faster of its two clients. Requests
are those that GitHub received. Seconds are those of the CLI on loopback; memory is the peak of the CLI, the program and
all plugins.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import large
from benchmarks.measuring import measured, names, table
from rig.cloud import LocalCloud
from rig.codespace import start_codespace
from rig.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

SELECTED, IN_ALL = 250, 260
MANY_SELECTED, MANY_IN_ALL = 1000, 5000
OPERATIONS = {
    "first `up`": ("up", "--yes", "--skip-preview"),
    "preview with nothing to do": ("preview", "--expect-no-changes"),
    "rotation": ("up", "--yes", "--skip-preview"),
}


@dataclass(frozen=True)
class Case:
    """A program to measure.

    Attributes:
        title: what it is.
        seed: the contents of the clouds.
        registries: the number of registries.
        program: generation -> the program.
    """

    title: str
    seed: dict[str, Any]
    registries: int
    program: Callable[[int], str]


def cases() -> list[Case]:
    few = large.seed(IN_ALL)
    many = large.seed(MANY_IN_ALL, "payments", MANY_SELECTED)
    number = len(large.REGIONS)
    chosen, region = large.by_name(SELECTED), large.REGIONS[:1]
    by_name, by_topic = large.by_name(MANY_SELECTED), "{'topics': ['payments']}"
    what = f"{number} registries, a key each"
    one_key = f"{number} registries, one key"
    logins = f"{number} registries, given credentials"
    one = f"{MANY_SELECTED:,} of {MANY_IN_ALL:,} repositories"
    return [
        Case(f"{what}: this package", few, number, partial(large.keys, selection=chosen)),
        Case(f"{what}: stock", few, number, partial(large.stock_keys, count=SELECTED)),
        Case(f"{one_key}: this package", few, number, partial(large.one_key, selection=chosen)),
        Case(f"{one_key}: stock", few, number, partial(large.stock_one_key, count=SELECTED)),
        Case(f"{logins}: this package", few, number, partial(large.logins, selection=chosen)),
        Case(f"{logins}: stock", few, number, partial(large.stock_logins, count=SELECTED)),
        Case(f"{one}, by name: this package", many, 1, partial(large.keys, selection=by_name, regions=region)),
        Case(f"{one}, by topic: this package", many, 1, partial(large.keys, selection=by_topic, regions=region)),
        Case(f"{one}: stock", many, 1, partial(large.stock_keys, count=MANY_SELECTED, regions=region)),
    ]


def measure(case: Case) -> list[str]:
    """The cost of each operation; exits if codespaces cannot log in to every registry afterwards."""
    cells: list[str] = []
    with tempfile.TemporaryDirectory() as folder, LocalCloud(case.seed, docker="http") as cloud:
        stack = Stack(Path(folder) / "stack", cloud.environment, case.program(1))
        for name, arguments in OPERATIONS.items():
            if name == "rotation":
                stack.write(case.program(2))
                for host in large.HOSTS:
                    cloud.aws.registries.add(host, "pull", large.password(2), ["team/app"])
            cells.append(str(measured(cloud, stack, *arguments)))
            with start_codespace(cloud.github, cloud.aws, f"acme/{names(1)[0]}", docker="http") as codespace:
                accepted = [login for login in codespace.logins if login.ok]
                if len(accepted) != case.registries:
                    raise SystemExit(f"{case.title}, {name}: {codespace.logins}")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a part of the titles of those to measure")
    arguments = parser.parse_args()
    rows: dict[str, list[str]] = {}
    for case in cases():
        if arguments.only in case.title:
            print(f"measuring: {case.title}", file=sys.stderr)
            rows[case.title] = measure(case)
    print(table(list(OPERATIONS), rows))


if __name__ == "__main__":
    main()
