"""The programs that the campaign runs: with this package, and hand-written with stock resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rig.aws import DEFAULT_ACCOUNT, DEFAULT_REGION

from .operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .operations import Standing

ECR = f"{DEFAULT_ACCOUNT}.dkr.ecr.{DEFAULT_REGION}.amazonaws.com"
AZURE = "acme.azurecr.io"
ACCOUNTS = (("pull-1", "CANARY-azure-password-1"), ("pull-2", "CANARY-azure-password-2"))
"""The other registry's two users and their passwords, both of which it accepts all the time."""
READER_IDS = {"web": 11, "api": 12}

ROLE = "platform"
"""What this package's program assumes; it may do everything, and what connecting with it takes may go wrong too."""

_OURS = """
import pulumi
import pulumi_aws as aws
import pulumi_codespaces as codespaces

role = aws.ProviderAssumeRoleArgs(role_arn={role!r})
deployer = aws.Provider("deployer", region={region!r}, assume_roles=[role])
readers = {readers}
codespaces.EcrPullAccess("payments", {{
    "ecr_repositories": {repositories},
    "selected_repositories": readers,
    "key_generation": {generation},
    "keep_previous_key": {keep},
    "suspended": {suspended},
    "adopt_existing": {adopt},
    "verify_timeout_seconds": 90,
}}, pulumi.ResourceOptions(providers=[deployer]))
codespaces.RegistryLogin("azure", {{
    "server": {azure!r},
    "user": {user!r},
    "password": pulumi.Output.secret({password!r}),
    "selected_repositories": readers,
    "adopt_existing": {adopt},
}})
"""

_STOCK = """
import json
import pulumi
import pulumi_aws as aws
import pulumi_github as github

arns = ["arn:aws:ecr:{region}:{account}:repository/" + name for name in {repositories}]
user = aws.iam.User("payments", name="codespaces-payments", path="/codespaces/")
policy = aws.iam.UserPolicy("payments", user=user.name, policy=json.dumps({{"Version": "2012-10-17", "Statement": [
    {{"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"], "Resource": "*"}},
    {{"Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": arns}}]}}))
key = aws.iam.AccessKey("payments", user=user.name, opts=pulumi.ResourceOptions(replacement_trigger={generation}))
wanted = {{"PAYMENTS": {{"SERVER": {ecr!r}, "USER": key.id, "PASSWORD": key.secret}},
          "AZURE": {{"SERVER": {azure!r}, "USER": {user!r}, "PASSWORD": pulumi.Output.secret({password!r})}}}}
for prefix, parts in wanted.items():
    for part, value in parts.items():
        github.CodespacesOrganizationSecret(
            prefix + part, secret_name=prefix + "_CONTAINER_REGISTRY_" + part, visibility="selected",
            selected_repository_ids={ids}, plaintext_value=value, opts=pulumi.ResourceOptions({options}))
"""


@dataclass(frozen=True)
class Contender:
    """A program to compare.

    Attributes:
        name: as in the report.
        program: the text of a stack's program.
        operations: the operations that it supports.
    """

    name: str
    program: Callable[[Standing], str]
    operations: tuple[str, ...]


def _ours(standing: Standing) -> str:
    user, password = ACCOUNTS[standing.login]
    return _OURS.format(
        role=f"arn:aws:iam::{DEFAULT_ACCOUNT}:role/{ROLE}",
        region=DEFAULT_REGION,
        readers=["web", "api"] if standing.api_reads else ["web"],
        repositories=list(standing.repositories),
        generation=standing.generation,
        keep=standing.keep,
        suspended=standing.suspended,
        adopt=standing.adopt,
        azure=AZURE,
        user=user,
        password=password,
    )


def _stock(options: str) -> Callable[[Standing], str]:
    def program(standing: Standing) -> str:
        user, password = ACCOUNTS[standing.login]
        return _STOCK.format(
            region=DEFAULT_REGION,
            account=DEFAULT_ACCOUNT,
            repositories=list(standing.repositories),
            generation=standing.generation,
            ecr=ECR,
            azure=AZURE,
            user=user,
            password=password,
            ids=[READER_IDS["web"], *([READER_IDS["api"]] if standing.api_reads else [])],
            options=options,
        )

    return program


_STOCK_OPERATIONS = (
    "create",
    "the first rotation",
    "destroy",
    "a repository joins",
    "a repository leaves",
    "value change",
    "a wider policy",
    "a narrower policy",
)
CONTENDERS = {
    "ours": Contender("this package", _ours, tuple(OPERATIONS)),
    "stock": Contender("stock resources, default options", _stock(""), _STOCK_OPERATIONS),
    "stock-before": Contender(
        "stock, `delete_before_replace`", _stock("delete_before_replace=True"), _STOCK_OPERATIONS
    ),
}
