"""The examples as committed: the tests follow each README, and codespaces pull the images that it promises."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import ExitStack

import pytest
import yaml

from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.codespace import judge
from rig.stack import COMPONENTS, REPOSITORY, Stack

from .ecr_programs import steps

EXAMPLES = REPOSITORY / "examples"
TEMPLATE = "platform-repository"
OTHER_LANGUAGES = ["go", "typescript", "yaml"]
"""Tested in test_other_languages."""
PROJECTS = sorted(path.parent.name for path in EXAMPLES.glob("*/__main__.py") if path.parent.name != TEMPLATE)
HERE, SHARED, SANDBOX, PARTNER = "123456789012", "210987654321", "333344445555", "444455556666"
ROLE = {"platform": {"trusts": [HERE]}}
API, WEB, BASE = (
    f"{HERE}.dkr.ecr.eu-west-1.amazonaws.com/{name}:latest" for name in ("payments/api", "payments/web", "shared/base")
)
CLASSIC = {"kind": "classic", "scopes": ["admin:org", "repo", "read:packages"], "login": "platform"}
BOT = {"kind": "classic", "scopes": ["read:packages"], "login": "acme-bot"}


def acme(repositories=None, **more):
    """The seed of a GitHub with one organization."""
    given = DEFAULT_SEED["github"]["organizations"]["acme"]
    return {**given, "repositories": repositories or given["repositories"], **more}


class Reader:
    """A reader who runs the commands of an example's README one after the other.

    Attributes:
        stack: the stack of the example. Its environment has only the local cloud and AWS credentials until the README
            exports more.
        given: the values that the README leaves to the reader, by the key of the configuration.
    """

    def __init__(self, cloud, folder, name, given):
        self.cloud, self.given = cloud, given
        self.commands = commands(name)
        environment = dict(cloud.environment)
        for variable in ("GITHUB_OWNER", "GITHUB_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
            del environment[variable]
        self.stack = Stack(folder / name, environment, EXAMPLES / name, name="prod")

    def follow(self):
        """Run the commands up to and including the next `pulumi up`."""
        settings = []
        while self.commands:
            match self.commands.pop(0):
                case ["export", assignment]:
                    variable = assignment.partition("=")[0]
                    self.stack.environment[variable] = self.cloud.environment[variable]
                case ["pulumi", "config", "set", "--secret", key, *_]:
                    settings += ["--secret", f"{key}={self.given.pop(key)}"]
                case ["pulumi", "config", "set", key, value]:
                    settings += ["--plaintext", f"{key}={self.given.pop(key) if '…' in value else value}"]
                case ["pulumi", "up"]:
                    if settings:
                        self.stack.run("config", "set-all", *settings)
                    return self.stack.up()
                case command:
                    raise AssertionError(f"what to do with {command}?")
        raise AssertionError("the README has no further `pulumi up`")

    def shown(self, outputs):
        """The outputs that the README shows at its end, in order."""
        names = [command[3] for command in self.commands if command[:3] == ["pulumi", "stack", "output"]]
        del self.commands[: len(names)]
        return [outputs[name] for name in names]

    def unchanged(self):
        """Whether another preview shows nothing to do."""
        return self.stack.preview("--expect-no-changes").steps == []

    def pulls(self, repository, *images):
        """The images that a new codespace can pull."""
        with self.cloud.start_codespace(repository) as codespace:
            return [codespace.pull(image).ok for image in images]


def commands(name):
    """The commands in the README of an example, in words."""
    text = (EXAMPLES / name / "README.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    assert [line for line in lines if not line.startswith("$ ")] == []
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines]


@pytest.fixture
def reader(tmp_path):
    """Start the clouds and a reader; at the end no command of the README may be left."""
    with ExitStack() as clouds:
        started = []

        def start(name, *, github=None, aws=None, **given):
            seed = {
                "github": {
                    "tokens": {"ghp_platform": CLASSIC, "ghp_madeUp": BOT},
                    **DEFAULT_SEED["github"],
                    **(github or {}),
                }
            }
            seed["aws"] = aws or DEFAULT_SEED["aws"]
            cloud = clouds.enter_context(LocalCloud(seed, docker="http"))
            started.append(Reader(cloud, tmp_path, name, given))
            return started[-1]

        yield start
        for example in started:
            assert (example.commands, example.given) == ([], {})
            assert example.cloud.github.unserved == []
            assert example.cloud.aws.refused_hosts == []


def secrets_of(reader, organization="acme"):
    return reader.cloud.github.organization(organization).secrets


# -- each of them


def test_ecr(reader):
    it = reader("ecr")
    it.follow()
    assert it.pulls("acme/web", API, WEB) == [True, False]
    assert it.pulls("acme/api", API, WEB) == [True, False]
    assert it.pulls("acme/docs", API, WEB) == [False, False]
    first = it.stack.outputs()["payments"]
    assert (first["repositories"], first["keyGeneration"]) == (["api", "web"], 1)

    running = it.cloud.start_codespace("acme/web")
    it.follow()
    second = it.stack.outputs()["payments"]
    assert (second["repositories"], second["keyGeneration"]) == (["api", "web"], 2)
    assert second["accessKeyId"] != first["accessKeyId"]
    running.resume_login()
    assert running.pull(API).ok
    assert it.pulls("acme/web", API) == [True]
    assert it.unchanged()


GOOGLE_KEY = json.dumps({"type": "service_account", "private_key": "key", "client_email": "p@acme.example"})
OTHERS = {
    "acme.azurecr.io": ("codespaces-pull", "azurePassword", "made-up-azure"),
    "index.docker.io": ("acme", "dockerHubToken", "made-up-docker"),
    "ghcr.io": ("acme-bot", "ghcrToken", "ghp_madeUp"),
    "eu.gcr.io": ("_json_key", "googleKey", GOOGLE_KEY),
    "europe-west1-docker.pkg.dev": ("_json_key", "googleKey", GOOGLE_KEY),
    "registry.acme.example": ("codespaces-pull", "corpPassword", "made-up-corp"),
}
PULL = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow",
    "Action": ["ecr:GetAuthorizationToken", "sts:GetServiceBearerToken", "ecr:BatchGetImage",
               "ecr:GetDownloadUrlForLayer"],
    "Resource": "*",
}]}  # fmt: skip


def test_many_registries(reader):
    it = reader(
        "many-registries",
        aws={
            "accounts": {
                HERE: {"repositories": {region: {"team/app": ["latest"]} for region in ("eu-west-1", "us-east-1")}},
                SANDBOX: {"repositories": {"eu-west-1": {"team/app": ["latest"]}}, "roles": ROLE},
                PARTNER: {"repositories": {"eu-central-1": {"team/app": ["latest"]}}},
            },
            "registries": {
                host: {"user": user, "password": password, "repositories": ["team/app"]}
                for host, (user, _, password) in OTHERS.items()
            },
        },
        npmToken="npm_madeUp",
        packagesToken="ghp_madeUpToo",
        **{key: password for _, key, password in OTHERS.values()},
    )
    aws = it.cloud.aws
    aws.create_user("codespaces-of-acme", account=PARTNER)
    aws.put_user_policy("codespaces-of-acme", "pull", PULL, account=PARTNER)
    key = aws.create_access_key("codespaces-of-acme", account=PARTNER)
    it.given |= {"partnerKeyId": key.access_key_id, "partnerKey": key.secret_access_key}
    it.follow()

    ecr = [(HERE, "eu-west-1"), (HERE, "us-east-1"), (SANDBOX, "eu-west-1"), (PARTNER, "eu-central-1")]
    hosts = [f"{account}.dkr.ecr.{region}.amazonaws.com/" for account, region in ecr]
    hosts += ["" if "docker" in host.partition(".")[2] else f"{host}/" for host in OTHERS]
    images = [f"{host}team/app:latest" for host in hosts]
    assert it.pulls("acme/web", *images) == [True] * len(images)
    assert it.pulls("acme/docs", *images) == [False] * len(images)

    npmrc = re.search(r"```ini\n(.*?)```", (EXAMPLES / "many-registries/README.md").read_text(), re.DOTALL)
    with it.cloud.start_codespace("acme/web") as codespace:
        read = re.sub(r"\$\{(\w+)\}", lambda variable: codespace.secrets[variable[1]], npmrc[1])
    assert read.splitlines() == [
        "//registry.npmjs.org/:_authToken=npm_madeUp",
        "@acme:registry=https://npm.pkg.github.com",
        "//npm.pkg.github.com/:_authToken=ghp_madeUpToo",
    ]
    assert steps(it.stack.preview()) == dict.fromkeys(("sandbox-login", "sandbox-secrets"), "update")


def test_existing_stack(reader):
    repositories = {name: {"private": True} for name in ("docs", "infra")}
    it = reader(
        "existing-stack",
        github={"organizations": {"acme": acme(repositories)}},
        aws={"accounts": {account: {"roles": ROLE} for account in (HERE, SHARED)}},
    )
    it.follow()
    it.cloud.aws.push_image("payments/api")
    it.cloud.aws.push_image("shared/base", account=SHARED)
    base = f"{SHARED}.dkr.ecr.eu-west-1.amazonaws.com/shared/base:latest"
    for repository in ("acme/web", "acme/docs"):
        assert it.pulls(repository, API, base) == [True, True]
    assert it.pulls("acme/infra", API, base) == [False, False]
    assert sorted(it.cloud.aws.users(HERE)) == ["codespaces-payments", "deployer"]
    assert it.cloud.aws.users(SHARED) == {}
    providers = [
        resource["urn"].rsplit("::", 1)[-1]
        for resource in it.stack.resources()
        if "pulumi:providers" in resource["type"]
    ]
    assert sorted(providers) == ["codespaces", "github", "payments", "shared"]
    assert it.unchanged()


ASKS = {"customizations": {"codespaces": {"repositories": {"acme/images": {"permissions": {"packages": "read"}}}}}}
PAGE = "https://github.com/orgs/acme/packages"


def test_packages(reader):
    files = {".devcontainer/devcontainer.json": json.dumps(ASKS)}
    repositories = {
        "images": {"private": True},
        "web": {"private": True, "files": files},
        "api": {"private": True},
        "site": {"private": False},
    }
    packages = [
        {"name": "base/image", "package_type": "container", "repository": "images"},
        {"name": "icons", "package_type": "npm", "visibility": "internal", "repository": "images"},
        {"name": "cli", "package_type": "npm", "visibility": "public"},
    ]
    it = reader(
        "packages",
        github={"organizations": {"acme": acme(repositories, packages=packages, teams={"Payments": {}})}},
        packagesToken="ghp_madeUp",
    )
    image = "ghcr.io/acme/base/image:latest"
    it.cloud.aws.registries.add("ghcr.io", "acme-bot", "ghp_madeUp", ["acme/base/image"])
    it.follow()
    outputs = it.stack.outputs()
    inherits, asks, by_hand = (
        "the package inherits the access of this repository",
        "its devcontainer.json asks for the package's repository",
        "only if it is added on the package's settings page",
    )
    assert outputs["image"] == {"images": inherits, "web": asks, "api": by_hand}
    assert (outputs["icons"]["api"].startswith("the package is internal"), outputs["icons"]["site"]) == (True, by_hand)
    assert outputs["cli"] == dict.fromkeys(("api", "site"), "the package is public")
    clicks, devcontainer = it.shown(outputs)
    assert clicks == {
        "image": [
            {
                "what": "Inherit access from source repository: on (GitHub does not tell whether it is)",
                "url": f"{PAGE}/container/base%2Fimage/settings",
            },
            {
                "what": "Manage Codespaces access, Add repository: acme/api",
                "url": f"{PAGE}/container/base%2Fimage/settings",
            },
        ],
        "icons": [{"what": "Manage Codespaces access, Add repository: acme/site", "url": f"{PAGE}/npm/icons/settings"}],
        "cli": [],
    }
    assert json.loads(devcontainer) == ASKS
    images = it.cloud.github.repository("acme/images")
    assert it.cloud.github.organization("acme").teams["payments"].repositories == {images.id: "pull"}
    assert it.pulls("acme/api", image) == [True]
    assert it.pulls("acme/web", image) == [False]
    site = it.cloud.github.repository("acme/site")
    assert set(secrets_of(it)["PACKAGES_TOKEN"].repository_ids) == {site.id}
    assert it.unchanged()


def test_two_organizations(reader):
    lab, web = ({"private": True, "topics": [topic]} for topic in ("research", "payments"))
    umbrella = {"plan": "team", "repositories": {"lab": lab, "web": web}}
    may = {"organization_codespaces_secrets": "write", "metadata": "read"}
    tokens = {name: f"github_pat_{name}" for name in ("acme", "umbrella")}
    it = reader(
        "two-organizations",
        github={
            "organizations": {"acme": acme(), "umbrella": umbrella},
            "tokens": {
                token: {"kind": "fine-grained", "owner": name, "permissions": may} for name, token in tokens.items()
            },
        },
        **{f"{name}Token": token for name, token in tokens.items()},
    )
    it.follow()
    for repository, pulls in {
        "acme/web": True,
        "acme/docs": False,
        "umbrella/lab": True,
        "umbrella/web": False,
    }.items():
        assert it.pulls(repository, API, BASE, WEB) == [pulls, pulls, False]
    users = [f"codespaces-payments-{name}" for name in tokens]
    assert sorted(it.cloud.aws.users()) == users
    outputs = it.stack.outputs()
    for name, user in zip(tokens, users, strict=True):
        assert outputs[name]["userArn"] == f"arn:aws:iam::{HERE}:user/codespaces/{user}"
    (key,) = it.cloud.aws.access_keys(users[0])
    it.cloud.aws.delete_access_key(users[0], key.id)
    for repository, pulls in {"acme/web": False, "umbrella/lab": True}.items():
        assert judge(it.cloud.github, it.cloud.aws, repository, API).ok is pulls


def test_repository_level(reader):
    it = reader(
        "repository-level",
        github={"tokens": {"ghp_platform": {"kind": "classic", "scopes": ["repo"], "login": "platform"}}},
        aws={
            "accounts": {HERE: {"repositories": {"eu-west-1": {"shop/api": ["latest"], "payments/api": ["latest"]}}}},
            "registries": {
                "acme.azurecr.io": {"user": "codespaces-pull", "password": "made-up-azure", "repositories": ["charts"]}
            },
        },
        azurePassword="made-up-azure",
        npmToken="npm_madeUp",
    )
    it.follow()
    images = (API.replace("payments", "shop"), "acme.azurecr.io/charts:latest", API)
    assert it.pulls("acme/shop", *images) == [True, True, False]
    assert it.pulls("acme/web", *images) == [False, False, False]
    shop = it.cloud.github.repository("acme/shop").secrets
    parts = ("USER", "PASSWORD", "SERVER")
    assert sorted(shop) == sorted(
        ["NPM_TOKEN", *(f"{name}_CONTAINER_REGISTRY_{part}" for name in ("SHOP", "AZURE") for part in parts)]
    )
    assert shop["NPM_TOKEN"].value == "npm_madeUp"
    assert secrets_of(it) == {}
    assert [output["repositories"] for output in it.stack.outputs().values()] == [["shop"], ["shop"]]
    assert it.unchanged()


# -- all of them


def test_each_folder_is_an_example_with_a_test():
    folders = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    assert folders == sorted([*PROJECTS, *OTHER_LANGUAGES, TEMPLATE, "local"])
    tested = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert [name for name in PROJECTS if name not in tested] == []
    rows = re.findall(r"^\| (\[.*?) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"\[`([\w-]+)`\]\(\1\)", row)]
    assert sorted(listed) == sorted([*PROJECTS, *OTHER_LANGUAGES, TEMPLATE])


@pytest.mark.parametrize("name", PROJECTS)
def test_the_project_has_an_environment_and_no_plugin_of_its_own(name):
    folder = EXAMPLES / name
    files = ["Pulumi.prod.yaml", "Pulumi.yaml", "README.md", "__main__.py", "requirements.txt"]
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == files
    project = yaml.safe_load((folder / "Pulumi.yaml").read_text())
    root = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    assert project == {
        "name": name,
        "description": project["description"],
        "runtime": root["runtime"],
        "requiredPulumiVersion": root["requiredPulumiVersion"],
    }


@pytest.mark.parametrize("name", PROJECTS)
def test_what_the_program_imports_is_required(name):
    folder = EXAMPLES / name
    imported = set(re.findall(r"^import (\w+)", (folder / "__main__.py").read_text(), re.MULTILINE))
    of_the_root = [line for line in (REPOSITORY / "requirements.txt").read_text().splitlines() if line[0] != "-"]
    expected = {line for line in of_the_root if re.match(r"[\w-]+", line)[0].replace("-", "_") in imported}
    with_github = "pulumi_github" in imported or "teams" in (folder / "__main__.py").read_text()
    package = "../../components" + ("[github]" if with_github else "")
    required = (folder / "requirements.txt").read_text().splitlines()
    assert {line.partition(" #")[0] for line in required} == {*expected, package}
    assert (folder / "../../components").resolve() == COMPONENTS
