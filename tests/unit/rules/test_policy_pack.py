"""The rules of the policy pack, and a comparison with the code of the package that they repeat."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

import codespaces_policy as pack
from codespaces_policy import UNKNOWN, Resource
from pulumi_codespaces.rules import policies
from pulumi_codespaces.rules.repository_arns import RepositoryArn
from pulumi_codespaces.version import VERSION

URN = "urn:pulumi:prod::access::"
OWN = f"{pack.ECR_PULL_ACCESS}$"
REPOSITORY = "arn:aws:ecr:eu-west-1:123456789012:repository/payments/api"
ARN = "arn:aws:iam::123456789012:policy/codespaces/pull"
NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)


def resource(type_: str, called: str, inside: str = "", /, comes_from: Any = None, **properties: Any) -> Resource:
    return Resource(f"{URN}{inside}{type_}::{called}", type_, called, properties, comes_from or {})


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements[0] if len(statements) == 1 else statements})


def allow(action: Any, on: Any = REPOSITORY, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": on, **more}


def inline(*statements: Any, **properties: Any) -> Resource:
    values = {"user": "codespaces-ci", "policy": document(*statements), **properties}
    return resource(pack.USER_POLICY, "inline", **values)


USER = resource(pack.USER, "ci", name="codespaces-ci", path="/codespaces/")


def violations_of(violations: Any) -> list[tuple[str, str]]:
    """The resource and the first sentence of each violation."""
    return [(violation.urn.rsplit("::", 1)[-1], violation.message.partition(". ")[0]) for violation in violations]


class TestWhatIsRepeated:
    def test_actions_are_those_of_the_package(self):
        assert (pack.PULL_ACTIONS, pack.CACHE_ACTIONS) == (policies.PULL_ACTIONS, policies.CACHE_ACTIONS)
        statements = json.loads(policies.login_document())["Statement"]
        assert tuple(statement["Action"] for statement in statements) == pack.LOGIN_ACTIONS

    def test_the_documents_of_the_package_break_no_rule(self):
        arns = [RepositoryArn.parse(REPOSITORY), RepositoryArn.parse(REPOSITORY.replace("eu-west-1", "*") + "/*")]
        documents = [
            policies.login_document(),
            policies.login_document(suspended=True),
            policies.pull_document(arns, arns),
            policies.tagged_document("aws", "eu-west-1", "123456789012", {"team": "payments"}),
        ]
        resources = [USER, *(inline(policy=text) for text in documents)]
        assert list(pack.pull_only(resources)) == list(pack.no_wildcard_resource(resources)) == []
        assert pack.unjudged(resources) == []

    def test_version_is_that_of_the_package(self):
        folder = Path(pack.__file__).parent
        assert yaml.safe_load((folder / "PulumiPolicy.yaml").read_text())["version"] == VERSION

    def test_every_rule_is_in_the_table_of_its_readme(self):
        folder = Path(pack.__file__).parent
        rules = {line.split('"')[1] for line in (folder / "__main__.py").read_text().splitlines() if ' name="' in line}
        table = {line.split("`")[1] for line in (folder / "README.md").read_text().splitlines() if line[:3] == "| `"}
        assert table == rules - {"codespaces"}
        assert len(table) == 6


class TestUsersOfCodespaces:
    @pytest.mark.parametrize(
        ("user", "is_codespaces_user"),
        [
            (USER, True),
            (resource(pack.USER, "deep", path="/codespaces/payments/"), True),
            (resource(pack.USER, "made", OWN, path="/elsewhere/"), True),
            (resource(pack.USER, "nested", f"my:index:Platform${OWN}", path="/"), True),
            (resource(pack.USER, "other", path="/"), False),
            (resource(pack.USER, "alike", path="/codespaces-not/"), False),
            (resource(pack.USER, "none"), False),
            (resource(pack.USER, "unknown", path=UNKNOWN), False),
            (resource(pack.USER, pack.ECR_PULL_ACCESS, path="/"), False),
            (resource("aws:iam/role:Role", "role", path="/codespaces/"), False),
        ],
    )
    def test_are_those_of_the_component_and_of_the_path(self, user, is_codespaces_user):
        assert user.is_codespaces_user == is_codespaces_user


class TestPullOnly:
    @pytest.mark.parametrize(
        ("statement", "beyond"),
        [
            (allow("ecr:PutImage"), "ecr:PutImage"),
            (allow(["ecr:BatchGetImage", "s3:GetObject", "ecr:*"]), "ecr:*, s3:GetObject"),
            (allow("*"), "*"),
            (allow("ecr:BatchGet*"), "ecr:BatchGet*"),
            ({"Effect": "Allow", "NotAction": "iam:*", "Resource": REPOSITORY}, "all but a NotAction"),
        ],
    )
    def test_refuses_whatever_is_more(self, statement, beyond):
        assert violations_of(pack.pull_only([USER, inline(statement)])) == [
            ("inline", f"UserPolicy inline allows codespaces {beyond}")
        ]

    @pytest.mark.parametrize(
        "statement",
        [allow(list(pack.PULL_ACTIONS)), allow("ECR:batchgetimage"), {**allow("*", "*"), "Effect": "Deny"}],
    )
    def test_lets_pull_and_denials_pass(self, statement):
        assert violations_of(pack.pull_only([USER, inline(statement)])) == []

    def test_leaves_other_users_alone(self):
        other = resource(pack.USER, "other", name="other", path="/")
        resources = [USER, other, inline(allow("*"), user="other"), resource(pack.POLICY, "free", policy=document({}))]
        assert violations_of(pack.pull_only(resources)) == violations_of(pack.no_wildcard_resource(resources)) == []

    def test_knows_what_the_component_makes_without_the_user(self):
        policy = resource(pack.USER_POLICY, "made", OWN, user=UNKNOWN, policy=document(allow("ecr:PutImage")))
        assert violations_of(pack.pull_only([policy])) == [("made", "UserPolicy made allows codespaces ecr:PutImage")]

    def test_knows_the_user_by_where_its_name_comes_from(self):
        policy = inline(allow("ecr:PutImage"), user=UNKNOWN, comes_from={"user": [USER.urn]})
        assert len(violations_of(pack.pull_only([USER, policy]))) == 1

    @pytest.mark.parametrize(("text", "count"), [("{", 1), ("[]", 1), (None, 1), ("{}", 0), (UNKNOWN, 0)])
    def test_names_what_is_no_document(self, text, count):
        violations = violations_of(pack.pull_only([USER, inline(policy=text)]))
        assert (
            violations
            == [("inline", "UserPolicy inline: its policy is not valid JSON; write a policy document.")] * count
        )

    @pytest.mark.parametrize("type_", pack.ATTACHMENTS)
    @pytest.mark.parametrize("by", ["arn", "origin", "component"])
    def test_follows_every_attachment_to_its_policy(self, type_, by):
        users, property_name = pack.ATTACHMENTS[type_]
        inside = OWN if by == "component" else ""
        policy = resource(pack.POLICY, "managed", inside, arn=ARN, policy=document(allow("ecr:PutImage")))
        arn = UNKNOWN if by == "origin" else ARN
        attachment = resource(
            type_,
            "attached",
            inside,
            comes_from={property_name: [policy.urn]} if by == "origin" else {},
            **{users: [USER.properties["name"]], property_name: [arn] if property_name.endswith("s") else arn},
        )
        resources = [USER, policy, attachment]
        assert violations_of(pack.pull_only(resources)) == [
            ("managed", "Policy managed allows codespaces ecr:PutImage")
        ]
        assert pack.unjudged(resources) == []

    def test_refuses_a_policy_that_it_cannot_see(self):
        attachment = resource(next(iter(pack.ATTACHMENTS)), "attached", user="codespaces-ci", policyArn=ARN)
        said = (
            f"{attachment.label} attaches {ARN}, which this stack does not have, so that nobody can see here what it "
        )
        assert violations_of(pack.pull_only([USER, attachment])) == [("attached", f"{said}allows")]
        assert violations_of(pack.pull_only([attachment])) == []

    @pytest.mark.parametrize("type_", pack.MEMBERSHIPS)
    def test_refuses_groups(self, type_):
        member = resource(type_, "member", **{pack.MEMBERSHIPS[type_]: ["someone", "codespaces-ci"]})
        (violation,) = pack.pull_only([USER, member])
        assert violation.message == (
            f"{member.label} puts a user that codespaces have in a group, which gives it the group's policies. "
            "Take it out, and give the user policies of its own."
        )
        assert violations_of(pack.pull_only([member])) == []


class TestNoWildcardResource:
    @pytest.mark.parametrize(
        ("wide", "is_wide"),
        [
            ("*", True),
            ("**", True),
            ("?*", True),
            ("arn:aws:ecr:eu-west-1:*:repository/payments/api", True),
            ("arn:aws:ecr:*:123456789012:*", True),
            (REPOSITORY, False),
            ("arn:aws:ecr:eu-west-1:123456789012:repository/*", False),
            ("arn:aws:ecr:*:123456789012:repository/hub/*", False),
            ("arn:aws:s3:::bucket", False),
            ("?", True),
            ("arn:aws:ecr:*", True),
            ("arn:aws:ecr:eu-west-1:*", True),
            ("arn:aws:ecr:eu-west-1:1*", True),
            ("arn:aws:ecr:*:repository/payments/api", True),
            ("arn:aws:ecr", True),
            ("arn:aws:ecr:eu-west-1:123456789012", True),
            ("arn:aws:ecr:eu-west-1:1*:repository/*", True),
            ("arn:aws:ecr:eu-west-1:12345678901?:repository/payments/api", True),
            ("arn:aws:ecr:eu-west-1::repository/payments/api", False),
            ("arn:aws:s3:::*", True),
        ],
    )
    def test_tells_what_matches_everything(self, wide, is_wide):
        assert pack.matches_everything(wide) == policies.matches_everything(wide) == is_wide

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            (allow("ecr:BatchGetImage", "*"), "ecr:BatchGetImage on *"),
            (allow(["ecr:GetAuthorizationToken", "ecr:BatchGetImage"], [REPOSITORY, "*"]), "ecr:BatchGetImage on *"),
            (
                {"Effect": "Allow", "Action": "ecr:BatchGetImage", "NotResource": REPOSITORY},
                "ecr:BatchGetImage on all but a NotResource",
            ),
            ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "all but a NotAction on *"),
        ],
    )
    def test_refuses_all_but_the_login(self, statement, said):
        resources = [USER, inline(allow("ecr:GetAuthorizationToken", "*"), statement)]
        assert violations_of(pack.no_wildcard_resource(resources)) == [("inline", f"UserPolicy inline allows {said}")]

    def test_lets_a_denial_pass(self):
        assert violations_of(pack.no_wildcard_resource([USER, inline({**allow("*", "*"), "Effect": "Deny"})])) == []


class TestUnjudged:
    def test_are_documents_and_attachments_that_are_not_known(self):
        policy = inline(policy=UNKNOWN)
        attachment = resource(next(iter(pack.ATTACHMENTS)), "attached", user="codespaces-ci", policyArn=UNKNOWN)
        assert pack.unjudged([USER, policy, attachment]) == [policy, attachment]
        assert violations_of(pack.pull_only([USER, policy, attachment])) == []


class TestPermissionsBoundary:
    @pytest.mark.parametrize("boundary", [ARN, UNKNOWN])
    def test_is_there(self, boundary):
        user = resource(pack.USER, "ci", path="/codespaces/", permissionsBoundary=boundary)
        assert violations_of(pack.permissions_boundary(user)) == []

    def test_is_missed_on_users_of_codespaces_alone(self):
        assert violations_of(pack.permissions_boundary(USER)) == [("ci", "User ci has no permissions boundary")]
        assert violations_of(pack.permissions_boundary(resource(pack.USER, "other", path="/"))) == []


class TestVisibilityReason:
    TRIPLE = tuple(f"PAY_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER"))

    def secrets(self, visibility: object = "all", *names: str) -> Resource:
        values = dict.fromkeys((*self.TRIPLE, *names), "CANARY")
        return resource(pack.ORGANIZATION_SECRETS, "pay", secrets=values, visibility=visibility)

    @pytest.mark.parametrize("reasons", [{"PAY": "why"}, {"pay": "why"}, dict.fromkeys(TRIPLE, "why")])
    def test_is_given_by_prefix_or_by_name(self, reasons):
        assert violations_of(pack.visibility_reason(self.secrets(), reasons)) == []

    @pytest.mark.parametrize("visibility", ["selected", UNKNOWN])
    def test_is_not_asked_where_readers_are_selected_or_not_known(self, visibility):
        assert violations_of(pack.visibility_reason(self.secrets(visibility), {})) == []

    def test_is_not_asked_of_anything_else(self):
        thing = resource("acme:index:Thing", "x", visibility="all", secrets={"A": "CANARY"})
        not_known = resource(pack.ORGANIZATION_SECRETS, "x", visibility="all", secrets=UNKNOWN)
        assert [*pack.visibility_reason(thing, {}), *pack.visibility_reason(not_known, {})] == []

    def test_names_who_reads_what_without_a_reason_and_no_value(self):
        (violation,) = pack.visibility_reason(self.secrets("private", "NPM"), {"PAY": "why", "NPM": " ", "N": "why"})
        assert violation.message == (
            "OrganizationSecrets pay: the codespaces of every private and internal repository may read NPM (visibility "
            "private). Select the repositories, or say why in the pack's configuration: "
            '{"codespaces-visibility-reason": {"reasons": {"NPM": "…"}}}.'
        )
        (violation,) = pack.visibility_reason(self.secrets(), {"PA": "why"})
        assert violation.message == (
            "OrganizationSecrets pay: the codespaces of every repository, public ones included, may read "
            f"{', '.join(sorted(self.TRIPLE))} (visibility all). Select the repositories, or say why in the pack's "
            'configuration: {"codespaces-visibility-reason": {"reasons": {"PAY": "…"}}}.'
        )


class TestKeyAge:
    def key(self, name: str, days: int | None, **properties: Any) -> Resource:
        date = UNKNOWN if days is None else (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return resource(pack.ACCESS_KEY, name, **{"user": "codespaces-ci", "createDate": date, **properties})

    def judge(self, *keys: Resource, days: int = 90) -> list[tuple[str, str]]:
        return violations_of(pack.key_age([USER, *keys], days, NOW))

    @pytest.mark.parametrize(("days", "old"), [(90, False), (91, True)])
    def test_of_the_only_key(self, days, old):
        said = "AccessKey a of the user codespaces-ci is 91 days old, more than 90, and no newer one is there"
        assert self.judge(self.key("a", days)) == ([("a", said)] if old else [])

    def test_counts_the_newest_that_works(self):
        assert self.judge(self.key("a", 100), self.key("b", 10)) == []
        assert self.judge(self.key("b", 10), self.key("a", 100)) == []
        (violation,) = self.judge(self.key("a", 200), self.key("b", 100))
        assert violation[0] == "b"
        (violation,) = self.judge(self.key("a", 200), self.key("b", 10, status="Inactive"))
        assert violation[0] == "a"

    def test_lets_a_key_pass_that_this_update_makes(self):
        assert self.judge(self.key("a", 100), self.key("b", None)) == []
        assert self.judge(self.key("a", None)) == []

    def test_keeps_users_apart(self):
        other = resource(pack.USER, "other", name="codespaces-other", path="/codespaces/")
        keys = [self.key("a", 100), self.key("b", 10, user=other.properties["name"])]
        assert [name for name, _ in violations_of(pack.key_age([USER, other, *keys], 90, NOW))] == ["a"]

    def test_leaves_keys_of_others_alone(self):
        assert self.judge(self.key("a", 100, user="other")) == []


class TestNoStockSecrets:
    @pytest.mark.parametrize(("type_", "instead"), pack.STOCK_SECRETS.items())
    @pytest.mark.parametrize(("name", "shown"), [("PAY", " PAY"), (UNKNOWN, "")])
    def test_refuses_them_whatever_the_options(self, type_, instead, name, shown):
        stock = resource(type_, "pay", secretName=name, plaintextValue="CANARY")
        (violation,) = pack.no_stock_secrets(stock)
        assert violation == pack.Violation(
            stock.urn,
            f"{stock.label}: a new value deletes the secret{shown} in GitHub, whatever the options. Use {instead}, "
            "which writes in place; docs/recipes.md says how to move.",
        )

    def test_lets_others_pass(self):
        stock = resource("github:index/actionsOrganizationSecret:ActionsOrganizationSecret", "pay", secretName="PAY")
        assert violations_of(pack.no_stock_secrets(stock)) == []
