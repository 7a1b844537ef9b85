"""The plugins that a program's packages need, as `GetRequiredPackages` of the official host reports them."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.runtime.proto import plugin_pb2

from .processes import HostError
from .toolchain import Installed, Package

# `packagesWithoutPlugins` in main.go.
_WITHOUT_PLUGIN = frozenset({"pulumi-policy", "pulumi-esc-sdk"})
_PRE_RELEASES = {"a": "alpha", "b": "beta", "rc": "rc"}


def required_packages(installed: Installed) -> list[plugin_pb2.PackageDependency]:
    """Follows `listPulumiPackageInfos` and what `GetRequiredPackages` does with its result."""
    required: list[plugin_pb2.PackageDependency] = []
    for package in installed.packages:
        plugin = _plugin_description(package, installed.plugins.get(package.name, ""))
        if package.name in _WITHOUT_PLUGIN or (plugin is None and not package.name.startswith("pulumi-")):
            continue
        dependency = package_dependency(package, plugin)
        if dependency:
            required.append(dependency)
    return required


def package_dependency(package: Package, plugin: Mapping[str, Any] | None) -> plugin_pb2.PackageDependency | None:
    """Follows `packageDependencyFromPluginJSON`.

    Args:
        package: The installed distribution.
        plugin: Its pulumi-plugin.json, if it has one.

    Returns:
        Nothing for a package without a plugin (`resource` is not true), or whose version is not that of a plugin.
    """
    if plugin is not None and not plugin.get("resource"):
        return None
    plugin = plugin or {}
    version = plugin.get("version") or plugin_version(package.version)
    if not version:
        return None
    return plugin_pb2.PackageDependency(
        name=plugin.get("name") or package.name.removeprefix("pulumi-"),
        kind="resource",
        version="v" + version.removeprefix("v"),
        server=plugin.get("server") or "",
        parameterization=_parameterization(plugin.get("parameterization")),
        extension=_parameterization(plugin.get("extensionParameterization")),
    )


def plugin_version(version: str) -> str | None:
    """Follows `determinePluginVersion`: `1.2rc3.post4` -> `1.2.0-rc.3+post4`, nothing for what it cannot translate."""
    found = re.fullmatch(
        r"(?P<release>\d+(?:\.\d+)*)?(?:(?P<kind>a|b|rc)(?P<number>\d*))?"
        r"(?:\.post(?P<post>\d*))?(?:\.dev(?P<dev>\d*))?",
        version,
        re.ASCII,
    )
    if not version or not found:
        return None
    segments = found["release"].split(".") if found["release"] else []
    release = ".".join(segments + ["0"] * (3 - len(segments)))
    pre_release = f"-{_PRE_RELEASES[found['kind']]}.{found['number']}" if found["kind"] else ""
    build = "".join(f"{name}{found[name]}" for name in ("post", "dev") if found[name] is not None)
    return release + pre_release + (f"+{build}" if build else "")


def _plugin_description(package: Package, file: str) -> dict[str, Any] | None:
    try:
        description = json.loads(Path(file).read_text(encoding="utf-8")) if file else None
    except OSError:
        return None
    except ValueError as error:
        raise HostError(f"failed to parse pulumi-plugin.json for {package.name}: {error}") from None
    return description


def _parameterization(described: Mapping[str, str] | None) -> plugin_pb2.PackageParameterization | None:
    if described is None:
        return None
    return plugin_pb2.PackageParameterization(
        name=described.get("name", ""),
        version=described.get("version", ""),
        value=base64.b64decode(described.get("value", "")),
    )
