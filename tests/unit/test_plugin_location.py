"""Where the engine finds the plugin, and the message for a program whose plugin it would not find."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pulumi
import pytest

from pulumi_codespaces import InvalidArgument, RepositorySelection, plugin_location
from pulumi_codespaces.plugin_location import is_found, plugin_folder
from pulumi_codespaces.version import PLUGIN_URL, VERSION

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "examples/platform-repository"


@pytest.fixture
def environment(tmp_path):
    """Environment variables of an engine that has nothing: no plugin folder, nothing on PATH."""
    return {"PULUMI_HOME": str(tmp_path / "pulumi"), "PATH": str(tmp_path / "bin")}


@pytest.fixture
def project(tmp_path):
    """The folder of a project, and what writes its Pulumi.yaml."""
    folder = tmp_path / "project"
    folder.mkdir()

    def write(name="Pulumi.yaml", **sections):
        (folder / name).write_text(json.dumps({"name": "p", "runtime": "python", **sections}))
        return folder

    return write


def test_nothing_is_found_where_nothing_is(project, environment):
    assert not is_found(project(), environment)
    assert not is_found(project(plugins={"providers": [{"name": "other", "path": "x"}]}), environment)
    assert not is_found(project(plugins={"analyzers": [{"name": "codespaces", "path": "x"}]}), environment)
    assert not is_found(project(plugins=None, packages=None), environment)


@pytest.mark.parametrize("name", ["Pulumi.yaml", "Pulumi.yml", "Pulumi.json"])
@pytest.mark.parametrize(
    "sections",
    [
        {"plugins": {"providers": [{"name": "other", "path": "x"}, {"name": "codespaces", "path": "plugin"}]}},
        {"packages": {"codespaces": "./components"}},
    ],
    ids=["plugins", "packages"],
)
def test_a_project_that_names_it(project, environment, name, sections):
    assert is_found(project(name, **sections), environment)


@pytest.mark.parametrize("folder", [ROOT, TEMPLATE], ids=["this repository", "the template"])
def test_the_projects_here_name_it(environment, folder):
    assert is_found(folder, environment)


def test_the_plugin_folder_of_the_cli(project, environment):
    folder = plugin_folder(environment)
    assert folder == Path(environment["PULUMI_HOME"], "plugins", f"resource-codespaces-v{VERSION}")
    folder.mkdir(parents=True)
    assert is_found(project(), environment)
    folder.with_name(f"resource-codespaces-v{VERSION}.partial").touch()
    assert not is_found(project(), environment)


def test_another_version_is_not_this_one(project, environment):
    plugin_folder(environment).with_name("resource-codespaces-v0.9.0").mkdir(parents=True)
    assert not is_found(project(), environment)


def test_the_plugin_folder_follows_the_user_database_and_not_home(monkeypatch):
    pwd = pytest.importorskip("pwd")
    monkeypatch.setenv("HOME", "/elsewhere")
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert plugin_folder({}) == home / ".pulumi/plugins" / f"resource-codespaces-v{VERSION}"


def test_an_executable_on_path_unless_the_engine_ignores_those(project, environment):
    executable = Path(environment["PATH"], "pulumi-resource-codespaces")
    executable.parent.mkdir()
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    assert is_found(project(), environment)
    assert not is_found(project(), {**environment, "PULUMI_IGNORE_AMBIENT_PLUGINS": "true"})


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("PULUMI_DEBUG_PROVIDERS", "aws:1234,codespaces:4321", True),
        ("PULUMI_DEBUG_PROVIDERS", "aws:1234", False),
        ("PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES", "^codespaces$=https://plugins.example", True),
    ],
)
def test_an_engine_that_was_told_where_it_is(project, environment, name, value, found):
    assert is_found(project(), {**environment, name: value}) is found


@pytest.fixture
def on_an_engine(project, environment, monkeypatch):
    """A process that has not looked yet, and whose engine finds nothing."""
    monkeypatch.setattr(plugin_location, "_is_checked", False)
    monkeypatch.setattr(pulumi.runtime.settings.SETTINGS, "monitor", None)
    monkeypatch.setattr(pulumi, "get_root_directory", lambda: str(project()))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_a_program_is_told_the_command_before_anything_is_registered(on_an_engine, tmp_path, monkeypatch):
    monkeypatch.setattr(plugin_location.sys, "executable", "/my envs/venv/bin/python")
    with pytest.raises(InvalidArgument) as refused:
        RepositorySelection("web", {"names": ["web"]})
    folder = tmp_path / "pulumi/plugins" / f"resource-codespaces-v{VERSION}"
    assert str(refused.value) == (
        f"pulumi-codespaces: the Pulumi CLI has no plugin of pulumi-codespaces {VERSION} ({folder}). Run "
        f"`'/my envs/venv/bin/codespaces' plugin install`, or name the folder of the plugin in "
        f"{tmp_path / 'project/Pulumi.yaml'}: `plugins: {{providers: [{{name: codespaces, path: FOLDER}}]}}`."
    )


def test_a_published_address_is_where_the_engine_looks_last(on_an_engine, monkeypatch):
    monkeypatch.setattr(plugin_location, "PLUGIN_URL", "git://git.example/codespaces/components")
    plugin_location.check_plugin()


def test_the_plugin_itself_never_looks(on_an_engine):
    plugin_location.assume_found()
    plugin_location.check_plugin()


def test_nobody_has_published_this_copy():
    assert PLUGIN_URL is None
