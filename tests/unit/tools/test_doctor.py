"""The doctor's requests to GitHub and AWS, and its findings from the answers; made-up states, GitHub's stand-in."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pulumi_codespaces.clients.errors import CloudError
from pulumi_codespaces.clients.iam import Holdings
from pulumi_codespaces.rules.iam_users import LiveKey
from pulumi_codespaces.rules.secret_names import Triple
from pulumi_codespaces.state.stack import Stack
from pulumi_codespaces.tools.doctor import diagnosis
from rig.github import GitHubStandIn

sys.path.insert(0, str(Path(__file__).parent / "review"))

from preview_digests import HOST, ecr, login, state

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
SEEDED = "2024-01-01T00:00:00Z"
TOKEN, WEAK, CANARY = "ghp_ofAcme", "ghp_weak", "CANARY-value"
PAYMENTS, AZURE = Triple("PAYMENTS"), Triple("AZURE")
PROVIDER = "urn:pulumi:prod::access::pulumi:providers:codespaces::github"
SEED = {
    "organizations": {
        "acme": {
            "id": 1,
            "plan": "team",
            "repositories": {
                "web": {"id": 11, "private": True},
                "api": {"id": 12, "visibility": "internal"},
                "docs": {"id": 13, "private": False},
                "old": {"id": 14, "private": True, "archived": True},
            },
            "packages": [
                {"name": "base/image", "package_type": "container", "visibility": "private", "repository": "web"}
            ],
        },
        "beta": {"id": 2, "plan": "team", "repositories": {"lab": {"id": 21, "private": True}}},
    },
    "tokens": {
        TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo", "read:packages"], "login": "platform"},
        WEAK: {"kind": "fine-grained", "owner": "acme", "permissions": {"metadata": "read"}},
    },
}


@pytest.fixture
def github(monkeypatch, no_github_credentials):
    with GitHubStandIn(SEED) as stand_in:
        monkeypatch.setenv("GITHUB_BASE_URL", f"{stand_in.url}/")
        yield stand_in
        assert [request for request in stand_in.requests if request.method != "GET"] == []


@pytest.fixture(autouse=True)
def aws(monkeypatch):
    """The keys of each user, as AWS has them; a CloudError in their place is raised."""
    keys = {"codespaces-payments": {"AKIAa": LiveKey("Active", NOW - timedelta(days=25), NOW)}}

    def holdings(user, arn, uses_of):
        assert [*uses_of] == ["AKIAa"]
        if isinstance(keys[user], CloudError):
            raise keys[user]
        return Holdings(keys[user], ["login", "pull"], [])

    monkeypatch.setattr(diagnosis, "holdings", holdings)
    return keys


def secret(value):
    marked = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    return marked | {"plaintext": json.dumps(value)}


def put(github, names, readers=("web",), visibility="selected", repository=None):
    """Put secrets into GitHub, last written at the time of the seed."""
    home = github.repository(f"acme/{repository}") if repository else github.organization("acme")
    selected = readers if visibility == "selected" and not repository else ()
    for name in names:
        secret = home.put_secret(name, CANARY, visibility, selected)
        secret.updated_at = datetime(2024, 1, 1, tzinfo=timezone.utc)


def state_of(resources, token=TOKEN, owner="acme", exports=None):
    """A state in which a provider with this token writes the secrets."""
    numbers = {"web": 11, "api": 12, "docs": 13}
    copies = json.loads(json.dumps(resources))
    for resource in copies:
        if resource["type"].startswith("codespaces:index:"):
            resource["provider"] = f"{PROVIDER}::some-id"
        if resource["type"].endswith("Secrets"):
            resource["inputs"]["owner"] = owner
            names = resource["inputs"]["secrets"]
            resource["outputs"] = {
                "secrets": dict.fromkeys(names, secret(CANARY)),
                "updatedAt": dict.fromkeys(names, SEEDED),
                "selectedRepositories": {
                    name: numbers.get(name, 0) for name in resource["inputs"].get("selectedRepositories", ())
                },
            }
    inputs = {"owner": owner, **({"token": secret(token)} if token else {})}
    provider = {**state("pulumi:providers:codespaces", "github", inputs), "urn": PROVIDER}
    stack = state("pulumi:pulumi:Stack", "access-prod", outputs=exports or {})
    return json.dumps({"deployment": {"resources": [stack, provider, *copies]}})


def found_in(*states, **limits):
    findings = diagnosis.diagnose(
        [Stack.read(state) for state in states], NOW, **{"max_age_days": 90, "unused_days": 90, **limits}
    )
    assert CANARY not in repr(findings)
    assert TOKEN not in repr(findings)
    return [(finding.code, finding.severity, finding.resource) for finding in findings], [
        finding.what for finding in findings
    ]


def paths(github):
    return sorted(request.path for request in github.requests)


def test_nothing(github):
    put(github, PAYMENTS.names, ["web", "api"])
    assert found_in(state_of(ecr(readers=("web", "api")))) == ([], [])
    organization, ends = "/orgs/acme/codespaces/secrets", (".json", "/devcontainer.json")
    assert paths(github) == sorted([
        organization,
        *(f"{organization}/{name}/repositories" for name in PAYMENTS.names),
        *(f"/repos/acme/{name}/codespaces/secrets" for name in ("web", "api")),
        *(f"/repos/acme/{name}/contents/.devcontainer{end}" for name in ("web", "api") for end in ends),
    ])  # fmt: skip


def test_what_stands_beside_the_secrets_of_a_stack(github):
    put(github, PAYMENTS.names)
    put(github, [*AZURE.names[:2], "OLD"], readers=())
    put(github, ["AZURE_CONTAINER_REGISTRY_URL", *(f"S{number}" for number in range(83))], visibility="private")
    codes, what = found_in(state_of(ecr()))
    assert codes == [
        ("ignored-name", "warning", "organization acme"),
        ("little-room", "warning", "organization acme"),
        ("no-readers", "warning", "organization acme"),
        ("no-readers", "warning", "organization acme"),
        ("no-readers", "warning", "organization acme"),
    ]
    assert what[0] == f"AZURE_CONTAINER_REGISTRY_URL is not a name that GitHub looks for; use {AZURE.server}."


def test_what_a_repository_has_of_its_own(github):
    put(github, PAYMENTS.names)
    put(github, AZURE.names, visibility="private")
    put(github, [PAYMENTS.user, AZURE.user, "X_CONTAINER_REGISTRY_SERVER"], repository="web")
    codes, what = found_in(state_of(ecr()))
    assert codes == [
        ("incomplete-login", "error", "repository acme/web"),
        ("mixed-login", "error", "repository acme/web"),
        ("mixed-login", "error", "repository acme/web"),
    ]
    assert [text.partition(":")[0] for text in what[1:]] == [
        "codespaces log in with mixed secrets for AZURE",
        "codespaces log in with mixed secrets for PAYMENTS",
    ]


def test_a_public_repository_does_not_get_private_secrets(github):
    put(github, PAYMENTS.names, ["docs"])
    put(github, AZURE.names, visibility="private")
    put(github, [AZURE.user, AZURE.server], repository="docs")
    codes, _ = found_in(state_of(ecr(readers=("docs",))))
    assert codes == [("incomplete-login", "error", "repository acme/docs")]


@pytest.mark.parametrize(("visibility", "names"), [("private", ["api", "web"]), ("all", ["api", "docs", "web"])])
def test_every_repository(github, visibility, names):
    put(github, PAYMENTS.names, visibility=visibility)
    assert found_in(state_of(ecr(visibility=visibility))) == ([], [])
    asked = [path.split("/")[3] for path in paths(github) if path.endswith("codespaces/secrets") and "/repos/" in path]
    assert asked == names


def test_more_repositories_than_are_looked_at(github, monkeypatch):
    monkeypatch.setattr(diagnosis, "_REPOSITORIES", 1)
    put(github, PAYMENTS.names, ["web", "api"])
    assert found_in(state_of(ecr(readers=("web", "api")))) == (
        [("unseen", "unseen", "organization acme")],
        [
            (
                "the Codespaces secrets and the devcontainer.json of web were not checked: the doctor checks 1 of 2 "
                "repositories."
            )
        ],
    )
    assert [path for path in paths(github) if path.startswith("/repos/acme/web/")] == []


def test_what_a_stack_wrote_was_changed(github):
    put(github, PAYMENTS.names[:2], ["api"])
    github.organization("acme").put_secret(PAYMENTS.user, CANARY, "selected", ["api"])
    codes, what = found_in(state_of(ecr()))
    assert codes == [
        ("secret-deleted", "error", "organization acme"),
        ("readers-changed", "warning", "organization acme"),
        ("secret-changed", "warning", "organization acme"),
    ]
    assert what[2] == f"{PAYMENTS.user} has been changed since stack prod (payments) wrote it."


def test_the_secrets_of_one_repository(github):
    alone = state("codespaces:index:RepositorySecrets", "npm", {"secrets": {"NPM_TOKEN": ""}, "repositoryName": "web"})
    codes, what = found_in(state_of([alone]))
    assert codes == [("secret-deleted", "error", "repository acme/web")]
    assert what == ["NPM_TOKEN is missing, although stack prod (npm) wrote it."]
    assert "/orgs/acme/codespaces/secrets" not in paths(github)


def test_keys_and_what_aws_does_not_tell(github, aws):
    put(github, PAYMENTS.names)
    aws["codespaces-payments"] = {"AKIAa": LiveKey("Inactive", NOW - timedelta(days=2), None)}
    wanted = [("inactive-key", "error", "user codespaces-payments")]
    assert found_in(state_of(ecr()))[0] == wanted
    more = [("old-key", "warning", "user codespaces-payments"), ("unused-key", "warning", "user codespaces-payments")]
    assert found_in(state_of(ecr()), max_age_days=1, unused_days=1)[0] == wanted + more
    aws["codespaces-payments"] = CloudError("iam:GetUser of user codespaces-payments answers AccessDenied")
    assert found_in(state_of(ecr())) == (
        [("unseen", "unseen", "user codespaces-payments")],
        [f"its access keys and policies were not checked: {aws['codespaces-payments']}."],
    )


@pytest.mark.parametrize(
    ("arn", "credentials"),
    [
        ("", "AWS credentials of its account"),
        ("arn:aws:iam::123456789012:user/x", "AWS credentials of account 123456789012"),
    ],
)
def test_whose_credentials_are_needed(github, aws, arn, credentials):
    put(github, PAYMENTS.names)
    aws["codespaces-payments"] = CloudError("no")
    resources = ecr()
    for resource in resources:
        if resource["type"] == "aws:iam/user:User":
            resource["outputs"] = {"arn": arn}
    (finding,) = diagnosis.diagnose([Stack.read(state_of(resources))], NOW, max_age_days=90, unused_days=90)
    assert finding.fix == f"codespaces doctor --stack prod, with {credentials}"


def test_credentials_that_end(github):
    exports = {"azure": {"secretNames": [*AZURE.names], "expiresAt": "2026-11-28T00:00:00Z"}}
    put(github, AZURE.names)
    assert found_in(state_of(login(), exports=exports))[0] == [("credentials-ending", "warning", "stack prod")]


@pytest.mark.parametrize(
    ("files", "hosts"),
    [
        ({".devcontainer.json": {"image": "acme.azurecr.io/app"}}, ["acme.azurecr.io"]),
        ({".devcontainer/devcontainer.json": {"image": f"{HOST}/app"},
          ".devcontainer.json": {"image": "acme.azurecr.io/x"}}, []),
        ({".devcontainer.json": {"features": {"ghcr.io/a/b": {}, "acme.azurecr.io/f": {}}}}, ["acme.azurecr.io"]),
        ({".devcontainer/devcontainer.json": {"build": {"dockerfile": "../Docker file#2"}},
          "Docker file#2": "FROM acme.azurecr.io/a"}, ["acme.azurecr.io"]),
        ({".devcontainer.json": {"dockerComposeFile": ["none.yml", "c.yml"]}, "c.yml": "image: acme.azurecr.io/a"},
         ["acme.azurecr.io"]),
        ({".devcontainer.json": {"build": {"dockerfile": "folder"}}, "folder/x": "FROM acme.azurecr.io/a"}, []),
    ],
)  # fmt: skip
def test_what_a_devcontainer_needs(github, files, hosts):
    put(github, PAYMENTS.names)
    for path, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        github.repository("acme/web").commit(path, text.encode(), "x")
    codes, what = found_in(state_of(ecr()))
    assert codes == [("no-login", "error", "repository acme/web")] * len(hosts)
    assert what == [
        f"its devcontainer.json needs an image of {host}, and its codespaces do not log in there." for host in hosts
    ]


def test_a_login_of_somebody_else_may_be_for_that_registry(github):
    put(github, PAYMENTS.names)
    put(github, AZURE.names, visibility="all")
    github.repository("acme/web").commit(".devcontainer.json", b'{"image": "acme.azurecr.io/app"}', "x")
    codes, what = found_in(state_of(ecr()))
    assert codes == [("no-login", "unseen", "repository acme/web")]
    assert what == [
        "its devcontainer.json needs an image of acme.azurecr.io, and it is unknown whether AZURE is for that registry."
    ]


def test_a_devcontainer_that_cannot_be_read(github):
    put(github, PAYMENTS.names)
    github.repository("acme/web").commit(".devcontainer.json", b"no", "x")
    codes, what = found_in(state_of(ecr()))
    assert codes == [("unseen", "unseen", "organization acme")]
    assert what[0].startswith(
        "the devcontainer.json of repository web could not be read: devcontainer.json is not valid JSON: "
    )


def package(**changes):
    inputs = {"package": "base/image", "packageType": "container", "repository": "web", "visibility": "private"}
    return state("codespaces:index:PackageCheck", "base-package", inputs | changes)


def test_packages(github):
    assert found_in(state_of([package()])) == ([], [])
    codes, what = found_in(state_of([package(repository="api", visibility="internal")]))
    assert codes == [("package-differs", "warning", "package base/image")] * 2
    assert [text.partition(" (")[0] for text in what] == [
        "package base/image is linked to web, but repository api is declared",
        "package base/image is private, but internal is declared",
    ]
    _, what = found_in(state_of([package(package="other")]))
    assert what == ["organization acme has no container package other, or the credentials cannot see it."]


def test_what_github_does_not_tell(github):
    put(github, PAYMENTS.names)
    codes, what = found_in(state_of([*ecr(), package()], WEAK))
    assert codes == [("unseen", "unseen", "organization acme")] * len(what)
    assert [text.partition(" could not")[0] for text in what] == [
        "the Codespaces secrets of organization acme, repository acme/web",
        "the devcontainer.json of repository web",
        "the link and the visibility of package base/image",
    ]


def test_an_organization_without_credentials(github):
    put(github, AZURE.names)
    codes, what = found_in(state_of(login(name="lab", readers=("lab",)), None, "beta"), state_of(login()))
    assert codes == [("unseen", "unseen", "organization beta")] * len(what)
    assert "no GitHub credentials" in what[0]
