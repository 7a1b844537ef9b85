"""Who calls: classic tokens with scopes, fine-grained tokens and GitHub Apps with permissions, and what each may do."""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, urlsafe_b64decode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from .routing import NOT_AN_ADMIN, NOT_FOUND, Operation, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    from .state import Cloud, Organization, Repository

INCLUDED_SCOPES: dict[str, tuple[str, ...]] = {
    "admin:org": ("write:org",),
    "write:org": ("read:org",),
    "repo": ("public_repo", "repo:status", "repo_deployment", "repo:invite", "security_events"),
    "user": ("read:user", "user:email", "user:follow"),
    "codespace": ("codespace:secrets",),
    "write:packages": ("read:packages",),
}
"""What a scope brings along. Source:
https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps"""

LEVELS = ("read", "write", "admin")
LONGEST_JWT = timedelta(minutes=10)
"""Source: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app (JSON web tokens)."""

_DRIFT = timedelta(seconds=60)
_BAD_JWT = "A JSON web token could not be decoded"


@dataclass
class Installation:
    """An App installed on an organization; `repository_ids` is None where it may see all."""

    id: int
    account: str
    permissions: dict[str, str]
    repository_ids: set[int] | None
    suspended: bool = False


@dataclass
class App:
    """A GitHub App."""

    id: int
    slug: str
    public_key: RSAPublicKey = field(repr=False)
    installations: dict[int, Installation]


@dataclass
class Token:
    """A token that the stand-in knows, without the token itself.

    Attributes:
        kind: `classic`, `fine-grained`, `installation` or `app`.
        label: what the request log calls it.
        login: the person behind it; None for an App.
        owner: the organization that a fine-grained or installation token is limited to.
        repository_ids: the repositories it is limited to; None for all.
    """

    kind: str
    label: str
    login: str | None = None
    scopes: tuple[str, ...] = ()
    owner: str | None = None
    permissions: dict[str, str] = field(default_factory=dict[str, str])
    repository_ids: set[int] | None = None
    expires_at: datetime | None = None
    app: App | None = None


