"""`VerifiedLogin`: passes a registry's credentials on once they are proven to log in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...rules import RuleViolation
from ...rules.registries import check_server
from ...rules.registry_logins import check_credentials, ecr_pair
from ..ecr_client import AccessKey, verify
from ..failures import CloudError, Failure, InvalidInputs, PluginError
from ..registry_client import Login, try_login
from ..resource import Difference, Resource, Stored, check_list, is_text, raise_if
from ..run import Severity
from ..values import Properties, Secret, Unknown, is_unknown, reveal

if TYPE_CHECKING:
    from ..resource import Change
    from ..run import Run

_VERIFIED = ("server", "user", "password", "probeImages", "verify")
_TRIES = 3
_PAUSE_SECONDS = 2.0
_KEY_SECONDS = 30
"""An access key that was given is not a new one; what is waited for is a policy at most."""
_OVERLOADED = (0, 429, 500, 502, 503, 504)


class VerifiedLogin(Resource):
    """Credentials that are proven before anything downstream gets them.

    Inputs: `server`, `user`, `password`, `probeImages`, `verify`. The user and the password come out as they went in.
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
        if not all(is_text(reveal(inputs[name])) for name in ("server", "user", "password")):
            failures.append(Failure("", "a login has a server, a user and a password, each a text."))
        if not isinstance(inputs["verify"], (bool, Unknown)):
            failures.append(Failure("", "verify must be true or false."))
        if isinstance(inputs["server"], str):
            try:
                check_server(inputs["server"])
            except RuleViolation as violation:
                failures.append(Failure("", str(violation)))
        raise_if(*failures)
        login = [reveal(inputs[name]) for name in ("server", "user", "password")]
        if not any(is_unknown(part) for part in login):
            try:
                warning = check_credentials(*login)
            except RuleViolation as violation:
                raise InvalidInputs(Failure("", str(violation))) from violation
            if warning:
                run.log(Severity.WARNING, urn, warning)
        return inputs

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, Change] = {}
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
        given: list[str] = new.get("probeImages") or []
        images = [image.removeprefix(f"{login.server}/") for image in given]
        if ecr_pair(login.server, login.user):
            # GitHub swaps an access key for a token, so that is what has to work.
            key, whole = AccessKey(login.user, login.password), [f"{login.server}/{image}" for image in images]
            try:
                await verify(key, [login.server], whole, _KEY_SECONDS, lambda text: run.log(Severity.STATUS, urn, text))
            except CloudError as refused:
                raise PluginError(str(refused)) from None
            return outputs
        for attempt in range(1, _TRIES + 1):
            try:
                await try_login(login, images)
                break
            except CloudError as refused:
                if attempt == _TRIES or refused.status not in _OVERLOADED:
                    raise PluginError(
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
        """Nothing was made, so nothing is removed."""
