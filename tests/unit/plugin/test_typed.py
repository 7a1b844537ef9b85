"""Between the parsers of the plugin, properties are attributes: a wrong name does not pass the type checker."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from pulumi_codespaces.clients.credentials import Configuration
from pulumi_codespaces.plugin.resources import RESOURCES
from pulumi_codespaces.plugin.run import Run
from pulumi_codespaces.values import Secret

COMPONENTS = Path(__file__).resolve().parents[3] / "components"
PLUGIN = COMPONENTS / "pulumi_codespaces/plugin"
EDGE = {"wire.py", "server.py", "configuration.py"}
MODULES = [
    path
    for path in PLUGIN.rglob("*.py")
    if path.name not in EDGE and "properties" not in path.relative_to(PLUGIN).parts
]
SNIPPET = """
from pulumi_codespaces.plugin.properties.key_rotation import RotationState
from pulumi_codespaces.plugin.properties.secret_set import SecretSetState
from pulumi_codespaces.plugin.properties.secret_targets import OrganizationTarget
from pulumi_codespaces.values import Value


def of_secrets(state: SecretSetState[OrganizationTarget]) -> dict[str, str]:
    return state.{stamps}


def of_rotation(state: RotationState) -> str | None:
    return state.inputs.{user_name}


def of_value(value: Value) -> str:
    return value{narrowed}
"""
SOUND = {"stamps": "stamps", "user_name": "user_name", "narrowed": " if isinstance(value, str) else ''"}


@pytest.mark.once
def test_a_mistyped_property_does_not_pass_the_type_checker(tmp_path):
    wrong = {"stamps": "stampz", "user_name": "userName", "narrowed": ""}
    cases = [SOUND, *(SOUND | {name: value} for name, value in wrong.items())]
    for number, case in enumerate(cases):
        (tmp_path / f"case{number}.py").write_text(SNIPPET.format(**case))
    (tmp_path / "pyrightconfig.json").write_text(
        f'{{"typeCheckingMode": "strict", "pythonVersion": "3.10", "extraPaths": ["{COMPONENTS}"]}}'
    )
    tool = Path(sys.executable).with_name("pyright")
    command = [tool, "-p", tmp_path, "--pythonpath", sys.executable]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = {line.partition(".py:")[0][-5:] for line in result.stdout.splitlines() if " - error: " in line}
    assert errors == {"case1", "case2", "case3"}, result.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PLUGIN).as_posix())
def test_only_the_parsers_name_properties_by_strings(path):
    tree = ast.parse(path.read_text())
    subscripts = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
        # A group of a regular expression is not a property.
        and ast.unparse(node.value) != "match"
    ]
    assert subscripts == []


COMPUTED = [token for token in RESOURCES if not token.endswith("Secrets")]


@pytest.mark.parametrize("token", COMPUTED)
def test_a_refresh_keeps_secret_marks_and_what_another_version_wrote(token):
    inputs = {"names": Secret(["web"]), "later": Secret("x")}
    state = {"later": {"x": [1, Secret("y")]}, "verify": Secret(True), "owner": Secret("acme")}
    run = Run(Configuration(complete=False), lambda *_: None)
    stored = asyncio.run(RESOURCES[token].read(run, "urn", "id", inputs, state))
    assert (stored.inputs, stored.properties) == (inputs, state)
