"""Runs the same rotation by hand-written stock resources and by this package, and prints what is left and what it took.

    python tests/benchmarks/compare.py [--repositories 250] [--previews 5] [--write README.md]

One registry for 250 of an organization's 260 repositories, on the real engine against the local cloud; the stock GitHub
provider is the real one. Requests are those that GitHub received during one operation without the preview before it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import (
    PARTS,
    REPLACED_IN_PLACE,
    ecr_server,
    measured,
    names,
    organization,
    stock_head,
    stock_key,
    stock_secrets,
    table,
    write_between_marks,
)
from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.codespace import start_codespace
from rig.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = f"{ecr_server()}/payments/api:latest"
TRIPLE = tuple(f"PAYMENTS_CONTAINER_REGISTRY_{part}" for part in PARTS)
REPOSITORIES_IN_ALL = 260

OURS = """
import pulumi_codespaces as codespaces

codespaces.EcrPullAccess("payments", {{
    "ecr_repositories": ["payments/api"],
    "selected_repositories": {names},
    "key_generation": {generation},
}})
"""


@dataclass
class Case:
    """A program to compare.

    Attributes:
        title: the column of the table.
        program: generation, number of repositories -> the program.
    """

    title: str
    program: Callable[[int, int], str]
    figures: dict[str, str] = field(default_factory=dict)


def cases() -> list[Case]:
    def stock(options: str) -> Callable[[int, int], str]:
        def program(generation: int, count: int) -> str:
            secrets = stock_secrets("payments", ecr_server(), options=options)
            return stock_head(count) + stock_key("payments", generation) + secrets

        return program

    return [
        Case("stock resources, default options", stock("")),
        Case("stock, `delete_before_replace`", stock(REPLACED_IN_PLACE)),
        Case("this package", lambda generation, count: OURS.format(names=names(count), generation=generation)),
    ]


def seed() -> dict[str, Any]:
    return {**DEFAULT_SEED, "github": organization(REPOSITORIES_IN_ALL)}


def measure(case: Case, count: int, previews: int) -> None:
    with tempfile.TemporaryDirectory() as folder, LocalCloud(seed()) as cloud:
        stack = Stack(Path(folder) / "stack", cloud.environment, case.program(1, count))

        def requests(operation: Callable[[], object]) -> str:
            cloud.github.clear_requests()
            operation()
            return str(len(cloud.github.requests))

        def note(name: str, value: str) -> None:
            case.figures[name] = value

        note("requests to GitHub: first `up`", requests(stack.up))
        note("no change", requests(stack.up))
        timed = [measured(cloud, stack, "preview", "--expect-no-changes") for _ in range(previews)]
        note("refresh", requests(stack.refresh))
        before = start_codespace(cloud.github, cloud.aws, f"acme/{names(1)[0]}")
        stack.write(case.program(2, count))
        started = time.monotonic()
        rotated = requests(stack.up)
        seconds = time.monotonic() - started
        left = [name for name in TRIPLE if name in cloud.github.organization("acme").secrets]
        after = start_codespace(cloud.github, cloud.aws, f"acme/{names(1)[0]}")
        note("after a rotation with a green `up`: secrets left", f"{len(left)} of 3")
        note("a codespace started after it pulls", "yes" if after.pull(IMAGE).ok else "**no**")
        before.resume_login()
        note("one started before it still pulls", "yes" if before.pull(IMAGE).ok else "**no**")
        note("rotation", f"{rotated} ({seconds:.0f} s)")
        if len(left) == len(TRIPLE):
            stack.write(case.program(2, count + 1))
            note("one repository more", requests(stack.up))
        seconds, memory = (
            statistics.median(outcome.seconds for outcome in timed),
            max(outcome.memory for outcome in timed),
        )
        note("preview with nothing to do", f"{seconds:.1f} s, {memory / 2**20:.0f} MiB")
        if case.title == "this package":
            note("between the writes of USER and PASSWORD", _windows(cloud, stack, case, count))


def _windows(cloud: LocalCloud, stack: Stack, case: Case, count: int) -> str:
    """The milliseconds between the writes of a pair, with and without latency."""
    windows: list[str] = []
    for generation, latency in ((3, 0.0), (4, 0.05)):
        cloud.github.latency = latency
        cloud.github.clear_requests()
        stack.write(case.program(generation, count + 1))
        stack.up()
        written = {
            request.path.rsplit("_", 1)[-1]: request.handled_at
            for request in cloud.github.requests
            if request.method == "PUT"
        }
        window = ((written["PASSWORD"] or 0) - (written["USER"] or 0)) * 1000
        windows.append(f"{window:.0f} ms at {latency * 1000:.0f} ms latency")
    cloud.github.latency = 0.0
    return ", ".join(windows)


ROWS = (
    "after a rotation with a green `up`: secrets left",
    "a codespace started after it pulls",
    "one started before it still pulls",
    "requests to GitHub: first `up`",
    "no change",
    "refresh",
    "rotation",
    "one repository more",
    "preview with nothing to do",
    "between the writes of USER and PASSWORD",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=250)
    parser.add_argument("--previews", type=int, default=5)
    parser.add_argument("--write", type=Path, help="a Markdown file with the marks <!-- comparison -->")
    arguments = parser.parse_args()
    compared = cases()
    for case in compared:
        print(f"measuring: {case.title}", file=sys.stderr)
        measure(case, arguments.repositories, arguments.previews)
    rows = {row: [case.figures.get(row, "-") for case in compared] for row in ROWS}
    text = table([case.title for case in compared], rows)
    print(text)
    if arguments.write:
        write_between_marks(arguments.write, "comparison", text)


if __name__ == "__main__":
    main()
