"""Searches for a sequence of changes, faults, kills and strangers that breaks a set of secrets, and shrinks it.

The model is the content that GitHub should hold. After a green update, that is what the program declares. After a
failed one, each secret has its old or its declared content, or the error names it.
"""

from __future__ import annotations

import asyncio
import os

from fault_world import SECRETS, URN, Broken, GitHub, Killed, Script, Stored, refresh, scripts, stamp, up
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pulumi_codespaces.clients.errors import ActionableError
from pulumi_codespaces.plugin.failures import InvalidInputs
from pulumi_codespaces.rules.secret_names import Triple
from pulumi_codespaces.values import plain_map, reveal

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "150"))

PAY, GHCR = Triple("PAY"), Triple("GHCR")
NAMES = (*PAY.names, *GHCR.names, "NPM", "TOKEN")
REPOSITORIES = {"web": 11, "api": 12, "docs": 13}

names = st.sampled_from(NAMES)
sets = st.sampled_from([PAY.names, GHCR.names, ("NPM",), ("TOKEN",), PAY.names[:2], (PAY.server,)])
readers = st.one_of(
    st.sampled_from([("all", ()), ("private", ())]),
    st.sets(st.sampled_from(sorted(REPOSITORIES)), min_size=1).map(lambda chosen: ("selected", tuple(sorted(chosen)))),
)
chances = scripts(18)


class SecretSetMachine(RuleBasedStateMachine):
    """One `OrganizationSecrets` of a program that changes, among people who change the secrets too."""

    def __init__(self):
        super().__init__()
        self.github = GitHub(observers=[self.observe])
        self.stored = Stored()
        self.values, self.readers, self.adopt = {"NPM": "first"}, ("all", ()), False
        self.version = 0
        self.before = {}
        self.destroying = False

    @property
    def inputs(self):
        visibility, selected = self.readers
        inputs = {"secrets": dict(self.values), "visibility": visibility, "adoptExisting": self.adopt}
        if selected:
            inputs["selectedRepositories"] = {name: REPOSITORIES[name] for name in selected}
        return inputs

    @property
    def meant(self):
        visibility, selected = self.readers
        ids = frozenset(REPOSITORIES[name] for name in selected)
        return {name: (value, visibility, ids) for name, value in self.values.items()}

    def next_value(self, name):
        self.version += 1
        return f"{name.lower()}-{self.version}.example"

    # The program's steps.

    @rule(some=sets)
    def declare(self, some):
        for name in some:
            self.values[name] = self.next_value(name)

    @rule(name=names)
    def change_one_value(self, name):
        if name in self.values:
            self.values[name] = self.next_value(name)

    @rule(some=sets)
    def declare_no_more(self, some):
        if set(self.values) - set(some):
            self.values = {name: value for name, value in self.values.items() if name not in some}

    @rule(new=readers)
    def change_the_readers(self, new):
        self.readers = new

    @rule()
    def adopt_or_not(self):
        self.adopt = not self.adopt

    # What other people do.

    @precondition(lambda self: self.github.held)
    @rule(number=st.integers(0, 20), new=readers)
    def edit_readers_outside(self, number, new):
        visibility, selected = new
        ids = frozenset(REPOSITORIES[name] for name in selected)
        self.github.outside(self.existing(number), visibility=visibility, repositories=ids)

    @precondition(lambda self: self.github.held)
    @rule(number=st.integers(0, 20), new=readers)
    def edit_readers_outside_and_then_in_the_program(self, number, new):
        """The program takes over a change by hand, after a refresh has brought it into the state."""
        self.edit_readers_outside(number, new)
        self.refresh(Script())
        self.readers = new

    @rule(name=names)
    def write_outside(self, name):
        self.github.outside(name, value=self.next_value("stranger"))

    @precondition(lambda self: self.github.held)
    @rule(number=st.integers(0, 20))
    def delete_outside(self, number):
        self.github.delete_outside(self.existing(number))

    def existing(self, number):
        held = sorted(self.github.held)
        return held[number % len(held)]

    # The engine's steps.

    @rule(script=chances)
    def update(self, script):
        self.up(script)

    @rule(script=chances)
    def refresh(self, script):
        self.begin("refresh")
        try:
            self.stored = asyncio.run(refresh(self.github.run(script), self.stored))
        except (ActionableError, Killed):
            return
        self.check_state()

    @precondition(lambda self: self.stored.state)
    @rule(script=chances)
    def destroy(self, script):
        self.begin("destroy")
        self.destroying = True
        try:
            asyncio.run(SECRETS.delete(self.github.run(script), URN, "id", self.stored.state))
        except (ActionableError, Killed):
            return
        finally:
            self.destroying = False
        for name, written in plain_map(self.stored.state.get("updatedAt")).items():
            assert name not in self.github.held or stamp(self.before[name].at) != written, name
        self.stored = Stored()

    @rule()
    def settle(self):
        """The next update without a fault finishes, and the one after it has nothing to do."""
        error = self.up(Script())
        if isinstance(error, InvalidInputs):
            foreign = set(self.values) & set(self.github.held)
            assert foreign, error
            assert not self.adopt, error
            self.adopt = True
            error = self.up(Script())
        assert error is None, error
        start = len(self.github.trace)
        assert self.up(Script()) is None
        assert not [line for line in self.github.trace[start:] if line.startswith(("PUT", "DELETE"))]
        self.adopt = False

    def begin(self, what):
        self.github.trace.append(f"--- {what}")
        self.before = dict(self.github.held)

    def up(self, script):
        self.begin(f"up {self.inputs}")
        stamps = plain_map(self.stored.state.get("updatedAt"))
        try:
            self.stored, error = asyncio.run(up(self.github.run(script), self.inputs, self.stored))
        except Killed:
            return Killed()
        if error is None:
            assert {name: self.github.held[name].content for name in self.values} == self.meant
            for name in set(stamps) - set(self.values):
                assert name not in self.github.held or stamp(self.before[name].at) != stamps[name], name
        else:
            self.github.trace.append(f"failed: {error}")
            for name in {*self.before, *self.github.held}:
                now, then = (
                    secrets[name].content if name in secrets else None for secrets in (self.github.held, self.before)
                )
                assert now in (then, self.meant.get(name)) or name in str(error), (name, then, now)
        self.check_state()
        return error

    def check_state(self):
        """While a secret still has the stamp in the state, the state describes the secret at GitHub."""
        state = self.stored.state
        secrets, stamps = plain_map(state.get("secrets")), plain_map(state.get("updatedAt"))
        for name, written in stamps.items():
            held = self.github.held.get(name)
            if not held or stamp(held.at) != written or name in (state.get("unfinished") or []):
                continue
            assert secrets.get(name, held.value) == held.value, name
            if not state.get("readersUnfinished"):
                ids = frozenset(map(int, plain_map(state.get("selectedRepositories")).values()))
                assert held.content[1:] == (reveal(state["visibility"]), ids), name

    def observe(self, what, fault):
        """After each request: nothing of others is touched, and nothing that stays declared is away."""
        past = plain_map(self.stored.inputs.get("secrets"))
        for name, then in self.before.items():
            now = self.github.held.get(name)
            if now is None and (then.edited or not then.ours):
                raise Broken(f"{what} deleted what somebody else wrote")
            if now is None and name in self.values and not self.destroying:
                raise Broken(f"{what}: {name} is declared and away")
            if now != then and not then.ours and name not in past and not self.adopt:
                raise Broken(f"{what} wrote what was not adopted")


SecretSetMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    report_multiple_bugs=False,
)
TestSecretSet = SecretSetMachine.TestCase
