"""The version of this package and where its plugin is found, from the file that the Pulumi CLI reads too."""

from __future__ import annotations

import json
from importlib.resources import files

_plugin = json.loads((files("pulumi_codespaces") / "pulumi-plugin.json").read_text())

PACKAGE = str(_plugin["name"])
VERSION = str(_plugin["version"])
PLUGIN_URL = str(_plugin["server"])
"""The source of the plugin. A plugin from git is stored under its URL, so a resource without it would miss it."""


def compatible(one: str, other: str) -> bool:
    """Whether classes and a plugin of these versions understand each other: their major versions are the same."""
    return one.removeprefix("v").split(".", 1)[0] == other.removeprefix("v").split(".", 1)[0]
