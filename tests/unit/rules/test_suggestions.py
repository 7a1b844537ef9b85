import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_codespaces.rules.suggestions import did_you_mean

REPOSITORIES = ["payments-api", "payments-web", "docs", "checkout", "infra-live", "a"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Payments_API", "payments-api"),
        ("paymentsapi", "payments-api"),
        ("api-payments", "payments-api"),
        ("paymnets-api", "payments-api"),
        ("payments-apis", "payments-api"),
        ("live", "infra-live"),
        ("docs-site", "docs"),
        ("chekout", "checkout"),
    ],
)
def test_finds_what_was_meant(word, meant):
    assert did_you_mean(word, REPOSITORIES) == f"; did you mean '{meant}'?"


@pytest.mark.parametrize("word", ["warehouse", "b", "", "--", "pa", "web2api3docs"])
def test_says_nothing_rather_than_something_far_off(word):
    assert did_you_mean(word, REPOSITORIES) == ""


def test_nothing_to_choose_from():
    assert did_you_mean("docs", []) == ""


def test_a_rename_goes_to_the_choice_with_the_least_added():
    assert did_you_mean("docs", ["docs-warehouse-archive", "docs-logistics"]) == "; did you mean 'docs-logistics'?"


def test_the_first_of_equals_whatever_their_order():
    for choices in (["docs_x", "docs-x", "DOCS-X"], ["DOCS-X", "docs-x", "docs_x"]):
        assert did_you_mean("docsx", choices) == "; did you mean 'DOCS-X'?"
    for choices in (["docs-warehouse", "docs-logistics"], ["docs-logistics", "docs-warehouse"]):
        assert did_you_mean("docs", choices) == "; did you mean 'docs-logistics'?"


@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=8), st.randoms(use_true_random=False))
def test_suggests_only_choices_whatever_their_order(word, choices, random):
    answer = did_you_mean(word, choices)
    assert answer == "" or answer in {f"; did you mean {choice!r}?" for choice in choices}
    random.shuffle(choices)
    assert did_you_mean(word, choices) == answer
