"""Makes what a stack's configuration declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import environ
from typing import TYPE_CHECKING, Any, cast

import pulumi
import pulumi_aws as aws

from ..ecr_pull_access import EcrPullAccess, EcrPullAccessArgs
from ..errors import InvalidArgument
from ..logins import ecr_token
from ..package_access import PackageAccess
from ..registry_login import RegistryLogin, RegistryLoginArgs
from ..resources import OrganizationSecrets, Provider, RepositorySecrets, RepositorySelection, Visibility
from .load import load
from .settings import EcrRegistry, EcrTokenRegistry, LoginRegistry, Organization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import Account, AnyRegistry, PackageSettings, SecretGroup, Settings


def deploy(config: pulumi.Config | None = None) -> None:
    """Declare every registry, package and secret of the stack's configuration, and export a summary of each.

    Args:
        config: the configuration to read; by default the project's own, whose keys begin with the project's name.

    Raises:
        InvalidArgument: the configuration breaks a rule; it lists every mistake, and nothing was declared.
    """
    config = config or pulumi.Config()
    _Program(config, load(config)).declare()


@dataclass
class _Program:
    """What one stack declares: the providers and selections that its entries share, each made once."""

    config: pulumi.Config
    settings: Settings
    github_providers: dict[str, Provider] = field(default_factory=dict[str, Provider])
    stock_providers: dict[str, pulumi.ProviderResource] = field(default_factory=dict[str, pulumi.ProviderResource])
    aws_providers: dict[str, aws.Provider] = field(default_factory=dict[str, aws.Provider])
    selections: dict[str, RepositorySelection] = field(default_factory=dict[str, RepositorySelection])
    packages: dict[str, PackageAccess] = field(default_factory=dict[str, PackageAccess])

    def declare(self) -> None:
        """Declare the entries of every section, those first that others refer to."""
        self.github(self.settings.organization)
        for name, account in self.settings.used_accounts.items():
            self.aws_providers[name] = _aws_provider(name, account)
        for name, selection in self.settings.selections.items():
            options = pulumi.ResourceOptions(provider=self.github(self.settings.organization_of(selection)))
            self.selections[name] = RepositorySelection(name, selection.arguments(), options)
        for name, package in self.settings.packages.items():
            self._package(name, package)
        for name, registry in self.settings.registries.items():
            self._registry(name, registry)
        for name, group in self.settings.secrets.items():
            self._secrets(name, group)

    # -- entries

    def _package(self, name: str, package: PackageSettings) -> None:
        organization, args = self.settings.organization_of(package), package.arguments()
        if package.selection:
            args["selected_repositories"] = self.selections[package.selection]
        roles = [self.stock_github(organization)] if package.teams or package.users else []
        options = pulumi.ResourceOptions(providers=[self.github(organization), *roles])
        self.packages[name] = PackageAccess(name, args, options)
        pulumi.export(name, self.packages[name].summary)

    def _registry(self, name: str, registry: AnyRegistry) -> None:
        args = registry.arguments()
        providers: list[pulumi.ProviderResource] = [self.github(self.settings.organization_of(registry))]
        if registry.selection:
            args["selected_repositories"] = self.selections[registry.selection]
        if isinstance(registry, EcrRegistry):
            if registry.account:
                providers.append(self.aws_providers[registry.account])
            options = pulumi.ResourceOptions(providers=providers)
            access = EcrPullAccess(name, cast("EcrPullAccessArgs", args), options)
            pulumi.export(name, access.summary)
            return
        if isinstance(registry, LoginRegistry) and registry.by_hand_of:
            args["selected_repositories"] = self.packages[registry.by_hand_of].by_hand
        args |= self._login(registry)
        options = pulumi.ResourceOptions(providers=providers)
        login = RegistryLogin(name, cast("RegistryLoginArgs", args), options)
        pulumi.export(name, login.summary)

    def _login(self, registry: EcrTokenRegistry | LoginRegistry) -> dict[str, Any]:
        """The credentials of a registry for which the component makes none."""
        if isinstance(registry, LoginRegistry):
            return {"password": self._secret(registry.password_from)}
        provider = self.aws_providers[registry.account] if registry.account else None
        return {**ecr_token(registry.registry_id, registry.region, pulumi.InvokeOutputOptions(provider=provider))}

    def _secrets(self, name: str, group: SecretGroup) -> None:
        values = {secret: self.config.require_secret(key) for secret, key in group.values_from.items()}
        options = pulumi.ResourceOptions(provider=self.github(self.settings.organization_of(group)))
        if group.repository:
            RepositorySecrets(
                name,
                {"repository": group.repository, "secrets": values, "adopt_existing": group.adopt_existing},
                options,
            )
            return
        selection = self.selections[group.selection] if group.selection else None
        if group.repositories:
            selection = RepositorySelection(f"{name}-repositories", {"names": group.repositories}, options)
        OrganizationSecrets(
            name,
            {
                "secrets": values,
                "visibility": group.visibility or Visibility.SELECTED,
                "selected_repositories": selection,
                "adopt_existing": group.adopt_existing,
            },
            options,
        )

    # -- providers

    def github(self, login: str) -> Provider:
        """The provider of an organization."""
        if login not in self.github_providers:
            self.github_providers[login] = Provider(self._provider_name(login), **self._credentials(login))
        return self.github_providers[login]

    def stock_github(self, login: str) -> pulumi.ProviderResource:
        """The stock provider of an organization, which gives teams and users their roles."""
        if login not in self.stock_providers:
            arguments = _stock_arguments(login, self._credentials(login))
            self.stock_providers[login] = _pulumi_github().Provider(self._provider_name(login), **arguments)
        return self.stock_providers[login]

    def _provider_name(self, login: str) -> str:
        return "github" if login == self.settings.organization else f"github-{login}"

    def _credentials(self, login: str) -> dict[str, Any]:
        """The arguments of an organization's provider; what is left out comes from the environment."""
        organization = self.settings.organizations.get(login, Organization())
        app = {
            "id": organization.app_id,
            "installation_id": organization.installation_id,
            "pem_file": self._secret(organization.pem_from),
        }
        arguments = {
            "owner": login,
            "token": self._secret(organization.token_from),
            "app_auth": _without_none(app) or None,
            "base_url": organization.base_url,
        }
        return _without_none(arguments)

    def _secret(self, key: str | None) -> pulumi.Output[str] | None:
        """The secret of the stack that a configuration key names."""
        return self.config.require_secret(key) if key else None


