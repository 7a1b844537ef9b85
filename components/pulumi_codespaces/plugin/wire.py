"""Property values as they travel between the engine and the plugin.

The protocol marks unknown values, secrets and outputs by reserved strings and signatures
(https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/property-values.html). `decode` turns them into
`UNKNOWN` and `Secret`, so that the rest of the plugin never sees these markers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from google.protobuf import struct_pb2

from ..values import SIGNATURE, UNKNOWN, UNKNOWN_TEXT, Secret, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..values import Properties, Value

_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWNS = {
    UNKNOWN_TEXT,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}


def decode(struct: struct_pb2.Struct) -> Properties:
    """Decode the properties of a request."""
    return {name: _decode(value) for name, value in struct.fields.items()}


def encode(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """Encode properties for an answer; None values are omitted at the top level."""
    return struct_pb2.Struct(fields={name: _encode(value) for name, value in properties.items() if value is not None})


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
    signature = struct.fields[SIGNATURE].string_value if SIGNATURE in struct.fields else ""
    if signature == _SECRET:
        return Secret(_decode(struct.fields["value"]))
    if signature == _OUTPUT:
        inner = _decode(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
        return Secret(inner) if "secret" in struct.fields and struct.fields["secret"].bool_value else inner
    return decode(struct)


def _encode(value: Value) -> struct_pb2.Value:  # noqa: PLR0911 - one kind of value a line
    if isinstance(value, Secret):
        fields = {SIGNATURE: struct_pb2.Value(string_value=_SECRET), "value": _encode(value.value)}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=UNKNOWN_TEXT)
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
