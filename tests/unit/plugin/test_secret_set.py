"""`OrganizationSecrets` against the GitHub stand-in, without an engine: a failure at every request of an update."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import fault_world
import pytest
from fault_world import SECRETS, URN, Stored, travelled

from pulumi_codespaces.clients import github as github_client
from pulumi_codespaces.clients.credentials import Configuration
from pulumi_codespaces.clients.errors import ActionableError
from pulumi_codespaces.plugin.failures import PartialWrite
from pulumi_codespaces.plugin.run import Run
from pulumi_codespaces.values import UNKNOWN, Secret, is_unknown
from rig.github import GitHubStandIn
from rig.github.faults import Action

TOKEN = "ghp_x"
SEED = {
    "organizations": {
        "acme": {"id": 1, "plan": "team", "repositories": {name: {"id": 11 + i} for i, name in enumerate("abcd")}},
        "umbrella": {"id": 2, "plan": "team"},
    },
    "tokens": {TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"]}},
}
PAIR = ["PAY_CONTAINER_REGISTRY_USER", "PAY_CONTAINER_REGISTRY_PASSWORD"]
SERVER = "PAY_CONTAINER_REGISTRY_SERVER"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def declared(version, readers, *more, visibility="selected"):
    secrets = {name: f"{name}-{version}" for name in (*PAIR, *more)} | {SERVER: "acme.azurecr.io", "NPM": "constant"}
    result = {"secrets": secrets, "visibility": visibility}
    return result | ({"selectedRepositories": readers} if visibility == "selected" else {})


BEFORE = declared(1, {"a": 11, "b": 12}, "GOES")
AFTER = declared(2, {"a": 11, "c": 13}, "COMES")
FOR_ALL = declared(2, None, visibility="all")


@pytest.fixture
def github(monkeypatch):
    monkeypatch.setattr(github_client, "_TRIES", 1)
    monkeypatch.setattr(github_client, "_URGENT_TRIES", 1)
    # Each operation has a client of its own, and reading the certificates takes longer than all the rest.
    certificates = ssl.create_default_context()
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: certificates)
    ticks = []

    def clock():
        """Every look at the clock is a second later, so that each write has a stamp of its own."""
        ticks.append(1)
        return START + timedelta(seconds=len(ticks))

    with GitHubStandIn(SEED, clock=clock, check_contract=False) as standing_in:
        yield standing_in


@contextmanager
def running(github, owner="acme"):
    """One operation of the engine: a run of its own, and what it said."""
    run = Run(Configuration(owner, f"{github.url}/", TOKEN), lambda _, __, text: run.said.append(text))
    run.said = []
    loop = asyncio.new_event_loop()
    run.do = lambda work: travelled(loop.run_until_complete(work))
    try:
        yield run
    finally:
        loop.run_until_complete(run.close())
        loop.close()


def check(run, inputs, state_inputs=None):
    return run.do(SECRETS.check(run, URN, state_inputs or {}, travelled(inputs)))


def up(github, inputs, stored):
    with running(github) as run:
        return run.do(fault_world.up(run, inputs, stored))


def changes(github, inputs, stored):
    with running(github) as run:
        return run.do(SECRETS.difference(run, URN, stored.state, check(run, inputs, stored.inputs))).changes


def destroy(github, stored):
    with running(github) as run:
        run.do(SECRETS.delete(run, URN, "id", stored.state))
        return run.said


def live(github):
    secrets = github.organization("acme").secrets
    return {
        name: (secret.value, secret.visibility, frozenset(secret.repository_ids)) for name, secret in secrets.items()
    }


def meant(inputs):
    readers = frozenset((inputs.get("selectedRepositories") or {}).values())
    return {name: (value, inputs["visibility"], readers) for name, value in inputs["secrets"].items()}


def failing(github, position, kind):
    """Let the request of this number fail; gives whether there was one."""
    seen = []

    def before(request):
        seen.append(request)
        if len(seen) == position and kind != "lost":
            return Action("status", status=403 if kind == "refused" else 500)
        return None

    def after(_):
        return Action("reset_after") if len(seen) == position and kind == "lost" else None

    github.faults.add_callback(before)
    github.faults.add_callback(after, when="after")
    return lambda: len(seen) >= position


@pytest.mark.parametrize("kind", ["refused", "failing", "lost"])
@pytest.mark.parametrize(("first", "then"), [(BEFORE, AFTER), (BEFORE, FOR_ALL), (FOR_ALL, BEFORE)])
def test_whatever_fails_the_next_update_finishes_or_takes_it_back(github, first, then, kind):
    """Also the pair is never left mixed, and a destroy after the failure leaves nothing that was this state's."""
    for position in range(1, 40):
        for next_ in (then, first, None):
            stored, error = up(github, first, Stored())
            assert error is None
            met = failing(github, position, kind)
            stored, error = up(github, then, stored)
            github.faults.clear()
            if not met():
                assert (error, live(github)) == (None, meant(then))
                destroy(github, stored)
                assert position > 6
                return
            pair = [live(github)[name][0].rpartition("-")[2] for name in PAIR]
            assert pair[0] == pair[1], (position, kind)
            if next_ is None:
                destroy(github, stored)
                assert live(github) == {}, (position, error)
                continue
            stored, again = up(github, next_, stored)
            assert again is None, (position, error)
            assert live(github) == meant(next_), (position, next_ is then, error)
            assert changes(github, next_, stored) == {}, (position, error)
            assert destroy(github, stored) == []
            assert live(github) == {}
    raise AssertionError("there is no end of requests")


