import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.secret_names import (
    Triple,
    check_capacity,
    check_name,
    check_prefix,
    check_value_size,
    incomplete_triples,
    mixed_logins,
    near_miss,
    prefix_from,
    triples_in,
    write_order,
)

PREFIXES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,11}", fullmatch=True).filter(
    lambda prefix: prefix != "GITHUB" and not prefix.startswith("GITHUB_") and "_CONTAINER_REGISTRY" not in prefix
)


def refusal(call, *arguments):
    with pytest.raises(RuleViolation) as caught:
        call(*arguments)
    return caught.value


def test_names_of_a_triple_in_the_order_of_writing():
    assert Triple("PAYMENTS").names == (
        "PAYMENTS_CONTAINER_REGISTRY_USER",
        "PAYMENTS_CONTAINER_REGISTRY_PASSWORD",
        "PAYMENTS_CONTAINER_REGISTRY_SERVER",
    )
    assert (Triple("A").user, Triple("A").password, Triple("A").server) == Triple("A").names


def test_only_complete_triples_are_found_whatever_their_case():
    names = [name.lower() for name in Triple("B").names] + [
        *Triple("A").names,
        "C_CONTAINER_REGISTRY_USER",
        "NPM_TOKEN",
    ]
    assert triples_in(names) == [Triple("A"), Triple("B")]
    assert triples_in(["_CONTAINER_REGISTRY_USER", "_CONTAINER_REGISTRY_PASSWORD", "_CONTAINER_REGISTRY_SERVER"]) == []
    assert triples_in(Triple("A").names[:2]) == []


def test_triples_of_which_something_is_missing_whatever_their_case():
    names = [*Triple("A").names, "b_container_registry_server", "C_CONTAINER_REGISTRY_USER", "NPM_TOKEN"]
    assert incomplete_triples([*names, "C_CONTAINER_REGISTRY_SERVER"]) == {
        Triple("B"): [Triple("B").user, Triple("B").password],
        Triple("C"): [Triple("C").password],
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("A_CONTAINER_REGISTRY_PASS", Triple("A").password),
        ("a_container_registry_token", Triple("A").password),
        ("A_CONTAINER_REGISTRY_USERNAME", Triple("A").user),
        ("A_CONTAINER_REGISTRY_USER_NAME", Triple("A").user),
        ("A_B_CONTAINER_REGISTRY_HOST", Triple("A_B").server),
        ("A_CONTAINER_REGISTRY_LOGIN_SERVER", Triple("A").server),
        ("A_CONTAINER_REGISTY_USER", Triple("A").user),
        ("A_CONTAINERREGISTRY_SERVER", Triple("A").server),
        ("A_CONTANER_REGISTRY_PASWORD", Triple("A").password),
        (Triple("A").user, None),
        ("CONTAINER_REGISTRY_USER", None),
        ("_CONTAINER_REGISTRY_PASS", None),
        ("A_CONTAINER_REGISTRY", None),
        ("A_CONTAINER_REGISTRY_NAMESPACE", None),
        ("A_CONTAINER_REGISTRY_REGION", None),
        ("A_REGISTRY_USER", None),
        ("NPM_TOKEN", None),
        ("TOKEN", None),
    ],
)
def test_what_a_name_was_meant_to_be(name, meant):
    assert near_miss(name) == meant


def test_a_prefix_may_hold_the_suffix_of_another():
    strange = Triple("A_CONTAINER_REGISTRY_USER")
    assert triples_in([*Triple("A").names, *strange.names]) == [Triple("A"), strange]


def test_write_order_puts_each_server_last_and_other_names_first():
    names = {*Triple("B").names, *Triple("A").names, "NPM_TOKEN", "APP_KEY", "C_CONTAINER_REGISTRY_SERVER"}
    assert write_order(names) == [
        "APP_KEY",
        "NPM_TOKEN",
        *Triple("A").names,
        *Triple("B").names,
        "C_CONTAINER_REGISTRY_SERVER",
    ]
    assert write_order([Triple("A").server, Triple("A").password]) == [Triple("A").password, Triple("A").server]


@given(st.sets(PREFIXES, max_size=4), st.sets(PREFIXES, max_size=4), st.randoms(use_true_random=False))
def test_write_order_keeps_every_pair_together(prefixes, others, random):
    names = [*others, *(name for prefix in prefixes for name in Triple(prefix).names)]
    random.shuffle(names)
    order = write_order(names)
    assert sorted(order) == sorted(names)
    for triple in triples_in(names):
        at = order.index(triple.user)
        assert order[at : at + 3] == list(triple.names)
    assert set(order[: len(others)]) == others


@pytest.mark.parametrize(
    ("resource_name", "prefix"),
    [
        ("payments-prod", "PAYMENTS_PROD"),
        ("payments.prod/eu west", "PAYMENTS_PROD_EU_WEST"),
        ("-edge--case-", "EDGE_CASE"),
        ("ghcr", "GHCR"),
        ("githubber", "GITHUBBER"),
    ],
)
def test_prefix_from_a_resource_name(resource_name, prefix):
    assert prefix_from(resource_name) == prefix


def test_a_given_prefix_wins_and_is_kept_upper_case():
    assert prefix_from("3scale", "Three_Scale") == "THREE_SCALE"


