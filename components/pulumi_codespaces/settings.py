"""Stack configuration -> typed settings: the edge where a mistake in a configuration file is refused.

Everything is a map, so that resource names (and with them their URNs) come from keys and not from positions, and one
value can be set at night with `pulumi config set --path`. Passwords stand in secrets of their own, named by
`passwordFrom`: a secret nested in a map loses its mark on the way to the program (pulumi/pulumi#6531).
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pulumi.runtime import get_config_env, is_config_secret
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from .errors import InvalidArgument
from .package_access import OnMismatch, PackageType, PackageVisibility
from .resources import RepositorySelectionArgs, Visibility
from .rules import RuleViolation
from .rules.github_host import api_base_url, check_login
from .rules.iam_users import check_user
from .rules.packages import Package as DeclaredPackage
from .rules.packages import check_package, permissions_of
from .rules.packing import pack
from .rules.registries import check_server, parse_ecr_host
from .rules.registry_logins import check_credentials
from .rules.repository_arns import check_account, partition_of
from .rules.secret_names import check_name, check_prefix, prefix_from
from .rules.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pulumi
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from .package_access import PackageAccessArgs

_EITHER = (
    "a registry has either ecrRepositories (Amazon ECR), or ecrToken (the same by token), or server, user and "
    "passwordFrom (any other)"
)
_ELSEWHERE = "the GitHub organization, if it is not that of the stack: the name of an entry of organizations"
_ACCOUNT = "the name of an entry of accounts; without it the default AWS provider"
_Number = Annotated[
    str,
    BeforeValidator(lambda given: str(given) if isinstance(given, int) and not isinstance(given, bool) else given),
    WithJsonSchema({"type": ["string", "integer"]}),
]


class _Settings(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Organization(_Settings):
    """A further GitHub organization, and the credentials for it where those of the environment do not serve."""

    token_from: str | None = Field(
        default=None, description="the configuration key of a secret that holds a token for it"
    )
    installation_id: _Number | None = Field(default=None, description="the id of a GitHub App's installation there")
    app_id: _Number | None = Field(default=None, description="the id of that App; GITHUB_APP_ID by default")
    pem_from: str | None = Field(
        default=None,
        description="the configuration key of a secret that holds its private key; GITHUB_APP_PEM_FILE by default",
    )
    base_url: str | None = Field(default=None, description="the address of its GitHub, for a ghe.com tenant")

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Organization:
        of_an_app = {"installationId": self.installation_id, "appId": self.app_id, "pemFrom": self.pem_from}
        given = [name for name, value in of_an_app.items() if value is not None]
        if self.token_from is not None and given:
            raise ValueError(f"tokenFrom and {' and '.join(given)} exclude each other; keep a token or an App")
        if given and self.installation_id is None:
            raise ValueError(f"has {' and '.join(given)}, but no installationId, which is another in each organization")
        return self


class Account(_Settings):
    """An AWS account and Region, and the role to assume to work there."""

    region: str = Field(min_length=1, description="the Region of its registry, such as eu-west-1")
    role_arn: str | None = Field(None, description="the role that manages the users and policies there")
    external_id: str | None = Field(None, description="the external id that the role's trust policy asks for, if any")


class Selection(_Settings):
    """Which repositories may read: the union of all that is given."""

    organization: str | None = Field(None, exclude=True, description=_ELSEWHERE)
    names: list[str] = Field(default_factory=list[str], description="repository names, without the organization")
    topics: list[str] = Field(default_factory=list[str], description="every repository with one of these topics")
    properties: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="every repository on which one of these custom properties has this value",
    )

    @model_validator(mode="after")
    def _selects_something(self) -> Selection:
        if not (self.names or self.topics or self.properties):
            raise ValueError("selects nothing; give names, topics or properties")
        return self

    def arguments(self) -> RepositorySelectionArgs:
        """What the resource takes."""
        return cast("RepositorySelectionArgs", self.model_dump(exclude_defaults=True))


class _Readers(_Settings):
    organization: str | None = Field(None, exclude=True, description=_ELSEWHERE)
    selection: str | None = Field(None, exclude=True, description="the name of an entry of selections")
    repositories: list[str] = Field(
        default_factory=list[str], exclude=True, description="repository names, instead of a selection"
    )
    visibility: Visibility | None = Field(
        None, description="private or all repositories of the organization, instead of a selection"
    )
    repository: str | None = Field(
        None, description="the one repository that gets the secrets, instead of the organization and a selection"
    )
    adopt_existing: StrictBool = Field(
        False, description="take over secrets of these names that exist already; acts once"
    )

    @model_validator(mode="after")
    def _one_kind_of_readers(self) -> Self:
        readers = self._readers()
        if not any(readers.values()):
            raise ValueError(
                "nobody may use it; give selection, repositories, repository, or visibility private or all"
            )
        _exclude_each_other(readers)
        return self

    def _readers(self) -> dict[str, bool]:
        return {
            "selection": self.selection is not None,
            "repositories": bool(self.repositories),
            "visibility": self.visibility not in (None, Visibility.SELECTED),
            "repository": self.repository is not None,
        }

    def arguments(self) -> dict[str, Any]:
        """What the component takes, by its own names, but for what the program makes or reads first."""
        return _arguments(self, self.repositories)


def _arguments(entry: BaseModel, repositories: list[str]) -> dict[str, Any]:
    given = entry.model_dump(exclude_defaults=True)
    return given | ({"selected_repositories": repositories} if repositories else {})


def _exclude_each_other(alternatives: Mapping[str, bool]) -> None:
    given = [name for name, is_given in alternatives.items() if is_given]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} exclude each other; keep one of them")


class SecretGroup(_Readers):
    """Other secrets that belong together, such as the token of a package registry."""

    values_from: dict[str, str] = Field(
        min_length=1,
        exclude=True,
        description="name of a secret -> the configuration key of a secret that holds its value",
    )


class _Registry(_Readers):
    marks: ClassVar[tuple[str, ...]]
    """The keys that tell this kind of registry from the others."""

    secret_prefix: str | None = Field(None, description="what the secrets' names begin with; from the key by default")
    probe_images: list[str] = Field(
        default_factory=list[str],
        description="images that the credentials must be able to read before they are published",
    )
    verify: StrictBool = Field(True, description="whether to prove the credentials before they are published")

    @model_validator(mode="before")
    @classmethod
    def _no_other_registry(cls, given: Any) -> Any:
        if isinstance(given, dict):
            foreign = [key for key in _MARKS if key in given and key not in cls.marks]
            own = [key for key in cls.marks if key in given]
            if own and foreign:
                raise ValueError(f"has {', '.join(own)} and {', '.join(foreign)}; {_EITHER}")
        return given  # pyright: ignore[reportUnknownVariableType]


class EcrRegistry(_Registry):
    """An Amazon ECR registry: who may pull which repositories; the user and its keys are made."""

    marks: ClassVar[tuple[str, ...]] = ("ecrRepositories",)

    ecr_repositories: list[str] | None = Field(
        None, min_length=1, description=f"names or ARNs of the ECR repositories to pull from; {_EITHER}"
    )
    ecr_repository_tags: dict[str, str] = Field(
        default_factory=dict[str, str], description="pull from every repository with all of these tags, too"
    )
    account: str | None = Field(None, exclude=True, description=_ACCOUNT)
    region: str | None = Field(None, description="the Region of the registry; that of the AWS provider by default")
    key_generation: StrictInt = Field(1, ge=1, description="raise it by one to rotate the access key")
    keep_previous_key: StrictBool = Field(
        True, description="whether the key published before stays Active, for codespaces started with it"
    )
    suspended: StrictBool = Field(False, description="deny the user everything at once, reversibly")
    max_key_age_days: StrictInt = Field(90, ge=1, description="warn in every preview when the key is older")
    verify_timeout_seconds: StrictInt = Field(180, ge=1, description="how long to wait for AWS to accept a new key")
    permissions_boundary_arn: str | None = Field(None, description="the permissions boundary of the user")
    tags: dict[str, str] = Field(default_factory=dict[str, str], description="tags of the user and its policies")
    pull_through_cache_prefixes: list[str] = Field(
        default_factory=list[str],
        description="prefixes under which pulling may create repositories of a pull-through cache",
    )
    additional_registries: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="secret prefix -> host of further ECR registries to log in to by the same key",
    )
    user_name: str | None = Field(None, description="the IAM user's name; codespaces-<key> by default")
    user_path: str = Field("/codespaces/", description="the IAM user's path")

    @model_validator(mode="after")
    def _grants_something(self) -> EcrRegistry:
        if not self.ecr_repositories and not self.ecr_repository_tags:
            raise ValueError(f"nothing may be pulled; give ecrRepositories or ecrRepositoryTags; {_EITHER}")
        return self


class EcrTokenRegistry(_Registry):
    """An Amazon ECR registry, by a token that every update renews and that ends after 12 hours."""

    marks: ClassVar[tuple[str, ...]] = ("ecrToken",)

    ecr_token: Literal[True] = Field(
        exclude=True, description="true: log in by a token of the account's AWS provider, which every update renews"
    )
    account: str | None = Field(None, exclude=True, description=_ACCOUNT)
    region: str | None = Field(
        None, exclude=True, description="the Region of the registry; that of the AWS provider by default"
    )
    registry_id: str | None = Field(
        None, exclude=True, description="the AWS account of the registry; that of the AWS provider by default"
    )


class LoginRegistry(_Registry):
    """Any other registry: its credentials are given."""

    marks: ClassVar[tuple[str, ...]] = ("server", "user", "passwordFrom")

    server: str = Field(description=f"the registry's host; Docker Hub is https://index.docker.io/v1/; {_EITHER}")
    user: str = Field(min_length=1, description="the user name to log in with")
    password_from: str = Field(
        min_length=1, exclude=True, description="the configuration key of a secret that holds the password or token"
    )
    expires_at: str | None = Field(None, description="when the credentials end, like 2027-01-31T00:00:00Z")
    by_hand_of: str | None = Field(
        None,
        exclude=True,
        description="the name of an entry of packages: the repositories whose codespaces nothing but a click lets read "
        "it, instead of a selection",
    )

    def _readers(self) -> dict[str, bool]:
        return super()._readers() | {"byHandOf": self.by_hand_of is not None}


_KINDS = {"ecr": EcrRegistry, "token": EcrTokenRegistry, "login": LoginRegistry}
_MARKS = [mark for model in _KINDS.values() for mark in model.marks]


def _kind(value: Any) -> str:
    """Which model reads a registry: the first that it has a mark of, and Amazon ECR without any."""
    if isinstance(value, _Registry):
        return next(kind for kind, model in _KINDS.items() if isinstance(value, model))
    keys: Iterable[str] = cast("dict[str, Any]", value) if isinstance(value, dict) else ()
    marked = (kind for kind, model in _KINDS.items() if any(mark in keys for mark in model.marks))
    return next(marked, "login" if "password" in keys else "ecr")


Registry = Annotated[
    Annotated[EcrRegistry, Tag("ecr")]
    | Annotated[EcrTokenRegistry, Tag("token")]
    | Annotated[LoginRegistry, Tag("login")],
    Discriminator(_kind),
]


class Package(_Settings):
    """A package of GitHub Packages as it should be, and whose codespaces should read it."""

    organization: str | None = Field(None, exclude=True, description=_ELSEWHERE)
    package: str = Field(description="its name without the organization: base/image for ghcr.io/acme/base/image")
    package_type: PackageType = Field(PackageType.CONTAINER, description="container, npm, nuget or rubygems")
    repository: str | None = Field(None, description="the repository that it is linked to")
    visibility: PackageVisibility = Field(PackageVisibility.PRIVATE, description="private, internal or public")
    inherits: StrictBool = Field(True, description="whether it inherits the access of that repository")
    selection: str | None = Field(
        None, exclude=True, description="whose codespaces should read it: the name of an entry of selections"
    )
    repositories: list[str] = Field(
        default_factory=list[str], exclude=True, description="repository names, instead of a selection"
    )
    teams: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="slug of a team -> its role on the repository: read, triage, write, maintain or admin",
    )
    users: dict[str, str] = Field(default_factory=dict[str, str], description="login of a user -> the same")
    on_mismatch: OnMismatch = Field(
        OnMismatch.WARN, description="whether a package that is not as declared is a warning or fails the preview"
    )

    @model_validator(mode="after")
    def _one_kind_of_readers(self) -> Package:
        _exclude_each_other({"selection": self.selection is not None, "repositories": bool(self.repositories)})
        return self

    def arguments(self) -> PackageAccessArgs:
        """What the component takes, but for a selection."""
        return cast("PackageAccessArgs", _arguments(self, self.repositories))


class Settings(_Settings):
    """What the stack's configuration says."""

    organization: str = Field(min_length=1, description="the GitHub organization")
    organizations: dict[str, Organization] = Field(
        default_factory=dict[str, Organization],
        description="further GitHub organizations by their logins, or credentials of their own for any",
    )
    accounts: dict[str, Account] = Field(
        default_factory=dict[str, Account], description="AWS accounts by a name of your own"
    )
    selections: dict[str, Selection] = Field(
        default_factory=dict[str, Selection], description="selections of repositories by name"
    )
    secrets: dict[str, SecretGroup] = Field(
        default_factory=dict[str, SecretGroup], description="other secrets by a name of your own"
    )
    packages: dict[str, Package] = Field(
        default_factory=dict[str, Package], description="packages of GitHub Packages by a name of your own"
    )
    registries: dict[str, Registry] = Field(
        default_factory=dict[str, Registry],
        validate_default=True,
        description="registries by name; the name gives the secrets their prefix",
    )

    @model_validator(mode="before")
    @classmethod
    def _marks_what_is_left_out(cls, given: Any) -> Any:
        return {"registries": None, **given}

    @field_validator("registries", mode="before")
    @classmethod
    def _declares_something(cls, given: Any, others: ValidationInfo) -> Any:
        # Of what is refused itself there is no data.
        others_too = any(others.data.get(key, True) for key in ("secrets", "packages"))
        if not others_too and given in (None, {}):
            raise PydanticCustomError("missing" if given is None else "too_short", "registries")
        return {} if given is None else given

    def organization_of(self, entry: Selection | Registry | SecretGroup | Package) -> str:
        """The login of the organization that an entry belongs to."""
        return entry.organization or self.organization


