"""The package's schema, made from the tables: what programs in YAML and `pulumi package get-schema` ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ABOUT, VERSION
from .functions import FUNCTIONS
from .resources import RESOURCES
from .schema import Kind, inputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .schema import Property

_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.STRING: {"type": "string"},
    Kind.DOCUMENT: {"type": "string"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.INTEGER: {"type": "integer"},
    Kind.MAP: {"type": "object", "additionalProperties": {"type": "string"}},
    Kind.SET: {"type": "array", "items": {"type": "string"}},
    Kind.OBJECT: {"$ref": "pulumi.json#/Any"},
    Kind.OBJECTS: {"type": "array", "items": {"$ref": "pulumi.json#/Any"}},
}


def package_schema() -> dict[str, Any]:
    """The schema (https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/)."""
    resources = {
        token: {
            "inputProperties": _described(
                each for each in inputs(*resource.schema.properties) if each.name != "tagsAll"
            ),
            "requiredInputs": [each.name for each in resource.schema.properties if each.required],
            "properties": _described(resource.schema.properties),
            "required": [each.name for each in resource.schema.properties if each.required or each.output],
        }
        for token, resource in RESOURCES.items()
    }
    anything = {"type": "object", "additionalProperties": {"$ref": "pulumi.json#/Any"}}
    functions = {token: {"inputs": {"type": "object", "properties": {}}, "outputs": anything} for token in FUNCTIONS}
    return {"name": "aws", "version": VERSION, "description": ABOUT, "resources": resources, "functions": functions}


def _described(properties: Iterable[Property]) -> dict[str, Any]:
    return {
        each.name: _TYPES[each.kind]
        | ({"secret": True} if each.secret else {})
        | ({"willReplaceOnChanges": True} if each.replaces else {})
        for each in properties
    }
