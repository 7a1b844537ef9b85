"""`VerifiedLogin`: passes a registry's credentials on only after they have logged in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...clients.ecr import AccessKey, verify_key
from ...clients.errors import ActionableError, CloudError
from ...clients.github_token import token_info
from ...clients.registry import RegistryCredentials as Login
from ...clients.registry import try_login
from ...rules import RuleViolation
from ...rules.github_host import api_of_registry
from ...rules.registries import check_server
from ...rules.registry_logins import as_published, check_credentials, check_scopes, ecr_pair, is_classic_token
from ...values import Properties, Secret, Unknown, is_text, is_unknown, reveal
from ..failures import Failure, InvalidInputs
from ..resource import Difference, Resource, Stored, check_list, raise_if
from ..run import Severity

if TYPE_CHECKING:
    from ..resource import ChangeKind
    from ..run import Run

_VERIFIED = ("server", "user", "password", "probeImages", "verify")
_LOGIN = ("server", "user", "password")
_OTHER_OWNER = (
    "the token for {} is {}'s, and `user` names somebody else: the registry looks at the token alone, so that it works."
)
_TRIES = 3
_PAUSE_SECONDS = 2.0
_KEY_SECONDS = 30
"""How long to wait for an access key to work. The key is not a new one, so at most a policy has to take effect."""
_OVERLOADED = (0, 429, 500, 502, 503, 504)


class VerifiedLogin(Resource):
    """Credentials that are proven before any other resource gets them.

    Inputs: `server`, `user`, `password`, `probeImages`, `verify`. The outputs repeat the user and the password; only
    the key of a Google service account is put on one line.
    """

    token = "codespaces:index:VerifiedLogin"

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        inputs = dict(new)
        for name in ("user", "password"):
            inputs[name] = inputs[name] if isinstance(inputs.get(name), Secret) else Secret(inputs.get(name))
        inputs.setdefault("verify", True)
        inputs["server"] = reveal(inputs.get("server"))
        inputs["probeImages"] = reveal(inputs.get("probeImages"))
        failures = check_list("probe_images", inputs["probeImages"])
        if not all(is_text(reveal(inputs[name])) for name in _LOGIN):
            failures.append(Failure("", "a login has a server, a user and a password, each a text."))
        if not isinstance(inputs["verify"], (bool, Unknown)):
            failures.append(Failure("", "verify must be true or false."))
        if isinstance(inputs["server"], str):
            try:
                check_server(inputs["server"])
            except RuleViolation as violation:
                failures.append(Failure("", str(violation)))
        raise_if(*failures)
        login = [reveal(inputs[name]) for name in _LOGIN]
        if not any(is_unknown(part) for part in login):
            try:
                warning = check_credentials(*login)
                inputs["password"] = Secret(as_published(*login))
            except RuleViolation as violation:
                raise InvalidInputs(Failure("", str(violation))) from violation
            if warning:
                run.log(Severity.WARNING, urn, warning)
            if inputs["verify"] is True:
                old_login = [reveal(old.get(name)) for name in _LOGIN]
                await self._check_token(run, urn, Login(*login), is_new=old_login != login)
        return inputs

    async def _check_token(self, run: Run, urn: str, login: Login, *, is_new: bool) -> None:
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

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, ChangeKind] = {}
        for name in _VERIFIED:
            before, after = reveal(state.get(name)), reveal(new.get(name))
            if is_unknown(after) or before != after:
                changes[name] = "update"
        return Difference(changes)

    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        return urn.rsplit("::", 1)[-1], await self._verified(run, urn, new, preview=preview)

    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        return await self._verified(run, urn, new, preview=preview)

    async def _verified(self, run: Run, urn: str, new: Properties, *, preview: bool) -> Properties:
        outputs: Properties = {name: new.get(name) for name in _VERIFIED}
        if preview or not new["verify"]:
            return outputs
        login = Login(reveal(new["server"]), reveal(new["user"]), reveal(new["password"]))
        probe_images: list[str] = new.get("probeImages") or []
        images = [image.removeprefix(f"{login.server}/") for image in probe_images]
        if ecr_pair(login.server, login.user):
            # GitHub swaps an access key for a token, so the test must do the same.
            key, full_images = AccessKey(login.user, login.password), [f"{login.server}/{image}" for image in images]
            try:
                await verify_key(key, [login.server], full_images, _KEY_SECONDS, run.status_line(urn), secret_id=True)
            except CloudError as refused:
                raise ActionableError(str(refused)) from None
            return outputs
        for attempt in range(1, _TRIES + 1):
            try:
                await try_login(login, images)
                break
            except CloudError as refused:
                if attempt == _TRIES or refused.status not in _OVERLOADED:
                    raise ActionableError(
                        f"the credentials for {login.server} do not work: {refused}. Nothing was published; codespaces "
                        "keep the credentials they have. Mend them, or set verify to false if the registry cannot be "
                        "reached from here."
                    ) from None
                run.log(Severity.STATUS, urn, f"logging in to {login.server} again: {refused}")
                await asyncio.sleep(_PAUSE_SECONDS * attempt)
        return outputs

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        return Stored(identifier, inputs, state)

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Do nothing: the resource creates nothing."""
