"""A resource of a stack or of a preview, from the CLI's JSON. Secret values are masked, or marked as `Secret`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..values import SIGNATURE, UNKNOWN_TEXT, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SECRET = "[secret]"
STACK_TYPE = "pulumi:pulumi:Stack"
"""The type of the resource that stands for the stack itself."""


@dataclass(frozen=True)
class Resource:
    """A resource of a state.

    Attributes:
        urn: its URN.
        type: its type token.
        name: its name in the program.
        parent: the URN of its parent.
        id: its id in the cloud; empty before it is created.
        inputs: the values that the program asks for.
        outputs: the values that the cloud answered with.
        provider: the URN and the id of its provider, with `::` between them.
        comes_from: input -> the URNs of the resources that its value comes from.
    """

    urn: str
    type: str
    name: str
    parent: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    provider: str = ""
    comes_from: Mapping[str, Sequence[str]] = field(default_factory=dict[str, "Sequence[str]"])


def resource_of(properties: dict[str, Any]) -> Resource:
    """The resource that an object of the CLI's JSON describes."""
    urn = str(properties.get("urn", ""))
    return Resource(
        urn,
        str(properties.get("type", "")),
        resource_name(urn),
        str(properties.get("parent") or ""),
        str(properties.get("id") or ""),
        cast("dict[str, Any]", properties.get("inputs") or {}),
        cast("dict[str, Any]", properties.get("outputs") or {}),
        str(properties.get("provider") or ""),
        cast("dict[str, list[str]]", properties.get("propertyDependencies") or {}),
    )


def is_known(value: object) -> bool:
    """Whether a value is known before the update and is not a secret."""
    return value is not None and value not in (UNKNOWN_TEXT, SECRET)


def marked(value: object) -> Any:
    """A value of a state, with every secret as a `Secret`: its value with --show-secrets, and None without."""
    if isinstance(value, dict):
        properties = cast("dict[str, object]", value)
        if SIGNATURE in properties:
            clear = properties.get("plaintext")
            return Secret(marked(json.loads(clear)) if isinstance(clear, str) else None)
        return {name: marked(item) for name, item in properties.items()}
    if isinstance(value, list):
        return [marked(item) for item in cast("list[object]", value)]
    return value


def masked(value: object) -> Any:
    """A value of `marked`, with every secret masked."""
    if isinstance(value, Secret):
        return SECRET
    if isinstance(value, dict):
        return {name: masked(item) for name, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [masked(item) for item in cast("list[object]", value)]
    return value


def object_in(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text, after any other output of the CLI; None without an object."""
    decoder = json.JSONDecoder()
    position = -1
    while (position := text.find("{", position + 1)) >= 0:
        try:
            value, _ = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            continue
        return cast("dict[str, Any]", value)
    return None


def objects(value: object) -> list[dict[str, Any]]:
    """The objects in a list; an empty list for another value."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def resource_name(urn: str) -> str:
    """The name of a resource in the program."""
    return urn.rsplit("::", 1)[-1]


def type_of(urn: str) -> str:
    """The type of a resource."""
    return urn.rsplit("::", 2)[-2].rsplit("$", 1)[-1] if "::" in urn else ""


def stack_of(urns: Iterable[str]) -> str:
    """`project/stack` of the resources; empty without resources."""
    for urn in urns:
        parts = urn.removeprefix("urn:pulumi:").split("::")
        if len(parts) > 2:
            return f"{parts[1]}/{parts[0]}"
    return ""
