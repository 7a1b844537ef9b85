"""The shell in the workflows of examples/platform-repository, run unchanged on the real CLI."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.stack import REPOSITORY, Stack

from .workflow_steps import POLICIES, STACK, TOKEN, WORKFLOWS, Runner

MARK = "<!-- codespaces review: access/prod -->"


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path / "machine", tmp_path)


# -- Pulumi, with what the App and the role may do

CONFIG = """
  access:organization: acme
  access:accounts: {prod: {region: eu-west-1}}
  access:selections: {payments: {topics: [payments]}}
  access:registries:
    payments-prod: {account: prod, ecrRepositories: [payments/api], selection: payments}
"""


def permissions(workflow):
    """The permissions of the App's token in a workflow."""
    document = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text())
    steps = [step for job in document["jobs"].values() for step in job["steps"]]
    (inputs,) = [step["with"] for step in steps if step.get("id") == "github"]
    assert inputs["owner"] == "${{ github.repository_owner }}"
    return {
        name.removeprefix("permission-").replace("-", "_"): level
        for name, level in inputs.items()
        if name.startswith("permission-")
    }


@pytest.fixture
def cloud():
    tokens = {
        f"github_pat_{name}": {"kind": "fine-grained", "owner": "acme", "permissions": permissions(name)}
        for name in ("preview", "up", "drift")
    }
    seed = {**DEFAULT_SEED, "github": {**DEFAULT_SEED["github"], "tokens": tokens}}
    with LocalCloud(seed) as together:
        yield together
        assert together.github.unserved == []
        assert together.aws.refused_hosts == []


def credentials(cloud, *names):
    """The credentials of a user with these policies of the example."""
    user = "-".join(names)
    cloud.aws.create_user(user)
    for name in names:
        cloud.aws.put_user_policy(user, name, json.loads((POLICIES / f"{name}.json").read_text()))
    key = cloud.aws.create_access_key(user)
    return {"AWS_ACCESS_KEY_ID": key.access_key_id, "AWS_SECRET_ACCESS_KEY": key.secret_access_key}


def test_a_change_is_made_reviewed_and_watched(cloud, tmp_path):
    stack = Stack(tmp_path / "stack", cloud.environment, (REPOSITORY / "__main__.py").read_text(), name=STACK)
    file = stack.program_folder / f"Pulumi.{STACK}.yaml"
    start = file.read_text() + "config:" + CONFIG
    file.write_text(start)
    production, preview = (
        Runner(tmp_path / names[0], stack.program_folder, {**stack.environment, **credentials(cloud, *names)})
        for names in (("production", "preview"), ("preview",))
    )
    backend = stack.environment["PULUMI_BACKEND_URL"]

    def run(runner, workflow, name):
        given = {"GITHUB_TOKEN": f"github_pat_{workflow}", "PULUMI_BACKEND_URL": backend}
        code, outputs = runner.run(workflow, name, **given)
        return code, outputs.get("review")

    assert run(production, "up", "Up") == (0, None), production.log
    secrets = cloud.github.organization("acme").secrets
    server = "PAYMENTS_PROD_CONTAINER_REGISTRY_SERVER"
    assert secrets[server].value == "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert run(preview, "drift", "Review") == (0, None), preview.log

    file.write_text(start.replace("selection: payments}", "visibility: all}"))
    code, review = run(preview, "preview", "Review")
    assert (code, review) == (3, preview.summary.rstrip("\n")), preview.log
    title = "### Registry access of codespaces: `access/prod`"
    assert review.splitlines()[:4] == [MARK, title, "", "**Look at this first**"]

    file.write_text(start.replace("topics: [payments]", "names: [wbe]"))
    code, review = run(preview, "preview", "Review")
    assert (code, review.splitlines()[0]) == (1, MARK), preview.log
    assert review.splitlines()[5].startswith("- :warning: The preview failed: ")

    file.write_text(start)
    del secrets[server]
    code, review = run(preview, "drift", "Review")
    assert (code, review) == (0, preview.summary.rstrip("\n")), preview.log
    written = f"- The value of `{server}` is written; codespaces get it at their next start."
    assert review.splitlines()[:4] == [MARK, title, "", written]


# A digest, and the exit code that Pulumi ends with.
_PULUMI = """import sys
print('{"steps": [], "diagnostics": %s}')
sys.exit(%d)
"""
_FAILED = '[{"severity": "error", "message": "no"}]'


