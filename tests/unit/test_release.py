"""The workflows of this repository: what two linters say, what the jobs of a release may do, and what they build."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile

import pytest
import yaml

from rig.stack import REPOSITORY
from rig.workflow_linters import lint

pytestmark = pytest.mark.once

FILE = REPOSITORY / ".github/workflows/release.yml"
CI = FILE.with_name("ci.yml")
# PyYAML takes the key `on` for a Boolean.
DOCUMENT = yaml.safe_load(FILE.read_text().replace("\non:\n", "\n'on':\n"))
JOBS = DOCUMENT["jobs"]
SDKS = {
    "go": "codespaces/ecrPullAccess.go",
    "nodejs": "ecrPullAccess.ts",
    "python": "pulumi_codespaces_sdk/ecr_pull_access.py",
}
"""The languages of the SDKs -> a file of each."""
VERSION = json.loads((REPOSITORY / "components/pulumi_codespaces/pulumi-plugin.json").read_text())["version"]


def test_the_linters_find_nothing():
    codes, found = lint(FILE, CI)
    assert codes == [0, 0], found


def test_a_tag_starts_it_and_each_job_may_do_what_it_does_and_no_more():
    assert (DOCUMENT["on"], DOCUMENT["permissions"]) == ({"push": {"tags": ["v*"]}}, {})
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "github": {"contents": "write"},
        "pypi": {"id-token": "write"},
    }
    assert [
        name for name, job in JOBS.items() if any("checkout@" in step.get("uses", "") for step in job["steps"])
    ] == ["build"]
    assert {name: job.get("needs") for name, job in JOBS.items()} == {
        "build": None,
        "attest": "build",
        "github": "attest",
        "pypi": "attest",
    }


def test_an_index_gets_the_wheel_only_where_its_owner_says_so():
    assert (JOBS["pypi"]["if"], JOBS["pypi"]["environment"]) == ("vars.PYPI == 'true'", "pypi")
    assert "secrets." not in FILE.read_text()


def test_every_action_is_a_commit_with_its_version_beside():
    used = re.findall(r"uses: *(.*)", FILE.read_text() + CI.read_text())
    assert [
        action for action in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    ] == []


def build(folder, tag):
    """Run the build step as it stands in the workflow, in a clone, and return what it ended with."""
    (step,) = [step for step in JOBS["build"]["steps"] if step.get("name") == "Build"]
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={**os.environ, "GITHUB_REF_NAME": tag},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    names = (".git", ".hypothesis", ".pytest_cache", ".ruff_cache", "venv", "wheels", "__pycache__")
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*names))
    return folder


def test_a_release_is_a_wheel_a_schema_sdks_and_a_template_with_the_wheel(clone):
    done = build(clone, f"v{VERSION}")
    assert done.returncode == 0, done.stdout
    dist = clone / "dist"
    wheel = f"pulumi_codespaces-{VERSION}-py3-none-any.whl"
    template_file, schema_file = f"platform-repository-{VERSION}.zip", f"schema-{VERSION}.json"
    sdk_files = {language: f"sdk-{language}-{VERSION}.zip" for language in SDKS}
    assert {path.name for path in dist.iterdir()} == {template_file, wheel, schema_file, *sdk_files.values()}
    assert json.loads((dist / schema_file).read_text())["version"] == VERSION
    for language, file in SDKS.items():
        with zipfile.ZipFile(dist / sdk_files[language]) as archive:
            assert "EcrPullAccess" in archive.read(file).decode()
    with zipfile.ZipFile(dist / template_file) as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
        assert archive.read(f"wheels/{wheel}") == (dist / wheel).read_bytes()
        required = archive.read("requirements.txt").decode()
    template = clone / "examples/platform-repository"
    own = {str(path.relative_to(template)) for path in template.rglob("*") if path.is_file()}
    assert files == own - {"plugin/pulumi-resource-codespaces"} | {f"wheels/{wheel}"}
    assert f"./wheels/{wheel}[github]\n" in required


@pytest.mark.parametrize("tag", ["v9.9.9", VERSION])
def test_a_tag_that_is_not_the_version_releases_nothing(clone, tag):
    done = build(clone, tag)
    assert done.returncode == 1
    assert done.stdout == (
        f"build-release: the tag is {tag}, but pulumi-plugin.json has the version {VERSION}: the CLI looks for the tag "
        f"v{VERSION}\n"
    )
    assert list((clone / "dist").iterdir()) == []


@pytest.mark.parametrize("page", ["CHANGELOG.md", "UPGRADE.md"])
def test_a_release_that_a_page_does_not_know_is_refused(clone, page):
    (clone / page).write_text(f"# A page\n\n## {VERSION}0\n")
    done = build(clone, f"v{VERSION}")
    assert (done.returncode, done.stdout) == (1, f"build-release: {page} has no section '## {VERSION}'\n")


def test_a_release_whose_changelog_is_not_written_is_refused(clone):
    (clone / ".changes/12.fixed.md").write_text("A selection may hold a blank.\n")
    done = build(clone, f"v{VERSION}")
    said = "build-release: CHANGELOG.md lacks 12.fixed.md: see .changes/README.md\n"
    assert (done.returncode, done.stdout) == (1, said)


def test_the_name_of_a_change_says_its_kind():
    names = [path.name for path in (REPOSITORY / ".changes").iterdir() if path.name != "README.md"]
    assert [name for name in names if not re.fullmatch(r"[0-9]+\.(added|changed|fixed|security)\.md", name)] == []
