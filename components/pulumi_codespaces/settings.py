"""Stack configuration -> typed settings: the edge where a mistake in a configuration file is refused.

Everything is a map, so that resource names (and with them their URNs) come from keys and not from positions, and one
value can be set at night with `pulumi config set --path`. Passwords stand in secrets of their own, named by
`passwordFrom`: a secret nested in a map loses its mark on the way to the program (pulumi/pulumi#6531).
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

from pulumi.runtime import get_config_env, is_config_secret
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from .errors import InvalidArgument
from .resources import RepositorySelectionArgs, Visibility
from .rules import RuleViolation
from .rules.github_host import check_login
from .rules.iam_users import check_user
from .rules.packing import pack
from .rules.registries import check_server, parse_ecr_host
from .rules.repository_arns import partition_of
from .rules.secret_names import check_name, check_prefix, prefix_from
from .rules.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pulumi
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_EITHER = "a registry has either ecrRepositories (Amazon ECR), or server, user and passwordFrom (any other)"


class _Settings(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Account(_Settings):
    """An AWS account and Region, and the role to assume to work there."""

    region: str = Field(min_length=1, description="the Region of its registry, such as eu-west-1")
    role_arn: str | None = Field(None, description="the role that manages the users and policies there")
    external_id: str | None = Field(None, description="the external id that the role's trust policy asks for, if any")


class Selection(_Settings):
    """Which repositories may read: the union of all that is given."""

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
    selection: str | None = Field(None, description="the name of an entry of selections")
    repositories: list[str] = Field(default_factory=list[str], description="repository names, instead of a selection")
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
        readers = {
            "selection": self.selection is not None,
            "repositories": bool(self.repositories),
            "visibility": self.visibility not in (None, Visibility.SELECTED),
            "repository": self.repository is not None,
        }
        given = [name for name, is_given in readers.items() if is_given]
        if not given:
            raise ValueError(
                "nobody may use it; give selection, repositories, repository, or visibility private or all"
            )
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; keep one of them")
        return self

    def arguments(self) -> dict[str, Any]:
        """What the component takes, by its own names, but for a selection and what is secret."""
        elsewhere = {"account", "selection", "repositories", "password_from", "values_from"}
        given = self.model_dump(exclude_defaults=True, exclude=elsewhere)
        return given | ({"selected_repositories": self.repositories} if self.repositories else {})


class SecretGroup(_Readers):
    """Other secrets that belong together, such as the token of a package registry."""

    values_from: dict[str, str] = Field(
        min_length=1, description="name of a secret -> the configuration key of a secret that holds its value"
    )


class _Registry(_Readers):
    secret_prefix: str | None = Field(None, description="what the secrets' names begin with; from the key by default")
    probe_images: list[str] = Field(
        default_factory=list[str],
        description="images that the credentials must be able to read before they are published",
    )
    verify: StrictBool = Field(True, description="whether to prove the credentials before they are published")


class EcrRegistry(_Registry):
    """An Amazon ECR registry: who may pull which repositories; the user and its keys are made."""

    ecr_repositories: list[str] | None = Field(
        None, min_length=1, description=f"names or ARNs of the ECR repositories to pull from; {_EITHER}"
    )
    ecr_repository_tags: dict[str, str] = Field(
        default_factory=dict[str, str], description="pull from every repository with all of these tags, too"
    )
    account: str | None = Field(
        None, description="the name of an entry of accounts; without it the default AWS provider"
    )
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

    @model_validator(mode="before")
    @classmethod
    def _no_other_registry(cls, given: Any) -> Any:
        foreign = [key for key in _OTHERS_ONLY if key in given] if isinstance(given, dict) else []
        if foreign:
            raise ValueError(f"has ecrRepositories and {', '.join(foreign)}; {_EITHER}")
        return given  # pyright: ignore[reportUnknownVariableType]

    @model_validator(mode="after")
    def _grants_something(self) -> EcrRegistry:
        if not self.ecr_repositories and not self.ecr_repository_tags:
            raise ValueError(f"nothing may be pulled; give ecrRepositories or ecrRepositoryTags; {_EITHER}")
        return self


class LoginRegistry(_Registry):
    """Any other registry: its credentials are given."""

    server: str = Field(description=f"the registry's host; Docker Hub is https://index.docker.io/v1/; {_EITHER}")
    user: str = Field(min_length=1, description="the user name to log in with")
    password_from: str = Field(
        min_length=1, description="the configuration key of a secret that holds the password or token"
    )
    expires_at: str | None = Field(None, description="when the credentials end, like 2027-01-31T00:00:00Z")


_OTHERS_ONLY = ("server", "user", "passwordFrom")


def _kind(value: Any) -> str:
    """Which model reads a registry: what marks another registry than ECR, unless it is ECR by all means."""
    if isinstance(value, LoginRegistry):
        return "login"
    is_other = isinstance(value, dict) and any(key in value for key in (*_OTHERS_ONLY, "password"))
    return "login" if is_other and "ecrRepositories" not in value else "ecr"


Registry = Annotated[Annotated[EcrRegistry, Tag("ecr")] | Annotated[LoginRegistry, Tag("login")], Discriminator(_kind)]


class Settings(_Settings):
    """What the stack's configuration says."""

    organization: str = Field(min_length=1, description="the GitHub organization")
    accounts: dict[str, Account] = Field(
        default_factory=dict[str, Account], description="AWS accounts by a name of your own"
    )
    selections: dict[str, Selection] = Field(
        default_factory=dict[str, Selection], description="selections of repositories by name"
    )
    secrets: dict[str, SecretGroup] = Field(
        default_factory=dict[str, SecretGroup], description="other secrets by a name of your own"
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
        # Of secrets that are refused themselves there is no data.
        if not others.data.get("secrets", True) and given in (None, {}):
            raise PydanticCustomError("missing" if given is None else "too_short", "registries")
        return {} if given is None else given


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
        lines = [*_dangling(settings, config), *_broken_rules(settings)]
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
        choices = [one.value for one in Visibility]
        return f"must be one of {', '.join(choices)}{did_you_mean(str(value), choices)}"
    texts = {
        "missing": f"is missing{what}",
        "too_short": f"is empty{what}",
        "string_too_short": f"is empty{what}",
        "greater_than_equal": f"is {value}, and must be at least {context.get('ge')}{what}",
        "value_error": str(context.get("error")),
    }
    return texts.get(kind, error["msg"])


def _unknown_key(error: ErrorDetails) -> str:
    key, model = _key(error), _model(error["loc"][:-1])
    known = _keys(model) if model else []
    if model is LoginRegistry and key == "password":
        return (
            "a password in a map is not kept secret; put it into a secret of its own with "
            "`pulumi config set --secret NAME`, and write passwordFrom: NAME"
        )
    if model is LoginRegistry and key in _keys(EcrRegistry):
        return f"belongs to a registry of Amazon ECR; {_EITHER}"
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
    models = {
        "accounts": Account,
        "selections": Selection,
        "secrets": SecretGroup,
        "ecr": EcrRegistry,
        "login": LoginRegistry,
    }
    depth = 3 if location[0] == "registries" else 2
    return models.get(str(location[2 if depth == 3 else 0])) if len(location) == depth else None


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


def _dangling(settings: Settings, config: pulumi.Config) -> Iterator[str]:
    """Names that point to nothing."""

    def pointer(path: str, key: str, pointed: str | None, choices: Iterable[str]) -> Iterator[str]:
        if pointed is not None and pointed not in choices:
            there = did_you_mean(pointed, choices) or f"; there are {_listed(choices)}"
            yield f"{path}.{key}: there is no {pointed!r} in {config.full_key(f'{key}s')}{there}"

    def secret(path: str, key: str) -> Iterator[str]:
        full_key, way_out = config.full_key(key), f"`pulumi config set --secret {key}`"
        if config.get(key) is None:
            yield f"{path}: there is no {full_key}; set it with {way_out}"
        elif not is_config_secret(full_key):
            yield f"{path}: {full_key} is not encrypted; set it again with {way_out}"

    for name, registry in settings.registries.items():
        path = f"registries.{name}"
        yield from pointer(path, "selection", registry.selection, settings.selections)
        if isinstance(registry, EcrRegistry):
            yield from pointer(path, "account", registry.account, settings.accounts)
        else:
            yield from secret(f"{path}.passwordFrom", registry.password_from)
    for name, group in settings.secrets.items():
        yield from pointer(f"secrets.{name}", "selection", group.selection, settings.selections)
        for secret_name, key in group.values_from.items():
            yield from secret(f"secrets.{name}.valuesFrom.{secret_name}", key)


def _broken_rules(settings: Settings) -> Iterator[str]:
    """What the provider and the components would refuse, before the first of them is made."""
    try:
        check_login(settings.organization)
    except RuleViolation as violation:
        yield str(violation).replace("owner", "organization", 1)
    for name, registry in settings.registries.items():
        for check in _checks(name, registry):
            try:
                check()
            except RuleViolation as violation:
                yield f"registries.{name}.{_in_camel_case(str(violation))}"
    for name, group in settings.secrets.items():
        for secret in group.values_from:
            try:
                check_name(secret, f"valuesFrom.{secret}")
            except RuleViolation as violation:
                yield f"secrets.{name}.{violation}"


def _checks(name: str, registry: EcrRegistry | LoginRegistry) -> Iterator[Callable[[], object]]:
    yield partial(prefix_from, name, registry.secret_prefix)
    if isinstance(registry, LoginRegistry):
        yield partial(check_server, registry.server)
        return
    yield partial(check_user, registry.user_name or f"codespaces-{name}", registry.user_path)
    listed, tags = registry.ecr_repositories or (), registry.ecr_repository_tags
    yield partial(pack, listed, registry.pull_through_cache_prefixes, tags)
    if registry.region:
        yield partial(partition_of, registry.region)
    for prefix, host in registry.additional_registries.items():
        yield partial(check_prefix, prefix, f"additional_registries.{prefix}")
        yield partial(parse_ecr_host, host, f"additional_registries.{prefix}")


def _in_camel_case(text: str) -> str:
    """A rule's message, which begins with the argument, with the arguments' names as the configuration writes them."""
    names = [name for model in (EcrRegistry, LoginRegistry) for name in model.model_fields if "_" in name]
    return re.sub(rf"\b({'|'.join(names)})\b", lambda found: to_camel(found[0]), text)
