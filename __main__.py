"""Which private registries the codespaces of which repositories may pull from: configuration in, components out."""

from functools import cache
from os import environ
from typing import Any, cast

import pulumi
import pulumi_aws as aws

import pulumi_codespaces as codespaces
from pulumi_codespaces.settings import Account, EcrRegistry, EcrTokenRegistry, LoginRegistry, Organization
from pulumi_codespaces.stack_config import load

config = pulumi.Config()
settings = load(config)


def secret(key: str | None) -> pulumi.Output[str] | None:
    """The secret of the stack that a configuration key names."""
    return config.require_secret(key) if key else None


def provider_for(name: str, account: Account) -> aws.Provider:
    """The AWS provider that works in an account."""
    role = aws.ProviderAssumeRoleArgs(role_arn=account.role_arn, external_id=account.external_id)
    return aws.Provider(name, region=account.region, assume_roles=[role] if account.role_arn else None)


def provider_name(login: str) -> str:
    """What the providers of an organization are called."""
    return "github" if login == settings.organization else f"github-{login}"


def credentials(login: str) -> dict[str, Any]:
    """The arguments of an organization's provider; what is left out comes from the environment."""
    given = settings.organizations.get(login, Organization())
    app = {"id": given.app_id, "installation_id": given.installation_id, "pem_file": secret(given.pem_from)}
    found = {
        "owner": login,
        "token": secret(given.token_from),
        "app_auth": {name: value for name, value in app.items() if value is not None} or None,
        "base_url": given.base_url,
    }
    return {name: value for name, value in found.items() if value is not None}


@cache
def github(login: str) -> codespaces.Provider:
    """The provider of an organization."""
    return codespaces.Provider(provider_name(login), **credentials(login))


@cache
def stock_github(login: str) -> pulumi.ProviderResource:
    """The stock provider of an organization, which gives teams and users their roles."""
    import pulumi_github  # noqa: PLC0415 - with its plugin it is another process, which most stacks do without

    given = credentials(login)
    if "app_auth" in given or ("token" not in given and environ.get("GITHUB_APP_ID")):
        # Unlike this package's provider it does not complete an App from the environment, nor prefer it to a token.
        names = {"id": "ID", "installation_id": "INSTALLATION_ID", "pem_file": "PEM_FILE"}
        app = {name: environ.get(f"GITHUB_APP_{ending}", "") for name, ending in names.items()}
        app = {**app, "pem_file": pulumi.Output.secret(app["pem_file"]), **given.get("app_auth", {})}
        given |= {"app_auth": pulumi_github.ProviderAppAuthArgs(**app), "token": ""}
    if environ.get("GITHUB_OWNER", login) not in ("", login):
        # It goes before that provider's `owner`, but not before the older `organization`.
        given["organization"] = login
    return pulumi_github.Provider(provider_name(login), **given)


def login_of(registry: EcrTokenRegistry | LoginRegistry) -> dict[str, Any]:
    """The credentials for a registry, where they are not made by the component."""
    if isinstance(registry, LoginRegistry):
        return {"password": secret(registry.password_from)}
    provider = accounts[registry.account] if registry.account else None
    options = pulumi.InvokeOutputOptions(provider=provider)
    return {**codespaces.ecr_token(registry.registry_id, registry.region, options)}


github(settings.organization)
accounts = {name: provider_for(name, account) for name, account in settings.accounts.items()}
selections = {
    name: codespaces.RepositorySelection(
        name, selection.arguments(), pulumi.ResourceOptions(provider=github(settings.organization_of(selection)))
    )
    for name, selection in settings.selections.items()
}
packages: dict[str, codespaces.PackageAccess] = {}

for name, package in settings.packages.items():
    organization, args = settings.organization_of(package), package.arguments()
    if package.selection:
        args["selected_repositories"] = selections[package.selection]
    roles = [stock_github(organization)] if package.teams or package.users else []
    options = pulumi.ResourceOptions(providers=[github(organization), *roles])
    packages[name] = codespaces.PackageAccess(name, args, options)
    pulumi.export(name, packages[name].summary)

for name, registry in settings.registries.items():
    args = registry.arguments()
    providers: list[pulumi.ProviderResource] = [github(settings.organization_of(registry))]
    if registry.selection:
        args["selected_repositories"] = selections[registry.selection]
    if isinstance(registry, EcrRegistry):
        account = [accounts[registry.account]] if registry.account else []
        options = pulumi.ResourceOptions(providers=[*providers, *account])
        made = codespaces.EcrPullAccess(name, cast("codespaces.EcrPullAccessArgs", args), options)
    else:
        if isinstance(registry, LoginRegistry) and registry.by_hand_of:
            args["selected_repositories"] = packages[registry.by_hand_of].by_hand
        args |= login_of(registry)
        options = pulumi.ResourceOptions(providers=providers)
        made = codespaces.RegistryLogin(name, cast("codespaces.RegistryLoginArgs", args), options)
    pulumi.export(name, made.summary)

for name, group in settings.secrets.items():
    values = {name: config.require_secret(key) for name, key in group.values_from.items()}
    options = pulumi.ResourceOptions(provider=github(settings.organization_of(group)))
    if group.repository:
        codespaces.RepositorySecrets(
            name, {"repository": group.repository, "secrets": values, "adopt_existing": group.adopt_existing}, options
        )
        continue
    selection = selections[group.selection] if group.selection else None
    if group.repositories:
        selection = codespaces.RepositorySelection(f"{name}-repositories", {"names": group.repositories}, options)
    codespaces.OrganizationSecrets(
        name,
        {
            "secrets": values,
            "visibility": group.visibility or codespaces.Visibility.SELECTED,
            "selected_repositories": selection,
            "adopt_existing": group.adopt_existing,
        },
        options,
    )
