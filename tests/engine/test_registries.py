"""Every registry of GitHub's guide: a codespace logs in with exactly those credentials, and pulls."""

from __future__ import annotations

import json

import pytest

from rig.aws import DEFAULT_ACCOUNT, DEFAULT_REGION
from rig.codespace import start_codespace
from rig.stack import has_frame_of_package

from .ecr_programs import HOST
from .secret_programs import HEAD, nowhere, told

SECRET = "CANARY-of-a-registry"
SERVICE_ACCOUNT = json.dumps(
    {"type": "service_account", "private_key": f"-----BEGIN\n{SECRET}\n-----END\n", "client_email": "p@acme.example"},
    indent=2,
)
ON_ONE_LINE = json.dumps(json.loads(SERVICE_ACCOUNT))
GIVEN = f"pulumi.Output.secret({SECRET!r})"
GOOGLE = f"pulumi.Output.secret({SERVICE_ACCOUNT!r})"

REGISTRIES = {
    "Docker Hub": ("https://index.docker.io/v1/", "acme", SECRET, f"codespaces.docker_hub('acme', {GIVEN})"),
    "GitHub": ("ghcr.io", "bot", SECRET, f"codespaces.github_container_registry('bot', {GIVEN})"),
    "Azure": ("acme.azurecr.io", "pull", SECRET, f"codespaces.azure_container_registry('acme', 'pull', {GIVEN})"),
    "Azure by its server": (
        "acme.azurecr.io", "pull", SECRET,
        f"codespaces.azure_container_registry(pulumi.Output.from_input('acme.azurecr.io'), 'pull', {GIVEN})",
    ),
    "Google, Artifact Registry": (
        "europe-west1-docker.pkg.dev", "_json_key", ON_ONE_LINE,
        f"codespaces.google_artifact_registry('europe-west1', {GOOGLE})",
    ),
    "Google, US": ("gcr.io", "_json_key", ON_ONE_LINE, f"codespaces.google_container_registry({GOOGLE})"),
    "Google, EU": (
        "eu.gcr.io", "_json_key", ON_ONE_LINE, f"codespaces.google_container_registry({GOOGLE}, 'eu.gcr.io')"
    ),
    "Google, Asia": (
        "asia.gcr.io", "_json_key", ON_ONE_LINE, f"codespaces.google_container_registry({GOOGLE}, host='asia.gcr.io')"
    ),
    "any other": (
        "registry.corp.example", "x", SECRET,
        f"{{'server': 'registry.corp.example', 'user': 'x', 'password': {GIVEN}}}",
    ),
}  # fmt: skip


PULL = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow",
    "Action": [
        "ecr:GetAuthorizationToken", "sts:GetServiceBearerToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
    ],
    "Resource": "*",
}]}  # fmt: skip


def program(login: str, **more: object) -> str:
    items = "".join(f", {name!r}: {value!r}" for name, value in more.items())
    return HEAD + (
        f"login = codespaces.RegistryLogin('login', {{**{login}, 'selected_repositories': ['web']{items}}})\n"
        "pulumi.export('login', login.summary)\n"
    )


@pytest.mark.parametrize("registry", REGISTRIES)
def test_a_codespace_logs_in_and_pulls(cloud, new_cloud_stack, registry):
    server, user, password, login = REGISTRIES[registry]
    cloud.aws.registries.add("index.docker.io" if "docker.io" in server else server, user, password, ["team/app"])
    image = "team/app:latest" if registry == "Docker Hub" else f"{server}/team/app:latest"
    stack = new_cloud_stack(program(login, probe_images=["team/app"]))
    outcomes = [stack.preview(), stack.up()]
    assert outcomes[0].warnings == []
    for repository, pulls in (("web", True), ("docs", False)):
        with start_codespace(cloud.github, cloud.aws, f"acme/{repository}") as codespace:
            assert codespace.pull(image).ok is pulls
    assert cloud.github.organization("acme").secrets["LOGIN_CONTAINER_REGISTRY_PASSWORD"].value == password
    outcomes.append(stack.preview("--expect-no-changes"))
    nowhere([SECRET], stack, *outcomes)


def test_a_codespace_of_one_repository_publishes(cloud, new_cloud_stack):
    token = "ghp_CANARYpublisher"
    cloud.github.seed({"tokens": {token: {"kind": "classic", "scopes": ["write:packages"], "login": "bot"}}})
    cloud.aws.registries.add("ghcr.io", "bot", token, ["acme/base/image"])
    stack = new_cloud_stack(
        HEAD + "codespaces.RegistryLogin('publisher', {**codespaces.github_container_registry('bot', "
        f"pulumi.Output.secret({token!r})), 'repository': 'web'}})\n"
    )
    outcomes = [stack.preview(), stack.up()]
    assert outcomes[0].warnings == []
    image = "ghcr.io/acme/base/image:next"
    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace:
        pushed = codespace.push(image, "hello")
        assert pushed.ok
        assert codespace.pull(image).digest == pushed.digest
    with start_codespace(cloud.github, cloud.aws, "acme/api") as codespace:
        assert not codespace.push(image, "other").ok
    nowhere([token], stack, *outcomes)


