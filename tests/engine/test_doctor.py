"""`codespaces doctor` on a stack of the real engine: no findings if all is well, and every finding."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from rig.github.state import Package

from .ecr_programs import HOST, IAM_USER, PASSWORD, SERVER, access, published
from .test_tools import AZURE, Tools

CANARY = "CANARY-azure-password"
WIDER = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})
AZURE_USER, AZURE_PASSWORD = "AZURE_CONTAINER_REGISTRY_USER", "AZURE_CONTAINER_REGISTRY_PASSWORD"
IN_100_DAYS = """
from pulumi_codespaces.tools import cli
from datetime import datetime, timedelta
class Later(datetime):
    @classmethod
    def now(cls, zone=None):
        return datetime.now(zone) + timedelta(days=100)
cli.datetime = Later
"""
ENDS = (datetime.now(timezone.utc) + timedelta(days=110, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
PROGRAM = (
    "import pulumi\nimport pulumi_codespaces as codespaces\n"
    f"{access(selected_repositories=['web', 'docs'])}"
    f"azure = codespaces.RegistryLogin('azure', {{'server': '{AZURE}', 'user': 'pull', 'visibility': 'private',\n"
    f"    'password': pulumi.Output.secret('{CANARY}'), 'verify': False, 'expires_at': '{ENDS}'}})\n"
    "pulumi.export('azure', azure.summary)\n"
    "codespaces.PackageAccess('base', {'package': 'base/image', 'repository': 'infra', "
    "'selected_repositories': ['web']})\n"
)


def commit(cloud, repository, image):
    content = json.dumps({"image": image, "features": {"ghcr.io/devcontainers/features/node:1": {}}})
    cloud.github.repository(f"acme/{repository}").commit(".devcontainer/devcontainer.json", content.encode(), "x")


def fall_ill(cloud, organization, package):
    """Cause every problem that the doctor looks for; returns the secret values that it must not print."""
    key = published(cloud)
    values = [f"CANARY{number}" for number in range(3)]
    organization.put_secret("OLD_CONTAINER_REGISTRY_USER", values[0], "all")
    organization.put_secret("NPM_CONTAINER_REGISTRY_PASS", values[1], "private")
    organization.put_secret("FORGOTTEN", "x", "selected", [])
    for number in range(86):
        organization.put_secret(f"FILLING_{number}", "x", "all")
    cloud.github.repository("acme/docs").put_secret(AZURE_USER, values[2])
    organization.put_secret(AZURE_PASSWORD, CANARY, "private").updated_at += timedelta(hours=1)
    organization.delete_secret(SERVER)
    organization.select(PASSWORD, {11})
    package.visibility = "public"
    commit(cloud, "docs", "other.azurecr.io/team/app")
    orphan = cloud.aws.create_access_key(IAM_USER)
    cloud.aws.set_access_key_status(IAM_USER, key, "Inactive")
    cloud.aws.client("iam").put_user_policy(UserName=IAM_USER, PolicyName="wider", PolicyDocument=WIDER)
    return key, orphan.access_key_id, {*values, orphan.secret_access_key}


def test_nothing_in_a_healthy_world_and_each_thing_in_another(cloud, new_cloud_stack):
    organization = cloud.github.organization("acme")
    package = Package(1, "base/image", "container", "private", 14)
    organization.packages.append(package)
    commit(cloud, "web", f"{HOST}/payments/api:latest")
    commit(cloud, "api", f"{AZURE}/team/app")
    stack = new_cloud_stack(PROGRAM)
    stack.up()
    doctor = Tools(stack, cloud)
    cloud.github.clear_requests()
    cloud.aws.clear_requests()
    assert doctor("doctor", "--stack", "test") == (0, "No problems found.\n", "")

    assert [request.action for request in cloud.aws.requests if request.written] == []
    key, orphan, values = fall_ill(cloud, organization, package)
    cloud.aws.clear_requests()
    doctor.secrets |= values
    code, shown, said = doctor("doctor", "--stack", "test", "--json", before=IN_100_DAYS)
    assert (code, said) == (1, "")
    found = json.loads(shown)
    acme, docs, user = "organization acme", "repository acme/docs", f"user {IAM_USER}"
    assert [(finding["code"], finding["severity"], finding["resource"]) for finding in found] == [
        ("inactive-key", "error", user),
        ("incomplete-login", "error", acme),
        ("mixed-login", "error", docs),
        ("no-login", "error", docs),
        ("secret-deleted", "error", acme),
        ("credentials-ending", "warning", "stack test"),
        ("ignored-name", "warning", acme),
        ("little-room", "warning", acme),
        ("no-readers", "warning", acme),
        ("old-key", "warning", user),
        ("package-differs", "warning", "package base/image"),
        ("readers-changed", "warning", acme),
        ("secret-changed", "warning", acme),
        ("secret-changed", "warning", acme),
        ("unmanaged-key", "warning", user),
        ("unmanaged-policy", "warning", user),
        ("unused-key", "warning", user),
    ]
    by_code = {finding["code"]: finding for finding in found}
    assert by_code["inactive-key"]["what"] == f"access key {key} is Inactive, but Active in the state."
    assert by_code["old-key"]["what"] == (f"the published access key {key} is 100 days old; the maximum is 90.")
    assert by_code["unmanaged-key"]["fix"] == (
        f"aws iam delete-access-key --user-name {IAM_USER} --access-key-id {orphan}, if nothing uses it"
    )
    code, shown, said = doctor("doctor", before=IN_100_DAYS)
    assert (code, said) == (1, "")
    assert shown.splitlines()[:4] == [
        f"error inactive-key: {user}",
        f"  what: {by_code['inactive-key']['what']}",
        "  why: Codespaces cannot log in with it.",
        "  fix: pulumi up --refresh --stack test",
    ]
    assert [request for request in cloud.github.requests if request.method != "GET"] == []
    assert [request.action for request in cloud.aws.requests if request.written] == []
    assert {request.action for request in cloud.aws.requests} == {
        "GetUser", "ListAccessKeys", "GetAccessKeyLastUsed", "ListUserPolicies", "ListAttachedUserPolicies"
    }  # fmt: skip

    # -- the suggested commands help
    assert cloud.delete_named_keys(by_code["unmanaged-key"]["fix"]) == [orphan]
    assert by_code["unmanaged-policy"]["fix"] == (
        f"aws iam delete-user-policy --user-name {IAM_USER} --policy-name wider, if nobody needs it"
    )
    cloud.aws.client("iam").delete_user_policy(UserName=IAM_USER, PolicyName="wider")
    for name in ("OLD_CONTAINER_REGISTRY_USER", "NPM_CONTAINER_REGISTRY_PASS", "FORGOTTEN"):
        organization.delete_secret(name)
    for number in range(86):
        organization.delete_secret(f"FILLING_{number}")
    cloud.github.repository("acme/docs").delete_secret(AZURE_USER)
    package.visibility = "private"
    commit(cloud, "docs", f"{HOST}/payments/api:latest")
    stack.run("up", "--yes", "--refresh", "--stack", "test")
    assert doctor("doctor") == (0, "No problems found.\n", "")
