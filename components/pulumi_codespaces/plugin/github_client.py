"""The requests to GitHub's REST API, with what a run has already been told kept for the rest of the run."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from ..rules.selection import Repository
from .configuration import NO_CREDENTIALS
from .failures import CloudError, OutcomeUnknown
from .pace import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx
    from githubkit import GitHub as GitHubKit
    from githubkit.exception import GitHubException
    from githubkit.response import Response
    from githubkit.retry import RetryOption

    from .configuration import Configuration

API_VERSION = "2022-11-28"
_PAGE = 100
_CONCURRENT_PAGES = 5
_TIMEOUT_SECONDS = 20.0
_LONGEST_WAIT_SECONDS = 900.0
"""How long one request waits for GitHub's rate limits in all."""
_UNTOLD_WAIT_SECONDS = 60
"""How long a rate limit is waited for that does not tell its end."""
_HEAD_START_SECONDS = 0.2
"""By how much the second write of a pair goes before all else that waited for a rate limit."""
_CONCURRENT_PAIRS = 4
"""So many registries at most hold a user and password that differ when a rate limit or a kill comes in between."""
_TRIES = 4
_URGENT_TRIES = 2
_URGENT_SECONDS = 10.0
"""GitHub itself gives a request up after 10 seconds
(https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api)."""

_NOT_UNDERSTOOD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer raises that is not as documented."""

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
"""Tells the person at the terminal what is being waited for."""


@dataclass(frozen=True)
class Need:
    """What a request takes of the credentials.

    Attributes:
        scope: the scope of a classic token.
        permission: the permission of a fine-grained token or an App, in words.
        key: the same as GitHub's API names it; "" where a lack of it is told by a 403.
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
    """What GitHub tells about a package.

    Attributes:
        visibility: `private`, `internal` or `public`.
        repository: the name of the repository that it is linked to; None for none, or for one that cannot be seen.
    """

    visibility: str
    repository: str | None


@dataclass
class Grants:
    """What GitHub told, along with its answers, about the rights of the credentials.

    Attributes:
        scopes: the scopes of a classic token; None for other credentials.
        permissions: the permissions of an App's installation; None for other credentials.
        repository_selection: `all` or `selected` for an App's installation; None for other credentials.
    """

    scopes: list[str] | None = None
    permissions: dict[str, str] | None = None
    repository_selection: str | None = None

    def allow(self, need: Need) -> bool | None:
        """Whether the credentials have what a request takes; None where GitHub does not tell."""
        if self.permissions is not None:
            has = self.permissions.get(need.key)
            return has == "write" or (has is not None and need.access == "read")
        return None if self.scopes is None else need.scope in self.scopes


@dataclass
class _Memory:
    """What this run was told; a write by this run refreshes it."""

    repositories: list[Repository] | None = None
    properties: dict[str, dict[str, Any]] | None = None
    looked_up: dict[str, Repository | None] = field(default_factory=dict[str, "Repository | None"])
    by_id: dict[int, Repository | None] = field(default_factory=dict[int, "Repository | None"])


