import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.registries import (
    DOCKER_HUB,
    KNOWN_REGISTRIES,
    PrivateEcrRegistry,
    check_server,
    ecr_registry_host,
    known_registry,
    parse_ecr_host,
    same_registry,
)

ACCOUNT = "012345678901"


def refusal(call, *arguments):
    with pytest.raises(RuleViolation) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("region", "host", "partition"),
    [
        ("eu-west-1", f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "aws"),
        ("us-gov-west-1", f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.com", "aws-us-gov"),
        ("cn-northwest-1", f"{ACCOUNT}.dkr.ecr.cn-northwest-1.amazonaws.com.cn", "aws-cn"),
    ],
)
def test_the_hosts_that_github_recognises(region, host, partition):
    assert ecr_registry_host(ACCOUNT, region) == host
    assert ecr_registry_host(ACCOUNT, region, partition) == host
    assert parse_ecr_host(host) == PrivateEcrRegistry(ACCOUNT, region, host, partition)
    check_server(host)


@pytest.mark.parametrize(
    "region", ["eusc-de-east-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"]
)
def test_sovereign_and_isolated_regions_have_no_host_that_github_recognises(region):
    violation = refusal(ecr_registry_host, ACCOUNT, region)
    assert violation.argument == "region"
    assert "not known to be recognised by GitHub" in str(violation)
    assert "RegistryLogin" in str(violation)


def test_a_host_needs_an_account_a_region_and_a_partition():
    assert refusal(ecr_registry_host, "12345678901", "eu-west-1").argument == "account"
    assert refusal(ecr_registry_host, "\uff1012345678901", "eu-west-1").argument == "account"
    assert refusal(ecr_registry_host, ACCOUNT, "eu-west1").argument == "region"
    assert refusal(ecr_registry_host, ACCOUNT, "eu-west-1", "aws-moon").argument == "partition"
    assert ecr_registry_host(ACCOUNT, "xy-west-1", "aws") == f"{ACCOUNT}.dkr.ecr.xy-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "host",
    [
        f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com",
        f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws",
        f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws",
    ],
)
def test_other_forms_of_a_host_are_refused_with_the_classic_one(host):
    violation = refusal(parse_ecr_host, host, "additional_registries.EAST")
    assert violation.argument == "additional_registries.EAST"
    assert repr(host) in str(violation)
    assert f"write '{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com', which is the same registry" in str(violation)


