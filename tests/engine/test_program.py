"""The root program: maps in the configuration become credentials for codespaces, or one line for each mistake."""

from __future__ import annotations

import pytest

from rig.cloud import LocalCloud
from rig.stack import REPOSITORY, Stack, has_frame_of_package

PROGRAM = (REPOSITORY / "__main__.py").read_text()
PROD, SHARED = "123456789012", "210987654321"
API = f"{PROD}.dkr.ecr.eu-west-1.amazonaws.com/payments/api:latest"
WEB = f"{PROD}.dkr.ecr.eu-west-1.amazonaws.com/payments/web:latest"
BASE = f"{SHARED}.dkr.ecr.eu-central-1.amazonaws.com/shared/base:latest"
CHARTS = "acme.azurecr.io/charts:latest"
PASSWORD = "CANARY-azure-0123456789"

SEED = {
    "github": {
        "organizations": {
            "acme": {
                "id": 1,
                "plan": "team",
                "repositories": {
                    "web": {"id": 11, "private": True, "topics": ["payments"]},
                    "api": {"id": 12, "private": True, "topics": ["payments"]},
                    "docs": {"id": 13, "private": True},
                },
            }
        }
    },
    "aws": {
        "accounts": {
            PROD: {
                "repositories": {"eu-west-1": {"payments/api": ["latest"], "payments/web": ["latest"]}},
                "roles": {"platform": {"trusts": [PROD]}},
            },
            SHARED: {
                "repositories": {"eu-central-1": {"shared/base": ["latest"]}},
                "roles": {"platform": {"trusts": [PROD]}},
            },
        },
        "registries": {
            "acme.azurecr.io": {"user": "pull", "password": PASSWORD, "repositories": {"charts": ["latest"]}},
        },
    },
}

CONFIG = """
config:
  access:organization: acme
  access:accounts:
    prod:   {region: eu-west-1, roleArn: "arn:aws:iam::123456789012:role/platform"}
    shared: {region: eu-central-1, roleArn: "arn:aws:iam::210987654321:role/platform"}
  access:selections: {payments: {topics: [payments]}}
  access:registries:
    payments-prod: {account: prod, ecrRepositories: [payments/api], selection: payments}
    base:          {account: shared, ecrRepositories: [shared/*], repositories: [docs]}
    payments-acr:  {server: acme.azurecr.io, user: pull, passwordFrom: acrPassword, selection: payments}
"""


@pytest.fixture(scope="module")
def cloud():
    with LocalCloud(SEED, docker="http") as cloud:
        yield cloud
        assert cloud.github.unserved == []
        assert cloud.aws.refused_hosts == []


@pytest.fixture
def new_stack(cloud, tmp_path):
    """Make a stack of the root program with the text of a configuration file."""

    def make(config):
        stack = Stack(tmp_path, cloud.environment, PROGRAM)
        stack.config_file = stack.program_folder / "Pulumi.test.yaml"
        with stack.config_file.open("a") as file:
            file.write(config)
        return stack

    return make


def pulls(cloud, repository, *images):
    codespace = cloud.start_codespace(f"acme/{repository}", name=repository)
    return [codespace.pull(image).ok for image in images]


def test_a_few_maps_let_codespaces_pull_from_two_accounts_and_another_registry(cloud, new_stack):
    stack = new_stack(CONFIG)
    stack.configure("acrPassword", PASSWORD, secret=True)
    stack.up()

    images = (API, WEB, BASE, CHARTS)
    assert pulls(cloud, "web", *images) == [True, False, False, True]
    assert pulls(cloud, "api", *images) == [True, False, False, True]
    assert pulls(cloud, "docs", *images) == [False, False, True, False]
    assert sorted(cloud.aws.users(PROD)) == ["codespaces-payments-prod"]
    assert sorted(cloud.aws.users(SHARED)) == ["codespaces-base"]

    outputs = stack.outputs()
    (key,) = cloud.aws.access_keys("codespaces-payments-prod")
    assert outputs["payments-prod"] == {
        "secretNames": [f"PAYMENTS_PROD_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")],
        "servers": [f"{PROD}.dkr.ecr.eu-west-1.amazonaws.com"],
        "userArn": f"arn:aws:iam::{PROD}:user/codespaces/codespaces-payments-prod",
        "accessKeyId": key.id,
        "keyCreatedAt": outputs["payments-prod"]["keyCreatedAt"],
        "keyGeneration": 1,
        "repositories": ["api", "web"],
    }
    assert outputs["payments-prod"]["keyCreatedAt"].startswith(key.created_at[:16])
    assert outputs["base"]["userArn"] == f"arn:aws:iam::{SHARED}:user/codespaces/codespaces-base"
    assert outputs["base"]["repositories"] == ["docs"]
    assert outputs["payments-acr"] == {
        "secretNames": [f"PAYMENTS_ACR_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")],
        "server": "acme.azurecr.io",
        "repositories": ["api", "web"],
    }
    shown = stack.run("stack", "output", "--json", "--show-secrets").output
    secrets = cloud.github.organization("acme").secrets.values()
    passwords = [secret.value for secret in secrets if secret.name.endswith("_PASSWORD")]
    assert len(passwords) == 3
    assert not [password for password in passwords if password in shown]

    assert stack.preview("--expect-no-changes").steps == []

    before = cloud.start_codespace("acme/web", name="before")
    stack.configure("registries.payments-prod.keyGeneration", "2", path=True)
    assert "keyGeneration: 2" in stack.config_file.read_text()
    preview = stack.preview()
    changed = {(step["op"], step["urn"].rsplit("::", 1)[-1]) for step in preview.steps}
    assert ("create", "payments-prod-key-b") in changed
    assert not [name for _, name in changed if name.startswith(("base", "payments-acr"))]
    stack.up()
    assert [key.status for key in cloud.aws.access_keys("codespaces-payments-prod")] == ["Active", "Active"]
    assert stack.outputs()["payments-prod"]["keyGeneration"] == 2
    assert stack.outputs()["payments-prod"]["accessKeyId"] != key.id
    before.resume_login()
    assert before.pull(API).ok
    assert pulls(cloud, "web", *images) == [True, False, False, True]

    stack.destroy()
    assert cloud.github.organization("acme").secrets == {}
    assert (cloud.aws.users(PROD), cloud.aws.users(SHARED)) == ({}, {})


