"""Stack configuration -> typed settings: the edge where a mistake in a configuration file is refused.

Everything is a map, so that resource names (and with them their URNs) come from keys and not from positions, and one
value can be set at night with `pulumi config set --path`. Passwords stand in secrets of their own, named by
`passwordFrom`: a secret nested in a map loses its mark on the way to the program (pulumi/pulumi#6531).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from .errors import InvalidArgument
from .resources import Visibility
from .rules.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails


class _Settings(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=False, populate_by_name=False
    )


class Account(_Settings):
    """An AWS account and Region, and the role to assume to work there."""

    region: str = Field(description="The Region of its registry, such as eu-west-1.")
    role_arn: str | None = Field(None, description="The role that manages the users and policies there.")
    external_id: str | None = Field(None, description="The external id that the role's trust policy asks for, if any.")


class Selection(_Settings):
    """Which repositories may read: the union of all that is given."""

    names: list[str] = Field(default_factory=list, description="Repository names, without the organization.")
    topics: list[str] = Field(default_factory=list, description="Every repository with one of these topics.")
    properties: dict[str, str] = Field(
        default_factory=dict, description="Every repository on which one of these custom properties has this value."
    )

    @model_validator(mode="after")
    def _selects_something(self) -> Selection:
        if not (self.names or self.topics or self.properties):
            raise ValueError("selects nothing; give names, topics or properties")
        return self


class _Registry(_Settings):
    selection: str | None = Field(None, description="The name of an entry of `selections`.")
    repositories: list[str] = Field(default_factory=list, description="Repository names, instead of a selection.")
    visibility: Visibility | None = Field(
        None, description="`private` or `all` repositories of the organization, instead of a selection."
    )
    secret_prefix: str | None = Field(None, description="What the secrets' names begin with; from the key by default.")
    probe_images: list[str] = Field(
        default_factory=list, description="Images that the credentials must be able to read before they are published."
    )
    verify: bool = Field(True, description="Whether to prove the credentials before they are published.")
    adopt_existing: bool = Field(False, description="Take over secrets of these names that exist already; acts once.")

    @model_validator(mode="after")
    def _one_kind_of_readers(self) -> _Registry:
        wide = self.visibility not in (None, Visibility.SELECTED)
        given = [
            name
            for name, is_given in (
                ("selection", self.selection is not None),
                ("repositories", bool(self.repositories)),
                ("visibility", wide),
            )
            if is_given
        ]
        if not given:
            raise ValueError("nobody may use it; give selection, repositories, or visibility private or all")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; keep one")
        return self


class EcrRegistry(_Registry):
    """An Amazon ECR registry: who may pull which repositories; the user and its keys are made."""

    ecr_repositories: list[str] = Field(min_length=1, description="Names or ARNs of the ECR repositories to pull from.")
    account: str | None = Field(
        None, description="The name of an entry of `accounts`; the default AWS provider without."
    )
    key_generation: int = Field(1, ge=1, description="Raise it by one to rotate the access key.")
    keep_previous_key: bool = Field(
        True, description="Whether the key published before stays Active, for codespaces started with it."
    )
    suspended: bool = Field(False, description="Deny the user everything at once, reversibly.")
    max_key_age_days: int = Field(90, ge=1, description="Warn in every preview when the key is older.")
    permissions_boundary_arn: str | None = Field(None, description="The permissions boundary of the user.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of the user and its policies.")
    pull_through_cache_prefixes: list[str] = Field(
        default_factory=list,
        description="Prefixes under which pulling may create repositories of a pull-through cache.",
    )
    additional_registries: dict[str, str] = Field(
        default_factory=dict,
        description="Secret prefix -> host of further ECR registries to log in to by the same key.",
    )
    user_name: str | None = Field(None, description="The IAM user's name; `codespaces-<key>` by default.")
    user_path: str = Field("/codespaces/", description="The IAM user's path.")


class LoginRegistry(_Registry):
    """Any other registry: its credentials are given."""

    server: str = Field(description="The registry's host; Docker Hub is https://index.docker.io/v1/.")
    user: str = Field(description="The user name to log in with.")
    password_from: str = Field(description="The configuration key of a secret that holds the password or token.")


def _kind(value: object) -> str:
    if isinstance(value, EcrRegistry) or (isinstance(value, dict) and "ecrRepositories" in value):
        return "ecr"
    return "login"


Registry = Annotated[Annotated[EcrRegistry, Tag("ecr")] | Annotated[LoginRegistry, Tag("login")], Discriminator(_kind)]


class Settings(_Settings):
    """What the stack's configuration says."""

    organization: str = Field(min_length=1, description="The GitHub organization.")
    accounts: dict[str, Account] = Field(default_factory=dict, description="AWS accounts by a name of your own.")
    selections: dict[str, Selection] = Field(default_factory=dict, description="Selections of repositories by name.")
    registries: dict[str, Registry] = Field(description="Registries by name; the name gives the secrets their prefix.")