def test_ecr_by_a_key_that_exists(cloud, new_cloud_stack):
    """GitHub exchanges the key for a token, and the token has to work."""
    cloud.aws.create_user("puller")
    cloud.aws.put_user_policy("puller", "pull", PULL)
    key = cloud.aws.create_access_key("puller")
    secret = key.secret_access_key
    login = f"{{'server': {HOST!r}, 'user': {key.access_key_id!r}, 'password': pulumi.Output.secret({secret!r})}}"
    stack = new_cloud_stack(program(login, probe_images=["payments/api"]))
    stack.up()
    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace:
        assert codespace.pull(f"{HOST}/payments/api:latest").ok
    stack.write(program(login, probe_images=["payments/api", "payments/none"]))
    refused = stack.up(check=False)
    assert "the image does not exist; probe_images must list existing images" in refused.output
    assert "Nothing was published" in refused.output
    nowhere([secret], stack, refused)


def test_ecr_by_a_token_that_every_update_renews(cloud, new_cloud_stack):
    stack = new_cloud_stack(program("codespaces.ecr_token()"))
    preview = stack.preview()
    assert "a token of Amazon ECR expires after 12 hours" in told(preview)
    stack.up()
    ends = stack.outputs()["login"]["expiresAt"]
    secrets = cloud.github.organization("acme").secrets
    assert secrets["LOGIN_CONTAINER_REGISTRY_USER"].value == "AWS"
    assert secrets["LOGIN_CONTAINER_REGISTRY_SERVER"].value == HOST
    before = secrets["LOGIN_CONTAINER_REGISTRY_PASSWORD"].value
    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace:
        assert codespace.pull(f"{HOST}/payments/api:latest").ok
    renewed = stack.up()
    after = cloud.github.organization("acme").secrets["LOGIN_CONTAINER_REGISTRY_PASSWORD"].value
    assert after != before
    assert stack.outputs()["login"]["expiresAt"] >= ends
    nowhere([before, after], stack, preview, renewed)
    assert (DEFAULT_ACCOUNT in HOST, DEFAULT_REGION in HOST) == (True, True)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ("2020-01-01T00:00:00Z", "the credentials ended at 2020-01-01T00:00:00Z: codespaces cannot log in"),
        ("soon", "RegistryLogin login: expires_at 'soon': must be a time with its zone (RFC 3339)"),
        ("2099-01-01T00:00:00", "must be a time with its zone (RFC 3339)"),
        ("2099-01-01T00:00:00Z", None),
    ],
)
def test_when_credentials_end(cloud, new_cloud_stack, ends, message):
    server, user, password, login = REGISTRIES["Azure"]
    cloud.aws.registries.add(server, user, password, ["team/app"])
    stack = new_cloud_stack(program(login, expires_at=ends))
    preview = stack.preview(check=False)
    assert preview.ok is (ends[0] == "2" and ends.endswith("Z"))
    assert (message or "") in told(preview)
    assert ("credentials end" in told(preview)) is ("ended" in (message or ""))


@pytest.mark.parametrize(
    ("login", "message"),
    [
        (
            f"codespaces.github_container_registry('bot', pulumi.Output.secret('github_pat_{SECRET}'))",
            "password of GitHub Container registry: it is a fine-grained token, which GitHub Packages does not accept",
        ),
        (
            f"codespaces.google_artifact_registry('us', {GIVEN})",
            "the key of a Google service account: password: the key of a Google service account must be JSON",
        ),
        (
            f"codespaces.google_container_registry({GOOGLE}, 'gcr.example')",
            "host 'gcr.example': must be gcr.io, us.gcr.io",
        ),
        (
            f"{{'server': {HOST!r}, 'user': 'ASIAX', 'password': {GIVEN}}}",
            "it begins with ASIA, so it is a temporary access key",
        ),
        (f"codespaces.azure_container_registry('acme/x', 'pull', {GIVEN})", "server 'acme/x.azurecr.io'"),
    ],
)  # fmt: skip
def test_credentials_that_cannot_work_are_refused_in_the_preview(cloud, new_cloud_stack, login, message):
    stack = new_cloud_stack(program(login))
    refused = stack.preview(check=False)
    assert not refused.ok
    assert message in told(refused)
    assert not has_frame_of_package(refused.output)
    assert cloud.github.organization("acme").secrets == {}
    nowhere([SECRET], stack, refused)
