"""The version of this package and the address it is published at, from the file that the Pulumi CLI reads too.

`resource` is false in pulumi-plugin.json: with true, every language host that lists an environment with this package
asks the CLI to download the plugin, and so the plugin's own environment asks for the plugin. The plugin is found by
path, in the CLI's plugin folder, or by `server`.
"""

from __future__ import annotations

import json
from pathlib import Path

_plugin = json.loads(Path(__file__).with_name("pulumi-plugin.json").read_text(encoding="utf-8"))

PACKAGE = str(_plugin["name"])
VERSION = str(_plugin["version"])
PLUGIN_URL: str | None = _plugin["server"] or None
"""Where the CLI may download the plugin: `git://`, and the host, repository and folder of a published copy.

None until somebody publishes it: then the CLI downloads nothing, and no state stores an address. To publish a
copy, set only `server` in pulumi-plugin.json.
"""


def compatible(classes: str, plugin: str) -> bool:
    """Whether classes and a plugin of these versions understand each other: their major versions are the same."""
    return _major(classes) == _major(plugin)


def _major(version: str) -> str:
    return version.removeprefix("v").split(".", 1)[0]
