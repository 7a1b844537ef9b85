"""`VerifiedEcrKey`: which access keys of a user nobody manages, and what a preview says of a key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_codespaces.clients.credentials import Configuration
from pulumi_codespaces.plugin.failures import InvalidInputs
from pulumi_codespaces.plugin.resources import RESOURCES
from pulumi_codespaces.plugin.run import Run
from pulumi_codespaces.values import UNKNOWN, Secret, is_unknown, reveal

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ECR_KEY = RESOURCES["codespaces:index:VerifiedEcrKey"]
URN = "urn:pulumi:test::access::codespaces:index:EcrPullAccess$codespaces:index:VerifiedEcrKey::payments-key"
MADE = "2026-11-24T12:00:00Z"


def inputs(**changes: Any) -> dict[str, Any]:
    return {
        "accessKeyId": "KEY-A",
        "secretAccessKey": Secret("CANARY"),
        "servers": [HOST],
        "probeImages": [],
        "verify": True,
        "timeoutSeconds": 1,
        "userName": "codespaces-payments",
        "slotKeys": {"a": "KEY-A"},
        "userKeys": {"KEY-A": MADE},
        **changes,
    }


def check(new: dict[str, Any], old: dict[str, Any] | None = None, minting: set[str] | None = None) -> dict[str, Any]:
    run = Run(Configuration(complete=False), lambda *_: None)
    run.minting["codespaces-payments"] = minting or set()
    return asyncio.run(ECR_KEY.check(run, URN, old or {}, new))


def refused(new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(InvalidInputs) as refusal:
        check(new, old)
    assert {failure.path for failure in refusal.value.failures} == {""}
    assert "CANARY" not in str(refusal.value)
    return [failure.reason for failure in refusal.value.failures]


def test_a_key_that_nobody_manages_is_named_with_the_command_that_removes_it() -> None:
    assert refused(inputs(userKeys={"KEY-A": MADE, "STRAY": "2026-01-01T00:00:00Z"})) == [
        (
            "user codespaces-payments has an access key STRAY (made 2026-01-01T00:00:00Z) that this stack does not "
            "manage: a run was killed while it made the key, or somebody made it by hand. IAM allows two keys a user, "
            "so it blocks a rotation. If nothing uses it: aws iam delete-access-key --user-name codespaces-payments "
            "--access-key-id STRAY"
        )
    ]


def test_a_slot_whose_key_was_never_made_leaves_its_key_unmanaged() -> None:
    listed = {"KEY-A": MADE, "LOST": MADE}
    assert "access key LOST" in refused(inputs(slotKeys={"a": "KEY-A", "b": UNKNOWN}, userKeys=listed))[0]


@pytest.mark.parametrize(
    ("slots", "remembered", "listed"),
    [
        ({"a": "KEY-A"}, {}, {"KEY-A"}),
        ({"a": "KEY-A", "b": "KEY-B"}, {}, {"KEY-A", "KEY-B"}),
        ({"a": "KEY-A", "b": "KEY-B"}, {}, set()),
        ({"a": "KEY-A", "b": UNKNOWN}, {"a": "KEY-A", "b": "KEY-B"}, {"KEY-A", "KEY-B"}),
        ({"a": "KEY-A"}, {"a": "KEY-A", "b": "KEY-B"}, {"KEY-A", "KEY-B"}),
    ],
)
def test_keys_that_slots_hold_or_held_are_managed(
    slots: dict[str, Any], remembered: dict[str, str], listed: set[str]
) -> None:
    check(inputs(slotKeys=slots, userKeys=dict.fromkeys(listed, MADE)), {"slotKeys": remembered})


def test_nothing_is_said_before_the_user_exists_or_while_a_slot_is_renewed() -> None:
    check(inputs(userKeys=UNKNOWN))
    check(inputs(userKeys={"OLD": MADE}), minting={"b"})


def test_a_preview_knows_the_key_where_it_stands_and_not_where_it_is_renewed() -> None:
    resource, run = ECR_KEY, Run(Configuration(complete=False), lambda *_: None)

    def update(new: dict[str, Any]) -> dict[str, Any]:
        return asyncio.run(resource.update(run, URN, "payments-key", {}, new, preview=True))

    assert reveal(update(inputs())["secretAccessKey"]) == "CANARY"
    unknown = update(inputs(accessKeyId=UNKNOWN, secretAccessKey=Secret("CANARY")))
    assert is_unknown(unknown["secretAccessKey"])
    assert isinstance(unknown["secretAccessKey"], Secret)


def test_only_what_is_proven_counts_as_a_change() -> None:
    def difference(**changes: Any) -> dict[str, str]:
        run = Run(Configuration(complete=False), lambda *_: None)
        return asyncio.run(ECR_KEY.difference(run, URN, inputs(), inputs(**changes))).changes

    assert difference() == {}
    assert difference(userKeys={}, slotKeys={}, timeoutSeconds=9) == {}
    assert difference(accessKeyId=UNKNOWN) == {"accessKeyId": "update"}
    assert difference(secretAccessKey=Secret("other")) == {"secretAccessKey": "update"}
    assert difference(servers=[]) == {"servers": "update"}
    assert difference(verify=False) == {"verify": "update"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"servers": ["acme.azurecr.io"]}, "servers[0] 'acme.azurecr.io' is not the host of a private ECR registry"),
        ({"servers": HOST}, "servers must be a list of texts"),
        ({"probeImages": [7]}, "probe_images[0] must be a text, not a number"),
        ({"secretAccessKey": Secret(["CANARY"])}, "an access key has an id and a secret, both texts"),
        ({"accessKeyId": None}, "an access key has an id and a secret, both texts"),
        ({"verify": "yes"}, "verify must be true or false"),
        ({"userKeys": {"STRAY": 7}}, "user_keys.STRAY must be a date, not a number"),
        ({"slotKeys": ["KEY-A"]}, "slot_keys must be a map"),
        ({"userName": {}}, "user_name must be a text"),
    ],
)
def test_inputs_of_another_kind(changes: dict[str, Any], text: str) -> None:
    assert any(text in reason for reason in refused(inputs(**changes)))


odd = st.sampled_from([None, True, 7, 1.5, "", "x", [], ["x"], [7], {}, {"a": "x"}, {"a": 7}, {"a": UNKNOWN}, UNKNOWN])


@given(changes=st.dictionaries(st.sampled_from(sorted(inputs())), odd | odd.map(Secret)))
def test_whatever_is_sent_is_checked_or_refused(changes: dict[str, Any]) -> None:
    try:
        checked = check(inputs(**changes))
    except InvalidInputs:
        pass
    else:
        assert isinstance(checked["secretAccessKey"], Secret)
