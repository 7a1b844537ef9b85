"""The provider and its custom resources, as a program sees them."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations.
import re
from collections.abc import Awaitable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import pulumi
from typing_extensions import NotRequired, TypedDict

from .errors import refusing
from .one_repository import OneRepository, check_repository, is_repository
from .plugin_location import check_plugin
from .rules import RuleViolation
from .rules.wording import a_kind
from .version import PACKAGE, PLUGIN_URL, VERSION


class Visibility(str, Enum):
    """The repositories whose codespaces may read a secret.

    Source: https://docs.github.com/en/rest/codespaces/organization-secrets
    """

    SELECTED = "selected"
    """The repositories that are listed."""
    PRIVATE = "private"
    """Every private and internal repository of the organization."""
    ALL = "all"
    """Every repository of the organization, public ones included."""


if TYPE_CHECKING:
    VisibilityInput = pulumi.Input[Visibility | str]
    """A `Visibility`, or its value as text."""
else:
    VisibilityInput = pulumi.Input[Visibility]


class AppAuth(TypedDict):
    """The credentials of a GitHub App that is installed in the organization."""

    id: NotRequired[pulumi.Input[str]]
    """The App's id; `GITHUB_APP_ID` by default."""
    installation_id: pulumi.Input[str]
    """The id of its installation in the organization."""
    pem_file: NotRequired[pulumi.Input[str]]
    """The contents of its private key, in PEM; `GITHUB_APP_PEM_FILE` by default."""


class Provider(pulumi.ProviderResource):
    """The GitHub organization whose Codespaces secrets are managed, and the credentials for it.

    Without arguments the environment decides, by the variables of the stock GitHub provider: `GITHUB_OWNER`,
    `GITHUB_TOKEN`, `GITHUB_BASE_URL`, `GITHUB_APP_ID`, `GITHUB_APP_INSTALLATION_ID` and `GITHUB_APP_PEM_FILE`.
    Credentials from the environment are not written to the state.

    Args:
        resource_name: The name of the resource.
        owner: The organization.
        token: A token: classic with the scope `admin:org`, or fine-grained with the organization permission
            "Organization codespaces secrets: write". A preview needs no more than read.
        app_auth: A GitHub App with the permission that a token needs; it takes precedence over `token`. The
            environment's App does not take precedence over a `token` argument.
        base_url: The address of GitHub, for a ghe.com tenant.
        opts: Resource options.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        owner: pulumi.Input[str] | None = None,
        token: pulumi.Input[str] | None = None,
        app_auth: AppAuth | None = None,
        base_url: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        app: Any = None
        if app_auth is not None:
            fields = {
                "id": app_auth.get("id"),
                "installationId": app_auth["installation_id"],
                "pemFile": app_auth.get("pem_file"),
            }
            app = pulumi.Output.secret(pulumi.Output.json_dumps(fields))
        props = {
            "owner": owner,
            "token": None if token is None else pulumi.Output.secret(token),
            "appAuth": app,
            "baseUrl": base_url,
        }
        super().__init__(
            PACKAGE, resource_name, props, _with_plugin(opts, additional_secret_outputs=["token", "appAuth"])
        )


class RepositorySelectionArgs(TypedDict):
    """The selected repositories: all that one of the arguments selects."""

    names: NotRequired[Sequence[pulumi.Input[str]]]
    """Repository names, without the owner."""
    topics: NotRequired[Sequence[pulumi.Input[str]]]
    """Every repository with one of these topics. The administrators of a repository may change its topics."""
    properties: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Every repository on which one of these custom properties has this value."""
    ids: NotRequired[Mapping[str, pulumi.Input[int]]]
    """Repositories by their ids: name -> id, such as the `repo_id` of a `github.Repository`."""


