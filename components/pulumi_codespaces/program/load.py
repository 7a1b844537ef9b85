"""Reads the settings of a stack out of its configuration, with a line for each mistake in it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pulumi.runtime import get_config_env, is_config_secret
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from ..errors import InvalidArgument
from ..rules import RuleViolation
from ..rules.github_host import api_base_url, check_login
from ..rules.iam_users import check_user
from ..rules.packages import Package, check_package, permissions_by_role
from ..rules.packing import pack
from ..rules.registries import check_server, parse_ecr_host
from ..rules.registry_logins import check_credentials
from ..rules.repository_arns import check_account, partition_of
from ..rules.secret_names import check_name, check_prefix, prefix_from
from ..rules.suggestions import did_you_mean
from .settings import (
    EITHER,
    KINDS,
    Account,
    AnyRegistry,
    EcrRegistry,
    EcrTokenRegistry,
    LoginRegistry,
    Organization,
    PackageSettings,
    SecretGroup,
    Selection,
    Settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pulumi
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


def load(config: pulumi.Config) -> Settings:
    """Read the settings of a stack.

    Raises:
        InvalidArgument: the configuration breaks a rule; it has one line for each mistake, with its key and the way
            out. No value that may be secret is in it.
    """
    given: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        key = field.alias or name
        value = config.get(key)
        if value is not None:
            given[key] = value if field.annotation is str else _parsed(value)
    settings, lines = None, []
    try:
        settings = Settings.model_validate(given)
        lines = [*_Names(settings, config).dangling(), *_broken_rules(settings, config)]
    except ValidationError as invalid:
        lines = list(_lines(invalid.errors(include_url=False), _strays(config)))
    lines = list(dict.fromkeys((*_misspelt(config, given), *lines)))
    if settings is None or lines:
        text = "\n".join(f"  {config.name}:{line}" for line in lines)
        raise InvalidArgument("", f"the configuration of this stack is not valid; nothing was changed:\n{text}")
    return settings


def _parsed(value: str) -> Any:
    """The map that a value holds. Anything else is refused later, with all other mistakes."""
    with suppress(ValueError):
        return json.loads(value)
    return value


# -- what pydantic found

_SECRETS: dict[tuple[type[BaseModel] | None, str], tuple[str, str]] = {
    (LoginRegistry, "password"): ("password", "passwordFrom"),
    (Organization, "token"): ("token", "tokenFrom"),
    (Organization, "pem"): ("private key", "pemFrom"),
    (Organization, "pemFile"): ("private key", "pemFrom"),
}
"""What somebody may want to write into a map -> what it is called, and the key that names it instead."""

_FORMS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
}


def _lines(errors: list[ErrorDetails], strays: list[str]) -> Iterator[str]:
    """One line for each mistake: a key that is written wrong is not missing too."""
    unknown = [(_parent(error), _key(error)) for error in errors if error["type"] == "extra_forbidden"]
    for error in errors:
        parent, key = _parent(error), _key(error)
        if error["type"] == "missing":
            keys = [key for where, key in unknown if where == parent] if parent else strays
            hint = did_you_mean(key, [key])
            meant = [name for name in keys if (did_you_mean(name, [key]) if parent else _meant(name) == hint)]
            if meant and not parent:
                yield f"{meant[0]}: is not a key of this program{hint}"
            if meant:
                continue
        yield f"{_path(error['loc'])}: {_problem(error)}"


def _problem(error: ErrorDetails) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    field = _field(error["loc"])
    what = f": {_in_short(field.description or '')}" if field else ""
    if kind == "extra_forbidden":
        return _unknown_key(error)
    if kind in _FORMS:
        return f"must be {_FORMS[kind]}, not {_form(value)}{_way_out(kind, value)}"
    if kind == "enum":
        choices = re.findall(r"'([^']*)'", context["expected"])
        return f"must be one of {', '.join(choices)}{did_you_mean(str(value), choices)}"
    texts = {
        "missing": f"is missing{what}",
        "too_short": f"is empty{what}",
        "string_too_short": f"is empty{what}",
        "greater_than_equal": f"is {value}, but must be at least {context.get('ge')}{what}",
        "literal_error": "must be true, or be left out",
        "value_error": str(context.get("error")),
    }
    return texts.get(kind, error["msg"])


def _in_short(description: str) -> str:
    """The first sentence of a description, without Markdown, to follow a colon."""
    sentence = description.partition(". ")[0].removesuffix(".").replace("`", "")
    is_acronym = sentence[1:2].isupper()
    return sentence if is_acronym else sentence[:1].lower() + sentence[1:]


def _unknown_key(error: ErrorDetails) -> str:
    key, model = _key(error), _model(error["loc"][:-1])
    known = _keys(model) if model else []
    what, instead = _SECRETS.get((model, key), ("", ""))
    if what:
        return (
            f"a {what} in a map is not kept secret; put it into a secret of its own with "
            f"`pulumi config set --secret NAME`, and write {instead}: NAME"
        )
    if model in KINDS.values() and any(key in _keys(other) for other in KINDS.values()):
        return f"belongs to another kind of registry; {EITHER}"
    way_out = did_you_mean(key, known) or f"; use one of {_listed(known)}"
    return f"is not a key of this entry{way_out}"


def _form(value: object) -> str:
    """Describes a value in a message. A text is not shown: it may be a password in the wrong place."""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if value in (None, ""):
        return "empty"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a map"


def _way_out(kind: str, value: object) -> str:
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return "; put it in quotes"
    if kind in ("int_type", "bool_type") and isinstance(value, str):
        return "; write it without quotes"
    if kind == "list_type" and isinstance(value, str):
        return "; write it as [one, two]"
    return ""


def _parent(error: ErrorDetails) -> str:
    return _path(error["loc"][:-1])


def _key(error: ErrorDetails) -> str:
    return str(error["loc"][-1])


def _path(location: tuple[int | str, ...]) -> str:
    """The key as `pulumi config set --path` takes it."""
    path = ""
    for part in (*location[:2], *location[3:]) if location[:1] == ("registries",) else location:
        plain = isinstance(part, str) and "." not in part
        path += f"{'.' if path else ''}{part}" if plain else f"[{json.dumps(part)}]"
    return path


def _model(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model that stands at a place; pydantic puts a registry's tag after its name."""
    if not location:
        return Settings
    if location[0] == "registries":
        return KINDS.get(str(location[2])) if len(location) == 3 else None
    models = {
        "organizations": Organization,
        "accounts": Account,
        "selections": Selection,
        "secrets": SecretGroup,
        "packages": PackageSettings,
    }
    return models.get(str(location[0])) if len(location) == 2 else None


