"""The configuration of a provider instance: from the program first, then from the environment.

The variables are those of the stock GitHub provider (https://www.pulumi.com/registry/packages/github/installation-configuration/),
so that one environment serves both.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..rules import RuleViolation
from ..rules.github_host import api_base_url, check_login
from .failures import Failure, InvalidInputs
from .values import Secret, is_text, is_unknown, reveal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .values import Properties, Value

NO_CREDENTIALS = (
    "no GitHub credentials: set GITHUB_TOKEN, or GITHUB_APP_ID, GITHUB_APP_INSTALLATION_ID and GITHUB_APP_PEM_FILE, or "
    "give the provider `token` or `app_auth`. Organization secrets need a classic token with the scope admin:org, or a "
    "fine-grained token or an App with the permission 'Organization codespaces secrets'."
)
_NO_OWNER = "no organization: set GITHUB_OWNER, or give the provider `owner`."
_CREDENTIALS = ("token", "appAuth")
_PLACES = ("owner", "baseUrl")


@dataclass(frozen=True)
class AppAuth:
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
    app_auth: AppAuth | None = None
    complete: bool = True


def check(news: Properties) -> Properties:
    """Check a provider's inputs and resolve its owner and base URL, so that a change of environment is a change.

    Raises:
        InvalidInputs: no owner, no credentials, or an address that cannot be served.
    """
    inputs = dict(news)
    for name in _CREDENTIALS:
        if inputs.get(name) is not None and not isinstance(inputs[name], Secret):
            inputs[name] = Secret(inputs[name])
    for name, argument in (("owner", "owner"), ("baseUrl", "base_url"), ("token", "token")):
        if inputs.get(name) is not None and not is_text(reveal(inputs[name])):
            raise InvalidInputs(Failure("", f"{argument} must be a text."))
    try:
        if not is_unknown(inputs.get("owner")):
            inputs["owner"] = reveal(inputs.get("owner")) or os.environ.get("GITHUB_OWNER") or None
            if not inputs["owner"]:
                raise InvalidInputs(Failure("", _NO_OWNER))
            check_login(inputs["owner"])
        if not is_unknown(inputs.get("baseUrl")):
            inputs["baseUrl"] = api_base_url(reveal(inputs.get("baseUrl")) or os.environ.get("GITHUB_BASE_URL"))
    except RuleViolation as violation:
        raise InvalidInputs(Failure("", str(violation))) from violation
    if not is_unknown(inputs):
        configuration = configure(inputs)
        if not configuration.token and not configuration.app_auth:
            raise InvalidInputs(Failure("", NO_CREDENTIALS))
    return inputs


def configure(inputs: Properties) -> Configuration:
    """The configuration that checked inputs and the environment give.

    Raises:
        InvalidInputs: credentials of which a part is missing or malformed.
    """
    if is_unknown(inputs):
        return Configuration(complete=False)
    plain = reveal(inputs)
    # A token that the program gives is for this organization; the environment's App may be installed in another.
    app_auth = None if plain.get("token") and not plain.get("appAuth") else _app_auth(plain.get("appAuth"))
    return Configuration(
        owner=plain.get("owner") or os.environ.get("GITHUB_OWNER", ""),
        base_url=api_base_url(plain.get("baseUrl") or os.environ.get("GITHUB_BASE_URL")),
        token=_token(plain.get("token") or os.environ.get("GITHUB_TOKEN", "")),
        app_auth=app_auth,
    )


def changed(old: Properties, new: Properties) -> list[str]:
    """The properties that differ.

    Credentials are among them: of a provider that reports no difference the engine goes on using the old inputs, and a
    token that was rotated would be used only from the update after the next.
    """
    return [name for name in (*_PLACES, *_CREDENTIALS) if _differs(name, old.get(name), new.get(name))]


def replaces(old: Properties, new: Properties) -> list[str]:
    """The properties whose change means another organization, and so a replacement of the provider.

    A provider that `pulumi import` made has no inputs at all in the state; it is none that could be left.
    """
    return [
        name
        for name in _PLACES
        if old.get(name) is not None and not is_unknown(new.get(name)) and _differs(name, old.get(name), new.get(name))
    ]


def _differs(name: str, old: Value, new: Value) -> bool:
    if is_unknown(new):
        return True
    before, after = reveal(old), reveal(new)
    if name == "owner" and isinstance(before, str) and isinstance(after, str):
        # GitHub does not tell upper from lower case in a login.
        return before.lower() != after.lower()
    return before != after


def _token(given: str) -> str | None:
    # Read from a file, a token often has a line end after it.
    token = given.strip()
    if re.search(r"[^!-~]", token):
        raise InvalidInputs(
            Failure("", "the GitHub token has blanks or other characters in it that no token has; copy it once more.")
        )
    return token or None


def _app_auth(given: Value) -> AppAuth | None:
    fields = _app_fields(given)
    app = AppAuth(
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
        raise InvalidInputs(
            Failure("", f"app_auth lacks {' and '.join(missing)}: a GitHub App needs id, installation_id and pem_file.")
        )
    if not app.installation_id.isdecimal():
        raise InvalidInputs(
            Failure(
                "",
                f"app_auth.installation_id {app.installation_id!r} must be a number: it ends the address of the "
                "installation's page in the organization's settings.",
            )
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
        raise InvalidInputs(Failure("", "app_auth must be a map with id, installation_id and pem_file."))
    fields = {name: value for name, value in cast("Mapping[str, Any]", given).items() if value is not None}
    for name, value in fields.items():
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise InvalidInputs(Failure("", f"app_auth: {name} must be a text."))
    return {name: str(value) for name, value in fields.items()}


def _check_pem(pem: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - Apps only
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - Apps only

    try:
        load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The exception may quote what it was given.
        raise InvalidInputs(
            Failure(
                "",
                "app_auth.pem_file (or GITHUB_APP_PEM_FILE) is not a private key in PEM: give the contents of the file "
                "that GitHub let you download, not its name.",
            )
        ) from error
