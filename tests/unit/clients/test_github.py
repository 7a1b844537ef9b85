"""The client of GitHub: what it asks for once, and how it waits for GitHub's rate limits."""

from __future__ import annotations

import asyncio
import gzip
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from pulumi_codespaces.clients import github as github_client
from pulumi_codespaces.clients.codespaces_secrets import Place, Secrets
from pulumi_codespaces.clients.credentials import Configuration
from pulumi_codespaces.clients.errors import CloudError, OutcomeUnknown
from pulumi_codespaces.clients.github import GitHub
from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

TOKEN = "ghp_x"
SEED: dict[str, Any] = {
    "organizations": {"acme": {"id": 1, "plan": "team", "repositories": {"web": {"id": 11, "private": True}}}},
    "tokens": {TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"]}},
}
SECRETS = "/orgs/acme/codespaces/secrets"


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    with GitHubStandIn(SEED) as standing_in:
        yield standing_in


def run(github: GitHubStandIn, work: Callable[[Secrets], Awaitable[None]]) -> list[str]:
    """Do some work with an organization's secrets; returns the messages that a person saw meanwhile."""
    said: list[str] = []

    async def with_client() -> None:
        client = GitHub(Configuration("acme", f"{github.url}/", TOKEN), said.append)
        try:
            await work(Secrets(client, Place("acme")))
        finally:
            await client.close()

    asyncio.run(with_client())
    return said


def asked(github: GitHubStandIn) -> list[tuple[str, int | None]]:
    return [(f"{request.method} {request.path.removeprefix(SECRETS)}", request.status) for request in github.requests]


def answered(github: GitHubStandIn) -> int:
    return sum(1 for request in list(github.requests) if request.answered_at)


async def until(happened: Callable[[], bool]) -> None:
    """Wait for an event in the stand-in's thread, and for the client's reaction."""
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)


# -- listings


def test_who_asks_while_a_listing_is_under_way_shares_the_next_one(github: GitHubStandIn) -> None:
    async def work(client: Secrets) -> None:
        await client.secrets()
        await asyncio.gather(*(client.secrets(fresh=True) for _ in range(20)))
        await client.secrets()

    run(github, work)
    assert len(github.requests) == 3


def test_a_listing_that_was_begun_before_is_not_fresh(github: GitHubStandIn) -> None:
    async def work(client: Secrets) -> None:
        github.faults.add("GET", SECRETS, kind="delay", seconds=2)
        begun = asyncio.create_task(client.secrets(fresh=True))
        await until(lambda: len(github.requests) == 1)
        github.organization("acme").put_secret("NPM", "x")
        later = await asyncio.gather(*(client.secrets(fresh=True) for _ in range(5)))
        assert [list(listed) for listed in later] == [["NPM"]] * 5
        await begun

    run(github, work)
    assert len(github.requests) == 2


def test_a_listing_that_failed_is_nobodys(github: GitHubStandIn) -> None:
    async def work(client: Secrets) -> None:
        await client.secrets()
        github.organization("acme").put_secret("NPM", "x")
        github.faults.add("GET", SECRETS, kind="status", status=404)
        results = await asyncio.gather(*(client.secrets(fresh=True) for _ in range(3)), return_exceptions=True)
        assert [isinstance(result, CloudError) or list(result) for result in results] == [True, ["NPM"], ["NPM"]]

    run(github, work)
    assert len(github.requests) == 3


# -- the public key


def test_a_write_does_not_wait_for_a_listing(github: GitHubStandIn) -> None:
    async def work(client: Secrets) -> None:
        await client.public_key()
        github.faults.add("GET", SECRETS, kind="delay", seconds=2)
        listing = asyncio.create_task(client.secrets())
        await until(lambda: len(github.requests) == 2)
        await client.put_secret("S", "x", "all", ())
        assert not listing.done()
        await listing

    run(github, work)


def test_writes_at_the_same_time_outlive_a_new_public_key(github: GitHubStandIn) -> None:
    async def work(client: Secrets) -> None:
        await client.public_key()
        github.organization("acme").rotate_public_key()
        await asyncio.gather(*(client.put_secret(f"S{number}", "x", "all", ()) for number in range(6)))

    run(github, work)
    assert sorted(github.organization("acme").secrets) == [f"S{number}" for number in range(6)]
    # It is asked for once more, and not by each.
    assert [what for what, _ in asked(github)].count("GET /public-key") == 2


