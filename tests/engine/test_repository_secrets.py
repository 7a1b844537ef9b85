"""Secrets of one repository on the real engine: the same promises as for the secrets of an organization."""

from __future__ import annotations

import pytest

from rig.codespace import start_codespace
from rig.stack import has_frame_of_package

from .conftest import TOKEN
from .ecr_programs import API, IAM_USER, Code, access, keys, secret_values, steps
from .secret_programs import HEAD, PASSWORD, SERVER, USER, Clock, nowhere, secret_set, told, triple

AZURE = "acme.azurecr.io"
CANARY = "CANARY-azure-password"
TRIPLE = [USER, PASSWORD, SERVER]


def own(values=None, repository="'web'", *, name="token", more="", opts="None"):
    """The lines that declare a set of secrets of one repository; `repository`, `more` and `opts` are Python."""
    secrets = ", ".join(
        f"{key!r}: pulumi.Output.secret({value!r})" for key, value in (values or triple(secret=CANARY)).items()
    )
    return (
        f"codespaces.RepositorySecrets({name!r}, {{'repository': {repository}, 'secrets': {{{secrets}}}, {more}}}, "
        f"{opts})\n"
    )


def login(repository: str | None = "web", name: str = "azure", **arguments: object) -> str:
    given = {"server": AZURE, "user": "puller", "password": Code(f"pulumi.Output.secret({CANARY!r})"),
             "repository": repository, **arguments}  # fmt: skip
    items = ", ".join(f"{key!r}: {value!r}" for key, value in given.items() if value is not None)
    return f"{name} = codespaces.RegistryLogin({name!r}, {{{items}}})\npulumi.export({name!r}, {name}.summary)\n"


def held(github, repository="web"):
    """The values of the repository's secrets."""
    return {name: secret.value for name, secret in github.repository(f"acme/{repository}").secrets.items()}


def writes(github):
    """The requests since the last call that change secrets, as `PUT web/NAME`, in order."""
    found = [
        f"{request.method} {request.path.removeprefix('/repos/acme/').replace('/codespaces/secrets', '')}"
        for request in github.requests
        if request.method != "GET" and "/codespaces/secrets" in request.path
    ]
    github.clear_requests()
    return found


def test_create_change_outside_new_value_destroy(github, new_stack):
    github.clock = Clock()
    stack = new_stack(HEAD + own())
    preview = stack.preview()
    assert steps(preview) == {"access-test": "create", "token": "create"}
    assert writes(github) == []
    outcomes = [preview, stack.up()]
    assert writes(github) == [f"PUT web/{name}" for name in TRIPLE]
    assert held(github) == triple(secret=CANARY)
    assert github.organization("acme").secrets == {}
    outcomes += [stack.preview("--expect-no-changes"), stack.refresh("--expect-no-changes")]
    assert writes(github) == []

    github.clock.later()
    github.repository("acme/web").put_secret(PASSWORD, "changed-by-hand")
    drifted = stack.preview()
    assert f"{PASSWORD} was changed outside of this stack at" in drifted.warnings[0]
    outcomes.append(stack.up())
    assert held(github) == triple(secret=CANARY)
    writes(github)

    github.clock.later()
    github.faults.add("PUT", f"/repos/acme/web/codespaces/secrets/{PASSWORD}", kind="status", status=500, times=None)
    stack.write(HEAD + own(triple("AKIA2", "value-2")))
    failed = stack.up(check=False)
    assert not failed.ok
    assert f"Secrets put back to what they held before: {USER}, {PASSWORD}" in failed.output or (
        f"Secrets put back to what they held before: {USER}." in failed.output
    )
    github.faults.clear()
    github.clock.later()
    outcomes += [failed, stack.up()]
    assert held(github) == triple("AKIA2", "value-2")
    writes(github)
    outcomes.append(stack.destroy())
    assert writes(github) == [f"DELETE web/{name}" for name in reversed(TRIPLE)]
    assert held(github) == {}
    nowhere([TOKEN, CANARY, "value-2"], stack, *outcomes)


