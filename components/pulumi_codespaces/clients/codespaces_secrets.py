"""The Codespaces secrets of an organization, or of one repository, at GitHub.

Sources: https://docs.github.com/en/rest/codespaces/organization-secrets,
https://docs.github.com/en/rest/codespaces/repository-secrets
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import CloudError
from .github import Need, decoded, urgently

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .github import GitHub


@dataclass(frozen=True)
class SecretInfo:
    """A Codespaces secret as GitHub lists it, without its value.

    Attributes:
        name: its name, in upper case.
        updated_at: when it was last written, in whole seconds (RFC 3339).
        visibility: `all`, `private` or `selected`; "" for a repository's.
    """

    name: str
    updated_at: str
    visibility: str


@dataclass(frozen=True)
class PublicKey:
    """The key that values are sealed with on their way to GitHub."""

    key_id: str
    key: str


@dataclass(frozen=True)
class Place:
    """Where secrets are kept: in an organization, or in one of its repositories.

    Attributes:
        organization: the organization's login.
        repository: the repository's name; "" for the organization's own secrets.
    """

    organization: str
    repository: str = ""

    def __str__(self) -> str:
        return f"repository {self.full_name}" if self.repository else f"organization {self.organization}"

    @property
    def full_name(self) -> str:
        """The organization's login, or `owner/repository`."""
        return f"{self.organization}/{self.repository}" if self.repository else self.organization

    @property
    def path(self) -> str:
        """Where GitHub's API has the secrets."""
        return f"/{'repos' if self.repository else 'orgs'}/{self.full_name}/codespaces/secrets"

    @property
    def flags(self) -> str:
        """The options that point `gh secret` to this place."""
        return f"--repo {self.full_name}" if self.repository else f"--org {self.organization}"

    def need(self, access: str) -> Need:
        """The rights that are needed to `read` or `write` the secrets.

        Listing the secrets of a repository needs the right to write them
        (https://docs.github.com/en/rest/codespaces/repository-secrets#list-repository-secrets).
        """
        if self.repository:
            return Need(
                "repo", "the permission 'Codespaces secrets: write' of the repository", "codespaces_secrets", "write"
            )
        permission = f"the permission 'Organization codespaces secrets: {access}'"
        return Need("admin:org", permission, "organization_codespaces_secrets", access)


class Secrets:
    """The secrets of one place; answers are kept for the rest of the run.

    Attributes:
        place: whose they are.
        pairs: held while a registry's USER and PASSWORD are written.

    Raises, from every method:
        CloudError: GitHub refused; the message says what to do.
        OutcomeUnknown: a request that writes got no answer.
    """

    def __init__(self, github: GitHub, place: Place) -> None:
        self.place = place
        self.pairs = github.pairs
        self._github = github
        self._lock = asyncio.Lock()
        self._key_lock = asyncio.Lock()
        self._listed: dict[str, SecretInfo] | None = None
        self._public_key: PublicKey | None = None
        self._listings_begun = 0
        self._listing_remembered = 0

    async def secrets(self, *, fresh: bool = False) -> dict[str, SecretInfo]:
        """The secrets by name.

        They are listed once a run. `fresh=True` returns a listing that starts after this call; concurrent callers
        share it.
        """
        begun_before = self._listings_begun
        async with self._lock:
            if self._listed is None or (fresh and self._listing_remembered <= begun_before):
                self._listings_begun += 1
                items = await self._github.pages(self.place.path, "secrets", need=self.place.need("read"))
                self._listed = {
                    item["name"].upper(): SecretInfo(
                        item["name"].upper(), item["updated_at"], item.get("visibility", "")
                    )
                    for item in items
                }
                self._listing_remembered = self._listings_begun
            return self._listed

    async def secret_repositories(self, name: str) -> dict[int, str]:
        """The repositories that may read a secret of the organization, id -> name."""
        path = f"{self.place.path}/{name}/repositories"
        items = await self._github.pages(path, "repositories", need=self.place.need("read"))
        return {item["id"]: item["name"] for item in items}

    async def public_key(self, *, refused: PublicKey | None = None) -> PublicKey:
        """The public key. It is fetched once a run, and again if GitHub `refused` the one fetched before."""
        # The second write of a pair must not wait for a listing, which holds the other lock.
        async with self._key_lock:
            if self._public_key is None or self._public_key == refused:
                answer = await self._github.send("GET", f"{self.place.path}/public-key", need=self.place.need("read"))
                with decoded(answer) as body:
                    self._public_key = PublicKey(body["key_id"], body["key"])
            return self._public_key

    async def put_secret(
        self, name: str, value: str, visibility: str, repository_ids: Iterable[int], *, urgent: bool = False
    ) -> None:
        """Create or overwrite a secret in place.

        Args:
            name: the secret.
            value: what it holds; it leaves this process only sealed for GitHub.
            visibility: `all`, `private` or `selected`; "" for a repository's.
            repository_ids: who may read it, where visibility is `selected`.
            urgent: give up soon instead of retrying long.
        """
        with urgently(urgent):
            used = await self.public_key()
            try:
                await self._put_sealed(name, value, visibility, repository_ids, used)
            except CloudError as error:
                if error.status != 422:
                    raise
                # GitHub may have changed its key since it was fetched; another write may have found that out before.
                key = await self.public_key(refused=used)
                if key == used:
                    raise
                await self._put_sealed(name, value, visibility, repository_ids, key)

    async def _put_sealed(
        self, name: str, value: str, visibility: str, repository_ids: Iterable[int], key: PublicKey
    ) -> None:
        body: dict[str, Any] = {"encrypted_value": seal(key.key, value), "key_id": key.key_id}
        if visibility:
            body["visibility"] = visibility
        if visibility == "selected":
            body["selected_repository_ids"] = sorted(repository_ids)
        await self._github.send("PUT", f"{self.place.path}/{name}", json=body, need=self.place.need("write"))

    async def put_secret_repositories(self, name: str, repository_ids: Iterable[int]) -> None:
        """Replace the repositories that may read a secret of the organization, leaving its value alone."""
        body = {"selected_repository_ids": sorted(repository_ids)}
        path = f"{self.place.path}/{name}/repositories"
        await self._github.send("PUT", path, json=body, need=self.place.need("write"))

    async def delete_secret(self, name: str) -> None:
        """Delete a secret. If it is already gone, nothing happens."""
        try:
            await self._github.send("DELETE", f"{self.place.path}/{name}", need=self.place.need("write"))
        except CloudError as error:
            if error.status != 404:
                raise

    def may_write(self) -> bool | None:
        """Whether the credentials may write; None if GitHub does not say (fine-grained tokens)."""
        return self._github.grants.allow(self.place.need("write"))


def seal(public_key: str, value: str) -> str:
    """Seal a value for GitHub with a libsodium sealed box.

    Source: https://docs.github.com/en/rest/guides/encrypting-secrets-for-the-rest-api
    """
    from nacl.public import PublicKey as BoxKey  # noqa: PLC0415 - loads a shared library, not always needed
    from nacl.public import SealedBox  # noqa: PLC0415

    return b64encode(SealedBox(BoxKey(b64decode(public_key))).encrypt(value.encode())).decode()