_KEYS = ("organization", "accounts", "selections", "registries")


def load(read: Callable[[str], object | None], namespace: str) -> Settings:
    """Read the settings of a stack.

    Args:
        read: gives the value of a configuration key, None where it is not set.
        namespace: the namespace of the keys, which is the project's name; for messages.

    Raises:
        InvalidArgument: the configuration breaks a rule; names the key and the way out.
    """
    given = {key: value for key in _KEYS if (value := read(key)) is not None}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        lines = [_line(namespace, one) for one in error.errors(include_url=False, include_input=False)]
        raise InvalidArgument("", "the stack's configuration is not valid:\n" + "\n".join(lines)) from None
    lines = [*_references(settings, namespace, read)]
    if lines:
        raise InvalidArgument("", "the stack's configuration is not valid:\n" + "\n".join(lines))
    return settings


def _references(settings: Settings, namespace: str, read: Callable[[str], object | None]) -> list[str]:
    """Names that point to nothing."""
    lines: list[str] = []

    def missing(key: str, what: str, name: str, choices: Mapping[str, object]) -> None:
        if name not in choices:
            hint = did_you_mean(name, list(choices))
            lines.append(f"  {namespace}:registries.{key}.{what}: there is no {name!r} in {namespace}:{what}s{hint}")

    for key, registry in settings.registries.items():
        if registry.selection is not None:
            missing(key, "selection", registry.selection, settings.selections)
        if isinstance(registry, EcrRegistry) and registry.account is not None:
            missing(key, "account", registry.account, settings.accounts)
        if isinstance(registry, LoginRegistry) and read(registry.password_from) is None:
            lines.append(
                f"  {namespace}:registries.{key}.passwordFrom: there is no secret "
                f"{namespace}:{registry.password_from}; "
                f"set it with `pulumi config set --secret {registry.password_from}`"
            )
    return lines


def _line(namespace: str, error: ErrorDetails) -> str:
    path = [part for part in error["loc"] if part not in ("ecr", "login")]
    where = f"{namespace}:" + "".join(
        f"[{part}]" if isinstance(part, int) else f"{'.' if index else ''}{part}" for index, part in enumerate(path)
    )
    if error["type"] == "missing":
        return f"  {where}: is missing{_meaning(path)}"
    if error["type"] == "extra_forbidden":
        known = _known_keys(error)
        if path[-1] == "password":
            return (
                f"  {where}: a password in a map is not kept secret; put it into a secret of its own with "
                "`pulumi config set --secret NAME` and write passwordFrom: NAME"
            )
        return f"  {where}: is no key here{did_you_mean(str(path[-1]), known)}; known are {', '.join(known)}"
    return f"  {where}: {error['msg'].removeprefix('Value error, ')}"


def _model_at(path: tuple[int | str, ...]) -> type[BaseModel]:
    if not path:
        return Settings
    models: dict[str, type[BaseModel]] = {"accounts": Account, "selections": Selection}
    if "ecr" in path:
        return EcrRegistry
    return models.get(str(path[0]), LoginRegistry)


def _known_keys(error: ErrorDetails) -> list[str]:
    model = _model_at(error["loc"][:-1])
    return [field.alias or name for name, field in model.model_fields.items()]


def _meaning(path: list[int | str]) -> str:
    if len(path) > 2 and path[0] == "registries" and path[-1] in ("server", "user", "passwordFrom"):
        return "; a registry has either ecrRepositories (Amazon ECR), or server, user and passwordFrom"
    return ""
