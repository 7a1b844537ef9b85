"""The folders of the package import each other as CONTRIBUTING.md says, and without a circle."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "components/pulumi_codespaces"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
COMPONENTS = "components"
"""The room of the modules beside the folders, as CONTRIBUTING.md calls it."""


def room(module: str) -> str:
    """The folder of a module; the few modules that all others share are rooms of their own."""
    folder = module.split(".", maxsplit=1)[0]
    if (PACKAGE / folder).is_dir():
        return f"{folder}/"
    return f"{module}.py" if f"{module}.py" in MAP else COMPONENTS


def rows() -> Iterator[tuple[str, set[str]]]:
    """Each room of the map in CONTRIBUTING.md, and the rooms that it may import."""
    for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines():
        if re.match(r"\| (`[\w./]+`|the modules beside)", line):
            name, _, _, imports = [cell.strip() for cell in line.strip("|").split("|")]
            key = COMPONENTS if name == "the modules beside" else name.strip("`")
            allowed = set(re.findall(r"`([\w./]+)`", imports))
            yield key, allowed | ({COMPONENTS} if "the modules beside" in imports else set())


MAP = dict(rows())


def imports(module: str, *, at_run_time: bool) -> set[str]:
    """The modules of the package that a module imports; `at_run_time` leaves out what only type checkers import."""
    path = MODULES[module]
    parents = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    tree = ast.parse(path.read_text())
    if at_run_time:
        tree.body = [
            node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        ]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*parents[: len(parents) - node.level + 1], *(node.module or "").split(".")]
            target = ".".join(part for part in base if part)
            for alias in node.names:
                full = f"{target}.{alias.name}".lstrip(".")
                found.add(full if full in MODULES else target)
    return found & set(MODULES)


def _is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def test_the_map_has_every_room() -> None:
    folders = {f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert {name for name in MAP if name.endswith("/")} == folders
    assert COMPONENTS in MAP
    assert {name for allowed in MAP.values() for name in allowed} <= set(MAP)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"__init__"}))
def test_a_module_imports_what_its_room_may(module: str) -> None:
    own = room(module)
    others = {room(target) for target in imports(module, at_run_time=False)} - {own}
    if module in ("plugin.host", "plugin.resources"):
        # Where the engine's side and the program's side meet.
        others.discard(COMPONENTS)
    assert others <= MAP[own], f"{module} imports {sorted(others - MAP[own])}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: imports(module, at_run_time=True) for module in MODULES}
    # The package loads the components when they are first asked for.
    graph["__init__"] = set()
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == set(MODULES)
