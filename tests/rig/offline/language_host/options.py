"""`runtime.options` of a project, and the toolchain that they choose."""

import os
import shutil
from collections.abc import Mapping
from typing import NamedTuple

from .pip import Pip
from .processes import HostError, Processes
from .toolchain import Toolchain, join, search_up
from .uv import Uv

NOT_SUPPORTED = "the language host of the tests does not support {}: install Pulumi to use its own language host"
_LOCK_FILES = {"uv.lock": "uv", "poetry.lock": "poetry"}


class PythonOptions(NamedTuple):
    """`PythonOptions`: `runtime.options` of a project.

    Attributes:
        root: The folder of Pulumi.yaml, PulumiPlugin.yaml or PulumiPolicy.yaml.
        program: The folder of the program; differs from `root` where the project has `main`.
        virtualenv: The virtual environment, relative to `root`.
        typechecker: `mypy`, `pyright` or empty.
        toolchain: `pip`, `poetry`, `uv` or empty, which means that lock files decide.
    """

    root: str = ""
    program: str = ""
    virtualenv: str = ""
    typechecker: str = ""
    toolchain: str = ""


def parse_options(root: str, program: str, options: Mapping[str, object], *, plugin: bool) -> PythonOptions:
    """Follows `parseOptions` in main.go.

    Args:
        root: See `PythonOptions`.
        program: See `PythonOptions`.
        options: `runtime.options` as written.
        plugin: Whether a plugin is run or installed. A plugin never runs in the active environment.

    Raises:
        HostError: An option has another type or value than the official host takes.
    """
    choices = {"virtualenv": (), "typechecker": ("mypy", "pyright"), "toolchain": ("pip", "poetry", "uv")}
    parsed: dict[str, str] = {}
    for name, allowed in choices.items():
        if name not in options:
            continue
        value = options[name]
        if not isinstance(value, str):
            raise HostError(f"{name} option must be a string")
        if allowed and value not in allowed:
            raise HostError(f"unsupported {name} option: {value}")
        parsed[name] = value
    if plugin and parsed.get("toolchain", "pip") == "pip" and not parsed.get("virtualenv"):
        parsed["virtualenv"] = "venv"
    return PythonOptions(root, program, **parsed)


def resolve_toolchain(options: PythonOptions, processes: Processes) -> Toolchain:
    """Follows `ResolveToolchain`.

    Raises:
        HostError: The toolchain is not installed, or is poetry.
    """
    virtualenv = join(options.root, options.virtualenv) if options.virtualenv else ""
    toolchain = options.toolchain
    if not toolchain:
        locked = (kind for name, kind in _LOCK_FILES.items() if search_up(options.program, name))
        toolchain = next(locked, "pip")
    if toolchain == "pip":
        return Pip(processes, options.virtualenv, virtualenv)
    if toolchain == "uv":
        return Uv(processes, options.program, virtualenv)
    if not shutil.which("poetry", path=os.environ.get("PATH", "")):
        raise HostError(
            "Could not find `poetry` executable.\n"
            "Install poetry and make sure it is in your PATH, or set the toolchain option in Pulumi.yaml to `pip`."
        )
    raise HostError(NOT_SUPPORTED.format("the toolchain poetry"))
