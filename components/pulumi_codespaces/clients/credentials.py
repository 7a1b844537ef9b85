"""The credentials for GitHub: from the program first, then from the environment.

The variables are the same as for the stock GitHub provider
(https://www.pulumi.com/registry/packages/github/installation-configuration/), so that one environment serves both.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..rules import RuleViolation
from ..rules.github_host import api_base_url
from ..values import is_unknown, plain_map, plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..values import Properties, Value

NO_CREDENTIALS = (
    "no GitHub credentials: set GITHUB_TOKEN, or GITHUB_APP_ID, GITHUB_APP_INSTALLATION_ID and GITHUB_APP_PEM_FILE, or "
    "give the provider `token` or `app_auth`. Organization secrets need a classic token with the scope admin:org, or a "
    "fine-grained token or an App with the permission 'Organization codespaces secrets'."
)


@dataclass(frozen=True)
class AppInstallation:
    """The credentials of a GitHub App's installation."""

    id: str
    installation_id: str
    pem: str = field(repr=False)


@dataclass(frozen=True)
class Configuration:
    """What a provider instance works with.

    Attributes:
        owner: the organization.
        base_url: the address of the REST API.
        token: a token, or None.
        app_auth: an App's installation, or None; it goes before the token.
        complete: whether every value is known; in a preview a value may come from a resource not made yet.
    """

    owner: str = ""
    base_url: str = ""
    token: str | None = field(default=None, repr=False)
    app_auth: AppInstallation | None = None
    complete: bool = True


def configure(inputs: Properties) -> Configuration:
    """The configuration that checked inputs and the environment give.

    Raises:
        RuleViolation: a part of the credentials is missing or malformed.
    """
    if is_unknown(inputs):
        return Configuration(complete=False)
    plain = plain_map(inputs)
    # A token that the program gives is for this organization; the environment's App may be installed in another.
    app_auth = None if plain.get("token") and not plain.get("appAuth") else _app_auth(plain.get("appAuth"))
    return Configuration(
        owner=plain_text(plain.get("owner")) or os.environ.get("GITHUB_OWNER", ""),
        base_url=api_base_url(plain_text(plain.get("baseUrl")) or os.environ.get("GITHUB_BASE_URL")),
        token=_token(plain_text(plain.get("token")) or os.environ.get("GITHUB_TOKEN", "")),
        app_auth=app_auth,
    )


def _token(given: str) -> str | None:
    # Read from a file, a token often has a line end after it.
    token = given.strip()
    if re.search(r"[^!-~]", token):
        raise RuleViolation(
            "", "the GitHub token contains blanks or other characters that are not valid; copy the token again."
        )
    return token or None


def _app_auth(given: Value) -> AppInstallation | None:
    fields = _app_fields(given)
    app = AppInstallation(
        id=fields.get("id") or os.environ.get("GITHUB_APP_ID", ""),
        installation_id=fields.get("installationId") or os.environ.get("GITHUB_APP_INSTALLATION_ID", ""),
        # A PEM in an environment variable often has its line ends escaped, as the stock provider accepts.
        pem=(fields.get("pemFile") or os.environ.get("GITHUB_APP_PEM_FILE", "")).replace("\\n", "\n"),
    )
    missing = [
        name
        for name, value in (("id", app.id), ("installation_id", app.installation_id), ("pem_file", app.pem))
        if not value
    ]
    if len(missing) == 3:
        return None
    if missing:
        raise RuleViolation(
            "", f"app_auth lacks {' and '.join(missing)}: a GitHub App needs id, installation_id and pem_file."
        )
    if not app.installation_id.isdecimal():
        raise RuleViolation(
            "",
            f"app_auth.installation_id {app.installation_id!r} must be a number: the last part of the address "
            "of the installation's page in the organization's settings.",
        )
    _check_pem(app.pem)
    return app


def _app_fields(given: Value) -> dict[str, str]:
    """The given fields; the SDKs send what is not a text as JSON."""
    if given is None or given == "":
        return {}
    if isinstance(given, str):
        with suppress(ValueError):
            given = json.loads(given)
    if not isinstance(given, dict):
        raise RuleViolation("", "app_auth must be a map with id, installation_id and pem_file.")
    fields = {name: value for name, value in cast("Mapping[str, Any]", given).items() if value is not None}
    for name, value in fields.items():
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise RuleViolation("", f"app_auth: {name} must be a text.")
    return {name: str(value) for name, value in fields.items()}


def _check_pem(pem: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - Apps only
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - Apps only

    try:
        load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The exception may quote what it was given.
        raise RuleViolation(
            "",
            "app_auth.pem_file (or GITHUB_APP_PEM_FILE) is not a private key in PEM format; give the contents of the "
            "file that you downloaded from GitHub, not its name.",
        ) from error
