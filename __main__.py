"""Which private registries the codespaces of which repositories may pull from: configuration in, components out."""

from typing import cast

import pulumi
import pulumi_aws as aws

import pulumi_codespaces as codespaces
from pulumi_codespaces.settings import Account, EcrRegistry, load

config = pulumi.Config()
settings = load(config)


def provider_for(name: str, account: Account) -> aws.Provider:
    """The AWS provider that works in an account."""
    role = aws.ProviderAssumeRoleArgs(role_arn=account.role_arn, external_id=account.external_id)
    return aws.Provider(name, region=account.region, assume_roles=[role] if account.role_arn else None)


github = codespaces.Provider("github", owner=settings.organization)
accounts = {name: provider_for(name, account) for name, account in settings.accounts.items()}
selections = {
    name: codespaces.RepositorySelection(name, selection.arguments(), pulumi.ResourceOptions(provider=github))
    for name, selection in settings.selections.items()
}

for name, registry in settings.registries.items():
    args = registry.arguments()
    if registry.selection:
        args["selected_repositories"] = selections[registry.selection]
    if isinstance(registry, EcrRegistry):
        account = [accounts[registry.account]] if registry.account else []
        options = pulumi.ResourceOptions(providers=[github, *account])
        made = codespaces.EcrPullAccess(name, cast("codespaces.EcrPullAccessArgs", args), options)
    else:
        args["password"] = config.require_secret(registry.password_from)
        options = pulumi.ResourceOptions(providers=[github])
        made = codespaces.RegistryLogin(name, cast("codespaces.RegistryLoginArgs", args), options)
    pulumi.export(name, made.summary)

for name, group in settings.secrets.items():
    values = {secret: config.require_secret(key) for secret, key in group.values_from.items()}
    options = pulumi.ResourceOptions(provider=github)
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
            "selected_repositories": selection.repositories if selection else None,
            "adopt_existing": group.adopt_existing,
        },
        options,
    )
