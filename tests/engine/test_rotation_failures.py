"""Rotations that fail half-way: what is published works at every instant, and one more `up` finishes the job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rig.codespace import start_codespace

from .ecr_programs import (
    API,
    IAM_USER,
    PASSWORD,
    SERVER,
    USER,
    can_pull,
    ecr_program,
    keys,
    published,
    secret_values,
    steps,
    watching,
    writes,
)
from .secret_programs import nowhere

if TYPE_CHECKING:
    from rig.cloud import LocalCloud

PUT = "/orgs/*/codespaces/secrets/"
PATIENCE = {"verify_timeout_seconds": 2}


class Trouble:
    """Something that keeps a new key from being published, and how it ends.

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
        self.arguments: dict[str, object] = dict(PATIENCE)

    def begin(self) -> None:
        """Let it begin, before the update that is to fail."""

    def end(self) -> None:
        """Let it end."""
        self.arguments = dict(PATIENCE)


class Boundary(Trouble):
    """A permissions boundary without ECR; the key that is published suffers as well, so it is set for the new key only.

    IAM knows boundaries of users, not of keys. So the boundary is in force from the instant at which the new key is
    made, and until its verification has failed.
    """

    message = "ecr:GetAuthorizationToken answers AccessDenied"

    def begin(self) -> None:
        self.cloud.aws.faults.add("GetAuthorizationToken", "denied", times=None)

    def end(self) -> None:
        self.cloud.aws.faults.clear()
        super().end()


class NoSuchImage(Trouble):
    message = "there is no such image; probe_images must name images that exist"

    def begin(self) -> None:
        self.arguments = {**PATIENCE, "probe_images": ["payments/api:latest", "payments/api:missing"]}


class NeverAccepted(Trouble):
    message = "ecr:GetAuthorizationToken answers UnrecognizedClientException"

    def begin(self) -> None:
        self.cloud.aws.new_key_delay = 3600.0

    def end(self) -> None:
        self.cloud.aws.new_key_delay = 0.0
        super().end()


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


TROUBLES = [Boundary, NoSuchImage, NeverAccepted, PasswordRefused, PasswordAnswerLost]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda kind: kind.__name__)
def test_a_new_key_that_cannot_be_published(cloud, new_cloud_stack, trouble):
    """The published key survives, whether the generation is then repeated, raised or set back."""
    stack = new_cloud_stack(ecr_program(**PATIENCE))
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
        mishap.begin()
        output = up(generation, ok=False)
        mishap.end()
        assert mishap.message in output
        assert published(cloud) == before
        assert can_pull(cloud)
        assert bool([one for one in writes(cloud) if one.startswith("PUT")]) is mishap.wrote
        return before

    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace, watching(cloud):
        before = fail(2)
        up(2)
        assert list(keys(cloud)) == [before, published(cloud)]
        codespace.resume_login()
        assert codespace.pull(API).ok

        before = fail(3)
        if mishap.wrote:
            # Nobody can tell from outside what was put back: the last generation has to be finished first.
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


def unused():
    return json, IAM_USER, SERVER, USER, steps
