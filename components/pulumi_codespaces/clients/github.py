"""Requests to GitHub's REST API; answers are kept for the rest of the run."""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from itertools import count
from json import JSONDecodeError
from math import ceil
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from ..rules.selection import Repository
from .concurrency import gather_limited
from .credentials import NO_CREDENTIALS
from .errors import CloudError, OutcomeUnknown
from .pace import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from .credentials import Configuration

API_VERSION = "2022-11-28"
_PAGE = 100
_CONCURRENT_PAGES = 5
_MOST_PAGES = 1000
"""GitHub lets an organization have 100,000 repositories
(https://docs.github.com/en/repositories/creating-and-managing-repositories/repository-limits)."""
_LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
"""Far more than a page of the longest list; what is larger is not GitHub's."""
_TIMEOUT_SECONDS = 20.0
"""How long one step of a request may take, such as a read."""
_DEADLINE_SECONDS = 60.0
"""How long a request may take as a whole: an answer that trickles in is never late for any single read."""
_LONGEST_WAIT_SECONDS = 900.0
"""How long one request waits for GitHub's rate limits in all."""
_UNTOLD_WAIT_SECONDS = 60
"""How long to wait for a rate limit if GitHub does not say when it ends."""
_HEAD_START_SECONDS = 0.2
"""How long other requests stay behind the second write of a pair after a rate limit."""
_CONCURRENT_PAIRS = 4
"""How many registries may have a user and password that do not match if a rate limit or a kill comes in between."""
_WRITES_A_MINUTE = 80
"""GitHub allows no more requests that create content
(https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits)."""
_ROOM = 10
"""The writes that must be left in this minute before a registry begins: its own three, and some of others under way."""
_MINUTE_SECONDS = 60.0
_TRIES = 4
_URGENT_TRIES = 2
_URGENT_SECONDS = 10.0
"""GitHub itself gives a request up after 10 seconds
(https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api)."""

_OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that describe an answer as it was sent, not as it was decoded."""
_NOT_UNDERSTOOD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""Errors from reading an answer that is not as documented."""

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)
"""Set between the two writes of a pair, where waiting would leave codespaces with a user and password that differ."""


@contextmanager
def urgently(urgent: bool) -> Generator[None]:
    """Requests within give up soon instead of retrying long, if `urgent`."""
    token = _urgent.set(urgent)
    try:
        yield
    finally:
        _urgent.reset(token)


Progress = Callable[[str], None]
"""Shows the person at the terminal what is being waited for."""


@dataclass(frozen=True)
class Need:
    """The rights that a request needs.

    Attributes:
        scope: the scope of a classic token.
        permission: the permission of a fine-grained token or an App, in words.
        key: its name in GitHub's API; empty if GitHub answers 403 (not 404) when it is missing.
        access: `read` or `write`.
    """

    scope: str
    permission: str
    key: str = ""
    access: str = "read"

    def __str__(self) -> str:
        return f"a classic token needs the scope {self.scope}, a fine-grained token or an App {self.permission}"


_METADATA = Need("repo", "'Metadata: read'")
_CONTENTS = Need("repo", "the permission 'Contents: read' of the repository")
_PACKAGES = Need("read:packages", "cannot do it (https://docs.github.com/en/rest/packages/packages)")
_CUSTOM_PROPERTIES = Need("read:org", "'Custom properties: read' of the organization")


@dataclass(frozen=True)
class PackageInfo:
    """A package as GitHub describes it.

    Attributes:
        visibility: `private`, `internal` or `public`.
        repository: the name of the repository that it is linked to; None if it is not linked or not visible.
    """

    visibility: str
    repository: str | None


@dataclass
class Grants:
    """The rights of the credentials, as far as GitHub's answers show them.

    Attributes:
        scopes: the scopes of a classic token; None for other credentials.
        permissions: the permissions of an App's installation; None for other credentials.
        repository_selection: `all` or `selected` for an App's installation; None for other credentials.
    """

    scopes: list[str] | None = None
    permissions: dict[str, str] | None = None
    repository_selection: str | None = None

    def allow(self, need: Need) -> bool | None:
        """Whether the credentials have what a request takes; None if GitHub does not say."""
        if self.permissions is not None:
            has = self.permissions.get(need.key)
            return has == "write" or (has is not None and need.access == "read")
        return None if self.scopes is None else need.scope in self.scopes


