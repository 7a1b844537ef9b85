"""The state machine of the two key slots, decision by decision; whole histories are in the plugin's tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.rotation import (
    SLOTS,
    Movement,
    Rotation,
    Slot,
    check_generation,
    first_rotation,
    movement,
    next_rotation,
)
from pulumi_codespaces.rules.secret_names import Triple

ONE, TWO = Triple("ONE"), Triple("TWO")


def stamp(minute: int, second: int = 0) -> str:
    """As GitHub writes a time."""
    return f"2026-11-25T12:{minute:02}:{second:02}Z"


def written(minute: int, *triples: Triple) -> dict[str, str]:
    """The marks of registries that were written whole at one time."""
    return {name: stamp(minute) for triple in triples or (ONE,) for name in triple.names}


def standing(generation: int = 2, *, current: str = "b", published: str | None = "a", **changes: object) -> Rotation:
    """A rotation whose slot b was decided to be published at time 1."""
    given_ = {
        "generation": generation,
        "slots": {"a": Slot(1, 1), "b": Slot(generation, 2)},
        "current": current,
        "published": published,
        "serial": 2,
        "at": written(1),
        "statuses": {"a": "Active", "b": "Active"},
    }
    return Rotation(**{**given_, **changes})  # type: ignore[arg-type]


def decide(old: Rotation, generation: int, marks: dict[str, str], *triples: Triple, keep: bool = True) -> Rotation:
    return next_rotation(old, generation, keep_previous_key=keep, triples=triples or (ONE,), marks=marks)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", Movement.ABSENT),
        ("ups", "ups", Movement.UNTOUCHED),
        ("", "UPS", Movement.PUBLISHED),
        ("ups", "UPS", Movement.PUBLISHED),
        ("up", "UPS", Movement.PUBLISHED),
        ("ups", "Ups", Movement.PARTIAL),
        ("ups", "UPs", Movement.PARTIAL),
        ("ups", "upS", Movement.PARTIAL),
        ("ups", "up", Movement.PARTIAL),
        ("ups", "", Movement.PARTIAL),
        ("", "U", Movement.PARTIAL),
        ("up", "up", Movement.PARTIAL),
        ("ups", "UP", Movement.PARTIAL),
    ],
)
def test_movement(before: str, after: str, expected: Movement) -> None:
    """A letter stands for an existing secret, a capital for one written since."""
    names = dict(zip("ups", ONE.names, strict=True))
    at = {names[letter]: stamp(1) for letter in before}
    now = {names[letter.lower()]: stamp(2 if letter.isupper() else 1) for letter in after}
    assert movement(ONE, at, now) is expected


@pytest.mark.parametrize(
    ("user", "password", "server", "expected"),
    [
        (stamp(5), stamp(5), stamp(5), Movement.PUBLISHED),
        (stamp(5), stamp(5, 20), stamp(6, 10), Movement.PUBLISHED),
        (stamp(5), stamp(6), stamp(7), Movement.PUBLISHED),
        # Somebody edits one of them later, such as after the other two were put back.
        (stamp(5), stamp(5), stamp(6, 1), Movement.PARTIAL),
        (stamp(5), stamp(6, 1), stamp(6, 1), Movement.PARTIAL),
        (stamp(7), stamp(5), stamp(5), Movement.PARTIAL),
        (stamp(5), stamp(5, 1), stamp(5), Movement.PARTIAL),
    ],
)
def test_a_publication_is_written_at_one_go(user: str, password: str, server: str, expected: Movement) -> None:
    now = dict(zip(ONE.names, (user, password, server), strict=True))
    assert movement(ONE, written(1), now) is expected
    assert movement(ONE, {}, now) is expected


def test_the_first_rotation_publishes_slot_a() -> None:
    assert first_rotation(5, {}) == Rotation(
        generation=5,
        slots={"a": Slot(5, 1), "b": Slot(0, 0)},
        current="a",
        published=None,
        serial=1,
        at={},
        statuses={"a": "Active", "b": "Inactive"},
    )


@pytest.mark.parametrize("marks", [written(1), written(2), {}, {ONE.user: stamp(2)}])
def test_nothing_changes_while_the_generation_stands(marks: dict[str, str]) -> None:
    old = standing()
    assert decide(old, 2, marks) is old


def test_a_published_generation_is_followed_by_a_key_in_the_other_slot() -> None:
    new = decide(standing(), 3, written(2))
    assert (new.current, new.published, new.serial) == ("a", "b", 3)
    assert new.slots == {"a": Slot(3, 3), "b": Slot(2, 2)}
    assert new.at == written(2)
    assert new.statuses == {"a": "Active", "b": "Active"}


def test_a_generation_that_was_not_published_is_renewed_in_its_own_slot() -> None:
    """The flip of the slots would renew the key that codespaces hold."""
    new = decide(standing(), 3, written(1))
    assert (new.current, new.published) == ("b", "a")
    assert new.slots == {"a": Slot(1, 1), "b": Slot(3, 3)}


def test_going_back_to_what_is_published_renews_nothing() -> None:
    new = decide(standing(), 1, written(1))
    assert (new.current, new.published, new.serial) == ("a", "a", 2)
    assert new.slots == standing().slots


def test_a_number_that_is_used_again_makes_a_new_key() -> None:
    old = decide(standing(3, slots={"a": Slot(2, 1), "b": Slot(3, 2)}), 4, written(2))
    again = decide(old, 3, written(3))
    assert (again.current, again.slots["b"]) == ("b", Slot(3, 4))


def test_a_jump_renews_one_slot_once() -> None:
    new = decide(standing(), 9, written(2))
    assert new.slots == {"a": Slot(9, 3), "b": Slot(2, 2)}


@pytest.mark.parametrize("generation", [1, 3])
@pytest.mark.parametrize("left", [ONE.names[:1], ONE.names[:2], ONE.names[2:]])
def test_a_publication_that_is_not_finished_has_to_be_finished_first(generation: int, left: tuple[str, ...]) -> None:
    marks = written(1) | dict.fromkeys(left, stamp(2))
    with pytest.raises(RuleViolation) as refused:
        decide(standing(), generation, marks)
    assert refused.value.argument == "key_generation"
    assert f"run `pulumi up` with key_generation 2, then set {generation} again" in str(refused.value)
    assert decide(standing(), 2, marks) == standing()


def test_two_registries_that_publish_different_keys_have_to_agree_first() -> None:
    old = standing(at=written(1, ONE, TWO))
    with pytest.raises(RuleViolation, match="is not fully published"):
        decide(old, 3, written(2, ONE) | written(1, TWO), ONE, TWO)
    assert decide(old, 3, written(2, ONE, TWO), ONE, TWO).current == "a"
    assert decide(old, 3, written(1, ONE, TWO), ONE, TWO).current == "b"


def test_a_registry_that_was_not_published_yet_has_no_say() -> None:
    new = decide(standing(), 3, written(2, ONE), ONE, TWO)
    assert (new.current, new.published) == ("a", "b")


def test_before_anything_was_published_the_current_slot_is_renewed() -> None:
    new = decide(first_rotation(2, {}), 3, {})
    assert (new.current, new.published, new.slots["a"]) == ("a", None, Slot(3, 2))
    assert new.statuses == {"a": "Active", "b": "Inactive"}


def test_generation_1_has_no_slot_b() -> None:
    with pytest.raises(RuleViolation, match=r"allows a single key.*Set key_generation to 2, or to 3 for a new key"):
        decide(standing(), 1, written(2))
    with pytest.raises(RuleViolation, match="allows a single key"):
        decide(standing(3, current="a", published="b", slots={"a": Slot(3, 3), "b": Slot(2, 2)}), 1, written(2))


def test_the_key_before_is_retired_once_the_new_one_is_published_and_comes_back() -> None:
    old = standing()
    assert decide(old, 2, written(1), keep=False) is old
    assert decide(old, 2, written(1) | {ONE.server: stamp(2)}, keep=False) is old
    retired = decide(old, 2, written(2), keep=False)
    assert (retired.statuses, retired.published) == ({"a": "Inactive", "b": "Active"}, "b")
    assert (retired.slots, retired.current) == (old.slots, old.current)
    assert decide(retired, 2, written(2), keep=False) is retired
    assert decide(retired, 2, written(2)).statuses == {"a": "Active", "b": "Active"}
    # The published key stays Active while the next one is on its way, whatever happens to its predecessor.
    assert decide(retired, 3, written(2), keep=False).statuses == {"a": "Active", "b": "Active"}


@pytest.mark.parametrize("generation", [1, 2, 17, 3.0])
def test_good_generations(generation: float) -> None:
    checked = check_generation(generation)
    assert (checked, type(checked)) == (generation, int)


@pytest.mark.parametrize("generation", [0, -1, 1.5, float("nan"), True, "2", None, [2]])
def test_bad_generations(generation: object) -> None:
    with pytest.raises(RuleViolation, match="must be a plain whole number of at least 1") as refused:
        check_generation(generation)
    assert refused.value.argument == "key_generation"


generations = st.integers(1, 4)


@given(
    first=generations,
    steps=st.lists(
        st.tuples(generations, st.booleans(), st.sampled_from(["published", "untouched", "partial"])), max_size=59
    ),
)
def test_the_published_key_is_never_the_one_that_is_renewed(first: int, steps: list[tuple[int, bool, str]]) -> None:
    """Follows what is published from outside, by the serials of the keys."""
    rotation, marks, published = first_rotation(first, {}), dict[str, str](), 0
    for clock, (generation, keep, outcome) in enumerate(steps, start=1):
        before = rotation
        try:
            rotation = decide(before, generation, marks, keep=keep)
        except RuleViolation:
            continue
        slot_of = {rotation.slots[slot].serial: slot for slot in SLOTS}
        assert rotation.generation == generation
        if published:
            assert published in slot_of
            assert rotation.statuses[slot_of[published]] == "Active"
        renewed = [slot for slot in SLOTS if rotation.slots[slot] != before.slots[slot]]
        assert len(renewed) <= 1
        assert rotation.serial - before.serial == len(renewed)
        if generation == 1:
            assert rotation.current == "a"
        assert rotation.statuses[rotation.current] == "Active"
        if outcome == "published":
            marks, published = written(clock), rotation.slots[rotation.current].serial
        elif outcome == "partial" and marks:
            marks = marks | {ONE.user: stamp(clock)}
