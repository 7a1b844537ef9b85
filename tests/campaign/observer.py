"""Checks what codespaces can do after every change of either cloud; sampling would miss instants.

The invariants of a rotation: the published user and password belong to one key, which is Active and proven; no user has
more than two keys; the previously published key still pulls; and a change of policy or readers never interrupts a
repository that stays listed. They cannot hold between the two writes of a pair, so those instants and their length are
counted separately.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rig.codespace import Pull, judge_secrets, triples, visible_secrets

if TYPE_CHECKING:
    from rig.cloud import LocalCloud

SUFFIXES = tuple(f"_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER"))


@dataclass
class Window:
    """A period in which the user and the password of a registry do not belong together.

    Attributes:
        prefix: the prefix of the secrets.
        opened: its start, by the monotonic clock.
        closed: its end; None while it lasts.
        by_itself: whether the update that opened it closed it.
    """

    prefix: str
    opened: float
    closed: float | None = None
    by_itself: bool = True

    @property
    def milliseconds(self) -> float:
        """Its length."""
        return ((self.closed or time.monotonic()) - self.opened) * 1000


@dataclass
class Session:
    """A running codespace, which keeps the secrets of its start.

    Attributes:
        secrets: the secrets of its start.
        images: the images that it could pull then.
    """

    secrets: dict[str, str]
    images: tuple[str, ...]


@dataclass
class Observer:
    """Checks after every change; broken invariants go into `failed`.

    Attributes:
        cloud: the observed cloud.
        pulls: (repository, image) pairs that must work whenever the repository has all secrets of a registry.
        never: (repository, image) pairs that must fail.
        session: a running codespace, which must still pull.
        retires: whether the previous key may stop working once another key is published.
        denied: whether everything may be denied, as while an access is suspended.
        whole: whether all secrets of the registries must always exist.
        proving: whether a key must have been proven before it is published; the stock resources prove none.
        instants: how many changes there were.
        windows: the periods in which a pair did not belong together.
        in_windows: the instants in them.
        failed: the instants at which another invariant was broken.
        proven: the access keys that have logged in.
    """

    cloud: LocalCloud
    pulls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    never: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    session: Session | None = None
    retires: bool = False
    denied: bool = False
    whole: bool = False
    proving: bool = True
    instants: int = 0
    windows: list[Window] = field(default_factory=list[Window])
    in_windows: int = 0
    failed: list[str] = field(default_factory=list[str])
    proven: set[str] = field(default_factory=set[str])
    _calls: int = 0
    _open: dict[str, Window] = field(default_factory=dict[str, Window])

    def begin(self) -> None:
        """Start watching."""
        self.cloud.aws.clear_requests()
        self._calls = 0
        self.cloud.github.observers.append(self)
        self.cloud.aws.observers.append(self)

    def end(self) -> None:
        """Stop watching."""
        self.cloud.github.observers.remove(self)
        self.cloud.aws.observers.remove(self)

    def update_ended(self) -> None:
        """Mark the end of the update: it did not close the windows that are still open."""
        with self.cloud.github.lock:
            for window in self._open.values():
                window.by_itself = False

    @property
    def mismatched(self) -> bool:
        """Whether a user and a password do not belong together now."""
        return bool(self._open)

    def __call__(self, event: Any) -> None:
        # GitHub's thread holds this lock when it calls; AWS's thread takes it too, so that both see consistent states.
        with self.cloud.github.lock:
            self.instants += 1
            try:
                self._look(f"{event.kind} {event.name}", event)
            except Exception as error:  # noqa: BLE001 - an observer that dies must not pass for one that saw nothing
                self.failed.append(f"{event.kind} {event.name}: the observer failed: {error!r}")

    def _look(self, what: str, event: Any) -> None:
        secrets = {name: secret.value for name, secret in self.cloud.github.organization("acme").secrets.items()}
        self._note_windows(secrets)
        for repository, image in self.pulls:
            seen = visible_secrets(self.cloud.github, repository)
            host = image.split("/", 1)[0]
            triple = next((candidate for candidate in triples(seen) if candidate.host == host), None)
            if triple is None:
                if self.whole:
                    self.failed.append(f"{what}: {repository} has no login for {host}")
                continue
            self._expect(what, f"{repository} cannot pull {image}", judge_secrets(seen, self.cloud.aws, image), triple)
        for repository, image in self.never:
            if judge_secrets(visible_secrets(self.cloud.github, repository), self.cloud.aws, image).ok:
                self.failed.append(f"{what}: {repository} can pull {image}")
        if self.session and not self.denied and not self._may_be_retired(self.session, secrets):
            for image in self.session.images:
                pull = judge_secrets(self.session.secrets, self.cloud.aws, image)
                if not pull.ok:
                    self.failed.append(f"{what}: a codespace from before cannot pull {image}: {pull.reason}")
        if event.kind == "key.created":
            self._count_keys(what)
        self._look_for_unproven(what, secrets)

    def _may_be_retired(self, session: Session, secrets: dict[str, str]) -> bool:
        user = f"PAYMENTS{SUFFIXES[0]}"
        return self.retires and "PAYMENTS" not in self._open and secrets.get(user) != session.secrets[user]

    def _expect(self, what: str, problem: str, pull: Pull, triple: Any) -> None:
        if pull.ok:
            return
        if triple.prefix in self._open:
            self.in_windows += 1
        elif not (self.denied and "(Deny)" in pull.reason):
            self.failed.append(f"{what}: {problem}: {pull.reason}")

    def _note_windows(self, secrets: dict[str, str]) -> None:
        for name, user in secrets.items():
            if not name.endswith(SUFFIXES[0]):
                continue
            prefix = name.removesuffix(SUFFIXES[0])
            password = secrets.get(prefix + SUFFIXES[1])
            apart = password is not None and not self._belong_together(user, password)
            if apart and prefix not in self._open:
                self._open[prefix] = Window(prefix, time.monotonic())
                self.windows.append(self._open[prefix])
            elif not apart and prefix in self._open:
                self._open.pop(prefix).closed = time.monotonic()
        for prefix in [prefix for prefix in self._open if prefix + SUFFIXES[0] not in secrets]:
            self._open.pop(prefix).closed = time.monotonic()

    def _belong_together(self, user: str, password: str) -> bool:
        """Whether a password belongs to a user. A deleted key counts as a match; that is a different failure."""
        if user.startswith("AKIA"):
            return self.cloud.aws.authorize(user, [], password).refused != "SignatureDoesNotMatch"
        registry = self.cloud.aws.registries.find("acme.azurecr.io")
        return registry is None or registry.accepts(user, password)

    def _count_keys(self, what: str) -> None:
        for name, user in self.cloud.aws.users().items():
            if len(user.access_keys) > 2:
                self.failed.append(f"{what}: {name} has {len(user.access_keys)} keys")

    def _look_for_unproven(self, what: str, secrets: dict[str, str]) -> None:
        calls = list(self.cloud.aws.requests)[self._calls :]
        self._calls += len(calls)
        self.proven |= {
            request.access_key_id
            for request in calls
            if request.action == "GetAuthorizationToken" and request.status == 200
        }
        for name, value in secrets.items():
            if self.proving and name.endswith(SUFFIXES[0]) and value.startswith("AKIA") and value not in self.proven:
                self.failed.append(f"{what}: {value} is published and was never proven")
