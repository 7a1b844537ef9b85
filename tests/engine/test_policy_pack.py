"""The policy pack on the real engine: its violations, and that nothing changes when it blocks an update."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from rig.stack import COMPONENTS, REPOSITORY

from .ecr_programs import Code, can_pull, ecr_program, edit_state, published, writes

if TYPE_CHECKING:
    from pathlib import Path

    from rig.stack import Outcome, Stack

WITH_BOUNDARY = """
import json
import pulumi_aws as aws
boundary = aws.iam.Policy(
    "boundary",
    policy=json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}),
)
made = aws.ecr.Repository("made", name="payments/made", force_delete=True)
"""
# Hand-written resources in place of `EcrPullAccess`: each of them breaks a rule.
BY_HAND = """
import json
import pulumi
import pulumi_aws as aws
import pulumi_codespaces as codespaces
import pulumi_github as github

def document(action, resource):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

user = aws.iam.User("ci", name="codespaces-ci", path="/codespaces/")
aws.iam.UserPolicy("ci-pull", user=user.name, policy=document("ecr:BatchGetImage", "*"))
push = document(["ecr:PutImage", "ecr:BatchGetImage"], "arn:aws:ecr:eu-west-1:123456789012:repository/payments/api")
managed = aws.iam.Policy("ci-push", policy=push)
aws.iam.UserPolicyAttachment("ci-push", user=user.name, policy_arn=managed.arn)
key = aws.iam.AccessKey("ci", user=user.name)
token = pulumi.Output.secret("CANARY-npm")
codespaces.OrganizationSecrets("npm", {"secrets": {"NPM_TOKEN": token}, "visibility": "all"})
github.CodespacesOrganizationSecret(
    "user", secret_name="CI_CONTAINER_REGISTRY_USER", visibility="private", plaintext_value=key.id
)
# Nobody's in a codespace, so that nothing here is of the pack's business.
other = aws.iam.User("other", name="other")
aws.iam.UserPolicy("other", user=other.name, policy=document("*", "*"))
aws.iam.AccessKey("other", user=other.name)
"""


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack, with a virtual environment in its folder as users make it."""
    script = REPOSITORY / "tests/rig/engine.sh"
    ran = subprocess.run([script, "--policy"], stdout=subprocess.PIPE, text=True, check=True)
    folder = tmp_path_factory.mktemp("policy") / "pack"
    shutil.copytree(COMPONENTS / "policy-pack", folder, ignore=shutil.ignore_patterns("venv", "__pycache__"))
    (folder / "venv").symlink_to(ran.stdout.splitlines()[-1])
    return folder


def run(stack: Stack, pack: Path, *arguments: str, **configuration: Any) -> tuple[Outcome, dict[str, list[str]]]:
    """Run an operation under the pack; also returns `level policy` -> the resources that violate the policy.

    Args:
        stack: the stack.
        pack: the folder of the pack.
        *arguments: the operation, as the CLI takes it.
        **configuration: a policy's name, with _ for -, without the `codespaces-` -> its configuration.
    """
    given = {f"codespaces-{name.replace('_', '-')}": value for name, value in configuration.items()}
    (stack.folder / "policies.json").write_text(json.dumps(given))
    log = stack.folder / "events.json"
    log.unlink(missing_ok=True)
    outcome = stack.run(
        *arguments,
        *("--policy-pack", str(pack), "--policy-pack-config", str(stack.folder / "policies.json")),
        *("--event-log", str(log)),
        check=False,
        environment={"PULUMI_DEBUG_COMMANDS": "true"},
    )
    violations: dict[str, list[str]] = {}
    for line in log.read_text().splitlines():
        event = json.loads(line).get("policyEvent")
        if event:
            name = event["resourceUrn"].rsplit("::", 1)[-1]
            violations.setdefault(f"{event['enforcementLevel']} {event['policyName']}", []).append(name)
    return outcome, {rule: sorted(names) for rule, names in violations.items()}


def test_what_the_components_make_passes_and_can_be_rotated_when_a_key_is_too_old(cloud, new_cloud_stack, pack):
    def program(generation: int) -> str:
        return ecr_program(
            before=WITH_BOUNDARY,
            ecr_repositories=["payments/api", "hub/*", Code("made")],
            pull_through_cache_prefixes=["hub"],
            permissions_boundary_arn=Code("boundary.arn"),
            selected_repositories=None,
            visibility="all",
            key_generation=generation,
        )

    stack = new_cloud_stack(program(1))
    rules: dict[str, Any] = {
        "permissions_boundary": "mandatory",
        "visibility_reason": {"reasons": {"payments": "every repository builds on it"}},
    }
    preview, told = run(stack, pack, "preview", **rules)
    # The policy names a repository that does not exist yet.
    assert (preview.returncode, told) == (
        0,
        {"advisory codespaces-pull-only": ["access-test"], "advisory codespaces-no-wildcard-resource": ["access-test"]},
    )
    up, told = run(stack, pack, "up", "--yes", "--skip-preview", **rules)
    assert (up.returncode, told) == (0, {})
    assert can_pull(cloud)

    old = (datetime.now(timezone.utc) - timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def age(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
        (key,) = [resource for resource in resources if resource["type"] == "aws:iam/accessKey:AccessKey"]
        key["outputs"]["createDate"] = old
        return resources

    edit_state(stack, age)
    preview, told = run(stack, pack, "preview", **rules, key_age={"maxAgeDays": 30})
    assert (preview.returncode, told) == (0, {"advisory codespaces-key-age": ["payments-key-a"]})
    rules["key_age"] = {"enforcementLevel": "mandatory", "maxAgeDays": 30}
    first = published(cloud)
    stack.write(program(2))
    up, told = run(stack, pack, "up", "--yes", **rules)
    assert (up.returncode, told) == (0, {})
    assert published(cloud) != first
    assert can_pull(cloud)


def test_what_is_made_by_hand_is_blocked_before_anything_changes(cloud, new_cloud_stack, pack):
    stack = new_cloud_stack(BY_HAND)
    preview, told = run(stack, pack, "preview")
    broken = {
        "mandatory codespaces-pull-only": ["ci-push"],
        "mandatory codespaces-no-wildcard-resource": ["ci-pull"],
        "mandatory codespaces-visibility-reason": ["npm"],
        "mandatory codespaces-no-stock-secrets": ["user"],
    }
    assert (preview.returncode, told) == (1, broken)
    assert (
        "Policy ci-push allows codespaces ecr:PutImage. Whoever may write to a repository can use a codespace's key: "
        "leave the actions of login and pull alone"
    ) in preview.output

    up, told = run(stack, pack, "up", "--yes", permissions_boundary="mandatory", no_stock_secrets="advisory")
    del broken["mandatory codespaces-no-stock-secrets"]
    assert (up.returncode, told) == (
        1,
        {
            **broken,
            "advisory codespaces-no-stock-secrets": ["user"],
            "mandatory codespaces-permissions-boundary": ["ci"],
        },
    )
    assert writes(cloud) == []
    assert stack.resources() == []

    # Without a preview, the policies of single resources still stop the update before any request to GitHub.
    blind, _ = run(stack, pack, "up", "--yes", "--skip-preview")
    assert blind.returncode == 1
    assert cloud.github.organization("acme").secrets == {}
    assert "CANARY" not in preview.output + up.output + blind.output
