"""`KeyRotation`: the decision of Check from GitHub's listing, its preview, and its import."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulumi_codespaces.clients.credentials import Configuration
from pulumi_codespaces.clients.errors import ActionableError
from pulumi_codespaces.plugin.failures import InvalidInputs
from pulumi_codespaces.plugin.resources import RESOURCES
from pulumi_codespaces.plugin.run import Run
from pulumi_codespaces.values import UNKNOWN, Secret
from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "ghp_CANARYtoken"
ROTATION = RESOURCES["codespaces:index:KeyRotation"]
URN = "urn:pulumi:test::access::codespaces:index:EcrPullAccess$codespaces:index:KeyRotation::payments-rotation"
NAMES = [f"PAYMENTS_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")]


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    organization = {"id": 1, "plan": "team", "repositories": {"web": {"id": 11}}}
    tokens = {TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"]}}
    with GitHubStandIn({"organizations": {"acme": organization}, "tokens": tokens}) as github:
        yield github


def configuration(github: GitHubStandIn) -> Configuration:
    return Configuration(owner="acme", base_url=f"{github.url}/api/v3/", token=TOKEN)


def inputs(generation: Any = 1, **changes: Any) -> dict[str, Any]:
    return {
        "generation": generation,
        "keepPreviousKey": True,
        "repository": "",
        "prefixes": ["PAYMENTS"],
        "userName": "codespaces-payments",
        "userPath": "/codespaces/",
        "adoptExisting": False,
        **changes,
    }


class Stack:
    """A rotation and the engine's record of it. Every check is a run of its own."""

    def __init__(self, github: GitHubStandIn) -> None:
        self.github = github
        self.state: dict[str, Any] = {}
        self.minting: set[str] = set()

    def up(self, generation: Any = 1, **changes: Any) -> dict[str, Any]:
        """Check and keep what it decides."""
        self.state = self.check(inputs(generation, **changes))
        return self.state

    def check(self, new: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
        async def run() -> dict[str, Any]:
            running = Run(configuration(self.github), lambda *_: None)
            try:
                checked = await ROTATION.check(running, URN, self.state if old is None else old, new)
                self.minting = running.minting.get("codespaces-payments", set())
                return checked
            finally:
                await running.close()

        return asyncio.run(run())

    def publish(self, *names: str) -> None:
        """Write secrets, whose stamps move."""
        for name in names or NAMES:
            self.github.organization("acme").put_secret(name, "x", "selected", ["web"])


@pytest.fixture
def stack(github: GitHubStandIn) -> Stack:
    from datetime import datetime, timedelta, timezone

    ticks = iter(range(10_000))
    start = datetime(2026, 11, 24, tzinfo=timezone.utc)
    github.clock = lambda: start + timedelta(minutes=next(ticks))
    return Stack(github)


def test_the_decision_stands_among_the_inputs(stack: Stack) -> None:
    assert stack.up() == inputs() | {
        "slots": {"a": {"generation": 1, "serial": 1}, "b": {"generation": 0, "serial": 0}},
        "current": "a",
        "published": "",
        "serial": 1,
        "at": {},
        "statuses": {"a": "Active", "b": "Inactive"},
    }
    stack.publish()
    assert stack.check(inputs()) == stack.state
    second = stack.up(2)
    assert (second["current"], second["published"], second["serial"]) == ("b", "a", 2)
    assert sorted(second["at"]) == sorted(NAMES)


def test_slots_whose_key_may_be_listed_under_an_id_that_is_gone(stack: Stack) -> None:
    stack.up()
    assert stack.minting == set()
    stack.publish()
    stack.up(2)
    assert stack.minting == set()
    stack.publish()
    stack.up(3)
    assert stack.minting == {"a"}
    stack.up(3)
    assert stack.minting == set()


def test_the_difference_names_the_slot(stack: Stack) -> None:
    before = stack.up()
    stack.publish()
    after = stack.up(2)

    def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
        run = Run(Configuration(complete=False), lambda *_: None)
        return asyncio.run(ROTATION.difference(run, URN, old, new)).changes

    assert changes(before, after) == dict.fromkeys(
        ("generation", "current", "published", "slots.b", "statuses.b"), "update"
    )
    assert changes(after, after) == {}
    assert changes(after, after | {"slots": UNKNOWN})["slots.a"] == "update"


def test_secrets_that_are_there_already_are_not_taken_for_its_own(stack: Stack) -> None:
    """The engine passes no old state for --replace, a rename without an alias, or a lost state."""
    stack.publish()
    with pytest.raises(InvalidInputs) as refused:
        stack.up()
    text = str(refused.value)
    assert "organization acme has these secrets already, and this rotation does not know whose key they hold" in text
    assert all(f"{name} (last changed 2026-11-24T" in text for name in NAMES)
    assert "set adopt_existing to take them over" in text
    assert "needs an alias" in text
    assert "pulumi import codespaces:index:KeyRotation payments-rotation a:3:3,b:2:2" in text
    assert stack.up(adoptExisting=True)["current"] == "a"


def test_a_replacement_in_one_run_remembers_the_past(stack: Stack) -> None:
    stack.up()
    stack.publish()
    stack.up(2)

    async def twice() -> tuple[dict[str, Any], dict[str, Any]]:
        run = Run(configuration(stack.github), lambda *_: None)
        try:
            first = await ROTATION.check(run, URN, stack.state, inputs(2))
            return first, await ROTATION.check(run, URN, {}, inputs(2))
        finally:
            await run.close()

    first, second = asyncio.run(twice())
    assert first == second == stack.state


@pytest.mark.parametrize(("name", "argument"), [("userName", "user_name"), ("userPath", "user_path")])
def test_the_user_keeps_its_name_and_path(stack: Stack, name: str, argument: str) -> None:
    stack.up()
    with pytest.raises(InvalidInputs) as refused:
        stack.up(**{name: "/other/"})
    assert refused.value.failures[0].path == name
    assert str(refused.value).startswith(
        f"{argument} '/other/': the user was made as {stack.state[name]!r}, and renaming"
    )


def test_a_provider_that_is_not_known_yet_decides_nothing_new(stack: Stack) -> None:
    known = stack.up()

    def check(old: dict[str, Any]) -> dict[str, Any]:
        run = Run(Configuration(complete=False), lambda *_: None)
        return asyncio.run(ROTATION.check(run, URN, old, inputs(2)))

    assert check({})["current"] is UNKNOWN
    assert check(known) == known | {"generation": 2}


@pytest.mark.parametrize(
    ("identifier", "generation", "slots", "current"),
    [
        ("a:1:1", 1, {"a": (1, 1), "b": (0, 0)}, "a"),
        ("b:7:4, a:3:3", 7, {"a": (3, 3), "b": (7, 4)}, "b"),
    ],
)
def test_import(
    stack: Stack, identifier: str, generation: int, slots: dict[str, tuple[int, int]], current: str
) -> None:
    async def read() -> Any:
        run = Run(configuration(stack.github), lambda *_: None)
        return await ROTATION.read(run, URN, identifier, {}, {})

    stored = asyncio.run(read())
    assert stored.identifier == identifier
    assert {slot: (entry["generation"], entry["serial"]) for slot, entry in stored.inputs["slots"].items()} == slots
    assert (stored.inputs["generation"], stored.inputs["current"], stored.inputs["published"]) == (
        generation,
        current,
        current,
    )
    # The engine checks what it has just imported, and then what the program says.
    stack.publish()
    assert stack.check(stored.inputs, old=stored.inputs)["slots"] == stored.inputs["slots"]
    stack.state = stored.inputs
    assert stack.up(generation)["slots"] == stored.inputs["slots"]
    renewed = {"a": "b", "b": "a"}[current]
    new = stack.up(generation + 1)
    assert (new["current"], new["published"]) == (renewed, current)
    assert new["slots"][renewed]["serial"] == max(serial for _, serial in slots.values()) + 1


@pytest.mark.parametrize(
    "identifier", ["", "a", "a:1", "c:1:1", "a:0:1", "a:1:0", "a:1:1,a:2:2", "a:1:1,b:2:1", "x,a:1:1"]
)
def test_what_cannot_be_imported(stack: Stack, identifier: str) -> None:
    run = Run(configuration(stack.github), lambda *_: None)
    with pytest.raises(ActionableError, match="write the published slot with the generation and the serial of its key"):
        asyncio.run(ROTATION.read(run, URN, identifier, {}, {}))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"generation": 0}, "key_generation 0: must be a plain whole number"),
        ({"generation": UNKNOWN}, "must be plain values, not Outputs of resources that are not made yet"),
        ({"prefixes": "PAYMENTS"}, "prefixes must be a list of texts"),
        ({"keepPreviousKey": "no"}, "keepPreviousKey must be true or false"),
        ({"userName": 7}, "userName must be a text"),
    ],
)
def test_inputs_of_another_kind(stack: Stack, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInputs) as refused:
        stack.up(**{"generation": 1, **changes})
    assert text in str(refused.value)


odd = st.sampled_from([None, True, 0, 7, 1.5, "", "x", [], ["x"], [7], {}, {"a": "x"}, UNKNOWN, {"a": UNKNOWN}])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(changes=st.dictionaries(st.sampled_from(sorted(inputs())), odd | odd.map(Secret)))
def test_whatever_is_sent_is_checked_or_refused(stack: Stack, changes: dict[str, Any]) -> None:
    try:
        checked = stack.check(inputs() | changes, old={})
    except InvalidInputs:
        pass
    else:
        assert checked["current"] == "a"
