"""Which GitHub an address means."""

from __future__ import annotations

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.github_host import PUBLIC_API, api_base_url, api_of_registry, check_login


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, PUBLIC_API),
        ("", PUBLIC_API),
        ("https://github.com", PUBLIC_API),
        ("https://GitHub.com/", PUBLIC_API),
        ("https://www.github.com/", PUBLIC_API),
        ("https://api.github.com/", PUBLIC_API),
        ("https://acme.ghe.com", "https://api.acme.ghe.com/"),
        ("https://acme.ghe.com/api/v3/", "https://api.acme.ghe.com/"),
        ("https://api.acme.ghe.com/", "https://api.acme.ghe.com/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v3/"),
        ("http://127.0.0.1:8080/api/v3/", "http://127.0.0.1:8080/api/v3/"),
        ("http://localhost:1/", "http://localhost:1/api/v3/"),
        ("https://[::1]:443/x", "https://[::1]:443/api/v3/"),
    ],
)
def test_an_address_means_an_api(given, meant):
    assert api_base_url(given) == meant
    assert api_base_url(meant) == meant


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("http://github.com/", "http would send the token unencrypted; use https"),
        ("http://10.0.0.1/", "http would send the token unencrypted"),
        ("https://github.acme.com", "github.acme.com is neither github.com nor a ghe.com tenant. GitHub Enterprise"),
        ("https://ghe.com.evil.example/", "ghe.com.evil.example is neither"),
        ("https://evilghe.com/", "evilghe.com is neither"),
        ("github.com", "is not a complete address; use one such as 'https://api.github.com/'"),
        ("ftp://github.com", "is not a complete address"),
        ("https://", "is not a complete address"),
        ("http://[::1", "is not a complete address"),
        ("http://127.0.0.1:port/", "is not a complete address"),
    ],
)
def test_other_addresses_are_refused(given, message):
    with pytest.raises(RuleViolation) as caught:
        api_base_url(given)
    assert message in str(caught.value)
    assert (caught.value.argument, repr(given) in str(caught.value)) == ("base_url", True)


@pytest.mark.parametrize(
    "given", ["https://me:CANARY@github.com/", "http://CANARY@127.0.0.1:1/", "http://:CANARY@[::1"]
)
def test_credentials_in_an_address_are_refused_and_not_repeated(given):
    with pytest.raises(RuleViolation) as caught:
        api_base_url(given)
    assert "contains a user name or a password" in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_login_stands_alone():
    for login in ("acme", "Acme-Corp", "a", "acme_corp", "007"):
        check_login(login)
    for login in ("acme/web", "https://github.com/acme", "@acme", "acme ", "acme.com", "", "..", "a?b", "ä"):
        with pytest.raises(RuleViolation) as caught:
            check_login(login)
        assert repr(login) in str(caught.value)
        assert caught.value.argument == "owner"


@pytest.mark.parametrize(
    ("server", "base_url", "api"),
    [
        ("ghcr.io", PUBLIC_API, PUBLIC_API),
        ("ghcr.io", "https://api.acme.ghe.com/", PUBLIC_API),
        ("containers.acme.ghe.com", PUBLIC_API, "https://api.acme.ghe.com/"),
        ("ghcr.io", "http://127.0.0.1:8080/api/v3/", "http://127.0.0.1:8080/api/v3/"),
        ("containers.acme.ghe.com", "http://localhost/api/v3/", "http://localhost/api/v3/"),
        ("acme.azurecr.io", "http://127.0.0.1:8080/api/v3/", ""),
        ("ghcr.io.example", PUBLIC_API, ""),
        ("containers.ghe.com", PUBLIC_API, ""),
    ],
)
def test_which_github_knows_the_tokens_of_a_registry(server, base_url, api):
    assert api_of_registry(server, base_url) == api
