"""The inputs and the states of the resources that prove credentials: `VerifiedEcrKey` and `VerifiedLogin`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...rules import RuleViolation
from ...rules.registries import check_server, parse_ecr_host
from ...values import Secret, Unknown, is_text, reveal
from ..failures import Failure
from .shapes import (
    check_list,
    check_map,
    flag,
    optional_text,
    raise_if,
    sent_list,
    sent_map,
    text,
    text_map,
    texts,
    value_changes,
    without,
)

if TYPE_CHECKING:
    from ...values import Properties, Value
    from .shapes import ChangeKind, Flag, Text, TextMap, Texts

_KEY = ("accessKeyId", "secretAccessKey", "servers", "probeImages", "verify")
_KEY_STATE = (*_KEY, "timeoutSeconds")
_KEY_INPUTS = (*_KEY_STATE, "userName", "slotKeys", "userKeys")
_LOGIN = ("server", "user", "password", "probeImages", "verify")


@dataclass(frozen=True)
class EcrKeyState:
    """The state of a `VerifiedEcrKey`."""

    access_key_id: Text = None
    secret_access_key: Secret | None = None
    servers: Texts = None
    probe_images: Texts = None
    verify: Flag = None
    timeout_seconds: Value = None

    @classmethod
    def parse(cls, sent: Properties) -> EcrKeyState:
        """Parse properties that an earlier call wrote."""
        return cls(
            access_key_id=text(sent.get("accessKeyId")),
            secret_access_key=_secret(sent.get("secretAccessKey")),
            servers=texts(sent.get("servers")),
            probe_images=texts(sent.get("probeImages")),
            verify=flag(sent.get("verify")),
            timeout_seconds=sent.get("timeoutSeconds"),
        )

    def write(self) -> Properties:
        """The properties to send."""
        return {
            "accessKeyId": self.access_key_id,
            "secretAccessKey": self.secret_access_key,
            "servers": sent_list(self.servers),
            "probeImages": sent_list(self.probe_images),
            "verify": self.verify,
            "timeoutSeconds": self.timeout_seconds,
        }

    def changes(self, new: EcrKeyInputs) -> dict[str, ChangeKind]:
        """The changes that the inputs make, by property."""
        return value_changes(self.write(), new.key.write(), _KEY)


@dataclass(frozen=True)
class EcrKeyInputs:
    """The inputs of a `VerifiedEcrKey`, which describes them; None for a missing one.

    Attributes:
        key: the inputs that become the state.
        others: inputs that this version does not know.
    """

    key: EcrKeyState
    user_name: str | None = None
    slot_keys: TextMap = None
    user_keys: TextMap = None
    others: Properties = field(default_factory=dict[str, "Value"])

    @classmethod
    def parse_new(cls, sent: Properties) -> EcrKeyInputs:
        """Parse properties that a program sent.

        Raises:
            InvalidInputs: an input is not of the right kind, or a server is not one of Amazon ECR.
        """
        raise_if(*_key_failures({"verify": True} | sent))
        return cls.parse({"verify": True} | sent)

    @classmethod
    def parse(cls, sent: Properties) -> EcrKeyInputs:
        """Parse properties that an earlier call wrote."""
        return cls(
            EcrKeyState.parse(sent),
            user_name=optional_text(sent.get("userName")),
            slot_keys=text_map(sent.get("slotKeys")),
            user_keys=text_map(sent.get("userKeys")),
            others=without(sent, _KEY_INPUTS),
        )

    def write(self) -> Properties:
        """The properties to send."""
        return {
            **self.others,
            **self.key.write(),
            "userName": self.user_name,
            "slotKeys": sent_map(self.slot_keys),
            "userKeys": sent_map(self.user_keys),
        }


@dataclass(frozen=True)
class LoginState:
    """The state of a `VerifiedLogin`."""

    server: Text = None
    user: Secret | None = None
    password: Secret | None = None
    probe_images: Texts = None
    verify: Flag = None

    @classmethod
    def parse(cls, sent: Properties) -> LoginState:
        """Parse properties that an earlier call wrote."""
        return cls(
            server=text(sent.get("server")),
            user=_secret(sent.get("user")),
            password=_secret(sent.get("password")),
            probe_images=texts(sent.get("probeImages")),
            verify=flag(sent.get("verify")),
        )

    def write(self) -> Properties:
        """The properties to send."""
        return {
            "server": self.server,
            "user": self.user,
            "password": self.password,
            "probeImages": sent_list(self.probe_images),
            "verify": self.verify,
        }

    def changes(self, new: LoginInputs) -> dict[str, ChangeKind]:
        """The changes that the inputs make, by property."""
        return value_changes(self.write(), new.login.write(), _LOGIN)

    @property
    def credentials(self) -> tuple[Text, Text, Text]:
        """The server, the user and the password, without secret marks."""
        return self.server, text(self.user), text(self.password)


@dataclass(frozen=True)
class LoginInputs:
    """The inputs of a `VerifiedLogin`, which describes them.

    Attributes:
        login: the inputs that become the state.
        others: inputs that this version does not know.
    """

    login: LoginState
    others: Properties = field(default_factory=dict[str, "Value"])

    @classmethod
    def parse_new(cls, sent: Properties) -> LoginInputs:
        """Parse properties that a program sent.

        Raises:
            InvalidInputs: an input is not of the right kind, or the server is not a host.
        """
        raise_if(*_login_failures({"verify": True} | sent))
        return cls.parse({"verify": True} | sent)

    @classmethod
    def parse(cls, sent: Properties) -> LoginInputs:
        """Parse properties that an earlier call wrote."""
        return cls(LoginState.parse(sent), others=without(sent, _LOGIN))

    def write(self) -> Properties:
        """The properties to send."""
        return {**self.others, **self.login.write()}


def _secret(value: Value) -> Secret | None:
    """A value that is secret by its nature, whatever the program sent."""
    return value if value is None or isinstance(value, Secret) else Secret(value)


def _key_failures(sent: Properties) -> list[Failure]:
    servers = reveal(sent.get("servers"))
    failures = [
        *check_list("servers", servers),
        *check_list("probe_images", reveal(sent.get("probeImages"))),
        *check_map("slot_keys", reveal(sent.get("slotKeys")), is_text, "the id of an access key"),
        *check_map("user_keys", reveal(sent.get("userKeys")), is_text, "a date"),
    ]
    if not is_text(reveal(sent.get("accessKeyId"))) or not is_text(reveal(sent.get("secretAccessKey"))):
        failures.append(Failure("", "an access key has an id and a secret, both texts."))
    failures += _verify_failures(sent)
    if not isinstance(sent.get("userName", ""), str):
        failures.append(Failure("", "user_name must be a text."))
    return failures or _server_failures(servers)


def _server_failures(servers: Value) -> list[Failure]:
    failures: list[Failure] = []
    for index, server in enumerate(servers if isinstance(servers, list) else ()):
        try:
            if isinstance(server, str):
                parse_ecr_host(server, f"servers[{index}]")
        except RuleViolation as violation:
            failures.append(Failure("", str(violation)))
    return failures


def _login_failures(sent: Properties) -> list[Failure]:
    failures = check_list("probe_images", reveal(sent.get("probeImages")))
    if not all(is_text(reveal(sent.get(name))) for name in ("server", "user", "password")):
        failures.append(Failure("", "a login has a server, a user and a password, each a text."))
    failures += _verify_failures(sent)
    server = reveal(sent.get("server"))
    if isinstance(server, str):
        try:
            check_server(server)
        except RuleViolation as violation:
            failures.append(Failure("", str(violation)))
    return failures


def _verify_failures(sent: Properties) -> list[Failure]:
    if isinstance(sent.get("verify"), (bool, Unknown)):
        return []
    return [Failure("", "verify must be true or false.")]
