import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.repository_arns import (
    PARTITIONS,
    RepositoryArn,
    check_account,
    check_ecr_repository_name,
    partition_of,
)

ACCOUNT = "123456789012"
NAMES = st.from_regex(r"[a-z0-9]{1,9}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,9}){0,2}", fullmatch=True).filter(
    lambda name: len(name) > 1
)


def refusal(call, *arguments):
    with pytest.raises(RuleViolation) as caught:
        call(*arguments)
    return caught.value


def test_every_region_that_botocore_knows_is_in_its_partition():
    from botocore.session import Session

    session = Session()
    documented = {
        partition: session.get_available_regions("ecr", partition) for partition in session.get_available_partitions()
    }
    assert set(documented) == set(PARTITIONS)
    regions = [(partition, region) for partition, names in documented.items() for region in names]
    assert len(regions) > 30
    assert [(partition_of(region), region) for _, region in regions] == regions


@pytest.mark.parametrize("region", ["", "eu-west-1a", "EU-WEST-1", "eu_west_1", "gov-1", "aws-global", "eu-west-1\n"])
def test_what_is_no_region(region):
    violation = refusal(partition_of, region, "region")
    assert violation.argument == "region"
    assert repr(region) in str(violation)


def test_accounts():
    check_account("000000000001")
    for account in ("1", "1234567890123", "12345678901a", "١٢٣٤٥٦٧٨٩٠١٢", ""):
        assert refusal(check_account, account).argument == "account"


@given(NAMES, st.sampled_from(["eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1"]))
def test_an_arn_parses_back(name, region):
    arn = RepositoryArn.of(name, ACCOUNT, region)
    assert str(arn) == f"arn:{partition_of(region)}:ecr:{region}:{ACCOUNT}:repository/{name}"
    assert RepositoryArn.parse(str(arn)) == arn
    assert RepositoryArn.of(str(arn), "999999999999", "us-east-1") == arn


@pytest.mark.parametrize("name", ["team/*", "*", "team-*/api", "team/ap?", "a/b/*"])
def test_patterns_are_allowed(name):
    assert str(RepositoryArn.of(name, ACCOUNT, "eu-west-1")).endswith(f":repository/{name}")


def test_any_region_is_allowed_where_the_partition_is_named():
    arn = f"arn:aws-cn:ecr:*:{ACCOUNT}:repository/api"
    assert str(RepositoryArn.parse(arn)) == arn


@pytest.mark.parametrize(
    ("arn", "why"),
    [
        (f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository", "is not the ARN of an ECR repository"),
        (f"arn:aws:ecr:eu-west-1:{ACCOUNT}:image/api", "is not the ARN of an ECR repository"),
        (f"arn:aws:ecr-public::{ACCOUNT}:repository/api", "is not the ARN of an ECR repository"),
        ("arn:aws:s3:::bucket", "is not the ARN of an ECR repository"),
        (f"arn:moon:ecr:eu-west-1:{ACCOUNT}:repository/api", "its partition must be one of aws, aws-cn"),
        (f"arn:aws:ecr:cn-north-1:{ACCOUNT}:repository/api", "is in partition aws-cn; write arn:aws-cn:"),
        (f"arn:aws:ecr:eu-west1:{ACCOUNT}:repository/api", "is not an AWS Region"),
        ("arn:aws:ecr:eu-west-1:*:repository/api", "has 12 digits"),
        (f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/API", "lower-case: 'api'"),
        (f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/api:v1", "leave out the tag and the digest"),
        (f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/", "2 to 256 characters"),
    ],
)
def test_arns_that_are_refused(arn, why):
    violation = refusal(RepositoryArn.parse, arn, "ecr_repositories[3]")
    assert violation.argument == "ecr_repositories[3]"
    assert why in str(violation)


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("a", "2 to 256 characters"),
        ("a" * 257, "2 to 256 characters"),
        ("*" * 257, "2 to 256 characters"),
        ("Payments/API", "lower-case: 'payments/api'"),
        ("payments/api:latest", "whole repositories: 'payments/api'"),
        ("payments/api@sha256:abc", "whole repositories: 'payments/api'"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/payments/api", "registry's host: 'payments/api'"),
        ("/payments", "each part between slashes"),
        ("payments/", "each part between slashes"),
        ("Pay..ments", "each part between slashes"),
        ("Payments/*", "lower-case: 'payments/*'"),
        ("pay..ments", "each part between slashes"),
        ("pay___ments", "each part between slashes"),
        ("pay ments/*", "each part between slashes"),
        ("${aws:username}/*", "each part between slashes"),
    ],
)
def test_names_that_no_repository_can_have(name, way_out):
    violation = refusal(check_ecr_repository_name, name)
    assert violation.argument == "ecr_repositories"
    assert repr(name) in str(violation)
    assert way_out in str(violation)


def test_a_name_of_256_characters():
    check_ecr_repository_name("a" * 256)
    check_ecr_repository_name("a---b__c.d/e_f")