@pytest.mark.parametrize("kind", ["refused", "failing", "lost"])
def test_a_create_that_fails_can_be_repeated_and_destroyed(github, kind):
    for position in range(1, 20):
        for again in (True, False):
            met = failing(github, position, kind)
            stored, error = up(github, BEFORE, Stored())
            github.faults.clear()
            if not met():
                assert (error, position > 6) == (None, True)
                return
            if error is not None and not stored.state:
                assert live(github) == {}, position
            if again:
                stored, error = up(github, BEFORE, stored)
                assert (error, live(github)) == (None, meant(BEFORE))
                assert changes(github, BEFORE, stored) == {}
            destroy(github, stored)
            assert live(github) == {}, position
    raise AssertionError("there is no end of requests")


NOT_GITHUBS = [
    {"status": 200, "body": b"<html>proxy</html>"},
    {"status": 403, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "never"}},
    {"status": 403, "headers": {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}},
]


@pytest.mark.parametrize("answer", NOT_GITHUBS, ids=["html", "a limit until never", "a limit until a date"])
def test_a_pair_whose_second_write_is_answered_oddly_is_put_back(github, answer):
    stored, _ = up(github, BEFORE, Stored())
    github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{PAIR[1]}", kind="status", **answer)
    stored, error = up(github, AFTER, stored)
    assert isinstance(error, PartialWrite)
    assert {name: live(github)[name][0] for name in PAIR} == {name: BEFORE["secrets"][name] for name in PAIR}
    stored, error = up(github, AFTER, stored)
    assert (error, live(github)) == (None, meant(AFTER))


def test_a_create_whose_listing_is_answered_oddly_is_this_stacks(github):
    github.faults.add("GET", "/orgs/acme/codespaces/secrets", kind="status", after=1, **NOT_GITHUBS[0])
    stored, error = up(github, BEFORE, Stored())
    assert isinstance(error, PartialWrite)
    stored, error = up(github, BEFORE, stored)
    assert (error, live(github)) == (None, meant(BEFORE))


def test_check_marks_secret_what_is_secret_by_nature(github):
    with running(github) as run:
        checked = check(run, BEFORE | {"fallback": {PAIR[0]: "old"}})
    assert checked["secrets"] == {name: Secret(value) for name, value in BEFORE["secrets"].items()}
    assert checked["fallback"] == {PAIR[0]: Secret("old")}
    stored, _ = up(github, BEFORE, Stored())
    assert stored.state["secrets"] == checked["secrets"]


def test_names_are_upper_cased(github):
    stored, _ = up(github, {"secrets": {"npm": "x"}, "visibility": "all"}, Stored())
    assert live(github) == {"NPM": ("x", "all", frozenset())}
    assert changes(github, {"secrets": {"Npm": "x"}, "visibility": "all"}, stored) == {}


def test_a_preview_asks_for_nothing_that_writes_and_does_not_know_the_stamps(github):
    with running(github) as run:
        new = check(run, BEFORE)
        _, made = run.do(SECRETS.create(run, URN, new, preview=True))
    assert made["updatedAt"] is UNKNOWN
    assert {request.method for request in github.requests} == {"GET"}


@pytest.mark.parametrize(
    "fallback", [Secret(UNKNOWN), UNKNOWN, {"A": UNKNOWN}, Secret({"A": UNKNOWN}), None, {}], ids=repr
)
def test_a_fallback_may_be_unknown_in_a_preview(github, fallback):
    with running(github) as run:
        checked = check(run, BEFORE | {"fallback": fallback, "publishedAt": UNKNOWN})
    assert is_unknown(checked.get("fallback")) == (fallback not in (None, {}))


