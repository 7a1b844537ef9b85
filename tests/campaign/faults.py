"""Faults at requests.

The name of a request is its cloud, its call (`PUT /orgs/acme/codespaces/secrets/…`, `iam.CreateAccessKey`), and its
number among the same calls of the operation. This name is the same in every run. The position among all requests is
not, since the engine works on independent resources concurrently.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rig.github import Action
from rig.stack import PLUGIN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rig.aws.calls import AwsCall
    from rig.cloud import LocalCloud
    from rig.github import FaultRequest

CloudName = Literal["github", "aws"]
Lasting = Literal["once", "stuck", "outage"]
_HANG_SECONDS = 60.0
"""Longer than any client of GitHub here waits."""
_PATIENCE_SECONDS = 10.0
"""How long ours waits for the answer to a write."""
_AWS_HANG_SECONDS = 17.0
"""Longer than the key's verification waits; the AWS plugin's own patience is not what is tested."""


@dataclass(frozen=True)
class Target:
    """A request of an operation.

    Attributes:
        cloud: the cloud that gets it.
        call: the call.
        number: its number among the same calls of the operation, from 1.
    """

    cloud: CloudName
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} #{self.number}"


def github_call(method: str, path: str, query: str) -> str:
    """The name of a request to GitHub."""
    pages = [part for part in query.split("&") if part.startswith("page=")]
    return f"{method} {path}{'?' + pages[0] if pages else ''}"


def aws_call(call: AwsCall) -> str:
    """The name of a call of AWS or of a registry."""
    return f"{call.service}.{call.action}"


@dataclass
class Strike:
    """A fault that waits for its request.

    Attributes:
        cloud: the local cloud.
        target: the request.
        session: the session id of the CLI's process, set once it runs.
        beside: processes that work for the CLI outside its session, killed with everything else.
        struck: whether the request came.
        missed: whether no process was there to get the signal.
    """

    cloud: LocalCloud
    target: Target
    session: int = 0
    beside: tuple[int, ...] = ()
    struck: bool = False
    missed: bool = False
    seen: int = 0

    def at_github(self, act: Callable[[], Action | None], lasting: Lasting = "once") -> None:
        """Act at the request and, if the fault lasts, at the same call or at every request from then on."""

        def decide(request: FaultRequest) -> Action | None:
            same = github_call(request.method, request.path, request.query) == self.target.call
            self.seen += same
            if same and self.seen == self.target.number:
                self.struck = True
                return act()
            return act() if self.struck and (lasting == "outage" or (lasting == "stuck" and same)) else None

        self.cloud.github.faults.add_callback(decide)

    def at_aws(self, kind: Any, *, lasting: Lasting = "once", **details: Any) -> None:
        """The same at a call of AWS."""
        service, action = self.target.call.split(".", 1)
        times = 1 if lasting == "once" else None
        faults = self.cloud.aws.faults

        def begins(_: AwsCall) -> None:
            self.struck = True
            if lasting == "outage":
                faults.add("*", kind, times=None, **details)

        faults.add_callback(action, begins, after=self.target.number - 1, service=service)
        faults.add(action, kind, after=self.target.number - 1, times=times, service=service, **details)

    def at_either(self, act: Callable[[], object], *, handled: bool = True) -> None:
        """Act at the request in either cloud, and then answer the request as usual or drop it."""
        if self.target.cloud == "github":
            self.at_github(lambda: (act(), None if handled else Action("reset_before"))[1])
            return
        service, action = self.target.call.split(".", 1)

        def strike(_: AwsCall) -> None:
            self.struck = True
            act()

        faults, passing = self.cloud.aws.faults, self.target.number - 1
        faults.add_callback(action, strike, after=passing, service=service)
        if not handled:
            faults.add(action, "reset_before", after=passing, service=service)

    def kill(self, role: str, number: signal.Signals) -> None:
        """Send a signal to the processes with this role."""
        wanted = [process for process, other in processes(self.session) if role in ("everything", other)]
        sent = 0
        for process in (*wanted, *(self.beside if role == "everything" else ())):
            try:
                os.kill(process, number)
                sent += 1
            except ProcessLookupError:
                continue
        self.missed = not sent

    def lift(self) -> None:
        """End the fault."""
        self.cloud.github.faults.clear()
        self.cloud.aws.faults.clear()
        self.cloud.aws.new_key_delay = 0.0


def processes(session: int) -> Iterator[tuple[int, str]]:
    """The processes of a session with their roles: cli, program, plugin or other."""
    for folder in Path("/proc").glob("[0-9]*"):
        number = int(folder.name)
        try:
            if os.getsid(number) != session:
                continue
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, IndexError):
            continue
        if state == "Z":
            continue
        if number == session:
            yield number, "cli"
        elif any(word.endswith(b"/" + PLUGIN_FOLDER.encode()) for word in words[:3]):
            yield number, "plugin"
        elif any(word.endswith(b"pulumi-language-python-exec") for word in words[:3]):
            yield number, "program"
        else:
            yield number, "other"


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: as in the report.
        fits: whether it can happen at a request.
        order: installs it.
        kills: whether a process is killed.
        outage: whether GitHub refuses everything until the recovery, so that nothing can be put back.
        waits: seconds by which it delays a request that then succeeds.
    """

    name: str
    fits: Callable[[Target], bool]
    order: Callable[[Strike], None]
    kills: bool = False
    outage: bool = False
    waits: float = 0.0