def assumed_roles(cloud):
    return {request.parameters["RoleArn"] for request in cloud.aws.requests if request.action == "AssumeRole"}


def aws_providers(stack):
    return sorted(
        resource["urn"].rsplit("::", 1)[-1]
        for resource in stack.resources()
        if resource["type"] == "pulumi:providers:aws"
    )


def test_an_account_is_contacted_from_its_first_registry_to_its_last(cloud, new_stack):
    prod, shared = (f"arn:aws:iam::{account}:role/platform" for account in (PROD, SHARED))
    stack = new_stack(f"""
config:
  access:organization: acme
  access:accounts:
    prod:    {{region: eu-west-1, roleArn: "{prod}"}}
    shared:  {{region: eu-central-1, roleArn: "{shared}"}}
    sandbox: {{region: eu-west-1, roleArn: "arn:aws:iam::{PROD}:role/nobody"}}
  access:registries:
    payments-prod: {{account: prod, ecrRepositories: [payments/api], repositories: [web]}}
    base:          {{account: shared, ecrRepositories: [shared/*], repositories: [web]}}
""")
    cloud.aws.clear_requests()
    stack.up()
    assert (aws_providers(stack), assumed_roles(cloud)) == (["prod", "shared"], {prod, shared})

    stack.run("config", "rm", "--path", "registries.base")
    stack.up()
    assert cloud.aws.users(SHARED) == {}
    assert aws_providers(stack) == ["prod"]
    cloud.aws.clear_requests()
    assert stack.preview("--expect-no-changes").warnings == []
    assert assumed_roles(cloud) == {prod}
    stack.destroy()
    assert cloud.aws.users(PROD) == {}


def test_how_often_a_request_is_tried_is_the_accounts_to_say(cloud, new_stack):
    stack = new_stack(CONFIG)
    stack.configure("acrPassword", PASSWORD, secret=True)
    stack.configure("accounts.shared.maxRetries", "2", path=True)
    cloud.aws.clear_requests()
    cloud.aws.faults.add("CreateUser", status=503, code="ServiceUnavailable", times=None)
    failed = stack.up(check=False)
    cloud.aws.faults.clear()
    assert not failed.ok
    created = [request.account for request in cloud.aws.requests if request.action == "CreateUser"]
    assert (created.count(PROD), created.count(SHARED)) == (25, 2)
    stack.destroy()


BAD = """
config:
  access:organization: acme
  access:accounts: {prod: {region: eu-west-1}}
  access:selections: {payments: {names: [web]}}
  access:acrPassword: %s
  access:registries:
    one:   {ecrRepositores: [payments/api], selection: payments}
    two:   {ecrRepositories: [payments/api], selection: payments, keyGeneration: "2"}
    three: {user: pull, passwordFrom: acrPassword, selection: payments}
    four:  {server: acme.azurecr.io, user: pull, password: %s, selection: payments}
    five:  {ecrRepositories: [payments/api]}
    six:   {ecrRepositories: [payments/api], selection: payments, repositories: [web]}
"""
EITHER = (
    "a registry has either ecrRepositories (Amazon ECR), or ecrToken (Amazon ECR by token), or server, user and "
    "passwordFrom (any other)"
)
SERVER = (
    "the registry's host, such as acme.azurecr.io, without scheme or path; for Docker Hub https://index.docker.io/v1/"
)

