"""What the registries that GitHub's guide names take for a user and a password, and which credentials cannot work.

Sources: https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry, and the
page of each registry in `registries.KNOWN_REGISTRIES`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from . import RuleViolation
from .registries import known_registry, parse_ecr_host

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .registries import KnownRegistry

GOOGLE_KEY_USER, GOOGLE_ENCODED_KEY_USER, GOOGLE_TOKEN_USER = "_json_key", "_json_key_base64", "oauth2accesstoken"
ECR_TOKEN_USER = "AWS"
_READS_PACKAGES = frozenset(("read:packages", "write:packages"))
"""Scopes of which each lets a token read packages
(https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps)."""
AZURE_TOKEN_USER = "00000000-0000-0000-0000-000000000000"
"""The user name that goes with an access token of Microsoft Entra instead of a password."""


def check_credentials(server: str, user: str, password: str) -> str:
    """Check credentials for a registry, as far as their form tells.

    Args:
        server: the value of the SERVER secret, checked.
        user: the user name.
        password: the password or token.

    Returns:
        Why they will not do for long; "" where that is not known.

    Raises:
        RuleViolation: the registry would refuse them, or GitHub could not use them; the text has neither in it.
    """
    registry = known_registry(server)
    check = _CHECKS.get(registry.name) if registry else None
    return check(_Given(registry, server, user, password)) if registry and check else ""


def as_published(server: str, user: str, password: str) -> str:
    """A password as it has to stand in a secret: the key of a Google service account on one line.

    Raises:
        RuleViolation: it is no such key, for a user who needs one.
    """
    registry = known_registry(server)
    is_key = registry is not None and _CHECKS.get(registry.name) is _google and user == GOOGLE_KEY_USER
    return one_line_key(password) if is_key and len(password.splitlines()) > 1 else password


def is_classic_token(password: str) -> bool:
    """Whether a password is a token of GitHub whose scopes GitHub tells.

    Source: https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
    """
    return re.fullmatch(r"ghp_\w+", password, re.ASCII) is not None


def check_scopes(server: str, scopes: Collection[str]) -> None:
    """Check what a classic token may do in GitHub's container registry, which lets it log in without any scope.

    Raises:
        RuleViolation: it may not read packages.
    """
    registry = known_registry(server)
    if registry and not _READS_PACKAGES & set(scopes):
        has = ", ".join(sorted(scopes)) or "none"
        raise _wrong(registry, "password", f"the token lacks the scope read:packages (its scopes: {has})")


def ecr_pair(server: str, user: str) -> bool:
    """Whether credentials are an access key, which GitHub swaps for a token of Amazon ECR."""
    registry = known_registry(server)
    return registry is not None and registry.name == "Amazon ECR" and user != ECR_TOKEN_USER


def one_line_key(key: str) -> str:
    """A service account's key in JSON, on one line.

    It is a secret's value and an environment variable in each codespace, where line breaks get lost.

    Raises:
        RuleViolation: it is no service account's key.
    """
    return json.dumps(_service_account(key))


@dataclass(frozen=True)
class _Given:
    registry: KnownRegistry
    server: str
    user: str
    password: str = field(repr=False)


def _ecr(given: _Given) -> str:
    if given.user == ECR_TOKEN_USER:
        return (
            "a token of Amazon ECR works for 12 hours: run `pulumi up` more often than that, or use EcrPullAccess, "
            "whose access key GitHub swaps for a token at every start."
        )
    parse_ecr_host(given.server)
    if given.user.startswith("ASIA"):
        raise _wrong(
            given.registry,
            "user",
            "it begins with ASIA, so it is a temporary access key, which needs a session token; GitHub's three secrets "
            "have no place for one",
        )
    if not given.user.startswith("AKIA"):
        raise _wrong(given.registry, "user", "it is neither an access key id (AKIA…) nor AWS")
    return ""


def _google(given: _Given) -> str:
    if given.user == GOOGLE_KEY_USER:
        _service_account(given.password)
    elif given.user == GOOGLE_ENCODED_KEY_USER:
        try:
            decoded = base64.b64decode(given.password, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _wrong(given.registry, "password", "it is not the base64 of anything") from None
        _service_account(decoded)
    elif given.user == GOOGLE_TOKEN_USER:
        return (
            "an access token of Google works for an hour: give a service account's key instead, with the user "
            f"{GOOGLE_KEY_USER}."
        )
    else:
        raise _wrong(given.registry, "user", "it is none of those")
    return ""


def _github(given: _Given) -> str:
    if given.password.startswith("github_pat_"):
        raise _wrong(given.registry, "password", "it is a fine-grained token, which GitHub Packages does not accept")
    if given.password.startswith(("ghs_", "ghu_")):
        return "a token of a GitHub App works for hours only: give a classic token of a machine user."
    return ""


def _azure(given: _Given) -> str:
    if given.user == AZURE_TOKEN_USER:
        return (
            "a token of Microsoft Entra works for three hours: give a repository-scoped token or a service principal."
        )
    return ""


_CHECKS: dict[str, Callable[[_Given], str]] = {
    "Amazon ECR": _ecr,
    "Google Container Registry": _google,
    "Google Artifact Registry": _google,
    "GitHub Container registry": _github,
    "Azure Container Registry": _azure,
}


def _service_account(key: str) -> dict[str, Any]:
    """The fields of a service account's key.

    Raises:
        RuleViolation: it is none.
    """
    try:
        fields: Any = json.loads(key)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise RuleViolation(
            "password",
            "password: it is not JSON, as the key of a Google service account is; give the whole content of the file "
            "that Google Cloud made for the key.",
        )
    known = cast("dict[str, Any]", fields)
    missing = [name for name in ("private_key", "client_email") if not known.get(name)]
    if known.get("type") != "service_account" or missing:
        what = f"it has no {' and no '.join(missing)}" if missing else "its type is not service_account"
        raise RuleViolation(
            "password",
            f"password: {what}, so it is not the key of a Google service account "
            "(https://cloud.google.com/iam/docs/keys-create-delete).",
        )
    return known


def _wrong(registry: KnownRegistry, argument: str, what: str) -> RuleViolation:
    expected = registry.user if argument == "user" else registry.password
    return RuleViolation(argument, f"{argument} of {registry.name}: {what}; give {expected} ({registry.source}).")
