"""Codespaces of the repositories with a topic pull from Amazon ECR."""

import pulumi

import pulumi_codespaces as codespaces

config = pulumi.Config()

access = codespaces.EcrPullAccess(
    "payments",
    {
        "ecr_repositories": config.require_object("repositories"),
        "selected_repositories": codespaces.RepositorySelection("payments", {"topics": [config.require("topic")]}),
        "key_generation": config.require_int("keyGeneration"),
    },
)
pulumi.export("payments", access.summary)
