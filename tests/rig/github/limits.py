"""GitHub's rate limits: the primary one of each resource, and the secondary ones.

Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .routing import Refusal

if TYPE_CHECKING:
    from .state import Cloud
    from .tokens import Caller

_DOCUMENTATION = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
_SECONDARY_DOCUMENTATION = f"{_DOCUMENTATION}#about-secondary-rate-limits"
_MINUTE = timedelta(minutes=1)
_ANONYMOUS_LIMIT = 60
_POINTS = {"GET": 1, "HEAD": 1, "OPTIONS": 1}


@dataclass
class _Bucket:
    limit: int
    used: int
    reset: datetime


class Limits:
    """The remaining requests and points of each caller.

    Attributes:
        points_per_minute: the secondary limit: a GET costs 1 point, a write 5. GitHub's is 900; None, the default, is
            no limit, since tests on loopback are faster than any network.
        retry_after: the seconds that the answer to a secondary limit asks for.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.points_per_minute: int | None = None
        self.retry_after = 60
        self._limits: dict[str, tuple[int, timedelta]] = {
            "core": (5000, timedelta(hours=1)),
            "codespaces": (5000, timedelta(hours=1)),
            "graphql": (5000, timedelta(hours=1)),
            "search": (30, _MINUTE),
        }
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._points: dict[str, deque[tuple[datetime, int]]] = {}

    def set(self, resource: str, limit: int, window: float = 3600.0) -> None:
        """Give a resource another limit; what has been used is forgotten.

        Args:
            resource: `core`, `codespaces` or `search`.
            limit: requests in one window.
            window: seconds from the first request to the reset.
        """
        self._limits[resource] = (limit, timedelta(seconds=window))
        for key in [key for key in self._buckets if key[1] == resource]:
            del self._buckets[key]

    def _bucket(self, caller: Caller, resource: str) -> _Bucket:
        key, now = (caller.limit_key, resource), self.cloud.clock()
        bucket = self._buckets.get(key)
        if bucket is None or bucket.reset <= now:
            limit, window = self._limits[resource]
            if caller.token is None:
                limit = min(limit, _ANONYMOUS_LIMIT)
            bucket = self._buckets[key] = _Bucket(limit, 0, now + window)
        return bucket

    def state(self, caller: Caller, resource: str) -> dict[str, int]:
        """The remaining requests, as `GET /rate_limit` shows them."""
        bucket = self._bucket(caller, resource)
        left = max(bucket.limit - bucket.used, 0)
        # Rounded up: who waits until the second that is named must find the window over.
        reset = -int(-bucket.reset.timestamp() // 1)
        return {"limit": bucket.limit, "used": bucket.used, "remaining": left, "reset": reset}

    def headers(self, caller: Caller, resource: str) -> dict[str, str]:
        """The headers with the remaining requests."""
        state = self.state(caller, resource)
        shown = {f"X-RateLimit-{name.title()}": str(state[name]) for name in ("limit", "remaining", "reset", "used")}
        return shown | {"X-RateLimit-Resource": resource}

    def spend(self, caller: Caller, resource: str, method: str) -> None:
        """Count a request.

        Raises:
            Refusal: there is nothing left, or too much was done within a minute.
        """
        bucket = self._bucket(caller, resource)
        if bucket.used >= bucket.limit:
            raise self.primary_refusal(caller)
        bucket.used += 1
        if self.points_per_minute is not None:
            now, points = self.cloud.clock(), self._points.setdefault(caller.limit_key, deque())
            while points and points[0][0] <= now - _MINUTE:
                points.popleft()
            cost = _POINTS.get(method, 5)
            if sum(spent for _, spent in points) + cost > self.points_per_minute:
                raise self.secondary_refusal(self.retry_after)
            points.append((now, cost))

    def refund(self, caller: Caller, resource: str) -> None:
        """Take back the count of a request that was answered 304, which costs nothing."""
        self._bucket(caller, resource).used -= 1

    def exhaust(self, caller: Caller, resource: str, reset_in: float) -> None:
        """Leave nothing until `reset_in` seconds from now."""
        bucket = self._bucket(caller, resource)
        bucket.used, bucket.reset = bucket.limit, self.cloud.clock() + timedelta(seconds=reset_in)

    @staticmethod
    def primary_refusal(caller: Caller, status: int = 403) -> Refusal:
        """The answer where nothing is left."""
        who = f"user {caller.limit_key}" if caller.token else "127.0.0.1"
        return Refusal(status, f"API rate limit exceeded for {who}.", documentation=_DOCUMENTATION)

    @staticmethod
    def secondary_refusal(retry_after: float | None, status: int = 403) -> Refusal:
        """The answer where too much was done at once; clients know it by its page of documentation."""
        what = (
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
            "For more on scraping GitHub and how it may affect your rights, please review our Terms of Service "
            "(https://docs.github.com/en/site-policy/github-terms/github-terms-of-service)"
        )
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return Refusal(status, what, documentation=_SECONDARY_DOCUMENTATION, headers=headers)