def load(config: pulumi.Config) -> Settings:
    """Read the settings of a stack.

    Raises:
        InvalidArgument: the configuration breaks a rule; it has one line for each mistake, with its key and the way
            out. No value that may be secret is in it.
    """
    given: dict[str, Any] = {}
    for key, field in Settings.model_fields.items():
        value = config.get(key)
        if value is not None:
            given[key] = value if field.annotation is str else _parsed(value)
    settings, lines = None, []
    try:
        settings = Settings.model_validate(given)
        lines = [*_Names(settings, config).dangling(), *_broken_rules(settings, config)]
    except ValidationError as invalid:
        lines = list(_lines(invalid.errors(include_url=False), _strays(config)))
    if settings is None or lines:
        text = "\n".join(f"  {config.name}:{line}" for line in lines)
        raise InvalidArgument("", f"the configuration of this stack cannot be used; nothing was changed:\n{text}")
    return settings


def _parsed(value: str) -> Any:
    """The map that a value is; what is none is refused later, with all other mistakes."""
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
    unknown = [(_parent(one), _key(one)) for one in errors if one["type"] == "extra_forbidden"]
    for error in errors:
        parent, key = _parent(error), _key(error)
        if error["type"] == "missing":
            keys = [key for where, key in unknown if where == parent] if parent else strays
            meant = [one for one in keys if did_you_mean(one, [key])]
            if meant and not parent:
                yield f"{meant[0]}: is no key of this program{did_you_mean(meant[0], [key])}"
            if meant:
                continue
        yield f"{_path(error['loc'])}: {_problem(error)}"


