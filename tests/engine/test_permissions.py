"""The policies and permissions of docs/permissions.md: they suffice for every operation, and grant nothing else."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rig.aws import DEFAULT_ACCOUNT, LocalAws
from rig.github import GitHubStandIn

from .conftest import SEED
from .ecr_programs import IAM_USER, Code, can_pull, ecr_program, keys, published, steps
from .secret_programs import HEAD, readers, secret_set, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rig.aws import Credentials
    from rig.cloud import LocalCloud
    from rig.stack import Stack

PAGE = (Path(__file__).resolve().parents[2] / "docs/permissions.md").read_text(encoding="utf-8")
IAM = f"arn:aws:iam::{DEFAULT_ACCOUNT}"
BOUNDARY = f"{IAM}:policy/codespaces-boundary"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
OBJECT = "import pulumi_aws as aws\nweb = aws.ecr.Repository.get('web', 'payments/web')\n"
NEW = {"UserName": "new", "Path": "/codespaces/", "PermissionsBoundary": BOUNDARY}
ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
MANY = [f"payments/one-of-many-repositories-{number:02}" for number in range(40)]


def documented(heading: str) -> dict[str, Any]:
    """The policy under a heading of the page."""
    (found,) = re.findall(rf"^### {re.escape(heading)}\n[^#]*?```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    return json.loads(found)


UP, PREVIEW, EDGE = map(documented, ("The role that runs `pulumi up`", "The role of previews", "The boundary"))


def actions(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    left = copy.deepcopy(policy)
    for statement in left["Statement"]:
        statement["Action"] = [other for other in statement["Action"] if other != action]
    return left


class Deployer:
    """Somebody with one managed policy."""

    def __init__(self, aws: LocalAws, name: str, policy: dict[str, Any]) -> None:
        self._aws, self._root = aws, aws.client("iam")
        aws.create_user(name)
        made = self._root.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy))
        self._policy: str = made["Policy"]["Arn"]
        self._root.attach_user_policy(UserName=name, PolicyArn=self._policy)
        self.key: Credentials = aws.create_access_key(name)
        self.environment = {
            "AWS_ACCESS_KEY_ID": self.key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.key.secret_access_key,
        }

    def gets(self, policy: dict[str, Any]) -> None:
        """Give it another policy."""
        self._root.create_policy_version(PolicyArn=self._policy, PolicyDocument=json.dumps(policy), SetAsDefault=True)

    def asked(self) -> set[str]:
        """The actions that it has used, without sts:GetCallerIdentity, which needs no permission."""
        mine = [request for request in self._aws.requests if request.access_key_id == self.key.access_key_id]
        return {f"{request.service}:{request.action}" for request in mine} - {"sts:GetCallerIdentity"}


def bound(aws: LocalAws) -> None:
    aws.client("iam").create_policy(PolicyName="codespaces-boundary", PolicyDocument=json.dumps(EDGE))


def access(repositories: list[Any], tags: dict[str, str], **arguments: Any) -> str:
    return ecr_program(
        OBJECT,
        ecr_repositories=["payments/api", Code("web"), *repositories],
        tags=tags,
        permissions_boundary_arn=BOUNDARY,
        keep_previous_key=False,
        **arguments,
    )


def test_the_documented_policies_suffice_and_hold_nothing_else(
    cloud: LocalCloud, new_cloud_stack: Callable[..., Stack]
) -> None:
    bound(cloud.aws)
    deployer, reader = Deployer(cloud.aws, "deployer", UP), Deployer(cloud.aws, "reader", PREVIEW)
    stack = new_cloud_stack(access([], {"team": "payments"}), environment=deployer.environment)
    as_deployer = dict(stack.environment)

    def previewed(*arguments: str) -> dict[str, str]:
        stack.environment |= reader.environment
        try:
            return steps(stack.preview(*arguments))
        finally:
            stack.environment = dict(as_deployer)

    assert previewed()["payments-user"] == "create"
    stack.up()
    assert cloud.aws.users()[IAM_USER].boundary == BOUNDARY
    assert can_pull(cloud)

    held, before = keys(cloud), published(cloud)
    stack.write(access(MANY, {"owner": "platform"}, key_generation=2))
    deployer.gets(without(UP, "iam:CreateAccessKey"))
    refused = stack.up(check=False)
    assert not refused.ok
    assert "AccessDenied" in refused.output
    assert "iam:CreateAccessKey" in refused.output
    assert (keys(cloud), published(cloud)) == (held, before)
    assert can_pull(cloud)

    deployer.gets(UP)
    assert previewed()["payments-key-b"] == "create"
    stack.up()
    assert published(cloud) != before
    assert can_pull(cloud)
    stack.write(access(MANY[1:], {"team": "payments"}, key_generation=2, suspended=True))
    stack.up()
    assert not can_pull(cloud)
    assert sorted(keys(cloud).values()) == ["Active", "Inactive"]
    assert {*previewed("--refresh").values()} == {"refresh", "read"}
    stack.refresh("--expect-no-changes")
    stack.write(access([], {"team": "payments"}, key_generation=2))
    stack.up()
    assert can_pull(cloud)
    stack.destroy()
    assert sorted(cloud.aws.users()) == ["deployer", "reader"]
    assert sorted(cloud.aws.managed_policies()) == [BOUNDARY, f"{IAM}:policy/deployer", f"{IAM}:policy/reader"]
    assert (deployer.asked(), reader.asked()) == (actions(UP), actions(PREVIEW))


ROLE = f"{IAM}:role/deployer"
WITH_ROLE = f"""
import pulumi_aws as aws
role = aws.ProviderAssumeRoleArgs(role_arn={ROLE!r}, session_name='pulumi')
there = aws.Provider('there', region='eu-west-1', assume_roles=[role])
"""


def test_whoever_runs_it_with_a_role_needs_nothing_but_to_assume_it(
    cloud: LocalCloud, new_cloud_stack: Callable[..., Stack]
) -> None:
    bound(cloud.aws)
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}
    runner = Deployer(cloud.aws, "runner", {"Version": "2012-10-17", "Statement": [statement]})
    cloud.aws.create_role("deployer", [f"{IAM}:user/runner"])
    iam = cloud.aws.client("iam")
    iam.detach_role_policy(RoleName="deployer", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.put_role_policy(RoleName="deployer", PolicyName="up", PolicyDocument=json.dumps(UP))
    given = {"permissions_boundary_arn": BOUNDARY, "opts": "pulumi.ResourceOptions(providers=[there])"}
    stack = new_cloud_stack(ecr_program(WITH_ROLE, **given), environment=runner.environment)
    cloud.aws.clear_requests()
    stack.up()
    assert can_pull(cloud)
    stack.destroy()
    assert sorted(cloud.aws.users()) == ["runner"]
    assert runner.asked() == {"sts:AssumeRole"}
    # Each command connects once; `up` connects again to check the configuration, with the role and not as the runner.
    sts = [request for request in cloud.aws.requests if request.service == "sts"]
    assert [request.action for request in sts if request.access_key_id == runner.key.access_key_id] == [
        "AssumeRole"
    ] * 6


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[LocalAws, Any]]:
    """A deployer's IAM client, and the user `ours`, which has all permissions that the deployer can grant."""
    with LocalAws() as aws:
        bound(aws)
        aws.create_user("somebody")
        aws.create_user("unbounded", path="/codespaces/")
        iam = aws.client("iam", key=Deployer(aws, "deployer", UP).key)
        iam.create_user(**{**NEW, "UserName": "ours"})
        wide = iam.create_policy(PolicyName="wide", Path="/codespaces/", PolicyDocument=ANYTHING)["Policy"]["Arn"]
        iam.attach_user_policy(UserName="ours", PolicyArn=wide)
        iam.put_user_policy(UserName="ours", PolicyName="any", PolicyDocument=ANYTHING)
        yield aws, iam


