"""The components as programs in other languages make them: the plugin constructs them, by the names in the schema."""

from __future__ import annotations

import json

import pytest

from rig.stack import COMPONENTS, Stack, copy_components, has_frame_of_package

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/payments/api:latest"

# Does the same as a generated SDK: the token, the inputs by their names in the schema, and `remote`.
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
# The Python SDK 3.259 sends a remote component only the provider of the component's own package
# (https://github.com/pulumi/pulumi/issues/24423). Other languages and later releases send all providers.
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


MADE = """
import pulumi_aws as aws

made = aws.ecr.Repository("made", name="payments/made")
other = aws.ecr.Repository("other", name="payments/other")
inputs = {
    "ecrRepositories": ["payments/api", made.name, other.arn],
    "selectedRepositories": {"web": 11},
    "visibility": "selected",
    "verify": made.arn.apply(lambda _: True),
    "maxKeyAgeDays": other.arn.apply(lambda _: 30),
    "region": made.arn.apply(lambda arn: arn.split(":")[3]),
    "probeImages": [other.name.apply(lambda _: "payments/api:latest")],
}
"""


def test_a_remote_component_takes_outputs_of_the_same_program(cloud, new_cloud_stack):
    stack = new_cloud_stack(HEAD + MADE + 'Remote("EcrPullAccess", "payments", inputs, OUTPUTS)\n')
    assert stack.preview().step("payments-pull")["op"] == "create"
    stack.up()
    names = ("payments/api", "payments/made", "payments/other")
    (statement,) = json.loads(stack.resource("payments-pull")["outputs"]["policy"])["Statement"]
    assert [arn.partition("repository/")[2] for arn in statement["Resource"]] == [*names]
    assert pulls(cloud, "web")
    assert stack.preview("--expect-no-changes").steps == []

    stack.write(
        HEAD
        + MADE
        + 'inputs["secretPrefix"] = made.name.apply(str.upper)\n'
        + 'Remote("EcrPullAccess", "payments", inputs, OUTPUTS)\n'
    )
    refused = stack.preview(check=False).output
    assert "EcrPullAccess payments: secretPrefix is an Output; it must be a plain value, since a preview" in refused

    # A mistake that shows only once the Output is known has the same message.
    late = 'inputs["additionalRegistries"] = {"US": pulumi.Output.from_input("acme.example")}\n'
    stack.write(HEAD + MADE + late + 'Remote("EcrPullAccess", "payments", inputs, OUTPUTS)\n')
    refused = stack.run("preview", check=False).output
    assert (
        "EcrPullAccess payments: additionalRegistries.US 'acme.example' is not the host of a private ECR registry"
        in refused
    )
    assert "Unexpected" not in refused
    assert not has_frame_of_package(refused)


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
        assert "ecrRepositories is empty: list at least one repository to pull from" in told[0]
        assert "or select by ecrRepositoryTags." in told[0]
        # The program's SDK prints its own traceback; the output must not have a traceback of the plugin.
        assert not has_frame_of_package(outcome.output)
    assert cloud.aws.users() == {}


def test_the_schema_is_the_one_in_the_repository_and_keeps_the_rules(tmp_path):
    """The CLI checks the schema against the rules for generating SDKs.

    It installs the plugin first. It makes the virtual environment with the Python on PATH: here a command that does
    nothing, since the environment exists. It fills the environment with pip: here a fake pip that lists no packages.
    """
    components = copy_components(tmp_path, pip="import sys\nif 'list' in sys.argv:\n    print('[]')\n")
    stack = Stack(tmp_path / "stack", {"PULUMI_PYTHON_CMD": "true"}, "", plugin=False)
    said = stack.run("package", "get-schema", str(components)).output
    file = COMPONENTS / "pulumi_codespaces/schema.json"
    assert json.loads(said[said.index("{\n") :]) == json.loads(file.read_text())
    assert stack.run("schema", "check", str(file)).output.strip() == ""
