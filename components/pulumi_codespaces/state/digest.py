"""Reads the output of `pulumi preview --json` and `pulumi stack export`. Secret values are masked by default.

The format of a preview: https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/display/json.go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SECRET = "[secret]"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's placeholder for a text that is known only after the update.

Source: sdk/go/common/resource/plugin/rpc.go of pulumi/pulumi.
"""
_SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
_GONE = ("delete", "delete-replaced", "discard", "discard-replaced")


class NoDigest(Exception):
    """The text is neither the digest of a preview nor a state. The message says what to do instead."""


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


@dataclass(frozen=True)
class Step:
    """The operation that a preview plans for a resource.

    Attributes:
        op: the engine's word for the operation, such as `update`.
        old: the resource before, if there is one.
        new: the resource after, if there is one.
        paths: the properties that differ.
    """

    op: str
    old: Resource | None
    new: Resource | None
    paths: tuple[str, ...]

    @property
    def resource(self) -> Resource:
        """The resource as it will be, or as it was."""
        return cast("Resource", self.new or self.old)


@dataclass(frozen=True)
class Message:
    """A message of a preview.

    Attributes:
        severity: `warning` or `error`.
        name: the resource that the message is about; empty if it is about none.
        text: the text, without colours.
    """

    severity: str
    name: str
    text: str


@dataclass(frozen=True)
class Digest:
    """A preview.

    Attributes:
        stack: `project/stack`.
        steps: the operations, in order. With `--show-sames` unchanged resources have a step too.
        messages: warnings and errors.
    """

    stack: str
    steps: tuple[Step, ...]
    messages: tuple[Message, ...] = field(default=())

    @property
    def before(self) -> list[Resource]:
        """The resources in the preview, before the update."""
        return [step.old for step in self.steps if step.old]

    @property
    def after(self) -> list[Resource]:
        """The resources in the preview, after the update."""
        return [step.new for step in self.steps if step.new]


def read_digest(text: str) -> Digest:
    """Read the output of `pulumi preview --json`. Other output of the CLI in front of it is skipped.

    Raises:
        NoDigest: the text contains no digest.
    """
    digest = _object_in(text)
    if digest is None or not ("steps" in digest or "changeSummary" in digest or "diagnostics" in digest):
        raise NoDigest(
            "this is not what `pulumi preview --json` prints (an object with `steps`). Write it to a file, or pipe it: "
            "pulumi preview --json --show-sames | codespaces review"
        )
    steps = tuple(_step(step) for step in _objects(digest.get("steps")))
    messages = [_message(diagnostic) for diagnostic in _objects(digest.get("diagnostics"))]
    # With --refresh the engine sends each message twice: once for the refresh, and once for the plan.
    unique = tuple(dict.fromkeys(message for message in messages if message.severity in ("warning", "error")))
    return Digest(_stack(steps), tuple(step for step in steps if step.resource.type != "pulumi:pulumi:Stack"), unique)


def read_state(text: str, secret: Callable[[object], object] = lambda _: SECRET) -> Digest:
    """Read the output of `pulumi stack export`, as a preview that changes nothing.

    An interrupted replacement may have left a resource that is still to be deleted. Its step is `delete`.

    Args:
        text: the output.
        secret: makes the replacement of each secret. It is called with the value if the output was made with
            `--show-secrets`, and with None otherwise.

    Raises:
        NoDigest: the text is not a state.
    """
    state = _object_in(text)
    deployment = state.get("deployment") if state else None
    if not isinstance(deployment, dict):
        raise NoDigest("this is not what `pulumi stack export` prints (an object with `deployment`).")
    steps = [
        Step("delete", resource, None, ()) if entry.get("delete") is True else Step("same", resource, resource, ())
        for entry in _objects(cast("dict[str, Any]", deployment).get("resources"))
        if (resource := _resource(entry, secret))
    ]
    return Digest(_stack(steps), tuple(step for step in steps if step.resource.type != "pulumi:pulumi:Stack"))