def _field(location: tuple[int | str, ...]) -> FieldInfo | None:
    model = _model(location[:-1])
    return model.model_fields.get(to_snake(str(location[-1]))) if model else None


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _strays(config: pulumi.Config) -> list[str]:
    """The keys of the stack that this program does not know."""
    own = [key.removeprefix(f"{config.name}:") for key in get_config_env() if key.startswith(f"{config.name}:")]
    return [key for key in own if key not in _keys(Settings)]


def _misspelt(config: pulumi.Config, given: Mapping[str, Any]) -> Iterator[str]:
    """A line for each key that is near one of this program's: what a section under a wrong name holds would be deleted.

    A secret is a value that something names, and a key that is like no other may be the program's own.
    """
    named = set(_named(given))
    for key in _strays(config):
        hint = _meant(key)
        if hint and key not in named and not is_config_secret(config.full_key(key)):
            yield f"{key}: is not a key of this program{hint}"


def _meant(key: str) -> str:
    return did_you_mean(key, _keys(Settings))


def _named(setting: Any, *, names: bool = False) -> Iterator[str]:
    """The keys of the stack that are named by a `...From`, or in a map of that name."""
    if isinstance(setting, dict):
        for key, value in cast("dict[str, Any]", setting).items():
            yield from _named(value, names=names or key.endswith("From"))
    elif names and isinstance(setting, str):
        yield setting


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


# -- what no single value shows


@dataclass(frozen=True)
class _Names:
    """The names in a configuration that point to something else in it."""

    settings: Settings
    config: pulumi.Config

    def dangling(self) -> Iterator[str]:
        """Names that point to nothing, or into another organization."""
        for login, organization in self.settings.organizations.items():
            yield from self._secret(f"organizations.{login}.tokenFrom", organization.token_from)
            yield from self._secret(f"organizations.{login}.pemFrom", organization.pem_from)
        for name, selection in self.settings.selections.items():
            yield from self._organization(f"selections.{name}", selection)
        for section in ("registries", "secrets", "packages"):
            entries: Mapping[str, AnyRegistry | SecretGroup | PackageSettings] = getattr(self.settings, section)
            for name, entry in entries.items():
                path = f"{section}.{name}"
                yield from self._organization(path, entry)
                yield from self._shared(f"{path}.selection", entry, entry.selection, "selections")
                yield from self._of_its_kind(path, entry)

    def _of_its_kind(self, path: str, entry: AnyRegistry | SecretGroup | PackageSettings) -> Iterator[str]:
        if isinstance(entry, (EcrRegistry, EcrTokenRegistry)):
            yield from self._pointer(f"{path}.account", entry.account, "accounts", self.settings.accounts)
        elif isinstance(entry, LoginRegistry):
            yield from self._shared(f"{path}.byHandOf", entry, entry.by_hand_of, "packages")
            yield from self._secret(f"{path}.passwordFrom", entry.password_from)
        elif isinstance(entry, SecretGroup):
            for name, key in entry.values_from.items():
                yield from self._secret(f"{path}.valuesFrom.{name}", key)

    def _organization(self, path: str, entry: Selection | AnyRegistry | SecretGroup | PackageSettings) -> Iterator[str]:
        there = (self.settings.organization, *self.settings.organizations)
        yield from self._pointer(f"{path}.organization", entry.organization, "organizations", there)

    def _pointer(self, path: str, pointed: str | None, section: str, choices: Iterable[str]) -> Iterator[str]:
        if pointed is not None and pointed not in choices:
            there = did_you_mean(pointed, choices) or f"; there are {_listed(choices)}"
            yield f"{path}: there is no {pointed!r} in {self.config.full_key(section)}{there}"

    def _shared(
        self, path: str, user: AnyRegistry | SecretGroup | PackageSettings, pointed: str | None, section: str
    ) -> Iterator[str]:
        """Mistakes in a reference to a selection or a package, which belongs to one organization."""
        entries: Mapping[str, Selection | PackageSettings] = getattr(self.settings, section)
        yield from self._pointer(path, pointed, section, entries)
        entry = entries.get(pointed or "")
        if entry:
            own, other = (self.settings.organization_of(owner) for owner in (user, entry))
            if own != other:
                yield (
                    f"{path}: {pointed!r} in {self.config.full_key(section)} belongs to the organization {other!r}, "
                    f"and this entry to {own!r}; give both the same `organization`"
                )

    def _secret(self, path: str, key: str | None) -> Iterator[str]:
        if key is None:
            return
        full_key, way_out = self.config.full_key(key), f"`pulumi config set --secret {key}`"
        if self.config.get(key) is None:
            yield f"{path}: {full_key} is not set; set it with {way_out}"
        elif not is_config_secret(full_key):
            yield f"{path}: {full_key} is not encrypted; set it again with {way_out}"


