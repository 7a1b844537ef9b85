"""Which private registries GitHub Codespaces of which repositories may pull from: stack config in, components out."""

import pulumi
import pulumi_aws as aws
from pulumi_codespaces import EcrPullAccess, Provider, RegistryLogin, RepositorySelection, Visibility
from pulumi_codespaces.settings import Account, EcrRegistry, LoginRegistry, load

config = pulumi.Config()
settings = load(lambda key: config.get_object(key) if key in ("accounts", "selections", "registries") else config.get(key), config.name)

github = Provider("github", owner=settings.organization)


def provider_for(name: str, account: Account) -> aws.Provider:
    """The AWS provider that works in an account."""
    role = [{"role_arn": account.role_arn, "external_id": account.external_id}] if account.role_arn else None
    return aws.Provider(name, region=account.region, assume_roles=role)


accounts = {name: provider_for(name, account) for name, account in settings.accounts.items()}
selections = {
    name: RepositorySelection(name, selection.model_dump(exclude_defaults=True), pulumi.ResourceOptions(provider=github))
    for name, selection in settings.selections.items()
}

for name, registry in settings.registries.items():
    readers = {
        "selected_repositories": selections[registry.selection] if registry.selection else registry.repositories or None,
        "visibility": registry.visibility or Visibility.SELECTED,
    }
    given = registry.model_dump(exclude_defaults=True, exclude={"selection", "repositories", "visibility", "account"})
    if isinstance(registry, EcrRegistry):
        providers = [github, *([accounts[registry.account]] if registry.account else [])]
        access = EcrPullAccess(name, {**given, **readers}, pulumi.ResourceOptions(providers=providers))
        pulumi.export(name, access.summary)
    elif isinstance(registry, LoginRegistry):
        given["password"] = config.require_secret(given.pop("password_from"))
        login = RegistryLogin(name, {**given, **readers}, pulumi.ResourceOptions(providers=[github]))
        pulumi.export(name, login.summary)
