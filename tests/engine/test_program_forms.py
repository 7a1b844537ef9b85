"""The root program with rare settings: further organizations, packages, and other ways into Amazon ECR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rig.aws import DEFAULT_ACCOUNT, DEFAULT_REGION
from rig.cloud import LocalCloud
from rig.stack import REPOSITORY, Stack

from .ecr_programs import HOST
from .secret_programs import nowhere
from .test_registries import PULL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROGRAM = (REPOSITORY / "__main__.py").read_text()
ACME_TOKEN, BETA_TOKEN, BOT_TOKEN = "ghp_CANARYacme", "ghp_CANARYbeta", "ghp_CANARYbot"
SCOPES = ["admin:org", "repo", "read:packages"]
IMAGES = {"images": {"id": 20, "private": True}, "lab": {"id": 21, "private": True, "topics": ["payments"]}}
SEED = {
    "github": {
        "organizations": {
            "acme": {
                "id": 1, "plan": "team", "members": {"platform": "admin"},
                "repositories": {"web": {"id": 11, "private": True}, "docs": {"id": 12, "private": True}},
            },
            "beta": {
                "id": 2, "plan": "team", "members": {"beta-bot": "admin", "bob": "member"}, "repositories": IMAGES,
                "teams": {"Payments": {"id": 7}},
                "packages": [{"name": "base", "package_type": "container", "repository": "images"}],
            },
        },
        "tokens": {
            ACME_TOKEN: {"scopes": SCOPES, "login": "platform"},
            BETA_TOKEN: {"scopes": SCOPES, "login": "beta-bot"},
            BOT_TOKEN: {"scopes": ["read:packages"], "login": "bot"},
        },
    },
    "aws": {"accounts": {DEFAULT_ACCOUNT: {"repositories": {DEFAULT_REGION: {"payments/api": ["latest"]}}}}},
}  # fmt: skip
API = f"{HOST}/payments/api:latest"


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(SEED, docker="http") as cloud:
        yield cloud
        assert cloud.github.unserved == []
        assert cloud.aws.refused_hosts == []


@pytest.fixture
def new_stack(cloud: LocalCloud, tmp_path: Path) -> Callable[..., Stack]:
    """Make a stack of the root program with the text of a configuration file and secrets of these names."""

    def make(config: str, environment: dict[str, str] | None = None, **secrets: str) -> Stack:
        stack = Stack(tmp_path, {**cloud.environment, **(environment or {})}, PROGRAM)
        with (stack.program_folder / "Pulumi.test.yaml").open("a") as file:
            file.write(config)
        for key, value in secrets.items():
            stack.configure(key, value, secret=True)
        return stack

    return make


def pulls(cloud: LocalCloud, repository: str, *images: str) -> list[bool]:
    codespace = cloud.start_codespace(repository, name=repository)
    return [codespace.pull(image).ok for image in images]


def providers(stack: Stack) -> list[str]:
    """The explicit GitHub providers in the state, as package and name."""
    urns = [resource["urn"] for resource in stack.resources()]
    found = [urn.split("pulumi:providers:")[1] for urn in urns if "pulumi:providers:" in urn]
    return sorted(provider for provider in found if provider.startswith(("codespaces::", "github::")))


def test_two_organizations_with_one_account_and_a_package(cloud, new_stack):
    cloud.aws.registries.add("ghcr.io", "bot", BOT_TOKEN, ["beta/base"])
    stack = new_stack(
        """
config:
  access:organization: acme
  access:organizations: {beta: {tokenFrom: betaToken}}
  access:selections: {payments: {topics: [payments], organization: beta}}
  access:packages:
    base: {organization: beta, package: base, repository: images, selection: payments, teams: {payments: read}}
  access:registries:
    api:      {ecrRepositories: [payments/api], repositories: [web]}
    beta-api: {ecrRepositories: [payments/api], selection: payments, organization: beta}
    beta-ghcr: {server: ghcr.io, user: bot, passwordFrom: botToken, byHandOf: base, organization: beta}
  access:secrets:
    npm: {valuesFrom: {NPM_TOKEN: npmToken}, repositories: [lab], organization: beta}
    lint: {valuesFrom: {LINT_TOKEN: npmToken}, repository: lab, organization: beta}
