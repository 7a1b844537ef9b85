"""The JSON Schema of a stack's configuration, for completion and checks in an editor.

    python -m pulumi_codespaces.program.schema > components/stack-config.schema.json

A stack's file names it in its first line: `# yaml-language-server: $schema=components/stack-config.schema.json`.
"""

from __future__ import annotations

import json
from typing import Any

from .settings import Settings


def stack_schema(project: str = "access") -> dict[str, Any]:
    """The schema of `Pulumi.<stack>.yaml`; `project` is the name in Pulumi.yaml, which the keys begin with."""
    schema = Settings.model_json_schema(by_alias=True)
    keys: dict[str, Any] = schema["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of a stack",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {f"{project}:{key}": value for key, value in keys.items()},
                "required": [f"{project}:{key}" for key in schema["required"]],
                # There are passwords beside them, and what other packages are configured with.
                "additionalProperties": True,
            },
        },
        "required": ["config"],
        "$defs": schema["$defs"],
    }


if __name__ == "__main__":
    print(json.dumps(stack_schema(), indent=2, ensure_ascii=False))