class GitHub:
    """The organization at GitHub: its repositories, and how any request is sent.

    Attributes:
        configuration: whom it works for.
        grants: what GitHub told about the rights of the credentials.
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
        self._client: GitHubKit[Any] | None = None
        self._pool: httpx.AsyncClient | None = None
        self.pairs = asyncio.Semaphore(_CONCURRENT_PAIRS)
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
        """The repositories of these names that exist, each asked for by itself."""
        if self._memory.repositories is not None:
            wanted = {name.lower() for name in names}
            return [repository for repository in self._memory.repositories if repository.name.lower() in wanted]
        missing = [name for name in names if name not in self._memory.looked_up]
        answers = await asyncio.gather(*(self._lookup(f"/repos/{self.organization}/{name}") for name in missing))
        for name, found in zip(missing, answers, strict=True):
            # GitHub leads a request for an old name to the repository of today, also to that of another owner; only the
            # name asked for counts here.
            same = found and found.name.lower() == name.lower() and not found.moved_to
            self._memory.looked_up[name] = found if same else None
        found = (self._memory.looked_up[name] for name in names)
        return [repository for repository in found if repository]

    async def repository_by_id(self, number: int, *, fresh: bool = False) -> Repository | None:
        """A repository by its id, whatever its name and its owner are now; None where there is none to be seen.

        It is asked for once a run unless `fresh` is set.
        """
        listed = next((one for one in self._memory.repositories or () if one.id == number), None)
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
                        one["property_name"]: one["value"] for one in item["properties"] if one["value"] is not None
                    }
                    for item in items
                }
            return self._memory.properties

    async def package(self, kind: str, name: str) -> PackageInfo:
        """A package of the organization; one that is not there is a CloudError with the status 404."""
        path = f"/orgs/{self.organization}/packages/{kind}/{quote(name, safe='')}"
        with decoded(await self.send("GET", path, need=_PACKAGES)) as item:
            linked = item.get("repository")
            return PackageInfo(item["visibility"], linked["name"] if linked else None)

    async def file(self, repository: str, path: str) -> str | None:
        """The text of a file on the default branch of a repository; None where there is none."""
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
        """Why the credentials do not see every repository, as the beginning of a sentence; "" where they do.

        GitHub tells along with its answers, so ask for something first. Of a fine-grained token it does not tell.
        """
        if self.grants.repository_selection == "selected":
            return f"the GitHub App is installed on selected repositories of {self.organization} only"
        if self.grants.scopes is not None and "repo" not in self.grants.scopes:
            return "the token lacks the scope repo and sees public repositories only"
        return ""

    def sees_every_repository(self) -> bool:
        """Whether GitHub told that the credentials see every repository that their owner does.

        Of a fine-grained token it does not tell.
        """
        if self.grants.repository_selection:
            return self.grants.repository_selection == "all"
        return "repo" in (self.grants.scopes or ())

    def may_overlook(self) -> str:
        """Why a repository that is not found may be there all the same, as a clause; "" where it is gone.

        Ask for the repository first, as with `unseen_repositories`.
        """
        if self.sees_every_repository():
            return ""
        return self.unseen_repositories() or (
            "of a fine-grained token and of an App's token GitHub does not tell which repositories they see"
        )

    async def give_up(self) -> None:
        """End the requests that wait for an answer; those that follow are sent once and wait shortly."""
        self._giving_up.set()
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._pool:
            await self._pool.aclose()
        self._pool = self._client = None

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
        first = await self.send("GET", path, params={"per_page": _PAGE}, need=need)
        items = _items(first, key)
        last = _last_page(first)
        gate = asyncio.Semaphore(_CONCURRENT_PAGES)
        pace = Pace(self._progress, f"reading pages of {path}", last)
        pace.step()

        async def page(number: int) -> list[dict[str, Any]]:
            async with gate:
                params = {"per_page": _PAGE, "page": number}
                found = _items(await self.send("GET", path, params=params, need=need), key)
                pace.step()
                return found

        for more in await asyncio.gather(*(page(number) for number in range(2, last + 1))):
            items.extend(more)
        return items

    async def send(
        self,
        method: str,
        path: str,
        *,
        need: Need,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
    ) -> Response[Any]:
        # It costs 0.3 s and is not always needed.
        from githubkit.exception import GitHubException  # noqa: PLC0415

        headers = {"X-GitHub-Api-Version": API_VERSION}
        patience = asyncio.get_running_loop().time() + _LONGEST_WAIT_SECONDS
        for refusals in count():
            await self._until_allowed()
            client = cast("Any", await self._connect())
            try:
                response: Response[Any] = await client.arequest(method, path, params=params, json=json, headers=headers)
            except GitHubException as failure:
                if not self._holds(_cause(failure), refusals, patience):
                    raise self._failed(method, path, failure, need) from None
            except _NOT_UNDERSTOOD as failure:
                # githubkit lets out what it stumbles over in an answer.
                raise _not_understood(method, path, type(failure).__name__) from None
            else:
                self._note_scopes(response.raw_response)
                if method != "GET" and response.content:
                    # What something on the way answers is not taken for a success.
                    with decoded(response):
                        pass
                return response
        raise AssertionError

    async def _until_allowed(self) -> None:
        """Wait as long as GitHub's rate limit holds requests up, whichever of them met it."""
        clock = asyncio.get_running_loop().time
        while not self._giving_up.is_set():
            left = self._resume_at + (0.0 if _urgent.get() else _HEAD_START_SECONDS) - clock()
            if left <= 0:
                return
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._giving_up.wait(), left)

    def _holds(self, cause: Exception, refusals: int, patience: float) -> bool:
        """Whether a rate limit refused a request and will be waited for; it holds up all requests then.

        Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit

        Args:
            cause: why the request failed.
            refusals: how often a rate limit has refused it before.
            patience: the instant until which it may wait.
        """
        asked = _asked_to_wait(cause)
        now = asyncio.get_running_loop().time()
        if asked is None or self._giving_up.is_set():
            return False
        seconds = asked.total_seconds() + 2**refusals
        if now + seconds > patience:
            return False
        if now + seconds >= self._resume_at + 1:
            self._progress(f"GitHub's rate limit is reached: waiting {seconds:.0f} s, as GitHub asks")
        self._resume_at = max(self._resume_at, now + seconds)
        return True

    def _failed(self, method: str, path: str, failure: GitHubException, need: Need) -> CloudError:
        """A request's failure in words for a person."""
        from githubkit.exception import AuthCredentialError, RequestFailed  # noqa: PLC0415
        from jwt import PyJWTError  # noqa: PLC0415

        cause = _cause(failure)
        if isinstance(cause, RequestFailed):
            self._note_scopes(cause.response.raw_response)
            if cause is not failure:
                method, path = cause.request.method, cause.request.url.path
            return self._refused(method, path, cause, need)
        if isinstance(cause, (AuthCredentialError, PyJWTError, ValueError, TypeError)):
            return CloudError(
                f"{method} {path} could not be sent ({type(cause).__name__}): the credentials cannot be used. "
                "Check the token, or the id and the key of the GitHub App."
            )
        what = f"{method} {path}: no answer from GitHub ({type(cause).__name__})"
        kind = CloudError if method == "GET" else OutcomeUnknown
        return kind(f"{what}. Check the network and run `pulumi up` again.")

    async def _connect(self) -> GitHubKit[Any]:
        if self._client is None:
            # githubkit logs requests and errors with their details; the messages here are written with care instead.
            logging.getLogger("githubkit").setLevel(logging.CRITICAL)
            from githubkit import AppInstallationAuthStrategy, GitHub, TokenAuthStrategy  # noqa: PLC0415

            app = self.configuration.app_auth
            if not app and not self.configuration.token:
                raise CloudError(NO_CREDENTIALS)
            auth = (
                AppInstallationAuthStrategy(app.id, app.pem, int(app.installation_id))
                if app
                else TokenAuthStrategy(self.configuration.token or "")
            )

            class OneConnectionPool(GitHub[Any]):
                """githubkit keeps its connections per task, and each call of the engine is a task of its own."""

                @asynccontextmanager
                async def get_async_client(self) -> AsyncGenerator[httpx.AsyncClient, None]:
                    yield pool

            client = OneConnectionPool(
                auth,
                base_url=self.configuration.base_url,
                user_agent="pulumi-codespaces",
                timeout=_TIMEOUT_SECONDS,
                http_cache=False,
                auto_retry=self._retry,
                async_event_hooks={"request": [_hurry], "response": [_note_wait, self._note_installation]},
            )
            pool = self._pool = await client._create_async_client()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            self._client = client
        return self._client

    async def _note_installation(self, response: httpx.Response) -> None:
        if response.request.url.path.endswith("/access_tokens") and response.status_code == 201:
            await response.aread()
            body = response.json()
            self.grants.permissions = body.get("permissions")
            self.grants.repository_selection = body.get("repository_selection")

    def _note_scopes(self, response: httpx.Response) -> None:
        scopes = response.headers.get("x-oauth-scopes")
        if scopes is not None:
            self.grants.scopes = [scope.strip() for scope in scopes.split(",") if scope.strip()]

    def _retry(self, failure: GitHubException, retries: int) -> RetryOption:
        from githubkit.exception import RequestFailed  # noqa: PLC0415
        from githubkit.retry import RetryOption  # noqa: PLC0415
        from httpx import HTTPError  # noqa: PLC0415

        if self._giving_up.is_set() or retries + 1 >= (_URGENT_TRIES if _urgent.get() else _TRIES):
            return RetryOption(do_retry=False)
        cause = _cause(failure)
        # A rate limit is waited for where all requests pass, in `send`.
        passing = (
            cause.response.status_code >= 500 if isinstance(cause, RequestFailed) else isinstance(cause, HTTPError)
        )
        seconds = 0.1 if _urgent.get() else 0.5 * 2**retries
        return RetryOption(do_retry=passing, retry_after=timedelta(seconds=seconds))

    def _refused(self, method: str, path: str, failure: Any, need: Need) -> CloudError:
        response = failure.response
        status = response.status_code
        try:
            said = str(response.json().get("message", ""))
        except (ValueError, AttributeError):
            said = ""
        what = f"{method} {path}: GitHub answers {status}{f' ({said})' if said else ''}"
        if status >= 500:
            kind = CloudError if method == "GET" else OutcomeUnknown
            return kind(f"{what}. GitHub failed; run `pulumi up` again.", status)
        return CloudError(f"{what}.{self._way_out(path, failure, need)}", status)

    def _way_out(self, path: str, failure: Any, need: Need) -> str:
        response, status = failure.response, failure.response.status_code
        single_sign_on = str(response.headers.get("x-github-sso", "")).partition("url=")[2]
        if status == 401:
            return " The GitHub token or App key is wrong, expired or revoked; give a new one."
        if _is_secondary_limit(failure) or response.headers.get("x-ratelimit-remaining") == "0":
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


