"""A platform repository from creation to removal, only by the commands of the template's README."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from rig.cloud import LocalCloud
from rig.stack import REPOSITORY, engine_folder, link_plugins

TEMPLATE = REPOSITORY / "examples/platform-repository"
API = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/payments/api:latest"
WEB = API.replace("payments/api", "payments/web")
ANSWERS = {
    "organization": "acme",
    "aws:region": "eu-west-1",
    "ecrRepositories": "payments/api, payments/web",
    "repositories": "web",
}


def commands(heading, readme=TEMPLATE / "README.md"):
    """The commands under a heading of a README."""
    text = readme.read_text()
    block = re.search(rf"^## {heading}\n.*?^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert block, heading
    lines = block[1].splitlines()
    assert [line for line in lines if not line.startswith("$ ")] == []
    return [line.removeprefix("$ ").partition(" #")[0].rstrip() for line in lines]


class Terminal:
    """A shell on a machine that has the Pulumi CLI and Python, and a folder with a space in its path.

    `pip` installs from the index, except the packages that the tests have: PYTHONPATH makes pip take them for
    installed, which saves a download of half a gigabyte.
    """

    def __init__(self, folder):
        self.folder = folder / "a folder"
        self.folder.mkdir()
        home = folder / "home"
        (home / "backend").mkdir(parents=True)
        link_plugins(home / ".pulumi/plugins")
        ours = ("PULUMI_", "AWS_", "GITHUB_", "VIRTUAL_ENV", "PYTHON")
        machine = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment = machine | {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(engine_folder()), str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "PULUMI_BACKEND_URL": f"file://{home / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "passphrase",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(home / ".pulumi"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONPATH": sysconfig.get_path("purelib"),
        }

    def run(self, command, *, check=True):
        """Run a command, and stay in the folder that it changes to."""
        script = f'set -e\n{command}\npwd >"$HOME/folder"'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        if not check:
            return done
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        self.folder = Path((Path(self.environment["HOME"]) / "folder").read_text().rstrip("\n"))
        return done

    def commit(self):
        """Commit all that git does not ignore."""
        self.run("git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -q -m all")

    def changed(self):
        """The changes that git shows since that commit."""
        return self.run("git status --porcelain").stdout

    def environments(self):
        """The virtual environments below the folder."""
        return sorted(str(path.parent.relative_to(self.folder)) for path in self.folder.rglob("pyvenv.cfg"))


@pytest.fixture
def terminal(tmp_path):
    return Terminal(tmp_path)


def clone(terminal):
    """Put a clone of this repository into the folder."""
    target = terminal.folder / "pulumi-codespaces"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.split("\0"):
        if name and (REPOSITORY / name).is_file() and not name.startswith("tests/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target / name)
    return target


def without_questions(command):
    """A command with the answers to its questions."""
    if "pulumi new" in command:
        answers = " ".join(f"-c '{key}={value}'" for key, value in ANSWERS.items())
        return f"{command} --yes --name platform {answers}"
    return f"{command} --yes" if command in ("pulumi up", "pulumi destroy") else command


def test_the_template_from_nothing_to_nothing(terminal):
    source = clone(terminal)
    *making, previewing = commands("Make one")
    assert previewing == "pulumi preview"
    assert len(making) <= 3
    for command in making:
        terminal.run(without_questions(command))
    assert terminal.folder == source.parent / "access"
    project = yaml.safe_load((terminal.folder / "Pulumi.yaml").read_text())
    assert (project["name"], "template" in project) == ("platform", False)
    # Writes of the CLI keep the comments in the stack's file.
    written = (terminal.folder / "Pulumi.prod.yaml").read_text()
    assert written.startswith("# Who may pull what.")
    assert "\n#   registries:\n" in written
    # The CLI starts the plugin itself, so the plugin outlives a CLI that is killed.
    assert os.access(terminal.folder / "plugin/pulumi-resource-codespaces", os.X_OK)
    terminal.commit()
    assert terminal.environments() == ["venv"]

    machine = terminal.environment
    with LocalCloud() as cloud:
        terminal.environment = machine | cloud.environment
        terminal.run(previewing)
        used = iter(commands("Use it"))

        def follow(until):
            for command in map(without_questions, used):
                done = terminal.run(command)
                if command.startswith(until):
                    return done
            raise AssertionError(f"the README has no further {until}")

        follow("pulumi up")
        with cloud.start_codespace("acme/web") as running:
            assert [running.pull(image).ok for image in (API, WEB)] == [True, True]
            follow("pulumi up")
            with cloud.start_codespace("acme/web") as started, cloud.start_codespace("acme/docs") as other:
                assert started.pull(API).ok
                assert not other.pull(API).ok
            running.resume_login()
            assert running.pull(API).ok
        assert sorted(key.status for key in cloud.aws.access_keys("codespaces-ecr")) == ["Active", "Active"]
        assert follow("venv/bin/codespaces doctor").stdout == "No problems found.\n"
        (terminal.folder / "sub").mkdir()
        terminal.run("cd sub && pulumi preview --expect-no-changes && pulumi refresh --run-program --yes && cd ..")
        state = terminal.run("pulumi stack export").stdout
        assert "pluginDownloadURL" not in state
        follow("pulumi destroy")
        assert list(used) == []
        assert cloud.github.organization("acme").secrets == {}
        assert cloud.aws.users() == {}
        assert cloud.github.unserved == []
        assert cloud.aws.refused_hosts == []
    terminal.environment = machine
    terminal.run("pulumi package get-schema ./plugin >/dev/null && pulumi install")
    assert terminal.changed() == " M Pulumi.prod.yaml\n"
    assert terminal.environments() == ["venv"]


def test_an_example_as_its_readme_says(terminal):
    """The example has its own environment, uses the plugin of that environment, and names no plugin in Pulumi.yaml."""
    terminal.folder = clone(terminal)
    making = commands("Run one", REPOSITORY / "examples/README.md")
    assert making[0] == "cd examples/ecr"
    for command in making:
        terminal.run(command)
    with LocalCloud() as cloud:
        terminal.environment |= cloud.environment
        terminal.run("pulumi up --yes --skip-preview")
        with cloud.start_codespace("acme/web") as codespace:
            assert [codespace.pull(image).ok for image in (API, WEB)] == [True, False]
        assert "pluginDownloadURL" not in terminal.run("pulumi stack export").stdout
        terminal.run("pulumi destroy --yes --skip-preview")
        assert cloud.aws.users() == {}
    assert terminal.environments() == ["venv"]


def test_without_an_environment_the_plugin_names_the_command(tmp_path):
    plugin = shutil.copytree(TEMPLATE / "plugin", tmp_path / "a folder/plugin") / "pulumi-resource-codespaces"
    done = subprocess.run([plugin], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"There is no {tmp_path / 'a folder/venv/bin/python'}: run `pulumi install` in the folder of Pulumi.yaml.\n"
    )


def test_what_is_missing_is_told_with_the_command(terminal):
    """The virtual environment exists, but it is empty."""
    shutil.copytree(TEMPLATE, terminal.folder, dirs_exist_ok=True)
    (terminal.folder / "Pulumi.yaml").write_text((TEMPLATE / "Pulumi.yaml").read_text().split("template:")[0])
    terminal.run("sed -i.bak 's/${PROJECT}/p/;s/${DESCRIPTION}/d/' Pulumi.yaml && python3 -m venv venv")
    del terminal.environment["PYTHONPATH"]
    done = terminal.run("pulumi package get-schema ./plugin", check=False)
    assert done.returncode != 0
    assert (
        f"pulumi_codespaces is not installed in {terminal.folder / 'venv'}: run `pulumi install` in the folder of "
        "Pulumi.yaml."
    ) in done.stdout
