"""Asks ECR, with the access key under test, what GitHub will ask: a token, a login, and the manifests of images."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..rules.registries import parse_ecr_host
from ..rules.registry_logins import ECR_TOKEN_USER
from .errors import CloudError
from .registry import NO_SUCH_IMAGE, RegistryCredentials, try_login

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FORBIDDEN = 403
"""The status of the error where a user may not log in."""
_IN_A_ROW = 3
"""IAM shows a new key on one of its servers before another; this many successes in a row are taken for all of them."""
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_REQUEST_SECONDS = 15.0
_making_client = Lock()
"""A session makes one client at a time (https://boto3.amazonaws.com/v1/documentation/api/latest/guide/session.html)."""


@dataclass(frozen=True)
class AccessKey:
    """An access key of an IAM user."""

    id: str
    secret: str = field(repr=False)


async def verify_key(
    key: AccessKey,
    servers: Sequence[str],
    images: Sequence[str],
    timeout_seconds: float,
    progress: Callable[[str], None],
    *,
    secret_id: bool = False,
) -> None:
    """Wait until a key can do what a codespace needs, three times in a row.

    Args:
        key: the access key.
        servers: ECR host names to log in to.
        images: images (`host/repository:tag` or `@digest`) whose manifests it must be able to read.
        timeout_seconds: when to give up.
        progress: called with a description of what is being waited for.
        secret_id: whether the program keeps the id of the key secret too, so that no message may hold it.

    Raises:
        CloudError: the key does not work in time, or an image does not exist; says what was refused last.
    """
    named = "the access key" if secret_id else f"the access key {key.id}"
    clock = asyncio.get_running_loop().time
    start, pause, successes = clock(), _FIRST_PAUSE_SECONDS, 0
    while True:
        try:
            for server in servers:
                await _try_server(key, server, [image for image in images if image.split("/", 1)[0] == server])
            successes += 1
            pause = _FIRST_PAUSE_SECONDS
            if successes == _IN_A_ROW:
                return
        except CloudError as refused:
            successes = 0
            waited = clock() - start
            # An image that is not there does not come by waiting, as a right or a key does.
            if refused.status == NO_SUCH_IMAGE or waited >= timeout_seconds:
                raise CloudError(
                    f"{named} does not work after {waited:.0f} s: {refused}. Nothing was published; "
                    "codespaces keep the credentials they have. Fix the cause (a permissions boundary, a service "
                    "control policy, a repository that does not exist) and run `pulumi up` again."
                ) from None
            progress(f"waiting for AWS to accept {named} ({waited:.0f} s): {refused}")
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        await asyncio.sleep(pause)


async def swapped(key: AccessKey, server: str) -> RegistryCredentials:
    """The login that GitHub swaps an access key for.

    Args:
        key: the access key.
        server: an ECR host name.

    Raises:
        CloudError: no answer, or refused, with the status 403 where the user may not do it and AWS knows the key.
    """
    return RegistryCredentials(server, ECR_TOKEN_USER, await asyncio.to_thread(_token, key, server))


async def _try_server(key: AccessKey, server: str, images: Sequence[str]) -> None:
    await try_login(await swapped(key, server), [image.split("/", 1)[1] for image in images])


def _token(key: AccessKey, server: str) -> str:
    """The password for `docker login` that GitHub swaps the key for."""
    # It takes half a second to load, and it has no types.
    exceptions: Any = import_module("botocore.exceptions")
    config: Any = import_module("botocore.config").Config(
        connect_timeout=_REQUEST_SECONDS, read_timeout=_REQUEST_SECONDS, retries={"total_max_attempts": 1}
    )
    registry = parse_ecr_host(server)
    try:
        # A client of its own has connections of its own: each try may come to another server of AWS.
        with _making_client:
            client: Any = _session().client(
                "ecr",
                region_name=registry.region,
                aws_access_key_id=key.id,
                aws_secret_access_key=key.secret,
                config=config,
            )
        answer: Any = client.get_authorization_token()
    except exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "an error")
        status = FORBIDDEN if code.startswith("AccessDenied") else 0
        raise CloudError(f"ecr:GetAuthorizationToken answers {code}", status) from None
    except exceptions.BotoCoreError as error:
        raise CloudError(f"ecr:GetAuthorizationToken does not answer ({type(error).__name__})") from None
    return b64decode(answer["authorizationData"][0]["authorizationToken"]).decode().split(":", 1)[1]


@cache
def _session() -> Any:
    """What makes clients; it reads boto's description of the service once, which takes longer than all else here."""
    return import_module("boto3.session").Session()
