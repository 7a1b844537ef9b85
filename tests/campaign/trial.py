"""One case on the real engine: the operation with its fault, the documented recovery, and the leftovers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from typing_extensions import Self

from rig.aws import DEFAULT_ACCOUNT, DEFAULT_REGION
from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.codespace import judge, visible_secrets
from rig.stack import Outcome, Stack, engine_folder

from .contenders import ACCOUNTS, AZURE, CONTENDERS, ECR, ROLE
from .faults import FAULTS, Strike, Target, aws_call, github_call, processes
from .observer import SUFFIXES, Observer, Session
from .operations import ALWAYS_READS, NEVER_READS, OPERATIONS, SOMETIMES_READS, WATCHED, Standing

if TYPE_CHECKING:
    from .contenders import Contender
    from .faults import Fault
    from .observer import Window
    from .operations import Operation


def _image(repository: str) -> str:
    return f"{ECR}/{repository}:latest"


_API, _BASE = _image("payments/api"), _image("shared/base")
_CHARTS = f"{AZURE}/charts:latest"
IAM_USER = "codespaces-payments"
PREFIXES = ("PAYMENTS", "AZURE")
_NAMES = {prefix + suffix for prefix in PREFIXES for suffix in SUFFIXES}
_USER_EXISTS = re.compile(r"EntityAlreadyExists?: User with name")
_MISMATCH_SECONDS = 1.0
"""For how long a user and a password may not belong together where nothing holds up the second write; on a machine with
more to do than it has cores."""
_FINISH = re.compile(r"Publish that generation first|Set it back to")
_ROUNDS = 6
_LINGER_SECONDS = 15.0
_CUT_SHORT = -1
TOKEN = "ghp_CANARYcampaign0123456789"


@dataclass(frozen=True)
class Case:
    """An operation, one of its requests, the fault there, and the next attempt if it is not the same again.

    Attributes:
        contender: the contender that the program belongs to.
        then: the step between the failure and the recovery: a generation that is `raised` or `reverted`, or an update
            that fails again, `raised and failing`, `repeated and failing` or `reverted and failing`.
    """

    contender: str
    operation: str
    target: Target
    fault: str
    then: str = ""

    @classmethod
    def named(cls, name: str) -> Case:
        """The case with this name."""
        contender, operation, where, fault = name.split(" | ")
        cloud, _, call = where.partition(" ")
        call, _, number = call.rpartition(" #")
        fault, _, then = fault.partition(", then ")
        return cls(contender, operation, Target(cloud, call, int(number)), fault, then)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """Its name in reports and for `--only`."""
        then = f", then {self.then}" if self.then else ""
        return f"{self.contender} | {self.operation} | {self.target.cloud} {self.target} | {self.fault}{then}"


@dataclass
class Result:
    """The result of a trial.

    Attributes:
        case: its name.
        reached: whether the request came at all.
        outcome: `green`, `failed` or `killed`.
        recovery: the commands that were needed until everything was as declared.
        instants: the number of changes after which codespaces were checked.
        failed: the broken invariants, except windows.
        windows: milliseconds for which a pair did not belong together, closed by the update itself.
        left_open: the same, closed by a recovery.
        in_windows: the checked instants in them.
        orphans: resources in a cloud that are missing from the state after the recovery.
        unattached: policies of that kind that are attached to nobody and grant nothing.
        problems: all other defects at the end, and printed secrets.
        seconds: the duration.
    """

    case: str
    contender: str
    operation: str
    fault: str
    reached: bool = False
    outcome: str = "green"
    recovery: list[str] = field(default_factory=list[str])
    instants: int = 0
    failed: list[str] = field(default_factory=list[str])
    windows: list[float] = field(default_factory=list[float])
    left_open: list[float] = field(default_factory=list[float])
    in_windows: int = 0
    orphans: list[str] = field(default_factory=list[str])
    unattached: int = 0
    problems: list[str] = field(default_factory=list[str])
    seconds: float = 0.0
    output: str = ""

    @property
    def good(self) -> bool:
        """Whether the trial kept every promise."""
        return not (self.failed or self.orphans or self.problems)

    def as_dict(self) -> dict[str, Any]:
        """As a line of JSON; with the output of the CLI only if something is wrong."""
        return asdict(self) | ({} if not self.good else {"output": ""})


def _too_long(window: Window, fault: Fault) -> list[str]:
    """The problem of a closed window, considering the fault."""
    if window.by_itself:
        limit = 1000 * (_MISMATCH_SECONDS + fault.waits)
        if window.milliseconds > limit:
            return [f"{window.prefix}: a mismatch of {window.milliseconds:.0f} ms, and not of {limit:.0f} at most"]
    elif not (fault.kills or fault.outage):
        return [f"{window.prefix}: a mismatch was left by an update that could have put it back"]
    return []


def _is_previewed(case: str) -> bool:
    """Whether a preview follows a success: a preview costs as much as an update, so every fourth trial has one.

    The next trial uses the same stack, so its preview shows what a skipped preview would have shown.
    """
    return crc32(case.encode()) % 4 == 0


class Bench:
    """A local cloud and a stack for one case after the other; use it as a context manager."""

    def __init__(self, contender: str) -> None:
        self.contender: Contender = CONTENDERS[contender]
        self.standing = Standing(exists=False)
        self._folder = Path(tempfile.mkdtemp(prefix="campaign-"))
        self._made = 0
        self._aws_plugin: subprocess.Popen[str] | None = None
        self._attached: dict[str, str] = {}
        self._observer: Observer | None = None
        self._stuck: list[str] = []
        self._looked_for: set[str] = set()

    def __enter__(self) -> Self:
        seed = {
            "github": {**DEFAULT_SEED["github"], "tokens": {TOKEN: {
                "kind": "classic", "scopes": ["admin:org", "repo"], "login": "platform"}}},
            "aws": {
                "accounts": {DEFAULT_ACCOUNT: {
                    "repositories": {DEFAULT_REGION: {name: ["latest"] for name in (*WATCHED, "shared/base")}},
                    "roles": {ROLE: {"trusts": [DEFAULT_ACCOUNT]}}}},
                "registries": {AZURE: {
                    "user": ACCOUNTS[0][0], "password": ACCOUNTS[0][1], "repositories": ["charts"]}},
            },
        }  # fmt: skip
        self.cloud = LocalCloud(seed, docker="http").__enter__()
        registry = self.cloud.aws.registries.find(AZURE)
        assert registry is not None
        registry.others[ACCOUNTS[1][0]] = ACCOUNTS[1][1]
        self._attach_aws_plugin()
        self._new_stack()
        return self

    def __exit__(self, *_: object) -> None:
        if self._aws_plugin:
            self._aws_plugin.terminate()
            self._aws_plugin.communicate()
        self.cloud.__exit__(None, None, None)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _attach_aws_plugin(self) -> None:
        """Start the AWS plugin unless it runs: a start for each operation would take a tenth of its time."""
        if self._aws_plugin:
            if self._aws_plugin.poll() is None:
                return
            self._aws_plugin.communicate()
        plugin = next((engine_folder().parent / "plugins").glob("resource-aws-*/pulumi-resource-aws"), None)
        if plugin:
            environment = {**os.environ, **self.cloud.environment}
            self._aws_plugin = subprocess.Popen([plugin], env=environment, stdout=subprocess.PIPE, text=True)
            assert self._aws_plugin.stdout is not None
            self._attached = {"PULUMI_DEBUG_PROVIDERS": f"aws:{self._aws_plugin.stdout.readline().strip()}"}

    def _new_stack(self) -> None:
        self._made += 1
        folder = self._folder / f"stack{self._made}"
        (folder / "tmp").mkdir(parents=True)
        environment = {**self.cloud.environment, "TMPDIR": str(folder / "tmp")}
        self.stack = Stack(folder, environment, self.contender.program(self.standing))

    def start_anew(self) -> None:
        """Clean both clouds and make a new stack, after a trial that left something behind."""
        aws, github = self.cloud.aws, self.cloud.github
        iam = aws.client("iam")
        for name in aws.users():
            for key in aws.access_keys(name):
                aws.delete_access_key(name, key.id)
            for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
                iam.delete_user_policy(UserName=name, PolicyName=policy)
            for policy in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
                iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
            iam.delete_user(UserName=name)
        for arn in aws.managed_policies():
            iam.delete_policy(PolicyArn=arn)
        with github.lock:
            github.organization("acme").secrets.clear()
        self.standing = Standing(exists=False)
        self._new_stack()

    # -- running

    def _declare(self, standing: Standing) -> None:
        self.standing = standing
        self.stack.write(self.contender.program(standing))

    def _run(self, command: str, *flags: str, strike: Strike | None = None) -> Outcome:
        """Run the CLI and wait until all its processes have ended."""
        verbs = {
            "up": ("up", "--yes", "--skip-preview"),
            "destroy": ("destroy", "--yes", "--skip-preview"),
            "preview": ("preview",),
            "cancel": ("cancel", "--yes"),
            "refresh": ("refresh", "--yes", "--skip-preview"),
        }
        started = time.monotonic()
        self._attach_aws_plugin()
        process = self.stack.start(*verbs[command], *flags, environment=self._attached)
        if strike:
            strike.session = process.pid
            strike.beside = (self._aws_plugin.pid,) if self._aws_plugin else ()
        try:
            output, _ = process.communicate(timeout=400)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0]
            self._stuck.append(f"`pulumi {command}` did not end")
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        deadline = time.monotonic() + _LINGER_SECONDS
        while left := [member for member in processes(process.pid) if member[0] != process.pid]:
            if time.monotonic() > deadline:
                self._stuck += [
                    f"the {role} still ran {_LINGER_SECONDS:.0f} s after `pulumi {command}`"
                    for _, role in left
                    if role in ("cli", "plugin", "program")
                ]
                for number, _ in left:
                    os.kill(number, signal.SIGKILL)
                break
            time.sleep(0.05)
        returncode = process.returncode
        if command == "destroy" and not returncode and self._checkpoint().get("resources"):
            # After SIGTERM, the CLI (3.259) exits with 0 and says that it has deleted everything.
            returncode = _CUT_SHORT
        if self._observer:
            self._observer.update_ended()
        return Outcome(returncode, output, time.monotonic() - started)

    def be(self, standing: Standing) -> None:
        """Bring a healthy stack to the start of a case.

        Raises:
            RuntimeError: an update failed without a fault.
        """
        if standing == self.standing:
            return
        gone = not standing.exists
        kept = self.standing
        if gone and not kept.exists:
            self._declare(standing)
            return
        if not gone and kept.exists and standing.generation < kept.generation:
            # The generation never goes back; only a new user starts with the first.
            self.be(Standing(exists=False))
            self.be(standing)
            return
        if not gone and not kept.exists and not standing.retired:
            # Only a rotation makes a previous key.
            self.be(replace(standing, generation=standing.generation - 1, retired=True))
        if not gone:
            self._declare(standing)
        outcome = self._run("destroy" if gone else "up")
        if not outcome.ok:
            raise RuntimeError(f"without a fault, from {kept} to {standing}:\n{outcome.output}")
        self._declare(standing)

    def requests_of(self, operation: Operation) -> list[Target]:
        """The requests of an operation without a fault, in order of arrival."""
        self.be(operation.before(self.standing))
        self.cloud.github.clear_requests()
        self.cloud.aws.clear_requests()
        after = operation.after(self.standing)
        if operation.command == "up":
            self._declare(after)
        outcome = self._run(operation.command)
        if not outcome.ok:
            raise RuntimeError(f"{operation.name} without a fault:\n{outcome.output}")
        self._declare(after)
        made: list[tuple[float, str, str]] = [
            (request.at, "github", github_call(request.method, request.path, request.query))
            for request in self.cloud.github.requests
        ]
        calls = [*self.cloud.aws.requests, *self.cloud.aws.registry_requests]
        made += [(request.at.timestamp(), "aws", aws_call(request)) for request in calls]
        counts: Counter[tuple[str, str]] = Counter()
        targets: list[Target] = []
        for _, cloud, call in sorted(made, key=lambda request: request[0]):
            counts[cloud, call] += 1
            targets.append(Target(cloud, call, counts[cloud, call]))  # type: ignore[arg-type]
        if self.contender is not CONTENDERS["ours"] and after.exists:
            # A successful update may have left the stock resources without secrets.
            self._run("up", "--refresh")
        return targets

    # -- a case

    def try_case(self, case: Case) -> Result:
        """Run a case; if it leaves something behind, start again with a clean cloud."""
        started = time.monotonic()
        operation, fault = OPERATIONS[case.operation], FAULTS[case.fault]
        result = Result(
            case.name, case.contender, case.operation, case.fault + (f", then {case.then}" * bool(case.then))
        )
        said: list[str] = []
        try:
            self.be(operation.before(self.standing))
            self._try(case, result, operation, fault, said)
        except Exception as error:  # noqa: BLE001 - one trial that breaks must not end the campaign
            result.problems.append(f"the trial broke: {error!r}")
        result.output = "\n----\n".join(said)[-12000:]
        result.seconds = round(time.monotonic() - started, 1)
        if not result.good:
            self.start_anew()
        return result

    def _try(self, case: Case, result: Result, operation: Operation, fault: Fault, said: list[str]) -> None:
        before, after = self.standing, operation.after(self.standing)
        observer = self._observer = self._watching(before, after)
        observer.begin()
        try:
            if operation.command == "up":
                self._declare(after)
            outcome, strike = self._struck(operation.command, case.target, fault, said)
            result.reached = strike.struck and not strike.missed
            if outcome.ok:
                result.outcome = "green"
            else:
                result.outcome = "killed" if fault.kills else "failed"
            killed = fault.kills
            failed = after
            if case.then and not outcome.ok:
                if fault.kills:
                    self._cancel(result, said)
                if not observer.mismatched:
                    # A codespace that starts now has these secrets when the next rotation begins.
                    observer.session = Session(visible_secrets(self.cloud.github, ALWAYS_READS), (_API, _CHARTS))
                after, outcome = self._then(case, before, failed, fault, said)
                killed = fault.kills and case.then.endswith("failing")
            after = self._recover(operation, after, failed, outcome, result, said, killed=killed)
        finally:
            self._observer = None
            observer.end()
        self._declare(after)
        self._close(observer, result, fault)
        self._look_at_what_is_left(after, result)
        result.problems += self._shown_secrets(said) + self._stuck
        self._stuck = []

    def _struck(self, command: str, target: Target, fault: Fault, said: list[str]) -> tuple[Outcome, Strike]:
        """Run a command with a fault at a request."""
        strike = Strike(self.cloud, target)
        fault.order(strike)
        try:
            outcome = self._run(command, strike=strike)
        finally:
            strike.lift()
        said.append(outcome.output)
        return outcome, strike

    def _watching(self, before: Standing, after: Standing) -> Observer:
        ours = self.contender is CONTENDERS["ours"]
        readers = [ALWAYS_READS, *([SOMETIMES_READS] if before.api_reads and after.api_reads else [])]
        strangers = [NEVER_READS, *([] if before.api_reads or after.api_reads else [SOMETIMES_READS])]
        listed = [_image(name) for name in WATCHED if name in before.repositories and name in after.repositories]
        unlisted = [
            _image(name) for name in WATCHED if name not in before.repositories and name not in after.repositories
        ]
        observer = Observer(
            self.cloud,
            pulls=[(reader, image) for reader in readers for image in (*listed, _CHARTS)],
            never=[(stranger, image) for stranger in strangers for image in (_API, _CHARTS)]
            + [(ALWAYS_READS, image) for image in (*unlisted, _BASE)],
            denied=before.suspended or after.suspended,
            retires=not after.keep,
            whole=before.exists and after.exists,
            proving=ours,
        )
        if before.exists:
            secrets = visible_secrets(self.cloud.github, ALWAYS_READS)
            observer.proven.add(secrets["PAYMENTS_CONTAINER_REGISTRY_USER"])
            if after.exists:
                observer.session = Session(secrets, (_API, _CHARTS))
        return observer

    def _then(
        self, case: Case, before: Standing, after: Standing, fault: Fault, said: list[str]
    ) -> tuple[Standing, Outcome]:
        """Run the update after a failure, with or without a second fault; returns its declarations and its outcome."""
        word, _, failing = case.then.partition(" and ")
        generations = {"raised": after.generation + 1, "repeated": after.generation, "reverted": before.generation}
        other = replace(after, generation=generations[word])
        self._declare(other)
        if failing:
            outcome, _ = self._struck("up", case.target, fault, said)
        else:
            outcome = self._run("up")
            said.append(outcome.output)
        return other, outcome

    # -- recovery

    def _recover(
        self,
        operation: Operation,
        after: Standing,
        failed: Standing,
        outcome: Outcome,
        result: Result,
        said: list[str],
        *,
        killed: bool,
    ) -> Standing:
        """Follow the documentation until everything is as declared; returns the declarations.

        If the update refuses a generation other than the `failed` one, finish the failed one first.
        """
        if killed and not outcome.ok:
            self._cancel(result, said)
        if operation.command == "destroy":
            self._recover_destroy(outcome, result, said)
            return after
        for _ in range(_ROUNDS):
            if not outcome.ok:
                if after != failed and _FINISH.search(outcome.output):
                    after = failed
                    result.recovery.append("key_generation")
                outcome = self._step(after, outcome, result, said)
                continue
            if self._checkpoint().get("pending_operations"):
                # The engine warns of the pending operations of a killed run until somebody clears them.
                self._note(result, said, "refresh", "--clear-pending-creates")
            if not after.keep and not after.retired:
                # The update after the publication has to retire the previous key.
                outcome = self._run("up")
                said.append(outcome.output)
                after = replace(after, retired=outcome.ok)
                continue
            checked = result.outcome != "green" or _is_previewed(result.case)
            if not checked and not self._differences(after) + self._strangers():
                return after
            outcome = self._run("preview", "--expect-no-changes")
            said.append(outcome.output)
            if outcome.ok and not self._differences(after):
                return after
            if outcome.ok:
                result.recovery.append("up --refresh")
                outcome = self._run("up", "--refresh")
                said.append(outcome.output)
            else:
                outcome = self._step(after, outcome, result, said)
        result.problems.append("it does not converge")
        return after

    def _step(self, after: Standing, outcome: Outcome, result: Result, said: list[str]) -> Outcome:
        """Follow the documentation and the message, and update again."""
        standing = after
        if "LimitExceeded" in outcome.output and "aws iam delete-access-key" not in outcome.output:
            # `pulumi up` starts with a preview, which names the key; here it runs with --skip-preview.
            outcome = self._run("preview")
            said.append(outcome.output)
        if self.cloud.delete_named_keys(outcome.output):
            result.recovery.append("aws iam delete-access-key")
        elif "has these secrets already" in outcome.output:
            standing = replace(after, adopt=True)
            result.recovery.append("adopt_existing")
        elif _USER_EXISTS.search(outcome.output):
            self.cloud.aws.client("iam").delete_user(UserName=IAM_USER)
            result.recovery.append("aws iam delete-user")
        self._declare(standing)
        # The AWS provider may record a refused change as done; a killed run may have done more than it recorded.
        flags = ("--refresh",) if result.recovery.count("up") else ()
        result.recovery.append("up --refresh" if flags else "up")
        again = self._run("up", *flags)
        said.append(again.output)
        if standing != after:
            self._declare(after)
        return again

    def _recover_destroy(self, outcome: Outcome, result: Result, said: list[str]) -> None:
        for _ in range(_ROUNDS):
            if outcome.ok:
                if self._checkpoint().get("pending_operations"):
                    self._note(result, said, "refresh", "--clear-pending-creates")
                return
            if "DeleteConflict" in outcome.output and result.recovery.count("destroy"):
                preview = self._run("preview")
                said.append(preview.output)
                if self.cloud.delete_named_keys(preview.output):
                    result.recovery.append("aws iam delete-access-key")
            flags = ("--refresh",) if result.recovery.count("destroy") else ()
            result.recovery.append("destroy --refresh" if flags else "destroy")
            outcome = self._run("destroy", *flags)
            said.append(outcome.output)
        if not outcome.ok:
            result.problems.append("it cannot be destroyed")

    def _cancel(self, result: Result, said: list[str]) -> None:
        """Cancel the killed update; if the backend's file beside the state is damaged, delete that file first."""
        said.append(self._run("cancel").output)
        if "failed to load checkpoint: EOF" in said[-1]:
            result.recovery.append("rm .json.attrs")
            self.stack.state_description.unlink()
            said.append(self._run("cancel").output)
        result.recovery.append("cancel")

    def _note(self, result: Result, said: list[str], *command: str) -> None:
        result.recovery.append(" ".join(command))
        said.append(self._run(*command).output)

    # -- leftovers

    def _close(self, observer: Observer, result: Result, fault: Fault) -> None:
        result.instants, result.in_windows = observer.instants, observer.in_windows
        result.failed = observer.failed
        for window in observer.windows:
            (result.windows if window.by_itself else result.left_open).append(round(window.milliseconds, 1))
            if window.closed is None:
                result.failed.append(f"{window.prefix} is left with a user and a password that do not belong together")
            elif self.contender is CONTENDERS["ours"]:
                result.failed += _too_long(window, fault)

    def _differences(self, after: Standing) -> list[str]:
        """The differences between the clouds and the declarations."""
        differences: list[str] = []
        secrets = self.cloud.github.organization("acme").secrets
        if set(secrets) != _NAMES:
            return [f"secrets: {sorted(set(secrets) ^ _NAMES)} are missing or too many"]
        readers = {11, 12} if after.api_reads else {11}
        differences += [
            f"{name} is read by {secret.repository_ids}"
            for name, secret in secrets.items()
            if secret.repository_ids != readers
        ]
        checks = [(ALWAYS_READS, _CHARTS)]
        checks += [(SOMETIMES_READS, _API)] if after.api_reads else []
        checks += [(ALWAYS_READS, _image(name)) for name in WATCHED if name in after.repositories]
        for repository, image in checks:
            pull = judge(self.cloud.github, self.cloud.aws, repository, image)
            denied = after.suspended and image.startswith(ECR)
            if pull.ok is denied:
                differences.append(f"{repository} {'can' if pull.ok else 'cannot'} pull {image}: {pull.reason}")
        others = [_image(name) for name in WATCHED if name not in after.repositories]
        differences += [
            f"{ALWAYS_READS} can still pull {image}"
            for image in others
            if judge(self.cloud.github, self.cloud.aws, ALWAYS_READS, image).ok
        ]
        return differences + self._key_differences(after)

    def _key_differences(self, after: Standing) -> list[str]:
        if self.contender is not CONTENDERS["ours"]:
            return []
        state = {
            resource["urn"].rsplit("::", 1)[-1]: resource for resource in self._checkpoint().get("resources") or []
        }
        keys = {key.id: key.status for key in self.cloud.aws.access_keys(IAM_USER)}
        published = self.cloud.github.organization("acme").secrets["PAYMENTS_CONTAINER_REGISTRY_USER"].value
        rotation = state["payments-rotation"]["outputs"]
        differences: list[str] = []
        current = state[f"payments-key-{rotation['current']}"]["id"]
        if published != current:
            differences.append(f"{published} is published, and not {current}")
        for slot in "ab":
            key = state.get(f"payments-key-{slot}")
            if key and keys.get(key["id"]) != rotation["statuses"][slot]:
                differences.append(f"key {slot} is {keys.get(key['id'])}, and not {rotation['statuses'][slot]}")
        if not after.keep and after.retired and list(keys.values()).count("Active") != 1:
            differences.append("the key before is not retired")
        return differences

    def _look_at_what_is_left(self, after: Standing, result: Result) -> None:
        checkpoint = self._checkpoint()
        resources = checkpoint.get("resources") or []
        if checkpoint.get("pending_operations"):
            result.problems.append("the state has pending operations")
        if any(resource.get("delete") for resource in resources):
            result.problems.append("the state has resources that wait to be deleted")
        result.orphans += self._strangers()
        ids = {resource.get("id") for resource in resources}
        attached = {arn for user in self.cloud.aws.users().values() for arn in user.attached_policies}
        result.orphans += [f"policy {arn}" for arn in attached if arn not in ids]
        # A policy whose response was lost grants nothing; the documentation says how to find it.
        for arn in self.cloud.aws.managed_policies():
            if arn not in ids and arn not in attached:
                self.cloud.aws.client("iam").delete_policy(PolicyArn=arn)
                result.unattached += 1
        if not after.exists:
            result.orphans += [f"secret {name}" for name in self.cloud.github.organization("acme").secrets]
        elif differences := self._differences(after):
            result.problems += differences

    def _strangers(self) -> list[str]:
        """Users, access keys and inline policies that are missing from the state; a preview names a key."""
        ids = {resource.get("id") for resource in self._checkpoint().get("resources") or []}
        users = self.cloud.aws.users()
        strangers = [f"user {name}" for name in users if name not in ids]
        strangers += [f"key {key.id}" for name in users for key in users[name].access_keys if key.id not in ids]
        policies = [f"{user}:{name}" for user in users for name in users[user].inline_policies]
        return strangers + [f"policy {policy}" for policy in policies if policy not in ids]

    def _checkpoint(self) -> dict[str, Any]:
        return json.loads(self.stack.state_file.read_text())["checkpoint"]["latest"] or {}

    def _shown_secrets(self, said: list[str]) -> list[str]:
        """Secrets in the output of the CLI, in the backend's files, in temporary files, or in requests."""
        files = [*self.stack.folder.glob("backend/**/*"), *self.stack.folder.glob("tmp/**/*")]
        texts = {str(path): path.read_text(errors="replace") for path in files if path.is_file()}
        texts |= {f"output {number}": text for number, text in enumerate(said, 1)}
        texts["requests"] = "".join(
            request.raw.decode("latin-1") + str(request.body) for request in self.cloud.github.requests
        )
        handed_out = self.cloud.aws.handed_out()
        published = self.cloud.github.organization("acme").secrets.items()
        secret = handed_out - self._looked_for | {entry.value for name, entry in published if "PASSWORD" in name}
        self._looked_for = handed_out
        secret |= {password for _, password in ACCOUNTS} | {TOKEN, self.cloud.environment["AWS_SECRET_ACCESS_KEY"]}
        self.cloud.github.clear_requests()
        return [f"a secret shows in {where}" for where, text in texts.items() for value in secret if value in text]