def test_secrets_that_are_unknown_as_a_whole(github):
    stored, _ = up(github, BEFORE, Stored())
    with running(github) as run:
        new = check(run, {"secrets": UNKNOWN, "selectedRepositories": UNKNOWN}, stored.inputs)
        changed = run.do(SECRETS.difference(run, URN, stored.state, new)).changes
        assert changed == {"secrets": "update", "selectedRepositories": "update"}
        run.do(SECRETS.update(run, URN, "id", stored.state, new, preview=True))


def test_another_organization_is_not_touched(github):
    stored, _ = up(github, BEFORE, Stored())
    with running(github, "umbrella") as run:
        for work in (
            SECRETS.read(run, URN, "id", stored.inputs, stored.state),
            SECRETS.update(run, URN, "id", stored.state, stored.inputs, preview=False),
            SECRETS.delete(run, URN, "id", stored.state),
        ):
            with pytest.raises(
                ActionableError, match="belong to organization acme, but the provider works for umbrella"
            ):
                run.do(work)
    assert live(github) == meant(BEFORE)


def test_what_another_resource_of_the_run_declares_is_not_deleted(github):
    stored, _ = up(github, BEFORE, Stored())
    with running(github) as run:
        other = URN + "-renamed"
        run.do(SECRETS.check(run, other, {}, {"secrets": {PAIR[0]: "x"}, "visibility": "all", "adoptExisting": True}))
        run.do(SECRETS.delete(run, URN, "id", stored.state))
    assert set(live(github)) == {PAIR[0]}


def test_what_another_process_has_just_written_is_not_deleted(github):
    """A set that moves to another provider is made by that one's process, and then deleted by the first one's."""
    stored, _ = up(github, BEFORE, Stored())
    with running(github) as run, running(github) as other:
        check(run, {"secrets": {"MORE": "x"}, "visibility": "all"})
        again = check(other, BEFORE | {"adoptExisting": True})
        other.do(SECRETS.create(other, URN, again, preview=False))
        run.do(SECRETS.delete(run, URN, "id", stored.state))
        assert [text.partition(" at ")[0] for text in run.said] == [
            f"{name} was written by somebody else" for name in (SERVER, *reversed(PAIR), "NPM", "GOES")
        ]
    assert live(github) == meant(BEFORE)


def test_what_another_process_writes_while_an_update_removes_it_is_not_deleted(github):
    stored, _ = up(github, BEFORE, Stored())

    def written(request):
        if request.path.endswith(f"/{SERVER}"):
            github.organization("acme").put_secret("GOES", "another stack's", "all")

    github.faults.add_callback(written, when="after")
    _, error = up(github, AFTER, stored)
    assert error is None
    assert live(github) == meant(AFTER) | {"GOES": ("another stack's", "all", frozenset())}


def test_readers_that_one_secret_got_outside_and_the_program_then_declares_reach_the_others(github):
    """Between the two a refresh writes them into the state, as if all had them."""
    first = {"secrets": {"NPM": "x", "TOKEN": "y"}, "visibility": "selected", "selectedRepositories": {"a": 11}}
    stored, _ = up(github, first, Stored())
    github.organization("acme").select("NPM", {11, 12})
    with running(github) as run:
        stored = run.do(fault_world.refresh(run, stored))
    then = first | {"selectedRepositories": {"a": 11, "b": 12}}
    stored, error = up(github, then, stored)
    assert (error, live(github)) == (None, meant(then))
    assert changes(github, then, stored) == {}


def test_they_are_not_forgotten_when_the_update_that_should_write_them_is_put_back(github):
    first = {
        "secrets": {"NPM": "x", "FIRST": "y", "THIRD": "z"},
        "visibility": "selected",
        "selectedRepositories": {"a": 11},
    }
    stored, _ = up(github, first, Stored())
    github.organization("acme").select("NPM", {11, 12})
    with running(github) as run:
        stored = run.do(fault_world.refresh(run, stored))
    then = {
        "secrets": {"NPM": "x", "FIRST": "new", "THIRD": "z"},
        "visibility": "selected",
        "selectedRepositories": {"a": 11, "b": 12},
    }
    github.faults.add("PUT", "/orgs/acme/codespaces/secrets/FIRST", kind="reset_before")
    stored, error = up(github, then, stored)
    assert error is not None
    stored, error = up(github, then, stored)
    assert (error, live(github)) == (None, meant(then))