@pytest.mark.parametrize(
    ("resource_name", "why"),
    [
        ("3scale", "it begins with a digit"),
        ("github", "GHCR is the usual prefix"),
        ("github-packages", "it begins with GITHUB_"),
        ("zürich-api", "it contains 'Ü'"),
        ("--", "it is empty"),
    ],
)
def test_a_resource_name_that_gives_no_prefix_is_refused_with_the_way_out(resource_name, why):
    violation = refusal(prefix_from, resource_name)
    assert violation.argument == "secret_prefix"
    assert repr(resource_name) in str(violation)
    assert why in str(violation)
    assert "Set secret_prefix" in str(violation)


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("GITHUB", "GHCR is the usual prefix"),
        ("github", "GHCR is the usual prefix"),
        ("GitHub_X", "begins with GITHUB_"),
        ("9LIVES", "begins with a digit"),
        ("PAY-MENTS", "contains '-'"),
        ("PAY MENTS!", "contains ' !'"),
        ("", "is empty"),
        ("ZAHLUNGEN_Ä", "contains 'Ä'"),
        ("1٣", "begins with a digit"),
        ("A٣", "contains '٣'"),
    ],
)
def test_a_prefix_that_github_would_refuse(prefix, why):
    violation = refusal(check_prefix, prefix)
    assert violation.argument == "secret_prefix"
    assert str(violation).startswith(f"secret_prefix {prefix!r}: ")
    assert why in str(violation)
    assert "https://docs.github.com/" in str(violation)
    with pytest.raises(RuleViolation):
        prefix_from("fine", prefix)


def test_a_whole_name_for_a_prefix_is_cut():
    assert "'PAYMENTS'" in str(refusal(check_prefix, "payments_container_registry_server"))
    assert refusal(check_prefix, "A_CONTAINER_REGISTRY_USER", "additional_registries.x").argument == (
        "additional_registries.x"
    )


@pytest.mark.parametrize("name", ["GITHUB", "_", "npm_token", "A" * 300, "GITHUBBER"])
def test_names_that_github_accepts(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("GITHUB_TOKEN", "secrets.GITHUB_TOKEN"),
        ("github_token", "secrets.github_token"),
        ("1PASSWORD", "secrets.1PASSWORD"),
        ("A B", "secrets.A B"),
        ("A\n", "secrets.A\n"),
        ("", ""),
    ],
)
def test_names_that_github_refuses(name, argument):
    violation = refusal(check_name, name)
    assert violation.argument == argument
    assert repr(name) in str(violation)
    assert refusal(check_name, name, "secrets.other").argument == "secrets.other"


@given(PREFIXES)
def test_a_valid_prefix_gives_valid_names(prefix):
    check_prefix(prefix)
    for name in Triple(prefix).names:
        check_name(name)
    assert triples_in(Triple(prefix).names) == [Triple(prefix)]
    assert prefix_from("any", prefix.lower()) == prefix


@given(st.text(st.sampled_from(string.printable + "éß"), max_size=20))
def test_a_prefix_from_any_resource_name_is_valid_or_refused(resource_name):
    try:
        prefix = prefix_from(resource_name)
    except RuleViolation:
        return
    assert re.fullmatch(r"[A-Z_][A-Z0-9_]*", prefix)
    for name in Triple(prefix).names:
        check_name(name)


def test_the_size_of_a_value_is_counted_in_bytes_and_the_value_kept_out_of_the_text():
    check_value_size("BIG", "x" * 49_152)
    check_value_size("BIG", "é" * 24_576)
    violation = refusal(check_value_size, "BIG", "é" * 24_577)
    assert violation.argument == "secrets.BIG"
    assert "49,154 bytes" in str(violation)
    assert "é" not in str(violation)


def names_of(triples, others=0):
    return {name for number in range(triples) for name in Triple(f"P{number}").names} | {f"O{n}" for n in range(others)}


def test_the_hundredth_secret_fits_and_the_next_does_not():
    check_capacity(names_of(33), {"LAST"}, "acme")
    violation = refusal(check_capacity, names_of(27, 18), Triple("NEW").names, "acme")
    assert violation.argument == ""
    assert str(violation).startswith(
        "this run adds 3 secrets to the 99 of organization acme: 102 of 100; 27 of 33 registries used."
    )
    assert "https://docs.github.com/" in str(violation)


def test_what_is_there_already_adds_nothing():
    check_capacity(names_of(33, 1), {name.lower() for name in Triple("P0").names}, "acme")
    check_capacity(names_of(0, 130), set(), "acme", limit=200)
    assert "adds 1 secret to the 100 of repository acme/web: 101 of 100" in str(
        refusal(check_capacity, names_of(33, 1), ["NEW", "new", "P1_CONTAINER_REGISTRY_USER"], "acme/web")
    )


@pytest.mark.parametrize(
    ("above", "below", "mixed"),
    [
        (["USER", "PASSWORD", "SERVER"], ["PASSWORD"], ["PASSWORD"]),
        (["USER", "PASSWORD", "SERVER"], ["USER", "PASSWORD"], ["USER", "PASSWORD"]),
        (["USER", "PASSWORD", "SERVER"], ["USER", "PASSWORD", "SERVER"], None),
        (["USER", "PASSWORD", "SERVER"], [], None),
        (["USER", "SERVER"], ["PASSWORD"], None),
        (["USER", "SERVER"], ["USER", "PASSWORD"], ["USER"]),
        (["USER"], ["USER"], None),
    ],
)
def test_logins_that_two_levels_make_together(above, below, mixed):
    def named(parts):
        return [f"A_CONTAINER_REGISTRY_{part}" for part in parts]

    lower = [name.lower() for name in named(below)]
    assert mixed_logins([*named(above), "OTHER"], lower) == ({Triple("A"): named(mixed)} if mixed else {})
