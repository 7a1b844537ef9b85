"""Codespaces of two GitHub organizations pull the same ECR repositories, each by a user of its own."""

import pulumi

import pulumi_codespaces as codespaces

config = pulumi.Config()
topics: dict[str, str] = config.require_object("topics")

for organization, topic in topics.items():
    token = config.require_secret(f"{organization}Token")
    github = codespaces.Provider(organization, owner=organization, token=token)
    pullers = codespaces.RepositorySelection(organization, {"topics": [topic]}, pulumi.ResourceOptions(provider=github))
    access = codespaces.EcrPullAccess(
        f"payments-{organization}",
        {
            "ecr_repositories": config.require_object("repositories"),
            "selected_repositories": pullers,
            "secret_prefix": "PAYMENTS",
        },
        pulumi.ResourceOptions(providers=[github]),
    )
    pulumi.export(organization, access.summary)
