"""The components as a program in another language makes them: constructed by the plugin, from the schema's names."""

from __future__ import annotations

import json

import pytest

from rig.stack import COMPONENTS, Stack

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/payments/api:latest"

# What a generated SDK does, without one: the token, the inputs by the names of the schema, and `remote`.
HEAD = """
import pulumi
import pulumi_aws as aws


class Remote(pulumi.ComponentResource):
    def __init__(self, kind, name, inputs, outputs, opts=None):
        super().__init__(f"codespaces:index:{kind}", name, dict.fromkeys(outputs) | inputs, opts, remote=True)


class Custom(pulumi.CustomResource):
    def __init__(self, kind, name, inputs, outputs, opts=None):
        super().__init__(f"codespaces:index:{kind}", name, dict.fromkeys(outputs) | inputs, opts)


class Provider(pulumi.ProviderResource):
    pass


OUTPUTS = ("secretNames", "servers", "userArn", "accessKeyId", "keyCreatedAt", "keyGeneration")
"""
DEFAULT = """
selection = Custom("RepositorySelection", "payments", {"topics": ["payments"]}, ("repositories",))
options = None
"""
# Of a remote component's providers the Python SDK 3.259 sends the one of the component's own package and no other
# (https://github.com/pulumi/pulumi/issues/24423); other languages, and later releases, send them all.
EXPLICIT = """
from pulumi.runtime import resource as registration

registration.convert_providers = lambda _, providers: providers
github = Provider("codespaces", "acme", {"owner": "acme"})
here = aws.Provider("here", region="eu-west-1")
chosen = pulumi.ResourceOptions(provider=github)
selection = Custom("RepositorySelection", "payments", {"topics": ["payments"]}, ("repositories",), chosen)
options = pulumi.ResourceOptions(providers=[github, here])
"""
TAIL = """
inputs = {
    "ecrRepositories": ["payments/api"],
    "selectedRepositories": selection.repositories,
    "keyGeneration": %d,
}
access = Remote("EcrPullAccess", "payments", inputs, OUTPUTS, options)
for name in OUTPUTS:
    pulumi.export(name, getattr(access, name))
"""


def program(head, generation=1):
    return HEAD + head + TAIL % generation


def pulls(cloud, repository):
    with cloud.start_codespace(f"acme/{repository}") as codespace:
        return codespace.pull(IMAGE).ok


@pytest.mark.parametrize("head", [DEFAULT, EXPLICIT], ids=["default providers", "explicit providers alone"])
def test_a_remote_component_works_as_one_in_the_program(cloud, new_cloud_stack, head):
    stack = new_cloud_stack(program(head))
    if head is EXPLICIT:
        stack.configure("pulumi:disable-default-providers[0]", "*", path=True)
    preview = stack.preview()
    kinds = sorted(step["urn"].split("::")[2].rsplit("$", 1)[-1] for step in preview.steps)
    assert [kind for kind in kinds if kind.startswith(("aws:iam", "codespaces:"))] == [
        "aws:iam/accessKey:AccessKey",
        "aws:iam/user:User",
        "aws:iam/userPolicy:UserPolicy",
        "aws:iam/userPolicy:UserPolicy",
        "codespaces:index:EcrPullAccess",
        "codespaces:index:KeyRotation",
        "codespaces:index:OrganizationSecrets",
        "codespaces:index:RepositorySelection",
        "codespaces:index:VerifiedEcrKey",
    ]
    stack.up()
    assert (pulls(cloud, "web"), pulls(cloud, "docs")) == (True, False)
    (key,) = cloud.aws.access_keys("codespaces-payments")
    outputs = stack.outputs()
    assert outputs["accessKeyId"] == key.id
    assert outputs["servers"] == ["123456789012.dkr.ecr.eu-west-1.amazonaws.com"]
    assert outputs["secretNames"] == [f"PAYMENTS_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")]
    assert outputs["keyGeneration"] == 1
    assert stack.preview("--expect-no-changes").steps == []

    stack.write(program(head, 2))
    stack.preview()
    stack.up()
    assert stack.outputs()["accessKeyId"] != key.id
    assert pulls(cloud, "web")
    stack.destroy()
    assert cloud.github.organization("acme").secrets == {}
    assert cloud.aws.users() == {}


def test_a_remote_registry_login_works_too(cloud, new_cloud_stack):
    cloud.aws.registries.add("acme.azurecr.io", "pull", "CANARY-azure-0123456789", ["charts"])
    cloud.aws.registries.find("acme.azurecr.io").push_image("charts")
    stack = new_cloud_stack(
        HEAD
        + """
config = pulumi.Config()
inputs = {
    "server": "acme.azurecr.io",
    "user": "pull",
    "password": config.require_secret("password"),
    "selectedRepositories": {"web": 11},
}
login = Remote("RegistryLogin", "acr", inputs, ("secretNames", "server"))
pulumi.export("server", login.server)
"""
    )
    stack.configure("password", "CANARY-azure-0123456789", secret=True)
    stack.preview()
    stack.up()
    with cloud.start_codespace("acme/web") as codespace:
        assert codespace.pull("acme.azurecr.io/charts:latest").ok
    assert stack.outputs() == {"server": "acme.azurecr.io"}
    assert "CANARY" not in stack.run("stack", "export").output