class Caller:
    """Who sent a request, and what they may do; `token` is None for anonymous ones."""

    def __init__(self, token: Token | None) -> None:
        self.token = token
        scopes = list(token.scopes) if token else []
        for scope in scopes:
            scopes.extend(included for included in INCLUDED_SCOPES.get(scope, ()) if included not in scopes)
        self._scopes = frozenset(scopes)

    @property
    def label(self) -> str:
        """The caller's name in the request log."""
        return self.token.label if self.token else "anonymous"

    @property
    def limit_key(self) -> str:
        """Whose rate limit a request draws on: tokens of one person share theirs."""
        token = self.token
        return (token.login or token.label) if token else "anonymous"

    def headers(self, operation: Operation | None) -> dict[str, str]:
        """The headers with the token's rights and the rights that the operation takes."""
        token = self.token
        if token is None:
            return {}
        if token.kind == "classic":
            accepted = ", ".join(operation.scopes) if operation else ""
            return {"X-OAuth-Scopes": ", ".join(sorted(token.scopes)), "X-Accepted-OAuth-Scopes": accepted}
        if operation and token.kind != "app":
            return {"X-Accepted-GitHub-Permissions": f"{operation.permission}={operation.level}"}
        return {}

    def has_scope(self, *accepted: str) -> bool:
        """Whether a classic token has one of these scopes; True for tokens of other kinds."""
        return self.token is not None and (self.token.kind != "classic" or bool(self._scopes & set(accepted)))

    def may(self, permission: str, level: str) -> bool:
        """Whether a fine-grained or installation token has a permission; every token may read metadata."""
        granted = (self.token.permissions if self.token else {}).get(permission)
        if granted is None:
            return permission == "metadata" and level == "read"
        return LEVELS.index(granted) >= LEVELS.index(level)

    def sees(self, repository: Repository) -> bool:
        """Whether a repository exists as far as the caller can see."""
        token = self.token
        if not repository.private:
            return True
        if token is None or token.kind == "app":
            return False
        if token.kind == "classic":
            members = repository.organization.members
            return "repo" in self._scopes and (not members or token.login in members)
        if (token.owner or "").lower() != repository.organization.login.lower():
            return False
        return token.repository_ids is None or repository.id in token.repository_ids

    def check(self, operation: Operation, organization: Organization | None) -> None:
        """Refuse an operation that the caller may not use at all.

        Args:
            operation: what was asked for.
            organization: the organization that the operation concerns, if any.
        """
        token = self.token
        if operation.access == "app":
            if token is None or token.kind != "app":
                raise Refusal(401, _BAD_JWT)
            return
        if token is None:
            if operation.access != "anyone":
                raise Refusal(401, "Requires authentication", documentation="https://docs.github.com/rest")
            return
        if token.kind == "app":
            raise Refusal(403, "Resource not accessible by integration")
        if token.kind == "classic":
            self._check_classic(operation, organization)
        elif operation.access != "anyone":
            elsewhere = organization is not None and (token.owner or "").lower() != organization.login.lower()
            if elsewhere or not self.may(operation.permission, operation.level):
                raise self._inaccessible()

    def check_repository(self, operation: Operation, repository: Repository) -> None:
        """Refuse a write to a repository that the caller can only see, and a read of what is not public."""
        token = self.token
        if token and token.kind in ("fine-grained", "installation"):
            if repository.private and not self.may(operation.permission, operation.level):
                raise self._inaccessible()
            return
        if operation.level == "read" or token is None or token.kind != "classic":
            return
        owner = repository.organization.is_owner(token.login)
        if not owner and repository.collaborators.get(token.login or "") not in ("admin", "maintain", "push"):
            raise Refusal(403, NOT_AN_ADMIN)

    def _check_classic(self, operation: Operation, organization: Organization | None) -> None:
        if operation.scopes and not self.has_scope(*operation.scopes):
            hidden = operation.denied == NOT_FOUND
            raise Refusal(404 if hidden else 403, operation.denied)
        if operation.access == "owner" and organization and not organization.is_owner(cast("Token", self.token).login):
            raise Refusal(403, operation.denied)

    def _inaccessible(self) -> Refusal:
        kind = "integration" if self.token and self.token.kind == "installation" else "personal access token"
        return Refusal(403, f"Resource not accessible by {kind}")


