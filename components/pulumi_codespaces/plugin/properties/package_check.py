"""The inputs of a `PackageCheck`, which are also its state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from ...rules.packages import Click
from ...values import UNKNOWN, Unknown, is_id, is_text, plain_map, plain_text
from ..failures import Failure
from .shapes import (
    check_map,
    flag,
    id_map,
    map_changes,
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
    from .shapes import ChangeKind, Flag, IdMap, Text, TextMap, Texts

_TEXTS = ("package", "packageType", "repository", "visibility", "onMismatch")
_DECLARED = (*_TEXTS, "inherits", "selectedRepositories")
_RESULTS = ("ways", "byHand", "clicks", "settingsUrl", "devcontainer", "differences")
_COMPARED = (*_TEXTS, "inherits", "clicks", "settingsUrl", "devcontainer", "differences")


@dataclass(frozen=True)
class PackageInputs:
    """The inputs of a package check and the results that Check adds; None for a missing one.

    Attributes:
        ways: name of a repository -> how its codespaces get access, a value of `AccessPath`.
        by_hand: name -> id of the repositories that a person has to give access to.
        clicks: what a person has to do.
        settings_url: the page for it.
        devcontainer: the permissions to write into a devcontainer.json, as JSON; "" for none.
        differences: how the package differs from its declaration, in sentences.
        others: inputs that this version does not know.
    """

    package: Text = None
    package_type: Text = None
    repository: Text = None
    visibility: Text = None
    on_mismatch: Text = None
    inherits: Flag = None
    selected_repositories: IdMap = None
    ways: TextMap = None
    by_hand: IdMap = None
    clicks: list[Click] | Unknown | None = None
    settings_url: Text = None
    devcontainer: Text = None
    differences: Texts = None
    others: Properties = field(default_factory=dict[str, "Value"])

    @classmethod
    def parse_new(cls, sent: Properties) -> PackageInputs:
        """Parse properties that a program sent. Results among them are not taken over.

        Raises:
            InvalidInputs: an input is not of the right kind.
        """
        defaults: Properties = {"inherits": True, "repository": "", "onMismatch": "warn", "selectedRepositories": {}}
        plain = defaults | plain_map(without(sent, _RESULTS))
        raise_if(*_shape_failures(plain))
        return cls.parse(plain)

    @classmethod
    def parse(cls, sent: Properties) -> PackageInputs:
        """Parse properties that an earlier call wrote."""
        plain = plain_map(sent)
        return cls(
            package=text(plain.get("package")),
            package_type=text(plain.get("packageType")),
            repository=text(plain.get("repository")),
            visibility=text(plain.get("visibility")),
            on_mismatch=text(plain.get("onMismatch")),
            inherits=flag(plain.get("inherits")),
            selected_repositories=id_map(plain.get("selectedRepositories")),
            ways=text_map(plain.get("ways")),
            by_hand=id_map(plain.get("byHand")),
            clicks=_clicks(plain.get("clicks")),
            settings_url=text(plain.get("settingsUrl")),
            devcontainer=text(plain.get("devcontainer")),
            differences=texts(plain.get("differences")),
            others=without(plain, (*_DECLARED, *_RESULTS)),
        )

    def write(self) -> Properties:
        """The properties to send."""
        clicks = self.clicks
        return {
            **self.others,
            "package": self.package,
            "packageType": self.package_type,
            "repository": self.repository,
            "visibility": self.visibility,
            "onMismatch": self.on_mismatch,
            "inherits": self.inherits,
            "selectedRepositories": sent_map(self.selected_repositories),
            "ways": sent_map(self.ways),
            "byHand": sent_map(self.by_hand),
            "clicks": [{**asdict(click)} for click in clicks] if isinstance(clicks, list) else clicks,
            "settingsUrl": self.settings_url,
            "devcontainer": self.devcontainer,
            "differences": sent_list(self.differences),
        }

    def changes(self, new: PackageInputs) -> dict[str, ChangeKind]:
        """The changes that the inputs make to this state, by property path."""
        before, after = self.write(), new.write()
        return (
            map_changes("selectedRepositories", before.get("selectedRepositories"), after.get("selectedRepositories"))
            | map_changes("ways", before.get("ways"), after.get("ways"))
            | value_changes(before, after, _COMPARED)
        )

    def unresolved(self) -> PackageInputs:
        """These inputs, with results that are not known yet."""
        return replace(
            self,
            ways=UNKNOWN,
            by_hand=UNKNOWN,
            clicks=UNKNOWN,
            settings_url=UNKNOWN,
            devcontainer=UNKNOWN,
            differences=UNKNOWN,
        )


def _clicks(value: Value) -> list[Click] | Unknown | None:
    if not isinstance(value, list):
        return value if isinstance(value, Unknown) else None
    steps = [plain_map(item) for item in value]
    return [Click(plain_text(step.get("what")), plain_text(step.get("url"))) for step in steps]


def _shape_failures(inputs: Properties) -> list[Failure]:
    failures = [Failure("", f"{name} must be a text.") for name in _TEXTS if not is_text(inputs.get(name))]
    if not isinstance(inputs["inherits"], (bool, Unknown)):
        failures.append(Failure("", "inherits must be true or false."))
    if inputs.get("onMismatch") not in ("fail", "warn") and is_text(inputs.get("onMismatch")):
        failures.append(Failure("", "on_mismatch must be fail or warn."))
    repositories = inputs["selectedRepositories"]
    return failures + check_map("selected_repositories", repositories, is_id, "the id of a repository (a whole number)")
