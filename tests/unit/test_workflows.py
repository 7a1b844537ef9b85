"""The workflows in examples/platform-repository: what two linters say, and what each of them may do."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from rig.stack import REPOSITORY
from rig.workflow_linters import lint

pytestmark = pytest.mark.once

FILES = sorted((REPOSITORY / "examples/platform-repository/.github/workflows").glob("*.yml"))
NAMES = [path.stem for path in FILES]
# PyYAML takes the key `on` for a Boolean.
DOCUMENTS = {path.stem: yaml.safe_load(path.read_text().replace("\non:\n", "\n'on':\n")) for path in FILES}
JOBS = {f"{name}.{key}": job for name, document in DOCUMENTS.items() for key, job in document["jobs"].items()}
SECRET = re.compile(r"secrets(?:\.|\[)[^\s}]*")


def test_the_linters_find_nothing():
    codes, found = lint(*FILES)
    assert codes == [0, 0], found


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    [
        ("${{ needs.preview.outputs.review }}", "${{ needs.preview.outputs.reviews }}", "reviews"),
        ('"$PULL_REQUEST/', '"${{ github.head_ref }}/', "template-injection"),
        ("persist-credentials: false", "fetch-depth: 1", "artipacked"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
    ],
)
def test_the_linters_find_what_is_wrong(tmp_path, right, wrong, name):
    text = (FILES[NAMES.index("preview")]).read_text().replace("issues/$PULL_REQUEST/", 'issues/"$PULL_REQUEST/')
    assert right in text
    file = tmp_path / "wrong.yml"
    file.write_text(text.replace(right, wrong))
    codes, found = lint(file)
    assert codes != [0, 0]
    assert name in found


def test_there_are_these():
    assert NAMES == ["drift", "preview", "rotate", "up"]
    assert {name: document["on"] for name, document in DOCUMENTS.items()} == {
        "drift": {"schedule": [{"cron": "17 5 * * 1-5"}], "workflow_dispatch": None},
        "preview": {"pull_request": {"branches": ["main"]}},
        "rotate": {"schedule": [{"cron": "17 6 1 * *"}], "workflow_dispatch": None},
        "up": {"push": {"branches": ["main"]}},
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_update_is_never_cut_off(name):
    concurrency = DOCUMENTS[name]["concurrency"]
    assert concurrency["cancel-in-progress"] is (name == "preview")
    assert ("${{" in concurrency["group"]) is (name == "preview")


def test_each_job_may_do_what_it_does_and_no_more():
    assert [document["permissions"] for document in DOCUMENTS.values()] == [{}] * len(DOCUMENTS)
    pulumi = {"contents": "read", "id-token": "write"}
    assert {name: (job.get("environment"), job["permissions"]) for name, job in JOBS.items()} == {
        "drift.preview": ("preview", pulumi),
        "drift.issue": (None, {"issues": "write"}),
        "preview.preview": ("preview", pulumi),
        "preview.comment": (None, {"pull-requests": "write"}),
        "rotate.rotate": ("rotation", {"contents": "read"}),
        "up.up": ("production", pulumi),
    }


def test_the_apps_token_may_do_what_its_job_does_and_no_more():
    found = {}
    for name, job in JOBS.items():
        for step in job["steps"]:
            if "create-github-app-token@" in step.get("uses", ""):
                taken = step["with"].items()
                found[name] = {key.removeprefix("permission-"): level for key, level in taken if "permission-" in key}
    codespaces = "organization-codespaces-secrets"
    assert found == {
        "drift.preview": {"metadata": "read", codespaces: "read"},
        "preview.preview": {"metadata": "read", codespaces: "read"},
        "rotate.rotate": {"contents": "write", "pull-requests": "write"},
        "up.up": {"metadata": "read", codespaces: "write"},
    }


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_an_apps_key_is_the_only_secret_and_only_in_an_environment(path):
    assert set(SECRET.findall(path.read_text())) == {"secrets.APP_PRIVATE_KEY"}
    for job in DOCUMENTS[path.stem]["jobs"].values():
        assert bool(SECRET.search(yaml.safe_dump(job))) is ("environment" in job)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_action_is_a_commit_with_its_version_beside(path):
    used = re.findall(r"uses: *(.*)", path.read_text())
    assert used
    assert [
        action for action in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    ] == []


def test_an_action_is_the_same_commit_everywhere():
    used = {tuple(action.split("@")) for path in FILES for action in re.findall(r"uses: *(.*)", path.read_text())}
    assert len({action for action, _ in used}) == len(used)


def test_a_fork_gets_no_credentials_and_fails_the_check():
    job = DOCUMENTS["preview"]["jobs"]["preview"]
    # GitHub takes a job that its condition skips for a success.
    assert "if" not in job
    first = job["steps"][0]
    assert first["if"] == "github.event.pull_request.head.repo.full_name != github.repository"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", first["run"]],
        env={"GITHUB_REPOSITORY": "acme/platform"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    said = "::error::This pull request comes from a fork, which gets no credentials for a preview. "
    said += "Push its branch to acme/platform, and open the pull request from there.\n"
    assert (done.returncode, done.stdout) == (1, said)
    # None of the others runs after it.
    assert [step for step in job["steps"][1:] if "if" in step or "continue-on-error" in step] == []
    assert DOCUMENTS["preview"]["jobs"]["comment"]["needs"] == "preview"


@pytest.mark.parametrize("name", JOBS)
def test_no_job_that_runs_the_repositorys_code_may_write_to_the_repository(name):
    job = JOBS[name]
    writes = [scope for scope, level in job["permissions"].items() if (scope, level) != ("id-token", "write")]
    checks_out = any("checkout@" in step.get("uses", "") for step in job["steps"])
    assert ([scope for scope in writes if job["permissions"][scope] == "write"] == []) is checks_out


def test_the_pulumi_cli_is_the_one_that_was_tested():
    pinned = {
        step["with"]["pulumi-version"]
        for job in JOBS.values()
        for step in job["steps"]
        if "pulumi/actions@" in step.get("uses", "")
    }
    (version,) = re.findall(r"^pulumi==([\d.]+)", (REPOSITORY / "tests/requirements.txt").read_text(), re.MULTILINE)
    assert pinned == {version}
