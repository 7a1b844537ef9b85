"""Asks GitHub who owns a token, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import CloudError
from .registry import open_client


@dataclass(frozen=True)
class TokenInfo:
    """A token as GitHub describes it.

    Attributes:
        login: the account that owns it.
        scopes: its scopes; None for a token that has none by its kind.
    """

    login: str
    scopes: frozenset[str] | None


async def token_info(api: str, token: str) -> TokenInfo:
    """Ask GitHub about a token.

    Source: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps

    Args:
        api: the address of the REST API, with a slash at its end.
        token: the token, which goes nowhere else.

    Raises:
        CloudError: refused, or no answer; the message holds no token.
    """
    import httpx  # noqa: PLC0415 - loaded only where a login is verified

    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
    try:
        async with open_client() as client:
            answer = await client.get(f"{api}user", headers=headers)
        if answer.is_error:
            raise CloudError(f"GitHub answers {answer.status_code}", answer.status_code)
        login = str(answer.json()["login"])
    except httpx.HTTPError as error:
        raise CloudError(f"GitHub does not answer ({type(error).__name__})") from None
    except (ValueError, KeyError, TypeError):
        raise CloudError("GitHub does not answer with an account") from None
    scopes = answer.headers.get("x-oauth-scopes")
    known = None if scopes is None else frozenset(scope.strip() for scope in scopes.split(",") if scope.strip())
    return TokenInfo(login, known)