@dataclass
class _Memory:
    """Answers that are kept for the rest of the run."""

    repositories: list[Repository] | None = None
    properties: dict[str, dict[str, Any]] | None = None
    looked_up: dict[str, Repository | None] = field(default_factory=dict[str, "Repository | None"])
    by_id: dict[int, Repository | None] = field(default_factory=dict[int, "Repository | None"])


class GitHub:
    """A GitHub organization: its repositories, and how any request is sent.

    Attributes:
        configuration: the organization and the credentials.
        grants: the rights of the credentials, as far as GitHub's answers show them.
        pairs: held while a registry's USER and PASSWORD are written.

    Raises, from every method:
        CloudError: GitHub refused; the message says what to do.
        OutcomeUnknown: a request that writes got no answer.
    """

    def __init__(self, configuration: Configuration, progress: Progress) -> None:
        self.configuration = configuration
        self.grants = Grants()
        self._progress = progress
        self._memory = _Memory()
        self._client: httpx.AsyncClient | None = None
        self.pairs = _Pairs(self)
        self._writes: deque[float] = deque(maxlen=_WRITES_A_MINUTE)
        self._lock = asyncio.Lock()
        self._resume_at = 0.0
        self._giving_up = asyncio.Event()

    @property
    def organization(self) -> str:
        """The organization's login."""
        return self.configuration.owner

    async def repositories(self) -> list[Repository]:
        """Every repository of the organization that the credentials can see."""
        async with self._lock:
            if self._memory.repositories is None:
                items = await self.pages(f"/orgs/{self.organization}/repos", None, need=_METADATA)
                self._memory.repositories = [_repository(item) for item in items]
            return self._memory.repositories

    async def repositories_named(self, names: Sequence[str]) -> list[Repository]:
        """The named repositories that exist; one request for each name."""
        if self._memory.repositories is not None:
            wanted = {name.lower() for name in names}
            return [repository for repository in self._memory.repositories if repository.name.lower() in wanted]
        missing = [name for name in names if name not in self._memory.looked_up]
        answers = await asyncio.gather(*(self._lookup(f"/repos/{self.organization}/{name}") for name in missing))
        for name, answer in zip(missing, answers, strict=True):
            # GitHub redirects a former name to the repository as it is called today, even under another owner. Only
            # the requested name counts here.
            same = answer and answer.name.lower() == name.lower() and not answer.moved_to
            self._memory.looked_up[name] = answer if same else None
        named = (self._memory.looked_up[name] for name in names)
        return [repository for repository in named if repository]

    async def repository_by_id(self, number: int, *, fresh: bool = False) -> Repository | None:
        """A repository by its id, whatever its name and owner are now; None if it cannot be seen.

        It is requested once a run unless `fresh` is set.
        """
        listed = next((repository for repository in self._memory.repositories or () if repository.id == number), None)
        if listed and not fresh:
            return listed
        if fresh or number not in self._memory.by_id:
            self._memory.by_id[number] = await self._lookup(f"/repositories/{number}")
        return self._memory.by_id[number]

    async def custom_properties(self) -> dict[str, dict[str, Any]]:
        """The custom properties of each repository, by repository name."""
        async with self._lock:
            if self._memory.properties is None:
                path = f"/orgs/{self.organization}/properties/values"
                items = await self.pages(path, None, need=_CUSTOM_PROPERTIES)
                self._memory.properties = {
                    item["repository_name"]: {
                        entry["property_name"]: entry["value"]
                        for entry in item["properties"]
                        if entry["value"] is not None
                    }
                    for item in items
                }
            return self._memory.properties

    async def package(self, kind: str, name: str) -> PackageInfo:
        """A package of the organization; raises a CloudError with the status 404 if it does not exist."""
        path = f"/orgs/{self.organization}/packages/{kind}/{quote(name, safe='')}"
        with decoded(await self.send("GET", path, need=_PACKAGES)) as item:
            linked = item.get("repository")
            return PackageInfo(item["visibility"], linked["name"] if linked else None)

    async def file(self, repository: str, path: str) -> str | None:
        """The text of a file on the default branch of a repository; None if it does not exist."""
        place = f"/repos/{self.organization}/{repository}/contents/{quote(path)}"
        try:
            answer = await self.send("GET", place, need=_CONTENTS)
        except CloudError as error:
            if error.status == 404:
                return None
            raise
        with decoded(answer) as found:
            # A folder is a list, and a submodule has no content
            # (https://docs.github.com/en/rest/repos/contents#get-repository-content).
            content: object = cast("dict[str, Any]", found).get("content") if isinstance(found, dict) else None
            return b64decode(content).decode(errors="replace") if isinstance(content, str) else None

    def unseen_repositories(self) -> str:
        """Why the credentials do not see every repository, as the beginning of a sentence; empty if they do.

        GitHub's answers show it, so send a request first. For a fine-grained token they do not.
        """
        if self.grants.repository_selection == "selected":
            return f"the GitHub App is installed on selected repositories of {self.organization} only"
        if self.grants.scopes is not None and "repo" not in self.grants.scopes:
            return "the token lacks the scope repo and sees public repositories only"
        return ""

    def sees_every_repository(self) -> bool:
        """Whether GitHub's answers show that the credentials see every repository that their owner does.

        For a fine-grained token they do not.
        """
        if self.grants.repository_selection:
            return self.grants.repository_selection == "all"
        return "repo" in (self.grants.scopes or ())

    def may_overlook(self) -> str:
        """Why a repository may exist although it was not found, as a clause; empty if it is gone.

        Request the repository first, as with `unseen_repositories`.
        """
        if self.sees_every_repository():
            return ""
        return self.unseen_repositories() or (
            "GitHub does not say which repositories a fine-grained token or an App's token can see"
        )

    async def give_up(self) -> None:
        """End the requests that wait for an answer. Later requests are sent once and not retried."""
        self._giving_up.set()
        await self.close()

    async def close(self) -> None:
        """Close the connections; a request that follows opens new ones."""
        # Requests hear that their connection is closed one after the other. When they retry, they must not use a
        # client that is already closed.
        client = self._client
        self._client = None
        if client:
            await client.aclose()

    async def _lookup(self, path: str) -> Repository | None:
        try:
            response = await self.send("GET", path, need=_METADATA)
        except CloudError as error:
            if error.status in (404, 410, 451):
                return None
            raise
        with decoded(response) as item:
            owner = item["owner"]["login"]
            return _repository(item, "" if owner.lower() == self.organization.lower() else owner)

    async def pages(self, path: str, key: str | None, *, need: Need) -> list[dict[str, Any]]:
        """All items of a list that GitHub hands out in pages.

        Args:
            path: the path of the list, such as `/orgs/acme/repos`.
            key: the field of each page that holds the items; None if a page is the list itself.
            need: what the credentials must be allowed to do, for the message about a refusal.

        Raises:
            CloudError: GitHub refused, or did not answer.
        """
        first = await self.send("GET", path, params={"per_page": _PAGE}, need=need)
        items = _items(first, key)
        last = _last_page(first)
        if last > _MOST_PAGES:
            raise _not_understood("GET", path, f"a list of {last} pages")
        pace = Pace(self._progress, f"reading pages of {path}", last)
        pace.step()

        async def page(number: int) -> list[dict[str, Any]]:
            params = {"per_page": _PAGE, "page": number}
            items_of_page = _items(await self.send("GET", path, params=params, need=need), key)
            pace.step()
            return items_of_page

        pages = await gather_limited(page, range(2, last + 1), _CONCURRENT_PAGES)
        return [*items, *(item for items_of_page in pages for item in items_of_page)]

    async def send(
        self,
        method: str,
        path: str,
        *,
        need: Need,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """Send one request, and wait while a rate limit of GitHub holds it up.

        Args:
            method: the HTTP method.
            path: the path behind the address of the REST API.
            need: what the credentials must be allowed to do, for the message about a refusal.
            params: the parameters of the query.
            json: the body.

        Raises:
            OutcomeUnknown: the answer to a request that writes was lost.
            CloudError: GitHub refused, or did not answer.
        """
        patience = asyncio.get_running_loop().time() + _LONGEST_WAIT_SECONDS
        for refusals in count():
            await self._until_allowed()
            if method != "GET" and not _urgent.get():
                self._writes.append(asyncio.get_running_loop().time())
            response = await self._answer(method, path, params, json)
            self._note_scopes(response)
            if response.has_redirect_location:
                raise _redirected(method, path, response)
            if not response.is_error:
                if method != "GET" and response.content:
                    # An answer of something in between, such as a proxy, is not a success.
                    with decoded(response):
                        pass
                return response
            try:
                asked = _asked_to_wait(response)
            except _NOT_UNDERSTOOD as failure:
                raise _not_understood(method, path, type(failure).__name__) from None
            if asked is None or not self._holds(asked, refusals, patience):
                raise self._refused(method, path, response, need)
        raise AssertionError

    async def _answer(
        self, method: str, path: str, params: dict[str, Any] | None, json: dict[str, Any] | None
    ) -> httpx.Response:
        """Send a request, and repeat it if GitHub fails or does not answer.

        Returns:
            GitHub's answer, or its refusal to give an App's installation a token.

        Raises:
            CloudError: GitHub did not answer, or the request could not be sent.
        """
        import httpx  # noqa: PLC0415 - a preview may need no request

        from .github_auth import CannotSign, TokenRefused  # noqa: PLC0415 - as above

        for tries in count(1):
            unanswered: Exception | None = None
            response: httpx.Response | None = None
            deadline = _URGENT_SECONDS if _urgent.get() else _DEADLINE_SECONDS
            try:
                response = await asyncio.wait_for(self._exchange(method, path, params, json), deadline)
            except TokenRefused as refusal:
                response = refusal.response
            except httpx.HTTPError as failure:
                unanswered = failure
            except asyncio.TimeoutError as failure:
                unanswered = failure
            except (OSError, RuntimeError, httpx.InvalidURL) as failure:
                # The connections were closed in the meantime, or a redirect has an invalid address.
                raise _unanswered(method, path, failure) from None
            except (CannotSign, TypeError, ValueError) as failure:
                kind = failure.kind if isinstance(failure, CannotSign) else type(failure).__name__
                raise CloudError(
                    f"{method} {path} could not be sent ({kind}): the credentials cannot be used. Check the token, or "
                    "the id and the key of the GitHub App."
                ) from None
            last = self._giving_up.is_set() or tries >= (_URGENT_TRIES if _urgent.get() else _TRIES)
            if unanswered and last:
                raise _unanswered(method, path, unanswered) from None
            if response is not None and (response.status_code < 500 or last):
                return response
            await self._pause(0.1 if _urgent.get() else 0.5 * 2 ** (tries - 1))
        raise AssertionError

    async def _exchange(
        self, method: str, path: str, params: dict[str, Any] | None, json: dict[str, Any] | None
    ) -> httpx.Response:
        """Send a request once and read the whole answer."""
        import httpx  # noqa: PLC0415 - as above

        client = self._connect()
        request = client.build_request(
            method,
            path,
            params=params,
            json=json,
            headers={"X-GitHub-Api-Version": API_VERSION},
            timeout=_URGENT_SECONDS if _urgent.get() else _TIMEOUT_SECONDS,
        )
        # A write that follows a redirect may end in a repository of another owner, or change into a GET.
        response = await client.send(request, stream=True, follow_redirects=method == "GET")
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST_ANSWER_BYTES:
                    raise _not_understood(method, path, f"more than {_LARGEST_ANSWER_BYTES} bytes")
        finally:
            await response.aclose()
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_THE_TRANSFER]
        return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=response.request)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not after `give_up` was called."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._giving_up.wait(), seconds)

    async def room_for_a_registry(self) -> None:
        """Wait until the secrets of a registry can be written without meeting GitHub's limit of writes a minute.

        The limit lasts a minute, for which it would leave a user and a password that do not match.
        """
        clock = asyncio.get_running_loop().time
        while not self._giving_up.is_set():
            now = clock()
            past = [began for began in self._writes if began > now - _MINUTE_SECONDS]
            excess = len(past) + _ROOM - _WRITES_A_MINUTE
            if excess <= 0:
                # The pair counts before it is sent, so that registries at the same time share the room.
                self._writes.extend([now, now])
                return
            seconds = past[excess - 1] + _MINUTE_SECONDS - now
            self._progress(f"GitHub allows {_WRITES_A_MINUTE} writes a minute: waiting {seconds:.0f} s")
            await self._pause(seconds)

    async def _until_allowed(self) -> None:
        """Wait while a rate limit holds up all requests, whichever of them met it."""
        clock = asyncio.get_running_loop().time
        while not self._giving_up.is_set():
            left = self._resume_at + (0.0 if _urgent.get() else _HEAD_START_SECONDS) - clock()
            if left <= 0:
                return
            await self._pause(left)

    def _holds(self, asked: float, refusals: int, patience: float) -> bool:
        """Whether to wait for a rate limit that refused a request; all requests wait then.

        Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit

        Args:
            asked: how many seconds GitHub asked to wait.
            refusals: how often a rate limit has already refused the request.
            patience: the instant until which it may wait.
        """
        if self._giving_up.is_set():
            return False
        now = asyncio.get_running_loop().time()
        seconds = asked + 2**refusals
        if now + seconds > patience:
            return False
        if now + seconds >= self._resume_at + 1:
            self._progress(f"GitHub's rate limit is reached: waiting {seconds:.0f} s, as GitHub asks")
        self._resume_at = max(self._resume_at, now + seconds)
        return True

    def _connect(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx  # noqa: PLC0415 - as above

            from .github_auth import InstallationAuth, TokenAuth  # noqa: PLC0415 - as above

            configuration = self.configuration
            if configuration.app_auth:
                auth = InstallationAuth(configuration.app_auth, configuration.base_url, self._note_installation)
            elif configuration.token:
                auth = TokenAuth(configuration.token)
            else:
                raise CloudError(NO_CREDENTIALS)
            self._client = httpx.AsyncClient(
                auth=auth,
                base_url=configuration.base_url,
                headers={
                    "User-Agent": "pulumi-codespaces",
                    "Accept": "application/vnd.github+json",
                    # A list must not come out of a cache on the way.
                    "Cache-Control": "no-cache",
                },
                follow_redirects=True,
            )
        return self._client

    def _note_installation(self, answer: dict[str, Any]) -> None:
        self.grants.permissions = answer.get("permissions")
        self.grants.repository_selection = answer.get("repository_selection")

    def _note_scopes(self, response: httpx.Response) -> None:
        scopes = response.headers.get("x-oauth-scopes")
        if scopes is not None:
            self.grants.scopes = [scope.strip() for scope in scopes.split(",") if scope.strip()]

    def _refused(self, method: str, path: str, response: httpx.Response, need: Need) -> CloudError:
        # If an App's token was refused, the request that needed it was never sent.
        unsent = response.request.url.path.endswith("/access_tokens")
        if unsent:
            method, path = response.request.method, response.request.url.path
        status = response.status_code
        try:
            said = str(response.json().get("message", ""))
        except (ValueError, AttributeError):
            said = ""
        what = f"{method} {path}: GitHub answers {status}"
        if said:
            what += f" ({said})"
        if status >= 500:
            kind = CloudError if method == "GET" or unsent else OutcomeUnknown
            return kind(f"{what}. GitHub failed; run `pulumi up` again.", status)
        return CloudError(f"{what}.{self._way_out(path, response, need)}", status)

    def _way_out(self, path: str, response: httpx.Response, need: Need) -> str:
        status = response.status_code
        single_sign_on = str(response.headers.get("x-github-sso", "")).partition("url=")[2]
        if status == 401:
            return " The GitHub token or App key is wrong, expired or revoked; give a new one."
        if _is_secondary_limit(response) or response.headers.get("x-ratelimit-remaining") == "0":
            return " GitHub's rate limit is reached; run `pulumi up` again later."
        if status == 403 and single_sign_on:
            return f" Authorize the token for the organization's single sign-on: {single_sign_on}"
        if status == 403 or (status == 404 and self._lacks(need)):
            return f" {self._needed(need)}"
        return self._what_is_missing(path) if status == 404 else ""

    def _what_is_missing(self, path: str) -> str:
        if path.endswith("/access_tokens"):
            return (
                " The GitHub App has no such installation: compare app_auth.id and app_auth.installation_id (or "
                "GITHUB_APP_ID and GITHUB_APP_INSTALLATION_ID) with the organization's settings."
            )
        organization = f"/orgs/{self.organization}"
        of_repository = path.startswith(f"/repos/{self.organization}/") and "/codespaces/secrets" in path
        if of_repository:
            return (
                f" Organization {self.organization} has no such repository, or the credentials may not administer it."
            )
        if path.startswith(f"{organization}/codespaces/secrets") and path.endswith(("/secrets", "/public-key")):
            return (
                f" Organization {self.organization} has no Codespaces secrets: they need GitHub Team or GitHub "
                "Enterprise. Or its name is wrong, or the credentials cannot see it."
            )
        if path.removeprefix(organization) in ("", "/repos", "/properties/values"):
            return f" The name of the organization, {self.organization}, is wrong, or the credentials cannot see it."
        return ""

    def _lacks(self, need: Need) -> bool:
        """Whether a 404 may mean that a classic token lacks a scope."""
        return bool(need.key) and self.grants.scopes is not None and self.grants.allow(need) is False

    def _needed(self, need: Need) -> str:
        has = "" if self.grants.scopes is None else f" The token has: {', '.join(self.grants.scopes) or 'no scope'}."
        return f"To do this in organization {self.organization}, {need}.{has}"


class _Pairs:
    """Held while a registry's USER and PASSWORD are written: for few registries at a time, and with room for them."""

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self._few = asyncio.Semaphore(_CONCURRENT_PAIRS)

    async def __aenter__(self) -> None:
        await self._few.acquire()
        try:
            await self._github.room_for_a_registry()
        except BaseException:
            self._few.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._few.release()


def _unanswered(method: str, path: str, failure: Exception) -> CloudError:
    kind = CloudError if method == "GET" else OutcomeUnknown
    what = f"{method} {path}: no answer from GitHub ({type(failure).__name__})"
    return kind(f"{what}. Check the network and run `pulumi up` again.")


def _redirected(method: str, path: str, response: httpx.Response) -> CloudError:
    return CloudError(
        f"{method} {path}: GitHub answers {response.status_code} and redirects to another address, so the organization "
        "or the repository was renamed or transferred. Nothing was written. Use its present name and owner.",
        response.status_code,
    )


@contextmanager
def decoded(response: httpx.Response) -> Generator[Any]:
    """The JSON of an answer, to be read within.

    Raises:
        CloudError: it is not JSON, or not as GitHub documents it, as if a proxy answered instead.
        OutcomeUnknown: the same, for a request that writes.
    """
    request = response.request
    try:
        yield response.json()
    except _NOT_UNDERSTOOD:
        kind = response.headers.get("content-type", "").partition(";")[0] or "no content type"
        what = f"{response.status_code}, {kind}, {len(response.content)} bytes"
        raise _not_understood(request.method, request.url.path, what) from None


def _not_understood(method: str, path: str, what: str) -> CloudError:
    kind = CloudError if method == "GET" else OutcomeUnknown
    return kind(
        f"{method} {path}: the answer ({what}) cannot be understood and may not be GitHub's. Check the base URL and "
        "what is between here and GitHub, such as a proxy, and run `pulumi up` again."
    )


def _asked_to_wait(response: httpx.Response) -> float | None:
    """How many seconds GitHub asks to wait; None if no rate limit refused the request.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    if response.status_code not in (403, 429):
        return None
    if "retry-after" in response.headers:
        return _seconds_until(response.headers["retry-after"])
    if response.headers.get("x-ratelimit-remaining") == "0":
        with suppress(JSONDecodeError):
            body = response.json()
            if isinstance(body, dict) and not isinstance(cast("dict[str, Any]", body).get("message", ""), str):
                raise TypeError
        reset = response.headers.get("x-ratelimit-reset")
        return _UNTOLD_WAIT_SECONDS if reset is None else max(0.0, int(reset) - time.time())
    return _UNTOLD_WAIT_SECONDS if _is_secondary_limit(response) else None


def _seconds_until(retry_after: str) -> float:
    """The seconds of a Retry-After, which may be a date (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after)."""
    if retry_after.strip().isdecimal():
        return int(retry_after)
    try:
        until = parsedate_to_datetime(retry_after).astimezone(timezone.utc)
        return max(0, ceil((until - datetime.now(timezone.utc)).total_seconds()))
    except _NOT_UNDERSTOOD:
        return _UNTOLD_WAIT_SECONDS


def _is_secondary_limit(response: httpx.Response) -> bool:
    if response.status_code not in (403, 429):
        return False
    return response.status_code == 429 or "secondary rate limit" in response.text


def _items(response: httpx.Response, key: str | None) -> list[dict[str, Any]]:
    with decoded(response) as body:
        items: object = body[key] if key else body
        if not isinstance(items, list):
            raise TypeError
        return cast("list[dict[str, Any]]", items)


def _last_page(response: httpx.Response) -> int:
    link = response.links.get("last")
    if not link:
        return 1
    import httpx  # noqa: PLC0415

    try:
        return int(httpx.URL(link["url"]).params["page"])
    except (*_NOT_UNDERSTOOD, httpx.InvalidURL):
        raise _not_understood("GET", response.request.url.path, "a list whose last page cannot be read") from None


def _repository(item: dict[str, Any], moved_to: str = "") -> Repository:
    return Repository(
        id=item["id"],
        name=item["name"],
        archived=bool(item.get("archived")),
        visibility=item.get("visibility") or ("private" if item.get("private") else "public"),
        topics=frozenset(item.get("topics") or ()),
        moved_to=moved_to,
    )
