"""A codespace of the local cloud: which secrets it gets, how it logs in, and that the fast judge agrees with it."""

from __future__ import annotations

import base64
import gc
import json
import shutil
import sys
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig import codespace as program
from rig.aws import Credentials, LocalAws
from rig.codespace import Codespace, Login, Pull, judge, judge_secrets, start_codespace, triples, visible_secrets
from rig.github import GitHubStandIn, Organization

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, REGION = "123456789012", "eu-west-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
API, WEB = f"{HOST}/payments/api:latest", f"{HOST}/payments/web:latest"
LOGIN = ["ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"]
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
GITHUB_SEED: dict[str, Any] = {
    "organizations": {
        "acme": {
            "id": 1,
            "plan": "team",
            "repositories": {
                "web": {"id": 11},
                "api": {"id": 12},
                "docs": {"id": 13, "private": False},
                "tools": {"id": 14, "visibility": "internal"},
            },
        }
    },
    "users": {"mona": {"id": 5}},
}

needs_docker = pytest.mark.skipif(
    not shutil.which("docker") or not sys.platform.startswith("linux"), reason="there is no docker command to use"
)
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="there is no skopeo")
WAYS = [pytest.param("cli", marks=needs_docker), "http"]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        for name in ("payments/api", "payments/web"):
            aws.create_repository(name)
            aws.push_image(name)
        registry = aws.registries.add("acme.azurecr.io", "pull", "azure-password", ["team/app"])
        registry.push_image("team/secret")
        aws.registries.add("ghcr.io", "bot", "ghcr-password", ["acme/app"])
        aws.registries.add("index.docker.io", "hub-user", "hub-password", ["acme/app"])
        yield aws


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    with GitHubStandIn(GITHUB_SEED) as github:
        yield github


@pytest.fixture
def acme(github: GitHubStandIn) -> Organization:
    return github.organization("acme")


def arn_of(image: str) -> str:
    return f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{image.partition('/')[2].partition(':')[0]}"


def new_user(aws: LocalAws, images: list[str], actions: list[str] = LOGIN) -> tuple[str, Credentials]:
    name = f"user-{uuid4().hex[:12]}"
    aws.create_user(name, path="/codespaces/")
    permit(aws, name, images, actions)
    return name, aws.create_access_key(name)


def permit(aws: LocalAws, user: str, images: list[str], actions: list[str] = LOGIN) -> None:
    statements = [{"Effect": "Allow", "Action": actions, "Resource": "*"}] if actions else []
    if images:
        statements.append({"Effect": "Allow", "Action": PULL, "Resource": [arn_of(image) for image in images]})
    aws.put_user_policy(user, "pull", {"Version": "2012-10-17", "Statement": statements})


def publish(acme: Organization, prefix: str, server: str, user: str, password: str, *repositories: str) -> None:
    visibility = "selected" if repositories else "all"
    for part, value in (("SERVER", server), ("USER", user), ("PASSWORD", password)):
        acme.put_secret(f"{prefix}_CONTAINER_REGISTRY_{part}", value, visibility, repositories)


def outcome(github: GitHubStandIn, aws: LocalAws, repository: str, image: str) -> Pull:
    """Start a codespace and pull; the judge must say the same."""
    with start_codespace(github, aws, repository, docker="http") as codespace:
        pull = codespace.pull(image)
    judged = judge(github, aws, repository, image)
    assert (judged.ok, judged.digest) == (pull.ok, pull.digest), (judged, pull)
    assert bool(judged.reason) is not judged.ok
    return pull


# -- which secrets


