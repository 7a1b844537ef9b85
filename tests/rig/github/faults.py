"""Faults on order: which request goes wrong, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

Kind = Literal[
    "status",
    "status_after",
    "primary_limit",
    "secondary_limit",
    "reset_before",
    "reset_after",
    "hang",
    "hang_after",
    "delay",
    "trickle",
]
When = Literal["before", "after"]


@dataclass(frozen=True)
class Action:
    """What happens to a request.

    Attributes:
        kind: `status` answers without handling the request, `status_after` handles it and answers with an error all the
            same; `primary_limit` and `secondary_limit` answer as GitHub's rate limits do; `reset_before` resets the
            connection without handling the request, `reset_after` handles it and resets the connection without an
            answer; `hang` neither handles nor answers, `hang_after` handles and does not answer, both until the client
            gives up or `seconds` are over, when the connection is reset; `delay` waits `seconds` and goes on as usual;
        `trickle` handles the request and sends a blank every 50 ms for `seconds` before the answer.
        status: of `status`, `status_after` and the limits.
        message: in the body of a `status`.
        body: instead of GitHub's form of an error; bytes are sent as they are, as by a proxy on the way.
        seconds: of `delay`, `hang` and `trickle`.
        retry_after: seconds; the header of a `secondary_limit`, None for no header.
        reset_in: seconds until a `primary_limit` is over.
        headers: further ones.
    """

    kind: Kind
    status: int | None = None
    message: str | None = None
    body: Any = None
    seconds: float = 30.0
    retry_after: float | None = 60.0
    reset_in: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind of a fault: {self.kind!r} is none of {', '.join(get_args(Kind))}")

    @property
    def handles(self) -> bool:
        """Whether the request takes effect."""
        return self.kind in ("status_after", "reset_after", "hang_after", "delay", "trickle")


@dataclass
class Fault:
    """A rule: the requests that it is for, and which of them it hits.

    Attributes:
        method: or `*`.
        path: without `/api/v3`; `*` in a part stands for anything in that part, a part `**` for any parts.
        after: so many matching requests pass first.
        times: so many are hit then; None for all.
        seen: matching requests so far.
        hit: matching requests that the fault struck.
    """

    method: str
    path: str
    action: Action
    times: int | None = 1
    after: int = 0
    seen: int = 0
    hit: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether the rule applies to a request."""
        return self.method in ("*", method) and _fits(self.path.strip("/").split("/"), path.strip("/").split("/"))


def _fits(pattern: list[str], parts: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(pattern[1:], parts[start:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(pattern[1:], parts[1:])


@dataclass(frozen=True)
class FaultRequest:
    """The request that a callback gets.

    Attributes:
        number: of the request since the stand-in's start, from 1.
        path: without `/api/v3`.
        status: of the answer that is about to be sent; None where the request has not been handled.
    """

    number: int
    method: str
    path: str
    query: str
    body: Any
    token_label: str
    status: int | None


Callback = Callable[[FaultRequest], "Action | None"]


class Faults:
    """The faults that are on order."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._callbacks: dict[When, list[Callback]] = {"before": [], "after": []}

    def add(
        self, method: str, path: str, *, kind: Kind, times: int | None = 1, after: int = 0, **details: Any
    ) -> Fault:
        """Order a fault; `details` are attributes of `Action`.

        Every rule counts the requests that it matches; the first rule that is due decides.
        """
        if method not in ("*", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
            raise ValueError(f"method of a fault: {method!r}, but methods are in capitals, or * for any")
        rule = Fault(method, path, Action(kind, **details), times, after)
        self.rules.append(rule)
        return rule

    def add_callback(self, callback: Callback, *, when: When = "before") -> None:
        """Let a function decide about each request, in the server's thread: it returns an action, or None for none.

        Args:
            callback: it may also act by itself, as in killing the client.
            when: `before` the request is handled, or `after` its effect and before its answer; then only the actions
                `reset_after`, `hang_after`, `status_after` and `delay` make sense.
        """
        self._callbacks[when].append(callback)

    def clear(self) -> None:
        """Take all orders back."""
        self.rules.clear()
        for callbacks in self._callbacks.values():
            callbacks.clear()

    def decide(self, request: FaultRequest, when: When) -> Action | None:
        """What happens to a request."""
        for callback in list(self._callbacks[when]):
            action = callback(request)
            if action:
                return action
        return self._due(request) if when == "before" else None

    def _due(self, request: FaultRequest) -> Action | None:
        chosen: Fault | None = None
        for rule in self.rules:
            if not rule.matches(request.method, request.path):
                continue
            rule.seen += 1
            due = rule.seen > rule.after and (rule.times is None or rule.hit < rule.times)
            if due and chosen is None:
                rule.hit += 1
                chosen = rule
        return chosen.action if chosen else None