def _cause(failure: GitHubException) -> Exception:
    """What went wrong in truth.

    githubkit wraps what fails below it, an answer to its own request for an App's token included.
    """
    from githubkit.exception import RequestError, RequestFailed  # noqa: PLC0415

    if isinstance(failure, RequestError) and not isinstance(failure, RequestFailed):
        return cast("Any", failure).exc
    return failure


@contextmanager
def decoded(response: Response[Any]) -> Generator[Any]:
    """The JSON of an answer, to be read within.

    Raises:
        CloudError: it is none, or another one than GitHub's, as when something on the way answers instead.
        OutcomeUnknown: the same, for a request that writes.
    """
    request = response.raw_request
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


async def _note_wait(response: httpx.Response) -> None:
    """Turn a Retry-After that is a date into seconds, which are all that githubkit understands.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    given = response.headers.get("retry-after", "")
    if not given or given.strip().isdecimal():
        return
    try:
        until = parsedate_to_datetime(given).astimezone(timezone.utc)
        seconds = max(0, ceil((until - datetime.now(timezone.utc)).total_seconds()))
    except _NOT_UNDERSTOOD:
        seconds = _UNTOLD_WAIT_SECONDS
    response.headers["retry-after"] = str(seconds)


async def _hurry(request: httpx.Request) -> None:
    if _urgent.get():
        request.extensions["timeout"] = dict.fromkeys(request.extensions.get("timeout", ()), _URGENT_SECONDS)


def _asked_to_wait(failure: Exception) -> timedelta | None:
    """How long GitHub wants to be left alone, where a rate limit refused a request."""
    from githubkit.exception import RateLimitExceeded  # noqa: PLC0415

    if isinstance(failure, RateLimitExceeded):
        return failure.retry_after
    return timedelta(seconds=_UNTOLD_WAIT_SECONDS) if _is_secondary_limit(failure) else None


def _is_secondary_limit(failure: object) -> bool:
    from githubkit.exception import RequestFailed  # noqa: PLC0415

    if not isinstance(failure, RequestFailed) or failure.response.status_code not in (403, 429):
        return False
    return failure.response.status_code == 429 or "secondary rate limit" in failure.response.text


def _items(response: Response[Any], key: str | None) -> list[dict[str, Any]]:
    with decoded(response) as body:
        items: object = body[key] if key else body
        if not isinstance(items, list):
            raise TypeError
        return cast("list[dict[str, Any]]", items)


def _last_page(response: Response[Any]) -> int:
    link = response.raw_response.links.get("last")
    if not link:
        return 1
    import httpx  # noqa: PLC0415

    return int(httpx.URL(link["url"]).params["page"])


def _repository(item: dict[str, Any], moved_to: str = "") -> Repository:
    return Repository(
        id=item["id"],
        name=item["name"],
        archived=bool(item.get("archived")),
        visibility=item.get("visibility") or ("private" if item.get("private") else "public"),
        topics=frozenset(item.get("topics") or ()),
        moved_to=moved_to,
    )
