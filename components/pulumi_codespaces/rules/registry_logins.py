"""The users and passwords that the registries in GitHub's guide accept, and credentials that cannot work.

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
from .registries import Service, known_registry, parse_ecr_host, service_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .registries import KnownRegistry

GOOGLE_KEY_USER, GOOGLE_ENCODED_KEY_USER, GOOGLE_TOKEN_USER = "_json_key", "_json_key_base64", "oauth2accesstoken"
ECR_TOKEN_USER = "AWS"
_READS_PACKAGES = frozenset(("read:packages", "write:packages"))
"""Scopes, each of which lets a token read packages
(https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps)."""
AZURE_TOKEN_USER = "00000000-0000-0000-0000-000000000000"
"""The user name for an access token of Microsoft Entra, which takes the place of the password."""


def check_credentials(server: str, user: str, password: str) -> str:
    """Check the form of credentials for a registry.

    Args:
        server: the value of the SERVER secret, already checked.
        user: the user name.
        password: the password or token.

    Returns:
        A warning if the credentials will not work for long; "" otherwise.

    Raises:
        RuleViolation: the registry would refuse the credentials, or GitHub could not use them. The message contains
            neither the user nor the password.
    """
    registry = known_registry(server)
    check = _CHECKS.get(registry.service) if registry else None
    return check(_Credentials(registry, server, user, password)) if registry and check else ""


def as_published(server: str, user: str, password: str) -> str:
    """The password in the form that the secret needs: the key of a Google service account is put on one line.

    Raises:
        RuleViolation: the user is `_json_key`, but the password has several lines and is not a service account key.
    """
    is_key = service_of(server) in _GOOGLE_SERVICES and user == GOOGLE_KEY_USER
    return one_line_key(password) if is_key and len(password.splitlines()) > 1 else password


def is_classic_token(password: str) -> bool:
    """Whether a password is a classic GitHub token, whose scopes GitHub returns.

    Source: https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
    """
    return re.fullmatch(r"ghp_\w+", password, re.ASCII) is not None


def check_scopes(server: str, scopes: Collection[str]) -> None:
    """Check the scopes of a classic token for GitHub's container registry, which accepts a login without any scope.

    Raises:
        RuleViolation: the token may not read packages.
    """
    registry = known_registry(server)
    if registry and not _READS_PACKAGES & set(scopes):
        listed = ", ".join(sorted(scopes)) or "none"
        raise _wrong(registry, "password", f"the token lacks the scope read:packages (its scopes: {listed})")


def ecr_pair(server: str, user: str) -> bool:
    """Whether credentials are an access key, which GitHub swaps for a token of Amazon ECR."""
    return service_of(server) is Service.AMAZON_ECR and user != ECR_TOKEN_USER


def one_line_key(key: str) -> str:
    """Put a service account's JSON key on one line.

    The key becomes the value of a secret and an environment variable in each codespace, where line breaks get lost.

    Raises:
        RuleViolation: it is not the key of a service account.
    """
    return json.dumps(_service_account(key))


@dataclass(frozen=True)
class _Credentials:
    registry: KnownRegistry
    server: str
    user: str
    password: str = field(repr=False)


def _ecr(credentials: _Credentials) -> str:
    if credentials.user == ECR_TOKEN_USER:
        return (
            "a token of Amazon ECR expires after 12 hours; run `pulumi up` more often, or use EcrPullAccess, "
            "whose access key GitHub swaps for a token at every start."
        )
    parse_ecr_host(credentials.server)
    if credentials.user.startswith("ASIA"):
        raise _wrong(
            credentials.registry,
            "user",
            "it begins with ASIA, so it is a temporary access key, which needs a session token; GitHub's three secrets "
            "cannot hold one",
        )
    if not credentials.user.startswith("AKIA"):
        raise _wrong(credentials.registry, "user", "it is neither an access key id (AKIA…) nor AWS")
    return ""


def _google(credentials: _Credentials) -> str:
    if credentials.user == GOOGLE_KEY_USER:
        _service_account(credentials.password)
    elif credentials.user == GOOGLE_ENCODED_KEY_USER:
        try:
            decoded = base64.b64decode(credentials.password, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _wrong(credentials.registry, "password", "it is not valid base64") from None
        _service_account(decoded)
    elif credentials.user == GOOGLE_TOKEN_USER:
        return (
            "an access token of Google expires after an hour; use a service account's key with the user "
            f"{GOOGLE_KEY_USER}."
        )
    else:
        raise _wrong(credentials.registry, "user", "it is not a user name that Google accepts")
    return ""


def _github(credentials: _Credentials) -> str:
    if credentials.password.startswith("github_pat_"):
        raise _wrong(
            credentials.registry, "password", "it is a fine-grained token, which GitHub Packages does not accept"
        )
    if credentials.password.startswith(("ghs_", "ghu_")):
        return "a token of a GitHub App expires within hours; use a classic token of a machine user."
    return ""


def _azure(credentials: _Credentials) -> str:
    if credentials.user == AZURE_TOKEN_USER:
        return (
            "a token of Microsoft Entra expires after three hours; use a repository-scoped token or a service "
            "principal."
        )
    return ""


_GOOGLE_SERVICES = (Service.GOOGLE_CONTAINER_REGISTRY, Service.GOOGLE_ARTIFACT_REGISTRY)
_CHECKS: dict[Service, Callable[[_Credentials], str]] = {
    Service.AMAZON_ECR: _ecr,
    **dict.fromkeys(_GOOGLE_SERVICES, _google),
    Service.GITHUB: _github,
    Service.AZURE: _azure,
}


def _service_account(key: str) -> dict[str, Any]:
    """Parse the JSON key of a service account.

    Raises:
        RuleViolation: it is not such a key.
    """
    try:
        parsed: Any = json.loads(key)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise RuleViolation(
            "password",
            "password: the key of a Google service account must be JSON; give the whole content of the file that "
            "Google Cloud created for the key.",
        )
    fields = cast("dict[str, Any]", parsed)
    missing = [name for name in ("private_key", "client_email") if not fields.get(name)]
    if fields.get("type") != "service_account" or missing:
        problem = f"it has no {' and no '.join(missing)}" if missing else "its type is not service_account"
        raise RuleViolation(
            "password",
            f"password: {problem}, so it is not the key of a Google service account "
            "(https://cloud.google.com/iam/docs/keys-create-delete).",
        )
    return fields


def _wrong(registry: KnownRegistry, argument: str, problem: str) -> RuleViolation:
    expected = registry.user if argument == "user" else registry.password
    return RuleViolation(argument, f"{argument} of {registry.name}: {problem}; give {expected} ({registry.source}).")
