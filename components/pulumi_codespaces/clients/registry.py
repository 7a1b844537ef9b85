"""Logs in to a registry and reads manifests, as `docker login` and `docker pull` do."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from ..rules.registries import DOCKER_HUB
from .errors import CloudError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    import httpx

NO_SUCH_IMAGE = 404
"""The status of the error where a registry does not have an image."""
_REQUEST_SECONDS = 15.0
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)


@dataclass(frozen=True)
class RegistryCredentials:
    """A registry and the credentials for it.

    Attributes:
        server: as in the SERVER secret: a host, or Docker Hub's literal address.
        user: the user name.
        password: the password or token.
    """

    server: str
    user: str
    password: str = field(repr=False)

    @property
    def host(self) -> str:
        """The host that speaks the registry API for `server`."""
        return "registry-1.docker.io" if self.server == DOCKER_HUB else self.server

    @property
    def basic(self) -> str:
        """The value of a Basic Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


async def try_login(login: RegistryCredentials, images: Sequence[str]) -> None:
    """Log in once and read the manifest of each image.

    The registry says how it wants to be asked: Basic (ECR), or a token from its token service (Bearer; most others).
    Source: https://distribution.github.io/distribution/spec/auth/token/

    Args:
        login: the registry and the credentials.
        images: images of this registry, `repository:tag` or `repository@digest`, without the host.

    Raises:
        CloudError: refused, or no answer; the message holds no credential.
    """
    import httpx  # noqa: PLC0415 - loaded only where a login is verified

    async with open_client() as client:
        try:
            await _get(client, login, "/v2/", f"the registry {login.server} refuses the login", "")
            for image in images:
                repository, reference = split_image(image)
                await _get(
                    client,
                    login,
                    f"/v2/{repository}/manifests/{reference}",
                    f"reading {image} from {login.server} is refused",
                    f"repository:{repository}:pull",
                )
        except httpx.HTTPError as error:
            raise CloudError(f"the registry {login.server} does not answer ({type(error).__name__})") from None


async def manifest_status(login: RegistryCredentials, image: str) -> int:
    """The status with which a registry answers who asks for the manifest of an image.

    Args:
        login: the registry and the credentials.
        image: `repository:tag` or `repository@digest`, without the host.

    Raises:
        CloudError: no answer.
    """
    repository, reference = split_image(image)
    return await _asked(login, "GET", f"/v2/{repository}/manifests/{reference}", f"repository:{repository}:pull")


async def push_status(login: RegistryCredentials, repository: str) -> int:
    """The status with which a registry answers who begins to push to a repository. An accepted push is broken off.

    Source: https://distribution.github.io/distribution/spec/api/#initiate-blob-upload

    Raises:
        CloudError: no answer.
    """
    path, scope = f"/v2/{repository}/blobs/uploads/", f"repository:{repository}:pull,push"
    return await _asked(login, "POST", path, scope)


async def _asked(login: RegistryCredentials, method: str, path: str, scope: str) -> int:
    import httpx  # noqa: PLC0415 - loaded only where a login is verified

    async with open_client() as client:
        try:
            answer = await _send(client, login, method, path, f"{method} {path}", scope)
            if method == "POST" and answer.is_success:
                await _cancel(client, answer)
        except httpx.HTTPError as error:
            raise CloudError(f"the registry {login.server} does not answer ({type(error).__name__})") from None
        except CloudError as refused:
            if not refused.status:
                raise
            return refused.status
        return answer.status_code


async def _cancel(client: httpx.AsyncClient, accepted: httpx.Response) -> None:
    """End an upload. If that fails, the registry forgets it after a while."""
    request = accepted.request
    upload = request.url.join(accepted.headers.get("location", ""))
    credentials = request.headers.get("authorization")
    # Never send these credentials to another host.
    if credentials and (upload.scheme, upload.netloc) == (request.url.scheme, request.url.netloc):
        await client.delete(upload, headers={"Authorization": credentials})


def open_client() -> httpx.AsyncClient:
    """A client for one login, which follows redirections and trusts what the environment says."""
    import httpx  # noqa: PLC0415 - loaded only where a login is verified

    trusted = _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    return httpx.AsyncClient(timeout=_REQUEST_SECONDS, follow_redirects=True, verify=trusted)


@cache
def _trusted(file: str | None, folder: str | None) -> ssl.SSLContext:
    """The authorities that httpx trusts by these variables, read once: it takes longer than a login.

    Args:
        file: SSL_CERT_FILE.
        folder: SSL_CERT_DIR.
    """
    import httpx  # noqa: PLC0415 - loaded only where a login is verified

    del file, folder  # only keys of the cache
    return httpx.create_ssl_context()


def split_image(image: str) -> tuple[str, str]:
    """The repository and the tag or digest of an image reference without a host; the tag is `latest` by default."""
    named, _, digest = image.partition("@")
    repository, _, tag = named.partition(":")
    return repository, digest or tag or "latest"


async def _send(
    client: httpx.AsyncClient, login: RegistryCredentials, method: str, path: str, refused: str, scope: str
) -> httpx.Response:
    url = f"https://{login.host}{path}"
    answer = await client.request(method, url, headers={"Accept": _MANIFESTS, "Authorization": login.basic})
    challenge = answer.headers.get("www-authenticate", "")
    if answer.status_code == 401 and challenge.lower().startswith("bearer"):
        token = await _bearer(client, login, challenge, scope, refused)
        answer = await client.request(method, url, headers={"Accept": _MANIFESTS, "Authorization": f"Bearer {token}"})
    return answer


async def _get(client: httpx.AsyncClient, login: RegistryCredentials, path: str, refused: str, scope: str) -> None:
    answer = await _send(client, login, "GET", path, refused, scope)
    if answer.status_code == 404 and scope:
        raise CloudError(f"{refused}: the image does not exist; probe_images must list existing images", NO_SUCH_IMAGE)
    if answer.is_error:
        raise CloudError(f"{refused} ({answer.status_code})", answer.status_code)


async def _bearer(
    client: httpx.AsyncClient, login: RegistryCredentials, challenge: str, scope: str, refused: str
) -> str:
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = parameters.get("realm", "")
    if not realm.startswith("https://"):
        raise CloudError(f"{refused}: the address of its token service, {realm!r}, does not begin with https")
    query = {"service": parameters.get("service", ""), "account": login.user} | ({"scope": scope} if scope else {})
    answer = await client.get(realm, params=query, headers={"Authorization": login.basic})
    if answer.is_error:
        raise CloudError(f"{refused} ({answer.status_code} from its token service)", answer.status_code)
    try:
        body = answer.json()
        return str(body.get("token") or body["access_token"])
    except (ValueError, KeyError, AttributeError, TypeError):
        raise CloudError(f"{refused}: its token service {realm} answers without a token") from None
