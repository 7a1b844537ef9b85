"""The recipes of docs/recipes.md, step by step: codespaces can pull at every change of either cloud."""

from __future__ import annotations

import json

from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.codespace import start_codespace

from .ecr_programs import (
    API,
    HOST,
    IAM_USER,
    PASSWORD,
    SERVER,
    USER,
    can_pull,
    ecr_program,
    keys,
    published,
    watching,
    writes,
)
from .secret_programs import HEAD

TRIPLE = [USER, PASSWORD, SERVER]


def urn_of(stack, name):
    (found,) = [resource["urn"] for resource in stack.resources() if resource["urn"].rsplit("::", 1)[-1] == name]
    return found


def test_from_secrets_that_somebody_made_by_hand(cloud, new_cloud_stack):
    cloud.aws.create_user("by-hand")
    cloud.aws.put_user_policy("by-hand", "all", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}]})  # fmt: skip
    key = cloud.aws.create_access_key("by-hand")
    for name, value in zip(TRIPLE, (key.access_key_id, key.secret_access_key, HOST), strict=True):
        cloud.github.organization("acme").put_secret(name, value, "selected", ["web"])
    assert can_pull(cloud, "acme/web")
    stack = new_cloud_stack(ecr_program())
    assert "has these secrets already" in stack.preview(check=False).output
    stack.write(ecr_program(adopt_existing=True))
    with watching(cloud):
        stack.up()
    assert published(cloud) in keys(cloud)
    assert any("adopt_existing has done its work" in warning for warning in stack.preview().warnings)
    stack.write(ecr_program())
    writes(cloud)
    stack.up()
    assert writes(cloud) == []
    assert stack.preview("--expect-no-changes").warnings == []


STOCK_USER = """
import json
import pulumi_aws as aws
user = aws.iam.User("old", name="old-puller")
policy = aws.iam.UserPolicy("old", user=user.name, policy=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"], "Resource": "*"},
    {"Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": "*"}]}))
key = aws.iam.AccessKey("old", user=user.name)
"""
STOCK_SECRETS = f"""
import pulumi_github as github
for part, value in {{"SERVER": {HOST!r}, "USER": key.id, "PASSWORD": key.secret}}.items():
    github.CodespacesOrganizationSecret(part, secret_name="PAYMENTS_CONTAINER_REGISTRY_" + part, visibility="selected",
                                        selected_repository_ids=[11], plaintext_value=value)
"""


def test_from_the_stock_resources(cloud, new_cloud_stack):
    stack = new_cloud_stack(HEAD + STOCK_USER + STOCK_SECRETS)
    stack.up()
    running = start_codespace(cloud.github, cloud.aws, "acme/web")
    assert running.pull(API).ok
    with watching(cloud):
        for part in ("USER", "PASSWORD", "SERVER"):
            stack.run("state", "delete", urn_of(stack, part), "--yes")
        stack.write(ecr_program(STOCK_USER, adopt_existing=True))
        stack.up()
        stack.write(ecr_program(STOCK_USER))
        stack.up()
    assert published(cloud) in keys(cloud)
    running.resume_login()
    assert running.pull(API).ok, "the old key is there as long as codespaces may have it"
    with watching(cloud):
        stack.write(ecr_program())
        stack.up()
    assert sorted(cloud.aws.users()) == [IAM_USER]
    assert stack.preview("--expect-no-changes").steps == []


def test_away_from_the_component(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    writes(cloud)
    with watching(cloud):
        stack.run("state", "delete", urn_of(stack, "payments"), "--target-dependents", "--yes")
        stack.write(HEAD)
        stack.up()
    assert writes(cloud) == []
    assert can_pull(cloud, "acme/web")
    assert stack.preview("--expect-no-changes").steps == []


def test_the_registry_moves_to_another_account(new_cloud_stack):
    other = "210987654321"
    aws = json.loads(json.dumps(DEFAULT_SEED["aws"]))
    aws["accounts"][other] = {"repositories": {"eu-west-1": {"payments/api": ["latest"]}},
                              "roles": {"platform": {"trusts": ["123456789012"]}}}  # fmt: skip
    there = f"{other}.dkr.ecr.eu-west-1.amazonaws.com/payments/api:latest"
    provider = (
        "import pulumi_aws as aws\n"
        "there = aws.Provider('there', region='eu-west-1', assume_roles=[aws.ProviderAssumeRoleArgs("
        f"role_arn='arn:aws:iam::{other}:role/platform')])\n"
    )
    second = (
        "moved = codespaces.EcrPullAccess('payments-there', {'ecr_repositories': ['payments/api'], "
        "'selected_repositories': ['web']}, pulumi.ResourceOptions(providers=[there]))\n"
    )
    with LocalCloud({"github": DEFAULT_SEED["github"], "aws": aws}, docker="http") as cloud:
        stack = new_cloud_stack(ecr_program(provider), environment=cloud.environment)
        stack.up()
        stack.write(ecr_program(provider) + second)
        with watching(cloud):
            stack.up()
        assert [can_pull(cloud, "acme/web", image) for image in (API, there)] == [True, True]
        stack.write(HEAD + provider + second)
        with watching(cloud, there):
            stack.up()
        assert [can_pull(cloud, "acme/web", image) for image in (API, there)] == [False, True]
        assert (list(cloud.aws.users()), list(cloud.aws.users(other))) == ([], ["codespaces-payments-there"])
        assert stack.preview("--expect-no-changes").steps == []
