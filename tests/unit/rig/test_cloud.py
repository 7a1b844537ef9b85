"""The local cloud as a whole, in Python and as a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from rig import cloud as program
from rig.aws.environment import read_environment_file, write_environment_file
from rig.cloud import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[2]
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
IMAGE = f"{HOST}/payments/api:latest"


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(docker="http") as cloud:
        yield cloud


@pytest.fixture
def file(cloud: LocalCloud, tmp_path: Path) -> str:
    path = tmp_path / "cloud.env"
    write_environment_file(path, cloud.environment)
    return str(path)


def grant(cloud: LocalCloud, *repositories: str) -> str:
    """Give repositories the image, as the program under test does it; the access key's id."""
    cloud.aws.create_user("puller", path="/codespaces/")
    statement = {"Effect": "Allow", "Action": ["ecr:*", "sts:GetServiceBearerToken"], "Resource": "*"}
    cloud.aws.put_user_policy("puller", "pull", {"Version": "2012-10-17", "Statement": [statement]})
    key = cloud.aws.create_access_key("puller")
    values = {"SERVER": HOST, "USER": key.access_key_id, "PASSWORD": key.secret_access_key}
    for part, value in values.items():
        acme = cloud.github.organization("acme")
        acme.put_secret(f"ECR_CONTAINER_REGISTRY_{part}", value, "selected", repositories)
    return key.access_key_id


def test_the_environment_leads_to_both_clouds(cloud: LocalCloud) -> None:
    variables = cloud.environment
    assert variables["GITHUB_BASE_URL"] == f"{cloud.github.url}/"
    assert variables["GITHUB_OWNER"] == "acme"
    headers = {"authorization": f"Bearer {variables['GITHUB_TOKEN']}"}
    url = f"{variables['GITHUB_BASE_URL']}api/v3/orgs/acme/codespaces/secrets"
    assert httpx.get(url, headers=headers, trust_env=False).json() == {"total_count": 0, "secrets": []}
    assert cloud.aws.environment.items() <= variables.items()


def test_the_default_seed(cloud: LocalCloud) -> None:
    assert sorted(cloud.github.organization("acme").repositories) == ["api", "docs", "infra", "web"]
    found = {repository.name: repository.tags for repository in cloud.aws.repositories()}
    assert found == {"payments/api": ("latest",), "payments/web": ("latest",), "shared/base": ("latest",)}


def test_a_seed_of_ones_own() -> None:
    seed: dict[str, Any] = {
        "github": {
            "organizations": {"umbrella": {"id": 7, "repositories": {"lab": {"id": 70}}}},
            "tokens": {"ghp_mine": {"kind": "classic", "scopes": ["read:org"], "login": "me"}},
        },
        "aws": {
            "accounts": {
                "111122223333": {"repositories": {"us-east-1": {"virus": ["t"]}}},
                "444455556666": {"roles": {"deploy": {"trusts": ["111122223333"]}}},
            },
            "registries": {"umbrella.azurecr.io": {"user": "u", "password": "p", "repositories": ["a"]}},
        },
    }
    with LocalCloud(seed) as cloud:
        assert cloud.environment["GITHUB_OWNER"] == "umbrella"
        assert cloud.environment["GITHUB_TOKEN"] == "ghp_mine"
        assert cloud.aws.accounts == ("111122223333", "444455556666")
        role = {"RoleArn": "arn:aws:iam::444455556666:role/deploy", "RoleSessionName": "test"}
        assert cloud.aws.client("sts").assume_role(**role)["Credentials"]["AccessKeyId"].startswith("ASIA")
        registry = cloud.aws.registries.find("umbrella.azurecr.io")
        assert registry is not None
        assert registry.find_image("a", "latest") is not None
    with pytest.raises(ValueError, match=r"github\.organizations is empty"):
        LocalCloud({"github": {}})


