"""The schema of this package, from which Pulumi generates SDKs for other languages.

It is inferred from the annotations and docstrings of the components, the resources and the provider. Add here only what
they cannot say, such as that an input is secret.

The sentence on an argument stands in one place, its docstring. From there it comes into `schema.json`, and from that
file into the settings of a stack (`program/settings.py`) and their schema.

    python -m pulumi_codespaces.package_schema     writes schema.json, which the plugin serves
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.schema import ComplexType, Property, remove_none
from typing_extensions import get_original_bases, is_typeddict

from . import resources
from .ecr_pull_access import EcrPullAccess
from .package_access import PackageAccess
from .publishing import PublicationArgs
from .registry_login import RegistryLogin
from .version import PACKAGE, PLUGIN_URL, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA = Path(__file__).with_name("schema.json")
COMPONENTS = (EcrPullAccess, RegistryLogin, PackageAccess)
RESOURCES = {
    resources.RepositorySelection: resources.RepositorySelectionArgs,
    resources.OrganizationSecrets: resources.OrganizationSecretsArgs,
    resources.RepositorySecrets: resources.RepositorySecretsArgs,
}
"""Custom resource -> its arguments."""
PASSED_ON: dict[type, type] = {PublicationArgs: resources.RepositorySecretsArgs}
"""Arguments of components -> the arguments of a resource, which describe those that have no docstring of their own."""
_SECRET = {
    "AppAuth": ("pemFile",),
    "OrganizationSecrets": ("secrets",),
    "Provider": ("token", "appAuth"),
    "RegistryLogin": ("password",),
    "RepositorySecrets": ("secrets",),
}
"""Type or resource -> its secret inputs and outputs."""
DEFAULTS: dict[str, dict[str, object]] = {
    "EcrPullAccess": {
        "adoptExisting": False,
        "keepPreviousKey": True,
        "keyGeneration": 1,
        "maxKeyAgeDays": 90,
        "suspended": False,
        "userPath": "/codespaces/",
        "verify": True,
        "verifyTimeoutSeconds": 180,
    },
    "OrganizationSecrets": {"adoptExisting": False, "visibility": "selected"},
    "PackageAccess": {
        "inherits": True,
        "onMismatch": "warn",
        "packageType": "container",
        "visibility": "private",
    },
    "RegistryLogin": {"adoptExisting": False, "verify": True},
    "RepositorySecrets": {"adoptExisting": False},
}
"""Resource -> the defaults of its inputs, which the generated SDKs send.