def test_a_refusal_that_a_new_public_key_does_not_mend_is_told(github: GitHubStandIn) -> None:
    github.faults.add("PUT", f"{SECRETS}/S", kind="status", status=422, times=None)

    async def work(client: Secrets) -> None:
        await client.put_secret("S", "x", "all", ())

    with pytest.raises(CloudError, match="GitHub answers 422"):
        run(github, work)
    assert asked(github) == [("GET /public-key", 200), ("PUT /S", 422), ("GET /public-key", 200)]


# -- rate limits


def test_a_rate_limit_that_one_request_meets_holds_up_all(github: GitHubStandIn) -> None:
    github.faults.add("PUT", f"{SECRETS}/S0", kind="secondary_limit", retry_after=1)

    async def work(client: Secrets) -> None:
        await client.public_key()
        first = asyncio.create_task(client.put_secret("S0", "x", "all", ()))
        await until(lambda: answered(github) == 2)
        await client.put_secret("S1", "x", "all", ())
        await first

    said = run(github, work)
    assert asked(github)[1] == ("PUT /S0", 403)
    assert sorted(asked(github)[2:]) == [("PUT /S0", 201), ("PUT /S1", 201)]
    refused, *later = github.requests[1:]
    assert all(request.at - refused.at >= 2 for request in later)
    assert said == ["GitHub's rate limit is reached: waiting 2 s, as GitHub asks"]


def test_the_second_write_of_a_pair_goes_first_after_a_rate_limit(github: GitHubStandIn) -> None:
    github.faults.add("PUT", f"{SECRETS}/PASSWORD", kind="secondary_limit", retry_after=0)

    async def work(client: Secrets) -> None:
        await client.public_key()
        password = asyncio.create_task(client.put_secret("PASSWORD", "x", "all", (), urgent=True))
        await until(lambda: answered(github) == 2)
        await asyncio.gather(password, *(client.put_secret(f"S{number}", "x", "all", ()) for number in range(3)))

    run(github, work)
    assert [what for what, _ in asked(github)[2:3]] == ["PUT /PASSWORD"]


def test_many_writes_end_well_under_a_low_limit(github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused more often than a request that fails is repeated."""
    monkeypatch.setattr(github_client, "_TRIES", 1)
    github.faults.add("PUT", f"{SECRETS}/*", kind="secondary_limit", retry_after=0, times=12)

    async def work(client: Secrets) -> None:
        await asyncio.gather(*(client.put_secret(f"S{number}", "x", "all", ()) for number in range(6)))

    run(github, work)
    assert len(github.organization("acme").secrets) == 6


def test_a_registry_waits_for_room_before_its_first_write(
    github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a limit that is met inside a pair, user and password do not match for a minute."""
    monkeypatch.setattr(github_client, "_WRITES_A_MINUTE", 16)
    monkeypatch.setattr(github_client, "_MINUTE_SECONDS", 2.0)

    async def write(client: Secrets, number: int) -> None:
        async with client.pairs:
            await client.put_secret(f"USER_{number}", "x", "all", (), urgent=True)
            await client.put_secret(f"PASSWORD_{number}", "x", "all", (), urgent=True)
        await client.put_secret(f"SERVER_{number}", "x", "all", ())

    async def work(client: Secrets) -> None:
        await client.public_key()
        await asyncio.gather(*(write(client, number) for number in range(8)))

    said = run(github, work)
    writes = [exchange for exchange in github.requests if exchange.method == "PUT"]
    assert len(writes) == 24
    for earlier, later in zip(writes, writes[16:], strict=False):
        assert later.at - earlier.at > 1.5
    assert said[0] == "GitHub allows 16 writes a minute: waiting 2 s"


def test_a_limit_that_lasts_too_long_is_told(github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_client, "_LONGEST_WAIT_SECONDS", 30.0)
    github.faults.add("GET", SECRETS, kind="secondary_limit", retry_after=60)

    async def work(client: Secrets) -> None:
        with pytest.raises(CloudError, match="rate limit is reached; run `pulumi up` again later"):
            await client.secrets()

    assert run(github, work) == []


def test_who_gives_up_waits_no_longer(github: GitHubStandIn) -> None:
    github.faults.add("GET", SECRETS, kind="secondary_limit", retry_after=800, times=None)

    async def work(client: Secrets) -> None:
        waiting = asyncio.create_task(client.secrets())
        await until(lambda: answered(github) == 1)
        await client._github.give_up()
        with pytest.raises(CloudError):
            await waiting

    began = time.monotonic()
    run(github, work)
    assert time.monotonic() - began < 600
    assert len(github.requests) == 2


def test_who_gives_up_can_put_back_every_pair_in_hand(github: GitHubStandIn) -> None:
    """Connections are closed one after the other; what follows on the first must not wait for the last."""
    numbers = range(4)
    for number in numbers:
        github.faults.add("PUT", f"{SECRETS}/PASSWORD_{number}", kind="hang", seconds=30)

    async def pair(client: Secrets, number: int) -> None:
        await client.put_secret(f"USER_{number}", "new", "all", (), urgent=True)
        with pytest.raises(OutcomeUnknown):
            await client.put_secret(f"PASSWORD_{number}", "new", "all", (), urgent=True)
        await client.put_secret(f"USER_{number}", "old", "all", ())

    async def work(client: Secrets) -> None:
        pairs = [asyncio.create_task(pair(client, number)) for number in numbers]
        await until(lambda: sum("/PASSWORD_" in request.path for request in list(github.requests)) == len(numbers))
        await client._github.give_up()
        await asyncio.gather(*pairs)

    run(github, work)
    assert {name: secret.value for name, secret in github.organization("acme").secrets.items()} == {
        f"USER_{number}": "old" for number in numbers
    }


def in_seconds(seconds: float) -> str:
    """As HTTP writes a moment."""
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "waits"), [(lambda: in_seconds(1), (1, 4)), (lambda: in_seconds(-60), (1, 2)), (lambda: "0", (1, 2))]
)
def test_a_rate_limit_may_tell_its_end_as_a_date(
    github: GitHubStandIn, header: Callable[[], str], waits: tuple[float, float]
) -> None:
    github.faults.add("PUT", f"{SECRETS}/S", kind="status", status=403, headers={"Retry-After": header()})

    async def work(client: Secrets) -> None:
        await client.put_secret("S", "x", "all", ())

    run(github, work)
    assert asked(github)[1:] == [("PUT /S", 403), ("PUT /S", 201)]
    shortest, longest = waits
    assert shortest <= github.requests[2].at - github.requests[1].at <= longest


