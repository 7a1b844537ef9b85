"""Searches for a sequence of changes to a list of repositories that takes a right away or gives one too many."""

from __future__ import annotations

import json
import os
import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.packing import INLINE_LIMIT, MANAGED_LIMIT, LaterRepository, pack
from pulumi_codespaces.rules.policies import CACHE_ACTIONS, PULL_ACTIONS, characters, login_document

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "100"))

# The longest ARNs that there are, and shorter ones.
HOMES = [("aws-iso-f", "us-isof-south-1"), ("aws", "eu-west-1"), ("aws-cn", "cn-northwest-1")]
ACCOUNT, OTHER_ACCOUNT = "123456789012", "000000000001"
ATTACHED = 10
"""Managed policies that IAM attaches to a user."""

parts = st.text("ab0", min_size=1, max_size=12)
prefixes = st.lists(parts, min_size=1, max_size=3).map("-".join).filter(lambda prefix: len(prefix) > 1)
single_names = st.one_of(
    st.tuples(prefixes, parts).map("/".join),
    st.tuples(prefixes, st.sampled_from(["*", "a*", "?a", "long/" + "z" * 200])).map("/".join),
    st.integers(2, 256).map("y".__mul__),
)
batches = st.tuples(prefixes, st.integers(1, 120), st.integers(3, 40)).map(
    lambda batch: [f"{batch[0]}/{number:0{batch[2]}}" for number in range(batch[1])]
)


class Output(str):
    """A name that the program gives as an Output."""

    __slots__ = ()


