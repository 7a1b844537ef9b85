"""Codespaces secrets of organizations, repositories and users.

Wordings that no recording and no public report gives are marked in the code as unrecorded.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from typing import TYPE_CHECKING, Any, cast

from .routing import NOT_FOUND, Answer, Call, Refusal, invalid, operation
from .shapes import minimal_repository, stamp
from .state import NotSealed, Organization, Repository, Secret, SecretHolder, User

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_VALUE = 48 * 1024
"""Bytes. Source: https://docs.github.com/codespaces (limits of development environment secrets)."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BAD_NAME = (
    "Secret names can only contain alphanumeric characters ([a-z], [A-Z], [0-9]) or underscores (_). "
    "Spaces are not allowed. Must start with a letter ([a-z], [A-Z]) or underscores (_)."
)
_NOT_SEALED = "Bad request - validation failed due to an improperly encrypted secret"
"""See https://github.com/integrations/terraform-provider-github/issues/2315."""

_VISIBILITIES = ("all", "private", "selected")
_ORGANIZATION = "/orgs/{org}/codespaces/secrets"
_REPOSITORY = "/repos/{owner}/{repo}/codespaces/secrets"
_USER = "/user/codespaces/secrets"

# Unrecorded for Codespaces; for Actions see https://github.com/cli/cli/issues/8810.
_DENIED = "You must be an org admin or have the codespaces secrets fine-grained permission."


def _organization(method: str, path: str = "") -> Callable[[Any], Any]:
    return operation(
        method,
        _ORGANIZATION + path,
        scopes=("admin:org",),
        permission="organization_codespaces_secrets",
        access="owner",
        denied=_DENIED,
        resource="codespaces",
    )


def _repository(method: str, path: str = "") -> Callable[[Any], Any]:
    # Even the list takes write: https://docs.github.com/en/rest/codespaces/repository-secrets#list-repository-secrets
    return operation(
        method,
        _REPOSITORY + path,
        scopes=("repo",),
        permission="codespaces_secrets",
        level="write",
        resource="codespaces",
    )


def _user(method: str, path: str = "") -> Callable[[Any], Any]:
    scopes = ("codespace", "codespace:secrets")
    return operation(method, _USER + path, scopes=scopes, permission="codespaces_user_secrets", resource="codespaces")


def _holder(call: Call) -> SecretHolder:
    """Whose secrets the path speaks of."""
    if "org" in call.parameters:
        organization = call.organization
        if not organization.has_codespaces_secrets:
            # See https://github.com/google/go-github/issues/3000: a free organization answers so.
            raise Refusal(404, NOT_FOUND)
        return organization
    if "repo" in call.parameters:
        return call.repository(to_write=call.operation.method in ("PUT", "DELETE"))
    return call.cloud.user(cast("str", call.caller.token and call.caller.token.login))


def _found(call: Call, holder: SecretHolder) -> Secret:
    secret = holder.secrets.get(call.parameters["secret_name"].upper())
    if secret is None:
        raise Refusal(404, NOT_FOUND)
    return secret


def _shown(call: Call, holder: SecretHolder, secret: Secret) -> dict[str, Any]:
    body = {"name": secret.name, "created_at": stamp(secret.created_at), "updated_at": stamp(secret.updated_at)}
    if isinstance(holder, Repository):
        return body
    body["visibility"] = secret.visibility
    if secret.visibility == "selected":
        where = f"/orgs/{holder.login}" if isinstance(holder, Organization) else "/user"
        body["selected_repositories_url"] = f"{call.base}{where}/codespaces/secrets/{secret.name}/repositories"
    return body


@_organization("GET")
@_repository("GET")
@_user("GET")
def list_secrets(call: Call) -> Answer:
    """The secrets in the order of their names, without values."""
    holder = _holder(call)
    secrets, link = call.page([holder.secrets[name] for name in sorted(holder.secrets)])
    return Answer(
        200, {"total_count": len(holder.secrets), "secrets": [_shown(call, holder, secret) for secret in secrets]}, link
    )


@_organization("GET", "/public-key")
@_repository("GET", "/public-key")
@_user("GET", "/public-key")
def public_key(call: Call) -> Answer:
    """The key to seal values with."""
    holder = _holder(call)
    return Answer(200, {"key_id": holder.key_id, "key": holder.public_key})


@_organization("GET", "/{secret_name}")
@_repository("GET", "/{secret_name}")
@_user("GET", "/{secret_name}")
def get_secret(call: Call) -> Answer:
    """One secret, without its value."""
    holder = _holder(call)
    return Answer(200, _shown(call, holder, _found(call, holder)))


@_organization("PUT", "/{secret_name}")
@_repository("PUT", "/{secret_name}")
@_user("PUT", "/{secret_name}")
def put_secret(call: Call) -> Answer:
    """Create or overwrite a secret.

    What GitHub does with a body without a value, with repositories beside a visibility other than `selected`, and with
    the id of a foreign repository is not documented; the stand-in refuses them all, so that no client relies on one
    outcome.
    """
    holder = _holder(call)
    name = call.parameters["secret_name"].upper()
    if not _NAME.fullmatch(name):
        raise Refusal(422, _BAD_NAME)
    if name.startswith("GITHUB_"):
        raise Refusal(422, "Secret names must not start with GITHUB_.")
    if isinstance(holder, Organization):
        call.need("visibility")
    call.need("encrypted_value", "key_id")
    visibility, ids = _audience(call, holder)
    value = _opened(call, holder)
    if name not in holder.secrets and len(holder.secrets) >= holder.secret_limit:
        raise Refusal(422, f"Failed to add secret. You can only have {holder.secret_limit} secrets.")  # unrecorded
    created = name not in holder.secrets
    holder.put_secret(name, value, visibility, ids)
    return Answer(201, {}) if created else Answer(204)


