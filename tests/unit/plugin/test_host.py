"""The components as the plugin constructs them for programs in other languages, and the schema that it serves."""

from __future__ import annotations

import pytest
from grpc_plugin import serving
from pulumi.errors import InputPropertyError
from pulumi.runtime.proto import provider_pb2

from pulumi_codespaces.package_schema import SCHEMA
from pulumi_codespaces.plugin.host import components
from pulumi_codespaces.plugin.server import in_camel_case


def test_the_plugin_serves_the_schema_in_the_repository():
    with serving({}) as plugin:
        assert plugin.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema == SCHEMA.read_text()


def test_inputs_get_their_python_names_and_stay_what_they_are():
    provider = components()
    output = object()
    inputs = {"server": "acme.azurecr.io", "user": output, "password": "p", "selectedRepositories": {"a_b": 1.0},
              "visibility": "privat", "verify": None, "unheardOf": 1}  # fmt: skip
    assert provider.map_inputs(inputs, provider._component_defs["RegistryLogin"]) == {
        "server": "acme.azurecr.io",
        "user": output,
        "password": "p",
        "selected_repositories": {"a_b": 1.0},
        "visibility": "privat",
    }


def test_a_missing_input_is_told():
    provider = components()
    with pytest.raises(InputPropertyError, match="Missing required input 'user' on 'RegistryLogin'") as missing:
        provider.map_inputs({"server": "acme.azurecr.io", "password": "p"}, provider._component_defs["RegistryLogin"])
    assert missing.value.property_path == "user"


def test_arguments_have_the_names_of_other_languages_in_messages():
    message = "ecr_repositories[0] 'my_app/secret_prefixes': region and secret_prefix"
    assert in_camel_case(message) == "ecrRepositories[0] 'my_app/secret_prefixes': region and secretPrefix"
