"""A public class or function of the package has a name of its own."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "components/pulumi_codespaces"
BOTH_SIDES = "the same resource for programs (resources.py) and for the engine (plugin/resources/)"
COMMAND = "a command, and the function in tools/ that does its work"
RENDERING = "the tables of the tools are rendered in the same two forms"
SHARED = {
    **dict.fromkeys(
        (
            "KeyRotation",
            "PackageCheck",
            "RepositorySelection",
            "VerifiedEcrKey",
            "VerifiedLogin",
        ),
        BOTH_SIDES,
    ),
    "Resource": "the base class of the plugin's resources, and a resource in a state or a preview",
    "as_json": RENDERING,
    "in_order": RENDERING,
    "main": "an entry point",
    "review": COMMAND,
    "verify": COMMAND,
}
"""Name that several modules may define -> the reason."""


def definitions() -> dict[str, list[str]]:
    """The public classes and functions at the top of modules -> the modules."""
    modules: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith(
                "_"
            ):
                modules[node.name].append(str(path.relative_to(PACKAGE)))
    return modules


def test_a_public_name_means_one_thing() -> None:
    modules = definitions()
    assert len(modules) > 200
    assert {name: places for name, places in modules.items() if len(places) > 1 and name not in SHARED} == {}


def test_a_resource_is_defined_once_on_each_side() -> None:
    resources = [name for name, reason in SHARED.items() if reason == BOTH_SIDES]
    sides = {name: [path.startswith("plugin/resources/") for path in definitions()[name]] for name in resources}
    assert sides == {name: [True, False] for name in resources}
