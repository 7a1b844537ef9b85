"""Random histories of updates, faults and kills against the rotation and the writer, with an observer at every step.

The world below has clocks with one-second stamps, answers that are lost, and processes that are killed; what is under
test is the real state machine and the real writer. After every change of the world the published pair must be one key,
Active and verified, but for the instant between the two writes of a pair.
"""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest

from pulumi_codespaces.plugin.failures import CloudError, OutcomeUnknown
from pulumi_codespaces.plugin.github_client import SecretInfo
from pulumi_codespaces.plugin.secret_writer import Readers, whole_units, write_values
from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.rotation import SLOTS, Rotation, first_rotation, next_rotation
from pulumi_codespaces.rules.secret_names import Triple

HISTORIES = int(os.environ.get("ROTATION_HISTORIES", "1500"))
STEPS = 12


class Killed(BaseException):
    """The process was killed; nothing of it runs any more."""


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class World:
    """IAM, GitHub, and what the engine remembers."""

    random: random.Random
    triples: list[Triple]
    clock: int = 0
    last_key: int = 0
    keys: dict[int, str] = field(default_factory=dict)
    verified: set[int] = field(default_factory=set)
    secrets_: dict[str, tuple[str, int]] = field(default_factory=dict)
    rotation: Rotation | None = None
    slot_keys: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    state: dict[str, str] | None = None
    stamps: dict[str, str] = field(default_factory=dict)
    faults: float = 0.0
    never_edited: str = "USER"
    once_published: set[str] = field(default_factory=set)
    trace: list[str] = field(default_factory=list)

    def request(self, what, do, lost=OutcomeUnknown):
        """A request that may be refused, lost before or after it is handled, or the last thing before a kill."""
        chance = self.random.random()
        if chance < self.faults:
            self.trace.append(f"{what}: refused")
            raise CloudError(what, 403)
        if chance < 1.3 * self.faults:
            self.trace.append(f"{what}: not handled, no answer")
            raise lost(what)
        if chance < 1.5 * self.faults:
            self.trace.append(f"{what}: killed before")
            raise Killed
        result = do()
        self.trace.append(f"{what}: done")
        self.check()
        if 1.5 * self.faults <= chance < 2.2 * self.faults:
            self.trace.append("  the answer is lost")
            raise lost(what)
        if 2.2 * self.faults <= chance < 2.7 * self.faults:
            self.trace.append("  killed after")
            raise Killed
        return result

    def published(self, triple):
        return tuple(self.secrets_.get(name, ("", 0))[0] for name in (triple.user, triple.password))

    def check(self):
        if len(self.keys) > 2:
            raise Broken("more than two keys")
        for triple in self.triples:
            user, password = self.published(triple)
            if user and user == password:
                if self.keys.get(int(user)) != "Active":
                    raise Broken(f"published key {user} is {self.keys.get(int(user))}")
                if int(user) not in self.verified:
                    raise Broken(f"published key {user} was never verified")

    def edit_by_hand(self):
        """Somebody changes who may read a secret, which moves its stamp.

        Not all three of a registry: those edits could not be told from a publication.
        """
        triple = self.random.choice(self.triples)
        name = self.random.choice([name for name in triple.names if not name.endswith(self.never_edited)])
        if name in self.secrets_:
            self.clock += 120
            self.secrets_[name] = (self.secrets_[name][0], self.clock)
            self.trace.append(f"--- {name} is edited by hand")

    def marks(self):
        return {name: _stamp(moment) for name, (_, moment) in self.secrets_.items()}


def _stamp(moment):
    return (datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=moment)).isoformat().replace("+00:00", "Z")


class Store:
    """GitHub's side of the writer."""

    pairs = nullcontext()

    def __init__(self, world):
        self.world = world

    async def secrets(self, *, fresh=False):
        return {name: SecretInfo(name, stamp, "all") for name, stamp in self.world.marks().items()}

    async def put_secret(self, name, value, visibility, repository_ids, *, urgent=False):
        def put():
            self.world.clock += self.world.random.choice([0, 0, 1, 2])
            self.world.secrets_[name] = (value, self.world.clock)

        self.world.request(f"PUT {name}={value}", put)

    async def put_secret_repositories(self, name, repository_ids):
        raise AssertionError("not used")

    async def delete_secret(self, name):
        self.world.request(f"DELETE {name}", lambda: self.world.secrets_.pop(name, None))


async def update(world, generation, keep, triples):
    """What one `pulumi up` does, in the order the components make the engine do it."""
    world.clock += 2
    world.trace.append(f"--- up generation={generation} keep={keep} registries={len(triples)}")
    marks = {name: stamp for name, stamp in world.marks().items() if any(name in one.names for one in triples)}
    rotation = (
        first_rotation(generation, marks)
        if world.rotation is None
        else next_rotation(world.rotation, generation, keep_previous_key=keep, triples=triples, marks=marks)
    )
    previous, world.rotation = world.rotation, rotation
    world.trace.append(f"{rotation}")
    for slot in world.random.sample(SLOTS, 2):
        if slot == "b" and generation == 1:
            continue
        await _key(world, slot, rotation.slots[slot].serial, rotation.statuses[slot])
    undeclared = world.slot_keys["b"][0] if generation == 1 and "b" in world.slot_keys else None
    current = world.slot_keys[rotation.current][0]
    if world.state is None or world.state.get("key") != str(current):

        def verify():
            if world.keys.get(current) != "Active":
                raise CloudError("dead key", 403)
            world.verified.add(current)

        world.request(f"verify {current}", verify, CloudError)
    before = {world.published(triple) for triple in triples}
    await _publish(world, rotation, str(current), triples)
    renewed = previous is not None and rotation.serial != previous.serial
    if renewed and {world.published(triple) for triple in triples} != before and str(current) in world.once_published:
        raise Broken(f"generation {generation} publishes key {current}, which was published before")
    world.once_published.add(str(current))
    if undeclared is not None:
        world.request(f"delete undeclared {undeclared}", lambda: world.keys.pop(undeclared, None))
        del world.slot_keys["b"]