def test_secrets_reach_the_repositories_that_their_visibility_says(github: GitHubStandIn, acme: Organization) -> None:
    acme.put_secret("FOR_ALL", "1", "all")
    acme.put_secret("FOR_PRIVATE", "2", "private")
    acme.put_secret("FOR_SOME", "3", "selected", ["web", "docs"])
    acme.put_secret("FOR_NONE", "4", "selected")
    seen = {name: sorted(visible_secrets(github, f"acme/{name}")) for name in ("web", "api", "docs", "tools")}
    assert seen == {
        "web": ["FOR_ALL", "FOR_PRIVATE", "FOR_SOME"],
        "api": ["FOR_ALL", "FOR_PRIVATE"],
        "docs": ["FOR_ALL", "FOR_SOME"],
        "tools": ["FOR_ALL", "FOR_PRIVATE"],
    }
    with pytest.raises(KeyError):
        visible_secrets(github, "acme/unknown")


def test_the_lowest_level_wins_secret_by_secret(github: GitHubStandIn, acme: Organization) -> None:
    for name in ("A", "B", "C", "D"):
        acme.put_secret(name, "organization", "all")
    github.repository("acme/web").put_secret("B", "repository")
    github.repository("acme/web").put_secret("C", "repository")
    mona = github.cloud.user("mona")
    mona.put_secret("C", "user", "selected", ["acme/web"])
    mona.put_secret("D", "user", "selected", ["acme/api"])
    of_web = {"A": "organization", "B": "repository", "C": "repository", "D": "organization"}
    assert visible_secrets(github, "acme/web") == of_web
    assert visible_secrets(github, "acme/web", "Mona") == {**of_web, "C": "user"}
    assert visible_secrets(github, "acme/api", "mona")["D"] == "user"


def test_a_plan_without_codespaces_secrets_gives_none(github: GitHubStandIn, acme: Organization) -> None:
    acme.put_secret("A", "1", "all")
    acme.plan = "free"
    assert visible_secrets(github, "acme/web") == {}


def test_only_whole_triples_count_in_the_order_of_their_prefixes() -> None:
    secrets = {
        f"{prefix}_CONTAINER_REGISTRY_{part}": f"{prefix}-{part}"
        for prefix in ("ZULU", "ALPHA", "A_B", "PART", "EMPTY")
        for part in ("SERVER", "USER", "PASSWORD")
    }
    del secrets["PART_CONTAINER_REGISTRY_USER"]
    secrets["EMPTY_CONTAINER_REGISTRY_PASSWORD"] = ""
    secrets["_CONTAINER_REGISTRY_SERVER"] = secrets["CONTAINER_REGISTRY_SERVER"] = "x"
    assert [triple.prefix for triple in triples(secrets)] == ["ALPHA", "A_B", "ZULU"]
    assert "ALPHA-PASSWORD" not in repr(triples(secrets))


# -- logins and pulls


@pytest.mark.parametrize("way", WAYS)
def test_a_selected_repository_pulls_and_no_other(
    github: GitHubStandIn, acme: Organization, aws: LocalAws, way: Literal["cli", "http"]
) -> None:
    _, key = new_user(aws, [API])
    publish(acme, "ECR", HOST, key.access_key_id, key.secret_access_key, "web")
    with start_codespace(github, aws, "acme/web", docker=way) as codespace:
        assert codespace.logins == [Login("ECR", HOST, ok=True)]
        pulled = codespace.pull(API)
        assert (pulled.ok, pulled.digest) == (True, judge(github, aws, "acme/web", API).digest)
        refused = codespace.pull(WEB)
        assert (refused.ok, "not authorized to perform: ecr:BatchGetImage" in refused.reason) == (False, True)
        stored = json.loads((codespace._home / "config.json").read_text())["auths"][HOST]["auth"]
        assert base64.b64decode(stored).startswith(b"AWS:eyJ")
        home = codespace._home
    assert not home.exists()
    with start_codespace(github, aws, "acme/api", docker=way) as codespace:
        assert codespace.logins == []
        assert codespace.pull(API) == Pull(False, f"no basic auth credentials for {HOST}")
    assert not judge(github, aws, "acme/api", API).ok


