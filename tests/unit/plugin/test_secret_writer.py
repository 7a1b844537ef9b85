"""The writer, with a failure at every request that it makes."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest

from pulumi_codespaces.clients.codespaces_secrets import SecretInfo
from pulumi_codespaces.clients.errors import CloudError, OutcomeUnknown
from pulumi_codespaces.plugin import secret_writer
from pulumi_codespaces.plugin.secret_writer import SecretReaders, whole_units, write_readers, write_values
from pulumi_codespaces.rules.secret_names import Triple

PAY = Triple("PAY")
GHCR = Triple("GHCR")
OLD, NEW = SecretReaders("selected", (1, 2)), SecretReaders("selected", (1, 3))


def stamp(second):
    return (datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=second)).isoformat()


@dataclass
class Store:
    """GitHub's secrets; `fails` maps the number of a request to how it fails."""

    secrets_: dict[str, tuple[str, SecretReaders, int]] = field(default_factory=dict)
    fails: dict[int, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    clock: int = 100
    frozen: int = 0
    slow: dict[int, int] = field(default_factory=dict)
    pairs: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)

    def _request(self, what, do):
        self.requests.append(what)
        how = self.fails.get(len(self.requests), self.fails.get(0))
        if how == "refused":
            raise CloudError(f"{what}: refused", 403)
        if how == "unanswered":
            raise OutcomeUnknown(f"{what}: no answer")
        if self.frozen:
            self.frozen -= 1
        else:
            self.clock += self.slow.get(len(self.requests), 1)
        do()
        if how == "lost":
            raise OutcomeUnknown(f"{what}: no answer")

    async def secrets(self, *, fresh=False):
        assert fresh
        self._request("GET", lambda: None)
        return {
            name: SecretInfo(name, stamp(at), readers.visibility) for name, (_, readers, at) in self.secrets_.items()
        }

    async def put_secret(self, name, value, visibility, repository_ids, *, urgent=False):
        readers = SecretReaders(visibility, tuple(repository_ids))
        self._request(
            f"PUT {name}{'!' * urgent}", lambda: self.secrets_.__setitem__(name, (value, readers, self.clock))
        )

    async def put_secret_repositories(self, name, repository_ids):
        def do():
            value, readers, _ = self.secrets_[name]
            self.secrets_[name] = (value, SecretReaders(readers.visibility, tuple(repository_ids)), self.clock)

        self._request(f"PUT {name}/repositories", do)

    async def delete_secret(self, name):
        self._request(f"DELETE {name}", lambda: self.secrets_.pop(name, None))

    def values(self):
        return {name: value for name, (value, _, _) in self.secrets_.items()}

    def readers(self):
        return {name: readers for name, (_, readers, _) in self.secrets_.items()}

    def existing(self):
        return {
            name: SecretInfo(name, stamp(at), readers.visibility) for name, (_, readers, at) in self.secrets_.items()
        }


def holding(value, *triples, **options):
    names = [name for triple in triples for name in triple.names]
    return Store({name: (f"{value}-{name}", OLD, 1) for name in names}, **options)


def values(value, *triples):
    return {name: f"{value}-{name}" for triple in triples for name in triple.names}


def write(store, wanted, *, fallback=None, readers=NEW, before=OLD, drifted=()):
    existing = store.existing()
    names = whole_units(set(wanted), wanted)
    if fallback is None:
        fallback = {name: value for name, value in store.values().items() if name in names}
    return asyncio.run(write_values(store, wanted, names, readers, fallback, existing, before, drifted))


def test_a_registry_is_one_unit_in_the_order_user_password_server():
    wanted = {"NPM": "n", **values("new", PAY, GHCR)}
    assert whole_units({PAY.password}, wanted) == list(PAY.names)
    assert whole_units({"NPM"}, wanted) == ["NPM"]
    assert whole_units({PAY.server, "NPM", GHCR.user}, wanted) == ["NPM", *GHCR.names, *PAY.names]
    assert whole_units(set(), wanted) == []


def test_everything_is_written_once_and_the_pair_urgently():
    store = holding("old", PAY)
    written = write(store, {"NPM": "n", **values("new", PAY)})
    assert store.requests == ["PUT NPM", f"PUT {PAY.user}!", f"PUT {PAY.password}!", f"PUT {PAY.server}", "GET"]
    assert store.values() == {"NPM": "n", **values("new", PAY)}
    assert set(store.readers().values()) == {NEW}
    assert (written.error, written.forward) == (None, ["NPM", *PAY.names])


