"""Checks and compares the inputs of a provider."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..clients.credentials import NO_CREDENTIALS, configure
from ..rules import RuleViolation
from ..rules.github_host import api_base_url, check_login
from ..values import Secret, is_text, is_unknown, plain_text, reveal
from .failures import Failure, InvalidInputs

if TYPE_CHECKING:
    from ..clients.credentials import Configuration
    from ..values import Properties, Value

_NO_OWNER = "no organization: set GITHUB_OWNER, or give the provider `owner`."
_CREDENTIALS = ("token", "appAuth")
_PLACES = ("owner", "baseUrl")


def check(news: Properties) -> Properties:
    """Check a provider's inputs, and resolve its owner and base URL.

    They are resolved here so that a change in the environment counts as a change of the provider.

    Raises:
        InvalidInputs: the owner or the credentials are missing, or the address is not supported.
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
            owner = plain_text(inputs.get("owner")) or os.environ.get("GITHUB_OWNER")
            if not owner:
                raise InvalidInputs(Failure("", _NO_OWNER))
            check_login(owner)
            inputs["owner"] = owner
        if not is_unknown(inputs.get("baseUrl")):
            inputs["baseUrl"] = api_base_url(plain_text(inputs.get("baseUrl")) or os.environ.get("GITHUB_BASE_URL"))
    except RuleViolation as violation:
        raise InvalidInputs(Failure("", str(violation))) from violation
    if not is_unknown(inputs):
        configuration = read(inputs)
        if not configuration.token and not configuration.app_auth:
            raise InvalidInputs(Failure("", NO_CREDENTIALS))
    return inputs


def read(inputs: Properties) -> Configuration:
    """Build the configuration from checked inputs and the environment.

    Raises:
        InvalidInputs: a part of the credentials is missing or malformed.
    """
    try:
        return configure(inputs)
    except RuleViolation as violation:
        raise InvalidInputs(Failure("", str(violation))) from violation


def changed(old: Properties, new: Properties) -> list[str]:
    """The properties that differ, including credentials.

    If a provider reports no difference, the engine continues with the old inputs. A rotated token would then be used
    only from the update after the next.
    """
    return [name for name in (*_PLACES, *_CREDENTIALS) if _differs(name, old.get(name), new.get(name))]


def replaces(old: Properties, new: Properties) -> list[str]:
    """The changed properties that mean another organization, and therefore replace the provider.

    A provider that `pulumi import` created has no inputs in the state, so it names no organization to move away from.
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
        # Case does not matter in a GitHub login.
        return before.lower() != after.lower()
    return before != after
