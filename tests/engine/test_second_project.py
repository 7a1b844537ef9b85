"""A project elsewhere on disk, with the package from pip and the plugin from the CLI's plugin folder.

This package is not published, so `codespaces plugin install` takes the plugin from the environment of the program.
A published copy names its address in one line, and the CLI finds the plugin by that address.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rig.stack import COMPONENTS, REPOSITORY, copy_components, link_plugins, make_environment

VERSION = json.loads((COMPONENTS / "pulumi_codespaces/pulumi-plugin.json").read_text())["version"]
URL = "git://git.example/acme/codespaces/components"
# LocalName and Dir in sdk/go/common/workspace/plugins.go of the CLI: a git plugin lies in a clone of its repository,
# named for the repository and the folder in it.
GIT_PLUGIN = f"resource-git.example_acme_codespaces.git_components-v{VERSION}/components"

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
    """The package in its own environment; returns the environment and the folder of the package."""
    environment = tmp_path / "environment"
    library = make_environment(environment)
    pip("--python", str(environment / "bin/python"), "install", "--no-deps", "--no-index", str(wheel))
    return environment, library / "pulumi_codespaces"


@pytest.fixture
def components(tmp_path):
    """The folder of the plugin with its own environment, as in a clone."""
    return copy_components(tmp_path / "clone")


@pytest.fixture
def new_project(installed, new_cloud_stack):
    """Make a stack whose program has the package by pip."""

    def make(program, *, plugin=None, **options):
        """Make it with an entry for a plugin, or with none: the engine looks in a plugin folder of the stack's own."""
        environment, _ = installed
        variables = {"VIRTUAL_ENV": str(environment), "PYTHONPATH": ""}
        stack = new_cloud_stack(
            program, environment=variables, virtualenv=environment, plugin=plugin or False, **options
        )
        if not plugin:
            own_plugin_folder(stack)
        return stack

    return make


def own_plugin_folder(stack):
    """Give a stack a plugin folder of its own, in place of the link to that of the engine."""
    plugins = Path(stack.environment["PULUMI_HOME"]) / "plugins"
    plugins.unlink()
    link_plugins(plugins)


