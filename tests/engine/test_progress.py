"""The status lines that the CLI shows at a terminal during a long operation."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import termios
from contextlib import suppress
from fcntl import ioctl
from typing import TYPE_CHECKING

from benchmarks.measuring import organization
from rig.github import GitHubStandIn

from .conftest import SEED, TOKEN
from .ecr_programs import IAM_USER, ecr_program, keys
from .secret_programs import HEAD, PASSWORD, program, triple

if TYPE_CHECKING:
    from collections.abc import Callable

    from rig.cloud import LocalCloud
    from rig.stack import Stack

_ROWS, _COLUMNS = 60, 400
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def status_lines(stack: Stack, name: str, *arguments: str) -> list[str]:
    """Run the CLI at a terminal; returns the status texts of a resource in order, each once."""
    screen, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environment = {**stack.environment, "TERM": "xterm"}
    process = subprocess.Popen(
        ["pulumi", *arguments],
        cwd=stack.program_folder,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    drawn = b""
    with suppress(OSError):  # Linux reports an error once nobody has the terminal open
        while more := os.read(screen, 65536):
            drawn += more
    os.close(screen)
    text = _ESCAPES.sub("", drawn.decode(errors="replace"))
    assert process.wait(60) == 0, text
    rows = [re.split(r"\s{2,}", line.rstrip()) for line in text.splitlines() if re.search(rf"\s{name}\s", line)]
    return list(dict.fromkeys(row[-1] for row in rows))


def matching(lines: list[str], pattern: str) -> list[tuple[str, ...]]:
    """The groups of a pattern in the lines that it matches; in an update, a diff comes before the text."""
    return [found.groups() for line in lines if (found := re.fullmatch(r"(?:\[diff: .*\]; )?" + pattern, line))]


def is_pace(steps: list[tuple[str, ...]], total: int) -> bool:
    """Whether both numbers only grow, from at least two seconds on, and the last step is not the total."""
    numbers = [[int(number) for number in step] for step in steps]
    done, seconds = zip(*numbers, strict=True) if numbers else ((), ())
    return (
        bool(numbers)
        and list(done) == sorted(set(done))
        and list(seconds) == sorted(set(seconds))
        and seconds[0] >= 2
        and 0 < done[0] <= done[-1] < total
    )


def test_many_secrets(github: GitHubStandIn, new_stack: Callable[..., Stack]) -> None:
    values = {f"TOKEN_{number}": "value" for number in range(11)}
    stack = new_stack(program(values))
    github.latency = 0.5
    shown = status_lines(stack, "token", "up", "--yes", "--skip-preview")
    assert is_pace(matching(shown, r"writing secrets: (\d+) of 11 \((\d+) s\)"), 11)

    # A change of readers writes one secret after the other too.
    stack.write(program(values, "{'web': 11}"))
    shown = status_lines(stack, "token", "up", "--yes", "--skip-preview")
    assert is_pace(matching(shown, r"writing secrets: (\d+) of 11 \((\d+) s\)"), 11)


def test_few_secrets(github: GitHubStandIn, new_stack: Callable[..., Stack]) -> None:
    """A short operation shows no status."""
    shown = status_lines(new_stack(program(triple())), "token", "up", "--yes", "--skip-preview")
    assert shown
    assert [line for line in shown if "secrets" in line] == []


def test_a_new_key(cloud: LocalCloud, new_cloud_stack: Callable[..., Stack]) -> None:
    cloud.aws.new_key_delay = 6.0
    stack = new_cloud_stack(ecr_program())
    shown = status_lines(stack, "payments-key", "up", "--yes", "--skip-preview")
    (key,) = keys(cloud, IAM_USER)
    said = matching(shown, rf"waiting for AWS to accept the access key {key} \((\d+) s\): (.*)")
    assert len(said) >= 2
    assert [int(seconds) for seconds, _ in said] == sorted(int(seconds) for seconds, _ in said)


def test_a_rate_limit(github: GitHubStandIn, new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(program(triple()))
    github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{PASSWORD}", kind="secondary_limit", retry_after=3)
    shown = status_lines(stack, "access-test", "up", "--yes", "--skip-preview")
    assert matching(shown, "(GitHub's rate limit is reached: waiting 4 s, as GitHub asks)")


def test_many_repositories(new_stack: Callable[..., Stack]) -> None:
    tokens = {TOKEN: SEED["tokens"][TOKEN]}
    with GitHubStandIn({**organization(1500, "payments", 2), "tokens": tokens}) as github:
        environment = {"GITHUB_OWNER": "acme", "GITHUB_TOKEN": TOKEN, "GITHUB_BASE_URL": f"{github.url}/"}
        stack = new_stack(HEAD + "codespaces.RepositorySelection('few', {'topics': ['payments']})\n", environment)
        github.latency = 1.2
        shown = status_lines(stack, "access-test", "preview")
    assert is_pace(matching(shown, r"reading pages of /orgs/acme/repos: (\d+) of 15 \((\d+) s\)"), 15)
