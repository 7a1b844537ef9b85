"""Key rotation on the real engine without failures: which key is renewed, and that pulls always work."""

from __future__ import annotations

import json
from typing import Any

from rig.cloud import DEFAULT_SEED, LocalCloud
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
    steps,
    watching,
    writes,
)
from .secret_programs import nowhere

PUBLISHED = [f"PUT {USER}", f"PUT {PASSWORD}", f"PUT {SERVER}"]


def renewal(slot: str, operation: str) -> dict[str, str]:
    """The steps of a rotation that renews one slot."""
    steps = dict.fromkeys(("payments-rotation", "payments-key", "payments-secrets"), "update")
    return {**steps, f"payments-key-{slot}": operation}


def test_each_rotation_renews_the_stale_key_and_keeps_the_published_one(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    first = published(cloud)
    outcomes = []

    def rotate(generation: int, slot: str, operation: str) -> str:
        """Rotate; returns the new key. The credentials of running codespaces still work afterwards."""
        stack.write(ecr_program(key_generation=generation))
        preview = stack.preview()
        assert steps(preview) == renewal(slot, operation)
        assert f"slots.{slot}" in preview.step("payments-rotation")["detailedDiff"]
        assert preview.step("payments-rotation")["newState"]["inputs"]["slots"][slot]["generation"] == generation
        old, before = published(cloud), keys(cloud)
        writes(cloud)
        with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace:
            with watching(cloud):
                outcomes.extend((preview, stack.up()))
            codespace.resume_login()
            assert codespace.pull(API).ok
        stale = next((key for key in before if key != old), None)
        assert writes(cloud) == [*([f"DeleteAccessKey {stale}"] if stale else []), "CreateAccessKey", *PUBLISHED]
        new = published(cloud)
        assert new not in before
        assert keys(cloud) == {old: "Active", new: "Active"}
        assert can_pull(cloud)
        assert stack.outputs()["payments"]["accessKeyId"] == new
        return new

    second = rotate(2, "b", "create")
    outcomes.append(stack.preview("--expect-no-changes"))
    outcomes.append(stack.refresh("--expect-no-changes"))
    outcomes.append(stack.preview("--expect-no-changes"))
    assert writes(cloud) == []

    with start_codespace(cloud.github, cloud.aws, "acme/web") as long_lived:
        rotate(3, "a", "replace")
        assert first not in keys(cloud)
        rotate(7, "b", "replace")
        assert second not in keys(cloud)
        long_lived.resume_login()
        assert not long_lived.pull(API).ok
    # A generation that was used before makes a new key too.
    rotate(3, "a", "replace")
    outcomes.append(stack.preview("--expect-no-changes"))
    nowhere(secret_values(cloud), stack, *outcomes)


def test_a_stack_that_begins_at_generation_5_rotates_to_a_new_key(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program(key_generation=5))
    stack.up()
    first = published(cloud)
    (unused,) = set(keys(cloud)) - {first}
    assert keys(cloud) == {first: "Active", unused: "Inactive"}
    assert stack.preview("--expect-no-changes").steps == []
    stack.write(ecr_program(key_generation=6))
    with watching(cloud):
        stack.up()
    assert keys(cloud) == {first: "Active", published(cloud): "Active"}
    assert published(cloud) not in (first, unused)


def test_the_key_before_is_retired_once_its_successor_is_published(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program(keep_previous_key=False))
    stack.up()
    first = published(cloud)
    assert stack.preview("--expect-no-changes").steps == []

    stack.write(ecr_program(keep_previous_key=False, key_generation=2))
    with watching(cloud):
        stack.up()
        second = published(cloud)
        assert keys(cloud) == {first: "Active", second: "Active"}
        writes(cloud)
        preview = stack.preview()
        assert steps(preview) == {"payments-rotation": "update", "payments-key-a": "update"}
        stack.up()
        assert writes(cloud) == ["UpdateAccessKey " + first]
        assert keys(cloud) == {first: "Inactive", second: "Active"}
        assert stack.preview("--expect-no-changes").steps == []

        stack.write(ecr_program(key_generation=2))
        stack.up()
        assert keys(cloud) == {first: "Active", second: "Active"}

        stack.write(ecr_program(keep_previous_key=False, key_generation=3))
        stack.up()
        third = published(cloud)
        assert keys(cloud) == {second: "Active", third: "Active"}
        stack.up()
        assert keys(cloud) == {second: "Inactive", third: "Active"}
        assert stack.preview("--expect-no-changes").steps == []


def test_a_suspension_stops_every_pull_at_once_and_ends(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    with start_codespace(cloud.github, cloud.aws, "acme/web") as logged_in:
        assert logged_in.pull(API).ok
        writes(cloud)
        stack.write(ecr_program(suspended=True))
        stack.up()
        assert writes(cloud) == ["PutUserPolicy"]
        assert not logged_in.pull(API).ok
        assert not can_pull(cloud)
        assert stack.preview("--expect-no-changes").steps == []

        stack.write(ecr_program())
        stack.up()
        assert logged_in.pull(API).ok
        assert can_pull(cloud)

        stack.write(ecr_program(suspended=True))
        stack.up()
        first = published(cloud)
        stack.write(ecr_program(suspended=True, key_generation=2))
        stack.up()
        second = published(cloud)
        assert keys(cloud) == {first: "Active", second: "Active"}
        assert not can_pull(cloud)
        stack.write(ecr_program(key_generation=3))
        stack.up()
        assert keys(cloud) == {second: "Active", published(cloud): "Active"}
        assert can_pull(cloud)
        # After two rotations, the end of the suspension does not help this codespace: it has to restart.
        logged_in.resume_login()
        assert not logged_in.pull(API).ok


def big_organization() -> dict[str, Any]:
    names = ["web", *(f"repo-{index:03}" for index in range(259))]
    repositories = {name: {"id": 1000 + index, "private": True} for index, name in enumerate(names)}
    return {"organizations": {"acme": {"id": 1, "plan": "team", "repositories": repositories}}}


def test_the_number_of_requests_and_the_time_between_user_and_password(new_cloud_stack, record_property):
    """Hand-written stock resources take 37, 1, 31, 40 and 40 requests to GitHub."""

    def program(count: int, generation: int) -> str:
        names = ["web", *(f"repo-{index:03}" for index in range(count - 1))]
        return ecr_program(selected_repositories=names, key_generation=generation)

    with LocalCloud({"github": big_organization(), "aws": DEFAULT_SEED["aws"]}, docker="http") as cloud:
        stack = new_cloud_stack(program(250, 1), environment=cloud.environment)
        measured: dict[str, int] = {}
        apart: dict[int, float] = {}
        for what, run, text in (
            ("create", stack.up, program(250, 1)),
            ("no change", stack.up, program(250, 1)),
            ("refresh", stack.refresh, program(250, 1)),
            ("rotation", stack.up, program(250, 2)),
            ("one repository more", stack.up, program(251, 2)),
        ):
            stack.write(text)
            cloud.github.clear_requests()
            run()
            measured[what] = len(cloud.github.requests)
            if what == "rotation":
                apart[0] = between_user_and_password(cloud)
        cloud.github.latency = 0.05
        cloud.github.clear_requests()
        stack.write(program(251, 3))
        stack.up()
        apart[50] = between_user_and_password(cloud)
        assert all(len(secret.repository_ids) == 251 for secret in cloud.github.organization("acme").secrets.values())
    record_property("requests", json.dumps(measured))
    record_property("milliseconds between USER and PASSWORD, by latency", json.dumps(apart))
    assert measured == {"create": 9, "no change": 4, "refresh": 10, "rotation": 9, "one repository more": 8}
    assert 50 <= apart[50] < 1000


def between_user_and_password(cloud: LocalCloud) -> float:
    """The milliseconds between the writes of USER and PASSWORD."""
    at = {
        request.path.rsplit("/", 1)[-1]: request.handled_at
        for request in cloud.github.requests
        if request.method == "PUT"
    }
    return round((at[PASSWORD] - at[USER]) * 1000, 1)