DANGLING = """
config:
  access:organization: acme
  access:accounts: {prod: {region: eu-west-1}}
  access:selections: {payments: {names: [web]}}
  access:acrPassword: %s
  access:registries:
    one:   {ecrRepositories: [payments/api], selection: payment}
    two:   {ecrRepositories: [payments/api], selection: payments, account: shared}
    three: {server: acme.azurecr.io, user: pull, passwordFrom: acrPasswort, selection: payments}
    four:  {server: acme.azurecr.io, user: pull, passwordFrom: acrPassword, selection: payments}
    five:  {server: https://acme.azurecr.io, user: pull, passwordFrom: acrPasswort, selection: payments}
    six:   {ecrRepositories: [payments/api], selection: payments, secretPrefix: github_pay}
"""


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        (
            BAD % (PASSWORD, PASSWORD),
            [
                "one.ecrRepositores: is not a key of this entry; did you mean 'ecrRepositories'?",
                "two.keyGeneration: must be a whole number, not a text; write it without quotes",
                f"three.server: is missing: {SERVER}; {EITHER}",
                "four.password: a password in a map is not kept secret; put it into a secret of its own with `pulumi ",
                "five: has no readers; give selection, repositories, repository, or visibility private or all",
                "six: selection and repositories cannot be combined; keep one of them",
            ],
        ),
        (
            DANGLING % PASSWORD,
            [
                "one.selection: there is no 'payment' in access:selections; did you mean 'payments'?",
                "two.account: there is no 'shared' in access:accounts; there are prod",
                "three.passwordFrom: access:acrPasswort is not set; set it with `pulumi config set --secret ",
                "four.passwordFrom: access:acrPassword is not encrypted; set it again with `pulumi ",
                "five.passwordFrom: access:acrPasswort is not set; set it with `pulumi config set --secret ",
                "five.server 'https://acme.azurecr.io': a scheme does not belong here; write 'acme.azurecr.io'",
                "six.secretPrefix 'github_pay': it begins with GITHUB_, which is GitHub's own.",
            ],
        ),
    ],
    ids=["each by itself", "what points to nothing, and what a component would refuse"],
)
@pytest.mark.parametrize("operation", ["preview", "up"])
def test_a_mistake_is_one_line_with_its_key_and_changes_nothing(cloud, new_stack, config, lines, operation):
    stack = new_stack(config)
    cloud.github.clear_requests()
    before = len(cloud.aws.requests)
    outcome = stack.preview(check=False) if operation == "preview" else stack.up(check=False)
    assert not outcome.ok
    said = "".join(diagnostic["message"] for diagnostic in outcome.digest.get("diagnostics", [])) or outcome.output
    assert "the configuration of this stack is not valid; nothing was changed:" in said
    mistakes = [line.strip() for line in said.splitlines() if line.strip().startswith("access:registries.")]
    # The lines follow the order of the checks, and the CLI passes maps sorted by key.
    expected = sorted(f"access:registries.{line}" for line in lines)
    assert [mistake[: len(line)] for mistake, line in zip(sorted(mistakes), expected, strict=True)] == expected
    assert not has_frame_of_package(said)
    assert PASSWORD not in said
    assert cloud.github.requests == []
    assert len(cloud.aws.requests) == before


def test_other_secrets_and_one_repository(cloud, new_stack):
    """An npm token for a selection, a second for listed repositories, and secrets and a login of one repository."""
    stack = new_stack("""
config:
  access:organization: acme
  access:selections: {payments: {topics: [payments]}}
  access:secrets:
    npm:  {valuesFrom: {NPM_TOKEN: npmToken}, selection: payments}
    lint: {valuesFrom: {LINT_TOKEN: npmToken}, repositories: [docs]}
    own:  {valuesFrom: {OWN_TOKEN: npmToken}, repository: web}
  access:registries:
    web-acr: {server: acme.azurecr.io, user: pull, passwordFrom: acrPassword, repository: web}
""")
    stack.configure("npmToken", "CANARY-npm-token", secret=True)
    stack.configure("acrPassword", PASSWORD, secret=True)
    stack.up()
    organization, web = cloud.github.organization("acme"), cloud.github.repository("acme/web")
    assert {name: (secret.value, set(secret.repository_ids)) for name, secret in organization.secrets.items()} == {
        "NPM_TOKEN": ("CANARY-npm-token", {11, 12}),
        "LINT_TOKEN": ("CANARY-npm-token", {13}),
    }
    login = {f"WEB_ACR_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")}
    assert set(web.secrets) == {"OWN_TOKEN"} | login
    assert stack.outputs()["web-acr"]["repositories"] == ["web"]
    assert pulls(cloud, "web", CHARTS) == [True]
    assert pulls(cloud, "api", CHARTS) == [False]
    assert stack.preview("--expect-no-changes").steps == []
    stack.destroy()
    assert (organization.secrets, web.secrets) == ({}, {})
