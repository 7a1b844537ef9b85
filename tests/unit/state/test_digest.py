"""Reading a preview, without its secrets."""

from __future__ import annotations

import json

import pytest
from preview_digests import STACK, digest, ecr, state

from pulumi_codespaces.state.digest import Message, NoDigest, read_digest
from pulumi_codespaces.state.resources import SECRET

CANARY = "canary-of-a-secret"


def test_the_stack_and_its_steps():
    preview = read_digest(digest([state("a:b:C", "kept")], [state("a:b:C", "kept"), state("a:b:C", "made", {"x": 1})]))
    assert preview.stack == "access/prod"
    assert [(step.op, step.resource.name, step.resource.inputs) for step in preview.steps] == [
        ("same", "kept", {}),
        ("create", "made", {"x": 1}),
    ]
    assert [resource.name for resource in preview.before] == ["kept"]
    assert [resource.name for resource in preview.after] == ["kept", "made"]


def test_what_the_cli_says_before_the_object_is_skipped():
    text = "warning: {not this}\nPreviewing update (prod)\n" + digest([], [state("a:b:C", "made")])
    assert [step.op for step in read_digest(text).steps] == ["create"]


def test_the_stack_itself_is_no_step():
    root = {**state("pulumi:pulumi:Stack", "access-prod"), "urn": STACK, "parent": ""}
    assert read_digest(digest([root], [root])).steps == ()


def test_a_deleted_resource_has_no_new_state():
    (step,) = read_digest(digest([state("a:b:C", "gone")], [])).steps
    assert (step.op, step.new, step.resource.name) == ("delete", None, "gone")


def test_messages():
    diagnostics = [
        {"severity": "warning", "urn": "urn:pulumi:prod::access::a:b:C::one", "message": " careful \n"},
        {"severity": "info", "message": "no matter"},
        {"severity": "error", "message": "error: wrong"},
        {"severity": "warning", "urn": "urn:pulumi:prod::access::a:b:C::one", "message": "warning: careful"},
    ]
    assert read_digest(digest([], [], diagnostics=diagnostics)).messages == (
        Message("warning", "one", "careful"),
        Message("error", "", "wrong"),
    )


@pytest.mark.parametrize("text", ["", "nothing", "[]", "{}", '{"deployment": {}}', "{" * 50])
def test_what_is_no_preview_is_refused_with_what_to_do(text):
    with pytest.raises(NoDigest) as failure:
        read_digest(text)
    assert str(failure.value) == (
        "this is not the output of `pulumi preview --json` (an object with `steps`). Write it to a file, or pipe it: "
        "pulumi preview --json --show-sames | codespaces review"
    )


@pytest.mark.parametrize(("old", "new"), [(CANARY, SECRET), (SECRET, CANARY)])
def test_a_value_is_masked_where_either_side_is_secret(old, new):
    before, after = ({"deep": {"value": value, "name": "x"}} for value in (old, new))
    (step,) = read_digest(digest([state("a:b:C", "it", before)], [state("a:b:C", "it", after)])).steps
    masked = {"deep": {"value": SECRET, "name": "x"}}
    assert (step.old.inputs, step.new.inputs) == (masked, masked)


def test_a_value_whose_whole_map_becomes_secret_is_masked():
    before, after = {"values": {"token": CANARY}}, {"values": SECRET}
    (step,) = read_digest(digest([state("a:b:C", "it", before)], [state("a:b:C", "it", after)])).steps
    assert (step.old.inputs, step.new.inputs) == ({"values": SECRET}, {"values": SECRET})


def test_it_does_not_matter_what_else_a_step_has():
    whole = json.loads(digest([], ecr()))
    for step in whole["steps"]:
        step["newState"] |= {"sourcePosition": "x", "stackTrace": [{}], "propertyDependencies": None}
    assert len(read_digest(json.dumps(whole)).steps) == len(ecr())
