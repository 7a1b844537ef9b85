"""The settings of a stack: the keys of its configuration, their types, and which of them exclude each other.

Everything is a map: the names of resources (and their URNs) come from keys and not from positions, and one value can be
changed with `pulumi config set --path`. Passwords are secrets of their own, which `passwordFrom` names: a secret inside
a map is no longer secret when it reaches the program (pulumi/pulumi#6531).

A key that is an argument of a component or a resource has the description of that argument, from the schema of the
package.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from ..package_access import OnMismatch, PackageType, PackageVisibility
from ..resources import RepositorySelectionArgs, Visibility

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..package_access import PackageAccessArgs

EITHER = (
    "a registry has either ecrRepositories (Amazon ECR), or ecrToken (Amazon ECR by token), or server, user and "
    "passwordFrom (any other)"
)
"""The kinds of registries, in a message."""
_ORGANIZATION = "The GitHub organization, if it is not the stack's: the name of an entry of `organizations`."
_ACCOUNT = "The name of an entry of `accounts`; the default AWS provider without it."
_REPOSITORIES = "Names of repositories, instead of a selection."
_RESOURCES = json.loads((Path(__file__).parents[1] / "schema.json").read_text(encoding="utf-8"))["resources"]
_Number = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value),
    WithJsonSchema({"type": ["string", "integer"]}),
]


FIRST_REGISTRY = "ecr"
"""The name in `registries` of the registry that the short form (`ecrRepositories`, `repositories`) declares."""


def _described(resource: str, argument: str) -> str:
    """The description of an argument. It begins as the docstring of the argument, in the class of the arguments."""
    return _RESOURCES[f"codespaces:index:{resource}"]["inputProperties"][argument]["description"]


def _described_kind(resource: str, argument: str) -> str:
    """The first sentence of the description, for a key that decides which kind of registry it is."""
    return f"{_described(resource, argument).partition('. ')[0].removesuffix('.')}; {EITHER}."


def _separated(value: Any) -> Any:
    """The names in a text like `payments/api, payments/web`, which is how `pulumi new` asks for them."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


_Names = Annotated[
    list[str], BeforeValidator(_separated), WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}})
]


