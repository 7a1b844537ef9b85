"""Shared by the benchmarks: the stock program of a registry, big organizations, and the measurement of operations."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rig.aws import DEFAULT_ACCOUNT, DEFAULT_REGION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rig.cloud import LocalCloud
    from rig.stack import Stack

PARTS = ("SERVER", "USER", "PASSWORD")
REPLACED_IN_PLACE = "delete_before_replace=True"
"""Without it, the stock provider writes the new secret and then deletes it as the old one."""
_FIRST_ID = 1000
_SAMPLE_SECONDS = 0.1

_STOCK_HEAD = """
import json
import pulumi
import pulumi_aws as aws
import pulumi_github as github

ids = {ids}
"""

_STOCK_REGISTRY = """
user = aws.iam.User("{name}", name="codespaces-{name}", path="/codespaces/")
aws.iam.UserPolicy("{name}", user=user.name, policy=json.dumps({{"Version": "2012-10-17", "Statement": [
    {{"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"], "Resource": "*"}},
    {{"Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": "{arn}"}}]}}))
key = aws.iam.AccessKey("{name}", user=user.name, opts=pulumi.ResourceOptions(replacement_trigger={generation}))
"""

_STOCK_SECRETS = """
for part, value in {{"SERVER": "{server}", "USER": {user}, "PASSWORD": {password}}}.items():
    github.CodespacesOrganizationSecret("{name}-" + part, secret_name="{prefix}_CONTAINER_REGISTRY_" + part,
        visibility="selected", selected_repository_ids=ids, plaintext_value=value,
        opts=pulumi.ResourceOptions({options}))
"""


def names(count: int) -> list[str]:
    """The names of the first repositories of an organization."""
    return [f"repository-{index:04}" for index in range(count)]


def organization(count: int, topic: str = "", with_topic: int = 0) -> dict[str, Any]:
    """The seed of an organization with so many repositories, the first of which have a topic."""
    repositories: dict[str, Any] = {
        name: {"id": _FIRST_ID + index, "private": True, "topics": [topic] if index < with_topic else []}
        for index, name in enumerate(names(count))
    }
    return {"organizations": {"acme": {"id": 1, "plan": "team", "repositories": repositories}}}


def ecr_server(region: str = DEFAULT_REGION) -> str:
    """The registry of the local AWS in a Region."""
    return f"{DEFAULT_ACCOUNT}.dkr.ecr.{region}.amazonaws.com"


def prefix_of(name: str) -> str:
    """The prefix of the names of a registry's secrets."""
    return name.upper().replace("-", "_")


def stock_head(count: int, more: str = "") -> str:
    """The head of a program of stock resources, for the first repositories of the organization."""
    return _STOCK_HEAD.format(ids=list(range(_FIRST_ID, _FIRST_ID + count))) + more


def stock_key(name: str, generation: int, region: str = DEFAULT_REGION) -> str:
    """A hand-written IAM user that may pull payments/api of a Region, and its access key."""
    arn = f"arn:aws:ecr:{region}:{DEFAULT_ACCOUNT}:repository/payments/api"
    return _STOCK_REGISTRY.format(name=name, arn=arn, generation=generation)


def stock_secrets(
    name: str, server: str, user: str = "key.id", password: str = "key.secret", options: str = REPLACED_IN_PLACE
) -> str:
    """The three secrets of a registry; `user`, `password` and `options` are Python."""
    return _STOCK_SECRETS.format(
        name=name, prefix=prefix_of(name), server=server, user=user, password=password, options=options
    )


@dataclass(frozen=True)
class Usage:
    """The cost of an operation.

    Attributes:
        requests: the number of requests to GitHub.
        seconds: the time of the CLI.
        memory: the peak of the CLI, the program and all plugins, in bytes.
    """

    requests: int
    seconds: float
    memory: int

    def __str__(self) -> str:
        return f"{self.requests} requests, {self.seconds:.1f} s, {self.memory / 2**20:.0f} MiB"


def measured(cloud: LocalCloud, stack: Stack, *arguments: str) -> Usage:
    """Run the CLI and measure it.

    Raises:
        SystemExit: it failed.
    """
    cloud.github.clear_requests()
    started = time.monotonic()
    process = stack.start(*arguments)
    peak = 0
    while True:
        try:
            output, _ = process.communicate(timeout=_SAMPLE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, memory_of(process.pid))
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"pulumi {' '.join(arguments)} failed:\n{output}")
    return Usage(len(cloud.github.requests), seconds, peak)


def memory_of(session: int) -> int:
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


def table(titles: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A Markdown table; each row has a name and a cell for each title."""
    lines = ["| |" + "|".join(f" {title} " for title in titles) + "|", "|---|" + "---|" * len(titles)]
    lines += [f"| {row} |" + "|".join(f" {cell} " for cell in cells) + "|" for row, cells in rows.items()]
    return "\n".join(lines)


def write_between_marks(page: Path, mark: str, text: str) -> None:
    """Replace what stands between `<!-- mark -->` and `<!-- /mark -->` in a Markdown file."""
    start, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    head, _, rest = page.read_text().partition(start)
    page.write_text(head + start + text + "\n" + end + rest.partition(end)[2])
