from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from github_support import APP_PUBLIC_KEY, SECRETS, client, put, seed
from githubkit import GitHub

import rig.github
from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = {"Authorization": "token owner"}
TESTS = Path(__file__).parents[2]


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    given = folder / "seed.json"
    given.write_text(
        json.dumps(seed(secrets={"OTHER": {"value": "canary", "repositories": ["web"]}})), encoding="utf-8"
    )
    command = [sys.executable, "-W", "error", "-m", "rig.github", "--seed", str(given), *arguments]
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as one:
        try:
            assert one.stdout is not None
            yield one, one.stdout.readline().strip()
        finally:
            one.kill()


def closed(url: str) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) != 0


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_process_serves_until_it_is_told_to_stop(tmp_path: Path, by: signal.Signals) -> None:
    log = tmp_path / "requests.jsonl"
    with process(tmp_path, "--requests-log", str(log)) as (running, url):
        with httpx.Client(base_url=url, headers=OWNER, timeout=60) as api:
            assert api.get(SECRETS).json()["total_count"] == 1
            assert api.get("/nothing").status_code == 404
            running.send_signal(by)
            out, err = running.communicate(timeout=60)
        assert (running.returncode, out) == (0, "")
        assert err == "not served here: GET /nothing\n"
        assert closed(url)
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [(line["method"], line["path"], line["status"], line["token_label"]) for line in lines] == [
        ("GET", SECRETS, 200, "classic:platform"),
        ("GET", "/nothing", 404, "classic:platform"),
    ]


def test_process_can_be_controlled(tmp_path: Path) -> None:
    with process(tmp_path) as (_, url), httpx.Client(base_url=url, headers=OWNER, timeout=60) as api:
        state = api.get("/_rig/state")
        assert "canary" not in state.text
        assert state.json()["organizations"]["acme"]["secrets"]["OTHER"]["repositories"] == ["acme/web"]
        shown = api.get("/_rig/state?values=1").json()["organizations"]["acme"]["secrets"]["OTHER"]
        assert (shown["value"], shown["visibility"]) == ("canary", "selected")
        more = {"organizations": {"globex": {"repositories": {"x": {}}}}, "tokens": {"late": {"scopes": ["repo"]}}}
        assert api.post("/_rig/seed", json=more).status_code == 204
        assert api.get("/repos/globex/x", headers={"Authorization": "token late"}).status_code == 200
        assert api.post("/_rig/faults", json={"method": "GET", "path": "/user", "kind": "status"}).status_code == 204
        assert [api.get("/user").status_code for _ in range(2)] == [500, 200]
        assert [request["fault"] for request in api.get("/_rig/requests").json()] == [None, "status", None]
        assert api.delete("/_rig/requests").status_code == api.delete("/_rig/faults").status_code == 204
        assert api.get("/_rig/requests").json() == []
        before = api.get(f"{SECRETS}/public-key").json()
        assert api.post("/_rig/keys/acme").status_code == 204
        assert api.get(f"{SECRETS}/public-key").json() != before
        assert api.patch("/_rig/settings", json={"latency": 0.01}).status_code == 204
        assert api.patch("/_rig/settings", json={"speed": 1}).json() == {"error": "no such setting: speed"}
        assert api.get("/_rig/contract").json() == {"failures": [], "unserved": []}
        assert api.get("/_rig/state", headers={"Host": "evil.example"}).status_code == 403


def test_snapshot_is_a_seed() -> None:
    with GitHubStandIn(seed(secrets={"A": {"value": "v", "repositories": ["web"]}})) as first:
        snapshot = httpx.get(f"{first.url}/_rig/state?values=1").json()
    with GitHubStandIn(snapshot) as second:
        assert httpx.get(f"{second.url}/_rig/state?values=1").json() == snapshot
        assert second.organization("acme").secrets["A"].value == "v"


def test_listens_on_loopback_alone_and_frees_its_port() -> None:
    github = GitHubStandIn(seed()).start()
    url, threads = github.url, threading.active_count()
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", int(url.rsplit(":", 1)[1])))
    assert httpx.get(f"{url}/rate_limit").status_code == 200
    github.stop()
    assert closed(url)
    assert threading.active_count() == threads - 1
    github.stop()


def test_two_beside_each_other() -> None:
    with GitHubStandIn(seed()) as first, GitHubStandIn(seed()) as second:
        assert first.url != second.url
        with client(first) as api:
            put(api, "A")
        assert (list(first.organization("acme").secrets), list(second.organization("acme").secrets)) == (["A"], [])