def test_a_login_of_one_repository(cloud, new_cloud_stack):
    cloud.aws.registries.add(AZURE, "puller", CANARY, ["team/app"])
    stack = new_cloud_stack(HEAD + login())
    stack.up()
    assert stack.outputs()["azure"]["repositories"] == ["web"]
    for repository, pulls in (("web", True), ("docs", False)):
        with start_codespace(cloud.github, cloud.aws, f"acme/{repository}") as codespace:
            assert codespace.pull(f"{AZURE}/team/app:latest").ok is pulls
    assert stack.preview("--expect-no-changes").steps == []
    stack.destroy()
    assert held(cloud.github) == {}


def test_ecr_access_of_one_repository_rotates(cloud, new_cloud_stack):
    def program(generation):
        return HEAD + access(key_generation=generation, repository="web", selected_repositories=None)

    def pulls(repository):
        with start_codespace(cloud.github, cloud.aws, f"acme/{repository}") as codespace:
            return codespace.pull(API).ok

    stack = new_cloud_stack(program(1))
    stack.up()
    assert (pulls("web"), pulls("docs")) == (True, False)
    before = start_codespace(cloud.github, cloud.aws, "acme/web")
    for generation in (2, 3):
        stack.write(program(generation))
        stack.up()
        assert pulls("web")
        assert stack.preview("--expect-no-changes").steps == []
    published = held(cloud.github)["PAYMENTS_CONTAINER_REGISTRY_USER"]
    assert keys(cloud)[published] == "Active"
    assert len(keys(cloud)) == 2
    before.resume_login()
    assert not before.pull(API).ok, "its key was the one before the last"
    nowhere(secret_values(cloud), stack)
    stack.destroy()
    assert held(cloud.github) == {}
    assert IAM_USER not in cloud.aws.users()


MADE = (
    "import pulumi_github\nshop = pulumi_github.Repository('shop', name='shop', visibility='private', auto_init=True)\n"
)


def test_a_repository_that_is_made_in_the_same_update(cloud, new_cloud_stack):
    cloud.aws.registries.add(AZURE, "puller", CANARY, ["team/app"])
    stack = new_cloud_stack(
        HEAD
        + MADE
        + login(Code("shop"))
        + access(repository=Code("shop"), selected_repositories=None)
        + own({"NPM_TOKEN": CANARY}, "shop", name="npm")
    )
    preview = stack.preview()
    assert preview.ok
    stack.up()
    assert stack.outputs()["azure"]["repositories"] == ["shop"]
    with start_codespace(cloud.github, cloud.aws, "acme/shop") as codespace:
        assert codespace.pull(f"{AZURE}/team/app:latest").ok
        assert codespace.pull(API).ok
        assert codespace.secrets["NPM_TOKEN"] == CANARY
    assert stack.preview("--expect-no-changes").steps == []


def test_another_repository_gets_them_before_the_one_before_loses_them(github, new_stack):
    stack = new_stack(HEAD + own())
    stack.up()
    writes(github)
    stack.write(HEAD + own(repository="'api'"))
    (step,) = [
        change for change in stack.preview().steps if change["urn"].endswith("::token") and change["op"] == "replace"
    ]
    assert step["replaceReasons"] == ["repository"]
    stack.up()
    assert writes(github) == [f"PUT api/{name}" for name in TRIPLE] + [
        f"DELETE web/{name}" for name in reversed(TRIPLE)
    ]
    assert (held(github, "api"), held(github)) == (triple(secret=CANARY), {})
    assert stack.preview("--expect-no-changes").steps == []


def test_a_repository_that_is_renamed_or_deleted_outside(github, new_stack):
    stack = new_stack(HEAD + own())
    stack.up()
    github.repository("acme/web").rename("shop")
    writes(github)
    renamed = stack.preview()
    assert "web is now called shop and keeps its access; use shop in the program." in renamed.warnings[0]
    stack.up()
    assert writes(github) == []
    assert held(github, "shop") == triple(secret=CANARY)
    stack.write(HEAD + own(repository="'shop'"))
    assert stack.up().ok
    assert writes(github) == []
    assert stack.preview("--expect-no-changes").warnings == []
    github.repository("acme/shop").delete()
    refused = stack.preview(check=False)
    assert "repository 'shop' is deleted: no codespace starts from it." in told(refused)
    stack.write(HEAD)
    stack.up()
    assert stack.resources()[-1]["type"].startswith("pulumi:")