class _Settings(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Organization(_Settings):
    """A further GitHub organization, with credentials if the environment's do not work there."""

    token_from: str | None = Field(default=None, description="The configuration key of a secret that holds a token.")
    installation_id: _Number | None = Field(
        default=None, description="The id of a GitHub App's installation in the organization."
    )
    app_id: _Number | None = Field(default=None, description="The id of the App; `GITHUB_APP_ID` by default.")
    pem_from: str | None = Field(
        default=None,
        description="The configuration key of a secret that holds the App's private key; `GITHUB_APP_PEM_FILE` by "
        "default.",
    )
    base_url: str | None = Field(default=None, description="The address of GitHub, for a ghe.com tenant.")

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Organization:
        app = {"installationId": self.installation_id, "appId": self.app_id, "pemFrom": self.pem_from}
        app_keys = [key for key, value in app.items() if value is not None]
        if self.token_from is not None and app_keys:
            raise ValueError(f"tokenFrom and {' and '.join(app_keys)} cannot be combined; keep the token or the App")
        if app_keys and self.installation_id is None:
            raise ValueError(f"has {' and '.join(app_keys)}, but no installationId; each organization has its own")
        return self


class Account(_Settings):
    """An AWS account and Region, and the role to assume to work there."""

    region: str = Field(min_length=1, description="The Region of its registry, such as `eu-west-1`.")
    role_arn: str | None = Field(None, description="The role that manages users and policies in the account.")
    external_id: str | None = Field(None, description="The external id, if the role's trust policy asks for one.")
    max_retries: StrictInt | None = Field(
        None,
        ge=1,
        description="How many times a request to AWS is tried before the update fails; 25 by default, which takes more "
        "than an hour while AWS is down.",
    )


class Selection(_Settings):
    """Repositories whose codespaces get secrets: all that `names`, `topics` and `properties` select."""

    organization: str | None = Field(None, exclude=True, description=_ORGANIZATION)
    names: list[str] = Field(default_factory=list[str], description=_described("RepositorySelection", "names"))
    topics: list[str] = Field(default_factory=list[str], description=_described("RepositorySelection", "topics"))
    properties: dict[str, str] = Field(
        default_factory=dict[str, str], description=_described("RepositorySelection", "properties")
    )

    @model_validator(mode="after")
    def _selects_something(self) -> Selection:
        if not (self.names or self.topics or self.properties):
            raise ValueError("selects nothing; give names, topics or properties")
        return self

    def arguments(self) -> RepositorySelectionArgs:
        """The arguments of the resource."""
        return cast("RepositorySelectionArgs", self.model_dump(exclude_defaults=True))


class _Readers(_Settings):
    organization: str | None = Field(None, exclude=True, description=_ORGANIZATION)
    selection: str | None = Field(None, exclude=True, description="The name of an entry of `selections`.")
    repositories: list[str] = Field(default_factory=list[str], exclude=True, description=_REPOSITORIES)
    visibility: Visibility | None = Field(None, description=_described("RegistryLogin", "visibility"))
    repository: str | None = Field(None, description=_described("RegistryLogin", "repository"))
    adopt_existing: StrictBool = Field(False, description=_described("RegistryLogin", "adoptExisting"))

    @model_validator(mode="after")
    def _one_kind_of_readers(self) -> Self:
        readers = self._readers()
        if not any(readers.values()):
            raise ValueError("has no readers; give selection, repositories, repository, or visibility private or all")
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
        """The arguments of the component, without those that the program makes or reads first."""
        return _arguments(self, self.repositories)


def _arguments(entry: BaseModel, repositories: list[str]) -> dict[str, Any]:
    arguments = entry.model_dump(exclude_defaults=True)
    return arguments | ({"selected_repositories": repositories} if repositories else {})


def _exclude_each_other(alternatives: Mapping[str, bool]) -> None:
    keys = [key for key, is_set in alternatives.items() if is_set]
    if len(keys) > 1:
        raise ValueError(f"{' and '.join(keys)} cannot be combined; keep one of them")


class SecretGroup(_Readers):
    """Other secrets that belong together, such as the token of a package registry."""

    values_from: dict[str, str] = Field(
        min_length=1,
        exclude=True,
        description="Name of a secret -> the configuration key of a secret that holds its value.",
    )


class _Registry(_Readers):
    marks: ClassVar[tuple[str, ...]]
    """The keys that only this kind of registry has, and that decide the kind."""

    secret_prefix: str | None = Field(None, description=_described("RegistryLogin", "secretPrefix"))
    probe_images: list[str] = Field(default_factory=list[str], description=_described("RegistryLogin", "probeImages"))
    verify: StrictBool = Field(True, description=_described("RegistryLogin", "verify"))

    @model_validator(mode="before")
    @classmethod
    def _no_other_registry(cls, registry: Any) -> Any:
        if isinstance(registry, dict):
            foreign = [key for key in _MARKS if key in registry and key not in cls.marks]
            own = [key for key in cls.marks if key in registry]
            if own and foreign:
                raise ValueError(f"has {', '.join(own)} and {', '.join(foreign)}; {EITHER}")
        return registry  # pyright: ignore[reportUnknownVariableType]


class EcrRegistry(_Registry):
    """An Amazon ECR registry, for which the program makes an IAM user and its keys."""

    marks: ClassVar[tuple[str, ...]] = ("ecrRepositories",)

    ecr_repositories: list[str] | None = Field(
        None, min_length=1, description=_described_kind("EcrPullAccess", "ecrRepositories")
    )
    ecr_repository_tags: dict[str, str] = Field(
        default_factory=dict[str, str], description=_described("EcrPullAccess", "ecrRepositoryTags")
    )
    account: str | None = Field(None, exclude=True, description=_ACCOUNT)
    region: str | None = Field(None, description=_described("EcrPullAccess", "region"))
    key_generation: StrictInt = Field(1, ge=1, description=_described("EcrPullAccess", "keyGeneration"))
    keep_previous_key: StrictBool = Field(True, description=_described("EcrPullAccess", "keepPreviousKey"))
    suspended: StrictBool = Field(False, description=_described("EcrPullAccess", "suspended"))
    max_key_age_days: StrictInt = Field(90, ge=1, description=_described("EcrPullAccess", "maxKeyAgeDays"))
    verify_timeout_seconds: StrictInt = Field(
        180, ge=1, description=_described("EcrPullAccess", "verifyTimeoutSeconds")
    )
    permissions_boundary_arn: str | None = Field(
        None, description=_described("EcrPullAccess", "permissionsBoundaryArn")
    )
    tags: dict[str, str] = Field(default_factory=dict[str, str], description=_described("EcrPullAccess", "tags"))
    pull_through_cache_prefixes: list[str] = Field(
        default_factory=list[str], description=_described("EcrPullAccess", "pullThroughCachePrefixes")
    )
    additional_registries: dict[str, str] = Field(
        default_factory=dict[str, str], description=_described("EcrPullAccess", "additionalRegistries")
    )
    user_name: str | None = Field(None, description=_described("EcrPullAccess", "userName"))
    user_path: str = Field("/codespaces/", description=_described("EcrPullAccess", "userPath"))

    @model_validator(mode="after")
    def _grants_something(self) -> EcrRegistry:
        if not self.ecr_repositories and not self.ecr_repository_tags:
            raise ValueError(f"grants nothing; give ecrRepositories or ecrRepositoryTags; {EITHER}")
        return self


class EcrTokenRegistry(_Registry):
    """An Amazon ECR registry, with a token that every update renews and that expires after 12 hours."""

    marks: ClassVar[tuple[str, ...]] = ("ecrToken",)

    ecr_token: Literal[True] = Field(
        exclude=True, description="`true`: log in with a token of the account's AWS provider. Every update renews it."
    )
    account: str | None = Field(None, exclude=True, description=_ACCOUNT)
    region: str | None = Field(
        None, exclude=True, description="The Region of the registry; by default that of the AWS provider."
    )
    registry_id: str | None = Field(
        None, exclude=True, description="The AWS account of the registry; by default that of the AWS provider."
    )


class LoginRegistry(_Registry):
    """Any other registry, with credentials of your own."""

    marks: ClassVar[tuple[str, ...]] = ("server", "user", "passwordFrom")

    server: str = Field(description=_described_kind("RegistryLogin", "server"))
    user: str = Field(min_length=1, description=_described("RegistryLogin", "user"))
    password_from: str = Field(
        min_length=1, exclude=True, description="The configuration key of a secret that holds the password or token."
    )
    expires_at: str | None = Field(None, description=_described("RegistryLogin", "expiresAt"))
    by_hand_of: str | None = Field(
        None,
        exclude=True,
        description="The name of an entry of `packages`, instead of a selection: the repositories whose codespaces can "
        "read the package only after a click, or with this login.",
    )

    def _readers(self) -> dict[str, bool]:
        return super()._readers() | {"byHandOf": self.by_hand_of is not None}


KINDS = {"ecr": EcrRegistry, "token": EcrTokenRegistry, "login": LoginRegistry}
"""The kinds of registries, by the tag that pydantic puts into the place of a mistake."""
_MARKS = [mark for model in KINDS.values() for mark in model.marks]


def _kind(value: Any) -> str:
    """The model for a registry: the first one whose mark the registry has; Amazon ECR without a mark."""
    if isinstance(value, _Registry):
        return next(kind for kind, model in KINDS.items() if isinstance(value, model))
    keys: Iterable[str] = cast("dict[str, Any]", value) if isinstance(value, dict) else ()
    marked = (kind for kind, model in KINDS.items() if any(mark in keys for mark in model.marks))
    return next(marked, "login" if "password" in keys else "ecr")


AnyRegistry = Annotated[
    Annotated[EcrRegistry, Tag("ecr")]
    | Annotated[EcrTokenRegistry, Tag("token")]
    | Annotated[LoginRegistry, Tag("login")],
    Discriminator(_kind),
]


class PackageSettings(_Settings):
    """A package of GitHub Packages as it should be, and the repositories whose codespaces should read it."""

    organization: str | None = Field(None, exclude=True, description=_ORGANIZATION)
    package: str = Field(description=_described("PackageAccess", "package"))
    package_type: PackageType = Field(PackageType.CONTAINER, description=_described("PackageAccess", "packageType"))
    repository: str | None = Field(None, description=_described("PackageAccess", "repository"))
    visibility: PackageVisibility = Field(
        PackageVisibility.PRIVATE, description=_described("PackageAccess", "visibility")
    )
    inherits: StrictBool = Field(True, description=_described("PackageAccess", "inherits"))
    selection: str | None = Field(
        None,
        exclude=True,
        description="The repositories whose codespaces should read it: the name of an entry of `selections`.",
    )
    repositories: list[str] = Field(default_factory=list[str], exclude=True, description=_REPOSITORIES)
    teams: dict[str, str] = Field(default_factory=dict[str, str], description=_described("PackageAccess", "teams"))
    users: dict[str, str] = Field(default_factory=dict[str, str], description=_described("PackageAccess", "users"))
    on_mismatch: OnMismatch = Field(OnMismatch.WARN, description=_described("PackageAccess", "onMismatch"))

    @model_validator(mode="after")
    def _one_kind_of_readers(self) -> PackageSettings:
        _exclude_each_other({"selection": self.selection is not None, "repositories": bool(self.repositories)})
        return self

    def arguments(self) -> PackageAccessArgs:
        """The arguments of the component, without a selection."""
        return cast("PackageAccessArgs", _arguments(self, self.repositories))


def _with_first_registry(registries: Any, others: Mapping[str, Any]) -> Any:
    """The registries, together with the registry of the short form."""
    ecr_repositories, repositories = (others.get(key, []) for key in ("ecr_repositories", "repositories"))
    if not (ecr_repositories and repositories) or not isinstance(registries, dict):
        return registries  # pyright: ignore[reportUnknownVariableType]
    entries = cast("dict[str, Any]", registries)
    short = {"ecrRepositories": ecr_repositories, "repositories": repositories}
    entry = entries.get(FIRST_REGISTRY, {})
    if not isinstance(entry, dict):
        return entries
    written = cast("dict[str, Any]", entry)
    twice = [key for key in short if key in written]
    if twice:
        raise ValueError(
            f"the entry {FIRST_REGISTRY!r} has {' and '.join(twice)}, for which ecrRepositories and repositories at "
            "the top are the short form; remove the keys at the top, or rename the entry"
        )
    return {**entries, FIRST_REGISTRY: {**short, **written}}


class Settings(_Settings):
    """The configuration of a stack."""

    organization: str = Field(min_length=1, description="The GitHub organization.")
    organizations: dict[str, Organization] = Field(
        default_factory=dict[str, Organization],
        description="Further GitHub organizations by their logins, or credentials for an organization.",
    )
    accounts: dict[str, Account] = Field(
        default_factory=dict[str, Account],
        description="AWS accounts by a name of your own. A role is assumed only if a registry names its account.",
    )
    selections: dict[str, Selection] = Field(
        default_factory=dict[str, Selection], description="Selections of repositories by a name of your own."
    )
    secrets: dict[str, SecretGroup] = Field(
        default_factory=dict[str, SecretGroup], description="Other secrets by a name of your own."
    )
    packages: dict[str, PackageSettings] = Field(
        default_factory=dict[str, PackageSettings], description="Packages of GitHub Packages by a name of your own."
    )
    ecr_repositories: _Names = Field(
        default_factory=list[str],
        description="A first registry in short: names of the ECR repositories to pull from in the account and Region "
        f"of the default AWS provider, separated by commas; the same as `registries.{FIRST_REGISTRY}.ecrRepositories`.",
    )
    repositories: _Names = Field(
        default_factory=list[str],
        validate_default=True,
        description="Names of the GitHub repositories whose codespaces pull from `ecrRepositories`, separated by "
        f"commas; the same as `registries.{FIRST_REGISTRY}.repositories`.",
    )
    registries: dict[str, AnyRegistry] = Field(
        default_factory=dict[str, AnyRegistry],
        validate_default=True,
        description="Registries by name; the name gives the secrets their prefix.",
    )

    @model_validator(mode="before")
    @classmethod
    def _marks_what_is_left_out(cls, configuration: Any) -> Any:
        return {"registries": None, **configuration}

    @field_validator("ecr_repositories")
    @classmethod
    def _names_something(cls, names: list[str]) -> list[str]:
        if not names:
            raise PydanticCustomError("too_short", "ecrRepositories")
        return names

    @field_validator("repositories")
    @classmethod
    def _belongs_to_a_first_registry(cls, names: list[str], others: ValidationInfo) -> list[str]:
        ecr_repositories = others.data.get("ecr_repositories")
        if ecr_repositories and not names:
            raise PydanticCustomError("missing", "repositories")
        if names and ecr_repositories == []:
            raise ValueError(
                "needs ecrRepositories, which is missing; an entry of registries has repositories of its own"
            )
        return names

    @field_validator("registries", mode="before")
    @classmethod
    def _declares_something(cls, registries: Any, others: ValidationInfo) -> Any:
        # Sections that failed validation are missing from `others.data`.
        others_too = any(
            others.data.get(key, True) for key in ("secrets", "packages", "ecr_repositories", "repositories")
        )
        if not others_too and registries in (None, {}):
            raise PydanticCustomError("missing" if registries is None else "too_short", "registries")
        return _with_first_registry({} if registries is None else registries, others.data)

    @property
    def used_accounts(self) -> dict[str, Account]:
        """The accounts that a registry names. An AWS provider contacts its account in every command, used or not."""
        in_accounts = (EcrRegistry, EcrTokenRegistry)
        used = {registry.account for registry in self.registries.values() if isinstance(registry, in_accounts)}
        return {name: account for name, account in self.accounts.items() if name in used}

    def organization_of(self, entry: Selection | AnyRegistry | SecretGroup | PackageSettings) -> str:
        """The login of the organization that an entry belongs to."""
        return entry.organization or self.organization
