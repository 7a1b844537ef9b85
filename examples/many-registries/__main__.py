"""Codespaces of one team log in to every registry that it uses."""

import pulumi
import pulumi_aws as aws

import pulumi_codespaces as codespaces

config = pulumi.Config()
secret = config.require_secret
account = config.require("account")
team = codespaces.RepositorySelection("team", {"topics": [config.require("topic")]})

# Amazon ECR: a user of its own, whose key rotates, for two Regions.
ecr = codespaces.EcrPullAccess(
    "ecr",
    {
        "ecr_repositories": ["team/app", f"arn:aws:ecr:us-east-1:{account}:repository/team/app"],
        "additional_registries": {"ECR_US": f"{account}.dkr.ecr.us-east-1.amazonaws.com"},
        "selected_repositories": team,
    },
)
pulumi.export("ecr", ecr.summary)

# Amazon ECR of an account that has no room for a user: a token, which every update renews.
role = aws.ProviderAssumeRoleArgs(role_arn=config.require("sandboxRole"))
sandbox = aws.Provider("sandbox", region="eu-west-1", assume_roles=[role])

logins: dict[str, codespaces.Login] = {
    "sandbox": codespaces.ecr_token(opts=pulumi.InvokeOutputOptions(provider=sandbox)),
    # Amazon ECR of a partner, who gave us a key.
    "partner": {
        "server": config.require("partnerRegistry"),
        "user": config.require("partnerKeyId"),
        "password": secret("partnerKey"),
    },
    "azure": codespaces.azure_container_registry("acme", "codespaces-pull", secret("azurePassword")),
    "docker-hub": codespaces.docker_hub("acme", secret("dockerHubToken")),
    "ghcr": codespaces.github_container_registry("acme-bot", secret("ghcrToken")),
    "google": codespaces.google_container_registry(secret("googleKey"), "eu.gcr.io"),
    "google-artifacts": codespaces.google_artifact_registry("europe-west1", secret("googleKey")),
    "corp": {"server": "registry.acme.example", "user": "codespaces-pull", "password": secret("corpPassword")},
}
for name, login in logins.items():
    made = codespaces.RegistryLogin(name, {**login, "selected_repositories": team})
    pulumi.export(name, made.summary)

# npm: .npmrc reads these, as the README shows.
codespaces.OrganizationSecrets(
    "npm",
    {
        "secrets": {"NPM_TOKEN": secret("npmToken"), "PACKAGES_TOKEN": secret("packagesToken")},
        "selected_repositories": team,
    },
)