def _broken_rules(settings: Settings, config: pulumi.Config) -> Iterator[str]:
    """Mistakes that the provider and the components would refuse, before the first resource is registered."""
    for path, check in _checks(settings, config):
        try:
            check()
        except RuleViolation as violation:
            yield path + _in_camel_case(str(violation))


def _checks(settings: Settings, config: pulumi.Config) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yields (prefix for the error message, check to run)."""
    yield "", partial(check_login, settings.organization, "organization")
    for login, organization in settings.organizations.items():
        path = f"organizations.{login}"
        yield f"{path}: ", partial(check_login, login, "organization")
        yield f"{path}: ", partial(_check_spelling, login, [settings.organization, *settings.organizations])
        yield f"{path}.", partial(api_base_url, organization.base_url)
    for name, registry in settings.registries.items():
        path = f"registries.{name}."
        yield path, partial(prefix_from, name, registry.secret_prefix)
        if isinstance(registry, EcrRegistry):
            yield from ((path, check) for check in _ecr_checks(name, registry))
        elif isinstance(registry, EcrTokenRegistry):
            if registry.registry_id:
                yield path, partial(check_account, registry.registry_id, "registry_id")
        else:
            yield path, partial(check_server, registry.server)
            password = config.get(registry.password_from)
            if password:
                yield f"registries.{name}: ", partial(check_credentials, registry.server, registry.user, password)
    for name, group in settings.secrets.items():
        for secret in group.values_from:
            yield f"secrets.{name}.", partial(check_name, secret, f"valuesFrom.{secret}")
    for name, package in settings.packages.items():
        path = f"packages.{name}"
        yield f"{path}: ", partial(_check_output, name, settings)
        yield f"{path}.", partial(_check_package, settings.organization_of(package), package)
        for argument, roles in (("teams", package.teams), ("users", package.users)):
            yield f"{path}.", partial(permissions_by_role, argument, roles, package.repository or "")


def _ecr_checks(name: str, registry: EcrRegistry) -> Iterator[Callable[[], object]]:
    yield partial(check_user, registry.user_name or f"codespaces-{name}", registry.user_path)
    listed, tags = registry.ecr_repositories or (), registry.ecr_repository_tags
    yield partial(pack, listed, registry.pull_through_cache_prefixes, tags)
    if registry.region:
        yield partial(partition_of, registry.region)
    for prefix, host in registry.additional_registries.items():
        yield partial(check_prefix, prefix, f"additional_registries.{prefix}")
        yield partial(parse_ecr_host, host, f"additional_registries.{prefix}")


def _check_spelling(login: str, others: Iterable[str]) -> None:
    """Refuse one organization under two names, which would have two providers that do not know of each other."""
    for other in others:
        if other != login and other.lower() == login.lower():
            raise RuleViolation("organization", f"this is the same organization as {other!r}; use one spelling.")


def _check_output(name: str, settings: Settings) -> None:
    if name in settings.registries:
        raise RuleViolation("", f"a registry is also called {name!r}, and both would be one stack output; rename one.")


def _check_package(organization: str, package: PackageSettings) -> None:
    check_package(
        Package(
            organization,
            package.package_type.value,
            package.package,
            package.repository or "",
            package.visibility.value,
            inherits=package.inherits,
        )
    )


def _in_camel_case(text: str) -> str:
    """A rule's message, which begins with the argument, with the arguments' names as the configuration writes them."""
    models = (*KINDS.values(), PackageSettings, Organization)
    names = [name for model in models for name in model.model_fields if "_" in name]
    return re.sub(rf"\b({'|'.join(names)})\b", lambda name: to_camel(name[0]), text)
