"""Concurrent updates: of two stacks in one organization, of one stack, and beyond the rate limit of GitHub."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from pulumi_codespaces.rules.rotation import written_together
from pulumi_codespaces.rules.secret_names import Triple
from rig.stack import Outcome

from .secret_programs import HEAD, PASSWORD, SERVER, USER, program, secret_set, triple, values

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rig.github import GitHubStandIn
    from rig.github.state import Event
    from rig.stack import Stack

STARTED_TOGETHER = """
import pathlib, time
pathlib.Path({mine!r}).touch()
while not pathlib.Path({other!r}).exists():
    time.sleep(0.001)
"""
LONGEST_SECONDS = 120


@pytest.fixture
def both_start(tmp_path: Path) -> Callable[..., tuple[Outcome, Outcome]]:
    """Update two stacks whose programs wait for each other, so that their resources are created concurrently."""
    runs = 0

    def start(one: Stack, first: str, other: Stack, second: str) -> tuple[Outcome, Outcome]:
        nonlocal runs
        runs += 1
        marks = [str(tmp_path / f"run{runs}-{which}") for which in ("one", "other")]
        one.write(HEAD + STARTED_TOGETHER.format(mine=marks[0], other=marks[1]) + first)
        other.write(HEAD + STARTED_TOGETHER.format(mine=marks[1], other=marks[0]) + second)
        processes = [stack.start("up", "--yes", "--skip-preview") for stack in (one, other)]
        outputs = [process.communicate(timeout=LONGEST_SECONDS)[0] for process in processes]
        outcomes = [
            Outcome(process.returncode, output, 0.0) for process, output in zip(processes, outputs, strict=True)
        ]
        return outcomes[0], outcomes[1]

    return start


def sets(*prefixes: str, version: int = 1) -> str:
    """The lines that declare a registry for each prefix, as separate resources."""
    return "".join(
        secret_set(held(prefix, version=version), name=prefix.lower().replace("_", "-")) for prefix in prefixes
    )


def held(*prefixes: str, version: int = 1) -> dict[str, str]:
    """The values of the secrets of these registries."""
    found: dict[str, str] = {}
    for prefix in prefixes:
        server = f"{prefix.lower().replace('_', '-')}.azurecr.io"
        found |= triple(f"user-{version}", f"{prefix}-{version}", prefix, server)
    return found


def meet(github: GitHubStandIn, *prefixes: str) -> None:
    """Delay the first write of each prefix until the writes of the other prefixes have begun."""
    for prefix in prefixes:
        github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{prefix}_*", kind="delay", seconds=3)


def overlap(github: GitHubStandIn, *prefixes: str) -> bool:
    """Whether the writes of these prefixes overlapped."""
    times = {
        prefix: [request.at for request in github.requests if request.method == "PUT" and f"/{prefix}_" in request.path]
        for prefix in prefixes
    }
    return max(min(at) for at in times.values()) < min(max(at) for at in times.values())


# -- two stacks


def test_two_stacks_of_one_organization_at_the_same_time(github, new_stack, both_start):
    payments, search = new_stack(HEAD), new_stack(HEAD, project="search")
    ours, theirs = [f"PAY_{number}" for number in range(3)], [f"SEARCH_{number}" for number in range(3)]
    meet(github, "PAY", "SEARCH")
    outcomes = both_start(payments, sets(*ours), search, sets(*theirs))
    assert [outcome.ok for outcome in outcomes] == [True, True], outcomes
    assert overlap(github, "PAY", "SEARCH")
    assert values(github) == held(*ours, *theirs)

    github.clear_requests()
    # One writes new values while the other removes a registry and adds one.
    moved = [*theirs[1:], "SEARCH_NEW"]
    meet(github, "PAY", "SEARCH")
    outcomes = both_start(payments, sets(*ours, version=2), search, sets(*moved))
    assert [outcome.ok for outcome in outcomes] == [True, True], outcomes
    assert overlap(github, "PAY", "SEARCH")
    assert values(github) == held(*ours, version=2) | held(*moved)
    for stack, text in ((payments, sets(*ours, version=2)), (search, sets(*moved))):
        stack.write(HEAD + text)
        assert stack.preview("--expect-no-changes").steps == []

    github.clear_requests()
    assert payments.destroy().ok
    assert values(github) == held(*moved)


def test_two_stacks_that_fill_the_organization_at_the_same_time(github, new_stack, both_start):
    organization = github.organization("acme")
    for number in range(94):
        organization.put_secret(f"OTHER_{number}", "x")
    payments, search = new_stack(HEAD), new_stack(HEAD, project="search")
    outcomes = both_start(payments, sets("PAY"), search, sets("SEARCH"))
    assert [outcome.ok for outcome in outcomes] == [True, True], outcomes
    assert held("PAY", "SEARCH").items() <= values(github).items()
    assert len(organization.secrets) == 100
    search.write(HEAD + sets("SEARCH", "ONE_MORE"))
    refused = search.preview(check=False)
    assert "this run adds 3 secrets to the 100 of organization acme: 103 of 100; 2 of 33 registries used" in "".join(
        diagnostic["message"] for diagnostic in refused.digest["diagnostics"]
    )


# -- one stack


def test_a_second_update_of_a_stack_is_refused_while_a_pair_is_written(github, new_stack):
    stack = new_stack(program(triple()))
    stack.up()
    stack.write(program(triple("AKIA2", "value-2")))
    reached, go_on = threading.Event(), threading.Event()

    def hold(event: Event) -> None:
        if event.name == USER:
            reached.set()
            go_on.wait(LONGEST_SECONDS)

    github.observers.append(hold)
    github.clear_requests()
    first = stack.start("up", "--yes", "--skip-preview")
    try:
        assert reached.wait(LONGEST_SECONDS)
        stack.write(program(triple("AKIA3", "value-3")))
        second = stack.up(check=False)
        assert not second.ok
        assert "the stack is currently locked by 1 lock(s)" in second.output
        asked = [request.path.rsplit("/", 1)[-1] for request in github.requests if request.method == "PUT"]
        assert asked == [USER]
    finally:
        go_on.set()
    output, _ = first.communicate(timeout=LONGEST_SECONDS)
    assert first.returncode == 0, output
    assert values(github) == triple("AKIA2", "value-2")
    asked = [request.path.rsplit("/", 1)[-1] for request in github.requests if request.method == "PUT"]
    assert asked == [USER, PASSWORD, SERVER]
    stack.up()
    assert values(github) == triple("AKIA3", "value-3")


# -- beyond the rate limit


class FastClock:
    """A clock on which a minute takes four seconds."""

    speed = 15

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.first = datetime.now(timezone.utc)

    def __call__(self) -> datetime:
        return self.first + timedelta(seconds=self.speed * (time.monotonic() - self.began))


def test_a_secondary_rate_limit_is_waited_for(github, new_stack):
    """Ten registries take at least 150 points; GitHub allows 80 a minute."""
    prefixes = [f"PAY_{number}" for number in range(10)]
    stack = new_stack(HEAD + sets(*prefixes))
    github.clock = FastClock()
    github.limits.points_per_minute = 80
    github.limits.retry_after = 2
    outcome = stack.up()
    assert "GitHub's rate limit is reached: waiting 3 s, as GitHub asks" in outcome.output
    assert values(github) == held(*prefixes)
    secrets = github.organization("acme").secrets
    stamps = {name: secret.updated_at.isoformat() for name, secret in secrets.items()}
    assert all(written_together(Triple(prefix), stamps) for prefix in prefixes)

    refused = [request.answered_at for request in github.requests if request.status == 403]
    assert refused
    # Requests in flight may still arrive; after them, GitHub gets none until the limit is over.
    later = [request.at - refused[0] for request in github.requests if request.at > refused[0] + 0.5]
    assert min(later) > 2.5
    assert github.unserved == []
    github.limits.points_per_minute = None
    assert stack.preview("--expect-no-changes").steps == []
