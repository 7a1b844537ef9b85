"""The process behind the registries that are not ECR: when it runs, what it holds, and what it says when it fails."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from rig.aws import LocalAws, distribution
from rig.aws.distribution import DistributionFailed
from rig.aws.oci import MANIFEST_TYPE, build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[2]
AZURE, GHCR = "acme.azurecr.io", "ghcr.io"
ACCEPT = {"accept": MANIFEST_TYPE}
MANIFEST = "https://{}/v2/team/app/manifests/latest"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def client(aws: LocalAws) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=aws.ca_file)
    with httpx.Client(proxy=aws.proxy_url, verify=context, trust_env=False) as client:
        yield client


def children(pid: int) -> set[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return {int(child) for child in listed.split()}


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def token(client: httpx.Client, scope: str, password: str = "secret") -> str:
    asked = {"service": GHCR, "scope": scope}
    return str(client.get(f"https://{GHCR}/token", params=asked, auth=("bot", password)).json()["token"])


def test_it_runs_once_a_registry_is_added_and_until_the_end() -> None:
    with LocalAws() as aws:
        before = children(os.getpid())
        aws.registries.add(AZURE, "pull", "secret")
        (process,) = children(os.getpid()) - before
        aws.registries.add(GHCR, "bot", "secret")
        assert children(os.getpid()) - before == {process}
    assert ended(process)


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({"registries": {AZURE: {"user": "pull", "password": "secret"}}}))
    with subprocess.Popen(
        [sys.executable, "-m", "rig.aws", "--seed", seed, "--environment-file", tmp_path / "aws.env"],
        env={**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        processes = children(parent.pid)
        parent.kill()
    assert len(processes) == 2
    end = time.monotonic() + 60
    while not all(map(ended, processes)):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_registry_that_is_added_anew_is_empty(aws: LocalAws) -> None:
    first = aws.registries.add(AZURE, "pull", "secret", ["team/app"])
    found = first.find_image("team/app", "latest")
    assert found == (build_image(f"{AZURE}/team/app:latest\n").digest, [])
    second = aws.registries.add(AZURE, "pull", "secret")
    assert second.find_image("team/app", "latest") is None
    assert first.find_image("team/app", found[0]) == found
    assert first.find_image("team/app", "sha256:" + "0" * 64) is None


def test_a_part_that_is_missing_or_changed_is_found(aws: LocalAws) -> None:
    registry = aws.registries.add(AZURE, "pull", "secret")
    image = registry.push_image("team/app")
    config, layer = image.blobs
    registry.content.blob(layer).write_bytes(b"something else")
    registry.content.blob(config).unlink()
    assert registry.find_image("team/app", "latest") == (image.digest, [config, layer])
    registry.content.blob(image.digest).write_bytes(b"{}")
    assert registry.find_image("team/app", "latest") == (image.digest, [image.digest])


@pytest.mark.parametrize("host", [AZURE, GHCR])
def test_who_may_only_read_pulls_and_does_not_push(aws: LocalAws, client: httpx.Client, host: str) -> None:
    registry = aws.registries.add(host, "bot", "secret", ["team/app"])

    def statuses() -> tuple[int, int]:
        headers = {**ACCEPT}
        if host == GHCR:
            headers["authorization"] = f"Bearer {token(client, 'repository:team/app:pull,push')}"
        auth = ("bot", "secret") if host == AZURE else None
        uploads = f"https://{host}/v2/team/app/blobs/uploads/"
        return (
            client.get(MANIFEST.format(host), headers=headers, auth=auth).status_code,
            client.post(uploads, headers=headers, auth=auth).status_code,
        )

    registry.read_only = True
    assert statuses() == (200, 403 if host == AZURE else 401)
    assert registry.content.uploads("team/app") == []
    registry.read_only = False
    assert statuses() == (200, 202)
    assert len(registry.content.uploads("team/app")) == 1


def test_an_upload_that_was_broken_off_or_ended_is_no_longer_open(aws: LocalAws, client: httpx.Client) -> None:
    registry = aws.registries.add(AZURE, "pull", "secret")
    registry.push_image("team/app")
    assert registry.content.uploads("team/app") == []
    begun = client.post(f"https://{AZURE}/v2/team/app/blobs/uploads/", auth=("pull", "secret"))
    assert registry.content.uploads("team/app") == [begun.headers["docker-upload-uuid"]]
    place = f"https://{AZURE}{begun.headers['location']}"
    assert client.delete(place, auth=("pull", "secret")).status_code == 204
    assert registry.content.uploads("team/app") == []


def test_a_token_is_good_for_its_registry_and_for_reading_only_where_that_was_asked_for(
    aws: LocalAws, client: httpx.Client
) -> None:
    for host in (GHCR, "other.example"):
        aws.registries.add(host, "bot", "secret", ["team/app"], challenge="bearer")
    headers = {**ACCEPT, "authorization": f"Bearer {token(client, 'repository:team/app:pull')}"}
    assert client.get(MANIFEST.format(GHCR), headers=headers).status_code == 200
    assert client.get(MANIFEST.format("other.example"), headers=headers).status_code == 401
    assert client.post(f"https://{GHCR}/v2/team/app/blobs/uploads/", headers=headers).status_code == 401


def test_a_changed_password_opens_and_the_one_before_does_not(aws: LocalAws, client: httpx.Client) -> None:
    registry = aws.registries.add(GHCR, "bot", "secret")
    registry.password = "new"
    answers = [client.get(f"https://{GHCR}/token", auth=("bot", password)) for password in ("secret", "new")]
    assert [answer.status_code for answer in answers] == [401, 200]


def test_a_process_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "registry"
    program.write_text("#!/bin/sh\necho 'no port is free' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(distribution, "_program", lambda: program)
    with LocalAws() as aws, pytest.raises(DistributionFailed, match="Its last words:\nno port is free"):
        aws.registries.add(AZURE, "pull", "secret")


def test_a_registry_that_cannot_be_served_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with LocalAws() as aws:
        aws.registries.add(AZURE, "pull", "secret")
        aws.registries._distribution.signer.keys_file.unlink()
        with pytest.raises(DistributionFailed, match=r"^ghcr\.io: .*keys\.json"):
            aws.registries.add(GHCR, "bot", "secret")