def test_what_it_gives_a_user_ends_at_the_boundary(deployed: tuple[LocalAws, Any]) -> None:
    aws, iam = deployed
    key = iam.create_access_key(UserName="ours")["AccessKey"]["AccessKeyId"]
    repository = f"arn:aws:ecr:eu-west-1:{DEFAULT_ACCOUNT}:repository/any"
    allowed = [
        action
        for action in ("ecr:BatchGetImage", "ecr:PutImage", "iam:ListUsers")
        if aws.allows(key, action, repository)
    ]
    assert allowed == ["ecr:BatchGetImage"]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("create_user", {**NEW, "PermissionsBoundary": ADMINISTRATOR}),
        ("create_user", {**NEW, "Path": "/"}),
        ("create_user", {"UserName": "new", "Path": "/codespaces/"}),
        ("put_user_permissions_boundary", {"UserName": "ours", "PermissionsBoundary": ADMINISTRATOR}),
        ("delete_user_permissions_boundary", {"UserName": "ours"}),
        ("create_policy_version", {"PolicyArn": BOUNDARY, "PolicyDocument": ANYTHING, "SetAsDefault": True}),
        ("delete_policy", {"PolicyArn": BOUNDARY}),
        ("attach_user_policy", {"UserName": "ours", "PolicyArn": ADMINISTRATOR}),
        ("attach_user_policy", {"UserName": "ours", "PolicyArn": BOUNDARY}),
        ("attach_user_policy", {"UserName": "unbounded", "PolicyArn": f"{IAM}:policy/codespaces/wide"}),
        ("put_user_policy", {"UserName": "unbounded", "PolicyName": "any", "PolicyDocument": ANYTHING}),
        ("put_user_policy", {"UserName": "deployer", "PolicyName": "any", "PolicyDocument": ANYTHING}),
        ("attach_user_policy", {"UserName": "deployer", "PolicyArn": f"{IAM}:policy/codespaces/wide"}),
        ("create_access_key", {"UserName": "somebody"}),
        ("delete_user", {"UserName": "somebody"}),
        ("create_policy", {"PolicyName": "elsewhere", "PolicyDocument": ANYTHING}),
        ("add_user_to_group", {"UserName": "ours", "GroupName": "administrators"}),
        ("create_login_profile", {"UserName": "ours", "Password": "Not-used-1"}),
        ("update_user", {"UserName": "ours", "NewPath": "/"}),
        ("create_role", {"RoleName": "any", "AssumeRolePolicyDocument": ANYTHING}),
    ],
)
def test_what_the_deployer_cannot_do(deployed: tuple[LocalAws, Any], call: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(deployed[1], call)(**arguments)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"


# -- GitHub

TABLE = [row.split("|")[1:6] for row in PAGE.partition("\n## GitHub\n")[2].splitlines() if row.startswith("| ")][1:]
WORDS = {
    "organization_codespaces_secrets": "'Organization codespaces secrets: ",
    "codespaces_secrets": "'Codespaces secrets: write'",
    "organization_custom_properties": "'Custom properties: read'",
    "contents": "'Contents: read'",
}
"""Permission -> its name in messages. Nobody can remove `metadata`."""
EVERYTHING = f"""{HEAD}
readers = codespaces.RepositorySelection('readers', {{'topics': ['payments'], 'properties': {{'team': 'pay'}}}})
{secret_set({"NPM_TOKEN": "x"}, "readers.repositories")}
codespaces.RepositorySecrets('own', {{'repository': 'web', 'secrets': {{'OTHER': pulumi.Output.secret('y')}}}})
codespaces.PackageAccess('base', {{'package': 'image', 'repository': 'infra', 'selected_repositories': ['api']}})
"""


def permissions(column: int) -> dict[str, str]:
    """The permissions in a column of the table."""
    found = [re.findall(r"`(\w+): (read|write)`", row[column]) for row in TABLE]
    return dict(pair for pairs in found for pair in pairs)


def test_an_app_with_the_documented_permissions(new_stack: Callable[..., Stack]) -> None:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    seed = copy.deepcopy(SEED)
    acme = seed["organizations"]["acme"]
    acme["custom_properties"] = [{"property_name": "team", "value_type": "string"}]
    acme["repositories"]["docs"]["properties"] = {"team": "pay"}
    acme["repositories"]["api"]["files"] = {".devcontainer.json": "{}"}
    needed = permissions(2)
    assert {*needed} == {*WORDS, "metadata"}
    seed["apps"] = {"1": {"private_key_pem": pem, "installations": {"7": {"account": "acme", "permissions": needed}}}}
    with GitHubStandIn(seed) as github:
        environment = {
            "GITHUB_OWNER": "acme",
            "GITHUB_BASE_URL": github.url,
            "GITHUB_APP_ID": "1",
            "GITHUB_APP_INSTALLATION_ID": "7",
            "GITHUB_APP_PEM_FILE": pem,
        }
        installation = github.tokens.apps[1].installations[7]
        stack = new_stack(EVERYTHING, environment)

        installation.permissions = needed | permissions(3)
        (warning, *others) = [text for text in stack.preview().warnings if "package" not in text]
        assert ("may read but not write Codespaces secrets" in warning, others) == (True, [])
        installation.permissions = needed
        stack.up()
        assert readers(github)["NPM_TOKEN"] == ("selected", {11, 12, 13})
        assert [*github.repository("acme/web").secrets] == ["OTHER"]
        for permission, words in WORDS.items():
            installation.permissions = {name: level for name, level in needed.items() if name != permission}
            assert words in told(stack.preview(check=False)), permission
        installation.permissions = needed
        stack.destroy()
        assert (readers(github), github.repository("acme/web").secrets) == ({}, {})