@pytest.mark.parametrize("header", ["soon", "-1", "Wed, 99 Foo 2026"])
def test_a_rate_limit_whose_end_cannot_be_read_has_none_that_is_known(
    github: GitHubStandIn, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github_client, "_UNTOLD_WAIT_SECONDS", 0)
    github.faults.add("GET", SECRETS, kind="status", status=403, headers={"Retry-After": header})

    async def work(client: Secrets) -> None:
        assert await client.secrets() == {}

    run(github, work)
    assert asked(github) == [("GET ", 403), ("GET ", 200)]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}"])
def test_a_rate_limit_is_waited_for_whatever_its_answer_says(github: GitHubStandIn, body: bytes) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}
    github.faults.add("GET", SECRETS, kind="status", status=403, body=body, headers=headers)

    async def work(client: Secrets) -> None:
        assert await client.secrets() == {}

    run(github, work)
    assert asked(github) == [("GET ", 403), ("GET ", 200)]


# -- answers that are not GitHub's

HTML: dict[str, Any] = {"status": 200, "body": b"<html>CANARY</html>", "headers": {"Content-Type": "text/html"}}
OTHERWISE: dict[str, Any] = {"status": 200, "body": {"error": "CANARY"}}
WHO_IT_WAS = "cannot be understood and may not be GitHub's. Check the base URL and what is between here and GitHub"