def test_many_clients_at_once() -> None:
    with GitHubStandIn(seed()) as github:

        def write(number: int) -> int:
            with client(github) as api:
                return put(api, f"S{number}", f"value {number}").status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(write, range(40))) == {201}
        secrets = github.organization("acme").secrets
        assert {name: secret.value for name, secret in secrets.items()} == {f"S{n}": f"value {n}" for n in range(40)}


def test_client_that_takes_it_for_a_proxy() -> None:
    with (
        GitHubStandIn(seed()) as github,
        httpx.Client(proxy=github.url, headers={"Authorization": "token owner"}) as api,
    ):
        assert api.get("http://api.github.localhost/orgs/acme").json()["url"] == "http://api.github.localhost/orgs/acme"


def test_githubkit() -> None:
    body: dict[str, Any] = {"visibility": "selected", "selected_repository_ids": [11, 12]}
    with GitHubStandIn(seed()) as github, client(github) as api, GitHub("owner", base_url=github.url) as kit:
        assert put(api, "A", **body).status_code == 201
        secret = kit.rest.codespaces.get_org_secret("acme", "A").parsed_data
        assert (secret.name, secret.visibility) == ("A", "selected")
        pages = kit.rest.paginate(
            kit.rest.codespaces.list_selected_repos_for_org_secret,
            map_func=lambda response: response.parsed_data.repositories,
            org="acme",
            secret_name="A",
            per_page=1,
        )
        assert [repository.name for repository in pages] == ["web", "api"]
        github.faults.add("GET", "/orgs/acme/codespaces/secrets", kind="secondary_limit", retry_after=1)
        assert kit.rest.codespaces.list_org_secrets("acme").parsed_data.total_count == 1
        assert kit.rest.repos.get("acme", "web").parsed_data.id == 11
        assert [request.fault for request in github.requests].count("secondary_limit") == 1
        assert github.contract_failures == []


def test_api_versions() -> None:
    with GitHubStandIn(seed()) as github, client(github) as api:
        for version in ("2022-11-28", "2026-03-10"):
            told = api.get("/user", headers={"X-GitHub-Api-Version": version})
            assert (told.status_code, told.headers["x-github-api-version-selected"]) == (200, version)
        assert api.get("/user").headers["x-github-api-version-selected"] == "2022-11-28"
        assert api.get("/user", headers={"X-GitHub-Api-Version": "2021-01-01"}).status_code == 400


def test_comes_back_on_its_port_with_its_state(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    github = GitHubStandIn(seed(), requests_log=log).start()
    url = github.url
    with client(github) as api:
        put(api, "A")
    github.stop()
    with github, client(github) as api:
        assert github.url == url
        assert api.get(SECRETS).json()["total_count"] == 1
    assert len(log.read_text(encoding="utf-8").splitlines()) == 3


def test_port_that_is_taken() -> None:
    with GitHubStandIn(seed()) as github:
        port = int(github.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1; 0 takes a free one"):
            GitHubStandIn(port=port).start()


def test_example_of_the_package_is_a_seed() -> None:
    text = (rig.github.__doc__ or "").split("seed = ")[1].split("    with GitHubStandIn")[0]
    example = eval(textwrap.dedent(text))  # noqa: S307 - of our own package
    example["apps"]["1234"]["public_key_pem"] = APP_PUBLIC_KEY
    with GitHubStandIn(example) as github, client(github, "ghp_ann") as api:
        assert api.get(f"{SECRETS}/OTHER_TOKEN/repositories").json()["repositories"][0]["id"] == 11
        assert api.get("/orgs/acme/teams/platform/repos").json()[0]["role_name"] == "write"
        assert github.cloud.users["ann"].secrets["MINE"].repository_ids == {11}


def test_seed_that_is_wrong() -> None:
    with pytest.raises(ValueError, match="repository acme/web: no such setting: colour"):
        GitHubStandIn({"organizations": {"acme": {"repositories": {"web": {"colour": "red"}}}}})
    with pytest.raises(KeyError, match="no repository acme/none"):
        GitHubStandIn({"organizations": {"acme": {"secrets": {"A": {"value": "v", "repositories": ["none"]}}}}})
    with pytest.raises(ValueError, match="kind of a token: 'magic'"):
        GitHubStandIn({"tokens": {"t": {"kind": "magic"}}})