def test_adopt_refuse_and_import(github, new_stack):
    web = github.repository("acme/web")
    for name, value in triple("old", "old").items():
        web.put_secret(name, value)
    stack = new_stack(HEAD + own())
    refused = stack.preview(check=False)
    assert "repository acme/web has these secrets already, and this resource did not make them: " in told(refused)
    writes(github)
    stack.write(HEAD + own(more="'adopt_existing': True"))
    stack.up()
    assert held(github) == triple(secret=CANARY)

    imported = new_stack(HEAD + own(), project="elsewhere")
    imported.run("import", "codespaces:index:RepositorySecrets", "token", f"web:{','.join(TRIPLE)}", "--yes",
                 "--skip-preview", "--generate-code=false", "--protect=false")  # fmt: skip
    imported.up()
    assert imported.preview("--expect-no-changes").steps == []
    for identifier, message in (
        ("wbe:X", "organization acme has no repository 'wbe'"),
        (USER, "no names"),
        ("web:NOPE", "repository acme/web has no secret NOPE"),
    ):
        outcome = imported.run("import", "codespaces:index:RepositorySecrets", "other", identifier, "--yes",
                               "--skip-preview", "--generate-code=false", check=False)  # fmt: skip
        assert message in outcome.output


BAD = {
    "a name that is none": (own(repository="'infar'"), "has no repository 'infar'; did you mean 'infra'?"),
    "an owner": (own(repository="'acme/web'"), "write the name without its owner: 'web'"),
    "an id of another kind": (own(more="'repository_id': 'x'"), "repository_id must be the id of a repository"),
    "no name": (own(repository="None"), "repository must be the name of a repository, such as 'web'."),
    "a name of GitHub's": (own({"GITHUB_X": CANARY}), "begins with GITHUB_, which is GitHub's own"),
    "the same names twice": (own() + own(name="other"), f"{USER} is declared by "),
    "two logins of one repository": (
        own() + secret_set(triple("x", CANARY, "SHOP"), "{'web': 11}", name="organization"),
        "repository web would get two logins for acme.azurecr.io: by ",
    ),
    "the 101st": (
        own({f"X{number:03}": CANARY for number in range(101)}),
        "this run adds 101 secrets to the 0 of repository acme/web: 101 of 100;",
    ),
    "two kinds of readers": (
        login(selected_repositories=["api"]),
        "repository and selected_repositories are given: secrets belong to one repository, or to the organization",
    ),
    "an id without a name": (login(None, repository_id=11), "repository_id is given without repository"),
    "not a repository": (
        login(7),
        "repository is an int; write a repository's name, or give a github.Repository.",
    ),
    "secrets of something else": (
        own(repository="7"),
        "RepositorySecrets token: repository is an int; write a repository's name, or give a github.Repository.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(github, new_stack, case):
    declared, message = BAD[case]
    stack = new_stack(HEAD + declared)
    refused = stack.preview(check=False)
    assert not refused.ok
    assert message in told(refused)
    assert not has_frame_of_package(refused.output)
    assert writes(github) == []
    nowhere([TOKEN, CANARY], stack, refused)


def test_a_repository_takes_the_place_of_the_organization_for_itself(github, new_stack):
    """The same prefix may be used at both levels: the lower level wins, secret by secret."""
    stack = new_stack(HEAD + secret_set(triple("AKIA9", CANARY), "{'web': 11, 'api': 12}", name="all") + own())
    stack.up()
    assert held(github) == triple(secret=CANARY)
    assert stack.preview("--expect-no-changes").steps == []


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (
            {"kind": "classic", "scopes": ["admin:org"]},
            "the token lacks the scope repo and sees public repositories only",
        ),
        (
            {
                "kind": "fine-grained",
                "owner": "acme",
                "permissions": {"metadata": "read", "codespaces_secrets": "read"},
            },
            "the permission 'Codespaces secrets: write' of the repository",
        ),
    ],
)
def test_credentials_that_do_not_suffice(github, new_stack, github_environment, token, message):
    github.seed({"tokens": {"ghp_CANARYweak": token}})
    stack = new_stack(HEAD + own(), {**github_environment, "GITHUB_TOKEN": "ghp_CANARYweak"})
    refused = stack.up(check=False)
    assert not refused.ok
    assert message in refused.output
    assert writes(github) == [] or held(github) == {}
    nowhere(["ghp_CANARYweak", CANARY], stack, refused)


