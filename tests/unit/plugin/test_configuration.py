"""The provider's configuration: the program before the environment, and what cannot work."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pulumi_codespaces.clients.credentials import AppInstallation
from pulumi_codespaces.plugin import configuration
from pulumi_codespaces.plugin.failures import InvalidInputs
from pulumi_codespaces.values import UNKNOWN, Secret, reveal

CANARY = "CANARY0123456789"
LOOPBACK = "http://127.0.0.1:8080/api/v3/"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("OWNER", "TOKEN", "BASE_URL", "APP_ID", "APP_INSTALLATION_ID", "APP_PEM_FILE"):
        monkeypatch.delenv(f"GITHUB_{name}", raising=False)
    return monkeypatch


@pytest.fixture(scope="module")
def pem():
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def refused(inputs):
    with pytest.raises(InvalidInputs) as caught:
        configuration.check(inputs)
    assert [failure.path for failure in caught.value.failures] == [""]
    assert CANARY not in str(caught.value)
    return str(caught.value)


def test_the_environment_fills_what_the_program_leaves_out(environment):
    environment.setenv("GITHUB_OWNER", "acme")
    environment.setenv("GITHUB_TOKEN", CANARY)
    environment.setenv("GITHUB_BASE_URL", "http://127.0.0.1:8080")
    inputs = configuration.check({})
    assert inputs == {"owner": "acme", "baseUrl": LOOPBACK}
    made = configuration.read(inputs)
    assert (made.owner, made.base_url, made.token, made.app_auth, made.complete) == (
        "acme", LOOPBACK, CANARY, None, True,
    )  # fmt: skip
    assert CANARY not in repr(made)


def test_the_program_goes_before_the_environment(environment):
    environment.setenv("GITHUB_OWNER", "acme")
    environment.setenv("GITHUB_TOKEN", "other")
    inputs = configuration.check({"owner": "umbrella", "token": CANARY, "baseUrl": "https://acme.ghe.com"})
    assert inputs == {"owner": "umbrella", "token": Secret(CANARY), "baseUrl": "https://api.acme.ghe.com/"}
    assert configuration.read(inputs).token == CANARY
    assert configuration.check(inputs) == inputs


def test_what_is_secret_by_nature_is_marked(pem):
    app = {"id": "1", "installationId": "2", "pemFile": pem}
    inputs = configuration.check({"owner": "acme", "token": CANARY, "appAuth": app})
    assert inputs["token"] == Secret(CANARY)
    assert inputs["appAuth"] == Secret(app)
    assert configuration.check({"owner": "acme", "token": Secret(CANARY)})["token"] == Secret(CANARY)


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("number", ["77", 77])
def test_an_app_is_given_by_the_program(pem, as_json, number):
    app = {"id": "Iv1.abc", "installationId": number, "pemFile": pem.replace("\n", "\\n")}
    given = json.dumps(app) if as_json else app
    made = configuration.read(configuration.check({"owner": "acme", "appAuth": Secret(given)})).app_auth
    assert made == AppInstallation("Iv1.abc", "77", pem)
    assert pem.splitlines()[3] not in repr(made)


def test_an_app_is_given_by_the_environment(environment, pem):
    environment.setenv("GITHUB_APP_ID", "12")
    environment.setenv("GITHUB_APP_INSTALLATION_ID", "77")
    environment.setenv("GITHUB_APP_PEM_FILE", pem)
    inputs = configuration.check({"owner": "acme"})
    assert "appAuth" not in inputs
    assert configuration.read(inputs).app_auth == AppInstallation("12", "77", pem)


def test_a_token_of_the_program_goes_before_the_app_of_the_environment(environment, pem):
    environment.setenv("GITHUB_APP_ID", "12")
    environment.setenv("GITHUB_APP_INSTALLATION_ID", "77")
    environment.setenv("GITHUB_APP_PEM_FILE", pem)
    made = configuration.read({"owner": "beta", "token": Secret(CANARY)})
    assert (made.token, made.app_auth) == (CANARY, None)
    app = AppInstallation("12", "78", pem)
    assert configuration.read({"owner": "beta", "appAuth": Secret({"installationId": "78"})}).app_auth == app
    both = {"owner": "beta", "appAuth": {"installationId": "78"}, "token": CANARY}
    assert configuration.read(both).app_auth == app


def test_a_line_end_after_a_token_is_taken_off():
    assert configuration.read({"owner": "acme", "token": "ghp_x\n"}).token == "ghp_x"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "no organization: set GITHUB_OWNER, or give the provider `owner`."),
        ({"owner": "acme"}, "no GitHub credentials: set GITHUB_TOKEN, or GITHUB_APP_ID"),
        ({"owner": "acme", "token": ""}, "no GitHub credentials"),
        ({"owner": "https://github.com/acme", "token": CANARY}, "owner 'https://github.com/acme' is not the login"),
        ({"owner": 7, "token": CANARY}, "owner must be a text."),
        ({"owner": "acme", "token": [CANARY]}, "token must be a text."),
        ({"owner": "acme", "token": CANARY, "baseUrl": {"a": 1}}, "base_url must be a text."),
        ({"owner": "acme", "token": f"{CANARY} {CANARY}"}, "contains blanks or other characters that are not valid"),
        ({"owner": "acme", "token": f"{CANARY}é"}, "contains blanks or other characters that are not valid"),
        ({"owner": "acme", "token": CANARY, "baseUrl": "ftp://x"}, "is not a complete address"),
        ({"owner": "acme", "appAuth": CANARY}, "app_auth must be a map with id, installation_id and pem_file."),
        ({"owner": "acme", "appAuth": f'["{CANARY}"]'}, "app_auth must be a map"),
        ({"owner": "acme", "appAuth": {"id": [CANARY]}}, "app_auth: id must be a text."),
        ({"owner": "acme", "appAuth": {"id": "1"}}, "app_auth lacks installation_id and pem_file:"),
        ({"owner": "acme", "appAuth": {"id": "1", "installationId": "x", "pemFile": CANARY}}, "'x' must be a number"),
        (
            {"owner": "acme", "appAuth": {"id": "1", "installationId": "2", "pemFile": f"/{CANARY}.pem"}},
            (
                "is not a private key in PEM format; give the contents of the file that you downloaded from "
                "GitHub, not its name."
            ),
        ),
    ],
)
def test_what_cannot_work_is_told_without_what_is_secret(inputs, message):
    assert message in refused(inputs)


def test_what_is_not_known_yet_is_left_open(environment):
    assert configuration.read({"owner": UNKNOWN, "token": Secret("x")}).complete is False
    inputs = configuration.check({"owner": UNKNOWN, "token": "x"})
    assert inputs == {"owner": UNKNOWN, "token": Secret("x"), "baseUrl": "https://api.github.com/"}
    environment.setenv("GITHUB_OWNER", "acme")
    inputs = configuration.check({"token": Secret(UNKNOWN)})
    assert inputs == {"owner": "acme", "token": Secret(UNKNOWN), "baseUrl": "https://api.github.com/"}
    assert refused({"token": Secret(UNKNOWN), "owner": "a/b"})


def test_another_organization_is_another_provider_and_other_credentials_are_not():
    old = {"owner": "acme", "baseUrl": "https://api.github.com/", "token": Secret("one")}
    for change, changed, replaces in (
        ({}, [], []),
        ({"token": Secret("two")}, ["token"], []),
        ({"token": "one"}, [], []),
        ({"appAuth": Secret({"id": "1"})}, ["appAuth"], []),
        ({"owner": "umbrella"}, ["owner"], ["owner"]),
        ({"owner": "ACME"}, [], []),
        ({"baseUrl": LOOPBACK, "owner": "umbrella"}, ["owner", "baseUrl"], ["owner", "baseUrl"]),
        ({"owner": UNKNOWN}, ["owner"], []),
    ):
        new = old | change
        assert (configuration.changed(old, new), configuration.replaces(old, new)) == (changed, replaces)
    # The default provider of `pulumi import` has nothing in the state.
    assert configuration.replaces({}, reveal(old)) == []
