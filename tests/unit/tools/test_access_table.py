"""The auditor's rows, and the table that a spreadsheet reads."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timezone

import pytest
from preview_digests import HOST, ecr, login, state

from pulumi_codespaces.rules.policies import tagged_document
from pulumi_codespaces.state.stack import Stack
from pulumi_codespaces.tools.access_table import as_csv, as_json, audit, headers, repository_in, table

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
US = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
EU_ARN, US_ARN = (f"arn:aws:ecr:{region}:123456789012:repository/" for region in ("eu-west-1", "us-east-1"))


def rows_of(resources):
    return audit(Stack.read(json.dumps({"deployment": {"resources": resources}})), NOW)


def cells(resources):
    return table(rows_of(resources), writers=False)


def changed(resources, name, part, **values):
    """The resources, with changed properties of the resource called `name`."""
    return [
        {**resource, part: {**resource[part], **values}} if resource["urn"].rsplit("::", 1)[-1] == name else resource
        for resource in resources
    ]


def test_a_row_for_each_repository_and_registry():
    ours = ["PAYMENTS", "codespaces-payments", "AKIAa", "2026-11-01T00:00:00Z", "25", "access/prod"]
    assert cells([*ecr(readers=("web", "docs")), *login()]) == [
        ["acme", "docs", HOST, "payments/api", *ours],
        ["acme", "web", HOST, "payments/api", *ours],
        ["acme", "web", "acme.azurecr.io", "what the credentials allow", "AZURE", "", "", "", "", "access/prod"],
    ]


@pytest.mark.parametrize(
    ("visibility", "repository"), [("private", "every private repository"), ("all", "every repository")]
)
def test_everybody(visibility, repository):
    (row,) = rows_of(ecr(visibility=visibility))
    assert (row.repository, row.visibility, row.names_a_repository) == (repository, visibility, False)


def test_nobody():
    (row,) = rows_of(ecr(readers=()))
    assert (row.repository, row.names_a_repository) == ("(none)", False)


def test_the_secrets_of_one_repository():
    secrets = dict.fromkeys((f"WEB_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")), "[secret]")
    inputs = {"owner": "acme", "secrets": secrets, "repository": "web"}
    (row,) = rows_of([state("codespaces:index:RepositorySecrets", "web", inputs)])
    assert (row.repository, row.registry, row.pulls, row.visibility) == ("web", None, None, "repository")
    assert table([row], writers=False)[0][2] == "(unknown)"


def test_secrets_of_no_registry_have_no_row():
    assert (
        rows_of([state("codespaces:index:OrganizationSecrets", "npm", {"owner": "acme", "secrets": {"NPM": "x"}})])
        == []
    )


def test_which_prefix_is_that_of_which_host():
    """The prefix of a further registry may come first in the order of names, and both registries share a key."""
    names = [f"{prefix}_CONTAINER_REGISTRY_{part}" for prefix in ("PAYMENTS", "AMERICA") for part in
             ("USER", "PASSWORD", "SERVER")]  # fmt: skip
    resources = ecr(policy=json.dumps({"Statement": [
        {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": [f"{EU_ARN}here", f"{US_ARN}there",
         "arn:aws:ecr:*:123456789012:repository/both", "arn:aws:ecr:eu-north-1:123456789012:repository/nowhere"]},
        {"Effect": "Deny", "Action": "ecr:BatchGetImage", "Resource": f"{EU_ARN}denied"},
        {"Effect": "Allow", "Action": "ecr:PutImage", "Resource": f"{EU_ARN}written"}]}))  # fmt: skip
    resources = changed(resources, "payments", "outputs", servers=[HOST, US], secretNames=names)
    resources = changed(resources, "payments-key", "inputs", servers=[HOST, US])
    resources = changed(resources, "payments-secrets", "inputs", secrets=dict.fromkeys(names, "[secret]"))
    nowhere = "arn:aws:ecr:eu-north-1:123456789012:repository/nowhere"
    assert [(row.secrets, row.registry, row.pulls) for row in rows_of(resources)] == [
        ("PAYMENTS", HOST, (nowhere, "both", "here")),
        ("AMERICA", US, (nowhere, "both", "there")),
    ]
    unknown = changed(resources, "payments", "outputs", secretNames=names[:3])
    assert [row.registry for row in rows_of(unknown)] == [None, None]


def test_repositories_by_tag():
    tagged = tagged_document("aws", "eu-west-1", "123456789012", {"team": "payments", "stage": "prod"})
    (row,) = rows_of(ecr(policy=tagged))
    assert row.pulls == ("* tagged stage=prod,team=payments",)


@pytest.mark.parametrize(
    ("action", "condition", "pulls"),
    [
        ("*", {}, ("*", "payments/api")),
        ("ECR:batch*", {}, ("*", "payments/api")),
        ("ecr:Put*", {}, ("payments/api",)),
        ("*", {"Bool": {"aws:b": "true"}}, ('* (if {"Bool": {"aws:b": "true"}})', "payments/api")),
        ("*", {"StringEquals": {"aws:a": "b"}}, ('* (if {"StringEquals": {"aws:a": "b"}})', "payments/api")),
    ],
)  # fmt: skip
def test_what_the_program_gives_beside_the_component(action, condition, pulls):
    statement = {
        "Effect": "Allow",
        "Action": action,
        "Resource": "*",
        **({"Condition": condition} if condition else {}),
    }
    inline = {"user": "codespaces-payments", "policy": json.dumps({"Statement": statement})}
    (row,) = rows_of([*ecr(), state("aws:iam/userPolicy:UserPolicy", "more", inline)])
    assert row.pulls == pulls


def test_all_but_some_actions_are_taken_for_the_pull():
    document = {"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": f"{EU_ARN}*"}}
    (row,) = rows_of(ecr(policy=json.dumps(document)))
    assert row.pulls == ("*",)


def test_permissions_that_the_stack_does_not_tell_are_named():
    more = [
        state("aws:iam/userPolicyAttachment:UserPolicyAttachment", "a", {
            "user": "codespaces-payments", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        state("aws:iam/userGroupMembership:UserGroupMembership", "b", {
            "user": "codespaces-payments", "groups": ["ops"]}),
    ]  # fmt: skip
    (row,) = rows_of([*ecr(), *more])
    assert row.pulls == (
        "payments/api",
        "(what the group ops allows)",
        "(what the policy arn:aws:iam::aws:policy/AdministratorAccess allows)",
    )


def test_a_suspended_user():
    (row,) = rows_of(ecr(suspended=True))
    assert (row.suspended, table([row], writers=False)[0][3]) == (True, "nothing (suspended)")


@pytest.mark.parametrize("made", ["", "yesterday", "2026-11-01T00:00:00"])
def test_a_key_whose_age_is_not_known(made):
    (row,) = rows_of(ecr(made=made))
    assert (row.key_made, row.age_days) == (made or None, None)


@pytest.mark.parametrize(
    ("arn", "host", "name"),
    [
        (f"{EU_ARN}a/b", HOST, "a/b"),
        (f"{US_ARN}a/b", HOST, ""),
        ("arn:aws:ecr:*:123456789012:repository/a*", HOST, "a*"),
        ("arn:aws:ecr:eu-west-1:999999999999:repository/a", HOST, ""),
        (f"{EU_ARN}a", "acme.azurecr.io", ""),
        ("*", HOST, ""),
        ("everything but x", HOST, ""),
    ],
)
def test_the_repository_of_an_arn(arn, host, name):
    assert repository_in(arn, host) == name


def test_writers_are_a_column_where_they_were_asked_for():
    (row,) = rows_of(login())
    assert headers(writers=True) == [*headers(writers=False), "writers"]
    assert table([row], writers=True)[0][-1] == "(unknown)"
    assert json.loads(as_json([row], writers=True))[0]["writers"] is None
    assert "writers" not in json.loads(as_json([row], writers=False))[0]


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(beginning):
    formula = f'{beginning}cmd|"/C calc",A1;x'
    shown = as_csv(rows_of([*login(readers=(formula,)), *ecr(readers=("a-b",))]), writers=False)
    rows = list(csv.reader(io.StringIO(shown, newline="")))
    assert [row[1] for row in rows] == [
        "repository",
        *sorted([f"'{formula}", "a-b"], key=lambda name: name.lstrip("'")),
    ]


def test_no_secret_is_in_any_form():
    canary = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"CANARY"'}
    resources = changed(ecr(), "payments-key", "inputs", secretAccessKey=canary)
    secrets = dict.fromkeys((f"PAYMENTS_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")), canary)
    rows = rows_of(changed(resources, "payments-secrets", "inputs", secrets=secrets))
    assert len(rows) == 1
    assert "CANARY" not in as_csv(rows, writers=True) + as_json(rows, writers=True)
