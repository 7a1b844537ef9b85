"""Previews refuse invalid arguments of `EcrPullAccess`, change neither cloud and print no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rig.cloud import LocalCloud
from rig.stack import Stack, has_frame_of_package

from .ecr_programs import (
    HOST,
    IAM_USER,
    Code,
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
    from collections.abc import Iterator

MANY = [f"team-{index:04}/{'service' * 12}" for index in range(700)]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCloud, Stack]]:
    """A stack at generation 2, so the key in slot b is published."""
    with LocalCloud(docker="http") as cloud:
        stack = Stack(tmp_path_factory.mktemp("standing") / "stack", cloud.environment, ecr_program())
        stack.up()
        stack.write(ecr_program(key_generation=2))
        stack.up()
        yield cloud, stack
        assert cloud.aws.refused_hosts == []


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (
            {"key_generation": 0},
            ["EcrPullAccess payments: key_generation 0: must be a plain whole number of at least 1"],
        ),
        (
            {"key_generation": Code("pulumi.Output.from_input(3)")},
            ["key_generation is an Output; it must be a plain value"],
        ),
        (
            {"key_generation": 1},
            [
                "key_generation 1 allows a single key",
                "slot b, which codespaces may use. Set key_generation to 2, or to 3 for a new key.",
            ],
        ),
        ({"secret_prefix": "GITHUB"}, ["EcrPullAccess payments: ", "GITHUB"]),
        ({"secret_prefix": "1st"}, ["EcrPullAccess payments: ", "1st"]),
        ({"secret_prefix": "pay-ments"}, ["EcrPullAccess payments: ", "pay-ments"]),
        (
            {"ecr_repositories": ["payments/api", "arn:aws-cn:ecr:cn-north-1:123456789012:repository/payments/api"]},
            ["EcrPullAccess payments: ecr_repositories: ", "in another partition than"],
        ),
        (
            {"ecr_repositories": ["arn:aws:ecr:us-east-1:123456789012:repository/payments/api"]},
            [
                "EcrPullAccess payments: ecr_repositories: ",
                "is in the registry 123456789012.dkr.ecr.us-east-1.amazonaws.com, to which codespaces would not log in",
                "Add it to additional_registries",
            ],
        ),
        (
            {"ecr_repositories": MANY},
            ["ecr_repositories: 700 repositories do not fit into the IAM policies of a user", "List a prefix"],
        ),
        ({"ecr_repositories": []}, ["ecr_repositories is empty"]),
        ({"ecr_repositories": "payments/api"}, ["ecr_repositories is a str; give a list of names"]),
        (
            {"ecr_repositories": ["Payments/API"]},
            ["'Payments/API' is not a valid name of an ECR repository", "'payments/api'"],
        ),
        ({"ecr_repositories": ["payments/api:latest"]}, ["leave out the tag and the digest"]),
        ({"ecr_repositories": [f"{HOST}/payments/api"]}, ["leave out the registry's host: 'payments/api'"]),
        (
            {"additional_registries": {"US": "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com"}},
            ["is not known to be recognised by GitHub", "write '123456789012.dkr.ecr.us-east-1.amazonaws.com'"],
        ),
        (
            {"additional_registries": {"payments": "123456789012.dkr.ecr.us-east-1.amazonaws.com"}},
            ["two registries have the prefix payments"],
        ),
        ({"additional_registries": {"AGAIN": HOST}}, ["repository web would get two logins for", "AGAIN"]),
        (
            {"probe_images": ["123456789012.dkr.ecr.us-east-1.amazonaws.com/payments/api"]},
            ["probe_images[0]", "codespaces do not log in to that registry"],
        ),
        (
            {"user_name": "somebody"},
            ["user_name 'somebody': the user was made as 'codespaces-payments'", "Set it back"],
        ),
        ({"user_path": "/other/"}, ["user_path '/other/': the user was made as '/codespaces/'", "Set it back"]),
        ({"max_key_age_days": 0}, ["max_key_age_days 0: must be a plain whole number of at least 1"]),
        ({"selected_repositories": "web"}, ["selected_repositories is a str; give a list of repository names"]),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_bad_arguments(standing, arguments, messages):
    cloud, stack = standing
    held = (published(cloud), keys(cloud), cloud.aws.policies(IAM_USER))
    writes(cloud)
    stack.write(ecr_program(**{"key_generation": 2, **arguments}))
    refused = stack.preview(check=False)
    assert not refused.ok
    said = (
        "\n".join(diagnostic["message"] for diagnostic in refused.digest["diagnostics"])
        if refused.digest
        else refused.output
    )
    for message in messages:
        assert message in said
    assert not has_frame_of_package(refused.output)
    assert (writes(cloud), (published(cloud), keys(cloud), cloud.aws.policies(IAM_USER))) == ([], held)
    nowhere(secret_values(cloud), stack, refused)


@pytest.mark.parametrize("generation", [1, 2], ids=["nothing else to do", "a rotation"])
def test_an_access_key_that_somebody_made_by_hand(cloud, new_cloud_stack, generation):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    stray = cloud.aws.create_access_key(IAM_USER)
    made = cloud.aws.access_keys(IAM_USER)[1].created_at
    writes(cloud)
    stack.write(ecr_program(key_generation=generation))
    refused = stack.preview(check=False)
    assert f"user {IAM_USER} has an access key {stray.access_key_id} (made {made}) that this stack does not manage" in (
        refused.output
    )
    assert writes(cloud) == []
    assert cloud.delete_named_keys(refused.output) == [stray.access_key_id]
    with watching(cloud):
        stack.up()
    assert stray.access_key_id not in keys(cloud)
    assert stack.preview("--expect-no-changes").steps == []
    nowhere([*secret_values(cloud), stray.secret_access_key], stack, refused)


def test_a_run_that_was_killed_while_it_made_a_key(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    stack.write(ecr_program(key_generation=2))
    stack.up()
    first, second = keys(cloud)

    def kill_the_next(generation: int) -> str:
        """Kill an update after AWS has made the key; returns the key, which no state has."""
        stack.write(ecr_program(key_generation=generation))
        run = stack.start("up", "--yes", "--skip-preview")
        cloud.aws.faults.add_callback("CreateAccessKey", lambda _: stack.kill(run), when="after")
        run.communicate()
        stack.run("cancel", "--yes")
        (lost,) = set(keys(cloud)) - {published(cloud)}
        return lost

    with watching(cloud):
        lost = kill_the_next(3)
        assert first not in keys(cloud)
        refused = stack.preview(check=False)
        assert cloud.delete_named_keys(refused.output) == [lost]
        stack.up()
        assert keys(cloud) == {second: "Active", published(cloud): "Active"}
        assert can_pull(cloud)

        # With the generation raised again, the rotation takes the lost key for the old one; AWS refuses a third key.
        third = published(cloud)
        lost = kill_the_next(4)
        stack.write(ecr_program(key_generation=5))
        assert "LimitExceeded" in stack.up(check=False).output
        refused = stack.preview(check=False)
        assert cloud.delete_named_keys(refused.output) == [lost]
        stack.up()
        assert keys(cloud) == {third: "Active", published(cloud): "Active"}
    assert steps(stack.preview()) == {}
    stack.destroy()
    assert cloud.aws.users() == {}
