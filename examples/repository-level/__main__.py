"""Secrets for the codespaces of one repository alone: a registry login and further secrets."""

import pulumi
import pulumi_github as github

import pulumi_codespaces as codespaces

config = pulumi.Config()
shop = github.Repository("shop", name="shop", visibility="private", auto_init=True)

access = codespaces.EcrPullAccess("shop", {"ecr_repositories": ["shop/api"], "repository": shop})
pulumi.export("ecr", access.summary)

azure = codespaces.azure_container_registry("acme", "codespaces-pull", config.require_secret("azurePassword"))
login = codespaces.RegistryLogin("azure", {**azure, "repository": shop})
pulumi.export("azure", login.summary)

codespaces.RepositorySecrets(
    "npm",
    {
        "repository": shop,
        "secrets": {"NPM_TOKEN": config.require_secret("npmToken")},
    },
)
