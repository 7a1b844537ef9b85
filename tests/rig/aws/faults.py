"""Faults to order: which calls go wrong, how, and how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import AwsCall

Kind = Literal["status", "throttle", "limit", "denied", "reset_before", "reset_after", "hang", "delay", "callback"]
When = Literal["before", "after"]

_STATUS: dict[str, tuple[int, str, str]] = {
    "throttle": (400, "Throttling", "Rate exceeded"),
    "limit": (409, "LimitExceeded", "Cannot exceed quota."),
    "denied": (403, "AccessDenied", "User is not authorized to perform this action."),
}


@dataclass
class Fault:
    """One order.

    Attributes:
        action: the API action it is for; `*` and `?` as in file names.
        hits: how often it struck.
    """

    action: str
    kind: Kind
    times: int | None = 1
    after: int = 0
    when: When = "before"
    status: int = 500
    code: str = "InternalFailure"
    message: str = "The request processing has failed because of an unknown error, exception or failure."
    seconds: float = 0.0
    service: str | None = None
    access_key_id: str | None = None
    callback: Callable[[AwsCall], object] | None = None
    hits: int = 0
    passed: int = 0

    def matches(self, call: AwsCall) -> bool:
        """Whether it is for this call."""
        wanted_service = self.service or ("*" if call.service != "registry" else "")
        return (
            fnmatchcase(call.action, self.action)
            and fnmatchcase(call.service, wanted_service)
            and self.access_key_id in (None, call.access_key_id)
        )


@dataclass
class Faults:
    """The orders that stand; safe to change while calls run."""

    _orders: list[Fault] = field(default_factory=list[Fault])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self,
        action: str,
        kind: Kind = "status",
        *,
        times: int | None = 1,
        after: int = 0,
        when: When = "before",
        status: int | None = None,
        code: str | None = None,
        message: str | None = None,
        seconds: float = 0.0,
        service: str | None = None,
        access_key_id: str | None = None,
    ) -> Fault:
        """Order a fault.

        Args:
            action: the API action, e.g. `CreateAccessKey`; `*` and `?` as in file names. For registry calls the ECR
                action that they are mapped to, with `service="registry"`.
            kind: `status` (an error of your choice, 500 if you choose none), `throttle`, `limit` and `denied` (what AWS
                says then), `reset_before` (the connection breaks before the call takes effect), `reset_after` (after
                it took effect: the answer is lost), `hang` (no answer until the client gives up), `delay`.
            times: how many calls it strikes; None for all.
            after: how many matching calls pass first.
            when: for `status`, `throttle`, `limit` and `denied`: `after` lets the call take effect first.
            status: HTTP status of `status`, `throttle`, `limit` and `denied`.
            code: AWS error code of the same.
            message: text of the same.
            seconds: how long `delay` waits; and `hang`, before the connection breaks, if it is not 0.
            service: `iam`, `sts`, `ecr` or `registry`; without it, any AWS API.
            access_key_id: only calls made with this key.
        """
        given = _STATUS.get(kind, (500, "InternalFailure", Fault.message))
        return self._order(
            Fault(
                action,
                kind,
                times,
                after,
                when,
                status or given[0],
                code or given[1],
                message or given[2],
                seconds,
                service,
                access_key_id,
            )
        )

    def add_callback(
        self,
        action: str,
        callback: Callable[[AwsCall], object],
        *,
        when: When = "before",
        times: int | None = 1,
        after: int = 0,
        service: str | None = None,
    ) -> Fault:
        """Order that something is done in the middle of a call.

        Args:
            action: as for `add`.
            callback: called with the call, in a thread of its own; it may make AWS calls itself.
            when: before the call takes effect, or after it did and before it is answered.
            times: as for `add`.
            after: as for `add`.
            service: as for `add`.
        """
        return self._order(
            Fault(action, "callback", times=times, after=after, when=when, service=service, callback=callback)
        )

    def clear(self) -> None:
        """Withdraw all orders."""
        with self._lock:
            self._orders.clear()

    def due(self, call: AwsCall) -> list[Fault]:
        """The faults that strike this call, in the order in which they were added."""
        struck: list[Fault] = []
        with self._lock:
            for fault in self._orders:
                if not fault.matches(call):
                    continue
                fault.passed += 1
                if fault.passed > fault.after and (fault.times is None or fault.hits < fault.times):
                    fault.hits += 1
                    struck.append(fault)
        return struck

    def _order(self, fault: Fault) -> Fault:
        with self._lock:
            self._orders.append(fault)
        return fault
