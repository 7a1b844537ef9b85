"""Property values survive the way to the engine and back, and the marks of the protocol are understood."""

from __future__ import annotations

import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime import rpc

from pulumi_codespaces.plugin.wire import decode, encode
from pulumi_codespaces.values import UNKNOWN, Secret, reveal, secret_strings

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

texts = st.text(st.characters(codec="utf-8"), max_size=8)
leaves = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | texts | st.just(UNKNOWN)
)
plain = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
marked = st.recursive(
    leaves | plain.map(Secret),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3) | inner.map(Secret),
)


def struct(value):
    return json_format.ParseDict({"x": value}, struct_pb2.Struct())


@given(st.dictionaries(texts, marked, max_size=3))
def test_round_trip(properties):
    there = {name: value for name, value in properties.items() if value is not None}
    assert decode(encode(properties)) == there


def test_the_sdk_reads_what_is_written():
    values = rpc.deserialize_properties(encode({"a": Secret({"b": [1, "two", True]}), "c": {"d": 2.5}}))
    assert rpc.is_rpc_secret(values["a"])
    assert rpc.unwrap_rpc_secret(values["a"]) == {"b": [1, "two", True]}
    assert values["c"] == {"d": 2.5}


def test_the_engine_reads_an_unknown():
    assert json_format.MessageToDict(encode({"a": UNKNOWN, "b": Secret([UNKNOWN])})) == {
        "a": "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "b": {SIGNATURE: SECRET, "value": ["04da6b54-80e4-46f7-96ec-b56ff0331ba9"]},
    }


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({SIGNATURE: SECRET, "value": "s"}, Secret("s")),
        ({SIGNATURE: SECRET}, Secret(None)),
        ({SIGNATURE: SECRET, "value": {SIGNATURE: SECRET, "value": "s"}}, Secret(Secret("s"))),
        ({SIGNATURE: OUTPUT, "value": "v", "dependencies": ["urn"]}, "v"),
        ({SIGNATURE: OUTPUT, "value": "v", "secret": True}, Secret("v")),
        ({SIGNATURE: OUTPUT, "value": "v", "secret": False}, "v"),
        ({SIGNATURE: OUTPUT, "secret": True}, Secret(UNKNOWN)),
        ({SIGNATURE: OUTPUT}, UNKNOWN),
        ("04da6b54-80e4-46f7-96ec-b56ff0331ba9", UNKNOWN),
        ({"a": [{SIGNATURE: SECRET, "value": 1}, 2.5, None, True]}, {"a": [Secret(1), 2.5, None, True]}),
        (3.0, 3),
        (2.5, 2.5),
    ],
)
def test_decode(sent, read):
    value = decode(struct(sent))["x"]
    assert (value, type(value)) == (read, type(read))


# Source: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/plugin/rpc.go
@pytest.mark.parametrize(
    "kind",
    [
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    ],
)
def test_every_kind_of_unknown_is_one(kind):
    assert decode(struct(kind)) == {"x": UNKNOWN}


def test_reveal_and_the_secret_strings():
    value = {"a": Secret({"b": ["one", Secret("two"), 3, True, None]}), "c": "open", "d": [Secret("three")]}
    assert reveal(value) == {"a": {"b": ["one", "two", 3, True, None]}, "c": "open", "d": ["three"]}
    assert sorted(secret_strings(value)) == ["one", "three", "two"]


def test_a_secret_does_not_show():
    assert repr({"x": Secret("CANARY")}) == "{'x': Secret()}"


def test_none_is_left_out_of_answers_at_the_top_only():
    assert decode(encode({"a": None, "b": {"c": None}})) == {"b": {"c": None}}
