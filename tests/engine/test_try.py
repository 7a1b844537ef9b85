"""`examples/local/try.sh` in a copy of this clone: its output, its failures, and the files that it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rig.stack import REPOSITORY, engine_folder

NOT_OF_A_CLONE = (".git", ".hypothesis", ".pytest_cache", ".ruff_cache", ".venv", "venv", "__pycache__", "*.egg-info")


class Clone:
    """A copy of this clone, with its own folder for temporary files."""

    def __init__(self, folder):
        self.root = folder / "clone"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        shutil.copytree(REPOSITORY, self.root, ignore=shutil.ignore_patterns(*NOT_OF_A_CLONE))
        self.before = self.files()

    def files(self):
        """Path -> hash of every file that git does not ignore."""
        return {
            path.relative_to(self.root): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    def start(self):
        path = os.pathsep.join([str(engine_folder()), os.environ["PATH"]])
        return subprocess.Popen(
            [self.root / "examples/local/try.sh"],
            env={**os.environ, "PATH": path, "TMPDIR": str(self.temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # Tests in the background inherit an ignored SIGINT, which a shell could not trap.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def run(self):
        """The exit status and the output."""
        process = self.start()
        shown, _ = process.communicate(timeout=300)
        self.assert_nothing_left(process)
        return process.returncode, shown

    def assert_nothing_left(self, process):
        assert list(self.temporary.iterdir()) == []
        assert self.files() == self.before
        # A plugin notices within a second or two that its engine has ended.
        end = time.monotonic() + 120
        while running(process.pid) and time.monotonic() < end:
            time.sleep(0.1)
        assert running(process.pid) == []


def running(session):
    """The processes of a session: a script and everything that it started share one."""
    found = []
    for pid in processes():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == session:
                found.append(pid)
    return found


def processes():
    if Path("/proc/self").exists():
        return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    listed = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=True).stdout
    return [int(pid) for pid in listed.split()]


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def rows(shown):
    """The tables of pulls: repository, its description, and the result of each pull."""
    lines = [line.split("  ") for line in shown.splitlines() if line.startswith("  acme/")]
    return [tuple(cell.strip() for cell in line if cell.strip()) for line in lines]


def test_it_goes_from_nothing_to_nothing_and_shows_who_can_pull_what(clone):
    status, shown = clone.run()
    assert status == 0, shown
    pulled, nothing = ("pulled", "refused", "pulled"), ("no credentials",) * 3
    assert rows(shown) == [
        ("acme/web", "selected", *pulled),
        ("acme/docs", "not selected", *nothing),
        ("acme/web", "started before, logs in again", *pulled),
        ("acme/web", "started after", *pulled),
        ("acme/docs", "not selected", *nothing),
    ]
    commands = [line for line in shown.splitlines() if line.startswith("$ ")]
    assert commands == [
        "$ pulumi up",
        "$ pulumi config set --path 'registries.payments-prod.keyGeneration' 2",
        "$ pulumi preview",
        "$ pulumi up",
        "$ pulumi destroy",
    ]
    preview = shown.partition("$ pulumi preview\n")[2].partition("$ pulumi up")[0]
    assert "+  aws:iam:AccessKey payments-prod-key-b create" in preview
    assert "payments-prod-key-a" not in preview
    assert "~  codespaces:index:OrganizationSecrets payments-prod-secrets update [diff: ~secrets]" in preview
    assert "payments-acr" not in preview
    keys = [line.split(": ")[1] for line in shown.splitlines() if "access key" in line]
    assert keys == ["Active, published", "Active, for codespaces that have it", "Active, published"]
    assert "  left: 0 secrets in GitHub, 0 users in AWS, 0 policies" in shown.splitlines()
    assert shown.splitlines()[-1].startswith("All as it should be, in ")
    assert "made-up" not in shown


def test_it_fails_when_a_codespace_cannot_pull(clone):
    seed = clone.root / "examples/local/clouds.json"
    clouds = json.loads(seed.read_text())
    clouds["aws"]["accounts"]["123456789012"]["repositories"]["eu-west-1"]["payments/api"] = []
    seed.write_text(json.dumps(clouds))
    clone.before = clone.files()
    status, shown = clone.run()
    assert status == 1, shown
    assert rows(shown)[0] == ("acme/web", "selected", "refused", "refused", "pulled")
    assert "WRONG: acme/web, selected: ECR payments/api: refused, not pulled" in shown
    assert shown.splitlines()[-1] == "try.sh: that is not as it should be"


def test_it_fails_when_an_update_fails_and_shows_what_the_engine_said(clone):
    config = clone.root / "examples/local/Pulumi.local.yaml"
    config.write_text(config.read_text().replace("topics: [payments]", "names: [webb]"))
    clone.before = clone.files()
    status, shown = clone.run()
    assert status == 1, shown
    assert "did you mean 'web'?" in shown
    assert shown.splitlines()[-1].startswith("try.sh: failed: pulumi ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_interrupted_it_leaves_nothing(clone, number):
    process = clone.start()
    for line in process.stdout:
        if line == "$ pulumi up\n":
            break
    time.sleep(1.5)
    # Like Ctrl-C at a terminal: the signal reaches the script, which has to pass it on to its processes.
    os.killpg(process.pid, number)
    process.communicate(timeout=600)
    assert process.returncode == 128 + number
    clone.assert_nothing_left(process)
