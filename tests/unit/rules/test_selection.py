"""Which repositories a selection means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.selection import Declared, Repository, check_declared, joined_and_left, resolve

WEB = Repository(11, "web", topics=frozenset({"payments"}))
API = Repository(12, "api", topics=frozenset({"payments", "go"}), properties={"team": "pay", "areas": ["a", "b"]})
DOCS = Repository(13, "docs", properties={"team": "docs", "areas": []})
OLD = Repository(14, "old", archived=True, topics=frozenset({"payments"}), properties={"team": "pay"})
ALL = [WEB, API, DOCS, OLD]


def of(*, names=(), topics=(), properties=None, ids=None):
    return Declared(tuple(names), tuple(topics), properties or {}, ids or {})


def resolved(declared, listing=ALL, seen=None, unseen=""):
    return resolve(declared, listing, seen or {}, "acme", unseen)


@pytest.mark.parametrize(
    ("declared", "members", "reasons"),
    [
        (of(names=["docs", "web"]), {"docs": 13, "web": 11}, {}),
        (of(names=["Web"]), {"Web": 11}, {}),
        (of(names=["web", "WEB"]), {"web": 11}, {}),
        (of(topics=["Payments"]), {"web": 11, "api": 12}, {"web": "topic Payments", "api": "topic Payments"}),
        (of(topics=["go", "rust"]), {"api": 12}, {"api": "topic go"}),
        (of(properties={"team": "pay"}), {"api": 12}, {"api": "property team=pay"}),
        (of(properties={"areas": "b"}), {"api": 12}, {"api": "property areas=b"}),
        (of(properties={"areas": "c", "team": "docs"}), {"docs": 13}, {"docs": "property team=docs"}),
        (of(ids={"made": 99}), {"made": 99}, {}),
        (of(names=["web"], topics=["payments"], ids={"given": 12}), {"web": 11, "given": 12}, {}),
    ],
)
def test_the_members(declared, members, reasons):
    result = resolved(declared)
    assert (result.repositories, result.reasons) == (members, reasons)
    assert (result.renamed, result.skipped, result.warnings) == ({}, {}, [])
    assert result.seen == {name: number for name, number in members.items() if name in declared.names}


def test_a_renamed_repository_is_followed_by_its_id():
    result = resolved(of(names=["site"]), seen={"site": 11})
    assert (result.repositories, result.renamed, result.seen) == ({"site": 11}, {"site": "web"}, {"site": 11})
    assert result.warnings == ["site is now called web and keeps its access; use web in the selection."]


def test_a_deleted_repository_is_left_out_and_not_forgotten():
    result = resolved(of(names=["gone", "web"]), seen={"gone": 50})
    assert (result.repositories, result.skipped, result.seen) == (
        {"web": 11}, {"gone": "deleted"}, {"gone": 50, "web": 11},
    )  # fmt: skip
    assert result.warnings == [
        "gone no longer exists in the organization and is left out; remove it from the selection."
    ]


def test_an_archived_repository_is_left_out_by_name_and_by_topic():
    result = resolved(of(names=["old"], topics=["payments"]))
    assert (result.repositories, result.skipped) == ({"web": 11, "api": 12}, {"old": "archived"})
    assert result.warnings == ["old is archived and is left out; remove it from the selection or unarchive it."]


@pytest.mark.parametrize(("before", "became"), [(13, "is now called docs"), (50, "is gone")])
def test_a_name_that_another_repository_took(before, became):
    result = resolved(of(names=["web"]), seen={"web": before})
    assert (result.repositories, result.seen) == ({"web": 11}, {"web": 11})
    (warning,) = result.warnings
    assert (
        f"the repository selected so far (id {before}) {became}, and the repository with id 11, which has the name"
        in warning
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "dosc",
            "organization acme has no repository 'dosc'; did you mean 'docs'? Select a repository that this program",
        ),
        ("billing", "organization acme has no repository 'billing'. Select a repository that this program creates in"),
    ],
)
def test_a_name_that_never_was(name, message):
    with pytest.raises(RuleViolation) as caught:
        resolved(of(names=["web", name]))
    assert message in str(caught.value)
    assert caught.value.argument == "names[1]"


def test_what_cannot_be_seen_is_not_taken_for_deleted():
    for declared, seen in ((of(names=["gone"]), {"gone": 50}), (of(names=["gone"]), {})):
        with pytest.raises(RuleViolation, match=r"no repository 'gone' \(or the App sees some only\)\."):
            resolved(declared, seen=seen, unseen="the App sees some only")
    for declared in (of(topics=["payments"]), of(properties={"team": "pay"}, names=["web"])):
        with pytest.raises(RuleViolation, match="the App sees some only, so topics and custom properties cannot be"):
            resolved(declared, unseen="the App sees some only")
    assert resolved(of(names=["web"]), unseen="the App sees some only").repositories == {"web": 11}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (of(), "the selection is empty: give `names`, `topics`, `properties` or `ids`."),
        (of(names=["acme/web"]), "names[0] 'acme/web': write the name without its owner: 'web'."),
        (of(names=["https://github.com/acme/web/"]), "write the name without its owner: 'web'."),
        (of(names=["web", ".."]), "names[1] '..' is not a valid repository name"),
        (of(names=["a b"]), "names[0] 'a b' is not a valid repository name"),
        (of(names=[""]), "names[0] '' is not a valid repository name"),
    ],
)
def test_what_nothing_can_be_made_of(declared, message):
    with pytest.raises(RuleViolation) as caught:
        check_declared(declared)
    assert message in str(caught.value)


def test_a_sound_declaration_passes():
    for declared in (of(names=["a.b-c_D1"]), of(topics=["x"]), of(properties={"a": "b"}), of(ids={"any name": 1})):
        check_declared(declared)


def test_who_joined_and_who_left_and_why():
    old = {"docs": 13, "old": 14, "gone": 50, "named": 60, "web": 11}
    new = {"web": 11, "api": 12, "declared": 70}
    messages = joined_and_left(old, new, {"api": "topic payments", "web": "topic payments"}, ["named"], ALL)
    assert messages == [
        "api joins: it has topic payments",
        "docs leaves: it no longer has the topic or property that selected it",
        "old leaves: it is archived",
        "gone leaves: it no longer exists in the organization",
    ]
    # When the program itself removed the topic, repositories that leave are not reported.
    assert joined_and_left(old, new, {}, [], None) == []


names = st.sampled_from(["web", "api", "docs", "old", "lab"])
repositories = st.lists(
    st.builds(Repository, st.integers(1, 9), names, st.booleans(), st.frozensets(st.sampled_from("ab"))),
    max_size=5,
    unique_by=(lambda repository: repository.id, lambda repository: repository.name),
)


def _selected_by_topic(listing, topics):
    return {repository.id for repository in listing if repository.topics & set(topics) and not repository.archived}


@given(st.lists(names, max_size=3), st.lists(st.sampled_from("abc"), max_size=2), repositories, st.data())
def test_nobody_is_a_member_twice_or_without_cause(chosen, topics, listing, data):
    """Whatever GitHub lists: members are live, and named, of the topic, or what the name meant before."""
    seen = data.draw(st.fixed_dictionaries({name: st.integers(1, 9) for name in chosen}))
    result = resolved(of(names=chosen, topics=topics), listing, seen)
    by_id = {repository.id: repository for repository in listing}
    for name, number in result.repositories.items():
        member = by_id[number]
        assert not member.archived
        assert name in chosen or (member.name == name and member.topics & set(topics))
    selected = _selected_by_topic(listing, topics)
    assert selected <= set(result.repositories.values())
    assert set(result.seen) == set(chosen)
    assert set(result.skipped) <= set(chosen)


LOST = Repository(50, "lost", topics=frozenset({"payments"}), moved_to="umbrella")


@pytest.mark.parametrize(
    "declared", [of(names=["lost"]), of(ids={"lost": 50}), of(ids={"lost": 50}, topics=["payments"])]
)
def test_a_transferred_repository_is_left_out_and_not_forgotten(declared):
    members = {"web": 11, "api": 12} if declared.topics else {}
    seen = {"lost": 50} if declared.names else {}
    result = resolved(declared, [*ALL, LOST], seen)
    assert (result.repositories, result.skipped, result.seen) == (members, {"lost": "transferred"}, {"lost": 50})
    assert result.warnings == ["lost was transferred to umbrella and is left out; remove it from the selection."]


def test_a_transferred_repository_is_none_of_the_organization():
    assert resolved(of(topics=["payments"]), [LOST]).repositories == {}
    with pytest.raises(RuleViolation, match=r"has no repository 'lots'\. Select"):
        resolved(of(names=["lots"]), [LOST])
    taken = resolved(of(names=["web"]), [*ALL, LOST], {"web": 50})
    assert taken.warnings[0].startswith(
        "web is now a different repository: the repository selected so far (id 50) was tr"
    )
    assert joined_and_left({"lost": 50}, {}, {}, [], [LOST]) == ["lost leaves: it was transferred to umbrella"]


def test_an_id_that_is_gone_is_left_out():
    result = resolve(of(ids={"made": 99, "gone": 50}), [], {}, "acme", gone={50})
    assert (result.repositories, result.skipped, result.seen) == ({"made": 99}, {"gone": "deleted"}, {"gone": 50})


SITE = Repository(20, "shop")


@pytest.mark.parametrize(
    ("declared", "members", "reasons"),
    [
        # The name of a repository goes to who is declared, and who is declared by id makes room for a declared name.
        (of(ids={"web": 20}, topics=["payments"]), {"web": 20, "web (11)": 11, "api": 12}, {"web (11)", "api"}),
        (of(ids={"web": 20}, names=["web"]), {"web": 11, "web (20)": 20}, set()),
        (of(ids={"docs": 11}, properties={"team": "docs"}), {"docs": 11, "docs (13)": 13}, {"docs (13)"}),
        (of(ids={"web": 11}, names=["web"], topics=["payments"]), {"web": 11, "api": 12}, {"api"}),
        (
            of(ids={"web": 20, "web (20)": 13}, names=["web"]),
            {"web": 11, "web (20)": 20, "web (20) (13)": 13},
            set(),
        ),
    ],
)
def test_a_member_never_takes_the_place_of_another_one_of_its_name(declared, members, reasons):
    result = resolved(declared, [*ALL, SITE])
    assert (result.repositories, set(result.reasons), result.warnings) == (members, reasons, [])


def test_an_id_that_is_left_out_does_not_take_the_place_of_a_name():
    result = resolve(of(ids={"web": 50}, names=["web"]), ALL, {}, "acme", gone={50})
    assert (result.repositories, result.skipped) == ({"web": 11}, {"web (50)": "deleted"})
    assert result.seen == {"web": 11, "web (50)": 50}


def test_a_member_never_takes_the_place_of_one_whose_id_is_not_known_yet():
    result = resolve(of(topics=["payments"]), ALL, {}, "acme", new=["web"])
    assert result.repositories == {"web (11)": 11, "api": 12}


@given(
    st.lists(names, max_size=3),
    st.dictionaries(names, st.integers(1, 9), max_size=3),
    st.lists(st.sampled_from("ab"), max_size=2),
    repositories,
)
def test_nobody_who_is_selected_is_lost(chosen, ids, topics, listing):
    by_name = {repository.name: repository for repository in listing}
    result = resolved(of(names=[name for name in chosen if name in by_name], topics=topics, ids=ids), listing)
    meant = {by_name[name].id for name in chosen if name in by_name and not by_name[name].archived} | {*ids.values()}
    meant |= _selected_by_topic(listing, topics)
    assert set(result.repositories.values()) == meant