class Tokens:
    """All tokens, and the Apps that can get more.

    Attributes:
        installation_lifetime: how long an installation's token lives; GitHub's live one hour.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.installation_lifetime = timedelta(hours=1)
        self.apps: dict[int, App] = {}
        self._tokens: dict[str, Token] = {}

    def seed(self, seed: Mapping[str, Any]) -> None:
        """Add the tokens and Apps of a seed."""
        for value, settings in seed.get("tokens", {}).items():
            self.add(value, **settings)
        for number, settings in seed.get("apps", {}).items():
            installations = {
                int(key): self._installation(int(key), installation)
                for key, installation in settings["installations"].items()
            }
            self.apps[int(number)] = App(
                int(number), settings.get("slug", f"app-{number}"), _key(settings), installations
            )

    def add(
        self,
        value: str,
        *,
        kind: str = "classic",
        login: str = "platform",
        label: str | None = None,
        scopes: tuple[str, ...] = (),
        owner: str | None = None,
        permissions: Mapping[str, str] | None = None,
        repositories: list[str] | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Register a token; the arguments are the keys of a token in a seed."""
        if kind not in ("classic", "fine-grained"):
            raise ValueError(f"kind of a token: {kind!r}, but a seed can only give 'classic' and 'fine-grained'")
        ids = (
            None
            if repositories is None
            else {self.cloud.repository_id(owner or "", repository) for repository in repositories}
        )
        label = label or f"{kind}:{login}"
        self.cloud.user(login)
        self._tokens[value] = Token(
            kind, label, login, tuple(scopes), owner, dict(permissions or {}), ids, expires_at, None
        )

    def revoke(self, value: str) -> None:
        """Forget a token."""
        self._tokens.pop(value, None)

    def installation_tokens(self) -> list[str]:
        """Those that Apps were given and that have not been made to expire."""
        return [value for value, token in self._tokens.items() if token.kind == "installation"]

    def expire_installation_tokens(self) -> None:
        """End all tokens of installations now."""
        self._tokens = {value: token for value, token in self._tokens.items() if token.kind != "installation"}

    def caller(self, authorization: str | None) -> Caller:
        """Who an Authorization header speaks for.

        Raises:
            Refusal: the token is unknown, expired or no token.
        """
        if not authorization:
            return Caller(None)
        scheme, _, value = authorization.partition(" ")
        value = value.strip()
        if scheme.lower() == "basic":
            value = b64decode(value).decode(errors="replace").partition(":")[2]
        if scheme.lower() == "bearer" and value.count(".") == 2:
            return Caller(self._app_token(value))
        token = self._tokens.get(value)
        if token is None or (token.expires_at and token.expires_at <= self.cloud.clock()):
            raise Refusal(401, "Bad credentials", documentation="https://docs.github.com/rest")
        return Caller(token)

    def issue(self, app: App, installation: Installation, body: Mapping[str, Any]) -> tuple[str, Token]:
        """Make a token of an installation, narrowed to what the request asks for."""
        ids = installation.repository_ids
        asked: set[int] = set(body.get("repository_ids") or ())
        home = self.cloud.organization(installation.account)
        for name in body.get("repositories") or ():
            found = home.repository(name)
            asked.add(found.id if found else -1)
        if asked:
            known = ids if ids is not None else {repository.id for repository in home.repositories.values()}
            if not asked <= known:
                what = "There is at least one repository that does not exist or is not accessible"
                raise Refusal(422, f"{what} to the parent installation.")
            ids = asked
        permissions = dict(body.get("permissions") or installation.permissions)
        for name, level in permissions.items():
            if LEVELS.index(level) > LEVELS.index(installation.permissions.get(name, "read")) or (
                name not in installation.permissions
            ):
                raise Refusal(422, "The permissions requested are not granted to this installation.")
        value = f"ghs_{secrets.token_urlsafe(27)}"
        token = Token(
            "installation",
            f"installation:{installation.id}",
            owner=installation.account,
            permissions=permissions,
            repository_ids=ids,
            expires_at=self.cloud.now() + self.installation_lifetime,
            app=app,
        )
        self._tokens[value] = token
        return value, token

    def _installation(self, number: int, given: Mapping[str, Any]) -> Installation:
        account = given["account"]
        chosen = given.get("repository_selection", "all") == "selected"
        ids = (
            {self.cloud.repository_id(account, repository) for repository in given.get("repositories", ())}
            if chosen
            else None
        )
        return Installation(number, account, dict(given.get("permissions", {})), ids, given.get("suspended", False))

    def _app_token(self, value: str) -> Token:
        head, _, signature = value.rpartition(".")
        try:
            header, claims = (json.loads(_from_base64(part)) for part in head.split("."))
            app = self.apps[int(claims["iss"])]
            if header["alg"] != "RS256":
                raise Refusal(401, _BAD_JWT)
            app.public_key.verify(_from_base64(signature), head.encode(), PKCS1v15(), SHA256())
            issued, expires = (datetime.fromtimestamp(claims[name], self.cloud.now().tzinfo) for name in ("iat", "exp"))
        except (KeyError, ValueError, TypeError, InvalidSignature):
            raise Refusal(401, _BAD_JWT) from None
        now = self.cloud.clock()
        if expires <= now:
            raise Refusal(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time")
        if expires > now + LONGEST_JWT + _DRIFT:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        if issued > now + _DRIFT:
            raise Refusal(
                401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
            )
        return Token("app", f"app:{app.id}", app=app)


def _key(given: Mapping[str, Any]) -> RSAPublicKey:
    if "public_key_pem" in given:
        return cast("RSAPublicKey", load_pem_public_key(given["public_key_pem"].encode()))
    return cast("RSAPrivateKey", load_pem_private_key(given["private_key_pem"].encode(), None)).public_key()


def _from_base64(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