def _aws_provider(name: str, account: Account) -> aws.Provider:
    """The AWS provider that works in an account."""
    role = aws.ProviderAssumeRoleArgs(role_arn=account.role_arn, external_id=account.external_id)
    roles = [role] if account.role_arn else None
    return aws.Provider(name, region=account.region, assume_roles=roles, max_retries=account.max_retries)


def _pulumi_github() -> Any:
    """The stock provider's SDK: with its plugin it is another process, which most stacks do without."""
    try:
        import pulumi_github  # noqa: PLC0415
    except ModuleNotFoundError:
        raise InvalidArgument(
            "",
            "packages that give teams or users a role need pulumi-github, which is not installed: add `[github]` to "
            "pulumi-codespaces in the project's requirements, and run `pulumi install`.",
        ) from None
    return pulumi_github


def _stock_arguments(login: str, credentials: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an organization's stock provider, for the credentials that ours has."""
    arguments = dict(credentials)
    if "app_auth" in credentials or ("token" not in credentials and environ.get("GITHUB_APP_ID")):
        # Unlike this package's provider it does not complete an App from the environment, nor prefer it to a token.
        names = {"id": "ID", "installation_id": "INSTALLATION_ID", "pem_file": "PEM_FILE"}
        app = {name: environ.get(f"GITHUB_APP_{ending}", "") for name, ending in names.items()}
        app = {**app, "pem_file": pulumi.Output.secret(app["pem_file"]), **credentials.get("app_auth", {})}
        arguments |= {"app_auth": _pulumi_github().ProviderAppAuthArgs(**app), "token": ""}
    if environ.get("GITHUB_OWNER", login) not in ("", login):
        # It goes before that provider's `owner`, but not before the older `organization`.
        arguments["organization"] = login
    return arguments


def _without_none(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