@pytest.mark.parametrize("kind", ["refused", "unanswered", "lost"])
@pytest.mark.parametrize("position", [1, 2])
def test_a_pair_that_does_not_become_whole_is_put_back(position, kind):
    store = holding("old", PAY, fails={position: kind})
    written = write(store, values("new", PAY))
    assert store.values() == values("old", PAY)
    assert set(store.readers().values()) == {OLD}
    assert written.forward == []
    touched = [PAY.user, PAY.password][: position - (kind == "refused")]
    assert written.restored == {name: f"old-{name}" for name in touched}
    assert (written.removed, written.uncertain) == ([], [])
    assert isinstance(written.error, CloudError)


@pytest.mark.parametrize("kind", ["refused", "unanswered", "lost"])
@pytest.mark.parametrize("position", [1, 2])
def test_a_pair_that_was_not_there_is_removed_again(position, kind):
    store = Store(fails={position: kind})
    written = write(store, values("new", PAY), before=None)
    assert store.values() == {}
    assert written.removed == [PAY.user, PAY.password][: position - (kind == "refused")]
    assert (written.restored, written.uncertain, written.forward) == ({}, [], [])


@pytest.mark.parametrize("kind", ["refused", "unanswered", "lost"])
@pytest.mark.parametrize("position", [3, 4])
def test_once_the_pair_stands_there_is_only_forward(position, kind):
    store = holding("old", PAY, fails={position: kind})
    written = write(store, values("new", PAY))
    assert store.values() | {PAY.server: ""} == values("new", PAY) | {PAY.server: ""}
    assert written.restored == {}
    assert written.uncertain == [PAY.server]
    assert written.forward == list(PAY.names)
    assert written.error is not None


def test_what_cannot_be_put_back_is_uncertain():
    store = holding("old", PAY, fails={2: "refused"})
    written = write(store, values("new", PAY), fallback={})
    assert (written.uncertain, written.restored) == ([PAY.user], {})
    assert store.values()[PAY.user] == f"new-{PAY.user}"

    store = holding("old", PAY, fails={2: "lost", 3: "refused"})
    written = write(store, values("new", PAY))
    assert (written.uncertain, written.restored) == ([PAY.user], {PAY.password: f"old-{PAY.password}"})


@pytest.mark.parametrize("kind", ["refused", "unanswered", "lost"])
def test_a_pair_that_a_killed_run_wrote_is_put_back_as_a_whole_or_not_at_all(kind):
    """USER alone would be put back to another key than the one whose PASSWORD is there."""
    store = holding("old", PAY, fails={1: kind})
    for name in PAY.names[:2]:
        store.secrets_[name] = (f"new-{name}", OLD, 50)
    written = write(store, values("new", PAY), fallback=values("old", PAY), drifted=set(PAY.names[:2]))
    if kind == "refused":
        assert store.requests == [f"PUT {PAY.user}!"]
        assert written.restored == {}
    else:
        assert store.values() == values("old", PAY)
        assert list(written.restored) == written.names == [PAY.user, PAY.password]


def test_a_mark_that_waited_long_is_set_again_right_after_its_pair():
    """The mark sets a publication apart from a pair that was put back and from a SERVER that was edited later."""
    store = holding("old", PAY, slow={3: 600})
    written = write(store, values("new", PAY))
    pair = [f"PUT {PAY.user}!", f"PUT {PAY.password}!"]
    assert store.requests == [*pair, f"PUT {PAY.server}", "GET", *pair, f"PUT {PAY.server}", "GET"]
    assert (store.values(), written.error) == (values("new", PAY), None)


def test_the_first_registry_stands_if_the_second_fails():
    store = holding("old", GHCR, PAY, fails={6: "refused"})
    written = write(store, values("new", GHCR, PAY))
    assert store.values() == values("new", GHCR) | values("old", PAY)
    assert written.forward == list(GHCR.names)
    assert written.restored == {PAY.user: f"old-{PAY.user}"}


@pytest.mark.parametrize("fails", [{}, {2: "refused"}])
def test_a_pair_is_whole_or_put_back_before_the_store_lets_another_one_begin(fails):
    store = holding("old", GHCR, PAY, fails=fails)
    request = store.put_secret

    async def slow(name, *given, **more):
        await asyncio.sleep(0)
        await request(name, *given, **more)

    store.put_secret = slow
    store.pairs = asyncio.Semaphore(1)

    async def both():
        await asyncio.gather(
            *(
                write_values(
                    store, values("new", triple), triple.names, NEW, values("old", triple), store.existing(), OLD
                )
                for triple in (GHCR, PAY)
            )
        )

    asyncio.run(both())
    pairs = [
        request.split()[1].rstrip("!") for request in store.requests if request.endswith(("USER!", "PASSWORD!", "USER"))
    ]
    first = [GHCR.user, GHCR.password, *([GHCR.user] if fails else [])]
    assert pairs == [*first, PAY.user, PAY.password]