class PackingMachine(RuleBasedStateMachine):
    """A component whose list of repositories is changed by one update after another."""

    def __init__(self):
        super().__init__()
        self.listed, self.caches = ["start"], []
        self.home = HOMES[0]
        self.policies = {}
        self.amount = 0
        self.pack()

    def arn(self, name, account=ACCOUNT):
        partition, region = self.home
        return name if name.startswith("arn:") else f"arn:{partition}:ecr:{region}:{account}:repository/{name}"

    @property
    def wanted(self):
        """The declared access, as the needed actions on each ARN."""
        pulls = {(action, self.arn(repository)) for repository in self.listed for action in PULL_ACTIONS}
        return pulls | {(action, self.arn(f"{prefix}/*")) for prefix in self.caches for action in CACHE_ACTIONS}

    @precondition(lambda self: not any(repository.startswith("arn:") for repository in self.listed))
    @rule(home=st.sampled_from(HOMES))
    def another_region(self, home):
        self.home = home
        self.policies = {}
        self.pack()

    @rule(name=single_names)
    def add(self, name):
        self.listed.append(name)
        self.pack()

    @rule(name=single_names, account=st.sampled_from([ACCOUNT, OTHER_ACCOUNT]))
    def add_an_arn(self, name, account):
        self.listed.append(self.arn(name, account))
        self.pack()

    @rule(name=single_names, account=st.sampled_from([None, ACCOUNT, OTHER_ACCOUNT]))
    def add_an_output(self, name, account):
        self.listed.append(Output(self.arn(name, account) if account else name))
        self.pack()

    @rule(names=batches, amount=st.integers(1, 40))
    def add_outputs(self, names, amount):
        self.listed += [Output(name) for name in names[:amount]]
        self.pack()

    @rule(names=batches, place=st.integers(0, 1000))
    def add_many(self, names, place):
        place %= len(self.listed)
        self.listed[place:place] = names
        self.pack()

    @precondition(lambda self: len(self.listed) > 1)
    @rule(number=st.integers(0, 1000))
    def remove(self, number):
        del self.listed[number % len(self.listed)]
        self.drop_idle_caches()
        self.pack()

    @rule(share=st.integers(2, 10))
    def remove_many(self, share):
        self.listed = self.listed[::share]
        self.drop_idle_caches()
        self.pack()

    @rule(seed=st.integers(0, 1000))
    def reorder(self, seed):
        before = self.policies
        for arguments in (self.listed, self.caches):
            random.Random(seed).shuffle(arguments)
        self.pack()
        assert self.policies == before

    @rule(number=st.integers(0, 1000))
    def write_out_as_an_arn(self, number):
        before = self.policies
        self.listed[number % len(self.listed)] = self.arn(self.listed[number % len(self.listed)])
        self.pack()
        for label in {*before, *self.policies}:
            # An ARN of a Region with a short name takes less than a name is counted with, so a layout may come or go.
            assert label not in before or label not in self.policies or before[label] == self.policies[label]

    @rule(prefix=prefixes)
    def add_a_cache(self, prefix):
        if prefix not in self.caches:
            self.caches.append(prefix)
            self.listed.append(f"{prefix}/*")
            self.pack()

    @precondition(lambda self: self.caches)
    @rule(number=st.integers(0, 20))
    def remove_a_cache(self, number):
        del self.caches[number % len(self.caches)]
        self.pack()

    def drop_idle_caches(self):
        names = {repository.rpartition("repository/")[2] for repository in self.listed}
        self.caches = [prefix for prefix in self.caches if f"{prefix}/*" in names]

    def pack(self):
        """One update: the policies of the list now, beside those that are there."""
        repositories = [
            LaterRepository(f"ecr_repositories[{index}]") if isinstance(name, Output) else name
            for index, name in enumerate(self.listed)
        ]
        resolved = {str(repository): str(name) for repository, name in zip(repositories, self.listed, strict=True)}
        try:
            packed = pack(repositories, self.caches)
            documents = {policy.label: policy.document(ACCOUNT, self.home[1], resolved) for policy in packed}
        except RuleViolation as violation:
            self.check_that_there_is_no_room(violation)
            self.listed = self.listed[:1]
            self.caches = []
            self.policies = {}
            self.pack()
            return
        inline = {policy.label for policy in packed if policy.inline}
        check_limits(documents, inline)
        after = {label: _granted(document) for label, document in documents.items()}
        self.check_layouts(after)
        self.check_update(self.policies, after)
        self.policies, self.amount = after, len(self.listed)

    def check_that_there_is_no_room(self, violation):
        """Names fill the policies by chance, but with far fewer than fit none is refused."""
        assert "do not fit into the IAM policies of a user" in str(violation)
        # An Output counts with the longest name.
        assert sum((256 if isinstance(name, Output) else len(name)) + 70 for name in self.listed) > MANAGED_LIMIT

    def check_layouts(self, after):
        layouts = {}
        for label, granted in after.items():
            layouts.setdefault(label.partition("-")[:2], []).append(granted)
        for parts_ in layouts.values():
            assert set().union(*parts_) == self.wanted, label
            assert sum(map(len, parts_)) == len(self.wanted)

    def check_update(self, before, after):
        """New policies come first, then updates in place in any order, and deletions last."""
        assert len({*before, *after} - {"inline"}) < ATTACHED
        stays = set().union(*before.values()) & set().union(*after.values())
        for label in set(before) & set(after):
            assert before[label] & stays <= after[label], label
        difference = set().union(*before.values()) ^ set().union(*after.values())
        if len(difference) <= len(PULL_ACTIONS) and abs(len(self.listed) - self.amount) <= 1:
            # One repository more or less: all others keep a policy that is there throughout.
            unmoved = [before[label] & after[label] for label in set(before) & set(after)]
            assert stays <= set().union(*unmoved) or not before


def check_limits(documents, inline):
    own = sum(characters(document) for label, document in documents.items() if label in inline)
    assert own + characters(login_document(suspended=True)) <= INLINE_LIMIT
    assert all(characters(document) <= MANAGED_LIMIT for label, document in documents.items() if label not in inline)


def _granted(document):
    statements = json.loads(document)["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    if [statement["Sid"] for statement in statements] == ["Login"]:
        return set()
    granted = [
        (action, arn) for statement in statements for action in statement["Action"] for arn in statement["Resource"]
    ]
    assert len(granted) == len(set(granted))
    return set(granted)


PackingMachine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=20, report_multiple_bugs=False)
TestPacking = PackingMachine.TestCase