def _problem(error: ErrorDetails) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    field = _field(error["loc"])
    what = f": {field.description}" if field else ""
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
        "greater_than_equal": f"is {value}, and must be at least {context.get('ge')}{what}",
        "literal_error": "must be true, or be left out",
        "value_error": str(context.get("error")),
    }
    return texts.get(kind, error["msg"])


def _unknown_key(error: ErrorDetails) -> str:
    key, model = _key(error), _model(error["loc"][:-1])
    known = _keys(model) if model else []
    what, instead = _SECRETS.get((model, key), ("", ""))
    if what:
        return (
            f"a {what} in a map is not kept secret; put it into a secret of its own with "
            f"`pulumi config set --secret NAME`, and write {instead}: NAME"
        )
    if model in _KINDS.values() and any(key in _keys(other) for other in _KINDS.values()):
        return f"belongs to another kind of registry; {_EITHER}"
    return f"is no key here{did_you_mean(key, known) or f'; there are {_listed(known)}'}"


def _form(value: object) -> str:
    """What a value is; the value itself only where it is no text, which may be a password in the wrong place."""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if value in (None, ""):
        return "empty"
    return "a text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a map"


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
        return _KINDS.get(str(location[2])) if len(location) == 3 else None
    models = {
        "organizations": Organization,
        "accounts": Account,
        "selections": Selection,
        "secrets": SecretGroup,
        "packages": Package,
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
    return [key for key in own if key not in Settings.model_fields]


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
            entries: Mapping[str, Registry | SecretGroup | Package] = getattr(self.settings, section)
            for name, entry in entries.items():
                path = f"{section}.{name}"
                yield from self._organization(path, entry)
                yield from self._shared(f"{path}.selection", entry, entry.selection, "selections")
                yield from self._of_its_kind(path, entry)

    def _of_its_kind(self, path: str, entry: Registry | SecretGroup | Package) -> Iterator[str]:
        if isinstance(entry, (EcrRegistry, EcrTokenRegistry)):
            yield from self._pointer(f"{path}.account", entry.account, "accounts", self.settings.accounts)
        elif isinstance(entry, LoginRegistry):
            yield from self._shared(f"{path}.byHandOf", entry, entry.by_hand_of, "packages")
            yield from self._secret(f"{path}.passwordFrom", entry.password_from)
        elif isinstance(entry, SecretGroup):
            for name, key in entry.values_from.items():
                yield from self._secret(f"{path}.valuesFrom.{name}", key)

    def _organization(self, path: str, entry: Selection | Registry | SecretGroup | Package) -> Iterator[str]:
        there = (self.settings.organization, *self.settings.organizations)
        yield from self._pointer(f"{path}.organization", entry.organization, "organizations", there)

    def _pointer(self, path: str, pointed: str | None, section: str, choices: Iterable[str]) -> Iterator[str]:
        if pointed is not None and pointed not in choices:
            there = did_you_mean(pointed, choices) or f"; there are {_listed(choices)}"
            yield f"{path}: there is no {pointed!r} in {self.config.full_key(section)}{there}"

    def _shared(
        self, path: str, user: Registry | SecretGroup | Package, pointed: str | None, section: str
    ) -> Iterator[str]:
        """A selection or a package, whose repositories are those of one organization."""
        entries: Mapping[str, Selection | Package] = getattr(self.settings, section)
        yield from self._pointer(path, pointed, section, entries)
        entry = entries.get(pointed or "")
        if entry:
            own, other = (self.settings.organization_of(one) for one in (user, entry))
            if own != other:
                yield (
                    f"{path}: {pointed!r} in {self.config.full_key(section)} belongs to the organization {other!r}, "
                    f"and this to {own!r}; give both the same `organization`"
                )

    def _secret(self, path: str, key: str | None) -> Iterator[str]:
        if key is None:
            return
        full_key, way_out = self.config.full_key(key), f"`pulumi config set --secret {key}`"
        if self.config.get(key) is None:
            yield f"{path}: there is no {full_key}; set it with {way_out}"
        elif not is_config_secret(full_key):
            yield f"{path}: {full_key} is not encrypted; set it again with {way_out}"


def _broken_rules(settings: Settings, config: pulumi.Config) -> Iterator[str]:
    """What the provider and the components would refuse, before the first of them is made."""
    for path, check in _checks(settings, config):
        try:
            check()
        except RuleViolation as violation:
            yield path + _in_camel_case(str(violation))


def _checks(settings: Settings, config: pulumi.Config) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the message of a broken rule goes on from, and the rule."""
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
            yield f"{path}.", partial(permissions_of, argument, roles, package.repository or "")


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
            raise RuleViolation("organization", f"this is {other!r}, written another way; write it one way.")


def _check_output(name: str, settings: Settings) -> None:
    if name in settings.registries:
        raise RuleViolation("", f"there is a registry {name!r} too, and both are stack outputs; rename one of them.")


def _check_package(organization: str, package: Package) -> None:
    check_package(
        DeclaredPackage(
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
    names = [name for model in (*_KINDS.values(), Package, Organization) for name in model.model_fields if "_" in name]
    return re.sub(rf"\b({'|'.join(names)})\b", lambda found: to_camel(found[0]), text)