@needs_skopeo
def test_skopeo_pulls_with_the_same_credentials(github: GitHubStandIn, acme: Organization, aws: LocalAws) -> None:
    _, key = new_user(aws, [API])
    publish(acme, "ECR", HOST, key.access_key_id, key.secret_access_key)
    with start_codespace(github, aws, "acme/web", docker="http") as codespace:
        assert codespace.pull(API, tool="skopeo") == codespace.pull(API)
        assert codespace.pull(API, tool="skopeo").ok
        assert not codespace.pull(WEB, tool="skopeo").ok


@pytest.mark.parametrize("way", WAYS)
def test_why_a_login_fails_is_told_without_secrets(
    github: GitHubStandIn, acme: Organization, aws: LocalAws, way: Literal["cli", "http"]
) -> None:
    user, key = new_user(aws, [API])
    wrong = key.secret_access_key[::-1]
    publish(acme, "WRONG", HOST, key.access_key_id, wrong)
    publish(acme, "UNKNOWN", HOST, "AKIAIOSFODNN7EXAMPLE", wrong)
    publish(acme, "ACR", "acme.azurecr.io", "pull", "wrong-password")
    publish(acme, "NOWHERE", "registry.example.com", "somebody", "some-password")
    with start_codespace(github, aws, "acme/web", docker=way) as codespace:
        reasons = {login.prefix: login.reason for login in codespace.logins}
        assert not any(login.ok for login in codespace.logins)
        assert reasons["WRONG"] == "ecr:GetAuthorizationToken answers InvalidSignatureException"
        assert reasons["UNKNOWN"] == "ecr:GetAuthorizationToken answers UnrecognizedClientException"
        assert "failed with status: 401 Unauthorized" in reasons["ACR"]
        assert "orbidden" in reasons["NOWHERE"]
        for secret in (wrong, key.secret_access_key, "wrong-password", "some-password"):
            assert secret not in repr(codespace.logins)
    permit(aws, user, [API], ["sts:GetServiceBearerToken"])
    publish(acme, "WRONG", HOST, key.access_key_id, key.secret_access_key)
    with start_codespace(github, aws, "acme/web", docker=way) as codespace:
        by_prefix = {login.prefix: login.reason for login in codespace.logins}
        assert by_prefix["WRONG"] == "ecr:GetAuthorizationToken answers AccessDeniedException"


def test_the_swap_needs_the_bearer_token_permission(github: GitHubStandIn, acme: Organization, aws: LocalAws) -> None:
    user, key = new_user(aws, [API], ["ecr:GetAuthorizationToken"])
    publish(acme, "ECR", HOST, key.access_key_id, key.secret_access_key)
    with start_codespace(github, aws, "acme/web", docker="http") as codespace:
        assert codespace.logins == [Login("ECR", HOST, ok=False, reason="sts:GetServiceBearerToken is not allowed")]
    assert not outcome(github, aws, "acme/web", API).ok
    permit(aws, user, [API])
    assert outcome(github, aws, "acme/web", API).ok


def test_a_token_can_be_given_instead_of_a_key(github: GitHubStandIn, acme: Organization, aws: LocalAws) -> None:
    _, key = new_user(aws, [API], ["ecr:GetAuthorizationToken"])
    data = aws.client("ecr", key=key).get_authorization_token()["authorizationData"][0]
    token = base64.b64decode(data["authorizationToken"]).decode().removeprefix("AWS:")
    publish(acme, "ECR", HOST, "AWS", token)
    assert outcome(github, aws, "acme/web", API).ok
    publish(acme, "ECR", HOST, "AWS", f"{token}x")
    assert not outcome(github, aws, "acme/web", API).ok
    publish(acme, "ECR", HOST, "AWS", token)
    aws.expire_tokens()
    assert not outcome(github, aws, "acme/web", API).ok


