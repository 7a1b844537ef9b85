"""Stack configuration as the CLI hands it over -> settings, or one line for each mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pulumi
import pytest
import yaml

from pulumi_codespaces import InvalidArgument, OnMismatch, PackageType, PackageVisibility, Visibility
from pulumi_codespaces.package_schema import SCHEMA
from pulumi_codespaces.program.load import load
from pulumi_codespaces.program.schema import stack_schema
from pulumi_codespaces.program.settings import (
    Account,
    EcrRegistry,
    EcrTokenRegistry,
    LoginRegistry,
    Organization,
    PackageSettings,
    Selection,
)

CANARY = "CANARYcanary0123"
ECR = {"ecrRepositories": ["payments/api"], "repositories": ["web"]}
LOGIN = {"server": "acme.azurecr.io", "user": "pull", "passwordFrom": "acrPassword", "repositories": ["web"]}
WHOLE = {
    "organization": "acme",
    "accounts": {"prod": {"region": "eu-west-1", "roleArn": "arn:aws:iam::123456789012:role/platform"}},
    "selections": {"payments": {"topics": ["payments"]}},
    "registries": {
        "payments-prod": {
            "account": "prod",
            "ecrRepositories": ["payments/api"],
            "selection": "payments",
            "keyGeneration": 2,
        },
        "payments-acr": {
            "server": "acme.azurecr.io",
            "user": "pull",
            "passwordFrom": "acrPassword",
            "selection": "payments",
        },
    },
    "acrPassword": CANARY,
}


@pytest.fixture
def read(monkeypatch):
    """Read settings as the program does; the CLI hands over maps as JSON, and everything in one variable too."""

    def read(values, secret_keys=("acrPassword",)):
        texts = {
            f"access:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in values.items()
        }
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(texts))
        pulumi.runtime.set_all_config(texts, [f"access:{key}" for key in secret_keys])
        return load(pulumi.Config("access"))

    yield read
    pulumi.runtime.set_all_config({}, [])


@pytest.fixture
def mistakes(read):
    """The lines with which a configuration is refused."""

    def mistakes(values, **options):
        with pytest.raises(InvalidArgument) as refused:
            read(values, **options)
        head, *lines = str(refused.value).split("\n")
        assert head == "the configuration of this stack is not valid; nothing was changed:"
        assert CANARY not in str(refused.value)
        return [line.removeprefix("  access:") for line in lines]

    return mistakes


def registries(**given):
    return {"organization": "acme", "registries": given, "acrPassword": CANARY}


def test_maps_become_settings(read):
    settings = read(WHOLE)
    assert settings.organization == "acme"
    assert settings.accounts == {
        "prod": Account(region="eu-west-1", roleArn="arn:aws:iam::123456789012:role/platform", externalId=None)
    }
    assert settings.selections["payments"].arguments() == {"topics": ["payments"]}
    ecr, acr = settings.registries["payments-prod"], settings.registries["payments-acr"]
    assert isinstance(ecr, EcrRegistry)
    assert isinstance(acr, LoginRegistry)
    assert (ecr.account, ecr.selection, acr.selection) == ("prod", "payments", "payments")
    assert ecr.arguments() == {"ecr_repositories": ["payments/api"], "key_generation": 2}
    assert acr.arguments() == {"server": "acme.azurecr.io", "user": "pull"}
    assert acr.password_from == "acrPassword"


def test_accounts_that_no_registry_names_are_left_alone(read):
    account, many = {"region": "eu-west-1"}, {"region": "us-east-1", "maxRetries": 3}
    acr = {"server": "acme.azurecr.io", "user": "pull", "passwordFrom": "acrPassword", "repositories": ["web"]}
    given = registries(payments=ECR | {"account": "prod"}, base=TOKEN | {"account": "shared"}, others=acr)
    settings = read(given | {"accounts": {"prod": account, "sandbox": account, "shared": many}})
    assert settings.used_accounts == {
        "prod": Account(region="eu-west-1"),
        "shared": Account(region="us-east-1", maxRetries=3),
    }
    assert [(name, access.max_retries) for name, access in settings.accounts.items()] == [
        ("prod", None),
        ("sandbox", None),
        ("shared", 3),
    ]
    assert read(registries(others=acr) | {"accounts": {"prod": account}}).used_accounts == {}


def test_every_key_of_an_ecr_registry_is_an_argument_of_its_component(read):
    given = {
        "ecrRepositories": ["payments/api", "docker-hub/library/*"],
        "visibility": "private",
        "secretPrefix": "PAY",
        "probeImages": ["payments/api:latest"],
        "verify": False,
        "adoptExisting": True,
        "keyGeneration": 3,
        "keepPreviousKey": False,
        "suspended": True,
        "maxKeyAgeDays": 30,
        "permissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "tags": {"team": "payments"},
        "pullThroughCachePrefixes": ["docker-hub"],
        "additionalRegistries": {"SHARED": "123456789012.dkr.ecr.us-east-1.amazonaws.com"},
        "userName": "pull-payments",
        "userPath": "/platform/",
        "region": "eu-central-1",
        "verifyTimeoutSeconds": 60,
        "ecrRepositoryTags": {"team": "payments"},
    }
    arguments = read(registries(payments=given)).registries["payments"].arguments()
    assert arguments == {
        "ecr_repositories": ["payments/api", "docker-hub/library/*"],
        "visibility": Visibility.PRIVATE,
        "secret_prefix": "PAY",
        "probe_images": ["payments/api:latest"],
        "verify": False,
        "adopt_existing": True,
        "key_generation": 3,
        "keep_previous_key": False,
        "suspended": True,
        "max_key_age_days": 30,
        "permissions_boundary_arn": "arn:aws:iam::123456789012:policy/boundary",
        "tags": {"team": "payments"},
        "pull_through_cache_prefixes": ["docker-hub"],
        "additional_registries": {"SHARED": "123456789012.dkr.ecr.us-east-1.amazonaws.com"},
        "user_name": "pull-payments",
        "user_path": "/platform/",
        "region": "eu-central-1",
        "verify_timeout_seconds": 60,
        "ecr_repository_tags": {"team": "payments"},
    }
    known = {*EcrRegistry.model_fields} - {"organization", "account", "selection", "repositories"}
    assert set(arguments) == known - {"repository"}
    given = {**ECR, "repositories": [], "repository": "web"}
    assert read(registries(payments=given)).registries["payments"].arguments() == {
        "ecr_repositories": ["payments/api"],
        "repository": "web",
    }


@pytest.mark.parametrize(
    ("model", "args", "only_here", "put_in_by_the_program"),
    [
        (EcrRegistry, "EcrPullAccessArgs", {"account"}, {"repository_id"}),
        (LoginRegistry, "RegistryLoginArgs", {"password_from", "by_hand_of"}, {"password", "repository_id"}),
        (
            EcrTokenRegistry,
            "RegistryLoginArgs",
            {"ecr_token", "account", "region", "registry_id"},
            {"server", "user", "password", "expires_at", "repository_id"},
        ),
        (PackageSettings, "PackageAccessArgs", set(), set()),
        (Selection, "RepositorySelectionArgs", set(), {"ids"}),
    ],
)
def test_the_fields_of_an_entry_are_those_of_its_component(model, args, only_here, put_in_by_the_program):
    """Each key is an argument of the component; so nothing that a component can do is missing."""
    import pulumi_codespaces

    args = getattr(pulumi_codespaces, args)
    readers = set() if model is Selection else {"selection", "repositories"}
    put_in = put_in_by_the_program | (set() if model is Selection else {"selected_repositories"})
    taken = args.__required_keys__ | args.__optional_keys__
    assert {*model.model_fields} - {"organization"} - only_here - readers == taken - put_in


def test_repositories_are_listed_in_place(read):
    assert read(registries(payments=ECR)).registries["payments"].arguments() == {
        "ecr_repositories": ["payments/api"],
        "selected_repositories": ["web"],
    }


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        pytest.param(
            {},
            [
                "organization: is missing: the GitHub organization",
                "registries: is missing: registries by name; the name gives the secrets their prefix",
            ],
            id="nothing is set",
        ),
        pytest.param(
            {"organisation": "acme", "registries": {"payments": ECR}},
            ["organisation: is not a key of this program; did you mean 'organization'?"],
            id="a key of the stack is written wrong",
        ),
        pytest.param(
            {"organization": "", "registries": {}},
            [
                "organization: is empty: the GitHub organization",
                "registries: is empty: registries by name; the name gives the secrets their prefix",
            ],
            id="everything is empty",
        ),
        pytest.param(
            {"organization": "acme", "registries": ""},
            ["registries: must be a map, not empty"],
            id="a key without a value",
        ),
        pytest.param(
            {"organization": "acme", "registries": "payments"},
            ["registries: must be a map, not a text"],
            id="text instead of a map",
        ),
        pytest.param(
            {"organization": "acme", "registries": ["payments"]},
            ["registries: must be a map, not a list"],
            id="list instead of a map",
        ),
        pytest.param(
            registries(payments=ECR) | {"accounts": {"prod": {"region": "eu-west-1", "roleARN": "platform"}}},
            ["accounts.prod.roleARN: is not a key of this entry; did you mean 'roleArn'?"],
            id="unknown key of an account",
        ),
        pytest.param(
            registries(payments=ECR) | {"accounts": {"prod": {"regoin": "eu-west-1"}}},
            ["accounts.prod.regoin: is not a key of this entry; did you mean 'region'?"],
            id="a key that is written wrong is not missing too",
        ),
        pytest.param(
            registries(payments=ECR) | {"accounts": {"prod": {}, "123456789012": "eu-west-1"}},
            [
                "accounts.prod.region: is missing: the Region of its registry, such as eu-west-1",
                "accounts.123456789012: must be a map, not a text",
            ],
            id="two accounts",
        ),
        *(
            pytest.param(
                registries(payments=ECR) | {"accounts": {"prod": {"region": "eu-west-1", "maxRetries": number}}},
                [f"accounts.prod.maxRetries: {line}"],
                id=f"maxRetries {number!r}",
            )
            for number, line in (
                # The AWS provider takes 0 for what is not given, which is 25.
                (
                    0,
                    (
                        "is 0, but must be at least 1: how many times a request to AWS is tried before the update "
                        "fails; 25 by default, which takes more than an hour while AWS is down"
                    ),
                ),
                ("3", "must be a whole number, not a text; write it without quotes"),
                (True, "must be a whole number, not true"),
            )
        ),
        pytest.param(
            registries(payments=ECR) | {"selections": {"a": {}, "b": {"topic": ["x"]}, "c": {"names": "web"}}},
            [
                "selections.a: selects nothing; give names, topics or properties",
                "selections.b.topic: is not a key of this entry; did you mean 'topics'?",
                "selections.c.names: must be a list, not a text; write it as [one, two]",
            ],
            id="selections",
        ),
        pytest.param(
            registries(payments=ECR) | {"selections": {"games": {"names": ["web", 2048]}}},
            ["selections.games.names[1]: must be a text, not 2048; put it in quotes"],
            id="a number for a name",
        ),
    ],
)
def test_mistakes_outside_of_registries(mistakes, values, lines):
    assert mistakes(values) == lines


NPM = {"npm": {"valuesFrom": {"NPM_TOKEN": "npmToken"}, "repositories": ["web"]}}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("registres", "registries"),
        ("secret", "secrets"),
        ("package", "packages"),
        ("organisations", "organizations"),
        ("account", "accounts"),
        ("Selections", "selections"),
    ],
)
def test_a_section_that_is_written_wrong_is_not_left_out(mistakes, key, meant):
    line = f"{key}: is not a key of this program; did you mean {meant!r}?"
    assert mistakes(registries(payments=ECR) | {key: {"x": ECR}}) == [line]
    assert mistakes(registries(payments=ECR | {"account": "prod"}) | {key: {"x": ECR}}) == [
        line,
        "registries.payments.account: there is no 'prod' in access:accounts; there are none",
    ]
    others = {"organization": "acme", "secrets": NPM, "npmToken": "x", key: {"x": ECR}}
    assert mistakes(others, secret_keys=["npmToken"]) == [line]


def test_a_key_that_is_written_wrong_is_not_the_one_that_is_missing_beside_it(mistakes):
    assert mistakes({"organizatons": {}, "registries": {"payments": ECR}}) == [
        "organizatons: is not a key of this program; did you mean 'organizations'?",
        "organization: is missing: the GitHub organization",
    ]


def test_a_secret_that_is_like_a_section_is_none(read):
    given = registries(payments=ECR, acr=LOGIN | {"passwordFrom": "secret"}) | {"secret": CANARY, "npmToken": "x"}
    secret_keys = ["secret", "package", "npmToken"]
    assert set(read(given | {"package": "x"}, secret_keys=secret_keys).registries) == {"payments", "acr"}
    named = NPM | {"pip": {"valuesFrom": {"PIP_TOKEN": "package"}, "repositories": ["web"]}}
    assert set(read(given | {"secrets": named, "package": "x"}, secret_keys=secret_keys).secrets) == {"npm", "pip"}


def test_a_value_that_is_named_is_told_to_be_encrypted_and_is_no_section(mistakes):
    named = {"pip": {"valuesFrom": {"PIP_TOKEN": "package"}, "repositories": ["web"]}}
    problem = "access:package is not encrypted; set it again with `pulumi config set --secret package`"
    assert mistakes(registries(payments=ECR) | {"secrets": named, "package": "x"}) == [
        f"secrets.pip.valuesFrom.PIP_TOKEN: {problem}"
    ]


def test_a_key_like_no_other_is_the_programs_own(read):
    assert read(registries(payments=ECR) | {"colour": "red", "owners": {"team": "platform"}}).organization == "acme"


EITHER = (
    "a registry has either ecrRepositories (Amazon ECR), or ecrToken (Amazon ECR by token), or server, user and "
    "passwordFrom (any other)"
)
SERVER = (
    "the registry's host, such as acme.azurecr.io, without scheme or path; for Docker Hub https://index.docker.io/v1/"
)


@pytest.mark.parametrize(
    ("registry", "lines"),
    [
        pytest.param(
            ECR | {"keyGeneraton": 2},
            [".keyGeneraton: is not a key of this entry; did you mean 'keyGeneration'?"],
            id="unknown key",
        ),
        pytest.param(
            LOGIN | {"colour": "red"},
            [
                (
                    ".colour: is not a key of this entry; use one of "
                    "organization, selection, repositories, visibility, repository, adoptExisting, secretPrefix, "
                    "probeImages, verify, server, user, passwordFrom, expiresAt, byHandOf"
                )
            ],
            id="a key like no other",
        ),
        pytest.param(
            {"ecrRepositores": ["payments/api"], "repositories": ["web"]},
            [".ecrRepositores: is not a key of this entry; did you mean 'ecrRepositories'?"],
            id="the key that makes it ECR is written wrong",
        ),
        pytest.param(
            {"repositories": ["web"]},
            [f": grants nothing; give ecrRepositories or ecrRepositoryTags; {EITHER}"],
            id="no registry at all",
        ),
        pytest.param(
            {"user": "pull", "passwordFrom": "acrPassword", "repositories": ["web"]},
            [f".server: is missing: {SERVER}; {EITHER}"],
            id="no server",
        ),
        pytest.param(
            ECR | {"server": "acme.azurecr.io", "user": "pull"},
            [f": has ecrRepositories and server, user; {EITHER}"],
            id="two registries in one",
        ),
        pytest.param(
            LOGIN | {"keyGeneration": 2},
            [f".keyGeneration: belongs to another kind of registry; {EITHER}"],
            id="a generation where there is no key",
        ),
        pytest.param(
            {"server": "acme.azurecr.io", "user": "pull", "password": CANARY, "repositories": ["web"]},
            [
                (
                    ".password: a password in a map is not kept secret; put it into a secret of its own with "
                    "`pulumi config set --secret NAME`, and write passwordFrom: NAME"
                )
            ],
            id="nested password",
        ),
        pytest.param(
            LOGIN | {"user": {"secure": CANARY}, "secretPrefix": [CANARY], "verify": CANARY},
            [
                ".secretPrefix: must be a text, not a list",
                ".verify: must be true or false, not a text; write it without quotes",
                ".user: must be a text, not a map",
            ],
            id="no value is repeated",
        ),
        pytest.param(
            ECR | {"keyGeneration": "2"},
            [".keyGeneration: must be a whole number, not a text; write it without quotes"],
            id="a number in quotes",
        ),
        pytest.param(
            ECR | {"keyGeneration": 2.5, "maxKeyAgeDays": True, "suspended": 1, "secretPrefix": None},
            [
                ".keyGeneration: must be a whole number, not 2.5",
                ".suspended: must be true or false, not 1",
                ".maxKeyAgeDays: must be a whole number, not true",
            ],
            id="numbers and truth",
        ),
        pytest.param(
            ECR | {"keyGeneration": 0},
            [".keyGeneration: is 0, but must be at least 1: raise it by one to rotate the access key"],
            id="generation 0",
        ),
        pytest.param(
            ECR | {"ecrRepositories": []},
            [f".ecrRepositories: is empty: names or ARNs of the ECR repositories to pull from, * allowed; {EITHER}"],
            id="no repositories to pull from",
        ),
        pytest.param(
            {"ecrRepositories": ["payments/api"]},
            [": has no readers; give selection, repositories, repository, or visibility private or all"],
            id="no readers",
        ),
        pytest.param(
            {"ecrRepositories": ["payments/api"], "visibility": "selected"},
            [": has no readers; give selection, repositories, repository, or visibility private or all"],
            id="selected readers, none given",
        ),
        pytest.param(
            ECR | {"selection": "payments", "visibility": "all"},
            [": selection and repositories and visibility cannot be combined; keep one of them"],
            id="three kinds of readers",
        ),
        pytest.param(
            {"ecrRepositories": ["payments/api"], "visibility": "privat"},
            [".visibility: must be one of selected, private, all; did you mean 'private'?"],
            id="unknown visibility",
        ),
        pytest.param("payments/api", [": must be a map, not a text"], id="text"),
        pytest.param(None, [": must be a map, not empty"], id="nothing"),
    ],
)
def test_mistakes_in_a_registry(mistakes, registry, lines):
    assert mistakes(registries(payments=registry)) == [f"registries.payments{line}" for line in lines]


@pytest.mark.parametrize("name", ["a.b", "ecr", "login"])
def test_a_name_that_could_be_taken_for_something_else_stands_in_the_path(mistakes, name):
    path = f'registries["{name}"]' if "." in name else f"registries.{name}"
    assert mistakes(registries(**{name: ECR | {"keyGeneration": 0}})) == [
        f"{path}.keyGeneration: is 0, but must be at least 1: raise it by one to rotate the access key"
    ]


@pytest.mark.parametrize(
    ("registry", "more", "line"),
    [
        pytest.param(
            {"ecrRepositories": ["payments/api"], "selection": "payment"},
            {"selections": {"payments": {"names": ["web"]}}},
            "selection: there is no 'payment' in access:selections; did you mean 'payments'?",
            id="selection",
        ),
        pytest.param(
            {"ecrRepositories": ["payments/api"], "selection": "payments"},
            {},
            "selection: there is no 'payments' in access:selections; there are none",
            id="selection without any",
        ),
        pytest.param(
            ECR | {"account": "live"},
            {"accounts": {"prod": {"region": "eu-west-1"}, "shared": {"region": "eu-west-1"}}},
            "account: there is no 'live' in access:accounts; there are prod, shared",
            id="account",
        ),
        pytest.param(
            LOGIN | {"passwordFrom": "acrPasswort"},
            {},
            "passwordFrom: access:acrPasswort is not set; set it with `pulumi config set --secret acrPasswort`",
            id="password",
        ),
        pytest.param(
            ECR | {"secretPrefix": "GITHUB_PAY"},
            {},
            "secretPrefix 'GITHUB_PAY': it begins with GITHUB_, which is GitHub's own.",
            id="prefix",
        ),
        pytest.param(
            LOGIN | {"server": "https://acme.azurecr.io"},
            {},
            "server 'https://acme.azurecr.io': a scheme does not belong here; write 'acme.azurecr.io'",
            id="server",
        ),
        pytest.param(
            ECR | {"userPath": "platform"},
            {},
            "userPath 'platform' is not a valid path; it must begin and end with / and have at most 512 characters.",
            id="path of the user",
        ),
        pytest.param(
            ECR | {"region": "Frankfurt"},
            {},
            "region 'Frankfurt' is not an AWS Region;",
            id="Region",
        ),
        pytest.param(
            ECR | {"ecrRepositories": ["payments/api", "Payments"]},
            {},
            "ecrRepositories[1] 'Payments'",
            id="name of an ECR repository",
        ),
        pytest.param(
            ECR | {"additionalRegistries": {"SHARED": "acme.azurecr.io"}},
            {},
            "additionalRegistries.SHARED 'acme.azurecr.io' is not the host of a private ECR registry;",
            id="further registry",
        ),
        pytest.param(
            ECR | {"additionalRegistries": {"9": "123456789012.dkr.ecr.eu-west-1.amazonaws.com"}},
            {},
            "additionalRegistries.9 '9': it begins with a digit.",
            id="prefix of a further registry",
        ),
    ],
)
def test_what_a_single_value_does_not_show_is_found_before_anything_is_made(mistakes, registry, more, line):
    (found,) = mistakes(registries(payments=registry) | more)
    assert found.startswith(f"registries.payments.{line}")


def test_an_organization_is_given_by_its_login(mistakes):
    (line,) = mistakes(registries(payments=ECR) | {"organization": "https://github.com/acme"})
    assert line.startswith("organization 'https://github.com/acme' is not the login of an organization; use the name")


def test_a_password_that_is_not_encrypted_is_refused(mistakes):
    assert mistakes(registries(acr=LOGIN), secret_keys=()) == [
        (
            "registries.acr.passwordFrom: access:acrPassword is not encrypted; set it again with "
            "`pulumi config set --secret acrPassword`"
        )
    ]


def test_every_mistake_of_a_configuration_is_told_at_once(mistakes):
    lines = mistakes(
        registries(
            one=ECR | {"selection": "nobody", "repositories": []},
            two=LOGIN | {"server": "acme", "secretPrefix": "9"},
        )
    )
    assert [line.partition(" ")[0] for line in lines] == [
        "registries.one.selection:",
        "registries.two.secretPrefix",
        "registries.two.server",
    ]


# -- the schema, for editors

ROOT = Path(__file__).resolve().parents[3]


def test_the_schema_in_the_repository_is_that_of_the_settings():
    assert json.loads((ROOT / "components/stack-config.schema.json").read_text()) == stack_schema()


@pytest.mark.parametrize(
    ("model", "component"),
    [
        (EcrRegistry, "EcrPullAccess"),
        (EcrTokenRegistry, "RegistryLogin"),
        (LoginRegistry, "RegistryLogin"),
        (PackageSettings, "PackageAccess"),
        (Selection, "RepositorySelection"),
    ],
)
def test_a_key_that_is_an_argument_has_its_description(model, component):
    inputs = json.loads(SCHEMA.read_text())["resources"][f"codespaces:index:{component}"]["inputProperties"]
    arguments = {field.alias: field.description for field in model.model_fields.values() if field.alias in inputs}
    assert len(arguments) >= 3
    for key, description in arguments.items():
        # A key that decides the kind of a registry says so, instead of what follows the first sentence.
        assert description == inputs[key]["description"] or description.endswith(f"; {EITHER}."), key
        assert description.startswith(re.split(r"\.(?: |$)", inputs[key]["description"])[0]), key


def test_every_key_is_described_in_markdown():
    definitions = stack_schema()
    keys = {**definitions["properties"]["config"]["properties"]}
    for name, definition in definitions["$defs"].items():
        keys |= {f"{name}.{key}": described for key, described in definition.get("properties", {}).items()}
    assert len(keys) > 60
    pattern = re.compile(r"[A-Z`].*\.")
    assert [key for key, described in keys.items() if not pattern.fullmatch(described.get("description", ""))] == []
    # Names of arguments as a program in Python writes them, which are not keys of the configuration.
    assert [key for key, described in keys.items() if re.search(r"`[a-z]+_[a-z_]+`", described["description"])] == []


def test_the_stack_of_the_example_fits_the_schema():
    jsonschema.validate(yaml.safe_load((ROOT / "examples/local/Pulumi.local.yaml").read_text()), stack_schema())


def test_the_configurations_in_the_readme_are_accepted(read):
    blocks = re.findall(r"```yaml\n(config:.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    together = {}
    for block in blocks:
        given = yaml.safe_load(block)["config"]
        if "access:organization" in given:
            jsonschema.validate({"config": given}, stack_schema())
        for key, value in given.items():
            together[key] = together.get(key, {}) | value if isinstance(value, dict) else value
    jsonschema.validate({"config": together}, stack_schema())
    secret = ("acrPassword", "npmToken", "betaToken", "botToken", "awsKey")
    plain = {key.removeprefix("access:"): value for key, value in together.items()}
    settings = read(plain | dict.fromkeys(secret, CANARY), secret_keys=secret)
    assert len(settings.registries) == 6


@pytest.mark.parametrize(
    ("registry", "fits"),
    [
        (ECR, True),
        (LOGIN, True),
        ({**ECR, "repositories": [], "repository": "web"}, True),
        ({**ECR, "keyGeneration": "2"}, False),
        ({**ECR, "kyeGeneration": 2}, False),
        ({**LOGIN, "password": "x"}, False),
        ({"server": "acme.azurecr.io"}, False),
        ({"ecrToken": True, "account": "prod", "selection": "payments"}, True),
        ({"ecrToken": False, "selection": "payments"}, False),
        ({**ECR, "visibility": "everybody"}, False),
    ],
)
def test_what_the_schema_marks(registry, fits):
    given = {"config": {"access:organization": "acme", "access:registries": {"one": registry}, "aws:region": "x"}}
    assert jsonschema.Draft202012Validator(stack_schema()).is_valid(given) is fits


# -- other secrets

NPM = {"npm": {"valuesFrom": {"NPM_TOKEN": "npmToken"}, "repositories": ["web"]}}


def test_secrets_without_a_registry(read):
    given = {"organization": "acme", "secrets": NPM, "npmToken": CANARY}
    settings = read(given, secret_keys=("npmToken",))
    assert settings.registries == {}
    assert settings.secrets["npm"].values_from == {"NPM_TOKEN": "npmToken"}
    assert settings.secrets["npm"].arguments() == {"selected_repositories": ["web"]}


@pytest.mark.parametrize(
    ("secrets", "lines"),
    [
        ({}, ["registries: is missing: registries by name; the name gives the secrets their prefix"]),
        ({"npm": {"valuesFrom": {"NPM_TOKEN": "npmToken"}}},
         ["secrets.npm: has no readers; give selection, repositories, repository, or visibility private or all"]),
        ({"npm": {"repositories": ["web"]}},
         [("secrets.npm.valuesFrom: is missing: name of a secret -> the configuration key of a secret that holds its "
          "value")]),
        ({"npm": {"valuesFrom": {"NPM_TOKEN": "none"}, "repositories": ["web"]}},
         ["secrets.npm.valuesFrom.NPM_TOKEN: access:none is not set; set it with `pulumi config set --secret none`"]),
        ({"npm": {**NPM["npm"], "selection": "payments", "repositories": []}},
         ["secrets.npm.selection: there is no 'payments' in access:selections; there are none"]),
        ({"npm": {**NPM["npm"], "values": {"X": CANARY}}},
         ["secrets.npm.values: is not a key of this entry; did you mean 'valuesFrom'?"]),
    ],
)  # fmt: skip
def test_mistakes_in_other_secrets(mistakes, secrets, lines):
    given = {"organization": "acme", "secrets": secrets, "npmToken": CANARY}
    assert mistakes(given, secret_keys=("npmToken",)) == lines


def test_a_name_that_github_refuses(mistakes):
    given = {"npm": {"valuesFrom": {"GITHUB_X": "npmToken"}, "repositories": ["web"]}}
    (line,) = mistakes({"organization": "acme", "secrets": given, "npmToken": CANARY}, secret_keys=("npmToken",))
    assert line.startswith("secrets.npm.valuesFrom.GITHUB_X: the secret's name 'GITHUB_X' begins with GITHUB_")


# -- further organizations

BETA = {"organizations": {"beta": {"tokenFrom": "betaToken"}}, "betaToken": CANARY}


def test_entries_of_another_organization(read):
    given = registries(one=ECR | {"organization": "beta"}, two=ECR) | BETA
    given["organizations"]["gamma"] = {"installationId": 77, "appId": "12", "pemFrom": "betaToken"}
    settings = read(given, secret_keys=("betaToken",))
    assert settings.organizations == {
        "beta": Organization(tokenFrom="betaToken"),
        "gamma": Organization(installationId="77", appId="12", pemFrom="betaToken"),
    }
    one, two = settings.registries["one"], settings.registries["two"]
    assert (settings.organization_of(one), settings.organization_of(two)) == ("beta", "acme")
    assert one.arguments() == two.arguments()


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        pytest.param(
            registries(one=ECR | {"organization": "bata"}),
            ["registries.one.organization: there is no 'bata' in access:organizations; did you mean 'beta'?"],
            id="unknown organization",
        ),
        pytest.param(
            registries(one=ECR | {"organization": "Acme"}),
            ["registries.one.organization: there is no 'Acme' in access:organizations; did you mean 'acme'?"],
            id="another spelling",
        ),
        pytest.param(
            registries(one={**ECR, "repositories": [], "selection": "web"})
            | {"selections": {"web": {"names": ["web"], "organization": "beta"}}},
            [
                (
                    "registries.one.selection: 'web' in access:selections belongs to the organization 'beta', and this "
                    "entry to 'acme'; give both the same `organization`"
                )
            ],
            id="a selection of another organization",
        ),
        pytest.param(
            registries(one={**LOGIN, "repositories": [], "byHandOf": "base", "organization": "beta"})
            | {"packages": {"base": {"package": "base", "repository": "images"}}},
            [
                (
                    "registries.one.byHandOf: 'base' in access:packages belongs to the organization 'acme', and this "
                    "entry to 'beta'; give both the same `organization`"
                )
            ],
            id="a package of another organization",
        ),
        pytest.param(
            registries(one=ECR) | {"organizations": {"beta": {"tokenFrom": "none"}, "BETA": {}}},
            [
                "organizations.beta.tokenFrom: access:none is not set; set it with `pulumi config set --secret none`",
                "organizations.beta: this is the same organization as 'BETA'; use one spelling.",
                "organizations.BETA: this is the same organization as 'beta'; use one spelling.",
            ],
            id="credentials that are not there, and one organization twice",
        ),
        pytest.param(
            registries(one=ECR)
            | {"organizations": {"beta": {"tokenFrom": "betaToken", "appId": 1}, "gamma": {"pemFrom": "betaToken"}}},
            [
                "organizations.beta: tokenFrom and appId cannot be combined; keep the token or the App",
                "organizations.gamma: has pemFrom, but no installationId; each organization has its own",
            ],
            id="two kinds of credentials, and half of one",
        ),
        pytest.param(
            registries(one=ECR) | {"organizations": {"beta": {"token": CANARY, "baseUrl": True}}},
            [
                "organizations.beta.baseUrl: must be a text, not true; put it in quotes",
                (
                    "organizations.beta.token: a token in a map is not kept secret; put it into a secret of its own "
                    "with `pulumi config set --secret NAME`, and write tokenFrom: NAME"
                ),
            ],
            id="a token in the map",
        ),
        pytest.param(
            registries(one=ECR) | {"organizations": {"beta": {"baseUrl": "http://github.corp.example"}}},
            [
                (
                    "organizations.beta.baseUrl 'http://github.corp.example': http would send the token unencrypted; "
                    "use https (http is for loopback only)."
                )
            ],
            id="an address that is none",
        ),
    ],
)
def test_mistakes_about_organizations(mistakes, more, lines):
    assert mistakes(BETA | more, secret_keys=("acrPassword", "betaToken")) == lines


# -- packages

BASE = {
    "package": "base/image",
    "repository": "images",
    "selection": "payments",
    "teams": {"payments": "read"},
}


def packages(**given):
    return {"organization": "acme", "selections": {"payments": {"names": ["web"]}}, "packages": given}


def test_a_package_without_a_registry(read):
    given = {
        "packageType": "npm",
        "package": "base",
        "repository": "images",
        "visibility": "internal",
        "inherits": False,
        "repositories": ["web"],
        "teams": {"payments": "read"},
        "users": {"bob": "write"},
        "onMismatch": "fail",
    }
    settings = read(packages(base=BASE, whole=given))
    assert settings.registries == {}
    assert settings.packages["base"].arguments() == {
        "package": "base/image",
        "repository": "images",
        "teams": {"payments": "read"},
    }
    assert settings.packages["whole"].arguments() == {
        "package_type": PackageType.NPM,
        "package": "base",
        "repository": "images",
        "visibility": PackageVisibility.INTERNAL,
        "inherits": False,
        "selected_repositories": ["web"],
        "teams": {"payments": "read"},
        "users": {"bob": "write"},
        "on_mismatch": OnMismatch.FAIL,
    }


@pytest.mark.parametrize(
    ("package", "lines"),
    [
        ({"package": "base"}, [
            (".repository is missing: a package that inherits access must be linked to a repository. Name the "
             "repository, or set inherits to false.")
        ]),
        (BASE | {"packageType": "conteiner"}, [
            ".packageType: must be one of container, npm, nuget, rubygems; did you mean 'container'?"
        ]),
        (BASE | {"teams": {"payments": "reed"}}, [
            ".teams.payments 'reed': must be one of read, triage, write, maintain, admin; did you mean 'read'?"
        ]),
        (BASE | {"repositories": ["web"]}, [": selection and repositories cannot be combined; keep one of them"]),
        (BASE | {"selection": "payment"}, [
            ".selection: there is no 'payment' in access:selections; did you mean 'payments'?"
        ]),
        (BASE | {"onMissmatch": "fail"}, [".onMissmatch: is not a key of this entry; did you mean 'onMismatch'?"]),
        ({"repository": "images"}, [
            (".package: is missing: the name of the package, without the organization: base/image for "
             "ghcr.io/acme/base/image")
        ]),
    ],
)  # fmt: skip
def test_mistakes_in_a_package(mistakes, package, lines):
    assert mistakes(packages(base=package)) == [f"packages.base{line}" for line in lines]


def test_a_package_and_a_registry_are_two_outputs(mistakes):
    assert mistakes(packages(base=BASE) | {"registries": {"base": ECR}}) == [
        "packages.base: a registry is also called 'base', and both would be one stack output; rename one."
    ]


def test_a_login_for_those_that_a_package_leaves_out(read, mistakes):
    ghcr = {"server": "ghcr.io", "user": "bot", "passwordFrom": "acrPassword"}
    settings = read(packages(base=BASE) | registries(ghcr=ghcr | {"byHandOf": "base"}))
    assert settings.registries["ghcr"].by_hand_of == "base"
    assert settings.registries["ghcr"].arguments() == {"server": "ghcr.io", "user": "bot"}
    assert mistakes(packages(base=BASE) | registries(ghcr=ghcr | {"byHandOf": "bsae"})) == [
        "registries.ghcr.byHandOf: there is no 'bsae' in access:packages; did you mean 'base'?"
    ]
    assert mistakes(packages(base=BASE) | registries(ghcr=ghcr | {"byHandOf": "base", "visibility": "all"})) == [
        "registries.ghcr: visibility and byHandOf cannot be combined; keep one of them"
    ]


# -- Amazon ECR by token, and hints from the form of credentials

TOKEN = {"ecrToken": True, "repositories": ["web"]}


def test_ecr_by_token(read):
    given = TOKEN | {"account": "prod", "region": "eu-west-1", "registryId": "123456789012", "probeImages": ["base"]}
    registry = read(registries(base=given) | {"accounts": {"prod": {"region": "eu-west-1"}}}).registries["base"]
    assert isinstance(registry, EcrTokenRegistry)
    assert (registry.account, registry.region, registry.registry_id) == ("prod", "eu-west-1", "123456789012")
    assert registry.arguments() == {"probe_images": ["base"], "selected_repositories": ["web"]}


HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("registry", "line"),
    [
        (TOKEN | {"ecrToken": False}, ".ecrToken: must be true, or be left out"),
        (TOKEN | {"server": HOST}, f": has ecrToken and server; {EITHER}"),
        (TOKEN | {"keyGeneration": 2}, f".keyGeneration: belongs to another kind of registry; {EITHER}"),
        (TOKEN | {"registryId": "123"}, (
            ".registryId '123': an AWS account id has 12 digits; YAML without quotes drops a leading 0."
        )),
        (TOKEN | {"account": "prod"}, ".account: there is no 'prod' in access:accounts; there are none"),
        (LOGIN | {"server": HOST, "user": "ASIAX"}, (
            ": user of Amazon ECR: it begins with ASIA, so it is a temporary access key, which needs a session token; "
            "GitHub's three secrets cannot hold one"
        )),
        (LOGIN | {"server": "us-docker.pkg.dev", "user": "_json_key"}, (
            ": password: the key of a Google service account must be JSON"
        )),
        (LOGIN | {"server": "us-docker.pkg.dev", "user": "puller"}, (
            ": user of Google Artifact Registry: it is not a user name that Google accepts; give _json_key"
        )),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told_before_anything_is_made(mistakes, registry, line):
    (found,) = mistakes(registries(base=registry))
    assert found.startswith(f"registries.base{line}")


def test_a_key_of_ecr_that_exists_is_given_like_any_login(read):
    login = LOGIN | {"server": HOST, "user": "AKIAIOSFODNN7EXAMPLE"}
    assert isinstance(read(registries(base=login)).registries["base"], LoginRegistry)


SHORT = {"organization": "acme", "ecrRepositories": "payments/api, payments/web", "repositories": "web"}


@pytest.mark.parametrize(
    "names",
    ["payments/api, payments/web", "payments/api,payments/web,", ["payments/api", "payments/web"]],
    ids=["as `pulumi new` asks", "no blank", "a list"],
)
def test_a_first_registry_in_short_is_the_entry_ecr(read, names):
    short = read({**SHORT, "ecrRepositories": names}).registries
    long = read(registries(ecr={"ecrRepositories": ["payments/api", "payments/web"], "repositories": ["web"]}))
    assert short == long.registries


def test_a_first_registry_stays_beside_others(read):
    settings = read({**SHORT, "registries": {"shared": ECR}})
    assert list(settings.registries) == ["shared", "ecr"]


def test_the_entry_of_a_first_registry_takes_what_it_has_no_short_form_for(read):
    settings = read({**SHORT, "registries": {"ecr": {"keyGeneration": 2}}})
    assert settings.registries["ecr"].arguments() == {
        "ecr_repositories": ["payments/api", "payments/web"],
        "selected_repositories": ["web"],
        "key_generation": 2,
    }


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (
            {"ecrRepositories": "payments/api"},
            [
                (
                    "repositories: is missing: names of the GitHub repositories whose codespaces pull from "
                    "ecrRepositories, separated by commas; the same as registries.ecr.repositories"
                )
            ],
        ),
        (
            {"repositories": "web"},
            [
                (
                    "repositories: needs ecrRepositories, which is missing; an entry of registries has repositories of "
                    "its own"
                )
            ],
        ),
        (
            {**SHORT, "registries": {"ecr": ECR}},
            [
                (
                    "registries: the entry 'ecr' has ecrRepositories and repositories, for which ecrRepositories and "
                    "repositories at the top are the short form; remove the keys at the top, or rename the entry"
                )
            ],
        ),
        (
            {**SHORT, "ecrRepositories": " , "},
            [
                (
                    "ecrRepositories: is empty: a first registry in short: names of the ECR repositories to pull from "
                    "in the account and Region of the default AWS provider, separated by commas; the same as "
                    "registries.ecr.ecrRepositories"
                )
            ],
        ),
        ({**SHORT, "ecrRepositories": 7}, ["ecrRepositories: must be a list, not 7"]),
        (
            {"ecrRepository": "payments/api", "repositories": "web"},
            [
                "ecrRepository: is not a key of this program; did you mean 'ecrRepositories'?",
                (
                    "repositories: needs ecrRepositories, which is missing; an entry of registries has repositories "
                    "of its own"
                ),
            ],
        ),
    ],
)
def test_a_first_registry_that_is_refused(mistakes, given, lines):
    assert mistakes({"organization": "acme", **given}) == lines
