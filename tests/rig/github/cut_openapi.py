"""Cut `openapi.json`: the part of GitHub's OpenAPI description that the stand-in serves.

The description comes from the npm package `@octokit/openapi`; its licence (MIT) is kept beside the result. Run it after
adding an operation: `python -m rig.github.cut_openapi` (needs `npm`), or with the path of the packed package as
argument.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any, cast

from .contract import DESCRIPTION, GRAPHQL
from .routing import OPERATIONS
from .server import OPERATION_MODULES

PACKAGE = "@octokit/openapi@23.0.2"
INTEGRITY = "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
_NOT_NEEDED = frozenset(
    {
        "description",
        "summary",
        "example",
        "examples",
        "x-github",
        "x-octokit",
        "tags",
        "x-github-breaking-changes",
        "title",
        "discriminator",
    }
)

# A discriminator is a hint for code generators; `contents` has one for a property of an array, which nothing can
# follow. GitHub's alternatives overlap: what is `oneOf` there is read as `anyOf`.
_NULL = {"type": "object", "nullable": True, "enum": [None]}
"""One more alternative where `nullable` stands beside others: GitHub means that null may come, OpenAPI 3.0 does not."""

CORRECTIONS = {
    "team-organization": ("name", "company", "location", "email"),
    "organization-full": ("name", "company", "location", "email"),
}
"""Properties that are text in the description, while GitHub answers null until an organization sets them:
recorded in octokit.rb, spec/cassettes/Octokit_Client_Organizations/with_team (MIT)."""


def cut(whole: dict[str, Any]) -> dict[str, Any]:
    """The description of the operations in the table, and what they refer to."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in sorted(OPERATIONS, key=lambda operation: (operation.path, operation.method)):
        if operation.path == GRAPHQL:
            continue
        described = whole["paths"].get(operation.path, {}).get(operation.method.lower())
        if described is None:
            raise SystemExit(f"{operation.method} {operation.path}: GitHub's description has no such operation")
        paths.setdefault(operation.path, {})[operation.method.lower()] = _cleaned(described)
    # The list wants an installation's account to be a user and an enterprise at once; that of a single one is right.
    listed = paths["/app/installations"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    listed["items"] = {"$ref": "#/components/schemas/installation"}
    components: dict[str, dict[str, Any]] = {}
    _follow(paths, whole["components"], components)
    for schema, names in CORRECTIONS.items():
        for name in names:
            components["schemas"][schema]["properties"][name]["nullable"] = True
    # Packages can be listed by the visibility `internal`, which the description of one leaves out.
    components["schemas"]["package"]["properties"]["visibility"]["enum"].insert(1, "internal")
    origin = f"Cut by tests/rig/github/cut_openapi.py from {PACKAGE}, MIT, see openapi.LICENSE"
    info = whole["info"] | {"description": origin}
    return {
        "openapi": whole["openapi"],
        "info": info,
        "servers": [{"url": "https://api.github.com"}],
        "paths": paths,
        "components": {kind: dict(sorted(parts.items())) for kind, parts in sorted(components.items())},
    }


def _cleaned(node: Any, *, names: bool = False) -> Any:
    """Leave out prose and examples; below `properties`, every key is a name and stays."""
    if isinstance(node, list):
        return [_cleaned(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    node = cast("dict[str, Any]", node)
    kept = {
        key: _cleaned(value, names=key == "properties")
        for key, value in node.items()
        if names or key not in _NOT_NEEDED
    }
    for response in kept.get("responses", {}).values() if not names else ():
        if "$ref" not in response:
            response["description"] = ""
    if "oneOf" in kept and not names:
        kept["anyOf"] = kept.pop("oneOf")
    if "anyOf" in kept and kept.get("nullable") is True:
        kept["anyOf"].append(_NULL)
    if "externalDocs" in kept and not names:
        kept["externalDocs"] = {"url": node["externalDocs"]["url"]}
    return kept


def _follow(node: Any, whole: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
    if isinstance(node, list):
        for child in cast("list[Any]", node):
            _follow(child, whole, found)
    elif isinstance(node, dict):
        node = cast("dict[str, Any]", node)
        reference = node.get("$ref")
        if isinstance(reference, str):
            _, _, kind, name = reference.split("/")
            if name not in found.setdefault(kind, {}):
                found[kind][name] = _cleaned(whole[kind][name])
                if kind == "responses":
                    found[kind][name]["description"] = ""
                _follow(found[kind][name], whole, found)
        for child in node.values():
            _follow(child, whole, found)


def main(arguments: list[str]) -> None:
    """Fetch the package (or take the one given), check it, and write the result and its licence."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments:
            packed = Path(arguments[0])
        else:
            subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE], check=True)
            packed = next(Path(folder).glob("*.tgz"))
        content = packed.read_bytes()
        integrity = "sha512-" + b64encode(hashlib.sha512(content).digest()).decode()
        if integrity != INTEGRITY:
            raise SystemExit(f"{packed.name} is not {PACKAGE}: its hash is {integrity}, and must be {INTEGRITY}")
        with tarfile.open(packed) as archive:
            members = {
                name: archive.extractfile(f"package/{name}") for name in ("generated/api.github.com.json", "LICENSE")
            }
            description, licence = (member.read() for member in members.values() if member)
    result = json.dumps(cut(json.loads(description)), separators=(",", ":"), ensure_ascii=False)
    DESCRIPTION.write_text(result + "\n", encoding="utf-8")
    DESCRIPTION.with_name("openapi.LICENSE").write_bytes(licence)
    print(f"{len(OPERATIONS)} operations of {len(OPERATION_MODULES)} modules: {len(result):,} characters")


if __name__ == "__main__":
    main(sys.argv[1:])
