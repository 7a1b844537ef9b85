"""State that the parts of the local AWS share: keys, tokens, faults, the log, the observers, and MiniStack itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx

from .calls import AwsCall, Event, event_of
from .faults import Faults

if TYPE_CHECKING:
    from .child import Emulator

TOKEN_LIFETIME = timedelta(hours=12)
"""Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_AuthorizationData.html."""

_OBSERVERS = "aws-observers"

Check = tuple[str, str, str, Mapping[str, Any]]
"""Action, resource ARN, Region and condition keys of the request."""


@dataclass(frozen=True)
class Credentials:
    """An access key.

    Attributes:
        account: the number of the AWS account that it belongs to.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: str


@dataclass(frozen=True)
class Token:
    """The access key, Region and expiry of a registry password."""

    access_key_id: str
    region: str
    expires_at: datetime


@dataclass(frozen=True)
class Authorization:
    """What MiniStack says of a key and some actions.

    Attributes:
        refused: why the key itself is not accepted, an AWS error code; None if it is.
        principal: ARN of the caller; empty if the key was refused.
        decisions: `Allow`, `Deny` or `ImplicitDeny`, one for each action asked about.
    """

    refused: str | None
    principal: str
    decisions: tuple[str, ...]


class Tokens:
    """The registry passwords that were handed out."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tokens: dict[str, Token] = {}
        self.lifetime = TOKEN_LIFETIME

    def answer(self, call: AwsCall) -> bytes:
        """The answer of GetAuthorizationToken, with a token bound to the caller's key and Region."""
        registries = call.parameters.get("registryIds") or [call.account]
        expires = self._core.now() + self.lifetime
        domain = "amazonaws.com.cn" if call.region.startswith("cn-") else "amazonaws.com"
        data = [
            {
                "authorizationToken": base64.b64encode(f"AWS:{self._new(call, expires)}".encode()).decode(),
                "expiresAt": expires.timestamp(),
                "proxyEndpoint": f"https://{registry}.dkr.ecr.{call.region}.{domain}",
            }
            for registry in registries
        ]
        return json.dumps({"authorizationData": data}).encode()

    def _new(self, call: AwsCall, expires: datetime) -> str:
        """A password like ECR's: some 1,800 characters of base64 that begin with `eyJwYXlsb2FkIjoi`."""
        payload = {
            "payload": base64.b64encode(secrets.token_bytes(850)).decode(),
            "datakey": base64.b64encode(secrets.token_bytes(135)).decode(),
            "version": "2",
            "type": "DATA_KEY",
            "expiration": int(expires.timestamp()),
        }
        token = base64.b64encode(json.dumps(payload, separators=(",", ":")).encode()).decode()
        self._tokens[token] = Token(call.access_key_id, call.region, expires)
        return token

    def find(self, password: str) -> Token | None:
        """The token behind a password; None if the password is not a valid token."""
        return self._tokens.get(password)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._tokens))

    def expire_all(self) -> None:
        """End the life of every token handed out so far."""
        now = self._core.now()
        for password, token in self._tokens.items():
            self._tokens[password] = Token(token.access_key_id, token.region, now)