class RepositorySelection(pulumi.CustomResource):
    """Repositories whose codespaces may read secrets, listed once and shared by several registries.

    A preview resolves the selection, so one difference shows which repositories join and leave. A renamed repository
    stays selected, by its id. An archived or deleted repository drops out with a warning. A name that never existed is
    an error.
    """

    def __init__(
        self, resource_name: str, args: RepositorySelectionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = _props(RepositorySelectionArgs, args, "repositories", "renamed", "skipped")
        super().__init__(f"{PACKAGE}:index:RepositorySelection", resource_name, props, _with_plugin(opts))

    @property
    def repositories(self) -> pulumi.Output[Mapping[str, int]]:
        """The selected repositories: name -> id."""
        return self.__dict__["repositories"]

    @property
    def renamed(self) -> pulumi.Output[Mapping[str, str]]:
        """Renamed repositories: the name in the program -> the name today."""
        return self.__dict__["renamed"]

    @property
    def skipped(self) -> pulumi.Output[Mapping[str, str]]:
        """Names in the program that are left out -> why: `archived` or `deleted`."""
        return self.__dict__["skipped"]


class Rotating(TypedDict):
    """The key rotation that a set of secrets publishes."""

    fallback: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """NAME -> the value to put back if an update fails half-way."""
    published_at: pulumi.Input[Mapping[str, str]]
    """NAME -> the `updated_at` of the secret while `fallback` is published; from a `KeyRotation`."""
    verify: pulumi.Input[bool]
    """Whether the key is proven before it is written, also if it is written again."""


class AdoptionArgs(TypedDict):
    """The argument that every set of secrets has."""

    adopt_existing: NotRequired[pulumi.Input[bool]]
    """Take over secrets of these names that exist already. Their values are overwritten. It acts once. Defaults to
    `false`."""


class OrganizationSecretsArgs(AdoptionArgs):
    """Secrets that belong together, and the repositories whose codespaces may read them."""

    secrets: Mapping[str, pulumi.Input[str]]
    """The secrets: name -> value. At most 48 KB a value, and 100 secrets in an organization."""
    visibility: NotRequired[VisibilityInput | None]
    """Which repositories' codespaces may read them: `selected`, `private` or `all`. Defaults to `selected`."""
    selected_repositories: NotRequired[RepositorySelection | pulumi.Input[Mapping[str, pulumi.Input[int]]] | None]
    """The repositories whose codespaces may read them: name -> id, such as the `repositories` of a
    `RepositorySelection`; in Python also the `RepositorySelection` itself."""


class OrganizationSecrets(pulumi.CustomResource):
    """Codespaces secrets of an organization that belong together, written in place and as one unit.

    A new value is written over the old one, so the secret is never absent. If a write fails half-way, the values that
    were already written are put back; if that fails too, the error and the state say which values are left.

    Raises:
        InvalidArgument: `selected_repositories` is neither a selection nor a map.
    """

    _rotating: Rotating | None = None

    def __init__(
        self, resource_name: str, args: OrganizationSecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        with refusing(f"OrganizationSecrets {resource_name}"):
            repositories = _repository_ids(args.get("selected_repositories"))
        props = _props(
            OrganizationSecretsArgs,
            args,
            "updated_at",
            visibility=args.get("visibility") or Visibility.SELECTED,
            selected_repositories=repositories,
            **_secret_props(args, self._rotating),
        )
        opts = _with_plugin(opts, additional_secret_outputs=["secrets"])
        super().__init__(f"{PACKAGE}:index:OrganizationSecrets", resource_name, props, opts)

    @property
    def secrets(self) -> pulumi.Output[Mapping[str, str]]:
        """The secrets: name -> value; marked secret."""
        return self.__dict__["secrets"]

    @property
    def visibility(self) -> pulumi.Output[Visibility]:
        """Which repositories' codespaces may read the secrets."""
        return self.__dict__["visibility"]

    @property
    def selected_repositories(self) -> pulumi.Output[Mapping[str, int] | None]:
        """The repositories whose codespaces may read the secrets: name -> id."""
        return self.__dict__["selectedRepositories"]

    @property
    def adopt_existing(self) -> pulumi.Output[bool]:
        """Whether secrets of these names that existed already were to be taken over."""
        return self.__dict__["adoptExisting"]

    @property
    def updated_at(self) -> pulumi.Output[Mapping[str, str]]:
        """When this resource last wrote each secret: name -> time (RFC 3339)."""
        return self.__dict__["updatedAt"]


class RotatedOrganizationSecrets(OrganizationSecrets):
    """Secrets of an organization that publish a key under rotation. Used by `EcrPullAccess`."""

    def __init__(
        self,
        resource_name: str,
        args: OrganizationSecretsArgs,
        rotating: Rotating,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        self._rotating = rotating
        super().__init__(resource_name, args, opts)


class RepositorySecretsArgs(AdoptionArgs):
    """Secrets of one repository that belong together."""

    repository: OneRepository
    """The repository: its name, without its owner; in Python also a `github.Repository`."""
    repository_id: NotRequired[pulumi.Input[int] | None]
    """The id of `repository`, for a program that creates the repository in the same update and gives its name only."""
    secrets: Mapping[str, pulumi.Input[str]]
    """The secrets: name -> value. At most 48 KB a value, and 100 secrets in a repository."""


class RepositorySecrets(pulumi.CustomResource):
    """Codespaces secrets of one repository that belong together, written in place and as one unit.

    A secret here hides one of the same name of the organization
    (https://docs.github.com/en/codespaces/managing-codespaces-for-your-organization/managing-development-environment-secrets-for-your-repository-or-organization).
    The secrets stay with a renamed repository, by its id. If they move to another repository, they are written there
    before they are deleted here.

    Raises:
        InvalidArgument: `repository` is neither a name nor a `github.Repository`.
    """

    _rotating: Rotating | None = None

    def __init__(
        self, resource_name: str, args: RepositorySecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        with refusing(f"RepositorySecrets {resource_name}"):
            repository, repository_id = _name_and_id(args["repository"], args.get("repository_id"))
        props = _props(
            RepositorySecretsArgs,
            args,
            "repository_name",
            "updated_at",
            repository=repository,
            repository_id=repository_id,
            **_secret_props(args, self._rotating),
        )
        opts = _with_plugin(opts, additional_secret_outputs=["secrets"])
        super().__init__(f"{PACKAGE}:index:RepositorySecrets", resource_name, props, opts)

    @property
    def repository(self) -> pulumi.Output[str]:
        """The repository, as the program names it."""
        return self.__dict__["repository"]

    @property
    def repository_id(self) -> pulumi.Output[int]:
        """The id of the repository."""
        return self.__dict__["repositoryId"]

    @property
    def repository_name(self) -> pulumi.Output[str]:
        """The name of the repository today."""
        return self.__dict__["repositoryName"]

    @property
    def secrets(self) -> pulumi.Output[Mapping[str, str]]:
        """The secrets: name -> value; marked secret."""
        return self.__dict__["secrets"]

    @property
    def adopt_existing(self) -> pulumi.Output[bool]:
        """Whether secrets of these names that existed already were to be taken over."""
        return self.__dict__["adoptExisting"]

    @property
    def updated_at(self) -> pulumi.Output[Mapping[str, str]]:
        """When this resource last wrote each secret: name -> time (RFC 3339)."""
        return self.__dict__["updatedAt"]


class RotatedRepositorySecrets(RepositorySecrets):
    """Secrets of one repository that publish a key under rotation. Used by `EcrPullAccess`."""

    def __init__(
        self,
        resource_name: str,
        args: RepositorySecretsArgs,
        rotating: Rotating,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        self._rotating = rotating
        super().__init__(resource_name, args, opts)


def _repository_ids(selection: Any) -> pulumi.Input[Mapping[str, pulumi.Input[int]]] | None:
    if isinstance(selection, RepositorySelection):
        return selection.repositories
    if selection is None or isinstance(selection, (Mapping, pulumi.Output, Awaitable)):
        return cast("pulumi.Input[Mapping[str, pulumi.Input[int]]] | None", selection)
    raise RuleViolation(
        "selected_repositories",
        f"selected_repositories is {a_kind(selection)}; give a RepositorySelection, or a map of name to id.",
    )


def _name_and_id(
    repository: OneRepository | None, repository_id: pulumi.Input[int] | None
) -> tuple[pulumi.Input[str] | None, pulumi.Input[int] | None]:
    if is_repository(repository):
        return repository.name, repository.repo_id
    # The plugin refuses a missing repository, together with everything else that is wrong.
    if repository is not None and not isinstance(repository, Awaitable):
        check_repository(repository)
    return repository, repository_id


def _secret_props(args: OrganizationSecretsArgs | RepositorySecretsArgs, rotating: Rotating | None) -> dict[str, Any]:
    return {
        "secrets": {name: pulumi.Output.secret(value) for name, value in args["secrets"].items()},
        "adopt_existing": args.get("adopt_existing", False),
        "fallback": None if rotating is None else pulumi.Output.secret(rotating["fallback"]),
        "published_at": None if rotating is None else rotating["published_at"],
        "verify": None if rotating is None else rotating["verify"],
    }


class KeyRotationArgs(TypedDict):
    """The input of a key rotation."""

    generation: int
    keep_previous_key: bool
    prefixes: Sequence[str]
    repository: NotRequired[pulumi.Input[str] | None]
    user_name: str
    user_path: str
    adopt_existing: bool


class KeyRotation(pulumi.CustomResource):
    """Decides which of a user's two access keys is renewed and which is published. Used by `EcrPullAccess`."""

    def __init__(self, resource_name: str, args: KeyRotationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = _props(KeyRotationArgs, args, "slots", "current", "published", "statuses", "at")
        super().__init__(f"{PACKAGE}:index:KeyRotation", resource_name, props, _with_plugin(opts))

    @property
    def current(self) -> pulumi.Output[str]:
        """The slot whose key is to be published: `a` or `b`."""
        return self.__dict__["current"]

    @property
    def published(self) -> pulumi.Output[str]:
        """The slot whose key was published at the last decision; "" before the first decision."""
        return self.__dict__["published"]

    @property
    def at(self) -> pulumi.Output[Mapping[str, str]]:
        """NAME -> the time at which the secret had last been written, at the last decision."""
        return self.__dict__["at"]

    def serial(self, slot: str) -> pulumi.Output[int]:
        """The serial of a slot. When it changes, the access key of the slot is replaced."""
        slots: pulumi.Output[Mapping[str, Mapping[str, int]]] = self.__dict__["slots"]
        return slots.apply(lambda slots: int(slots[slot]["serial"]))

    def status(self, slot: str) -> pulumi.Output[str]:
        """The status that the access key of a slot must have: `Active` or `Inactive`."""
        statuses: pulumi.Output[Mapping[str, str]] = self.__dict__["statuses"]
        return statuses.apply(lambda statuses: statuses[slot])


class VerifiedEcrKeyArgs(TypedDict):
    """An access key, and the registries and images that it must be able to read."""

    access_key_id: pulumi.Input[str]
    secret_access_key: pulumi.Input[str]
    servers: Sequence[pulumi.Input[str]]
    probe_images: pulumi.Input[Sequence[pulumi.Input[str]]]
    verify: pulumi.Input[bool]
    timeout_seconds: pulumi.Input[int]
    user_name: str
    slot_keys: Mapping[str, pulumi.Input[str]]
    user_keys: pulumi.Input[Mapping[str, str]]


class VerifiedEcrKey(pulumi.CustomResource):
    """Passes an access key on once it is proven to log in to its registries. Used by `EcrPullAccess`."""

    def __init__(
        self, resource_name: str, args: VerifiedEcrKeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        secret = pulumi.Output.secret(args["secret_access_key"])
        props = _props(VerifiedEcrKeyArgs, args, secret_access_key=secret)
        opts = _with_plugin(opts, additional_secret_outputs=["secretAccessKey"])
        super().__init__(f"{PACKAGE}:index:VerifiedEcrKey", resource_name, props, opts)

    @property
    def access_key_id(self) -> pulumi.Output[str]:
        """The id of the proven key."""
        return self.__dict__["accessKeyId"]

    @property
    def secret_access_key(self) -> pulumi.Output[str]:
        """The secret of the proven key; it is marked secret."""
        return self.__dict__["secretAccessKey"]


class VerifiedLoginArgs(TypedDict):
    """Credentials and the registry they must log in to."""

    server: pulumi.Input[str]
    user: pulumi.Input[str]
    password: pulumi.Input[str]
    probe_images: pulumi.Input[Sequence[pulumi.Input[str]]]
    verify: pulumi.Input[bool]


class VerifiedLogin(pulumi.CustomResource):
    """Passes a registry's credentials on once they are proven to log in. Used by `RegistryLogin`."""

    def __init__(self, resource_name: str, args: VerifiedLoginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        user, password = pulumi.Output.secret(args["user"]), pulumi.Output.secret(args["password"])
        props = _props(VerifiedLoginArgs, args, user=user, password=password)
        opts = _with_plugin(opts, additional_secret_outputs=["user", "password"])
        super().__init__(f"{PACKAGE}:index:VerifiedLogin", resource_name, props, opts)

    @property
    def user(self) -> pulumi.Output[str]:
        """The user name of the proven credentials; it is marked secret."""
        return self.__dict__["user"]

    @property
    def password(self) -> pulumi.Output[str]:
        """The password of the proven credentials; it is marked secret."""
        return self.__dict__["password"]


class PackageCheckArgs(TypedDict):
    """A package as declared, and the repositories whose codespaces should read it."""

    package: pulumi.Input[str]
    package_type: pulumi.Input[str]
    repository: pulumi.Input[str]
    visibility: pulumi.Input[str]
    inherits: pulumi.Input[bool]
    selected_repositories: pulumi.Input[Mapping[str, pulumi.Input[int]]] | None
    on_mismatch: pulumi.Input[str]


class PackageCheck(pulumi.CustomResource):
    """Finds out why codespaces may read a package. Used by `PackageAccess`."""

    def __init__(self, resource_name: str, args: PackageCheckArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        outputs = ("ways", "by_hand", "clicks", "devcontainer", "differences", "settings_url")
        props = _props(PackageCheckArgs, args, *outputs)
        super().__init__(f"{PACKAGE}:index:PackageCheck", resource_name, props, _with_plugin(opts))

    @property
    def ways(self) -> pulumi.Output[Mapping[str, str]]:
        """Repository -> the rule that lets its codespaces read the package."""
        return self.__dict__["ways"]

    @property
    def by_hand(self) -> pulumi.Output[Mapping[str, int]]:
        """The repositories that get access only by a click: name -> id."""
        return self.__dict__["byHand"]

    @property
    def clicks(self) -> pulumi.Output[Sequence[Mapping[str, str]]]:
        """The steps that are left to do by hand."""
        return self.__dict__["clicks"]

    @property
    def devcontainer(self) -> pulumi.Output[str]:
        """The part of a devcontainer.json that asks for the package, in JSON."""
        return self.__dict__["devcontainer"]

    @property
    def differences(self) -> pulumi.Output[Sequence[str]]:
        """The differences between the package and its declaration."""
        return self.__dict__["differences"]


def _props(kind: type, args: Mapping[str, Any], *outputs: str, **inputs: Any) -> dict[str, Any]:
    """The properties of a resource, by the names that the engine has for them.

    Args:
        kind: the TypedDict of the arguments. Keys that it does not have are left out.
        args: the arguments.
        outputs: the names of further outputs, in snake_case.
        inputs: values that replace arguments, and further inputs.
    """
    properties = {name: args.get(name) for name in kind.__annotations__} | dict.fromkeys(outputs) | inputs
    # The getters ask for these names. With `pulumi.getter`, `visibility` would become an enum, which it is not today.
    return {_camel_case(name): value for name, value in properties.items()}


def _camel_case(name: str) -> str:
    return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)


def _with_plugin(
    opts: pulumi.ResourceOptions | None, additional_secret_outputs: list[str] | None = None
) -> pulumi.ResourceOptions:
    if opts is None or not opts.plugin_download_url:
        with refusing("pulumi-codespaces"):
            check_plugin()
    ours = pulumi.ResourceOptions(
        version=VERSION, plugin_download_url=PLUGIN_URL, additional_secret_outputs=additional_secret_outputs
    )
    return pulumi.ResourceOptions.merge(ours, opts)
