"""From a project elsewhere on disk, which has the package by pip and the plugin from where the CLI keeps it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from rig.stack import COMPONENTS, REPOSITORY

VERSION = json.loads((COMPONENTS / "pulumi_codespaces/pulumi-plugin.json").read_text())["version"]
URL = "git://github.com/pulumi-codespaces/pulumi-codespaces/components"
# LocalName and Dir in sdk/go/common/workspace/plugins.go of the CLI: a git plugin lies in a clone of its repository,
# named for the repository and the folder in it.
GIT_PLUGIN = f"resource-github.com_pulumi-codespaces_pulumi-codespaces.git_components-v{VERSION}/components"

DEFAULT = """
import pulumi
import pulumi_codespaces as codespaces

access = codespaces.EcrPullAccess("payments", {"ecr_repositories": ["payments/api"], "selected_repositories": ["web"]})
pulumi.export("payments", access.summary)
pulumi.export("package", codespaces.__file__)
"""
EXPLICIT = """
import pulumi
import pulumi_aws as aws
import pulumi_codespaces as codespaces

github = codespaces.Provider("acme", owner="acme")
here = aws.Provider("here", region="eu-west-1")
web = codespaces.RepositorySelection("web", {"names": ["web"]}, pulumi.ResourceOptions(provider=github))
access = codespaces.EcrPullAccess(
    "payments",
    {"ecr_repositories": ["payments/api"], "selected_repositories": web},
    pulumi.ResourceOptions(providers=[github, here]),
)
pulumi.export("payments", access.summary)
pulumi.export("package", codespaces.__file__)
"""
SELECTION = """
import pulumi_codespaces as codespaces

codespaces.RepositorySelection("web", {"names": ["web"]})
"""


def make_environment(folder):
    """A virtual environment with all that the tests have; the package itself is not among it."""
    venv.create(folder, symlinks=True)
    library = Path(sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder}))
    (library / "of-the-tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return library


def pip(*arguments):
    command = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(COMPONENTS))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel, tmp_path):
    """The package in an environment of its own; gives the environment and the package's folder."""
    environment = tmp_path / "environment"
    library = make_environment(environment)
    pip("--python", str(environment / "bin/python"), "install", "--no-deps", "--no-index", str(wheel))
    return environment, library / "pulumi_codespaces"


@pytest.fixture
def new_project(installed, new_cloud_stack):
    """Make a stack whose program has the package by pip."""

    def make(program, packages, *, plugin=False, **options):
        environment, _ = installed
        variables = {"VIRTUAL_ENV": str(environment), "PYTHONPATH": ""}
        stack = new_cloud_stack(program, environment=variables, packages=packages, **options)
        if plugin:
            add_plugin(Path(stack.environment["PULUMI_HOME"]) / "plugins")
        return stack

    return make


def add_plugin(plugins):
    """Put the plugin beside those of the engine, as the CLI does when it fetches it from git."""
    shared = plugins.resolve()
    plugins.unlink(missing_ok=True)
    plugins.mkdir()
    if shared != plugins:
        for one in shared.glob("*/*"):
            (plugins / one.parent.name).mkdir(exist_ok=True)
            (plugins / one.parent.name / one.name).symlink_to(one)
    folder = plugins / GIT_PLUGIN
    shutil.copytree(COMPONENTS, folder, ignore=shutil.ignore_patterns("__pycache__", "venv", "build"))
    make_environment(folder / "venv")


def provider_inputs(stack):
    """The inputs of the providers of this package in the state."""
    return [one["inputs"] for one in stack.resources() if one["type"] == "pulumi:providers:codespaces"]


def can_pull(cloud):
    with cloud.start_codespace("acme/web") as codespace:
        return codespace.pull("123456789012.dkr.ecr.eu-west-1.amazonaws.com/payments/api:latest").ok


def test_the_wheel_has_what_program_and_engine_read(wheel):
    assert wheel.name == f"pulumi_codespaces-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        plugin = json.loads(archive.read("pulumi_codespaces/pulumi-plugin.json"))
    assert plugin == {"resource": True, "name": "codespaces", "version": VERSION, "server": URL}
    sources = {path.relative_to(COMPONENTS).as_posix() for path in COMPONENTS.glob("pulumi_codespaces/**/*")}
    expected = {name for name in sources if name.endswith((".py", ".json", "py.typed"))}
    assert {name for name in names if ".dist-info/" not in name} == expected