def test_china_written_without_its_domain():
    text = str(refusal(parse_ecr_host, f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com"))
    assert f"write '{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn'" in text


@pytest.mark.parametrize(
    ("server", "way_out"),
    [
        (f"{ACCOUNT}.dkr.ecr.eusc-de-east-1.amazonaws.eu", "RegistryLogin with the user AWS"),
        (f"{ACCOUNT}.dkr.ecr.us-iso-east-1.c2s.ic.gov", "RegistryLogin with the user AWS"),
        ("public.ecr.aws", "public images need no login"),
        ("1234.dkr.ecr.eu-west-1.amazonaws.com", "12 digits"),
        (f"https://{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "without scheme"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/team/api", "without scheme, port and path"),
        (f"{ACCOUNT}.DKR.ECR.eu-west-1.amazonaws.com", "in lower case"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com\n", "is not the host of a private ECR registry"),
        (f"{ACCOUNT}.dkr.ecr.moon.amazonaws.com", "is not an AWS Region"),
        ("ghcr.io", "is not the host of a private ECR registry"),
    ],
)
def test_what_github_would_not_swap_a_key_for(server, way_out):
    violation = refusal(parse_ecr_host, server)
    assert violation.argument == "server"
    assert way_out in str(violation)


@given(st.from_regex(r"[0-9]{12}", fullmatch=True), st.sampled_from(["eu-west-1", "us-gov-east-1", "cn-north-1"]))
def test_a_host_parses_back(account, region):
    registry = parse_ecr_host(ecr_registry_host(account, region))
    assert (registry.account, registry.region) == (account, region)


@pytest.mark.parametrize(
    "server",
    [
        DOCKER_HUB,
        "ghcr.io",
        "acme.azurecr.io",
        "registry.example.com:5000",
        "localhost",
        "registry:5000",
        "10.0.0.1:443",
    ],
)
def test_servers_that_a_codespace_can_log_in_to(server):
    check_server(server)


@pytest.mark.parametrize(
    ("server", "way_out"),
    [
        ("https://ghcr.io", "a scheme does not belong here; write 'ghcr.io'"),
        ("HTTPS://ghcr.io/", "a scheme does not belong here; write 'ghcr.io'"),
        ("ghcr.io/acme/web", "a path does not belong here; write 'ghcr.io'"),
        ("ghcr.io/", "a path does not belong here; write 'ghcr.io'"),
        ("Acme.azurecr.io", "letter by letter, and images name them in lower case; write 'acme.azurecr.io'"),
        (" ghcr.io", "it contains white space; write 'ghcr.io'"),
        ("ghcr.io\n", "it contains white space; write 'ghcr.io'"),
        ("", "it is empty; write its host name"),
        ("acme", "as part of an image on Docker Hub, not as a registry; write its host name"),
        ("acme_registry.example.com", "this is not a valid host name; write its host name"),
        ("registry.example.com.", "this is not a valid host name"),
        ("registry.example.com:0", "a port is a number from 1 to 65535"),
        ("registry.example.com:65536", "a port is a number from 1 to 65535"),
        ("registry.example.com:https", "this is not a valid host name"),
        ("-acme.example.com", "this is not a valid host name"),
    ],
)
def test_servers_that_are_refused(server, way_out):
    violation = refusal(check_server, server)
    assert violation.argument == "server"
    assert repr(server) in str(violation)
    assert way_out in str(violation)
    assert "https://docs.github.com/" in str(violation)


@pytest.mark.parametrize(
    "server",
    [
        "docker.io",
        "hub.docker.com",
        "registry-1.docker.io",
        "index.docker.io",
        "Docker.IO",
        "www.docker.io",
        "registry.hub.docker.com",
        "https://index.docker.io/v1",
        "http://index.docker.io/v1/",
        "https://index.docker.io/v2/",
        "https://hub.docker.com/r/acme/web",
    ],
)
def test_docker_hub_is_known_by_its_literal_address_alone(server):
    assert f"write '{DOCKER_HUB}'" in str(refusal(check_server, server, "server"))


@pytest.mark.parametrize(
    "server",
    [
        "https://robot:hunter2@registry.example.com/v2/",
        "robot:hunter2@registry.example.com",
        "https://robot:hun/ter2@registry.example.com",
        "registry.example.com?token=hunter2",
        "https://registry.example.com/#hunter2",
        "robot:ter2@hub@docker.io",
    ],
)
def test_credentials_in_an_address_stay_out_of_the_text(server):
    for call in (check_server, parse_ecr_host):
        text = str(refusal(call, server))
        assert "ter2" not in text
        assert "robot" not in text


@given(st.text(max_size=30), st.text(st.characters(categories=["L", "N"]), min_size=6, max_size=12))
def test_no_user_name_before_an_at_sign_is_ever_shown(tail, credential):
    text = str(refusal(check_server, f"{credential}9x7q@{tail}"))
    assert f"{credential}9x7q" not in text or f"{credential}9x7q" in tail


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ghcr.io", "GHCR.io"),
        ("registry.example.com", "registry.example.com:443"),
        (DOCKER_HUB, "docker.io"),
        ("registry-1.docker.io", "https://hub.docker.com"),
        ("https://ghcr.io/acme", "ghcr.io"),
    ],
)
def test_one_registry_under_two_names(one, other):
    assert same_registry(one, other)
    assert same_registry(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ghcr.io", "gcr.io"),
        ("registry.example.com:5000", "registry.example.com"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", f"{ACCOUNT}.dkr.ecr.eu-west-2.amazonaws.com"),
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com"),
    ],
)
def test_two_registries(one, other):
    assert not same_registry(one, other)


@pytest.mark.parametrize(
    ("server", "name"),
    [
        (DOCKER_HUB, "Docker Hub"),
        ("ghcr.io", "GitHub Container registry"),
        ("acme.azurecr.io", "Azure Container Registry"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "Amazon ECR"),
        (f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws", "Amazon ECR"),
        ("gcr.io", "Google Container Registry"),
        ("eu.gcr.io", "Google Container Registry"),
        ("asia.gcr.io", "Google Container Registry"),
        ("europe-west3-docker.pkg.dev", "Google Artifact Registry"),
    ],
)
def test_known_registries(server, name):
    registry = known_registry(server)
    assert registry is not None
    assert registry.name == name


@pytest.mark.parametrize("server", ["quay.io", "ghcr.io.example.com", "xgcr.io", "public.ecr.aws", "azurecr.io"])
def test_unknown_registries(server):
    assert known_registry(server) is None


def test_every_known_registry_says_what_to_log_in_with_and_who_says_so():
    for registry in KNOWN_REGISTRIES:
        assert registry.user
        assert registry.password
        assert registry.source.startswith("https://")