""",
        {"GITHUB_OWNER": ""},
        betaToken=BETA_TOKEN,
        botToken=BOT_TOKEN,
        npmToken="CANARY-npm",
    )
    preview = stack.preview()
    up = stack.up()
    assert [preview.warnings, up.warnings] == [[], []]
    assert pulls(cloud, "acme/web", API) == [True]
    assert pulls(cloud, "acme/docs", API) == [False]
    assert pulls(cloud, "beta/lab", API, "ghcr.io/beta/base:latest") == [True, True]
    assert pulls(cloud, "beta/images", API) == [False]
    assert sorted(cloud.aws.users(DEFAULT_ACCOUNT)) == ["codespaces-api", "codespaces-beta-api"]
    acme, beta = cloud.github.organization("acme"), cloud.github.organization("beta")
    assert {name.partition("_CONTAINER_")[0] for name in acme.secrets} == {"API"}
    assert {name.partition("_CONTAINER_")[0] for name in beta.secrets} == {"BETA_API", "BETA_GHCR", "NPM_TOKEN"}
    assert set(cloud.github.repository("beta/lab").secrets) == {"LINT_TOKEN"}
    assert beta.teams["payments"].repositories == {20: "pull"}
    assert providers(stack) == ["codespaces::github", "codespaces::github-beta", "github::github-beta"]
    outputs = stack.outputs()["base"]
    assert outputs["ways"] == {"lab": "only if it is added on the package's settings page"}
    assert outputs["byHand"] == {"lab": 21}
    assert [click["what"] for click in outputs["clicks"]] == ["Manage Codespaces access, Add repository: beta/lab"]
    assert "beta/images" in outputs["devcontainer"]
    same = stack.preview("--expect-no-changes")
    assert same.steps == []
    nowhere([BETA_TOKEN, BOT_TOKEN, "CANARY-npm"], stack, preview, up, same)
    stack.destroy()
    assert (acme.secrets, beta.secrets, beta.teams["payments"].repositories) == ({}, {}, {})


def test_one_app_in_two_organizations(cloud, new_stack):
    """The environment has the App and one installation; the configuration has the other installation."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    permissions = {
        "organization_codespaces_secrets": "write", "metadata": "read", "administration": "write", "members": "write",
    }  # fmt: skip
    installations = {
        "77": {"account": "acme", "permissions": permissions},
        "78": {"account": "beta", "permissions": permissions},
    }
    cloud.github.seed({"apps": {"12": {"private_key_pem": pem, "installations": installations}}})
    stack = new_stack(
        """
config:
  access:organization: acme
  access:organizations: {beta: {installationId: 78}}
  access:packages:
    base: {organization: beta, package: base, repository: images, users: {bob: write}}
  access:secrets:
    npm:      {valuesFrom: {NPM_TOKEN: npmToken}, repositories: [web]}
    beta-npm: {valuesFrom: {NPM_TOKEN: npmToken}, repositories: [lab], organization: beta}
""",
        {
            "GITHUB_APP_ID": "12",
            "GITHUB_APP_INSTALLATION_ID": "77",
            "GITHUB_APP_PEM_FILE": pem,
            "GITHUB_TOKEN": "",
        },
        npmToken="CANARY-npm",
    )
    stack.up()
    acme, beta = cloud.github.organization("acme"), cloud.github.organization("beta")
    assert [set(organization.secrets) for organization in (acme, beta)] == [{"NPM_TOKEN"}, {"NPM_TOKEN"}]
    assert cloud.github.repository("beta/images").collaborators == {"bob": "push"}
    assert {request.token_label for request in cloud.github.requests if "/orgs/beta/" in request.path} == {
        "installation:78"
    }
    nowhere([pem.splitlines()[3]], stack)
    assert stack.preview("--expect-no-changes").steps == []


def test_ecr_by_a_token_and_by_a_key_that_exists(cloud, new_stack):
    cloud.aws.create_user("puller")
    cloud.aws.put_user_policy("puller", "pull", PULL)
    key = cloud.aws.create_access_key("puller")
    stack = new_stack(
        f"""
config:
  access:organization: acme
  access:organizations: {{acme: {{tokenFrom: ghToken}}}}
  access:accounts: {{prod: {{region: {DEFAULT_REGION}}}}}
  access:registries:
    token: {{ecrToken: true, account: prod, repositories: [web], probeImages: [payments/api]}}
    key:   {{server: {HOST}, user: {key.access_key_id}, passwordFrom: awsKey, repositories: [docs]}}
""",
        {"GITHUB_TOKEN": ""},
        awsKey=key.secret_access_key,
        ghToken=ACME_TOKEN,
    )
    preview = stack.preview()
    (warning,) = preview.warnings
    assert warning.startswith("warning: a token of Amazon ECR expires after 12 hours")
    stack.up()
    assert pulls(cloud, "acme/web", API) == [True]
    assert pulls(cloud, "acme/docs", API) == [True]
    secrets = cloud.github.organization("acme").secrets
    assert secrets["TOKEN_CONTAINER_REGISTRY_USER"].value == "AWS"
    assert providers(stack) == ["codespaces::github"]
    assert stack.outputs()["token"]["server"] == HOST
    assert stack.outputs()["token"]["expiresAt"].startswith("20")
    assert stack.outputs()["key"] == {
        "secretNames": [f"KEY_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")],
        "server": HOST,
        "repositories": ["docs"],
    }
    nowhere([ACME_TOKEN, key.secret_access_key, secrets["TOKEN_CONTAINER_REGISTRY_PASSWORD"].value], stack, preview)
