"""The people who may write to the repositories of a stack, asked for with the credentials of the stack's providers."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pulumi_codespaces.state.stack import Stack
from pulumi_codespaces.tools.access import report
from rig.github import GitHubStandIn

sys.path.insert(0, str(Path(__file__).parent / "review"))

from preview_digests import ecr, login, state

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
ACME_TOKEN, BETA_TOKEN, WEAK_TOKEN = "ghp_ofAcme", "ghp_ofBeta", "ghp_ofNobody"
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
        ACME_TOKEN: {"kind": "fine-grained", "owner": "acme", "permissions": {"administration": "read"}},
        BETA_TOKEN: {"kind": "fine-grained", "owner": "beta", "permissions": {"administration": "read"}},
        WEAK_TOKEN: {"kind": "fine-grained", "owner": "acme", "permissions": {"metadata": "read"}},
    },
}
PROVIDER = "urn:pulumi:prod::access::pulumi:providers:codespaces::github"


@pytest.fixture
def github(monkeypatch, no_github_credentials):
    with GitHubStandIn(SEED) as stand_in:
        monkeypatch.setenv("GITHUB_BASE_URL", f"{stand_in.url}/")
        yield stand_in


def secret(value):
    marked = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    return marked | ({"ciphertext": "v1:x"} if value is None else {"plaintext": json.dumps(value)})


def state_of(resources, token, owner="acme"):
    """A state in which a provider with this token writes the secrets; None stands for an encrypted token."""
    copies = json.loads(json.dumps(resources))
    for resource in copies:
        if resource["type"].endswith("Secrets"):
            resource["provider"] = f"{PROVIDER}::some-id"
            resource["inputs"]["owner"] = owner
    inputs = {"owner": owner, "token": secret(token)}
    provider = {**state("pulumi:providers:codespaces", "github", inputs), "urn": PROVIDER}
    return json.dumps({"deployment": {"resources": [provider, *copies]}})


def writers_of(*states):
    rows, problems = report([Stack.read(state) for state in states], NOW, writers=True)
    return [(row.organization, row.repository, row.secrets, row.writers) for row in rows], problems


WEB = ("ann", "zoe", "acme/platform")


def test_each_organization_by_its_own_credentials(github):
    beta = state_of(login(name="lab", readers=("lab",)), BETA_TOKEN, "beta")
    assert writers_of(state_of(ecr(), ACME_TOKEN), beta) == (
        [("acme", "web", "PAYMENTS", WEB), ("beta", "lab", "LAB", ())],
        [],
    )


@pytest.mark.parametrize(("visibility", "names"), [("private", ["api", "web"]), ("all", ["api", "docs", "web"])])
def test_everybody_is_every_repository_that_has_codespaces(github, visibility, names):
    rows, problems = writers_of(state_of(ecr(visibility=visibility), ACME_TOKEN))
    assert problems == []
    assert [(name, writers) for _, name, _, writers in rows] == [(name, WEB if name == "web" else ()) for name in names]


def test_a_repository_is_asked_for_once(github):
    rows, problems = writers_of(state_of([*ecr(), *login()], ACME_TOKEN))
    assert ([row[2:] for row in rows], problems) == ([("PAYMENTS", WEB), ("AZURE", WEB)], [])
    assert sorted(request.path for request in github.requests) == [
        "/repos/acme/web/collaborators",
        "/repos/acme/web/teams",
    ]


def test_a_state_without_tokens_takes_those_of_the_environment(github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", ACME_TOKEN)
    assert writers_of(state_of(ecr(), None)) == ([("acme", "web", "PAYMENTS", WEB)], [])


def test_what_github_does_not_tell_is_no_empty_list(github):
    rows, problems = writers_of(state_of([*ecr(readers=("web", "gone"))], ACME_TOKEN))
    assert rows == [("acme", "gone", "PAYMENTS", None), ("acme", "web", "PAYMENTS", WEB)]
    assert [problem.partition(":")[0] for problem in problems] == ["GET /repos/acme/gone/collaborators"]
    rows, problems = writers_of(state_of([*ecr()], WEAK_TOKEN))
    assert rows == [("acme", "web", "PAYMENTS", None)]
    assert [problem.partition(".")[0] for problem in problems] == [
        "GET /repos/acme/web/teams: GitHub answers 403 (Resource not accessible by personal access token)"
    ]


def test_an_organization_without_credentials(github):
    rows, problems = writers_of(state_of(ecr(visibility="private"), None), state_of(login(), BETA_TOKEN, "beta"))
    assert rows == [("acme", "every private repository", "PAYMENTS", None), ("beta", "web", "AZURE", None)]
    assert problems[0].startswith("no GitHub credentials: set GITHUB_TOKEN")
    assert len(problems) == 2


def test_credentials_that_cannot_be_used(github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "two words")
    rows, problems = writers_of(state_of(ecr(), None))
    assert rows == [("acme", "web", "PAYMENTS", None)]
    assert [problem.partition(" contains")[0] for problem in problems] == ["organization acme: the GitHub token"]
