"""A stack with providers, users and repositories of its own, and what its codespaces pull from two AWS accounts."""

import pulumi
import pulumi_aws as aws
import pulumi_github as github
from pulumi import ResourceOptions

import pulumi_codespaces as codespaces

config = pulumi.Config()
organization, region = config.require("organization"), config.require("region")
numbers: dict[str, str] = config.require_object("accounts")


def account(name: str) -> aws.Provider:
    """The AWS provider that works in an account."""
    role = aws.ProviderAssumeRoleArgs(role_arn=f"arn:aws:iam::{numbers[name]}:role/platform")
    return aws.Provider(name, region=region, assume_roles=[role])


# The stack as it is.
payments, shared = account("payments"), account("shared")
in_github = ResourceOptions(provider=github.Provider("github", owner=organization))
in_payments, in_shared = ResourceOptions(provider=payments), ResourceOptions(provider=shared)
deployer = aws.iam.User("deployer", name="deployer", opts=in_payments)
web = github.Repository("web", name="web", visibility="private", auto_init=True, opts=in_github)
api = aws.ecr.Repository("api", name="payments/api", opts=in_payments)
base = aws.ecr.Repository("base", name="shared/base", opts=in_shared)

# The addition: a user in one account, which the repository in the other one lets in.
pull = codespaces.EcrPullAccess(
    "payments",
    {
        "ecr_repositories": [api, base],
        "additional_registries": {"SHARED": f"{numbers['shared']}.dkr.ecr.{region}.amazonaws.com"},
        "selected_repositories": [web, "docs"],
    },
    ResourceOptions(providers=[payments, codespaces.Provider("codespaces", owner=organization)]),
)
policy = {"Version": "2012-10-17", "Statement": [pull.repository_policy_statement]}
aws.ecr.RepositoryPolicy("base", repository=base.name, policy=pulumi.Output.json_dumps(policy), opts=in_shared)
pulumi.export("payments", pull.summary)
