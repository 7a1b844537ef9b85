"""`OrganizationSecrets` and `RepositorySelection` on the real engine, against GitHub's state and what it was asked."""

from __future__ import annotations

HEAD = "import pulumi\nimport pulumi_codespaces as codespaces\n"


def program(values, repositories="{'web': 11, 'api': 12}", name="token", more="", opts="None"):
    secrets = ", ".join(f"'{key}': pulumi.Output.secret({value!r})" for key, value in values.items())
    return HEAD + (
        f"codespaces.OrganizationSecrets('{name}', {{'secrets': {{{secrets}}}, "
        f"'selected_repositories': {repositories}{more}}}, {opts})\n"
    )


def triple(key="AKIA1", secret="value-1", prefix="PAY"):
    return {
        f"{prefix}_CONTAINER_REGISTRY_SERVER": "acme.azurecr.io",
        f"{prefix}_CONTAINER_REGISTRY_USER": key,
        f"{prefix}_CONTAINER_REGISTRY_PASSWORD": secret,
    }


def values(github):
    return {name: secret.value for name, secret in github.organization("acme").secrets.items()}


def writes(github):
    names = [
        (one.method, one.path.replace("/api/v3", "").replace("/orgs/acme/codespaces/secrets", ""))
        for one in github.requests
        if one.method != "GET"
    ]
    github.clear_requests()
    return names


def test_create_then_nothing_to_do_then_destroy(github, new_stack):
    stack = new_stack(program(triple()))
    stack.up()
    assert values(github) == triple()
    secret = github.organization("acme").secrets["PAY_CONTAINER_REGISTRY_USER"]
    assert (secret.visibility, secret.repository_ids) == ("selected", {11, 12})
    assert writes(github) == [
        ("PUT", "/PAY_CONTAINER_REGISTRY_USER"),
        ("PUT", "/PAY_CONTAINER_REGISTRY_PASSWORD"),
        ("PUT", "/PAY_CONTAINER_REGISTRY_SERVER"),
    ]

    assert stack.preview("--expect-no-changes").steps == []
    assert stack.up("--expect-no-changes").ok
    assert stack.refresh("--expect-no-changes").ok
    assert stack.preview("--expect-no-changes").steps == []
    assert writes(github) == []

    stack.destroy()
    assert values(github) == {}


def test_a_changed_value_is_overwritten_in_place_and_never_absent(github, new_stack):
    absent = []

    def watch(event):
        if established and set(values(github)) != set(triple()):
            absent.append(event)

    established = []
    github.observers.append(watch)
    stack = new_stack(program(triple()))
    stack.up()
    established.append(True)
    writes(github)

    stack.write(program(triple("AKIA2", "value-2")))
    preview = stack.preview()
    assert sorted(preview.step("token")["detailedDiff"]) == [
        "secrets.PAY_CONTAINER_REGISTRY_PASSWORD",
        "secrets.PAY_CONTAINER_REGISTRY_USER",
    ]
    stack.up()
    assert values(github) == triple("AKIA2", "value-2")
    assert [name for _, name in writes(github)] == [
        "/PAY_CONTAINER_REGISTRY_USER",
        "/PAY_CONTAINER_REGISTRY_PASSWORD",
        "/PAY_CONTAINER_REGISTRY_SERVER",
    ]
    assert absent == []


def test_a_change_of_repositories_sends_no_value(github, new_stack):
    stack = new_stack(program(triple()))
    stack.up()
    writes(github)
    stack.write(program(triple(), "{'web': 11, 'docs': 13}"))
    assert stack.preview().step("token")["detailedDiff"] == {
        "selectedRepositories.api": {"inputDiff": False, "kind": "delete"},
        "selectedRepositories.docs": {"inputDiff": False, "kind": "add"},
    }
    stack.up()
    assert {name for _, name in writes(github)} == {f"/{name}/repositories" for name in triple()}
    assert all(one.repository_ids == {11, 13} for one in github.organization("acme").secrets.values())
    assert stack.preview("--expect-no-changes").steps == []
