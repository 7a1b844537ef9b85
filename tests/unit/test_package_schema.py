"""The schema, from which SDKs for other languages are generated, says what the Python package takes and gives."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

import pulumi_codespaces
from pulumi_codespaces.package_schema import (
    COMPONENTS,
    DEFAULTS,
    RESOURCES,
    SCHEMA,
    package_schema,
    text_of,
)
from pulumi_codespaces.version import VERSION

SERVER = "git://github.com/acme/registries/components"
SECTIONS = ("inputProperties", "properties")
ARGUMENTS = {
    **{kind.__name__: getattr(pulumi_codespaces, f"{kind.__name__}Args") for kind in COMPONENTS},
    **{kind.__name__: args for kind, args in RESOURCES.items()},
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text())


def test_the_schema_in_the_repository_is_that_of_the_code() -> None:
    assert SCHEMA.read_text() == text_of(package_schema()), (
        "components/pulumi_codespaces/schema.json is out of date: run `python -m pulumi_codespaces.package_schema` in "
        "components/"
    )


def resource(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return schema["resources"][f"codespaces:index:{name}"]


def snake_case(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def test_there_is_what_the_package_has(schema: dict[str, Any]) -> None:
    components = {token for token, definition in schema["resources"].items() if definition.get("isComponent")}
    assert components == {f"codespaces:index:{kind.__name__}" for kind in COMPONENTS}
    assert {*schema["resources"]} - components == {f"codespaces:index:{kind.__name__}" for kind in RESOURCES}
    public = {name for name in pulumi_codespaces.__all__ if name.endswith("Args")}
    assert public == {f"{name}Args" for name in ARGUMENTS}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_argument_is_an_input_and_every_output_an_attribute(schema: dict[str, Any], name: str) -> None:
    described, args = resource(schema, name), ARGUMENTS[name]
    assert [snake_case(key) for key in described["inputProperties"]] == [*args.__annotations__]
    assert {snake_case(key) for key in described.get("requiredInputs", ())} == set(args.__required_keys__)
    kind = getattr(pulumi_codespaces, name)
    attributes = {
        *(attribute for attribute in inspect.get_annotations(kind) if not attribute.startswith("_")),
        *(attribute for attribute, member in vars(kind).items() if isinstance(member, property)),
    }
    assert {snake_case(key) for key in described["properties"]} == attributes


def test_the_provider_takes_what_the_class_takes(schema: dict[str, Any]) -> None:
    parameters = inspect.signature(pulumi_codespaces.Provider.__init__).parameters
    inputs = [snake_case(key) for key in schema["provider"]["inputProperties"]]
    assert inputs == [name for name in parameters if name not in ("self", "resource_name", "opts")]
    # A default provider takes each of its inputs from the configuration of the stack.
    assert schema["config"]["variables"] == schema["provider"]["inputProperties"]
    (app_auth,) = [definition for token, definition in schema["types"].items() if token.endswith(":AppAuth")]
    assert [snake_case(key) for key in app_auth["properties"]] == [*pulumi_codespaces.AppAuth.__annotations__]


def test_secrets_are_marked(schema: dict[str, Any]) -> None:
    marked = {
        f"{token.rsplit(':', 1)[-1]}.{section}.{name}"
        for token, definition in {**schema["resources"], "provider": schema["provider"], **schema["types"]}.items()
        for section in SECTIONS
        for name, described in definition.get(section, {}).items()
        if described.get("secret")
    }
    assert marked == {
        "AppAuth.properties.pemFile",
        "OrganizationSecrets.inputProperties.secrets",
        "OrganizationSecrets.properties.secrets",
        "RegistryLogin.inputProperties.password",
        "RepositorySecrets.inputProperties.secrets",
        "RepositorySecrets.properties.secrets",
        "provider.inputProperties.appAuth",
        "provider.inputProperties.token",
    }


def test_members_of_enums_are_named_as_in_other_packages(schema: dict[str, Any]) -> None:
    enums = {
        token.rsplit(":", 1)[-1]: {member["name"]: member["value"] for member in definition["enum"]}
        for token, definition in schema["types"].items()
        if "enum" in definition
    }
    assert enums == {
        name: {member.value.title(): member.value for member in getattr(pulumi_codespaces, name)}
        for name in ("OnMismatch", "PackageType", "PackageVisibility", "Visibility")
    }
    for name in ("EcrPullAccess", "RegistryLogin", "OrganizationSecrets"):
        assert resource(schema, name)["inputProperties"]["visibility"]["$ref"] == "#/types/codespaces:index:Visibility"


def described(schema: dict[str, Any]) -> dict[str, str | None]:
    """Everything that has a name, and what is said about it."""
    texts: dict[str, str | None] = {"provider": schema["provider"].get("description")}
    for token, definition in {**schema["types"], **schema["resources"], "": schema["provider"]}.items():
        texts[token] = definition.get("description")
        parts = {
            f"{section}.{name}": part for section in SECTIONS for name, part in definition.get(section, {}).items()
        }
        parts |= {member["name"]: member for member in definition.get("enum", ())}
        texts |= {f"{token}.{name}": part.get("description") for name, part in parts.items()}
    return texts


def test_everything_is_described_in_markdown_for_any_language(schema: dict[str, Any]) -> None:
    texts = described(schema)
    assert [path for path, text in texts.items() if not text] == []
    indented = re.compile(r"^[ \t]|^\w+:$", re.MULTILINE)
    assert [path for path, text in texts.items() if indented.search(text or "")] == []
    # Names as Python writes them, and what only Python can do.
    assert [path for path, text in texts.items() if re.search(r"`[a-z]+_|[Pp]ython|aws\.ecr", text or "")] == []
    assert all((text or "").rstrip().endswith((".", "organization-secrets", "packages")) for text in texts.values())


def test_an_argument_that_is_passed_on_is_described_where_it_goes(schema: dict[str, Any]) -> None:
    inputs = resource(schema, "RepositorySecrets")["inputProperties"]
    for component in ("EcrPullAccess", "RegistryLogin"):
        passed_on = resource(schema, component)["inputProperties"]
        for name in ("repositoryId", "adoptExisting"):
            assert passed_on[name]["description"] == inputs[name]["description"]


def test_no_sentence_on_an_argument_is_written_twice() -> None:
    docstrings = [
        " ".join(docstring.value.value.split())
        for path in SCHEMA.parent.glob("*.py")
        for kind in ast.parse(path.read_text()).body
        if isinstance(kind, ast.ClassDef) and kind.name.endswith("Args")
        for field, docstring in pairwise(kind.body)
        if isinstance(field, ast.AnnAssign) and isinstance(docstring, ast.Expr)
        if isinstance(docstring.value, ast.Constant) and isinstance(docstring.value.value, str)
    ]
    assert len(docstrings) > 40
    assert [text for text, number in Counter(docstrings).items() if number > 1] == []


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(schema))
    assert references
    assert {reference.removeprefix("#/types/") for reference in references if reference != "pulumi.json#/Any"} <= {
        *schema["types"]
    }


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_told_in_words_too(schema: dict[str, Any], name: str) -> None:
    inputs = resource(schema, name)["inputProperties"]
    for key, default in DEFAULTS[name].items():
        assert inputs[key]["default"] == default
        text = default if isinstance(default, str) else json.dumps(default)
        assert f"Defaults to `{text}`" in inputs[key]["description"]
    assert [key for key, definition in inputs.items() if "Defaults to" in definition["description"]] == [
        key for key in inputs if key in DEFAULTS[name]
    ]


def test_an_address_is_there_only_if_somebody_publishes_the_package() -> None:
    schema = package_schema(server=None)
    assert {"homepage", "repository", "pluginDownloadURL"} & {*schema} == set()
    names = json.dumps({key: schema[key] for key in ("publisher", "namespace", "language")})
    assert [host for host in ("github.com", "example.com", "://") if host in names] == []
    assert schema["language"]["go"]["importBasePath"] == "pulumi-codespaces/sdk/go/codespaces"

    published = package_schema(server=SERVER)
    assert published["homepage"] == published["repository"] == "https://github.com/acme/registries"
    assert published["pluginDownloadURL"] == SERVER
    assert published["language"]["go"]["importBasePath"] == "github.com/acme/registries/sdk/go/codespaces"
    assert package_schema(server="https://plugins.acme.example")["pluginDownloadURL"] == "https://plugins.acme.example"
    assert "repository" not in package_schema(server="https://plugins.acme.example")


@pytest.mark.parametrize(
    "server",
    [
        "git://github.com/acme/registries",
        "git://github.com/acme/registries.git",
        "git://github.com/acme/registries.git/components",
        "git://github.com/acme/registries@v1.0.0",
    ],
)
def test_the_page_of_a_repository(server: str) -> None:
    assert package_schema(server)["repository"] == "https://github.com/acme/registries"


def test_the_names_of_the_sdks_do_not_depend_on_how_the_package_is_added() -> None:
    schemas = [package_schema(server) for server in (None, SERVER)]
    for schema in schemas:
        assert (schema["name"], schema["version"], schema["namespace"]) == ("codespaces", VERSION, "pulumi-codespaces")
        language = schema["language"]
        assert language["nodejs"]["packageName"] == "pulumi-codespaces"
        assert language["csharp"]["rootNamespace"] == "PulumiCodespaces"
        # Beside the package that is written by hand.
        assert language["python"]["packageName"] == "pulumi_codespaces_sdk" != pulumi_codespaces.__name__


def test_the_page_lists_the_inputs_that_must_be_plain(schema: dict[str, Any]) -> None:
    page = (SCHEMA.parents[2] / "docs/other-languages.md").read_text(encoding="utf-8")
    section = page.partition("<!-- plain -->\n")[2].partition("<!-- /plain -->")[0]
    listed = {name: sorted(inputs) for name, *inputs in (re.findall(r"`(\w+)`", line) for line in section.splitlines())}
    plain = {
        kind.__name__: sorted(
            name
            for name, definition in resource(schema, kind.__name__)["inputProperties"].items()
            if definition.get("plain")
        )
        for kind in COMPONENTS
    }
    assert listed == plain


def test_the_page_has_the_names_of_the_sdks(schema: dict[str, Any]) -> None:
    page = (SCHEMA.parents[2] / "docs/other-languages.md").read_text(encoding="utf-8")
    language = schema["language"]
    for name in (
        f'"{language["nodejs"]["packageName"]}"',
        language["go"]["importBasePath"],
        f"{language['csharp']['rootNamespace']}.Codespaces",
        f"{language['java']['basePackage']}.codespaces",
        language["python"]["packageName"],
    ):
        assert name in page