@pytest.mark.parametrize("answer", [HTML, OTHERWISE], ids=["html", "other JSON"])
@pytest.mark.parametrize(
    ("path", "work"),
    [
        (SECRETS, lambda client: client.secrets()),
        (f"{SECRETS}/public-key", lambda client: client.public_key()),
        (f"{SECRETS}/S/repositories", lambda client: client.secret_repositories("S")),
        ("/orgs/acme/repos", lambda client: client._github.repositories()),
        ("/repos/acme/web", lambda client: client._github.repositories_named(["web"])),
        ("/orgs/acme/packages/container/app", lambda client: client._github.package("container", "app")),
    ],
)
def test_what_is_read_is_told_if_it_is_not_githubs(
    github: GitHubStandIn, path: str, work: Callable[[Secrets], Awaitable[None]], answer: dict[str, Any]
) -> None:
    github.faults.add("GET", path, kind="status", **answer)
    with pytest.raises(CloudError) as caught:
        run(github, work)
    assert type(caught.value) is CloudError
    assert path in str(caught.value)
    assert WHO_IT_WAS in str(caught.value)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        {"status": 403, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "CANARY"}},
        {"status": 403, "body": {"message": 7}, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}},
    ],
    ids=["html", "a limit until never", "a message that is none"],
)
def test_what_was_written_is_not_known_if_the_answer_is_not_githubs(
    github: GitHubStandIn, answer: dict[str, Any]
) -> None:
    github.faults.add("PUT", f"{SECRETS}/S", kind="status", **answer)

    async def work(client: Secrets) -> None:
        await client.put_secret("S", "x", "all", ())

    with pytest.raises(OutcomeUnknown) as caught:
        run(github, work)
    assert WHO_IT_WAS in str(caught.value)
    assert "CANARY" not in str(caught.value)


# -- bounds


def test_a_write_whose_answer_trickles_in_is_sent_again(github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read gets its byte in time, and a pair would be two halves for as long as that goes on."""
    monkeypatch.setattr(github_client, "_URGENT_SECONDS", 0.5)
    github.faults.add("PUT", f"{SECRETS}/PASSWORD", kind="trickle", seconds=600)

    async def work(client: Secrets) -> None:
        await client.put_secret("PASSWORD", "x", "all", (), urgent=True)

    run(github, work)
    assert asked(github)[1:] == [("PUT /PASSWORD", 201), ("PUT /PASSWORD", 204)]


def test_a_list_that_trickles_in_is_given_up(github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_client, "_DEADLINE_SECONDS", 0.5)
    monkeypatch.setattr(github_client, "_TRIES", 1)
    github.faults.add("GET", SECRETS, kind="trickle", seconds=600)

    async def work(client: Secrets) -> None:
        await client.secrets()

    with pytest.raises(CloudError, match=r"codespaces/secrets: no answer from GitHub \(TimeoutError\)"):
        run(github, work)


def test_an_answer_that_is_slow_but_whole_counts(github: GitHubStandIn) -> None:
    github.faults.add("GET", SECRETS, kind="trickle", seconds=0.5)

    async def work(client: Secrets) -> None:
        assert await client.secrets() == {}

    run(github, work)


def test_an_answer_larger_than_any_of_github_is_refused(github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a few bytes that are unpacked to gigabytes."""
    monkeypatch.setattr(github_client, "_LARGEST_ANSWER_BYTES", 1_000_000)
    bomb = gzip.compress(b" " * 50_000_000)
    github.faults.add("GET", SECRETS, kind="status", status=200, body=bomb, headers={"Content-Encoding": "gzip"})

    async def work(client: Secrets) -> None:
        await client.secrets()

    with pytest.raises(CloudError, match=r"the answer \(more than 1000000 bytes\) cannot be understood"):
        run(github, work)


@pytest.mark.parametrize(
    ("last", "what"),
    [
        ("page=999999999", r"a list of 999999999 pages"),
        ("page=many", r"a list whose last page cannot be read"),
        ("", r"a list whose last page cannot be read"),
    ],
)
def test_a_list_longer_than_any_of_github_is_refused(github: GitHubStandIn, last: str, what: str) -> None:
    link = f'<{github.url}{SECRETS}?{last}>; rel="last"'
    body = {"total_count": 0, "secrets": []}
    github.faults.add("GET", SECRETS, kind="status", status=200, body=body, headers={"Link": link})

    async def work(client: Secrets) -> None:
        await client.secrets()

    with pytest.raises(CloudError, match=rf"the answer \({what}\) cannot be understood"):
        run(github, work)
    assert len(github.requests) == 1


def test_a_write_follows_no_redirect(github: GitHubStandIn) -> None:
    """It might end in a repository of another owner."""
    to = {"Location": f"{github.url}/repositories/12/codespaces/secrets/S"}
    github.faults.add("PUT", f"{SECRETS}/S", kind="status", status=307, headers=to)

    async def work(client: Secrets) -> None:
        await client.put_secret("S", "x", "all", ())

    with pytest.raises(CloudError, match="GitHub answers 307 and redirects to another address") as caught:
        run(github, work)
    assert type(caught.value) is CloudError
    assert asked(github)[1:] == [("PUT /S", 307)]
