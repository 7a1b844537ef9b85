"""Addresses of GitHub's REST API, and which of them have Codespaces secrets."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from . import RuleViolation

PUBLIC_API = "https://api.github.com/"

_TENANT_REGISTRY = re.compile(r"containers\.([a-z0-9-]+\.ghe\.com)")
_LOGIN = re.compile(r"[A-Za-z0-9_-]+")


def api_base_url(base_url: str | None) -> str:
    """The address of the REST API for a `base_url`, with a slash at its end.

    Supported hosts are `github.com` and its API, a `ghe.com` tenant
    (https://docs.github.com/en/enterprise-cloud@latest/admin/data-residency) and, for tests, a server on loopback. On
    loopback the API is expected under `/api/v3`, as on a GitHub Enterprise Server, because GitHub's other clients
    expect it there on an unknown host.

    Raises:
        RuleViolation: the host is another one (GitHub Enterprise Server has no Codespaces), the address is plain http
            over a network, or it contains credentials.
    """
    if not base_url:
        return PUBLIC_API
    parts = _split(base_url)
    host = (parts.hostname or "").lower()
    if _is_loopback(host):
        return f"{parts.scheme}://{parts.netloc}/api/v3/"
    if parts.scheme == "http":
        raise RuleViolation(
            "base_url",
            f"base_url {base_url!r}: http would send the token unencrypted; use https (http is for loopback only).",
        )
    if host in ("github.com", "www.github.com", "api.github.com"):
        return PUBLIC_API
    if host.endswith(".ghe.com"):
        return f"https://{host if host.startswith('api.') else 'api.' + host}/"
    raise RuleViolation(
        "base_url",
        f"base_url {base_url!r}: {host} is neither github.com nor a ghe.com tenant. GitHub Enterprise Server has no "
        "Codespaces secrets; leave base_url out for github.com.",
    )


def api_of_registry(server: str, base_url: str) -> str:
    """The address of the REST API that can check tokens for a GitHub container registry.

    Source: https://docs.github.com/en/enterprise-cloud@latest/admin/data-residency/feature-overview-for-github-enterprise-cloud-with-data-residency

    Args:
        server: the value of a SERVER secret.
        base_url: the address of the organization's API; an address on loopback stands for every GitHub.

    Returns:
        The address with a slash at its end; "" if the registry is not a GitHub registry.
    """
    tenant = _TENANT_REGISTRY.fullmatch(server)
    if server != "ghcr.io" and not tenant:
        return ""
    if _is_loopback(urlsplit(base_url).hostname or ""):
        return base_url
    return f"https://api.{tenant[1]}/" if tenant else PUBLIC_API


def check_login(owner: str, argument: str = "owner") -> None:
    """Check that an organization is given as a login, and nothing else.

    Raises:
        RuleViolation: the value is an address, includes a repository, or has characters that GitHub does not allow.
    """
    if not _LOGIN.fullmatch(owner):
        raise RuleViolation(
            argument,
            f"{argument} {owner!r} is not the login of an organization; use the name behind github.com/ in the address "
            "of its page, such as 'acme'.",
        )


def _split(base_url: str) -> SplitResult:
    if "@" in base_url:
        raise RuleViolation(
            "base_url", "base_url contains a user name or a password; remove them and give the token as `token`."
        )
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RuleViolation(
            "base_url", f"base_url {base_url!r} is not a complete address; use one such as {PUBLIC_API!r}."
        )
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
