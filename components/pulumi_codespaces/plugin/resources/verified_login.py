"""`VerifiedLogin`: passes a registry's credentials on only after they have logged in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ...clients.ecr import AccessKey, verify_key
from ...clients.errors import ActionableError, CloudError
from ...clients.github_token import token_info
from ...clients.registry import RegistryCredentials, try_login
from ...rules import RuleViolation
from ...rules.github_host import api_of_registry
from ...rules.registry_logins import as_published, check_credentials, check_scopes, ecr_pair, is_classic_token
from ...values import Secret
from ..failures import Failure, InvalidInputs
from ..properties.shapes import known_texts
from ..properties.verified import LoginInputs, LoginState
from ..resource import Computed, Difference
from ..run import Severity

if TYPE_CHECKING:
    from ..run import Run

_OTHER_OWNER = (
    "the token for {} is {}'s, and `user` names somebody else: the registry looks at the token alone, so that it works."
)
_TRIES = 3
_PAUSE_SECONDS = 2.0
_KEY_SECONDS = 30
"""How long to wait for an access key to work. The key is not a new one, so at most a policy has to take effect."""
_OVERLOADED = (0, 429, 500, 502, 503, 504)


class VerifiedLogin(Computed[LoginInputs, LoginState]):
    """Credentials that are proven before any other resource gets them.

    Inputs: `server`, `user`, `password`, `probeImages`, `verify`. The outputs repeat the user and the password; only
    the key of a Google service account is put on one line.
    """

    token = "codespaces:index:VerifiedLogin"

    async def check(self, run: Run, urn: str, old: LoginInputs | None, new: LoginInputs) -> LoginInputs:
        """Check the credentials against the rules of their registry; ask GitHub about a token of its own."""
        login = _known_login(new.login)
        if login is None:
            return new
        try:
            warning = check_credentials(login.server, login.user, login.password)
            published = as_published(login.server, login.user, login.password)
        except RuleViolation as violation:
            raise InvalidInputs(Failure("", str(violation))) from violation
        if warning:
            run.log(Severity.WARNING, urn, warning)
        if new.login.verify is True:
            is_new = old is None or old.login.credentials != new.login.credentials
            await self._check_token(run, urn, login, is_new=is_new)
        return replace(new, login=replace(new.login, password=Secret(published)))

    async def _check_token(self, run: Run, urn: str, login: RegistryCredentials, *, is_new: bool) -> None:
        """Check the scopes of a token for GitHub's registry, which accepts a login with any token of a user.

        A problem with a token that codespaces have already is only a warning, so that it does not block the program.

        Raises:
            InvalidInputs: the token is new, and it does not work or may not read packages.
        """
        api = api_of_registry(login.server, run.configuration.base_url)
        if not (api and is_classic_token(login.password) and run.configuration.complete):
            return
        problem = ""
        try:
            info = await token_info(api, login.password)
            if info.scopes is not None:
                check_scopes(login.server, info.scopes)
            if info.login.lower() != login.user.lower():
                run.log(Severity.WARNING, urn, _OTHER_OWNER.format(login.server, info.login))
        except RuleViolation as violation:
            problem = str(violation)
        except CloudError as error:
            if error.status != 401:
                run.log(
                    Severity.WARNING,
                    urn,
                    f"whether the token for {login.server} may read packages was not seen: {error}.",
                )
                return
            problem = f"the token for {login.server} is wrong, expired or revoked: GitHub does not know it."
        if problem and is_new:
            raise InvalidInputs(Failure("", problem))
        if problem:
            run.log(Severity.WARNING, urn, f"codespaces cannot pull: {problem}")

    async def difference(self, run: Run, urn: str, state: LoginState, new: LoginInputs) -> Difference:
        """Compare everything that a verification depends on."""
        return Difference(state.changes(new))

    async def compute(self, run: Run, urn: str, new: LoginInputs, *, preview: bool) -> LoginState:
        """Log in, and pass the credentials on."""
        login = _known_login(new.login)
        if not preview and new.login.verify and login:
            images = [image.removeprefix(f"{login.server}/") for image in known_texts(new.login.probe_images)]
            if ecr_pair(login.server, login.user):
                await _try_key(run, urn, login, images)
            else:
                await _try_login(run, urn, login, images)
        return new.login


async def _try_key(run: Run, urn: str, login: RegistryCredentials, images: list[str]) -> None:
    """Log in to Amazon ECR with an access key. GitHub swaps the key for a token, so the test must do the same.

    Raises:
        ActionableError: the key does not work.
    """
    key, full_images = AccessKey(login.user, login.password), [f"{login.server}/{image}" for image in images]
    try:
        await verify_key(key, [login.server], full_images, _KEY_SECONDS, run.status_line(urn), secret_id=True)
    except CloudError as refused:
        raise ActionableError(str(refused)) from None


async def _try_login(run: Run, urn: str, login: RegistryCredentials, images: list[str]) -> None:
    """Log in to a registry; try again while it is overloaded.

    Raises:
        ActionableError: the credentials do not work.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            await try_login(login, images)
        except CloudError as refused:
            if attempt == _TRIES or refused.status not in _OVERLOADED:
                raise ActionableError(
                    f"the credentials for {login.server} do not work: {refused}. Nothing was published; codespaces "
                    "keep the credentials they have. Mend them, or set verify to false if the registry cannot be "
                    "reached from here."
                ) from None
            run.log(Severity.STATUS, urn, f"logging in to {login.server} again: {refused}")
            await asyncio.sleep(_PAUSE_SECONDS * attempt)
        else:
            return


def _known_login(login: LoginState) -> RegistryCredentials | None:
    """The credentials; None if a part of them is not known yet."""
    server, user, password = login.credentials
    if isinstance(server, str) and isinstance(user, str) and isinstance(password, str):
        return RegistryCredentials(server, user, password)
    return None