def test_a_server_that_github_does_not_know_as_ecr_is_not_swapped(
    github: GitHubStandIn, acme: Organization, aws: LocalAws
) -> None:
    _, key = new_user(aws, [API])
    for server in (f"https://{HOST}", f"{HOST}/payments", f"{ACCOUNT}.dkr-ecr.{REGION}.on.aws"):
        publish(acme, "ECR", server, key.access_key_id, key.secret_access_key)
        assert not outcome(github, aws, "acme/web", API).ok
    publish(acme, "ECR", HOST, key.access_key_id, key.secret_access_key)
    assert outcome(github, aws, "acme/web", API).ok


@pytest.mark.parametrize("way", WAYS)
def test_other_registries(
    github: GitHubStandIn, acme: Organization, aws: LocalAws, way: Literal["cli", "http"]
) -> None:
    publish(acme, "ACR", "acme.azurecr.io", "pull", "azure-password")
    publish(acme, "GHCR", "ghcr.io", "bot", "ghcr-password")
    publish(acme, "HUB", "https://index.docker.io/v1/", "hub-user", "hub-password")
    images = {
        "acme.azurecr.io/team/app": True,
        "acme.azurecr.io/team/secret": False,
        "acme.azurecr.io/team/app:unknown": False,
        "ghcr.io/acme/app:latest": True,
        "ghcr.io/acme/other": False,
        "acme/app": True,
        "docker.io/acme/app:latest": True,
        "alpine": False,
    }
    with start_codespace(github, aws, "acme/docs", docker=way) as codespace:
        assert [login.ok for login in codespace.logins] == [True, True, True]
        assert {image: codespace.pull(image).ok for image in images} == images
    assert {image: judge(github, aws, "acme/docs", image).ok for image in images} == images


def test_docker_keeps_one_credential_a_host(github: GitHubStandIn, acme: Organization, aws: LocalAws) -> None:
    _, reads_api = new_user(aws, [API])
    _, reads_web = new_user(aws, [WEB])
    publish(acme, "A", HOST, reads_api.access_key_id, reads_api.secret_access_key)
    publish(acme, "B", HOST, reads_web.access_key_id, reads_web.secret_access_key)
    assert [outcome(github, aws, "acme/web", image).ok for image in (API, WEB)] == [False, True]
    publish(acme, "B", HOST, reads_web.access_key_id, "wrong")
    assert [outcome(github, aws, "acme/web", image).ok for image in (API, WEB)] == [True, False]


def test_a_mixed_triple_does_not_log_in(github: GitHubStandIn, acme: Organization, aws: LocalAws) -> None:
    _, old = new_user(aws, [API])
    _, new = new_user(aws, [API])
    publish(acme, "ECR", HOST, old.access_key_id, new.secret_access_key)
    assert not outcome(github, aws, "acme/web", API).ok
    acme.put_secret("ECR_CONTAINER_REGISTRY_USER", new.access_key_id, "all")
    assert outcome(github, aws, "acme/web", API).ok
    github.repository("acme/web").put_secret("ECR_CONTAINER_REGISTRY_USER", old.access_key_id)
    assert not outcome(github, aws, "acme/web", API).ok
    assert outcome(github, aws, "acme/api", API).ok


def test_a_codespace_keeps_what_it_got_at_its_start(github: GitHubStandIn, acme: Organization, aws: LocalAws) -> None:
    user, old = new_user(aws, [API])
    publish(acme, "ECR", HOST, old.access_key_id, old.secret_access_key)
    with start_codespace(github, aws, "acme/web", docker="http") as before:
        new = aws.create_access_key(user)
        publish(acme, "ECR", HOST, new.access_key_id, new.secret_access_key)
        with start_codespace(github, aws, "acme/web", docker="http") as after:
            for codespace in (before, after):
                assert codespace.resume_login() == [Login("ECR", HOST, ok=True)]
                assert codespace.pull(API).ok
                assert judge_secrets(codespace.secrets, aws, API).ok
            aws.set_access_key_status(user, old.access_key_id, "Inactive")
            assert not before.pull(API).ok
            assert [login.ok for login in before.resume_login()] == [False]
            assert not judge_secrets(before.secrets, aws, API).ok
            assert after.pull(API).ok