class Core:
    """The shared state. `LocalAws` has the same attributes for tests to set, and passes them on."""

    def __init__(self, emulator: Emulator, administrators: Sequence[Credentials]) -> None:
        self.emulator = emulator
        self.administrators = {administrator.access_key_id: administrator for administrator in administrators}
        self.faults = Faults()
        self.requests: list[AwsCall] = []
        self.registry_requests: list[AwsCall] = []
        self.observers: list[Callable[[Event], object]] = []
        self.clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
        self.latency = 0.0
        self.new_key_delay = 0.0
        self.last_used: dict[str, tuple[datetime, str, str]] = {}
        self.tokens = Tokens(self)
        self.upstream: httpx.AsyncClient
        self._closing = asyncio.Event()
        self._observer_thread = ThreadPoolExecutor(1, _OBSERVERS)
        self._key_accounts: dict[str, str] = {}
        self._visible_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._changes = 0
        self._changing = 0
        self._answers: dict[str, dict[str, Any]] = {}

    async def open(self) -> None:
        """Make what belongs to the event loop."""
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=60)
        self.upstream = httpx.AsyncClient(timeout=None, limits=limits, trust_env=False)  # noqa: S113 - loopback

    async def close(self) -> None:
        """Let go of waiting requests, and of MiniStack's connections."""
        self._closing.set()
        self._observer_thread.shutdown(wait=False, cancel_futures=True)
        await self.upstream.aclose()

    def now(self) -> datetime:
        """The time of the clock."""
        return self.clock()

    async def hang(self, seconds: float = 0.0) -> None:
        """Wait until the stand-in closes, or so many seconds if there are any."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds or None)

    async def tell(self, call: AwsCall) -> None:
        """Call the observers, in a thread of theirs, and wait for them."""
        event = event_of(call)
        if self.observers and event:
            await asyncio.get_running_loop().run_in_executor(self._observer_thread, self._tell_all, event)

    def tell_from_outside(self, call: AwsCall) -> None:
        """The same, for changes that were made in Python instead of by a request."""
        event = event_of(call)
        if not self.observers or not event:
            return
        if threading.current_thread().name.startswith(_OBSERVERS):
            self._tell_all(event)
        else:
            self._observer_thread.submit(self._tell_all, event).result()

    def _tell_all(self, event: Event) -> None:
        for observer in list(self.observers):
            observer(event)

    # -- keys

    def key_created(self, key_id: str, account: str) -> None:
        """Remember whose a key is, and from when on it is accepted."""
        self.remember_key(key_id, account)
        self._visible_at[key_id] = time.monotonic() + self.new_key_delay

    def accept_keys(self) -> None:
        """Accept every key that was made so far."""
        self._visible_at.clear()

    def remember_key(self, key_id: str, account: str) -> None:
        """Remember the account of a key."""
        self._key_accounts[key_id] = account

    def account_of_key(self, key_id: str) -> str:
        """The account of a key; empty if it is unknown."""
        return self._key_accounts.get(key_id, "")

    def key_visible(self, key_id: str) -> bool:
        """Whether all of AWS knows the key yet."""
        return time.monotonic() >= self._visible_at.get(key_id, 0.0)

    # -- questions to MiniStack, whose answers hold until something changes

    def change_begins(self) -> None:
        """Something is about to change: no answer is remembered until it has."""
        with self._lock:
            self._changing += 1

    def change_ends(self) -> None:
        """Something may have changed."""
        with self._lock:
            self._changing -= 1
            self._changes += 1
            self._answers.clear()

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Ask MiniStack, or remember what it answered since the last change, where time alone changes nothing."""
        key = json.dumps((op, arguments), sort_keys=True)
        with self._lock:
            if not self._changing and key in self._answers:
                return self._answers[key]
            asked_at = None if self._changing else self._changes
        answer = self.emulator.ask(op, **arguments)
        with self._lock:
            if asked_at == self._changes and not self._changing and not answer.get("passing"):
                self._answers[key] = answer
        return answer

    def authorize(self, access_key_id: str, checks: Sequence[Check], secret: str | None = None) -> Authorization:
        """Whether a key is accepted, and what its owner may do.

        Args:
            access_key_id: the key.
            checks: what is asked about.
            secret: compare the key's secret with this one as well.
        """
        administrator = self.administrators.get(access_key_id)
        if administrator:
            if secret is not None and secret != administrator.secret_access_key:
                return Authorization("SignatureDoesNotMatch", "", ())
            access_key_id, secret = administrator.account, None
        elif not access_key_id.startswith(("AKIA", "ASIA")) or not self.key_visible(access_key_id):
            return Authorization("UnrecognizedClientException", "", ())
        answer = self.ask(
            "authorize", access_key_id=access_key_id, secret=secret, checks=[list(check) for check in checks]
        )
        if "refused" in answer:
            return Authorization(answer["refused"], "", ())
        return Authorization(None, answer["principal"], tuple(answer["decisions"]))

    def allows(self, access_key_id: str, action: str, resource: str, region: str) -> bool:
        """Whether the owner of a key may do one thing, by every policy that bears on it."""
        return self.authorize(access_key_id, [(action, resource, region, {})]).decisions == ("Allow",)
