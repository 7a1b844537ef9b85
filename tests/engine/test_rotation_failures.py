"""Rotations that fail half-way: the published key always works, and one more `up` finishes the rotation."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from rig.codespace import start_codespace

from .ecr_programs import (
    API,
    PASSWORD,
    SERVER,
    USER,
    can_pull,
    ecr_program,
    keys,
    published,
    secret_values,
    watching,
    writes,
)
from .secret_programs import Clock, nowhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from rig.cloud import LocalCloud
    from rig.github.faults import Action, FaultRequest
    from rig.stack import Stack

PUT = "/orgs/*/codespaces/secrets/"


class Trouble:
    """A failure that prevents the publication of a new key, and its end.

    Attributes:
        cloud: where.
        message: what the failed update says.
        wrote: whether anything was written at GitHub, and then put back.
        arguments: what the program says while it lasts.
    """

    message = ""
    wrote = False

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.arguments: dict[str, object] = {}

    def begin(self) -> None:
        """Let it begin, before the update that is to fail."""

    def end(self) -> None:
        """Let it end."""
        self.arguments = {}


class NoSuchImage(Trouble):
    message = "the image does not exist; probe_images must list existing images"

    def begin(self) -> None:
        self.arguments = {"probe_images": ["payments/api:latest", "payments/api:missing"]}


class NotAcceptedInTime(Trouble):
    message = "ecr:GetAuthorizationToken answers UnrecognizedClientException"

    def begin(self) -> None:
        self.cloud.aws.new_key_delay = 8.0
        self.arguments = {"verify_timeout_seconds": 1}

    def end(self) -> None:
        self.cloud.aws.new_key_delay = 0.0
        self.arguments = {"verify_timeout_seconds": 60}


class PasswordRefused(Trouble):
    message = "Secrets put back to what they held before"
    wrote = True

    def begin(self) -> None:
        self.cloud.github.faults.add("PUT", PUT + PASSWORD, kind="status", status=500, times=2)

    def end(self) -> None:
        self.cloud.github.faults.clear()
        super().end()


class PasswordAnswerLost(PasswordRefused):
    def begin(self) -> None:
        self.cloud.github.faults.add("PUT", PUT + PASSWORD, kind="reset_after", times=2)


TROUBLES = [NoSuchImage, NotAcceptedInTime, PasswordRefused, PasswordAnswerLost]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda kind: kind.__name__)
def test_a_new_key_that_cannot_be_published(cloud, new_cloud_stack, trouble):
    """The published key survives, whether the generation is then repeated, raised or set back."""
    stack = new_cloud_stack(ecr_program())
    stack.up()
    mishap = trouble(cloud)
    outcomes = []

    def up(generation: int, *, ok: bool = True) -> str:
        stack.write(ecr_program(key_generation=generation, **mishap.arguments))
        outcome = stack.up(check=False)
        outcomes.append(outcome)
        assert outcome.ok is ok, outcome.output
        return outcome.output

    def fail(generation: int) -> str:
        """A rotation that fails; gives the key that is published before and after."""
        before = published(cloud)
        writes(cloud)
        mishap.begin()
        output = up(generation, ok=False)
        mishap.end()
        assert mishap.message in output
        assert published(cloud) == before
        assert can_pull(cloud)
        assert bool([write for write in writes(cloud) if write.startswith("PUT")]) is mishap.wrote
        return before

    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace, watching(cloud):
        before = fail(2)
        up(2)
        assert list(keys(cloud)) == [before, published(cloud)]
        codespace.resume_login()
        assert codespace.pull(API).ok

        before = fail(3)
        if mishap.wrote:
            # The outside does not show which key was put back, so the last generation has to finish first.
            assert "run `pulumi up` with key_generation 3, then set 4 again" in up(4, ok=False)
            up(3)
            before = published(cloud)
        up(4)
        assert list(keys(cloud)) == [before, published(cloud)]

        before = fail(5)
        if mishap.wrote:
            assert "run `pulumi up` with key_generation 5, then set 4 again" in up(4, ok=False)
            up(5)
        else:
            up(4)
            assert published(cloud) == before
        current = published(cloud)
        up(6)
        assert list(keys(cloud)) == [current, published(cloud)]
    assert stack.preview("--expect-no-changes").steps == []
    nowhere(secret_values(cloud), stack, *outcomes)


def test_a_boundary_that_forbids_the_pull(cloud, new_cloud_stack):
    """The published key stops too, since IAM has boundaries only for users; but no key is lost."""
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    boundary = cloud.aws.client("iam").create_policy(PolicyName="edge", PolicyDocument=document)["Policy"]["Arn"]
    stack = new_cloud_stack(ecr_program())
    stack.up()
    before = published(cloud)
    stack.write(ecr_program(key_generation=2, permissions_boundary_arn=boundary, verify_timeout_seconds=1))
    refused = stack.up(check=False)
    assert "ecr:GetAuthorizationToken answers AccessDenied" in refused.output
    assert "a permissions boundary" in refused.output
    assert published(cloud) == before
    assert not can_pull(cloud)
    stack.write(ecr_program(key_generation=2))
    stack.up()
    assert can_pull(cloud)
    assert keys(cloud) == {before: "Active", published(cloud): "Active"}


def test_a_publication_that_ends_between_two_registries(cloud, new_cloud_stack):
    us = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    cloud.aws.create_repository("payments/api", region="us-east-1")
    cloud.aws.push_image("payments/api", region="us-east-1")
    images = (API, f"{us}/payments/api:latest")

    def program(generation: int) -> str:
        arn = "arn:aws:ecr:us-east-1:123456789012:repository/payments/api"
        repositories, more = ["payments/api", arn], {"US": us}
        return ecr_program(ecr_repositories=repositories, additional_registries=more, key_generation=generation)

    stack = new_cloud_stack(program(1))
    stack.up()
    before = published(cloud)
    with watching(cloud, *images):
        cloud.github.faults.add("PUT", f"{PUT}US_CONTAINER_REGISTRY_PASSWORD", kind="status", status=500, times=2)
        stack.write(program(2))
        assert not stack.up(check=False).ok
        assert published(cloud) != before
        assert published(cloud, "US_CONTAINER_REGISTRY_USER") == before
        stack.write(program(3))
        assert "generation 2 is not fully published" in stack.preview(check=False).output
        stack.write(program(2))
        stack.up()
        assert published(cloud, "US_CONTAINER_REGISTRY_USER") == published(cloud)
        stack.write(program(3))
        stack.up()
        assert before not in keys(cloud)
    assert stack.preview("--expect-no-changes").steps == []


def test_a_mark_that_fails_and_a_key_that_cannot_be_made(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    first = published(cloud)
    with watching(cloud):
        cloud.github.faults.add("PUT", PUT + SERVER, kind="status", status=500, times=None)
        stack.write(ecr_program(key_generation=2))
        assert not stack.up(check=False).ok
        cloud.github.faults.clear()
        second = published(cloud)
        assert second != first
        stack.write(ecr_program(key_generation=3))
        assert "run `pulumi up` with key_generation 2, then set 3 again" in stack.preview(check=False).output
        stack.write(ecr_program(key_generation=2))
        stack.up()

        cloud.aws.faults.add("CreateAccessKey", "denied", times=None)
        stack.write(ecr_program(key_generation=3))
        assert "AccessDenied" in stack.up(check=False).output
        assert keys(cloud) == {second: "Active"}
        cloud.aws.faults.clear()
        stack.write(ecr_program(key_generation=4))
        stack.up()
    assert keys(cloud) == {second: "Active", published(cloud): "Active"}
    assert stack.preview("--expect-no-changes").steps == []


def test_a_run_that_is_killed_between_user_and_password(cloud, new_cloud_stack):
    """If only the CLI is killed, the plugin finishes the current pair; otherwise, the next update repairs it.

    The second case also damages the only file of the backend that a kill may damage. The engine starts the plugin
    itself: a language host would kill the plugin soon after the CLI.
    """
    stack = new_cloud_stack(ecr_program(), launcher=True)
    stack.up()
    with watching(cloud):
        stack.write(ecr_program(key_generation=2))
        run = stack.start("up", "--yes", "--skip-preview")
        kill_at(cloud, PUT + USER, lambda: stack.kill(run))
        run.communicate()
        wait_until(lambda: len([write for write in writes_seen(cloud) if write == f"PUT {SERVER}"]) == 2)
        cloud.github.faults.clear()
        stack.run("cancel", "--yes")
        stack.up()
        second = published(cloud)
        assert list(keys(cloud))[1] == second

    stack.write(ecr_program(key_generation=3))
    run = stack.start("up", "--yes", "--skip-preview")
    kill_at(cloud, PUT + USER, lambda: kill_tree(stack, run))
    run.communicate()
    cloud.github.faults.clear()
    assert not can_pull(cloud)
    stack.state_description.write_bytes(b"")
    assert "failed to load checkpoint: EOF" in stack.run("cancel", "--yes", check=False).output
    stack.state_description.unlink()
    stack.run("cancel", "--yes")
    stack.write(ecr_program(key_generation=4))
    assert "run `pulumi up` with key_generation 3, then set 4 again" in stack.preview(check=False).output
    stack.write(ecr_program(key_generation=3))
    stack.up()
    assert can_pull(cloud)
    assert list(keys(cloud)) == [second, published(cloud)]
    with watching(cloud):
        stack.write(ecr_program(key_generation=4))
        stack.up()
    assert second not in keys(cloud)


def kill_at(cloud: LocalCloud, path: str, kill: Callable[[], object]) -> None:
    """Kill something once the first request for a path has taken effect."""
    killed: list[int] = []

    def callback(request: FaultRequest) -> Action | None:
        if killed or request.method != "PUT" or not fnmatchcase(request.path, path):
            return None
        killed.append(request.number)
        kill()
        return None

    cloud.github.faults.add_callback(callback, when="after")


def kill_tree(stack: Stack, run: subprocess.Popen[str]) -> None:
    """Kill the CLI and all its processes; the children are listed first."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
    found = [run.pid]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    stack.kill(run)
    for pid in found[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def writes_seen(cloud: LocalCloud) -> list[str]:
    """The requests so far that write secrets; does not clear them."""
    return [
        f"{request.method} {request.path.rsplit('/', 1)[-1]}"
        for request in cloud.github.requests
        if request.method != "GET"
    ]


def wait_until(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until another process has done something."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def held(cloud):
    return {name: secret.value for name, secret in cloud.github.organization("acme").secrets.items()}


def test_a_key_that_aws_has_lost_is_not_written_again(cloud, new_cloud_stack):
    """Two changes at once: somebody deletes the published key, and somebody changes a secret."""
    stack = new_cloud_stack(ecr_program())
    stack.up()
    (user,) = cloud.aws.users()
    (lost,) = keys(cloud)
    cloud.aws.delete_access_key(user, lost)
    # A write within the same second as the publication would have the same time stamp.
    cloud.github.clock = clock = Clock()
    clock.later()
    cloud.github.organization("acme").put_secret(USER, "by hand", "selected", ["web"])
    before = held(cloud)
    said = stack.up(check=False)
    assert not said.ok
    assert f"{USER}: the access key does not work after" in said.output
    assert "Nothing was published" in said.output
    assert "If AWS has lost the key, `pulumi up --refresh` makes another one." in said.output
    assert held(cloud) == before
    stack.up("--refresh")
    assert can_pull(cloud)
    assert lost not in keys(cloud)
