"""Random histories of updates, faults and kills against the rotation and the writer, with an observer at every step.

After every change of the world the published pair must be one key, Active and verified, but for the instant between
the two writes of a pair. `test_rotation_machine` searches the same world step by step and shrinks what it finds; this
is the search for long histories, of which it goes through many in little time.
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from fault_world import Broken, Dice, World

from pulumi_codespaces.rules.secret_names import Triple

HISTORIES = int(os.environ.get("ROTATION_HISTORIES", "600"))
STEPS = 12


async def history(seed):
    chance = random.Random(seed)
    world = World([Triple("ONE"), Triple("TWO")])
    count = chance.choice([1, 1, 2])
    generation, keep = chance.choice([1, 1, 5]), True
    try:
        for _ in range(STEPS):
            step = chance.random()
            if step < 0.45:
                generation += chance.choice([1, 1, 1, 3])
            elif step < 0.55 and world.rotation:
                known = [slot.generation for slot in world.rotation.slots.values() if slot.generation]
                generation = chance.choice([*known, generation])
            elif step < 0.65:
                keep = not keep
            elif step < 0.7 and count == 1:
                count = 2
            elif step < 0.8 and world.github.held:
                world.github.outside(chance.choice(list(world.github.held)))
            faults = Dice(chance, chance.choice([0, 0, 0.05, 0.15, 0.3]))
            await world.attempt(generation, keep, world.triples[:count], faults)
        await world.recover(keep, world.triples[:count])
    except Broken as broken:
        pytest.fail(f"seed {seed}: {broken}\n" + "\n".join(world.trace[-40:]))


@pytest.mark.parametrize("part", range(4))
def test_no_history_of_faults_and_kills_breaks_an_invariant(part):
    async def run():
        for seed in range(part, HISTORIES, 4):
            await history(seed)

    asyncio.run(run())
