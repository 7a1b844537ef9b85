"""Reads the output of `pulumi preview --json`. Secret values are masked.

The format of a preview: https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/display/json.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from .resources import (
    SECRET,
    STACK_TYPE,
    Resource,
    marked,
    masked,
    object_in,
    objects,
    resource_name,
    resource_of,
    stack_of,
    type_of,
)

_GONE = ("delete", "delete-replaced", "discard", "discard-replaced")


class NoDigest(Exception):
    """The text is not the digest of a preview. The message says what to do instead."""


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
    """Read the output of `pulumi preview --json`. Earlier output of the CLI is skipped.

    Raises:
        NoDigest: the text contains no digest.
    """
    digest = object_in(text)
    if digest is None or not ("steps" in digest or "changeSummary" in digest or "diagnostics" in digest):
        raise NoDigest(
            "this is not the output of `pulumi preview --json` (an object with `steps`). Write it to a file, or pipe "
            "it: pulumi preview --json --show-sames | codespaces review"
        )
    steps = tuple(_step(step) for step in objects(digest.get("steps")))
    messages = [_message(diagnostic) for diagnostic in objects(digest.get("diagnostics"))]
    # With --refresh the engine sends each message twice: once for the refresh, and once for the plan.
    unique = tuple(dict.fromkeys(message for message in messages if message.severity in ("warning", "error")))
    return Digest(
        stack_of(step.resource.urn for step in steps),
        tuple(step for step in steps if step.resource.type != STACK_TYPE),
        unique,
    )


def _message(diagnostic: dict[str, Any]) -> Message:
    severity = str(diagnostic.get("severity"))
    text = str(diagnostic.get("message", "")).strip().removeprefix(f"{severity}:").strip()
    return Message(severity, resource_name(str(diagnostic.get("urn") or "")), text)


def _step(step: dict[str, Any]) -> Step:
    old, new = _alike(masked(marked(step.get("oldState"))), masked(marked(step.get("newState"))))
    op = str(step.get("op", ""))
    before, after = _resource(old), None if op in _GONE else _resource(new)
    if before is None and after is None:
        urn = str(step.get("urn", ""))
        after = Resource(urn, type_of(urn), resource_name(urn), "", "", {}, {})
    return Step(op, before, after, tuple(step.get("detailedDiff") or step.get("diffReasons") or ()))


def _resource(state: object) -> Resource | None:
    return resource_of(cast("dict[str, Any]", state)) if isinstance(state, dict) else None


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