def stack_outputs(text: str) -> dict[str, Any]:
    """The outputs of a stack, from the output of `pulumi stack export`. Secrets are masked."""
    deployment = cast("dict[str, Any]", (_object_in(text) or {}).get("deployment") or {})
    for resource in map(_resource, _objects(deployment.get("resources"))):
        if resource and resource.type == "pulumi:pulumi:Stack":
            return resource.outputs
    return {}


def is_known(value: object) -> bool:
    """Whether a value is known before the update and is not a secret."""
    return value is not None and value not in (UNKNOWN, SECRET)


def _message(diagnostic: dict[str, Any]) -> Message:
    severity = str(diagnostic.get("severity"))
    text = str(diagnostic.get("message", "")).strip().removeprefix(f"{severity}:").strip()
    return Message(severity, _name(str(diagnostic.get("urn") or "")), text)


def _object_in(text: str) -> dict[str, Any] | None:
    decoder = json.JSONDecoder()
    position = -1
    while (position := text.find("{", position + 1)) >= 0:
        try:
            value, _ = decoder.raw_decode(text[position:])
        except json.JSONDecodeError:
            continue
        return cast("dict[str, Any]", value)
    return None


def _objects(value: object) -> list[dict[str, Any]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _step(step: dict[str, Any]) -> Step:
    old, new = _alike(_plain(step.get("oldState")), _plain(step.get("newState")))
    op = str(step.get("op", ""))
    before, after = _resource(old), None if op in _GONE else _resource(new)
    if before is None and after is None:
        urn = str(step.get("urn", ""))
        after = Resource(urn, _type(urn), _name(urn), "", "", {}, {})
    return Step(op, before, after, tuple(step.get("detailedDiff") or step.get("diffReasons") or ()))


def _resource(state: object, secret: Callable[[object], object] = lambda _: SECRET) -> Resource | None:
    if not isinstance(state, dict):
        return None
    plain = cast("dict[str, Any]", _plain(cast("object", state), secret))
    urn = str(plain.get("urn", ""))
    return Resource(
        urn,
        str(plain.get("type", "")),
        _name(urn),
        str(plain.get("parent") or ""),
        str(plain.get("id") or ""),
        cast("dict[str, Any]", plain.get("inputs") or {}),
        cast("dict[str, Any]", plain.get("outputs") or {}),
        str(plain.get("provider") or ""),
        cast("dict[str, list[str]]", plain.get("propertyDependencies") or {}),
    )


def _plain(value: object, secret: Callable[[object], object] = lambda _: SECRET) -> Any:
    """A value of a state, with every secret replaced.

    A state has secrets encrypted, or in clear with --show-secrets.
    """
    if isinstance(value, dict):
        properties = cast("dict[str, object]", value)
        if _SECRET_SIGNATURE in properties:
            clear = properties.get("plaintext")
            return secret(_plain(json.loads(clear), secret) if isinstance(clear, str) else None)
        return {name: _plain(item, secret) for name, item in properties.items()}
    if isinstance(value, list):
        return [_plain(item, secret) for item in cast("list[object]", value)]
    return value


def _alike(old: Any, new: Any) -> tuple[Any, Any]:
    """Both sides of a change, masked if either side is secret. The engine masks only the secret side (pulumi#9330)."""
    if SECRET in (_text(old), _text(new)):
        return (None if old is None else SECRET), (None if new is None else SECRET)
    if isinstance(old, dict) and isinstance(new, dict):
        left, right = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        pairs = {key: _alike(left.get(key), right.get(key)) for key in left | right}
        return {key: pairs[key][0] for key in left}, {key: pairs[key][1] for key in right}
    return cast("tuple[Any, Any]", (old, new))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _type(urn: str) -> str:
    return urn.rsplit("::", 2)[-2].rsplit("$", 1)[-1] if "::" in urn else ""


def _stack(steps: Any) -> str:
    for step in steps:
        parts = step.resource.urn.removeprefix("urn:pulumi:").split("::")
        if len(parts) > 2:
            return f"{parts[1]}/{parts[0]}"
    return ""
