"""Reads what `pulumi preview --json` and `pulumi stack export` print; secret values are masked, unless asked for.

The digest's form: https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/display/json.go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SECRET = "[secret]"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a text that is known only after the update (sdk/go/common/resource/plugin/rpc.go)."""
_SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
_GONE = ("delete", "delete-replaced", "discard", "discard-replaced")


class NoDigest(Exception):
    """What was given is no preview digest and no state; says what to do instead."""


@dataclass(frozen=True)
class Resource:
    """A resource as a state knows it.

    Attributes:
        urn: its URN.
        type: its type token.
        name: its name in the program.
        parent: the URN of its parent.
        id: its id in the cloud; empty before it is made.
        inputs: what the program asks for.
        outputs: what the cloud answered.
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
    """What is going to happen to a resource.

    Attributes:
        op: the engine's word for it, such as `update`.
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
    """What a preview said.

    Attributes:
        severity: `warning` or `error`.
        name: the resource that it is about; empty for none.
        text: without colours.
    """

    severity: str
    name: str
    text: str


@dataclass(frozen=True)
class Digest:
    """A preview.

    Attributes:
        stack: `project/stack`.
        steps: what happens, in order; with `--show-sames` also to what stays as it is.
        messages: warnings and errors.
    """

    stack: str
    steps: tuple[Step, ...]
    messages: tuple[Message, ...] = field(default=())

    @property
    def before(self) -> list[Resource]:
        """The resources that the preview tells of, as they are."""
        return [step.old for step in self.steps if step.old]

    @property
    def after(self) -> list[Resource]:
        """The resources that the preview tells of, as they will be."""
        return [step.new for step in self.steps if step.new]


def read_digest(text: str) -> Digest:
    """Read the output of `pulumi preview --json`; what the CLI printed before it is skipped.

    Raises:
        NoDigest: there is none in it.
    """
    digest = _object_in(text)
    if digest is None or not ("steps" in digest or "changeSummary" in digest or "diagnostics" in digest):
        raise NoDigest(
            "this is not what `pulumi preview --json` prints (an object with `steps`). Write it to a file, or pipe it: "
            "pulumi preview --json --show-sames | codespaces review"
        )
    steps = tuple(_step(one) for one in _objects(digest.get("steps")))
    messages = [_message(one) for one in _objects(digest.get("diagnostics"))]
    # With --refresh the engine says each thing twice: once for the refresh, once for the plan.
    told = tuple(dict.fromkeys(one for one in messages if one.severity in ("warning", "error")))
    return Digest(_stack(steps), tuple(step for step in steps if step.resource.type != "pulumi:pulumi:Stack"), told)


def read_state(text: str, secret: Callable[[object], object] = lambda _: SECRET) -> Digest:
    """Read the output of `pulumi stack export`, as a preview in which everything stays as it is.

    What a replacement that did not come to its end has left to be deleted is going to be deleted.

    Args:
        text: the output.
        secret: what to put in place of each secret. It is given the value where the output was made with
            `--show-secrets`, and None otherwise.

    Raises:
        NoDigest: it is no state.
    """
    state = _object_in(text)
    deployment = state.get("deployment") if state else None
    if not isinstance(deployment, dict):
        raise NoDigest("this is not what `pulumi stack export` prints (an object with `deployment`).")
    steps = [
        Step("delete", resource, None, ()) if one.get("delete") is True else Step("same", resource, resource, ())
        for one in _objects(cast("dict[str, Any]", deployment).get("resources"))
        if (resource := _resource(one, secret))
    ]
    return Digest(_stack(steps), tuple(step for step in steps if step.resource.type != "pulumi:pulumi:Stack"))


def stack_outputs(text: str) -> dict[str, Any]:
    """What a stack exports, from the output of `pulumi stack export`; secrets are masked."""
    deployment = cast("dict[str, Any]", (_object_in(text) or {}).get("deployment") or {})
    for one in map(_resource, _objects(deployment.get("resources"))):
        if one and one.type == "pulumi:pulumi:Stack":
            return one.outputs
    return {}


def is_known(value: object) -> bool:
    """Whether a value is known before the update, and no secret."""
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
            found, _ = decoder.raw_decode(text[position:])
        except json.JSONDecodeError:
            continue
        return cast("dict[str, Any]", found)
    return None


def _objects(given: object) -> list[dict[str, Any]]:
    items = cast("list[object]", given) if isinstance(given, list) else []
    return [cast("dict[str, Any]", one) for one in items if isinstance(one, dict)]


def _step(step: dict[str, Any]) -> Step:
    old, new = _alike(_plain(step.get("oldState")), _plain(step.get("newState")))
    op = str(step.get("op", ""))
    before, after = _resource(old), None if op in _GONE else _resource(new)
    if before is None and after is None:
        urn = str(step.get("urn", ""))
        after = Resource(
            urn, urn.rsplit("::", 2)[-2].rsplit("$", 1)[-1] if "::" in urn else "", _name(urn), "", "", {}, {}
        )
    return Step(op, before, after, tuple(step.get("detailedDiff") or step.get("diffReasons") or ()))


def _resource(state: object, secret: Callable[[object], object] = lambda _: SECRET) -> Resource | None:
    if not isinstance(state, dict):
        return None
    known = cast("dict[str, Any]", _plain(cast("object", state), secret))
    urn = str(known.get("urn", ""))
    return Resource(
        urn,
        str(known.get("type", "")),
        _name(urn),
        str(known.get("parent") or ""),
        str(known.get("id") or ""),
        cast("dict[str, Any]", known.get("inputs") or {}),
        cast("dict[str, Any]", known.get("outputs") or {}),
        str(known.get("provider") or ""),
        cast("dict[str, list[str]]", known.get("propertyDependencies") or {}),
    )


def _plain(value: object, secret: Callable[[object], object] = lambda _: SECRET) -> Any:
    """A value with every secret of a state (which keeps it encrypted, or with --show-secrets in clear) replaced."""
    if isinstance(value, dict):
        known = cast("dict[str, object]", value)
        if _SECRET_SIGNATURE in known:
            clear = known.get("plaintext")
            return secret(_plain(json.loads(clear), secret) if isinstance(clear, str) else None)
        return {key: _plain(one, secret) for key, one in known.items()}
    if isinstance(value, list):
        return [_plain(one, secret) for one in cast("list[object]", value)]
    return value


def _alike(old: Any, new: Any) -> tuple[Any, Any]:
    """Both sides of a change, masked where either is secret: the engine masks each side by itself (pulumi#9330)."""
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


def _stack(steps: Any) -> str:
    for step in steps:
        parts = step.resource.urn.removeprefix("urn:pulumi:").split("::")
        if len(parts) > 2:
            return f"{parts[1]}/{parts[0]}"
    return ""
