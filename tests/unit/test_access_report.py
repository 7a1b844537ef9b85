"""Who may write to the repositories of a stack, as GitHub tells: by the credentials of the stack's own providers."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pulumi_codespaces.access_report import report
from rig.github import GitHubStandIn

sys.path.insert(0, str(Path(__file__).parent / "review"))

from preview_digests import ecr, login, state

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
OF_ACME, OF_BETA, OF_NOBODY = "ghp_ofAcme", "ghp_ofBeta", "ghp_ofNobody"
SEED = {
    "organizations": {
        "acme": {
            "id": 1,
            "plan": "team",
            "repositories": {
                "web": {"id": 11, "private": True, "collaborators": {"zoe": "push", "ann": "admin", "bob": "triage"}},
                "api": {"id": 12, "visibility": "internal"},
                "docs": {"id": 13, "private": False},
                "old": {"id": 14, "private": True, "archived": True},
            },
            "teams": {
                "Platform": {"id": 7, "repositories": {"web": "maintain"}},
                "Readers": {"id": 8, "repositories": {"web": "pull"}},
            },
        },
        "beta": {"id": 2, "plan": "team", "repositories": {"lab": {"id": 21, "private": True}}},
    },
    "tokens": {
        OF_ACME: {"kind": "fine-grained", "owner": "acme", "permissions": {"administration": "read"}},
        OF_BETA: {"kind": "fine-grained", "owner": "beta", "permissions": {"administration": "read"}},
        OF_NOBODY: {"kind": "fine-grained", "owner": "acme", "permissions": {"metadata": "read"}},
    },
}
PROVIDER = "urn:pulumi:prod::access::pulumi:providers:codespaces::github"


@pytest.fixture
def github(monkeypatch, no_github_credentials):
    with GitHubStandIn(SEED) as standing_in:
        monkeypatch.setenv("GITHUB_BASE_URL", f"{standing_in.url}/")
        yield standing_in


def secret(value):
    marked = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    return marked | ({"ciphertext": "v1:x"} if value is None else {"plaintext": json.dumps(value)})


def state_of(resources, token, owner="acme"):
    """A state whose secrets are written by a provider with this token; None for one that is encrypted."""
    found = json.loads(json.dumps(resources))
    for one in found:
        if one["type"].endswith("Secrets"):
            one["provider"] = f"{PROVIDER}::some-id"
            one["inputs"]["owner"] = owner
    inputs = {"owner": owner, "token": secret(token)}
    provider = {**state("pulumi:providers:codespaces", "github", inputs), "urn": PROVIDER}
    return json.dumps({"deployment": {"resources": [provider, *found]}})


def writers_of(*states):
    rows, problems = report(states, NOW, writers=True)
    return [(row.organization, row.repository, row.secrets, row.writers) for row in rows], problems


WEB = ("ann", "zoe", "acme/platform")


def test_each_organization_by_its_own_credentials(github):
    beta = state_of(login(name="lab", readers=("lab",)), OF_BETA, "beta")
    assert writers_of(state_of(ecr(), OF_ACME), beta) == (
        [("acme", "web", "PAYMENTS", WEB), ("beta", "lab", "LAB", ())],
        [],
    )


@pytest.mark.parametrize(("visibility", "names"), [("private", ["api", "web"]), ("all", ["api", "docs", "web"])])
def test_everybody_is_every_repository_that_has_codespaces(github, visibility, names):
    found, problems = writers_of(state_of(ecr(visibility=visibility), OF_ACME))
    assert problems == []
    assert [(name, writers) for _, name, _, writers in found] == [
        (name, WEB if name == "web" else ()) for name in names
    ]


def test_a_repository_is_asked_for_once(github):
    rows, problems = writers_of(state_of([*ecr(), *login()], OF_ACME))
    assert ([row[2:] for row in rows], problems) == ([("PAYMENTS", WEB), ("AZURE", WEB)], [])
    assert sorted(one.path for one in github.requests) == [
        "/repos/acme/web/collaborators",
        "/repos/acme/web/teams",
    ]


def test_a_state_without_tokens_takes_those_of_the_environment(github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", OF_ACME)
    assert writers_of(state_of(ecr(), None)) == ([("acme", "web", "PAYMENTS", WEB)], [])


def test_what_github_does_not_tell_is_no_empty_list(github):
    found, problems = writers_of(state_of([*ecr(readers=("web", "gone"))], OF_ACME))
    assert found == [("acme", "gone", "PAYMENTS", None), ("acme", "web", "PAYMENTS", WEB)]
    assert [one.partition(":")[0] for one in problems] == ["GET /repos/acme/gone/collaborators"]
    found, problems = writers_of(state_of([*ecr()], OF_NOBODY))
    assert found == [("acme", "web", "PAYMENTS", None)]
    assert [one.partition(".")[0] for one in problems] == [
        "GET /repos/acme/web/teams: GitHub answers 403 (Resource not accessible by personal access token)"
    ]


def test_an_organization_without_credentials(github):
    found, problems = writers_of(state_of(ecr(visibility="private"), None), state_of(login(), OF_BETA, "beta"))
    assert found == [("acme", "every private repository", "PAYMENTS", None), ("beta", "web", "AZURE", None)]
    assert problems[0].startswith("no GitHub credentials: set GITHUB_TOKEN")
    assert len(problems) == 2


def test_credentials_that_cannot_be_used(github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "two words")
    found, problems = writers_of(state_of(ecr(), None))
    assert found == [("acme", "web", "PAYMENTS", None)]
    assert [one.partition(" has")[0] for one in problems] == ["organization acme: the GitHub token"]
