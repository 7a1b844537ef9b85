"""Where the Pulumi engine finds the plugin of this package, and what to do where it would not find it.

The engine looks in this order (`getPluginInfoAndPath`,
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/workspace/plugins.go): `plugins` and local `packages` in
Pulumi.yaml, PATH, the CLI's own plugin folder. If it finds nothing it downloads the plugin from the address that a
resource names, and without one from a repository of Pulumi's that does not exist. So a program asks first.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pulumi
import yaml
from pulumi.runtime import mocks, settings

from .rules import RuleViolation
from .version import PACKAGE, PLUGIN_URL, VERSION

if sys.platform != "win32":
    import pwd

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXECUTABLE = f"pulumi-resource-{PACKAGE}"
_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")

_is_checked = False


def check_plugin() -> None:
    """Refuse to register a resource for which the engine would not find the plugin. Looks once per process.

    Raises:
        RuleViolation: the engine would not find the plugin, and no address is published that it could come from.
    """
    global _is_checked  # noqa: PLW0603 - a process runs one program, on one engine
    monitor = cast("Any", settings.SETTINGS).monitor
    if _is_checked or PLUGIN_URL or isinstance(monitor, mocks.MockMonitor):
        return
    _is_checked = True
    root = Path(pulumi.get_root_directory())
    if not is_found(root, os.environ):
        raise RuleViolation(
            "",
            f"the Pulumi CLI has no plugin of pulumi-codespaces {VERSION} ({plugin_folder(os.environ)}). Run "
            f"`{shlex.quote(str(Path(sys.executable).with_name('codespaces')))} plugin install`, or name the folder of "
            f"the plugin in {root / 'Pulumi.yaml'}: `plugins: {{providers: [{{name: {PACKAGE}, path: FOLDER}}]}}`.",
        )


def assume_found() -> None:
    """Never look in this process: it is the plugin itself."""
    global _is_checked  # noqa: PLW0603 - see above
    _is_checked = True


def is_found(root: Path, environment: Mapping[str, str]) -> bool:
    """Whether the engine finds the plugin of this version, or has an address to download it from.

    Args:
        root: the folder of Pulumi.yaml.
        environment: environment variables, as the engine has them.
    """
    if environment.get("PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES") or _is_attached(environment) or _is_in_project(root):
        return True
    ignores_path = environment.get("PULUMI_IGNORE_AMBIENT_PLUGINS", "").lower() in ("1", "true")
    if not ignores_path and shutil.which(_EXECUTABLE, path=environment.get("PATH")):
        return True
    folder = plugin_folder(environment)
    # The CLI leaves this file beside a plugin while it installs it.
    return folder.is_dir() and not folder.with_name(f"{folder.name}.partial").exists()


def plugin_folder(environment: Mapping[str, str]) -> Path:
    """The folder in which the CLI keeps the plugin of this version."""
    home = environment.get("PULUMI_HOME")
    return (Path(home) if home else _user_home() / ".pulumi") / "plugins" / f"resource-{PACKAGE}-v{VERSION}"


def _user_home() -> Path:
    """The home folder as the CLI takes it: from the user database, whatever HOME says (`Dir` in pulumihome.go)."""
    if sys.platform != "win32":
        with suppress(KeyError):
            return Path(pwd.getpwuid(os.getuid()).pw_dir)
    return Path.home()


def _is_attached(environment: Mapping[str, str]) -> bool:
    attached = environment.get("PULUMI_DEBUG_PROVIDERS", "").split(",")
    return any(entry.partition(":")[0] == PACKAGE for entry in attached)


def _is_in_project(root: Path) -> bool:
    for name in _PROJECT_FILES:
        file = root / name
        if file.is_file():
            return _names_plugin(yaml.safe_load(file.read_text(encoding="utf-8")))
    return False


def _names_plugin(project: object) -> bool:
    """Whether a project says where the plugin is, or whence it comes."""
    providers = _value(_value(project, "plugins"), "providers")
    entries = cast("list[object]", providers) if isinstance(providers, list) else []
    return _value(_value(project, "packages"), PACKAGE) is not None or any(
        _value(entry, "name") == PACKAGE for entry in entries
    )


def _value(section: object, key: str) -> object:
    """The value of a key in a section of a YAML file; None if the section is not a map."""
    return cast("dict[str, object]", section).get(key) if isinstance(section, dict) else None
