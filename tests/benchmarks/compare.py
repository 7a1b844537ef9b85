"""Runs the same rotation by hand-written stock resources and by this package, and prints what is left and what it took.

    python tests/benchmarks/compare.py [--repositories 250] [--previews 5] [--write README.md]

One registry for 250 of an organization's 260 repositories, on the real engine against the local cloud; the stock GitHub
provider is the real one. Requests are those that GitHub received during one operation without the preview before it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rig.aws import DEFAULT_ACCOUNT, DEFAULT_REGION
from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.codespace import start_codespace
from rig.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = f"{DEFAULT_ACCOUNT}.dkr.ecr.{DEFAULT_REGION}.amazonaws.com"
IMAGE = f"{SERVER}/payments/api:latest"
TRIPLE = tuple(f"PAYMENTS_CONTAINER_REGISTRY_{part}" for part in ("SERVER", "USER", "PASSWORD"))
REPOSITORIES_IN_ALL = 260

OURS = """
import pulumi_codespaces as codespaces

codespaces.EcrPullAccess("payments", {{
    "ecr_repositories": ["payments/api"],
    "selected_repositories": {names},
    "key_generation": {generation},
}})
"""

STOCK = """
import json
import pulumi
import pulumi_aws as aws
import pulumi_github as github

user = aws.iam.User("payments", name="codespaces-payments", path="/codespaces/")
aws.iam.UserPolicy("payments", user=user.name, policy=json.dumps({{"Version": "2012-10-17", "Statement": [
    {{"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"], "Resource": "*"}},
    {{"Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": "{arn}"}}]}}))
key = aws.iam.AccessKey("payments", user=user.name, opts=pulumi.ResourceOptions(replacement_trigger={generation}))
for part, value in {{"SERVER": "{server}", "USER": key.id, "PASSWORD": key.secret}}.items():
    github.CodespacesOrganizationSecret(part, secret_name="PAYMENTS_CONTAINER_REGISTRY_" + part, visibility="selected",
        selected_repository_ids={ids}, plaintext_value=value{options})
"""


@dataclass
class Case:
    """One way to do it.

    Attributes:
        title: the column of the table.
        program: generation, number of repositories -> the program.
    """

    title: str
    program: Callable[[int, int], str]
    figures: dict[str, str] = field(default_factory=dict)


def names(count: int) -> list[str]:
    return [f"repository-{index:03}" for index in range(count)]


def cases() -> list[Case]:
    def stock(options: str) -> Callable[[int, int], str]:
        def program(generation: int, count: int) -> str:
            arn = f"arn:aws:ecr:{DEFAULT_REGION}:{DEFAULT_ACCOUNT}:repository/payments/api"
            ids = list(range(1000, 1000 + count))
            return STOCK.format(arn=arn, server=SERVER, generation=generation, ids=ids, options=options)

        return program

    before = ", opts=pulumi.ResourceOptions(delete_before_replace=True)"
    return [
        Case("stock resources, default options", stock("")),
        Case("stock, `delete_before_replace`", stock(before)),
        Case("this package", lambda generation, count: OURS.format(names=names(count), generation=generation)),
    ]


def seed() -> dict[str, Any]:
    repositories = {
        name: {"id": 1000 + index, "private": True} for index, name in enumerate(names(REPOSITORIES_IN_ALL))
    }
    organization = {"id": 1, "plan": "team", "repositories": repositories}
    return {**DEFAULT_SEED, "github": {"organizations": {"acme": organization}}}


def peak_memory(session: int) -> int:
    """The proportional memory of all processes of a session now, in bytes."""
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getsid(int(entry.name)) == session:
                lines = (entry / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total


def preview(stack: Stack) -> tuple[float, int]:
    """The seconds and the peak memory of a preview with nothing to do."""
    started = time.monotonic()
    process = stack.start("preview", "--expect-no-changes")
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_memory(process.pid))
        time.sleep(0.05)
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the preview is not empty:\n{output}")
    return time.monotonic() - started, peak


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
        timed = [preview(stack) for _ in range(previews)]
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
        note(
            "preview with nothing to do",
            f"{statistics.median(one for one, _ in timed):.1f} s, {max(peak for _, peak in timed) / 2**20:.0f} MiB",
        )
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
        written = {one.path.rsplit("_", 1)[-1]: one.handled_at for one in cloud.github.requests if one.method == "PUT"}
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


def table(measured: list[Case]) -> str:
    lines = ["| |" + "|".join(f" {case.title} " for case in measured) + "|", "|---|" + "---|" * len(measured)]
    lines += [f"| {row} |" + "|".join(f" {case.figures.get(row, '-')} " for case in measured) + "|" for row in ROWS]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=250)
    parser.add_argument("--previews", type=int, default=5)
    parser.add_argument("--write", type=Path, help="a Markdown file with the marks <!-- comparison -->")
    arguments = parser.parse_args()
    measured = cases()
    for case in measured:
        print(f"measuring: {case.title}", file=sys.stderr)
        measure(case, arguments.repositories, arguments.previews)
    text = table(measured)
    print(text)
    if arguments.write:
        page = arguments.write.read_text()
        start, end = "<!-- comparison -->\n", "<!-- /comparison -->"
        head, _, rest = page.partition(start)
        arguments.write.write_text(head + start + text + "\n" + end + rest.partition(end)[2])


if __name__ == "__main__":
    main()
