from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from github_support import SECRETS, client, put, seed

from rig.github import GitHubStandIn, contract, cut_openapi, shapes
from rig.github.routing import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def nothing_known_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "_known_good", set())
    monkeypatch.setattr(contract, "failures_of_this_process", [])


def test_description_is_of_what_is_served() -> None:
    described = {
        (method.upper(), path) for path, methods in contract.description()["paths"].items() for method in methods
    }
    assert described == {(operation.method, operation.path) for operation in OPERATIONS} - {("POST", "/graphql")}
    assert len(OPERATIONS) == len({(operation.method, operation.path) for operation in OPERATIONS})


def test_description_names_its_origin() -> None:
    info = contract.description()["info"]
    assert info["license"]["name"] == "MIT"
    assert cut_openapi.PACKAGE in info["description"]
    assert "Octokit contributors" in contract.DESCRIPTION.with_name("openapi.LICENSE").read_text(encoding="utf-8")


def test_good_exchanges() -> None:
    with GitHubStandIn(seed()) as github, client(github) as api:
        assert put(api, "A", visibility="selected", selected_repository_ids=[11]).status_code == 201
        assert api.get(f"{SECRETS}/A/repositories").status_code == 200
        assert api.put(f"{SECRETS}/A", json={"visibility": 7}).status_code == 422
        assert github.contract_failures == []


BREACHES: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "missing": ("/repos/acme/web", lambda shown: shown.pop("archived"), ": required"),
    "wrong kind": ("/repos/acme/web", lambda shown: shown.update(id="11"), "id: type"),
    "null": ("/repos/acme/web", lambda shown: shown.update(default_branch=None), "default_branch: type"),
    "in a list": ("/orgs/acme/repos?type=public", lambda shown: shown["owner"].pop("login"), "0/owner: required"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_answer_that_breaks_the_description(monkeypatch: pytest.MonkeyPatch, breach: str) -> None:
    path, spoil, reason = BREACHES[breach]
    whole = shapes.minimal_repository

    def spoiled(*given: Any) -> dict[str, Any]:
        shown = whole(*given)
        spoil(shown)
        return shown

    monkeypatch.setattr(shapes, "minimal_repository", spoiled)
    github = GitHubStandIn(seed()).start()
    with client(github) as api:
        assert api.get(path).status_code == 200
    github.stop()
    assert github.contract_failures == [f"GET {path.partition('?')[0]} -> 200: answer: {reason}"]
    assert contract.failures_of_this_process == github.contract_failures


def test_leaving_the_context_fails_on_a_breach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "stamp", lambda _: 7)
    with (
        pytest.raises(
            AssertionError, match="exchanges break GitHub's OpenAPI description:\nGET /repos/acme/web -> 200"
        ),
        GitHubStandIn(seed()) as github,
        client(github) as api,
    ):
        api.get("/repos/acme/web")


def test_failure_of_the_test_itself_is_not_covered_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "stamp", lambda _: 7)
    github = GitHubStandIn(seed()).start()
    with client(github) as api:
        api.get("/repos/acme/web")
    error = KeyError("the test")
    github.__exit__(KeyError, error, None)
    assert github.contract_failures


def test_request_that_is_accepted_against_the_description() -> None:
    github = GitHubStandIn(seed()).start()
    with client(github) as api:
        body = {"names": ["a"], "extra": "b"}
        assert api.put("/repos/acme/web/topics", json=body).status_code == 200
        assert github.contract_failures == []
        assert api.put("/repos/acme/web/topics", json={"names": [7]}).status_code == 200
    github.stop()
    assert github.contract_failures == ["PUT /repos/acme/web/topics -> 200: request: names/0: type"]


def test_fault_is_no_breach() -> None:
    with GitHubStandIn(seed()) as github, client(github) as api:
        github.faults.add("GET", "/user", kind="status", status=500, body={"anything": True})
        assert api.get("/user").status_code == 500


def test_stand_in_that_fails_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "permissions", lambda _: 1 / 0)
    github = GitHubStandIn(seed()).start()
    with client(github) as api:
        assert api.get("/repos/acme/web").status_code == 500
    github.stop()
    [failure] = github.contract_failures
    assert failure.startswith("GET /repos/acme/web: the stand-in failed\nTraceback")
    assert "ZeroDivisionError" in failure


def test_checks_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "stamp", lambda _: 7)
    with GitHubStandIn(seed(), check_contract=False) as github, client(github) as api:
        assert api.get("/repos/acme/web").status_code == 200
        assert github.contract_failures == []


def test_same_exchange_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[contract.Sample] = []
    monkeypatch.setattr(contract, "_check", lambda sample: checked.append(sample) or [])
    for _ in range(2):
        with GitHubStandIn(seed()) as github, client(github) as api:
            for _ in range(3):
                api.get("/repos/acme/web")
    assert [(sample.method, sample.path) for sample in checked] == [("GET", "/repos/acme/web")]


def test_failure_tells_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "stamp", lambda _: ["canary"])
    github = GitHubStandIn(seed()).start()
    with client(github) as api:
        api.get("/repos/acme/web")
    github.stop()
    assert github.contract_failures
    assert "canary" not in json.dumps(github.contract_failures)