def test_a_mistake_in_a_remote_component_is_told_in_its_own_words(cloud, new_cloud_stack):
    stack = new_cloud_stack(
        HEAD + 'Remote("EcrPullAccess", "payments", {"ecrRepositories": [], "visibility": "private"}, OUTPUTS)\n'
    )
    for operation in ("preview", "up"):
        flags = ["--yes", "--skip-preview"] if operation == "up" else []
        outcome = stack.run(operation, *flags, check=False)
        assert not outcome.ok
        told = [line.strip() for line in outcome.output.splitlines() if "EcrPullAccess payments: " in line]
        assert told
        assert "ecr_repositories is empty: list at least one repository to pull from" in told[0]
        # The SDK of the program shows how it heard of it; where in the plugin it was found is nobody's business.
        assert str(COMPONENTS) not in outcome.output
    assert cloud.aws.users() == {}


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """What the CLI gets from the folder, for generating SDKs; it holds it against the rules for schemas."""
    folder = tmp_path_factory.mktemp("schema")
    stack = Stack(folder / "stack", {}, "")
    said = stack.run("package", "get-schema", str(COMPONENTS)).output
    schema = json.loads(said[said.index("{\n") :])
    file = folder / "schema.json"
    file.write_text(json.dumps(schema))
    assert stack.run("schema", "check", str(file)).output.strip() == ""
    return schema


def test_the_schema_names_what_there_is(schema):
    assert (schema["name"], schema["version"]) == ("codespaces", "1.0.0")
    components = {token for token, one in schema["resources"].items() if one.get("isComponent")}
    assert components == {
        "codespaces:index:EcrPullAccess",
        "codespaces:index:PackageAccess",
        "codespaces:index:RegistryLogin",
    }
    assert set(schema["resources"]) - components == {
        "codespaces:index:OrganizationSecrets",
        "codespaces:index:RepositorySecrets",
        "codespaces:index:RepositorySelection",
    }
    access = schema["resources"]["codespaces:index:EcrPullAccess"]
    assert "requiredInputs" not in access
    assert set(access["properties"]) == {
        "secretNames",
        "servers",
        "userArn",
        "accessKeyId",
        "keyCreatedAt",
        "keyGeneration",
        "repositoryPolicyStatement",
        "summary",
    }
    login = schema["resources"]["codespaces:index:RegistryLogin"]
    assert login["requiredInputs"] == ["password", "server", "user"]
    secrets = schema["resources"]["codespaces:index:OrganizationSecrets"]
    assert secrets["requiredInputs"] == ["secrets"]
    assert set(schema["provider"]["inputProperties"]) == {"owner", "token", "appAuth", "baseUrl"}
    # A default provider takes each of its inputs from the configuration of the stack.
    assert schema["config"]["variables"] == schema["provider"]["inputProperties"]


def test_the_schema_marks_what_is_secret(schema):
    marked = {
        f"{token.rsplit(':', 1)[-1]}.{section}.{name}"
        for token, one in {**schema["resources"], "provider": schema["provider"], **schema["types"]}.items()
        for section in ("inputProperties", "properties")
        for name, description in one.get(section, {}).items()
        if description.get("secret")
    }
    assert marked == {
        "AppAuth.properties.pemFile",
        "OrganizationSecrets.inputProperties.fallback",
        "OrganizationSecrets.inputProperties.secrets",
        "OrganizationSecrets.properties.secrets",
        "RegistryLogin.inputProperties.password",
        "RepositorySecrets.inputProperties.fallback",
        "RepositorySecrets.inputProperties.secrets",
        "RepositorySecrets.properties.secrets",
        "provider.inputProperties.appAuth",
        "provider.inputProperties.token",
    }


def test_everything_in_the_schema_is_described_and_every_reference_leads_somewhere(schema):
    texts = []

    def walk(node, path):
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].removeprefix("#/types/") in schema["types"] or node["$ref"].startswith(
                    "pulumi.json"
                )
            for key, value in node.items():
                walk(value, f"{path}.{key}")

    walk(schema["resources"], "resources")
    for token, resource in schema["resources"].items():
        for section in ("inputProperties", "properties"):
            texts += [
                f"{token}.{section}.{name}"
                for name, description in resource.get(section, {}).items()
                if section == "inputProperties" and not description.get("description")
            ]
    assert texts == []