@pytest.mark.parametrize(
    ("diagnostics", "pulumi", "code"), [("[]", 0, 0), ("[]", 255, 255), (_FAILED, 255, 1), (_FAILED, 0, 1)]
)
def test_a_preview_that_ends_with_an_error_fails_though_its_json_tells_of_none(runner, diagnostics, pulumi, code):
    runner.program("pulumi", _PULUMI % (diagnostics, pulumi))
    done, outputs = runner.run("preview", "Review", GITHUB_TOKEN=TOKEN, PULUMI_BACKEND_URL="file://")
    assert (done, outputs["review"]) == (code, runner.summary.rstrip("\n")), runner.log
    said = "::error::pulumi preview ended with 255, of which the review does not tell: "
    said += "a mandatory policy may be violated. Run it without --json.\n"
    assert runner.log == (said if code == 255 else "")


# -- the comment on a pull request


def comment(runner, review):
    code, outputs = runner.run("preview", "Comment", GH_TOKEN=TOKEN, PULL_REQUEST="7", REVIEW=review)
    assert (code, outputs) == (0, {}), runner.log
    return [(comment["id"], comment["user"]["login"], comment["body"]) for comment in runner.github["comments"]]


def test_one_comment_is_edited_in_place(runner):
    first = f"{MARK}\n- `web` may pull: $(echo) \"quoted\" 'text' ${{x}} @file\n"
    assert comment(runner, first) == [(1000, "github-actions[bot]", first)]
    assert comment(runner, f"{MARK}\nNo change.") == [(1000, "github-actions[bot]", f"{MARK}\nNo change.")]


