"""The world that searches run the plugin in: GitHub, IAM and the engine's state in memory, with faults and kills.

It has clocks with one-second stamps, answers that are lost, and processes that are killed. Chance is handed in, as
dice or as a script, so that a random search and a state machine of hypothesis run the very same world. The code under
test is real: the rotation, the writer and `OrganizationSecrets`.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from pulumi_codespaces.clients.codespaces_secrets import Place, SecretInfo
from pulumi_codespaces.clients.credentials import Configuration
from pulumi_codespaces.clients.errors import ActionableError, CloudError, OutcomeUnknown
from pulumi_codespaces.plugin.failures import PartialWrite
from pulumi_codespaces.plugin.resources import RESOURCES
from pulumi_codespaces.plugin.run import Run
from pulumi_codespaces.plugin.wire import decode, encode
from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.rotation import SLOTS, first_rotation, next_rotation

if TYPE_CHECKING:
    from pulumi_codespaces.rules.secret_names import Triple

URN = "urn:pulumi:test::access::codespaces:index:OrganizationSecrets::x"
SECRETS = RESOURCES["codespaces:index:OrganizationSecrets"]


class Killed(BaseException):
    """The process was killed; none of its code runs any more."""


class Broken(AssertionError):
    """An invariant does not hold."""


class Fault(Enum):
    """The fates of a request."""

    REFUSED = "refused"
    UNHANDLED = "no answer, and not handled"
    LOST = "no answer, but handled"
    KILLED_BEFORE = "killed before it was handled"
    KILLED_AFTER = "killed after it was handled"


@dataclass
class Script:
    """Chance that is written down, so that hypothesis can shrink it.

    Attributes:
        faults: number of a request, from 1 -> its fate.
        write_faults: the same, but only for requests that write a secret, where there is most to lose.
        delays: how many seconds each write takes, over and over.
        swapped: whether requests whose order is free come in the other order.
    """

    faults: dict[int, Fault] = field(default_factory=dict)
    write_faults: dict[int, Fault] = field(default_factory=dict)
    delays: tuple[int, ...] = (1,)
    swapped: bool = False
    requests: int = 0
    writes: int = 0

    def fault(self, *, write):
        self.requests += 1
        self.writes += write
        return self.faults.get(self.requests) or (self.write_faults.get(self.writes) if write else None)

    def seconds(self):
        return self.delays[self.writes % len(self.delays)]

    def order(self, both):
        return tuple(reversed(both)) if self.swapped else both


def scripts(requests):
    """Scripts with a few faults among so many requests."""
    return st.builds(
        Script,
        faults=st.dictionaries(st.integers(1, requests), st.sampled_from(Fault), max_size=1),
        write_faults=st.dictionaries(st.integers(1, 8), st.sampled_from(Fault), max_size=2),
        delays=st.lists(st.integers(0, 2), min_size=1, max_size=3).map(tuple),
        swapped=st.booleans(),
    )


@dataclass
class Dice:
    """Chance that is thrown, with a rate of faults."""

    random: object
    rate: float = 0.0

    def fault(self, *, write):
        chance, faults = self.random.random(), iter(Fault)
        for share in (1, 0.3, 0.7, 0.2, 0.5):
            fault = next(faults)
            if chance < share * self.rate:
                return fault
            chance -= share * self.rate
        return None

    def seconds(self):
        return self.random.choice([0, 0, 1, 2])

    def order(self, both):
        return tuple(self.random.sample(both, 2))


@dataclass(frozen=True)
class Held:
    """A secret in GitHub.

    Attributes:
        at: when it was last written.
        ours: whether the stack made it or took it over.
        edited: whether others were the last to write it.
    """

    value: str
    visibility: str
    repositories: frozenset[int]
    at: int
    ours: bool = True
    edited: bool = False

    @property
    def content(self):
        return (self.value, self.visibility, self.repositories)


@dataclass
class GitHub:
    """GitHub's secrets, the clock, and every request to any cloud.

    Attributes:
        observers: called with each request and its fault, after it was handled or was not.
    """

    chance: object = field(default_factory=Script)
    clock: int = 0
    held: dict[str, Held] = field(default_factory=dict)
    observers: list[object] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def request(self, what, do, lost=OutcomeUnknown):
        fault = self.chance.fault(write=what.startswith(("PUT", "DELETE")))
        self.trace.append(f"{what}: {fault.value if fault else 'done'}")
        result = None
        refusal = None
        if fault in (None, Fault.LOST, Fault.KILLED_AFTER):
            try:
                result = do()
            except CloudError as error:
                refusal = error
                self.trace.append(f"  {error}")
        for observe in self.observers:
            observe(what, fault)
        if fault in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER):
            raise Killed
        if fault is Fault.REFUSED:
            raise CloudError(f"{what}: refused", 403)
        if fault:
            raise lost(f"{what}: no answer")
        if refusal:
            raise refusal
        return result

    def stamps(self):
        return {name: stamp(secret.at) for name, secret in self.held.items()}

    def outside(self, name, **changes):
        """Somebody else writes a secret, long after and long before anything else happens."""
        self.clock += 120
        before = self.held.get(name) or Held("", "all", frozenset(), 0, ours=False)
        self.held[name] = replace(before, **changes, at=self.clock, edited=True)
        self.trace.append(f"--- {name} is written by somebody else: {changes}")

    def delete_outside(self, name):
        del self.held[name]
        self.trace.append(f"--- {name} is deleted by somebody else")

    def run(self, chance):
        """A process of the plugin that works here."""
        self.chance = chance
        self.clock += 2
        run = Run(Configuration("acme", "https://github.example/", "ghp_x"), lambda *_: None)
        run._secrets["acme"] = _Client(self)
        return run


def stamp(moment):
    return (datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=moment)).isoformat().replace("+00:00", "Z")


class _Client:
    """What a run has in place of `secret_client.Secrets`."""

    place = Place("acme")
    pairs = nullcontext()

    def __init__(self, github):
        self._github = github
        self._listed = None

    def may_write(self):
        return True

    async def public_key(self):
        self._github.request("GET public key", lambda: None, CloudError)

    async def secrets(self, *, fresh=False):
        def listing():
            held = self._github.held.items()
            return {name: SecretInfo(name, stamp(secret.at), secret.visibility) for name, secret in held}

        if fresh or self._listed is None:
            self._listed = self._github.request("GET secrets", listing, CloudError)
        return self._listed

    async def secret_repositories(self, name):
        def repositories():
            return {number: f"repository-{number}" for number in self._existing(name).repositories}

        return self._github.request(f"GET {name} repositories", repositories, CloudError)

    async def put_secret(self, name, value, visibility, repository_ids, *, urgent=False):
        def put():
            self._github.clock += self._github.chance.seconds()
            readers = frozenset(repository_ids if visibility == "selected" else ())
            self._github.held[name] = Held(value, visibility, readers, self._github.clock)

        self._github.request(f"PUT {name}", put)

    async def put_secret_repositories(self, name, repository_ids):
        def put():
            before = self._existing(name)
            if before.visibility != "selected":
                raise CloudError(f"{name}: its visibility is {before.visibility}", 409)
            self._github.clock += self._github.chance.seconds()
            changes = {"repositories": frozenset(repository_ids), "at": self._github.clock}
            self._github.held[name] = replace(before, **changes)

        self._github.request(f"PUT {name} repositories", put)

    async def delete_secret(self, name):
        self._github.request(f"DELETE {name}", lambda: self._github.held.pop(name, None))

    def _existing(self, name):
        if name not in self._github.held:
            raise CloudError(f"{name}: not found", 404)
        return self._github.held[name]


@dataclass
class Stored:
    """The engine's record of one resource.

    Attributes:
        inputs: of the last update.
        state: the outputs; empty without the resource.
        failed: whether the last update was not finished, so that the next one comes whatever Diff says.
    """

    inputs: dict[str, object] = field(default_factory=dict)
    state: dict[str, object] = field(default_factory=dict)
    failed: bool = False


def travelled(value):
    """As it comes back from the engine, which keeps no types of Python."""
    return decode(encode(value)) if isinstance(value, dict) else value


async def up(run, inputs, stored):
    """Handle a resource as the engine does in `up`; returns its new record, and the error."""
    try:
        new = travelled(await SECRETS.check(run, URN, stored.inputs, travelled(inputs)))
        if not stored.state:
            _, made = await SECRETS.create(run, URN, new, preview=False)
            return Stored(new, travelled(made)), None
        if not stored.failed and not (await SECRETS.difference(run, URN, stored.state, new)).changes:
            return Stored(new, stored.state), None
        return Stored(new, travelled(await SECRETS.update(run, URN, "id", stored.state, new, preview=False))), None
    except PartialWrite as error:
        return Stored(travelled(error.inputs), travelled(error.properties), failed=True), error
    except ActionableError as error:
        return stored, error


async def refresh(run, stored):
    """Handle a resource as the engine does in `refresh`; returns its new record."""
    if not stored.state:
        return stored
    found = await SECRETS.read(run, URN, "id", stored.inputs, stored.state)
    if found is None:
        return Stored()
    return Stored(travelled(found.inputs), travelled(found.properties), stored.failed)


@dataclass
class World:
    """A user with access keys, the registries whose secrets carry them, and what the engine remembers of all that."""

    triples: list[Triple]
    github: GitHub = field(default_factory=GitHub)
    last_key: int = 0
    keys: dict[int, str] = field(default_factory=dict)
    verified: set[int] = field(default_factory=set)
    rotation: object = None
    slot_keys: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    proven: int | None = None
    stored: Stored = field(default_factory=Stored)
    once_published: set[int] = field(default_factory=set)
    mixed: set[Triple] = field(default_factory=set)
    struck: set[Triple] = field(default_factory=set)

    def __post_init__(self):
        self.github.observers.append(self._observe)

    @property
    def trace(self):
        return self.github.trace

    def published(self, triple):
        held = (self.github.held.get(name) for name in triple.names[:2])
        return tuple(secret.value if secret else "" for secret in held)

    def _observe(self, what, fault):
        if len(self.keys) > 2:
            raise Broken("more than two keys")
        for triple in self.triples:
            touched = what.split(" ")[1] in triple.names[:2]
            if fault and touched:
                self.struck.add(triple)
            if triple in self.mixed and not touched and triple not in self.struck:
                raise Broken(f"{what} comes between the two writes of {triple.prefix}'s pair")
            user, password = self.published(triple)
            (self.mixed.add if user != password else self.mixed.discard)(triple)
            if user and user == password:
                if self.keys.get(int(user)) != "Active":
                    raise Broken(f"published key {user} is {self.keys.get(int(user))}")
                if int(user) not in self.verified:
                    raise Broken(f"published key {user} was never verified")

    async def attempt(self, generation, keep, triples, chance):
        """One `pulumi up`; gives whether it was green."""
        self.trace.append(f"--- up generation={generation} keep={keep} registries={len(triples)}")
        # What an update before this one left in two halves was found out when that one ended.
        self.struck = set(self.mixed)
        try:
            await self._update(generation, keep, triples, chance)
        except (ActionableError, RuleViolation) as refused:
            self.trace.append(f"failed: {refused}")
            return False
        except Killed:
            return False
        return True

    async def _update(self, generation, keep, triples, chance):
        """What one `pulumi up` does, in the order the components make the engine do it."""
        run = self.github.run(chance)
        marks = {
            name: stamp
            for name, stamp in self.github.stamps().items()
            if any(name in triple.names for triple in triples)
        }
        rotation = (
            first_rotation(generation, marks)
            if self.rotation is None
            else next_rotation(self.rotation, generation, keep_previous_key=keep, triples=triples, marks=marks)
        )
        previous, self.rotation = self.rotation, rotation
        self.trace.append(f"{rotation}")
        may_retire = not keep and previous is not None and rotation.generation == previous.generation
        for slot in chance.order(SLOTS):
            if slot == "b" and generation == 1:
                continue
            held = self.slot_keys.get(slot)
            if held and rotation.statuses[slot] == "Inactive" and held[0] in self.once_published and not may_retire:
                raise Broken(f"key {held[0]}, which codespaces from before hold, is retired by the update that rotates")
            self._key(slot, rotation.slots[slot].serial, rotation.statuses[slot])
        undeclared = self.slot_keys["b"][0] if generation == 1 and "b" in self.slot_keys else None
        current = self.slot_keys[rotation.current][0]
        if self.proven != current:
            self.github.request(f"verify {current}", lambda: self._verify(current), CloudError)
            self.proven = current
        before = {self.published(triple) for triple in triples}
        await self._publish(run, rotation, current, triples)
        renewed = previous is not None and rotation.serial != previous.serial
        if renewed and {self.published(triple) for triple in triples} != before and current in self.once_published:
            raise Broken(f"generation {generation} publishes key {current}, which was published before")
        self.once_published.add(current)
        if undeclared is not None:
            self.github.request(f"delete undeclared {undeclared}", lambda: self.keys.pop(undeclared, None))
            del self.slot_keys["b"]

    def _verify(self, key):
        if self.keys.get(key) != "Active":
            raise CloudError("dead key", 403)
        self.verified.add(key)

    def _key(self, slot, serial, status):
        held = self.slot_keys.get(slot)
        if held and held[1] != serial:
            self.github.request(f"delete key {held[0]} ({slot})", lambda: self.keys.pop(held[0], None), CloudError)
            del self.slot_keys[slot]
            held = None
        if held is None:
            held = (self.github.request(f"create key ({slot})", self._create_key, CloudError), serial, "Active")
            self.slot_keys[slot] = held
        if held[2] != status:

            def change():
                if held[0] in self.keys:
                    self.keys[held[0]] = status

            self.github.request(f"key {held[0]} -> {status}", change, CloudError)
            self.slot_keys[slot] = (held[0], serial, status)

    def _create_key(self):
        if len(self.keys) >= 2:
            raise CloudError("LimitExceeded", 409)
        self.last_key += 1
        self.keys[self.last_key] = "Active"
        return self.last_key

    async def _publish(self, run, rotation, key, triples):
        secrets, fallback = {}, {}
        for triple in triples:
            secrets |= {triple.user: str(key), triple.password: str(key)}
            secrets[triple.server] = f"{triple.prefix.lower()}.example"
            if rotation.published and rotation.published != rotation.current:
                before = str(self.slot_keys[rotation.published][0])
                fallback |= {triple.user: before, triple.password: before}
        inputs = {
            "secrets": secrets,
            "visibility": "all",
            "adoptExisting": True,  # a first update that was killed leaves secrets that no state knows
            "fallback": fallback,
            "publishedAt": rotation.at,
        }
        whole = [triple for triple in triples if triple not in self.mixed]
        self.stored, error = await up(run, inputs, self.stored)
        if error is None:
            return
        named = self.stored.state.get("unfinished") or []
        for triple in whole:
            user, password = self.published(triple)
            if user != password and not {triple.user, triple.password} & set(named):
                raise Broken(f"{triple.prefix} is left with the user {user} and the password {password}")
        raise error

    async def refresh(self):
        """`pulumi refresh`."""
        self.trace.append("--- refresh")
        keys = self.slot_keys.items()
        self.slot_keys = {slot: (key, serial, self.keys[key]) for slot, (key, serial, _) in keys if key in self.keys}
        self.stored = await refresh(self.github.run(Script()), self.stored)

    async def recover(self, keep, triples):
        """`pulumi up --refresh` until it is green, and the one command that a message names."""
        await self.refresh()
        generation = self.rotation.generation if self.rotation else 1
        if not await self._green(3, generation, keep, triples):
            orphans = set(self.keys) - {key for key, _, _ in self.slot_keys.values()}
            if not orphans or not any("LimitExceeded" in line for line in self.trace[-12:]):
                raise Broken("does not converge")
            for triple in triples:
                if orphans & {int(number or 0) for number in self.published(triple)}:
                    raise Broken("the orphan is the published key")
            for orphan in orphans:
                del self.keys[orphan]
            if not await self._green(2, generation, keep, triples):
                raise Broken("does not converge without the orphan")
        for triple in triples:
            user, password = self.published(triple)
            if user != password or int(user) != self.slot_keys[self.rotation.current][0]:
                raise Broken("what is published is not the current key")
        if not keep:
            await self.attempt(generation, keep, triples, Script())
            managed = {key for key, _, _ in self.slot_keys.values()}
            if sum(self.keys[key] == "Active" for key in managed) != 1:
                raise Broken("the previous key was not retired")
        self.trace.append("--- recovered")

    async def _green(self, times, generation, keep, triples):
        return [await self.attempt(generation, keep, triples, Script()) for _ in range(times)][-1]