def warned(outcome):
    return [warning.removeprefix("warning: ").strip() for warning in outcome.warnings if "mixture" in warning]


def test_a_login_that_would_be_a_mixture_of_two_levels_is_named(github, new_stack):
    web, organization = github.repository("acme/web"), github.organization("acme")
    web.put_secret(PASSWORD, "by hand")
    github.repository("acme/api").put_secret("OTHER", "x")
    stack = new_stack(HEAD + secret_set(triple("AKIA9", CANARY), "{'web': 11, 'api': 12}", name="all"))
    text = (
        f"codespaces of acme/web would log in with a mixture for PAY: {PASSWORD} of the repository acme/web takes the "
        "place of that of the organization acme, and the rest does not. Remove it with "
        f"`gh secret delete {PASSWORD} --app codespaces --repo acme/web`, or give the repository all three."
    )
    assert warned(stack.preview()) == [text]
    stack.up()
    assert warned(stack.preview()) == [], "nothing joins, so nothing is asked"
    web.delete_secret(PASSWORD)
    stack.write(HEAD + secret_set(triple("AKIA9", CANARY), "{'web': 11, 'api': 12}", name="all")
                + own({PASSWORD: CANARY}))  # fmt: skip
    assert warned(stack.preview()) == [text]
    for name in TRIPLE:
        organization.put_secret(name, "x", "selected", ["api"])
    other = new_stack(HEAD + own({PASSWORD: CANARY}), project="elsewhere")
    assert warned(other.preview()) == [], "the secrets of the organization do not reach this repository"
    for name in TRIPLE:
        organization.put_secret(name, "x", "private")
    assert warned(other.preview()) == [text]
    nowhere([CANARY, TOKEN], stack)


def test_what_cannot_be_seen_is_told(github, new_stack, github_environment):
    permissions = {"organization_codespaces_secrets": "write", "metadata": "read"}
    github.seed({"tokens": {"github_pat_x": {"kind": "fine-grained", "owner": "acme", "permissions": permissions}}})
    stack = new_stack(
        HEAD + secret_set(triple(secret=CANARY), name="all"), {**github_environment, "GITHUB_TOKEN": "github_pat_x"}
    )
    preview = stack.preview()
    assert (
        "it was not looked at whether there are Codespaces secrets of the same names in acme/api, acme/web; "
        in preview.output
    )
    assert preview.warnings == []
    stack.up()
    assert "was not looked at" not in stack.preview("--expect-no-changes").output


@pytest.mark.parametrize("more", ["", "'repository_id': 11"])
def test_a_transferred_repository_gets_no_new_values(github, new_stack, more):
    """GitHub would redirect writes to the old name to the new owner's repository."""
    stack = new_stack(HEAD + own(more=more))
    stack.up()
    github.repository("acme/web").transfer("umbrella")
    writes(github)
    stack.write(HEAD + own(triple("AKIA2", "value-2"), more=more))
    for refused in (stack.preview(check=False), stack.up(check=False)):
        assert not refused.ok
        assert (
            "repository 'web' was transferred to umbrella, and the secrets in it went along. Remove it from the "
            "program, and renew the credentials that they hold." in " ".join(told(refused).split())
        )
    moved = github.repository("umbrella/web")
    assert {name: secret.value for name, secret in moved.secrets.items()} == triple(secret=CANARY)
    stack.write(HEAD)
    stack.up()
    assert moved.secrets == {}