Without the `visibility` of a component: an SDK would send it together with `repository`, which it contradicts.
"""
_NAME = "pulumi-codespaces"
_GIT = re.compile(r"git://(?P<repository>[^/@]+/[^/@]+/[^/@]+?)(\.git)?([/@].*)?")


def package_schema(server: str | None = PLUGIN_URL) -> dict[str, Any]:
    """The whole schema.

    Args:
        server: where the CLI finds the plugin; the schema holds no address without it.
    """
    analyzer = Analyzer(PACKAGE)
    inferred: dict[str, Any] = json.loads(ComponentProvider([*COMPONENTS], PACKAGE, _NAME, VERSION).schema or "{}")
    for kind in COMPONENTS:
        inputs = inferred["resources"][f"{PACKAGE}:index:{kind.__name__}"]["inputProperties"]
        _describe_inputs(analyzer, inspect.get_annotations(kind.__init__)["args"], inputs)
    custom: dict[str, Any] = {
        f"{PACKAGE}:index:{kind.__name__}": _resource(analyzer, kind, args) for kind, args in RESOURCES.items()
    }
    provider = _provider(analyzer)
    types = {
        f"{PACKAGE}:index:{name}": remove_none(ComplexType.from_definition(definition).to_json())
        for name, definition in analyzer.type_definitions.items()
    }
    schema: dict[str, Any] = {
        "name": PACKAGE,
        "displayName": "Codespaces",
        "version": VERSION,
        "description": "Lets GitHub Codespaces pull from private registries.",
        "keywords": ["pulumi", "codespaces", "github", "ecr", "registry", "category/cloud", "kind/component"],
        "publisher": _NAME,
        "namespace": _NAME,
        "license": "Apache-2.0",
        **_addresses(server),
        "meta": {"supportPack": True},
        "language": _languages(server),
        "config": {"variables": provider["inputProperties"]},
        "types": inferred["types"] | types,
        "provider": provider,
        "resources": inferred["resources"] | custom,
    }
    for token, described in (*schema["types"].items(), *schema["resources"].items()):
        _complete(token.rsplit(":", 1)[-1], described)
    _complete("Provider", provider)
    return _tidied(schema)


def _addresses(server: str | None) -> dict[str, str]:
    if not server:
        return {}
    git = _GIT.fullmatch(server)
    page = {} if git is None else dict.fromkeys(("homepage", "repository"), f"https://{git['repository']}")
    return page | {"pluginDownloadURL": server}


def _languages(server: str | None) -> dict[str, Any]:
    """The names of the SDKs, which are the same however the package is added.

    Without an address, the path of the Go module begins with a word that is not a host, so nothing fetches it.
    """
    git = _GIT.fullmatch(server or "")
    module = _NAME if git is None else git["repository"]
    return {
        "csharp": {"respectSchemaVersion": True, "rootNamespace": "PulumiCodespaces"},
        "go": {
            "importBasePath": f"{module}/sdk/go/{PACKAGE}",
            "respectSchemaVersion": True,
        },
        "java": {"basePackage": "pulumicodespaces"},
        "nodejs": {"packageName": _NAME, "respectSchemaVersion": True},
        "python": {
            # `pulumi_codespaces` is this package.
            "inputTypes": "classes-and-dicts",
            "packageName": "pulumi_codespaces_sdk",
            "pyproject": {"enabled": True},
            "respectSchemaVersion": True,
        },
    }


def _resource(analyzer: Analyzer, kind: type, args: type) -> dict[str, Any]:
    inputs, _ = analyzer.analyze_type(args, is_component_output=False)
    outputs = {
        _camel_case(name): analyzer.analyze_property(
            inspect.get_annotations(cast("Any", member.fget))["return"],
            kind,
            name,
            can_be_plain=False,
            is_component_output=True,
        )
        for name, member in vars(kind).items()
        if isinstance(member, property)
    }
    for name, definition in outputs.items():
        definition.description = inspect.getdoc(getattr(kind, _snake_case(name)))
    described: dict[str, Any] = {
        "description": kind.__doc__,
        "inputProperties": {name: Property.from_definition(value).to_json() for name, value in inputs.items()},
        "requiredInputs": sorted(name for name, definition in inputs.items() if not definition.optional),
        "properties": {name: Property.from_definition(value).to_json() for name, value in outputs.items()},
        "required": sorted(name for name, definition in outputs.items() if not definition.optional),
    }
    _describe_inputs(analyzer, args, described["inputProperties"])
    return described


def _describe_inputs(analyzer: Analyzer, args: type, inputs: dict[str, Any]) -> None:
    """Describe the inputs whose docstrings do not stand in the class itself."""
    for name, described in inputs.items():
        docstrings = (analyzer.get_docstring(kind, _snake_case(name)) for kind in _sources(args))
        inputs[name] = {"description": None} | described | {"description": next(filter(None, docstrings), None)}


def _sources(args: type) -> Iterator[type]:
    """The classes that describe arguments: their own, its bases, and the arguments of a resource."""
    yield args
    if args in PASSED_ON:
        yield from _sources(PASSED_ON[args])
    for base in get_original_bases(args):
        if is_typeddict(base):
            yield from _sources(base)


def _provider(analyzer: Analyzer) -> dict[str, Any]:
    """The provider, whose arguments are described in its docstring."""
    kind = resources.Provider
    annotations = inspect.get_annotations(kind.__init__)
    inputs: dict[str, Any] = {}
    for name, text in _arguments_of(kind).items():
        definition = analyzer.analyze_property(
            annotations[name], kind, name, can_be_plain=False, is_component_output=False
        )
        definition.description = text
        inputs[_camel_case(name)] = Property.from_definition(definition).to_json()
    return {"description": kind.__doc__, "inputProperties": inputs}


def _arguments_of(kind: type) -> dict[str, str]:
    """The arguments of the provider -> their descriptions in its docstring."""
    section = (inspect.getdoc(kind) or "").partition("\nArgs:\n")[2]
    arguments = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE)
    return {name: text for name, text in arguments if name not in ("resource_name", "opts")}


def _complete(name: str, described: dict[str, Any]) -> None:
    """Add what cannot be inferred, and name members of enums as Pulumi's SDKs do: `Container`."""
    for section in ("properties", "inputProperties"):
        for property_name in _SECRET.get(name, ()):
            if property_name in described.get(section, {}):
                described[section][property_name]["secret"] = True
    for property_name, default in DEFAULTS.get(name, {}).items():
        described["inputProperties"][property_name]["default"] = default
    if not described.get("isComponent") and "inputProperties" in described:
        _unplain(described["inputProperties"])
    for member in described.get("enum", ()):
        member["name"] = member["name"].title()


def _unplain(node: Any) -> None:
    """Allow Outputs anywhere in the inputs of a custom resource: the engine resolves them."""
    if isinstance(node, dict):
        mapping = cast("dict[str, Any]", node)
        mapping.pop("plain", None)
        for value in mapping.values():
            _unplain(value)


def _tidied(node: Any, *, nested: bool = False) -> Any:
    """A copy without empty values, and with one description in Markdown for each property."""
    if isinstance(node, list):
        return [_tidied(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    result: dict[str, Any] = {}
    for key, value in cast("Mapping[str, Any]", node).items():
        if key == "description" and isinstance(value, str):
            if not nested:
                result[key] = _markdown(value)
        elif value not in (None, [], {}):
            result[key] = _tidied(value, nested=key in ("items", "additionalProperties"))
    return result


def _markdown(docstring: str) -> str:
    """A docstring in Markdown for users of any language: without sections for Python, and with names in camelCase."""
    text = re.split(r"\n(?:Args|Raises):\n", inspect.cleandoc(docstring))[0]
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip())]
    return "\n\n".join(_in_camel_case(re.sub(r"; in Python(?:[^.`]|`[^`]*`)*", "", text)) for text in paragraphs)


def _in_camel_case(text: str) -> str:
    return re.sub(r"`[a-z]+(?:_[a-z]+)+`", lambda name: _camel_case(name[0]), text)


def _camel_case(name: str) -> str:
    return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)


def _snake_case(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def text_of(schema: Mapping[str, Any]) -> str:
    """The text of the file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text_of(package_schema()), encoding="utf-8")