def _github(target: Target) -> bool:
    return target.cloud == "github"


def _aws(target: Target) -> bool:
    return target.cloud == "aws"


def _github_writes(target: Target) -> bool:
    return _github(target) and not target.call.startswith("GET ")


def _aws_writes(target: Target) -> bool:
    writes = ("Create", "Put", "Attach", "Update", "Delete", "Detach", "Set", "Tag")
    return target.call.startswith(tuple(f"iam.{word}" for word in writes))


def _seals_a_value(target: Target) -> bool:
    return target.call.startswith("PUT /orgs/acme/codespaces/secrets/") and not target.call.endswith("/repositories")


def _counts_against_a_quota(target: Target) -> bool:
    return target.call.startswith(("iam.Create", "iam.Put", "iam.Attach"))


def _answer(status: int, message: str = "Server Error") -> Callable[[], Action]:
    return lambda: Action("status", status=status, message=message)


def _rotate_key(strike: Strike) -> None:
    strike.at_github(lambda: (strike.cloud.github.rotate_public_key("acme"), None)[1])


def _delay_new_keys(seconds: float) -> Callable[[Strike], None]:
    def order(strike: Strike) -> None:
        strike.at_either(lambda: setattr(strike.cloud.aws, "new_key_delay", seconds))

    return order


def _kill(role: str, number: signal.Signals, *, handled: bool = True) -> Fault:
    return Fault(
        f"{number.name} to {'the ' if role != 'everything' else ''}{role}{'' if handled else ', not handled'}",
        lambda target: True,
        lambda strike: strike.at_either(lambda: strike.kill(role, number), handled=handled),
        kills=True,
    )


def _at_github(name: str, act: Callable[[], Action], lasting: Lasting = "once", **details: Any) -> Fault:
    return Fault(name, _github, lambda strike: strike.at_github(act, lasting), outage=lasting == "outage", **details)


_TABLE = [
    _at_github("500", _answer(500)),
    _at_github("502 at each try", _answer(502), "stuck"),
    _at_github("503 from everything from then on", _answer(503), "outage"),
    # Clients wait one second more than GitHub asks for, and a primary limit resets at a whole second of the clock.
    _at_github("429 with Retry-After", lambda: Action("secondary_limit", status=429, retry_after=1), waits=2),
    _at_github("403 secondary limit with Retry-After", lambda: Action("secondary_limit", retry_after=2), waits=3),
    _at_github("403 primary limit with reset", lambda: Action("primary_limit", reset_in=2), waits=4),
    _at_github("connection reset, not handled", lambda: Action("reset_before")),
    _at_github("connection reset, handled", lambda: Action("reset_after")),
    Fault("connection reset at each try, handled", _github_writes, lambda strike: strike.at_github(
        lambda: Action("reset_after"), "stuck")),
    _at_github("hang until timeout", lambda: Action("hang", seconds=_HANG_SECONDS), waits=_PATIENCE_SECONDS),
    Fault("hang until timeout, handled", _github_writes, lambda strike: strike.at_github(
        lambda: Action("hang_after", seconds=_HANG_SECONDS)), waits=_PATIENCE_SECONDS),
    _at_github("401, the token is revoked", _answer(401, "Bad credentials"), "outage"),
    Fault("422, the public key was rotated", _seals_a_value, _rotate_key),
    Fault("AWS 500", _aws, lambda strike: strike.at_aws("status", status=500)),
    Fault("AWS 503 at each try", _aws, lambda strike: strike.at_aws(
        "status", lasting="stuck", status=503, code="ServiceUnavailable")),
    Fault("AWS throttles", _aws, lambda strike: strike.at_aws("throttle")),
    Fault("AWS throttles at each try", _aws, lambda strike: strike.at_aws("throttle", lasting="stuck")),
    Fault("AWS LimitExceeded", _counts_against_a_quota, lambda strike: strike.at_aws("limit", lasting="stuck")),
    Fault("AWS denies everything from then on", _aws, lambda strike: strike.at_aws("denied", lasting="outage")),
    Fault("AWS connection reset, not handled", _aws, lambda strike: strike.at_aws("reset_before")),
    Fault("AWS connection reset, handled", _aws, lambda strike: strike.at_aws("reset_after")),
    Fault("AWS connection reset at each try, handled", _aws_writes, lambda strike: strike.at_aws(
        "reset_after", lasting="stuck")),
    Fault("AWS hangs", _aws, lambda strike: strike.at_aws("hang", seconds=_AWS_HANG_SECONDS)),
    *(
        Fault(
            f"a new key is accepted after {seconds} s",
            lambda target: target.call == "iam.CreateAccessKey",
            _delay_new_keys(seconds),
        )
        for seconds in (0, 10, 60)
    ),
    *(_kill(role, number) for role in ("cli", "plugin", "program") for number in (signal.SIGTERM, signal.SIGKILL)),
    _kill("everything", signal.SIGKILL),
    _kill("everything", signal.SIGKILL, handled=False),
]  # fmt: skip
FAULTS = {fault.name: fault for fault in _TABLE}