def test_codespaces_end_with_the_cloud() -> None:
    with LocalCloud(docker="http") as cloud:
        first = cloud.start_codespace("acme/web", name="one")
        second = cloud.start_codespace("acme/api", name="one")
        third = cloud.start_codespace("acme/api")
        assert not first._home.exists()
        assert second._home.exists()
        assert sorted(cloud.codespaces) == ["acme/api-1", "one"]
    assert not second._home.exists()
    assert not third._home.exists()


def test_codespaces_are_started_from_another_process(
    cloud: LocalCloud, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, list[str]]:
        code = program.main(["codespace", "--environment-file", file, *arguments])
        said = capsys.readouterr()
        return code, (said.out + said.err).splitlines()

    key_id = grant(cloud, "web")
    assert run("start", "acme/web", "--name", "before") == (0, [f"before: login to {HOST} (ECR): ok"])
    assert run("start", "acme/docs") == (0, ["acme/docs: no registry credentials"])
    code, said = run("pull", "before", IMAGE)
    assert (code, said[0].startswith(f"before: pull {IMAGE}: ok, sha256:")) == (0, True)
    code, said = run("pull", "before", IMAGE, f"{HOST}/unknown")
    assert (code, len(said), "404" in said[1]) == (1, 2, True)
    assert run("list") == (0, [f"before: acme/web, logged in to {HOST}", "acme/docs: acme/docs, logged in to nothing"])
    cloud.aws.set_access_key_status("puller", key_id, "Inactive")
    assert run("login", "before") == (
        0,
        [f"before: login to {HOST} (ECR): ecr:GetAuthorizationToken answers UnrecognizedClientException"],
    )
    assert run("stop", "before") == (0, [])
    assert run("pull", "before", IMAGE) == (2, ["before: there is no such codespace; there are: acme/docs"])
    assert run("login", "before")[0] == run("stop", "before")[0] == 2
    assert run("start", "acme/unknown") == (2, ["acme/unknown: there is no such repository"])
    assert run("pull", "acme/docs", "Not An Image")[0] == 2


def test_what_is_there_is_shown_without_secrets(
    cloud: LocalCloud, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key_id = grant(cloud, "web", "docs")
    secret = cloud.github.organization("acme").secrets["ECR_CONTAINER_REGISTRY_PASSWORD"].value
    assert program.main(["show", "--environment-file", file]) == 0
    said = capsys.readouterr().out
    assert secret not in said
    lines = said.splitlines()
    assert lines[0] == "GitHub organization acme, Codespaces secrets: 3"
    assert lines[1].startswith("  ECR_CONTAINER_REGISTRY_SERVER: docs, web; updated 20")
    assert lines[4:6] == ["AWS account 123456789012, IAM users: 1, ECR repositories: 3", "  user /codespaces/puller"]
    assert lines[6].startswith(f"    access key {key_id}: Active, created 20")


def test_nobody_else_gets_in(cloud: LocalCloud) -> None:
    url = cloud.environment["LOCAL_CLOUD_URL"]
    for headers in ({}, {"authorization": "Bearer wrong"}):
        assert httpx.get(f"{url}/state", headers=headers, trust_env=False).status_code == 401


def test_the_program_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main([])
    assert "--environment-file is needed" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_runs_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    file, seed = tmp_path / "cloud.env", tmp_path / "seed.json"
    seed.write_text(json.dumps({"github": {"organizations": {"acme": {"repositories": {"web": {"id": 1}}}}}}))
    arguments = ["--seed", str(seed), "--environment-file", str(file), "--docker", "http"]
    with subprocess.Popen(
        [sys.executable, "-m", "rig.cloud", *arguments],
        env={**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            end = time.monotonic() + 20
            while not file.exists():
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.02)
            assert read_environment_file(file)["GITHUB_OWNER"] == "acme"
            assert program.main(["codespace", "--environment-file", str(file), "start", "acme/web"]) == 0
            os.killpg(process.pid, number)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    assert [line.partition(":")[0] for line in out.splitlines()] == ["github", "aws", "registries"]
    assert list(tmp_path.iterdir()) == [seed]