def test_content_is_verified(github: GitHubStandIn, acme: Organization, aws: LocalAws) -> None:
    publish(acme, "ACR", "broken.azurecr.io", "pull", "azure-password")
    registry = aws.registries.add("broken.azurecr.io", "pull", "azure-password")
    image = registry.push_image("team/broken")
    name = f"broken.azurecr.io/team/broken@{image.digest}"
    assert outcome(github, aws, "acme/web", name).digest == image.digest
    layer = list(image.blobs)[1]
    registry.content.blob(layer).write_bytes(b"something else")
    refused = outcome(github, aws, "acme/web", name)
    assert refused.reason.startswith(f"the blob {layer} has the digest sha256:")
    registry.content.blob(image.digest).write_bytes(image.manifest + b" ")
    assert outcome(github, aws, "acme/web", name).reason.startswith(f"the manifest of {image.digest} has the digest")


def test_a_codespace_that_nobody_closed_leaves_nothing(aws: LocalAws) -> None:
    codespace = Codespace("acme/web", {}, program.Network.of(aws), docker="http")
    home = codespace._home
    assert home.is_dir()
    del codespace
    gc.collect()
    assert not home.exists()


def test_a_missing_command_is_named(aws: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    network = program.Network.of(aws)
    with pytest.raises(FileNotFoundError, match="docker='cli': there is no docker command on PATH; use docker='http'"):
        Codespace("acme/web", {}, network, docker="cli")
    with Codespace("acme/web", {}, network) as codespace, pytest.raises(FileNotFoundError, match="no skopeo on PATH"):
        codespace.pull(API, tool="skopeo")


# -- the judge


def test_the_judge_asks_ministack_only_after_a_change(
    github: GitHubStandIn, acme: Organization, aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, key = new_user(aws, [API])
    publish(acme, "ECR", HOST, key.access_key_id, key.secret_access_key)
    asked: list[str] = []
    ask = aws._core.emulator.ask
    monkeypatch.setattr(aws._core.emulator, "ask", lambda op, **given: asked.append(op) or ask(op, **given))
    for _ in range(50):
        assert judge(github, aws, "acme/web", API).ok
    assert asked == ["authorize", "image"]
    permit(aws, user, [WEB])
    assert not judge(github, aws, "acme/web", API).ok
    aws.client("iam").put_user_policy(UserName=user, PolicyName="pull", PolicyDocument=everything())
    assert judge(github, aws, "acme/web", API).ok
    aws.client("iam").list_users()
    assert judge(github, aws, "acme/web", API).ok
    assert asked == ["authorize", "image", "authorize", "authorize", "image"]


def everything() -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def test_the_judge_can_be_called_by_the_observers_of_both_clouds(
    github: GitHubStandIn, acme: Organization, aws: LocalAws
) -> None:
    verdicts: list[bool] = []
    user, key = new_user(aws, [API])

    def observe(_: object) -> None:
        verdicts.append(judge(github, aws, "acme/web", API).ok)

    github.observers.append(observe)
    aws.observers.append(observe)
    try:
        publish(acme, "ECR", HOST, key.access_key_id, key.secret_access_key)
        aws.client("iam").update_access_key(UserName=user, AccessKeyId=key.access_key_id, Status="Inactive")
        aws.client("iam").update_access_key(UserName=user, AccessKeyId=key.access_key_id, Status="Active")
        acme.delete_secret("ECR_CONTAINER_REGISTRY_SERVER")
    finally:
        aws.observers.clear()
    assert verdicts == [False, False, True, False, True, False]


@st.composite
def triple_choices(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "level": draw(st.sampled_from(["all", "web", "repository"])),
        "server": draw(st.sampled_from([HOST, HOST, HOST, f"https://{HOST}", "acme.azurecr.io"])),
        "key": draw(st.sampled_from(["good", "good", "wrong secret", "inactive", "deleted", "token"])),
        "reads": draw(st.lists(st.sampled_from([API, WEB]), max_size=2, unique=True)),
        "actions": draw(st.sampled_from([LOGIN, LOGIN, LOGIN[:1], LOGIN[1:]])),
        "part": draw(st.sampled_from(["", "", "", "USER", "PASSWORD", "SERVER"])),
    }


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choices=st.lists(triple_choices(), max_size=3))
def test_the_judge_says_what_happens_over_the_network(
    github: GitHubStandIn, acme: Organization, aws: LocalAws, choices: list[dict[str, Any]]
) -> None:
    web = github.repository("acme/web")
    acme.secrets.clear()
    web.secrets.clear()
    for number, choice in enumerate(choices):
        user, key = new_user(aws, choice["reads"], [*choice["actions"]])
        key_id, secret = key.access_key_id, key.secret_access_key
        if choice["key"] == "token" and choice["actions"] != LOGIN[1:]:
            data = aws.client("ecr", key=key).get_authorization_token()["authorizationData"][0]
            key_id, secret = base64.b64decode(data["authorizationToken"]).decode().split(":", 1)
        if choice["key"] == "wrong secret":
            secret = secret[::-1]
        if choice["key"] == "inactive":
            aws.set_access_key_status(user, key.access_key_id, "Inactive")
        if choice["key"] == "deleted":
            aws.delete_access_key(user, key.access_key_id)
        for part, value in (("SERVER", choice["server"]), ("USER", key_id), ("PASSWORD", secret)):
            name = f"T{number}_CONTAINER_REGISTRY_{part}"
            if part == choice["part"]:
                continue
            if choice["level"] == "repository":
                web.put_secret(name, value)
            else:
                acme.put_secret(name, value, "all" if choice["level"] == "all" else "selected", ["web"])
    for repository in ("acme/web", "acme/api"):
        for image in (API, WEB):
            outcome(github, aws, repository, image)


# -- as a program


def test_the_program_reads_the_stand_in(
    github: GitHubStandIn,
    acme: Organization,
    aws: LocalAws,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    user, key = new_user(aws, [API])
    publish(acme, "ECR", HOST, key.access_key_id, key.secret_access_key, "web")
    arguments = ["--github", github.url, "--docker", "http", "--repository"]
    digest = judge(github, aws, "acme/web", API).digest
    assert program.main([*arguments, "acme/web", API]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"acme/web: login to {HOST} (ECR): ok",
        f"acme/web: pull {API}: ok, {digest}",
    ]
    assert program.main([*arguments, "acme/api", API]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "acme/api: no registry credentials among 0 secrets",
        f"acme/api: pull {API}: no basic auth credentials for {HOST}",
    ]
    permit(aws, user, [API], ["ecr:GetAuthorizationToken"])
    assert program.main([*arguments, "acme/web"]) == 0
    assert "sts:GetServiceBearerToken is not allowed" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        program.main(["--github", github.url])
    assert "--github needs --repository" in capsys.readouterr().err


def test_the_program_reads_its_environment_as_inside_a_codespace(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    secrets = {"SERVER": "acme.azurecr.io", "USER": "pull", "PASSWORD": "azure-password"}
    secrets = {f"ACR_CONTAINER_REGISTRY_{part}": value for part, value in secrets.items()}
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps(secrets))
    assert program.main(["--docker", "http", "--secrets", str(file), "acme.azurecr.io/team/app"]) == 0
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    assert program.main(["--docker", "http", "acme.azurecr.io/team/app"]) == 0
    assert "azure-password" not in capsys.readouterr().out