def test_a_single_secret_is_put_back_if_its_answer_is_lost():
    store = Store({"NPM": ("old", OLD, 1)}, fails={1: "lost"})
    written = write(store, {"NPM": "new"})
    assert (store.values(), written.restored) == ({"NPM": "old"}, {"NPM": "old"})


def test_without_the_readers_before_the_new_ones_are_kept():
    store = holding("old", PAY, fails={2: "refused"})
    write(store, values("new", PAY), before=None)
    assert store.readers()[PAY.user] == NEW


def test_server_is_written_until_its_stamp_moves(monkeypatch):
    monkeypatch.setattr(secret_writer, "_STAMP_SECONDS", 0)
    store = holding("old", PAY, frozen=4, clock=1)
    written = write(store, values("new", PAY))
    assert store.requests.count(f"PUT {PAY.server}") == 2
    assert written.error is None


def test_a_stamp_that_never_moves_is_a_failure(monkeypatch):
    monkeypatch.setattr(secret_writer, "_STAMP_SECONDS", 0)
    store = holding("old", PAY, frozen=1000, clock=1)
    written = write(store, values("new", PAY))
    assert f"GitHub does not move updated_at of {PAY.server}" in str(written.error)
    assert (written.uncertain, store.requests.count(f"PUT {PAY.server}")) == ([PAY.server], 5)


def test_readers_are_changed_without_values():
    store = holding("old", PAY)
    written = asyncio.run(write_readers(store, PAY.names, NEW, OLD))
    assert store.requests == [f"PUT {name}/repositories" for name in PAY.names]
    assert set(store.readers().values()) == {NEW}
    assert (written.names, written.error) == (list(PAY.names), None)


@pytest.mark.parametrize("kind", ["refused", "unanswered", "lost"])
@pytest.mark.parametrize("position", [1, 2, 3])
def test_readers_are_put_back(position, kind):
    store = holding("old", PAY, fails={position: kind})
    written = asyncio.run(write_readers(store, PAY.names, NEW, OLD))
    assert set(store.readers().values()) == {OLD}
    assert written.readers_restored == list(PAY.names[: position - (kind == "refused")])
    assert (written.forward, written.readers_uncertain) == ([], [])


@pytest.mark.parametrize("before", [None, SecretReaders("all")])
def test_readers_that_are_not_known_are_uncertain(before):
    store = holding("old", PAY, fails={2: "refused"})
    written = asyncio.run(write_readers(store, PAY.names, NEW, before))
    assert (written.forward, written.readers_uncertain) == ([PAY.user], [PAY.user])


def test_readers_that_cannot_be_put_back_are_uncertain():
    store = holding("old", PAY, fails={3: "lost", 4: "refused"})
    written = asyncio.run(write_readers(store, PAY.names, NEW, OLD))
    assert written.readers_uncertain == [PAY.user]
    assert written.readers_restored == [PAY.password, PAY.server]
    assert written.forward == [PAY.user]


@pytest.mark.parametrize("how", ["unanswered", "lost"])
def test_the_second_half_of_a_pair_that_cannot_be_put_back_is_tried_for_longer(monkeypatch, how):
    """As where secrets that were made by hand are taken over: nobody knows what they held."""
    monkeypatch.setattr(secret_writer, "_LASTING_PAUSES_SECONDS", (0, 0, 0, 0))
    store = holding("by hand", PAY, fails=dict.fromkeys(range(2, 6), how))
    written = write(store, values("new", PAY), fallback={})
    assert written.error is None
    assert store.values() == values("new", PAY)
    assert store.requests[1:6] == [f"PUT {PAY.password}!"] * 5


@pytest.mark.parametrize(("how", "tries"), [("refused", 1), ("unanswered", 5)])
def test_a_pair_that_stays_in_halves_is_told(monkeypatch, how, tries):
    monkeypatch.setattr(secret_writer, "_LASTING_PAUSES_SECONDS", (0, 0, 0, 0))
    store = holding("by hand", PAY, fails=dict.fromkeys(range(2, 99), how))
    written = write(store, values("new", PAY), fallback={})
    assert store.requests[1 : 1 + tries] == [f"PUT {PAY.password}!"] * tries
    assert f"PUT {PAY.password}!" not in store.requests[1 + tries :]
    assert PAY.user in written.uncertain