@pytest.mark.parametrize("program", [DEFAULT, EXPLICIT], ids=["default providers", "explicit providers alone"])
def test_without_an_entry_in_the_project_the_engine_finds_the_plugin_by_its_url(cloud, new_project, installed, program):
    stack = new_project(program, {}, plugin=True)
    if program is EXPLICIT:
        stack.configure("pulumi:disable-default-providers[0]", "*", path=True)
    stack.up()
    assert can_pull(cloud)
    outputs = stack.outputs()
    assert Path(outputs["package"]).parent == installed[1]
    assert outputs["payments"]["repositories"] == ["web"]
    (inputs,) = provider_inputs(stack)
    assert (inputs["version"], inputs["__internal"]) == (VERSION, {"pluginDownloadURL": URL})

    assert stack.preview("--expect-no-changes").steps == []
    stack.destroy()
    assert cloud.github.organization("acme").secrets == {}
    assert cloud.aws.users() == {}


def test_a_copy_of_an_example_without_the_entry(cloud, new_project):
    stack = new_project(REPOSITORY / "examples/ecr", {}, plugin=True, name="prod")
    stack.up()
    assert can_pull(cloud)
    (inputs,) = provider_inputs(stack)
    assert (inputs["owner"], inputs["__internal"]) == ("acme", {"pluginDownloadURL": URL})


def test_an_entry_in_the_project_goes_before_the_url(cloud, new_project):
    stack = new_project(DEFAULT, {"codespaces": str(COMPONENTS)})
    stack.up()
    assert can_pull(cloud)
    assert stack.preview("--expect-no-changes").steps == []
    stack.destroy()
    assert cloud.aws.users() == {}


@pytest.mark.parametrize("program", [DEFAULT, EXPLICIT], ids=["default provider", "explicit provider"])
def test_package_and_plugin_of_different_major_versions_refuse_each_other(cloud, new_project, installed, program):
    major, _, rest = VERSION.partition(".")
    newer = f"{int(major) + 1}.{rest}"
    description = installed[1] / "pulumi-plugin.json"
    description.write_text(description.read_text().replace(VERSION, newer))
    stack = new_project(program, {"codespaces": str(COMPONENTS)})
    for outcome in (stack.preview(check=False), stack.up(check=False)):
        assert not outcome.ok
        text = f"the program uses version {newer} of this package, but the plugin is version {VERSION}"
        assert text in outcome.output, outcome.output
        assert "Traceback" not in outcome.output
    assert cloud.aws.users() == {}
    assert [one.method for one in cloud.github.requests if one.method != "GET"] == []


def test_a_minor_version_more_is_no_matter(new_project, installed):
    description = installed[1] / "pulumi-plugin.json"
    description.write_text(description.read_text().replace(VERSION, f"{VERSION.partition('.')[0]}.99.0"))
    assert new_project(DEFAULT, {"codespaces": str(COMPONENTS)}).preview().ok


@pytest.mark.parametrize("file", ["Pulumi.yaml", "components/PulumiPlugin.yaml"])
def test_an_older_pulumi_is_refused(new_stack, tmp_path, file):
    """By the CLI itself, which checks the range before it runs a program or a plugin; here the range is moved."""
    needed = 'requiredPulumiVersion: ">=3.226.0"'
    text = (COMPONENTS.parent / file).read_text()
    assert needed in text
    plugin = tmp_path / "components"
    shutil.copytree(COMPONENTS, plugin, ignore=shutil.ignore_patterns("__pycache__", "venv", "build"))
    stack = new_stack(SELECTION, packages={"codespaces": str(plugin)})
    assert stack.preview().ok
    changed = text.replace(needed, 'requiredPulumiVersion: ">=99.0.0"').replace("./components", str(plugin))
    (stack.program_folder / file if file == "Pulumi.yaml" else plugin / "PulumiPlugin.yaml").write_text(changed)
    outcome = stack.run("preview", check=False)
    assert not outcome.ok
    assert ">=99.0.0" in outcome.output