def test_nobody_elses_comment_is_edited(runner):
    others = [
        {"id": 1, "user": {"login": "mallory"}, "body": f"{MARK}\nmine"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": f"quotes {MARK}"},
        {"id": 3, "user": {"login": "github-actions[bot]"}, "body": "<!-- codespaces review: access/test -->"},
    ]
    runner.github = {"comments": others}
    assert comment(runner, f"{MARK}\nnew")[3:] == [(1000, "github-actions[bot]", f"{MARK}\nnew")]
    assert runner.github["comments"][:3] == others


def test_it_is_found_after_a_hundred_others(runner):
    many = [{"id": number, "user": {"login": "github-actions[bot]"}, "body": "other"} for number in range(101)]
    many[100]["body"] = f"{MARK}\nold"
    runner.github = {"comments": many}
    assert comment(runner, f"{MARK}\nnew")[100:] == [(100, "github-actions[bot]", f"{MARK}\nnew")]


# -- the issue about drift


def issue(runner, review):
    code, outputs = runner.run("drift", "Issue", GH_TOKEN=TOKEN, REVIEW=review)
    assert (code, outputs) == (0, {}), runner.log
    return [(issue["number"], issue["state"], issue["title"], issue["body"]) for issue in runner.github["issues"]]


def test_one_issue_is_open_while_something_differs(runner):
    title = "Drift of prod"
    assert issue(runner, "") == []
    assert issue(runner, "first") == [(1000, "open", title, "first")]
    assert issue(runner, "second") == [(1000, "open", title, "second")]
    assert issue(runner, "") == [(1000, "closed", title, "second")]


def test_an_issue_or_pull_request_that_somebody_opened_is_left_alone(runner):
    bot = {"login": "github-actions[bot]"}
    others = [
        {"number": 1, "user": {"login": "mallory"}, "state": "open", "title": "Drift of prod", "body": ""},
        {"number": 2, "user": bot, "state": "open", "title": "Drift of test", "body": ""},
        {"number": 3, "user": bot, "state": "open", "title": "Drift of prod", "body": "", "pull_request": {"url": ""}},
    ]
    runner.github = {"issues": others}
    assert issue(runner, "")[3:] == []
    assert issue(runner, "new")[3:] == [(1000, "open", "Drift of prod", "new")]
    assert runner.github["issues"][:3] == others


# -- the rotation

PROJECT = "name: access\nruntime: python\n"
BEFORE = """\
# The stack of everybody.
secretsprovider: awskms://alias/pulumi?region=eu-west-1
encryptedkey: AQICAHg=
config:
  access:organization: acme # ours
  access:registries:
    payments-prod: {account: prod, ecrRepositories: [payments/api], selection: payments, keyGeneration: 2}
    # new, and tagged
    tagged.all: {account: prod, ecrRepositoryTags: {team: pay}, selection: payments}
    payments-acr: {server: acme.azurecr.io, user: pull, passwordFrom: acrPassword, selection: payments}
    token: {ecrToken: true, account: prod, selection: payments}
  access:acrPassword:
    secure: v1:abc:def
"""
AFTER = BEFORE.replace("keyGeneration: 2}", "keyGeneration: 3}").replace(
    "{team: pay}, selection: payments}", "{team: pay}, selection: payments, keyGeneration: 2}"
)


def git(folder, *arguments):
    return subprocess.run(
        ["git", "-C", folder, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    ).stdout


@pytest.fixture
def platform(tmp_path):
    """A runner with a clone of a repository on GitHub that has one stack; its branch `main` is checked out."""
    origin, checkout = tmp_path / "origin", tmp_path / "checkout"
    git(".", "init", "--quiet", "--bare", "--initial-branch", "main", str(origin))
    git(".", "clone", "--quiet", str(origin), str(checkout))
    git(checkout, "switch", "--quiet", "--orphan", "main")
    (checkout / "Pulumi.yaml").write_text(PROJECT)
    (checkout / f"Pulumi.{STACK}.yaml").write_text(BEFORE)
    git(checkout, "add", ".")
    git(checkout, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "start")
    git(checkout, "push", "--quiet", "origin", "main")
    return Runner(tmp_path / "machine", checkout)


def rotate(runner, run=0):
    """Run the steps on a machine that has just checked out `main`."""
    git(runner.folder, "switch", "--quiet", "--force", "main")
    if run:
        git(runner.folder, "branch", "--quiet", "-D", "rotate-prod")
    backend = runner.folder.parent / f"backend{run}"
    backend.mkdir()
    assert runner.run("rotate", "Raise the generations", PULUMI_BACKEND_URL=f"file://{backend}") == (0, {}), runner.log
    changed = git(runner.folder, "status", "--porcelain")
    opened = runner.run(
        "rotate", "Open the pull request", BASE="main", BRANCH="rotate-prod", GH_TOKEN=TOKEN, SLUG="acme-rotation"
    )
    assert opened == (0, {}), runner.log
    return changed


def test_a_rotation_raises_each_generation_in_one_pull_request(platform):
    assert rotate(platform) == f" M Pulumi.{STACK}.yaml\n"
    branch = git(platform.folder.parent / "origin", "show", f"rotate-prod:Pulumi.{STACK}.yaml")
    assert branch == AFTER
    log = git(platform.folder.parent / "origin", "log", "--format=%s|%an|%ae", "main..rotate-prod")
    author = "acme-rotation[bot]"
    assert log == f"Rotate the access keys of prod|{author}|{author}@users.noreply.github.com\n"
    (pull,) = platform.github["pulls"]
    assert (pull["head"], pull["base"], pull["title"]) == ("rotate-prod", "main", "Rotate the access keys of prod")

    # A month later the pull request is still not merged.
    rotate(platform, run=1)
    assert git(platform.folder.parent / "origin", "show", f"rotate-prod:Pulumi.{STACK}.yaml") == AFTER
    assert platform.github["pulls"] == [pull]


@pytest.mark.parametrize("left", [("payments-acr", "token"), ()])
def test_without_a_key_to_rotate_there_is_no_pull_request(platform, left):
    document = yaml.safe_load(BEFORE)
    registries = document["config"].pop("access:registries")
    if left:
        document["config"]["access:registries"] = {name: registries[name] for name in left}
    (platform.folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(document))
    git(platform.folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--all", "--message", "none")
    assert rotate(platform) == ""
    assert platform.log == "::notice::Pulumi.prod.yaml has no Amazon ECR registry with keys to rotate.\n"
    assert platform.github["pulls"] == []


def test_a_configuration_that_cannot_be_read_fails_the_rotation(platform):
    (platform.folder / f"Pulumi.{STACK}.yaml").write_text("config: [")
    code, _ = platform.run("rotate", "Raise the generations", PULUMI_BACKEND_URL=f"file://{platform.folder.parent}")
    assert code == 1
    assert "error: " in platform.log
