"""The stand-in AWS plugin's tables, documents and functions that ask nothing of AWS."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pulumi_aws
import pytest
from pulumi._types import input_type_py_to_pulumi_names

from rig.offline.aws_plugin import VERSION, configuration, policy_document
from rig.offline.aws_plugin.clients import Aws
from rig.offline.aws_plugin.configuration import Configuration
from rig.offline.aws_plugin.documents import equivalent, normalize, normalize_inline
from rig.offline.aws_plugin.failures import ProviderError
from rig.offline.aws_plugin.functions import FUNCTIONS
from rig.offline.aws_plugin.resources import RESOURCES
from rig.offline.aws_plugin.resources.iam import ses_smtp_password
from rig.offline.aws_plugin.schema import Kind, Property, differences, inputs, planned, refreshed_inputs
from rig.offline.aws_plugin.tags import TagRules, changes
from rig.offline.aws_plugin.values import UNKNOWN, Secret, decode, encode, is_unknown, reveal


def module_of(token: str) -> Any:
    _, module, _ = token.split(":")
    package, name = module.split("/")
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    if package == "index":
        return importlib.import_module(f"pulumi_aws.{snake}")
    # The SDK loads its packages lazily, and a package loaded by its own module's import lacks that module's names.
    assert getattr(pulumi_aws, package).outputs
    return importlib.import_module(f"pulumi_aws.{package}.{snake}")


@pytest.mark.parametrize("token", RESOURCES)
def test_the_tables_have_the_properties_of_the_sdk(token: str) -> None:
    module, kind = module_of(token), token.rpartition(":")[2]
    table = RESOURCES[token].schema.properties
    given = set(input_type_py_to_pulumi_names(getattr(module, f"{kind}Args")).values())
    assert {each.name for each in inputs(*table)} - {"tagsAll"} == given
    stored = set(input_type_py_to_pulumi_names(getattr(module, f"_{kind}State")).values())
    assert {each.name for each in table} == stored
    assert getattr(module, kind).pulumi_type == token


def test_the_sdk_is_of_the_release_that_the_plugin_stands_in_for() -> None:
    assert pulumi_aws._utilities.get_version() == VERSION


@pytest.mark.parametrize("token", FUNCTIONS)
def test_the_functions_are_those_of_the_sdk(token: str) -> None:
    assert f"invoke('{token}'" in Path(module_of(token).__file__).read_text(encoding="utf-8")


def test_every_setting_of_the_sdks_provider_is_known() -> None:
    names = set(input_type_py_to_pulumi_names(pulumi_aws.ProviderArgs).values())
    assert names == configuration._TEXTS | configuration._OTHERS


# Documents


def test_documents_are_normalized() -> None:
    text = '{ "Version": "2012-10-17", "Statement": [{"Sid": "a<b&c", "Effect": "Allow"}] }'
    statement = '"Statement":[{"Effect":"Allow","Sid":"a\\u003cb\\u0026c"}]'
    assert normalize(text) == "{" + statement + ',"Version":"2012-10-17"}'
    assert normalize_inline(text) == '{"Version":"2012-10-17",' + statement + "}"
    assert normalize_inline('{"Version":"2012-10-17"}') == '{"Version":"2012-10-17"}'
    assert normalize_inline('{"b":1,"a":2}') == '{"a":2,"b":1}'
    assert normalize("no") == normalize_inline("no") == "no"


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (policy(Action="a"), policy(Action=["a"]), True),
        (policy(Action=["a", "b"]), policy(Action=["b", "a"]), True),
        (policy(Action="a"), policy(Action="b"), False),
        (policy(Resource="a"), policy(NotResource="a"), False),
        (policy(Principal="*"), policy(Principal={"AWS": "*"}), True),
        (policy(Principal={"AWS": "123456789012"}), policy(Principal={"AWS": "arn:aws:iam::123456789012:root"}), True),
        (
            policy(Condition={"Bool": {"aws:SecureTransport": True}}),
            policy(Condition={"Bool": {"AWS:SecureTransport": ["true"]}}),
            True,
        ),
        (policy(Sid="a"), policy(Sid="b"), False),
        ('{"Statement": {"Effect": "Deny"}}', '{"Statement": [{"Effect": "Deny"}]}', True),
        ("", "{}", True),
        (None, "", True),
        ("", policy(), False),
        ("no", "no", True),
        ("no", "{}", False),
        ('"text"', '"text"', True),
    ],
)
def test_documents_that_mean_the_same(one: str | None, other: str, *, same: bool) -> None:
    assert equivalent(one, other) is same


def test_a_policy_document_is_made_from_statements() -> None:
    made = policy_document.make(
        {
            "statements": [
                {
                    "sid": "Pull",
                    "actions": ["ecr:A", "ecr:B"],
                    "resources": ["arn:aws:ecr:*:*:repository/&{aws:username}"],
                    "conditions": [
                        {"test": "StringEquals", "variable": "aws:b", "values": ["1"]},
                        {"test": "StringEquals", "variable": "aws:a", "values": ["1", "2"]},
                    ],
                },
                {"effect": "Deny", "actions": ["*"], "principals": [{"type": "*", "identifiers": ["*"]}]},
            ]
        }
    )
    assert made["json"] == (
        """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Pull",
      "Effect": "Allow",
      "Action": [
        "ecr:B",
        "ecr:A"
      ],
      "Resource": "arn:aws:ecr:*:*:repository/${aws:username}",
      "Condition": {
        "StringEquals": {
          "aws:a": [
            "1",
            "2"
          ],
          "aws:b": "1"
        }
      }
    },
    {
      "Effect": "Deny",
      "Action": "*",
      "Principal": "*"
    }
  ]
}"""
    )
    assert json.loads(made["minifiedJson"]) == json.loads(made["json"])
    assert (made["version"], made["id"].isdigit()) == ("2012-10-17", True)


def test_policy_documents_are_merged() -> None:
    source = json.dumps(
        {"Version": "2008-10-17", "Id": "x", "Statement": {"Sid": "A", "Effect": "Allow", "Action": "a"}}
    )
    override = json.dumps({"Statement": [{"Sid": "B", "Effect": "Deny", "Action": "b"}]})
    statements = [{"sid": "B", "actions": ["c"]}]
    made = policy_document.make(
        {"sourcePolicyDocuments": [source], "statements": statements, "overridePolicyDocuments": [override]}
    )
    assert json.loads(made["json"]) == {
        "Version": "2012-10-17",
        "Id": "x",
        "Statement": [
            {"Sid": "A", "Effect": "Allow", "Action": "a"},
            {"Sid": "B", "Effect": "Deny", "Action": "b"},
        ],
    }
    for arguments, reason in (
        ({"sourcePolicyDocuments": [source, source]}, r"merging source document 1: duplicate Sid \(A\)"),
        ({"statements": statements * 2}, r"duplicate Sid \(B\)"),
        ({"overridePolicyDocuments": ["no"]}, "merging override document 0"),
        ({"version": "2008-10-17", "statements": [{"resources": ["&{x}"]}]}, "not supported in document version"),
    ):
        with pytest.raises(ProviderError, match=reason):
            policy_document.make(arguments)


# Values, tags, tables


def test_values_survive_the_journey() -> None:
    values = {"a": None, "b": True, "c": 3, "d": 1.5, "e": "x", "f": [1, {"g": UNKNOWN}], "h": Secret({"i": "j"})}
    assert decode(encode(values)) == values
    assert reveal(values)["h"] == {"i": "j"}
    assert is_unknown(values["f"])
    assert not is_unknown(values["h"])
    assert repr(Secret("canary")) == "Secret()"


def test_tags_are_merged_and_sorted_out() -> None:
    rules = TagRules({"owner": "x", "team": "y"}, frozenset({"cost"}), ("kube/",))
    assert rules.merged({"team": "pay", "cost": "1"}) == {"owner": "x", "team": "pay"}
    assert rules.merged(None) == {"owner": "x", "team": "y"}
    assert rules.merged({"team": UNKNOWN}) is UNKNOWN
    values: dict[str, Any] = {"tags": {"team": "y"}}
    found = {"owner": "x", "team": "y", "by hand": "1", "cost": "2", "kube/a": "3", "aws:b": "4"}
    rules.store(values, [{"Key": key, "Value": value} for key, value in found.items()])
    assert values == {
        "tags": {"team": "y", "by hand": "1"},
        "tagsAll": {"owner": "x", "team": "y", "by hand": "1"},
    }
    untagged: dict[str, Any] = {"tags": None}
    TagRules().store(untagged, [])
    assert untagged == {"tags": {}, "tagsAll": {}}
    assert changes({"a": "1", "b": "2", "aws:c": "3"}, {"b": "x", "d": "4"}) == (["a"], {"b": "x", "d": "4"})


TABLE = (
    Property("plain"),
    Property("flag", Kind.BOOLEAN, default=False),
    Property("asked", computed=True),
    Property("told", output=True, follows=("plain",)),
    Property("kept", Kind.OBJECT, keeps=True, fields=(Property("inner"),)),
    Property("items", Kind.SET),
    Property("blocks", Kind.OBJECTS, fields=(Property("key", replaces=True), Property("other"))),
)


def test_a_plan_is_what_the_program_says_and_what_aws_said() -> None:
    assert planned(TABLE, None, {"plain": "x"}) == {
        "plain": "x",
        "flag": False,
        "asked": UNKNOWN,
        "told": UNKNOWN,
        "kept": None,
        "items": None,
        "blocks": None,
    }
    old = {"plain": "x", "flag": True, "asked": "a", "told": "t", "kept": {"inner": "i"}, "items": ["1"], "blocks": []}
    assert planned(TABLE, old, {"plain": "x"}) == old | {"flag": False, "items": None, "blocks": None}
    assert planned(TABLE, old, {"plain": "y"})["told"] is UNKNOWN


def test_differences_are_found_by_path() -> None:
    old = {"plain": "", "flag": False, "items": ["a", "b"], "blocks": [{"key": "k", "other": "o"}], "kept": None}
    assert differences(TABLE, old, old) == {}
    assert differences(TABLE, old, {"items": ["b", "a"], "blocks": old["blocks"]}) == {}
    new = {
        "plain": "x",
        "flag": True,
        "items": ["b", "c"],
        "blocks": [{"key": "k", "other": "p"}, {"key": "l"}],
        "kept": {"inner": "i"},
    }
    assert differences(TABLE, old, new) == {
        "plain": ("update", False),
        "flag": ("update", False),
        "items[0]": ("delete", False),
        "items[1]": ("add", False),
        "blocks[0].other": ("update", False),
        "blocks[1]": ("add", True),
        "kept": ("add", False),
    }
    of_tags = (Property("tags", Kind.MAP),)
    assert differences(of_tags, {"tags": {}}, {"tags": {"a": "1"}}) == {"tags.a": ("add", False)}
    assert differences(of_tags, {"tags": {}}, {"tags": None}) == {}
    assert differences(of_tags, {"tags": {}}, {"tags": UNKNOWN}) == {"tags": ("add", False)}
    assert differences(TABLE, new, old)["blocks[1]"] == ("delete", True)
    assert differences(TABLE, old, old | {"items": UNKNOWN}) == {"items": ("update", False)}
    assert differences(TABLE, old, old | {"blocks": [{"key": UNKNOWN, "other": "o"}]}) == {
        "blocks[0].key": ("update", True)
    }


def test_a_refresh_updates_the_inputs_that_there_were() -> None:
    table = (*TABLE, Property("tags", Kind.MAP), Property("document", Kind.DOCUMENT, normal=normalize))
    old = {
        "plain": "x",
        "flag": True,
        "tags": {"a": "1", "b": "2"},
        "document": "{ }",
        "kept": {"inner": "i", "__defaults": ["inner"]},
        "blocks": [{"key": "k", "__defaults": []}],
        "__defaults": ["flag", "plain"],
    }
    now = {
        "plain": "x",
        "flag": False,
        "asked": "a",
        "tags": {"b": "3", "c": "4"},
        "document": '{"x":1}',
        "kept": {"inner": "j"},
        "blocks": [{"key": "l", "other": "o"}],
    }
    assert refreshed_inputs(table, old, now) == {
        "plain": "x",
        "flag": False,
        "tags": {"b": "3"},
        "document": "{ }",
        "kept": {"inner": "j", "__defaults": []},
        "blocks": [{"key": "l", "__defaults": []}],
        "__defaults": ["plain"],
    }


# Configuration


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-central-2", "aws", "amazonaws.com"),
        ("cn-northwest-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
    ],
)
def test_the_partition_follows_the_region(region: str, partition: str, suffix: str) -> None:
    found = FUNCTIONS["aws:index/getPartition:getPartition"](Aws(Configuration(region=region)), {})
    assert (found["partition"], found["dnsSuffix"]) == (partition, suffix)


def test_settings_arrive_as_json_and_as_values() -> None:
    role = {"roleArn": "arn:aws:iam::1:role/x", "duration": "1h30m", "tags": {"a": "b"}, "policyArns": ["p"]}
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": role}
    for roles in ([role], json.dumps([role]), json.dumps([secret])):
        (found,) = configuration.configure({"region": "eu-west-1", "assumeRoles": roles}).assume_roles
        request = found.request()
        assert request.pop("RoleSessionName").startswith("aws-go-sdk-")
        assert request == {
            "RoleArn": "arn:aws:iam::1:role/x",
            "DurationSeconds": 5400,
            "Tags": [{"Key": "a", "Value": "b"}],
            "PolicyArns": [{"arn": "p"}],
        }
    settings = configuration.configure(
        {"maxRetries": "3", "insecure": "true", "httpsProxy": "http://u:canary@proxy:1", "useFipsEndpoint": True}
    )
    assert (settings.attempts, settings.insecure, settings.use_fips_endpoint) == (3, True, True)
    assert list(settings.secrets()) == ["u:canary"]
    assert "canary" not in repr(settings)


def test_the_environment_fills_gaps_and_the_program_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_SKIP_CREDENTIALS_VALIDATION", "true")
    found = configuration.configure({})
    assert (found.region, found.own_region, found.skip_credentials_validation) == ("us-east-1", "", True)
    found = configuration.configure({"region": "eu-west-1", "skipCredentialsValidation": "false"})
    assert (found.region, found.own_region, found.skip_credentials_validation) == ("eu-west-1", "eu-west-1", False)


def test_a_duration_that_is_none_is_refused() -> None:
    with pytest.raises(ProviderError, match="duration '1 hour' is none; write 1h or 15m"):
        configuration.configure({"assumeRoles": [{"roleArn": "x", "duration": "1 hour"}]})


def test_two_credentials_files_are_refused() -> None:
    with pytest.raises(ProviderError, match=r"aws:sharedCredentialsFiles: this stand-in .* reads one file, not 2"):
        configuration.configure({"sharedCredentialsFiles": ["a", "b"]})


def test_the_password_for_ses() -> None:
    # Computed by the script of https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html for the example key.
    key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    assert ses_smtp_password(key, "us-west-2") == "BF2PynzbSCAjX08zhZZnP/kW+T9P5zs/1Er0pi5vTEmd"
