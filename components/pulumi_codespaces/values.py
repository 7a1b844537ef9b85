"""Values of properties that may be secret or not known yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key that the engine adds to an object to mark it as a value of another kind, such as a secret.

Source: sdk/go/common/resource/sig/sig.go of pulumi/pulumi.
"""
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's placeholder for a text that is known only after the update.

Source: sdk/go/common/resource/plugin/rpc.go of pulumi/pulumi.
"""


class Unknown:
    """A value that will be known once the update has made what it comes from."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown; its representation does not either."""

    value: Value = field(repr=False)


Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | Secret | Unknown | None"
Properties: TypeAlias = "dict[str, Value]"


def reveal(value: Value) -> Value:
    """The value with every secret mark taken off, at any depth."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {name: reveal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def plain_map(value: Value) -> Properties:
    """The value with its secret marks taken off where it is a map; an empty map otherwise."""
    plain = reveal(value)
    return plain if isinstance(plain, dict) else {}


def plain_text(value: Value) -> str:
    """The value with its secret mark taken off where it is a text; "" otherwise."""
    plain = reveal(value)
    return plain if isinstance(plain, str) else ""


def plain_list(value: Value) -> list[str]:
    """The texts of a list, with secret marks taken off; none if it is not a list."""
    plain = reveal(value)
    return [item for item in plain if isinstance(item, str)] if isinstance(plain, list) else []


def is_unknown(value: Value) -> bool:
    """Whether the value is, or holds at any depth, something not known yet."""
    if isinstance(value, Secret):
        return is_unknown(value.value)
    if isinstance(value, dict):
        return any(is_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(is_unknown(item) for item in value)
    return isinstance(value, Unknown)


def secret_strings(value: Value) -> Iterator[str]:
    """Every text that is marked secret in a value, at any depth; a message must hold none of them."""
    if isinstance(value, Secret):
        yield from _strings(reveal(value))
    elif isinstance(value, dict):
        for item in value.values():
            yield from secret_strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from secret_strings(item)


def _strings(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def is_text(value: Value) -> bool:
    """Whether an input is text, or not known yet."""
    return isinstance(value, (str, Unknown))


def is_id(value: Value) -> bool:
    """Whether an input is the id of something at GitHub, or not known yet."""
    return isinstance(value, Unknown) or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
