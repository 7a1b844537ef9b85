"""Searches for an update, a fault, a kill or an edit by hand that breaks the rotation, and shrinks what it finds.

The world checks the invariants after every request. `test_rotation_under_faults` throws dice in the same
world.
"""

from __future__ import annotations

import asyncio
import os

from fault_world import Fault, Script, World, scripts
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pulumi_codespaces.rules.rotation import SLOTS
from pulumi_codespaces.rules.secret_names import Triple

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "100"))

chances = scripts(16)


class RotationMachine(RuleBasedStateMachine):
    """A program that changes its mind, on a machine that fails."""

    @initialize(generation=st.sampled_from([1, 5]), registries=st.integers(1, 2))
    def begin(self, generation, registries):
        self.world = World([Triple("ONE"), Triple("TWO")])
        self.generation, self.keep, self.registries = generation, True, registries

    @property
    def triples(self):
        return self.world.triples[: self.registries]

    def up(self, script):
        asyncio.run(self.world.attempt(self.generation, self.keep, self.triples, script))

    @rule(script=chances)
    def update_again(self, script):
        self.up(script)

    @rule(by=st.sampled_from([1, 4]), script=chances)
    def raise_the_generation(self, by, script):
        self.generation += by
        self.up(script)

    @rule(write=st.integers(1, 4), script=chances)
    def be_killed_while_publishing_and_repeat(self, write, script):
        """Two events that are rare each, and most dangerous together where all was well before."""
        self.recover()
        self.generation += 1
        self.up(Script(write_faults={write: Fault.KILLED_BEFORE}))
        self.up(script)

    @precondition(lambda self: self.world.rotation)
    @rule(slot=st.sampled_from(SLOTS), script=chances)
    def use_the_generation_of_a_slot_again(self, slot, script):
        self.generation = self.world.rotation.slots[slot].generation or self.generation
        self.up(script)

    @rule(script=chances)
    def keep_the_previous_key_or_not(self, script):
        self.keep = not self.keep
        self.up(script)

    @precondition(lambda self: self.registries == 1)
    @rule(script=chances)
    def add_a_registry(self, script):
        self.registries = 2
        self.up(script)

    @precondition(lambda self: self.world.github.held)
    @rule(number=st.integers(0, 5))
    def edit_by_hand(self, number):
        """Somebody changes who may read a secret, which moves its stamp."""
        names = sorted(self.world.github.held)
        self.world.github.outside(names[number % len(names)])

    @rule()
    def refresh(self):
        asyncio.run(self.world.refresh())

    @rule()
    def recover(self):
        asyncio.run(self.world.recover(self.keep, self.triples))
        self.generation = self.world.rotation.generation


RotationMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=20,
    report_multiple_bugs=False,
)
TestRotation = RotationMachine.TestCase
