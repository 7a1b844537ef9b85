import json
import re

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.packing import pack
from pulumi_codespaces.rules.policies import (
    characters,
    login_document,
    pull_document,
    repository_policy_statement,
)
from pulumi_codespaces.rules.repository_arns import RepositoryArn

ACCOUNT = "123456789012"

# What AWS's service authorization reference says of the actions: the resource types that they know.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
RESOURCE_TYPES = {
    "ecr:BatchCheckLayerAvailability": "repository",
    "ecr:BatchGetImage": "repository",
    "ecr:BatchImportUpstreamImage": "repository",
    "ecr:CreateRepository": "repository",
    "ecr:GetAuthorizationToken": None,
    "ecr:GetDownloadUrlForLayer": "repository",
    "sts:GetServiceBearerToken": None,
}


def arn(name, region="eu-west-1"):
    return RepositoryArn.of(name, ACCOUNT, region)


def lint(document):
    """What AWS's own linter would find in a document that allows: nothing, or it fails."""
    assert re.fullmatch(r"[\t\n\r\u0020-\u00ff]+", document)
    policy = json.loads(document)
    assert list(policy) == ["Version", "Statement"]
    assert policy["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert len(set(sids)) == len(sids) > 0
    for statement in policy["Statement"]:
        assert list(statement) == ["Sid", "Effect", "Action", "Resource"]
        assert re.fullmatch("[A-Za-z0-9]+", statement["Sid"])
        assert statement["Effect"] == "Allow"
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        types = {RESOURCE_TYPES[action] for action in actions}
        assert len(types) == 1
        if types == {None}:
            assert statement["Resource"] == "*"
        else:
            assert statement["Resource"] == sorted(set(statement["Resource"])) != []
            for resource in statement["Resource"]:
                assert str(RepositoryArn.parse(resource)) == resource


def test_the_login_policy_to_the_letter():
    assert login_document() == (
        '{"Version":"2012-10-17","Statement":['
        '{"Sid":"Login","Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"},'
        '{"Sid":"Swap","Effect":"Allow","Action":"sts:GetServiceBearerToken","Resource":"*"}]}'
    )
    lint(login_document())


def test_the_pull_policy_to_the_letter():
    document = pull_document([arn("payments/worker"), arn("payments/api"), arn("payments/api")])
    assert document == (
        '{"Version":"2012-10-17","Statement":[{"Sid":"Pull","Effect":"Allow","Action":'
        '["ecr:BatchCheckLayerAvailability","ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Resource":'
        '["arn:aws:ecr:eu-west-1:123456789012:repository/payments/api",'
        '"arn:aws:ecr:eu-west-1:123456789012:repository/payments/worker"]}]}'
    )
    lint(document)


def test_a_pull_through_cache_adds_its_two_writing_actions_below_its_prefix_only():
    document = pull_document([arn("docker-hub/library/alpine")], [arn("docker-hub/*")])
    assert document == (
        '{"Version":"2012-10-17","Statement":[{"Sid":"Pull","Effect":"Allow","Action":'
        '["ecr:BatchCheckLayerAvailability","ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Resource":'
        '["arn:aws:ecr:eu-west-1:123456789012:repository/docker-hub/library/alpine"]},'
        '{"Sid":"PullThroughCache","Effect":"Allow","Action":["ecr:BatchImportUpstreamImage","ecr:CreateRepository"],'
        '"Resource":["arn:aws:ecr:eu-west-1:123456789012:repository/docker-hub/*"]}]}'
    )
    lint(document)


def test_a_policy_of_a_cache_alone_has_no_empty_statement():
    document = pull_document([], [arn("docker-hub/*")])
    assert [statement["Sid"] for statement in json.loads(document)["Statement"]] == ["PullThroughCache"]
    lint(document)


def test_a_suspension_denies_everything_and_keeps_the_rest():
    plain, suspended = json.loads(login_document()), json.loads(login_document(suspended=True))
    assert suspended["Statement"] == [
        *plain["Statement"],
        {"Sid": "Suspend", "Effect": "Deny", "Action": "*", "Resource": "*"},
    ]


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-isof-south-1"])
def test_documents_of_every_partition_and_layout_are_sound(region):
    for count in (1, 17, 60, 200):
        names = [f"team-{number % 7}/service-{number}" for number in range(count)]
        for policy in pack([*names, "hub/*"], ["hub"]):
            lint(policy.document(ACCOUNT, region))


def test_white_space_does_not_count():
    document = json.dumps(json.loads(login_document()), indent=4)
    assert characters(document) == characters(login_document()) == len(login_document()) < len(document)


def test_the_statement_for_another_account_names_one_principal_and_only_pulls():
    principal = f"arn:aws:iam::{ACCOUNT}:user/codespaces/codespaces-payments"
    assert repository_policy_statement(principal) == {
        "Sid": "CodespacesPull",
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }
    assert repository_policy_statement(principal, "Payments")["Sid"] == "Payments"


@pytest.mark.parametrize(
    "principal",
    ["*", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:user/*", f"arn:aws:sts::{ACCOUNT}:user/x"],
)
def test_a_wider_principal_is_refused(principal):
    with pytest.raises(RuleViolation, match="one user or role") as caught:
        repository_policy_statement(principal)
    assert caught.value.argument == "principal_arn"