def _audience(call: Call, holder: SecretHolder) -> tuple[str, set[int]]:
    if isinstance(holder, Repository):
        return "all", set()
    ids = _selected_ids(call, holder)
    if isinstance(holder, User):
        return "selected", ids
    visibility = call.sent("visibility", str)
    if visibility not in _VISIBILITIES:
        choices = ", ".join(f'"{choice}"' for choice in _VISIBILITIES)
        raise invalid(f"For 'properties/visibility', \"{visibility}\" is not a member of [{choices}].")
    if ids and visibility != "selected":
        raise Refusal(422, "selected_repository_ids can only be given when visibility is selected.")  # unrecorded
    return visibility, ids


def _selected_ids(call: Call, holder: SecretHolder) -> set[int]:
    ids = cast("list[Any]", call.sent("selected_repository_ids", list, []))
    if isinstance(holder, User):
        ids = [int(number) if isinstance(number, str) and number.isdecimal() else number for number in ids]
    for number in ids:
        if not isinstance(number, int) or isinstance(number, bool):
            # See https://github.com/github/rest-api-description/issues/275.
            shown = f'"{number}"' if isinstance(number, str) else number
            raise invalid(f"For 'properties/selected_repository_ids/items', {shown} is not an integer.")
        _own_repository(call, holder, number, 422)
    return set(cast("list[int]", ids))


def _own_repository(call: Call, holder: SecretHolder, number: int, status: int) -> None:
    repository = call.cloud.repositories_by_id.get(number)
    if repository is None or (isinstance(holder, Organization) and repository.organization is not holder):
        message = NOT_FOUND if status == 404 else f"Repository {number} is not one of this organization."  # unrecorded
        raise Refusal(status, message)


def _opened(call: Call, holder: SecretHolder) -> str:
    if call.sent("key_id", str) != holder.key_id:
        raise Refusal(422, _NOT_SEALED)
    try:
        value = holder.open_sealed(b64decode(cast("str", call.sent("encrypted_value", str)), validate=True))
    except (NotBase64, NotSealed):
        raise Refusal(422, _NOT_SEALED) from None
    if len(value) > LARGEST_VALUE:
        raise Refusal(
            422, "Failed to add secret. Value is too large."
        )  # unrecorded in the API; the settings page says so
    return value.decode(errors="surrogateescape")


@_organization("DELETE", "/{secret_name}")
@_repository("DELETE", "/{secret_name}")
@_user("DELETE", "/{secret_name}")
def delete_secret(call: Call) -> Answer:
    """Delete a secret."""
    holder = _holder(call)
    holder.delete_secret(_found(call, holder).name)
    return Answer(204)


def _selected(call: Call) -> tuple[SecretHolder, Secret]:
    holder = _holder(call)
    secret = _found(call, holder)
    if secret.visibility != "selected":
        raise Refusal(409, "Conflict", errors=[])  # see integrations/terraform-provider-github#940, there for Actions
    return holder, secret


@_organization("GET", "/{secret_name}/repositories")
@_user("GET", "/{secret_name}/repositories")
def list_repositories(call: Call) -> Answer:
    """The repositories that may read a secret."""
    holder = _holder(call)
    secret = _found(call, holder)
    visible = [call.cloud.repositories_by_id[number] for number in sorted(secret.repository_ids)]
    visible = [repository for repository in visible if call.caller.sees(repository)]
    shown, link = call.page(visible)
    return Answer(
        200,
        {"total_count": len(visible), "repositories": [minimal_repository(call, repository) for repository in shown]},
        link,
    )


@_organization("PUT", "/{secret_name}/repositories")
@_user("PUT", "/{secret_name}/repositories")
def put_repositories(call: Call) -> Answer:
    """Replace the repositories that may read a secret."""
    holder, secret = _selected(call)
    call.need("selected_repository_ids")
    holder.select(secret.name, _selected_ids(call, holder))
    return Answer(204)


@_organization("PUT", "/{secret_name}/repositories/{repository_id}")
@_user("PUT", "/{secret_name}/repositories/{repository_id}")
def add_repository(call: Call) -> Answer:
    """Let one more repository read a secret."""
    holder, secret = _selected(call)
    number = _path_id(call)
    _own_repository(call, holder, number, 404)
    holder.select(secret.name, secret.repository_ids | {number})
    return Answer(204)


@_organization("DELETE", "/{secret_name}/repositories/{repository_id}")
@_user("DELETE", "/{secret_name}/repositories/{repository_id}")
def remove_repository(call: Call) -> Answer:
    """Let one repository no longer read a secret."""
    holder, secret = _selected(call)
    number = _path_id(call)
    _own_repository(call, holder, number, 404)
    holder.select(secret.name, secret.repository_ids - {number})
    return Answer(204)


def _path_id(call: Call) -> int:
    text = call.parameters["repository_id"]
    if not text.isdecimal():
        raise Refusal(404, NOT_FOUND)
    return int(text)
