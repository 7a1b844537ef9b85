"""`PackageAccess` on the real engine: the granted roles, the checks, and the steps left to a person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rig.codespace import start_codespace
from rig.github import GitHubStandIn

from .conftest import TOKEN
from .ecr_programs import steps
from .secret_programs import HEAD, nowhere, told

SETTINGS = "https://github.com/orgs/acme/packages/container/base%2Fimage/settings"
ASKS = {"customizations": {"codespaces": {"repositories": {"acme/images": {"permissions": {"packages": "read"}}}}}}
SEED: dict[str, Any] = {
    "organizations": {
        "acme": {
            "id": 1,
            "plan": "team",
            "members": {"platform": "admin", "bob": "member"},
            "repositories": {
                "images": {"id": 10, "private": True},
                "web": {"id": 11, "private": True, "files": {
                    ".devcontainer/devcontainer.json": f"// ours\n{json.dumps(ASKS)}"}},
                "api": {"id": 12, "private": True, "files": {".devcontainer.json": '{"image": "x"}'}},
                "site": {"id": 13, "private": False},
            },
            "teams": {"Payments": {"id": 7}},
            "packages": [
                {"name": "base/image", "package_type": "container", "repository": "images"},
                {"name": "inner", "package_type": "npm", "visibility": "internal", "repository": "images"},
                {"name": "open", "package_type": "nuget", "visibility": "public"},
            ],
        }
    },
    "tokens": {
        TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo", "read:packages"], "login": "platform"},
        "ghp_CANARYnopackages": {"kind": "classic", "scopes": ["admin:org", "repo"], "login": "platform"},
    },
}  # fmt: skip


@pytest.fixture
def github():
    with GitHubStandIn(SEED) as standing_in:
        yield standing_in
        assert standing_in.unserved == []


def package(**arguments: object) -> str:
    given = {
        "package": "base/image",
        "repository": "images",
        "selected_repositories": ["images", "web", "api", "site"],
        **arguments,
    }
    items = ", ".join(f"{name!r}: {value!r}" for name, value in given.items() if value is not None)
    return HEAD + f"base = codespaces.PackageAccess('base', {{{items}}})\npulumi.export('base', base.summary)\n"


def writes(github: GitHubStandIn) -> list[str]:
    found = [f"{request.method} {request.path}" for request in github.requests if request.method != "GET"]
    github.clear_requests()
    return found


def test_by_what_each_repository_reads_it_and_what_is_left_to_click(github, new_stack):
    stack = new_stack(package())
    preview = stack.preview()
    assert preview.warnings == []
    stack.up()
    outputs = stack.outputs()["base"]
    assert outputs["ways"] == {
        "images": "the package inherits the access of this repository",
        "web": "its devcontainer.json asks for the package's repository",
        "api": "only if it is added on the package's settings page",
        "site": "only if it is added on the package's settings page",
    }
    assert outputs["byHand"] == {"api": 12, "site": 13}
    assert outputs["clicks"] == [
        {"what": "Inherit access from source repository: on (GitHub does not tell whether it is)", "url": SETTINGS},
        {"what": "Manage Codespaces access, Add repository: acme/api", "url": SETTINGS},
        {"what": "Manage Codespaces access, Add repository: acme/site", "url": SETTINGS},
    ]
    assert json.loads(outputs["devcontainer"]) == ASKS
    assert outputs["differences"] == []
    assert stack.preview("--expect-no-changes").steps == []
    github.repository("acme/api").commit(".devcontainer.json", json.dumps(ASKS).encode(), "Ask for images")
    changed = stack.preview()
    assert steps(changed) == {"base-package": "update"}
    assert "ways.api" in changed.step("base-package")["detailedDiff"]
    assert writes(github) == []


@pytest.mark.parametrize(
    ("arguments", "ways"),
    [
        ({"package": "inner", "package_type": "npm", "visibility": "internal"}, {"web": "internal", "site": "only if"}),
        (
            {"package": "open", "package_type": "nuget", "visibility": "public", "inherits": False, "repository": None},
            {"web": "public", "site": "public"},
        ),
    ],
)
def test_packages_that_more_may_read(github, new_stack, arguments, ways):
    stack = new_stack(package(selected_repositories=["web", "site"], **arguments))
    stack.up()
    found = stack.outputs()["base"]["ways"]
    assert {name: text in found[name] for name, text in ways.items()} == dict.fromkeys(ways, True)


def test_roles_on_the_repository(github, new_stack):
    stack = new_stack(package(teams={"payments": "read"}, users={"bob": "write"}, selected_repositories=["web"]))
    stack.up()
    images = github.repository("acme/images")
    assert github.organization("acme").teams["payments"].repositories == {images.id: "pull"}
    assert images.collaborators == {"bob": "push"}
    assert stack.preview("--expect-no-changes").steps == []
    stack.write(package(teams={"payments": "maintain"}, selected_repositories=["web"]))
    stack.up()
    assert github.organization("acme").teams["payments"].repositories == {images.id: "maintain"}
    assert images.collaborators == {}
    stack.destroy()
    assert github.organization("acme").teams["payments"].repositories == {}


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ({"visibility": "internal"}, ["package base/image is private, but internal is declared"]),
        ({"repository": "web"}, ["package base/image is linked to images, but repository web is declared"]),
        ({"package": "none"}, ["organization acme has no container package none, or the credentials cannot see it"]),
    ],
)
def test_a_package_that_is_not_as_declared(github, new_stack, arguments, messages):
    stack = new_stack(package(**arguments))
    warned = stack.preview()
    failing = package(on_mismatch="fail", **arguments)
    stack.write(failing)
    refused = stack.preview(check=False)
    assert not refused.ok
    for message in messages:
        assert any(message in warning for warning in warned.warnings)
        assert message in told(refused)
    stack.write(package(**arguments))
    stack.up()
    assert messages[0] in stack.outputs()["base"]["differences"][0]
    assert writes(github) == []


def test_what_the_credentials_cannot_see(github, new_stack, github_environment):
    stack = new_stack(package(), {**github_environment, "GITHUB_TOKEN": "ghp_CANARYnopackages"})
    preview = stack.preview()
    assert any("whether package base/image is as declared cannot be checked" in warning for warning in preview.warnings)
    assert "a classic token needs the scope read:packages" in told(preview)
    nowhere(["ghp_CANARYnopackages"], stack, preview)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"package_type": "maven"}, "PackageAccess base: package_type 'maven': such packages have no access settings"),
        ({"visibility": "secret"}, "visibility 'secret': must be one of private, internal, public"),
        ({"on_mismatch": "stop"}, "on_mismatch must be fail or warn"),
        ({"repository": None}, "repository is missing: a package that inherits access must be linked to a repository"),
        ({"teams": {"payments": "reed"}}, "teams.payments 'reed': must be one of read, triage, write, maintain, admin"),
        ({"repository": None, "inherits": False, "users": {"bob": "read"}}, "users: a role applies to a repository"),
        ({"selected_repositories": ["wbe"]}, "has no repository 'wbe'"),
    ],
)
def test_bad_input(github, new_stack, arguments, message):
    stack = new_stack(package(**arguments))
    refused = stack.preview(check=False)
    assert not refused.ok
    assert message in told(refused)
    assert writes(github) == []


def test_a_login_where_nothing_else_serves(cloud, new_cloud_stack):
    """A machine user's login to ghcr.io, only for the repositories that somebody would have to add by hand."""
    cloud.github.seed({"organizations": {"acme": {**SEED["organizations"]["acme"], "members": {}}}})
    cloud.github.seed({"tokens": {cloud.environment["GITHUB_TOKEN"]: {
        "kind": "classic", "scopes": ["admin:org", "repo", "read:packages"], "login": "platform"},
        "ghp_CANARYbot": {"kind": "classic", "scopes": ["read:packages"], "login": "bot"}}})  # fmt: skip
    cloud.aws.registries.add("ghcr.io", "bot", "ghp_CANARYbot", ["acme/base/image"])
    stack = new_cloud_stack(
        package() + "codespaces.RegistryLogin('ghcr', {**codespaces.github_container_registry('bot', "
        "pulumi.Output.secret('ghp_CANARYbot')), 'selected_repositories': base.by_hand})\n"
    )
    stack.up()
    secrets = cloud.github.organization("acme").secrets
    assert set(secrets["GHCR_CONTAINER_REGISTRY_USER"].repository_ids) == {12, 13}
    with start_codespace(cloud.github, cloud.aws, "acme/api") as codespace:
        assert codespace.pull("ghcr.io/acme/base/image:latest").ok
    nowhere(["ghp_CANARYbot"], stack)
