"""Helpers for the tests of the GitHub stand-in."""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64encode, urlsafe_b64encode
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.encoding import Base64Encoder
from nacl.public import PublicKey, SealedBox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig.github import GitHubStandIn

SECRETS = "/orgs/acme/codespaces/secrets"
APP_KEY = generate_private_key(65537, 2048)
APP_PUBLIC_KEY = APP_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
TLS = ssl.create_default_context()  # not used on http, and 20 ms to make for every client that has none
OWNER_SCOPES = ["admin:org", "repo", "delete_repo", "codespace", "read:packages"]


def seed(**acme: Any) -> dict[str, Any]:
    """An organization with four repositories, another one, and a token of each kind."""
    acme = {
        "id": 501,
        "plan": "team",
        "repositories": {
            "web": {"id": 11, "topics": ["payments"], "properties": {"team": "pay"}},
            "api": {"id": 12, "properties": {"team": "core"}},
            "docs": {"id": 13, "private": False},
            "old": {"id": 14, "archived": True},
        },
        **acme,
    }
    permissions = {"organization_codespaces_secrets": "write", "codespaces_secrets": "write"}
    installation = {"account": "acme", "permissions": permissions}
    return {
        "organizations": {"acme": acme, "umbrella": {"id": 502, "repositories": {"lab": {"id": 21}}}},
        "tokens": {
            "owner": {"kind": "classic", "scopes": OWNER_SCOPES},
            "no-org": {"kind": "classic", "scopes": ["repo"], "login": "dev"},
            "public-only": {"kind": "classic", "scopes": ["public_repo"], "login": "guest"},
            "fine": {"kind": "fine-grained", "owner": "acme", "permissions": permissions, "login": "fine"},
            "fine-read": {
                "kind": "fine-grained",
                "owner": "acme",
                "permissions": {"organization_codespaces_secrets": "read"},
                "login": "reader",
            },
        },
        "apps": {
            "1234": {
                "slug": "platform",
                "public_key_pem": APP_PUBLIC_KEY,
                "installations": {
                    "77": installation,
                    "78": installation | {"repository_selection": "selected", "repositories": ["web"]},
                },
            }
        },
    }


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@contextmanager
def client(github: GitHubStandIn, token: str | None = "owner", *, prefix: str = "") -> Iterator[httpx.Client]:
    """A client with the token of that name in the seed; None for an anonymous one."""
    headers = {"Authorization": f"token {token}"} if token else {}
    with httpx.Client(base_url=github.url + prefix, headers=headers, verify=TLS) as one:
        yield one


def seal(key: dict[str, str], value: str | bytes) -> str:
    """A value sealed with a public key as GitHub answers it."""
    text = value.encode() if isinstance(value, str) else value
    return b64encode(SealedBox(PublicKey(key["key"].encode(), Base64Encoder)).encrypt(text)).decode()


def put(api: httpx.Client, name: str, value: str | bytes = "value", at: str = SECRETS, **body: Any) -> httpx.Response:
    """Seal a value and write it, by default with visibility `all`; None leaves a property out."""
    key = api.get(f"{at}/public-key").json()
    whole = {"encrypted_value": seal(key, value), "key_id": key["key_id"], "visibility": "all"} | body
    return api.put(f"{at}/{name}", json={key: content for key, content in whole.items() if content is not None})


def json_web_token(key: RSAPrivateKey = APP_KEY, issued: float | None = None, **claims: Any) -> str:
    """What an App signs to speak for itself."""
    now = int(time.time() if issued is None else issued)
    parts = ({"alg": "RS256", "typ": "JWT"}, {"iat": now - 30, "exp": now + 300, "iss": "1234"} | claims)
    head = ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    signature = key.sign(head.encode(), PKCS1v15(), SHA256())
    return f"{head}.{urlsafe_b64encode(signature).decode().rstrip('=')}"
