"""Programs as large as GitHub allows: 33 registries have 99 of the 100 secrets that an organization may have.

Each kind of program exists twice: with this package, and with hand-written stock resources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rig.aws import DEFAULT_ACCOUNT

from .measuring import (
    REPLACED_IN_PLACE,
    ecr_server,
    names,
    organization,
    prefix_of,
    stock_head,
    stock_key,
    stock_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

REGIONS = [
    "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
    "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1",
    "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1", "mx-central-1",
    "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
]  # fmt: skip
"""One account has a registry in each."""
HOSTS = [f"team-{index:02}.azurecr.io" for index in range(len(REGIONS))]
"""As many registries that are not ECR."""

_OURS_HEAD = """
import pulumi
import pulumi_codespaces as codespaces

selected = codespaces.RepositorySelection("selected", {selection})
"""
_FASTEST = 'fastest = github.Provider("fastest", legacy_client=False)\n'
"""The default client of the stock provider waits a second after each write."""
_STOCK_OPTIONS = f"provider=fastest, {REPLACED_IN_PLACE}"


def seed(repositories: int, topic: str = "", with_topic: int = 0) -> dict[str, Any]:
    """An organization with so many repositories, and registries for all programs here."""
    regions = {region: {"payments/api": ["latest"]} for region in REGIONS}
    logins = {host: {"user": "pull", "password": password(1), "repositories": ["team/app"]} for host in HOSTS}
    return {
        "github": organization(repositories, topic, with_topic),
        "aws": {"accounts": {DEFAULT_ACCOUNT: {"repositories": regions}}, "registries": logins},
    }


def password(generation: int) -> str:
    """The password of each registry that is not ECR."""
    return f"password-of-generation-{generation}"


def by_name(count: int) -> str:
    """A selection of the first repositories by their names."""
    return repr({"names": names(count)})


def keys(generation: int, selection: str, regions: Sequence[str] = REGIONS) -> str:
    """A registry in each Region, each with a user and keys of its own."""
    return _OURS_HEAD.format(selection=selection) + "".join(
        f"""
codespaces.EcrPullAccess("pay-{region}", {{"ecr_repositories": ["payments/api"], "region": "{region}",
    "selected_repositories": selected, "key_generation": {generation}}})
"""
        for region in regions
    )


def stock_keys(generation: int, count: int, regions: Sequence[str] = REGIONS) -> str:
    """The same by hand."""
    return stock_head(count, _FASTEST) + "".join(
        stock_key(f"pay-{region}", generation, region)
        + stock_secrets(f"pay-{region}", ecr_server(region), options=_STOCK_OPTIONS)
        for region in regions
    )


def one_key(generation: int, selection: str, regions: Sequence[str] = REGIONS) -> str:
    """A registry in each Region, and one user and its keys for all of them."""
    first, *others = regions
    additional = {prefix_of(f"pay-{region}"): ecr_server(region) for region in others}
    arns = [f"arn:aws:ecr:*:{DEFAULT_ACCOUNT}:repository/payments/api"]
    return (
        _OURS_HEAD.format(selection=selection)
        + f"""
codespaces.EcrPullAccess("pay-{first}", {{"ecr_repositories": {arns}, "region": "{first}",
    "selected_repositories": selected, "additional_registries": {additional}, "key_generation": {generation}}})
"""
    )


def stock_one_key(generation: int, count: int, regions: Sequence[str] = REGIONS) -> str:
    """The same by hand."""
    secrets = [stock_secrets(f"pay-{region}", ecr_server(region), options=_STOCK_OPTIONS) for region in regions]
    return stock_head(count, _FASTEST) + stock_key("pay", generation, "*") + "".join(secrets)


def logins(generation: int, selection: str, hosts: Sequence[str] = HOSTS) -> str:
    """Registries with a given user and password."""
    return _OURS_HEAD.format(selection=selection) + "".join(
        f"""
codespaces.RegistryLogin("{host.partition(".")[0]}", {{"server": "{host}", "user": "pull",
    "password": pulumi.Output.secret("{password(generation)}"), "selected_repositories": selected}})
"""
        for host in hosts
    )


def stock_logins(generation: int, count: int, hosts: Sequence[str] = HOSTS) -> str:
    """The same by hand."""
    given = f'pulumi.Output.secret("{password(generation)}")'
    return stock_head(count, _FASTEST) + "".join(
        stock_secrets(host.partition(".")[0], host, '"pull"', given, _STOCK_OPTIONS) for host in hosts
    )
