"""Property values as they travel between the engine and the plugin.

The protocol marks a value that is not known yet, a secret and an output by reserved strings and signatures
(https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/property-values.html). They are decoded into
`UNKNOWN` and `Secret` here, so that the rest of the plugin never sees a marker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from google.protobuf import struct_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = {
    _UNKNOWN_STRING,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}

Value: TypeAlias = Any
"""None, bool, int, float, str, list, dict, `UNKNOWN` or `Secret`."""
Properties: TypeAlias = dict[str, Value]


class Unknown:
    """A value that will be known once the update has made what it comes from."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown; its representation does not either."""

    value: Value = field(repr=False)


def decode(struct: struct_pb2.Struct) -> Properties:
    """Decode the properties of a request."""
    return {name: _decode(value) for name, value in struct.fields.items()}


def encode(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """Encode properties for an answer; None values are left out at the top level."""
    return struct_pb2.Struct(fields={name: _encode(value) for name, value in properties.items() if value is not None})


def reveal(value: Value) -> Value:
    """The value with every secret mark taken off, at any depth."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {name: reveal(item) for name, item in cast("Properties", value).items()}
    if isinstance(value, list):
        return [reveal(item) for item in cast("list[Value]", value)]
    return value


def plain_map(value: Value) -> Properties:
    """The value with its secret marks taken off where it is a map; an empty map otherwise."""
    plain = reveal(value)
    return dict(cast("Properties", plain)) if isinstance(plain, dict) else {}


def is_unknown(value: Value) -> bool:
    """Whether the value is, or holds at any depth, something not known yet."""
    if isinstance(value, Secret):
        return is_unknown(value.value)
    if isinstance(value, dict):
        return any(is_unknown(item) for item in cast("Properties", value).values())
    if isinstance(value, list):
        return any(is_unknown(item) for item in cast("list[Value]", value))
    return isinstance(value, Unknown)


def secret_strings(value: Value) -> Iterator[str]:
    """Every text that is marked secret in a value, at any depth; a message must hold none of them."""
    if isinstance(value, Secret):
        yield from _strings(reveal(value))
    elif isinstance(value, dict):
        for item in cast("Properties", value).values():
            yield from secret_strings(item)
    elif isinstance(value, list):
        for item in cast("list[Value]", value):
            yield from secret_strings(item)


def _strings(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in cast("Properties", value).values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in cast("list[Value]", value):
            yield from _strings(item)


def _decode(value: struct_pb2.Value) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _decode_struct(value.struct_value)
    return None


def _decode_struct(struct: struct_pb2.Struct) -> Value:
    signature = struct.fields[_SIGNATURE].string_value if _SIGNATURE in struct.fields else ""
    if signature == _SECRET:
        return Secret(_decode(struct.fields["value"]))
    if signature == _OUTPUT:
        inner = _decode(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
        return Secret(inner) if "secret" in struct.fields and struct.fields["secret"].bool_value else inner
    return decode(struct)


def _encode(value: Value) -> struct_pb2.Value:  # noqa: PLR0911 - one kind of value a line
    if isinstance(value, Secret):
        fields = {_SIGNATURE: struct_pb2.Value(string_value=_SECRET), "value": _encode(value.value)}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=_UNKNOWN_STRING)
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, (int, float)):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, dict):
        nested = {name: _encode(item) for name, item in cast("Properties", value).items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=nested))
    items = [_encode(item) for item in cast("list[Value]", value)]
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))


def is_text(value: Value) -> bool:
    """Whether an input is text, or not known yet."""
    return isinstance(value, (str, Unknown))


def is_id(value: Value) -> bool:
    """Whether an input is the id of something at GitHub, or not known yet."""
    return isinstance(value, Unknown) or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
