"""Reading the state of a stack."""

from __future__ import annotations

import json

import pytest
from preview_digests import ecr, login, state

from pulumi_codespaces.state.resources import SECRET
from pulumi_codespaces.state.stack import NoState, Stack
from pulumi_codespaces.values import reveal

CANARY = "canary-of-a-secret"
MARKED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": f'"{CANARY}"'}
ENCRYPTED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}


def stack_of(*resources):
    return Stack.read(json.dumps({"version": 3, "deployment": {"resources": list(resources)}}))


def test_secrets_are_masked_and_in_clear_only_as_secrets():
    stack = stack_of(state("a:b:C", "it", {"password": MARKED, "list": [MARKED]}, outputs={"other": ENCRYPTED}))
    (resource,) = stack.resources
    assert (stack.full_name, stack.name) == ("access/prod", "prod")
    assert resource.inputs == {"password": SECRET, "list": [SECRET]}
    assert CANARY not in repr(stack)
    clear = stack.clear[resource.urn]
    assert CANARY not in repr(clear)
    assert reveal(clear.inputs) == {"password": CANARY, "list": [CANARY]}
    assert reveal(clear.outputs) == {"other": None}


def test_a_resource_that_is_still_to_be_deleted_is_listed_apart():
    leftover = {**state("a:b:C", "it", {"size": 1}), "delete": True}
    stack = stack_of(state("a:b:C", "it", {"size": 2}), leftover)
    assert [resource.inputs for resource in stack.resources] == [{"size": 2}]
    assert [resource.inputs for resource in stack.all_resources] == [{"size": 2}, {"size": 1}]
    assert [resource.inputs for resource in stack.clear.values()] == [{"size": 2}]


def test_what_a_stack_exports():
    stack = state("pulumi:pulumi:Stack", "access-prod", outputs={"a": {"b": 1}, "c": MARKED})
    assert stack_of(*login(), stack).outputs == {"a": {"b": 1}, "c": SECRET}
    assert stack_of(*login()).outputs == {}


def test_the_provider_of_the_secrets_comes_before_other_providers_of_the_organization():
    def provider(name, owner="acme"):
        return state("pulumi:providers:codespaces", name, {"owner": owner, "token": MARKED, "name": name})

    providers = [provider("other"), provider("right"), provider("beta", "beta")]
    selection = {**state("codespaces:index:RepositorySelection", "it"), "provider": f"{providers[0]['urn']}::1"}
    of_beta = {**selection, "urn": f"{selection['urn']}-beta", "provider": f"{providers[2]['urn']}::1"}
    resources = [{**resource, "provider": f"{providers[1]['urn']}::1"} for resource in ecr()]
    stack = stack_of(*providers, selection, of_beta, *resources)
    assert {name: inputs["name"] for name, inputs in stack.providers.items()} == {"acme": "right", "beta": "beta"}
    assert reveal(stack.providers["acme"]["token"]) == CANARY
    assert CANARY not in repr(stack.providers)


@pytest.mark.parametrize("text", ["", "{}", '{"deployment": null}'])
def test_what_is_not_a_state_is_refused(text):
    with pytest.raises(NoState, match="pulumi stack export"):
        Stack.read(text)


def test_an_empty_state():
    stack = Stack.read('{"deployment": {"manifest": {}}}')
    assert (stack.resources, stack.accesses, stack.providers) == ((), {}, {})