def install_plugin(stack, environment):
    """Run `codespaces plugin install` in the environment of the program."""
    command = [environment / "bin/codespaces", "plugin", "install"]
    done = subprocess.run(command, env=stack.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Installed the plugin codespaces {VERSION}, which runs with {environment / 'bin/python'}.\n"


@pytest.fixture
def published(installed, new_project):
    """Make a stack with a package that names its address, and with the plugin that the CLI has fetched from there."""

    def make(program, **options):
        stack = new_project(program, **options)
        components = copy_components(Path(stack.environment["PULUMI_HOME"]) / "plugins" / Path(GIT_PLUGIN).parent)
        for package in (installed[1], components / "pulumi_codespaces"):
            description = package / "pulumi-plugin.json"
            description.write_text(description.read_text().replace('"server": ""', f'"server": "{URL}"'))
        return stack

    return make


def provider_inputs(stack):
    """The inputs of the providers of this package in the state."""
    return [resource["inputs"] for resource in stack.resources() if resource["type"] == "pulumi:providers:codespaces"]


def can_pull(cloud):
    with cloud.start_codespace("acme/web") as codespace:
        return codespace.pull("123456789012.dkr.ecr.eu-west-1.amazonaws.com/payments/api:latest").ok


def test_the_wheel_has_what_program_and_engine_read(wheel):
    assert wheel.name == f"pulumi_codespaces-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        plugin = json.loads(archive.read("pulumi_codespaces/pulumi-plugin.json"))
    assert plugin == {"resource": False, "name": "codespaces", "version": VERSION, "server": ""}
    sources = {path.relative_to(COMPONENTS).as_posix() for path in COMPONENTS.glob("pulumi_codespaces/**/*")}
    expected = {name for name in sources if name.endswith((".py", ".json", "py.typed"))}
    assert {name for name in names if ".dist-info/" not in name} == expected


PROGRAMS = pytest.mark.parametrize(
    "program", [DEFAULT, EXPLICIT], ids=["default providers", "explicit providers alone"]
)


def follow(cloud, stack, package):
    """Update, look and destroy; return the address that the state has of the plugin."""
    if "Provider(" in (stack.program_folder / "__main__.py").read_text():
        stack.configure("pulumi:disable-default-providers[0]", "*", path=True)
    stack.up()
    assert can_pull(cloud)
    outputs = stack.outputs()
    assert Path(outputs["package"]).parent == package
    assert outputs["payments"]["repositories"] == ["web"]
    (inputs,) = provider_inputs(stack)
    assert inputs["version"] == VERSION
    assert stack.preview("--expect-no-changes").steps == []
    stack.destroy()
    assert cloud.github.organization("acme").secrets == {}
    assert cloud.aws.users() == {}
    return inputs.get("__internal", {}).get("pluginDownloadURL")


@PROGRAMS
def test_the_plugin_of_the_programs_environment_and_no_address_in_the_state(cloud, new_project, installed, program):
    stack = new_project(program)
    install_plugin(stack, installed[0])
    assert follow(cloud, stack, installed[1]) is None


def test_a_program_without_a_plugin_is_told_what_to_type(cloud, new_project, installed):
    stack = new_project(DEFAULT)
    outcome = stack.preview(check=False)
    assert not outcome.ok
    told = f"Run `{installed[0] / 'bin/codespaces'} plugin install`, or name the folder of the plugin in"
    assert told in outcome.output, outcome.output
    assert "pulumi_codespaces/" not in outcome.output  # no traceback from this package
    install_plugin(stack, installed[0])
    assert stack.preview().ok


@PROGRAMS
def test_the_engine_finds_the_plugin_of_a_published_copy_by_its_address(cloud, published, installed, program):
    assert follow(cloud, published(program), installed[1]) == URL


def test_a_copy_of_an_example(cloud, new_project, installed):
    stack = new_project(REPOSITORY / "examples/ecr", name="prod")
    install_plugin(stack, installed[0])
    stack.up()
    assert can_pull(cloud)
    (inputs,) = provider_inputs(stack)
    assert inputs["owner"] == "acme"


def test_an_entry_in_the_project_goes_before_the_plugin_folder(cloud, new_project, components, installed):
    stack = new_project(DEFAULT, plugin=components)
    stack.up()
    assert can_pull(cloud)
    assert stack.preview("--expect-no-changes").steps == []
    stack.destroy()
    assert cloud.aws.users() == {}


@pytest.mark.parametrize("program", [DEFAULT, EXPLICIT], ids=["default provider", "explicit provider"])
def test_package_and_plugin_of_different_major_versions_refuse_each_other(
    cloud, new_project, installed, components, program
):
    major, _, rest = VERSION.partition(".")
    newer = f"{int(major) + 1}.{rest}"
    description = installed[1] / "pulumi-plugin.json"
    description.write_text(description.read_text().replace(VERSION, newer))
    stack = new_project(program, plugin=components)
    for outcome in (stack.preview(check=False), stack.up(check=False)):
        assert not outcome.ok
        text = f"the program uses version {newer} of this package, but the plugin is version {VERSION}"
        assert text in outcome.output, outcome.output
        # Pulumi's executor prints its own traceback; the output must not have a traceback of this package.
        assert "pulumi_codespaces/" not in outcome.output
    assert cloud.aws.users() == {}
    assert [request.method for request in cloud.github.requests if request.method != "GET"] == []


def test_a_minor_version_more_is_no_matter(new_project, installed, components):
    description = installed[1] / "pulumi-plugin.json"
    description.write_text(description.read_text().replace(VERSION, f"{VERSION.partition('.')[0]}.99.0"))
    assert new_project(DEFAULT, plugin=components).preview().ok


@pytest.mark.parametrize("file", ["Pulumi.yaml", "components/PulumiPlugin.yaml"])
def test_an_older_pulumi_is_refused(new_stack, tmp_path, file):
    """The CLI itself checks the range before it runs a program or a plugin; here the test changes the range."""
    needed = 'requiredPulumiVersion: ">=3.226.0"'
    text = (COMPONENTS.parent / file).read_text()
    assert needed in text
    plugin = copy_components(tmp_path)
    stack = new_stack(SELECTION, plugin=plugin)
    assert stack.preview().ok
    changed = text.replace(needed, 'requiredPulumiVersion: ">=99.0.0"').replace("./components", str(plugin))
    (stack.program_folder / file if file == "Pulumi.yaml" else plugin / "PulumiPlugin.yaml").write_text(changed)
    outcome = stack.run("preview", check=False)
    assert not outcome.ok
    assert ">=99.0.0" in outcome.output
