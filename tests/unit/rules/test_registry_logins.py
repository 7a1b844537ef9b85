"""The users and passwords that the registries accept."""

from __future__ import annotations

import base64
import json

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.registry_logins import (
    as_published,
    check_credentials,
    check_scopes,
    ecr_pair,
    is_classic_token,
    one_line_key,
)

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KEY = json.dumps(
    {"type": "service_account", "private_key": "CANARY\nkey\n", "client_email": "puller@acme.iam.example"}, indent=2
)
HUB, GHCR, AZURE, GCR, PKG = (
    "https://index.docker.io/v1/",
    "ghcr.io",
    "acme.azurecr.io",
    "eu.gcr.io",
    "us-docker.pkg.dev",
)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("server", "user", "password"),
    [
        (HUB, "puller", "dckr_pat_CANARY"),
        (GHCR, "bot", "ghp_CANARY"),
        (AZURE, "pull-token", "CANARY"),
        (GCR, "_json_key", KEY),
        (PKG, "_json_key", KEY),
        (PKG, "_json_key_base64", encoded(KEY)),
        (ECR, "AKIAIOSFODNN7EXAMPLE", "CANARY"),
        ("registry.corp.example:5000", "anybody", "CANARY"),
    ],
)
def test_credentials_that_may_work(server, user, password):
    assert check_credentials(server, user, password) == ""


@pytest.mark.parametrize(
    ("server", "user", "password", "warning"),
    [
        (GHCR, "bot", "ghs_CANARY", "expires within hours"),
        (AZURE, "00000000-0000-0000-0000-000000000000", "CANARY", "expires after three hours"),
        (GCR, "oauth2accesstoken", "CANARY", "expires after an hour"),
        (ECR, "AWS", "CANARY", "expires after 12 hours"),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "AWS", "CANARY", "expires after 12 hours"),
    ],
)
def test_credentials_that_do_not_last(server, user, password, warning):
    assert warning in check_credentials(server, user, password)


@pytest.mark.parametrize(
    ("server", "user", "password", "message"),
    [
        ("containers.acme.ghe.com", "bot", "github_pat_CANARY", "it is a fine-grained token"),
        (GHCR, "bot", "github_pat_CANARY", "password of GitHub Container registry: it is a fine-grained token"),
        (GCR, "puller", KEY, "user of Google Container Registry: it is not a user name that Google accepts; give"),
        (PKG, "_json_key", "CANARY", "the key of a Google service account must be JSON"),
        (PKG, "_json_key", '["CANARY"]', "the key of a Google service account must be JSON"),
        (PKG, "_json_key", '{"type": "service_account"}', "it has no private_key and no client_email"),
        (PKG, "_json_key", KEY.replace("service_account", "user"), "its type is not service_account"),
        (PKG, "_json_key_base64", "CANARY!", "it is not valid base64"),
        (PKG, "_json_key_base64", encoded("CANARY"), "must be JSON"),
        (ECR, "ASIAIOSFODNN7EXAMPLE", "CANARY", "temporary access key, which needs a session token"),
        (ECR, "puller", "CANARY", "neither an access key id (AKIA…) nor AWS"),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "AKIAIOSFODNN7EXAMPLE", "CANARY",
         "is not known to be recognised by GitHub"),
    ],
)  # fmt: skip
def test_credentials_that_cannot_work(server, user, password, message):
    with pytest.raises(RuleViolation) as caught:
        check_credentials(server, user, password)
    assert message in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_key_on_one_line_is_the_same_key():
    assert "\n" not in one_line_key(KEY)
    assert json.loads(one_line_key(KEY)) == json.loads(KEY)


@pytest.mark.parametrize(
    ("server", "user", "is_pair"),
    [(ECR, "AKIAIOSFODNN7EXAMPLE", True), (ECR, "AWS", False), (AZURE, "AKIAIOSFODNN7EXAMPLE", False)],
)
def test_what_github_swaps(server, user, is_pair):
    assert ecr_pair(server, user) is is_pair


@pytest.mark.parametrize(
    ("server", "user", "password", "published"),
    [
        (GCR, "_json_key", KEY, json.dumps(json.loads(KEY))),
        (PKG, "_json_key", f"{json.dumps(json.loads(KEY))}\n", f"{json.dumps(json.loads(KEY))}\n"),
        (PKG, "_json_key", json.dumps(json.loads(KEY), separators=(",", ":")), None),
        (PKG, "oauth2accesstoken", "one\ntwo", None),
        (PKG, "_json_key_base64", encoded(KEY), None),
        (AZURE, "_json_key", KEY, None),
        ("registry.corp.example:5000", "_json_key", KEY, None),
    ],
)
def test_a_key_of_several_lines_is_published_on_one(server, user, password, published):
    assert as_published(server, user, password) == (published or password)


@pytest.mark.parametrize(
    ("token", "is_one"),
    [("ghp_CANARY0", True), ("ghp_", False), ("ghp_a b", False), ("ghp_é", False), ("ghs_CANARY", False), ("x", False)],
)
def test_classic_tokens(token, is_one):
    assert is_classic_token(token) is is_one


def test_the_scopes_of_a_token():
    for scopes in (["read:packages"], ["repo", "write:packages"]):
        check_scopes(GHCR, scopes)
    for scopes, listed in (([], "none"), (["repo", "delete:packages"], "delete:packages, repo")):
        with pytest.raises(RuleViolation) as caught:
            check_scopes(GHCR, scopes)
        assert str(caught.value) == (
            f"password of GitHub Container registry: the token lacks the scope read:packages (its scopes: {listed}); "
            "give a classic personal access token with the scope read:packages "
            "(https://docs.github.com/en/packages/working-with-a-github-packages-registry/working-with-the-container-registry)."
        )
