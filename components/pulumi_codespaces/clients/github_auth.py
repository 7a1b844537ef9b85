"""How requests to GitHub are authenticated: by a token, or as an installation of a GitHub App."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

import httpx
from typing_extensions import override

from ..rules.lifetimes import moment
from .errors import CloudError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from .credentials import AppInstallation

_JWT_LIFETIME = timedelta(minutes=9)
"""GitHub accepts ten minutes (https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app)."""
_CLOCK_DRIFT = timedelta(minutes=1)
"""By how much this machine's clock may be wrong: a JWT is dated back, and a token is renewed early."""


class TokenRefused(Exception):
    """GitHub gave no token to an App's installation.

    Attributes:
        response: the answer to the request for a token, read to its end.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        super().__init__()


class CannotSign(Exception):
    """The key of a GitHub App cannot be used.

    Attributes:
        kind: the name of the error; its text may quote the key.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


class TokenAuth(httpx.Auth):
    """Sends a token."""

    def __init__(self, token: str) -> None:
        self._token = token

    @override
    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"token {self._token}"
        yield request


class InstallationAuth(httpx.Auth):
    """Sends the token of an App's installation, which is asked for when it is first needed and before it ends.

    Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app

    Args:
        app: the App's credentials.
        base_url: the address of the REST API, with a slash at its end.
        note: called with GitHub's answer when it gives a token, which names the permissions of the installation.
    """

    def __init__(self, app: AppInstallation, base_url: str, note: Callable[[dict[str, Any]], None]) -> None:
        self._app = app
        self._url = httpx.URL(f"{base_url}app/installations/{app.installation_id}/access_tokens")
        self._note = note
        self._token = ""
        self._ends = datetime.min.replace(tzinfo=timezone.utc)
        self._lock = asyncio.Lock()

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        async with self._lock:
            if datetime.now(timezone.utc) >= self._ends:
                response = yield self._request_for_token(request)
                await response.aread()
                self._take(response)
        request.headers["Authorization"] = f"token {self._token}"
        yield request

    def _request_for_token(self, request: httpx.Request) -> httpx.Request:
        headers = {name: request.headers[name] for name in ("User-Agent", "Accept")}
        headers["Authorization"] = f"Bearer {self._jwt()}"
        # A request that another one waits for has no more time than that one.
        return httpx.Request("POST", self._url, headers=headers, extensions=dict(request.extensions))

    def _jwt(self) -> str:
        import jwt  # noqa: PLC0415 - Apps only

        issued = datetime.now(timezone.utc) - _CLOCK_DRIFT
        claims = {"iss": self._app.id, "iat": issued, "exp": issued + _CLOCK_DRIFT + _JWT_LIFETIME}
        try:
            return jwt.encode(claims, self._app.pem, algorithm="RS256")
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise CannotSign(type(error).__name__) from None

    def _take(self, response: httpx.Response) -> None:
        """Keep the token of an answer.

        Raises:
            TokenRefused: the answer is an error.
            CloudError: the answer is not GitHub's.
        """
        if response.is_error:
            raise TokenRefused(response)
        try:
            body = cast("dict[str, Any]", response.json())
            self._token = str(body["token"])
            self._ends = moment(body["expires_at"]) - _CLOCK_DRIFT
        except (AttributeError, LookupError, TypeError, ValueError):
            raise CloudError(
                f"POST {self._url.path}: the answer ({response.status_code}) is not a token of an App's installation "
                "and may not be GitHub's. Check the base URL and what is between here and GitHub, such as a proxy, and "
                "run `pulumi up` again."
            ) from None
        self._note(body)
