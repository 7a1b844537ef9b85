"""The settings that a stack's configuration has, typed: what each key is for, and what excludes what.

Everything is a map, so that resource names (and with them their URNs) come from keys and not from positions, and one
value can be set at night with `pulumi config set --path`. Passwords stand in secrets of their own, named by
`passwordFrom`: a secret nested in a map loses its mark on the way to the program (pulumi/pulumi#6531).
"""

from __future__ import annotations

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
"""What a message says of the kinds of registries."""
_ELSEWHERE = "the GitHub organization, if it is not the stack's: the name of an entry of organizations"
_ACCOUNT = "the name of an entry of accounts; without it the default AWS provider"
_Number = Annotated[
    str,
    BeforeValidator(lambda given: str(given) if isinstance(given, int) and not isinstance(given, bool) else given),
    WithJsonSchema({"type": ["string", "integer"]}),
]


FIRST_REGISTRY = "ecr"
"""The name that the registry of the short form `ecrRepositories`, `repositories` has in `registries`."""


def _separated(value: Any) -> Any:
    """The names in a text like `payments/api, payments/web`, which is how `pulumi new` asks for them."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


_Names = Annotated[
    list[str], BeforeValidator(_separated), WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}})
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
            raise ValueError(f"tokenFrom and {' and '.join(given)} cannot be combined; keep the token or the App")
        if given and self.installation_id is None:
            raise ValueError(f"has {' and '.join(given)}, but no installationId; each organization has its own")
        return self


class Account(_Settings):
    """An AWS account and Region, and the role to assume to work there."""

    region: str = Field(min_length=1, description="the Region of its registry, such as eu-west-1")
    role_arn: str | None = Field(None, description="the role that manages the users and policies there")
    external_id: str | None = Field(None, description="the external id that the role's trust policy asks for, if any")
    max_retries: StrictInt | None = Field(
        None,
        ge=1,
        description="how many times a request to AWS is tried before the update fails; 25 by default, which takes more "
        "than an hour while AWS is out",
    )


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
        None, description="the only repository that gets the secrets, instead of the organization and a selection"
    )
    adopt_existing: StrictBool = Field(
        False, description="take over secrets of these names that exist already; acts once"
    )

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
        """What the component takes, by its own names, but for what the program makes or reads first."""
        return _arguments(self, self.repositories)


def _arguments(entry: BaseModel, repositories: list[str]) -> dict[str, Any]:
    given = entry.model_dump(exclude_defaults=True)
    return given | ({"selected_repositories": repositories} if repositories else {})


def _exclude_each_other(alternatives: Mapping[str, bool]) -> None:
    given = [name for name, is_given in alternatives.items() if is_given]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} cannot be combined; keep one of them")


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

    secret_prefix: str | None = Field(
        None, description="the beginning of the secrets' names; derived from the key by default"
    )
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
                raise ValueError(f"has {', '.join(own)} and {', '.join(foreign)}; {EITHER}")
        return given  # pyright: ignore[reportUnknownVariableType]


class EcrRegistry(_Registry):
    """An Amazon ECR registry: who may pull which repositories; the user and its keys are made."""

    marks: ClassVar[tuple[str, ...]] = ("ecrRepositories",)

    ecr_repositories: list[str] | None = Field(
        None, min_length=1, description=f"names or ARNs of the ECR repositories to pull from; {EITHER}"
    )
    ecr_repository_tags: dict[str, str] = Field(
        default_factory=dict[str, str], description="pull from every repository with all of these tags, too"
    )
    account: str | None = Field(None, exclude=True, description=_ACCOUNT)
    region: str | None = Field(
        None, description="the Region of the registry; by default the Region of the AWS provider"
    )
    key_generation: StrictInt = Field(1, ge=1, description="raise it by one to rotate the access key")
    keep_previous_key: StrictBool = Field(
        True, description="whether the previous key stays Active, for codespaces that started with it"
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
            raise ValueError(f"grants nothing; give ecrRepositories or ecrRepositoryTags; {EITHER}")
        return self


class EcrTokenRegistry(_Registry):
    """An Amazon ECR registry, by a token that every update renews and that ends after 12 hours."""

    marks: ClassVar[tuple[str, ...]] = ("ecrToken",)

    ecr_token: Literal[True] = Field(
        exclude=True, description="true: log in with a token of the account's AWS provider, which every update renews"
    )
    account: str | None = Field(None, exclude=True, description=_ACCOUNT)
    region: str | None = Field(
        None, exclude=True, description="the Region of the registry; by default the Region of the AWS provider"
    )
    registry_id: str | None = Field(
        None, exclude=True, description="the AWS account of the registry; by default the account of the AWS provider"
    )


class LoginRegistry(_Registry):
    """Any other registry: its credentials are given."""

    marks: ClassVar[tuple[str, ...]] = ("server", "user", "passwordFrom")

    server: str = Field(description=f"the registry's host; Docker Hub is https://index.docker.io/v1/; {EITHER}")
    user: str = Field(min_length=1, description="the user name to log in with")
    password_from: str = Field(
        min_length=1, exclude=True, description="the configuration key of a secret that holds the password or token"
    )
    expires_at: str | None = Field(None, description="when the credentials end, like 2027-01-31T00:00:00Z")
    by_hand_of: str | None = Field(
        None,
        exclude=True,
        description="the name of an entry of packages: the repositories whose codespaces get access only by a "
        "click, instead of a selection",
    )

    def _readers(self) -> dict[str, bool]:
        return super()._readers() | {"byHandOf": self.by_hand_of is not None}


KINDS = {"ecr": EcrRegistry, "token": EcrTokenRegistry, "login": LoginRegistry}
"""The kinds of registries, by the tag that pydantic puts into the place of a mistake."""
_MARKS = [mark for model in KINDS.values() for mark in model.marks]


def _kind(value: Any) -> str:
    """Which model reads a registry: the first that it has a mark of, and Amazon ECR without any."""
    if isinstance(value, _Registry):
        return next(kind for kind, model in KINDS.items() if isinstance(value, model))
    keys: Iterable[str] = cast("dict[str, Any]", value) if isinstance(value, dict) else ()
    marked = (kind for kind, model in KINDS.items() if any(mark in keys for mark in model.marks))
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
    users: dict[str, str] = Field(
        default_factory=dict[str, str], description="login of a user -> its role, as for a team"
    )
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


def _with_first_registry(registries: Any, others: Mapping[str, Any]) -> Any:
    """The registries, and the one that is declared in short."""
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
    """What the stack's configuration says."""

    organization: str = Field(min_length=1, description="the GitHub organization")
    organizations: dict[str, Organization] = Field(
        default_factory=dict[str, Organization],
        description="further GitHub organizations by login, and an organization's own credentials",
    )
    accounts: dict[str, Account] = Field(
        default_factory=dict[str, Account],
        description="AWS accounts by a name of your own; the role of an account that no registry names is not assumed",
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
    ecr_repositories: _Names = Field(
        default_factory=list[str],
        description="a first registry in short: names of the ECR repositories to pull from in the account and Region "
        f"of the default AWS provider, separated by commas; the same as registries.{FIRST_REGISTRY}.ecrRepositories",
    )
    repositories: _Names = Field(
        default_factory=list[str],
        validate_default=True,
        description="names of the GitHub repositories whose codespaces pull from ecrRepositories, separated by commas; "
        f"the same as registries.{FIRST_REGISTRY}.repositories",
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
    def _declares_something(cls, given: Any, others: ValidationInfo) -> Any:
        # Sections that failed validation are missing from `others.data`.
        others_too = any(
            others.data.get(key, True) for key in ("secrets", "packages", "ecr_repositories", "repositories")
        )
        if not others_too and given in (None, {}):
            raise PydanticCustomError("missing" if given is None else "too_short", "registries")
        return _with_first_registry({} if given is None else given, others.data)

    @property
    def used_accounts(self) -> dict[str, Account]:
        """The accounts that a registry names. An AWS provider contacts its account in every command, used or not."""
        in_accounts = (EcrRegistry, EcrTokenRegistry)
        used = {registry.account for registry in self.registries.values() if isinstance(registry, in_accounts)}
        return {name: account for name, account in self.accounts.items() if name in used}

    def organization_of(self, entry: Selection | Registry | SecretGroup | Package) -> str:
        """The login of the organization that an entry belongs to."""
        return entry.organization or self.organization