async def _key(world, slot, serial, status):
    held = world.slot_keys.get(slot)
    if held and held[1] != serial:
        world.request(f"delete key {held[0]} ({slot})", lambda: world.keys.pop(held[0], None), CloudError)
        del world.slot_keys[slot]
        held = None
    if held is None:

        def create():
            if len(world.keys) >= 2:
                world.trace.append("LimitExceeded")
                raise CloudError("LimitExceeded", 409)
            world.last_key += 1
            world.keys[world.last_key] = "Active"
            return world.last_key

        held = (world.request(f"create key ({slot})", create, CloudError), serial, "Active")
        world.slot_keys[slot] = held
    if held[2] != status:

        def change():
            if held[0] in world.keys:
                world.keys[held[0]] = status

        world.request(f"key {held[0]} -> {status}", change, CloudError)
        world.slot_keys[slot] = (held[0], serial, status)


async def _publish(world, rotation, key, triples):
    values = {}
    for triple in triples:
        values |= {triple.user: key, triple.password: key, triple.server: "host"}
    store = Store(world)
    live = await store.secrets()
    old = world.state or {}
    changed = {
        name
        for name, value in values.items()
        if old.get(name) != value or name not in live or live[name].updated_at != world.stamps.get(name)
    }
    names = whole_units(changed, values)
    if not names:
        return
    fallback = {}
    if rotation.published and rotation.published != rotation.current:
        before = str(world.slot_keys[rotation.published][0])
        for triple in triples:
            if triple.server in live and live[triple.server].updated_at == rotation.at.get(triple.server):
                fallback |= {triple.user: before, triple.password: before, triple.server: "host"}
    drifted = {name for name in fallback if live[name].updated_at != rotation.at.get(name)}
    matching = [triple for triple in triples if len(set(world.published(triple))) == 1]
    written = await write_values(store, values, names, Readers("all"), fallback, live, drifted=drifted)
    state = dict(old)
    for name in written.names:
        state[name] = written.restored.get(name, values[name])
        world.stamps[name] = world.marks().get(name, "")
    for name in (*written.uncertain, *written.removed):
        state.pop(name, None)
    if written.error is None:
        state["key"] = key
    else:
        state.pop("key", None)
    world.state = state
    if written.error is not None:
        for triple in matching:
            user, password = world.published(triple)
            if user != password and not {triple.user, triple.password} & set(written.uncertain):
                raise Broken(f"{triple.prefix} is left with the user {user} and the password {password}")
        raise written.error


async def history(seed):
    world = World(random.Random(seed), [Triple("ONE"), Triple("TWO")])
    count = world.random.choice([1, 1, 2])
    generation, keep = world.random.choice([1, 1, 5]), True
    world.never_edited = world.random.choice(["USER", "PASSWORD", "SERVER"])
    try:
        for _ in range(STEPS):
            world.faults = world.random.choice([0, 0, 0.05, 0.15, 0.3])
            choice = world.random.random()
            if choice < 0.45:
                generation += world.random.choice([1, 1, 1, 3])
            elif choice < 0.55 and world.rotation:
                known = [slot.generation for slot in world.rotation.slots.values() if slot.generation]
                generation = world.random.choice([*known, generation])
            elif choice < 0.65:
                keep = not keep
            elif choice < 0.7 and count == 1:
                count = 2
            elif choice < 0.8:
                world.edit_by_hand()
            await _attempt(world, generation, keep, world.triples[:count])
        await _recover(world, keep, world.triples[:count])
    except Broken as broken:
        pytest.fail(f"seed {seed}: {broken}\n" + "\n".join(world.trace[-40:]))


async def _attempt(world, generation, keep, triples):
    try:
        await update(world, generation, keep, triples)
    except (CloudError, RuleViolation) as refused:
        world.trace.append(f"failed: {refused}")
        return False
    except Killed:
        return False
    return True


async def _recover(world, keep, triples):
    """`pulumi up --refresh` until it is green, and the one command that a message names."""
    world.slot_keys = {
        slot: (key, serial, world.keys[key]) for slot, (key, serial, _) in world.slot_keys.items() if key in world.keys
    }
    world.faults = 0
    generation = world.rotation.generation if world.rotation else 1
    if not [await _attempt(world, generation, keep, triples) for _ in range(3)][-1]:
        orphans = set(world.keys) - {key for key, _, _ in world.slot_keys.values()}
        if not orphans or "LimitExceeded" not in world.trace[-12:]:
            raise Broken("does not converge")
        for triple in triples:
            if orphans & {int(one or 0) for one in world.published(triple)}:
                raise Broken("the orphan is the published key")
        for orphan in orphans:
            del world.keys[orphan]
        if not [await _attempt(world, generation, keep, triples) for _ in range(2)][-1]:
            raise Broken("does not converge without the orphan")
    for triple in triples:
        user, password = world.published(triple)
        if user != password or int(user) != world.slot_keys[world.rotation.current][0]:
            raise Broken("what is published is not the current key")
    if not keep:
        await _attempt(world, generation, keep, triples)
        managed = {key for key, _, _ in world.slot_keys.values()}
        if sum(world.keys[key] == "Active" for key in managed) != 1:
            raise Broken("the previous key was not retired")


@pytest.mark.parametrize("part", range(4))
def test_no_history_of_faults_and_kills_breaks_an_invariant(part):
    async def run():
        for seed in range(part, HISTORIES, 4):
            await history(seed)

    asyncio.run(run())
