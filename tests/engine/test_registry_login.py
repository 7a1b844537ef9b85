"""`RegistryLogin` on the real engine, with registries that ask for the password and registries that ask for a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rig.codespace import judge, start_codespace
from rig.stack import has_frame_of_package

from .ecr_programs import Code, steps
from .secret_programs import nowhere, readers, told, writes

if TYPE_CHECKING:
    from rig.aws.plain_registry import PlainRegistry
    from rig.cloud import LocalCloud

AZURE, GHCR, HUB = "acme.azurecr.io", "ghcr.io", "https://index.docker.io/v1/"
IMAGE = f"{AZURE}/team/app:latest"
PASSWORDS = ("CANARY-azure-1", "CANARY-azure-2", "CANARY-ghcr", "CANARY-wrong")


def login(name: str = "azure", password: str = PASSWORDS[0], **arguments: object) -> str:
    """The lines that declare one login."""
    given = {
        "server": AZURE,
        "user": "puller",
        "password": Code(f"pulumi.Output.secret({password!r})"),
        "selected_repositories": ["web"],
        **arguments,
    }
    items = ", ".join(f"{key!r}: {value!r}" for key, value in given.items())
    return f"{name} = codespaces.RegistryLogin({name!r}, {{{items}}})\npulumi.export({name!r}, {name}.summary)\n"


def program(*logins: str) -> str:
    """A program with these logins."""
    return "import pulumi\nimport pulumi_codespaces as codespaces\n" + "".join(logins or (login(),))


@pytest.fixture
def azure(cloud: LocalCloud) -> PlainRegistry:
    return cloud.aws.registries.add(AZURE, "puller", PASSWORDS[0], ["team/app"])


def names(prefix: str) -> list[str]:
    return [f"{prefix}_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")]


def test_create_nothing_to_do_new_password_destroy(cloud, azure, new_cloud_stack):
    cloud.aws.registries.add(GHCR, "bot", PASSWORDS[2], ["acme/app"])
    ghcr = login("ghcr", PASSWORDS[2], server=GHCR, user="bot", probe_images=["acme/app"], visibility="private",
                 selected_repositories=None)  # fmt: skip
    stack = new_cloud_stack(program(login(), ghcr))
    preview = stack.preview()
    assert steps(preview) == dict.fromkeys(
        (
            "access-test",
            "azure",
            "azure-login",
            "azure-repositories",
            "azure-secrets",
            "ghcr",
            "ghcr-login",
            "ghcr-secrets",
        ),
        "create",
    )
    outcomes = [preview, stack.up()]
    assert stack.outputs() == {
        "azure": {"repositories": ["web"], "secretNames": names("AZURE"), "server": AZURE},
        "ghcr": {"repositories": "private", "secretNames": names("GHCR"), "server": GHCR},
    }
    assert readers(cloud.github) == {
        **dict.fromkeys(names("AZURE"), ("selected", {11})),
        **dict.fromkeys(names("GHCR"), ("private", set())),
    }
    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace:
        assert codespace.pull(IMAGE).ok
        assert codespace.pull(f"{GHCR}/acme/app:latest").ok
    with start_codespace(cloud.github, cloud.aws, "acme/docs") as codespace:
        assert not codespace.pull(IMAGE).ok
        assert codespace.pull(f"{GHCR}/acme/app:latest").ok
    writes(cloud.github)
    outcomes += [stack.preview("--expect-no-changes"), stack.up("--expect-no-changes")]
    outcomes.append(stack.refresh("--expect-no-changes"))
    assert writes(cloud.github) == []

    # Like registries with two passwords, this registry accepts the old password until the new password is published.
    cloud.github.observers.append(lambda event: outages.append(judge_by_any(cloud, azure)))
    outages: list[str] = []
    stack.write(program(login(password=PASSWORDS[1]), ghcr))
    preview = stack.preview()
    assert steps(preview) == {"azure-login": "update", "azure-secrets": "update"}
    azure.password = PASSWORDS[1]
    outcomes += [preview, stack.up(), stack.run("preview", "--diff")]
    assert writes(cloud.github) == [f"PUT {name}" for name in names("AZURE")]
    assert [outage for outage in outages if outage] == []
    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace:
        assert codespace.pull(IMAGE).ok
    outcomes.append(stack.destroy())
    assert cloud.github.organization("acme").secrets == {}
    nowhere(PASSWORDS, stack, *outcomes)


def judge_by_any(cloud: LocalCloud, registry: PlainRegistry) -> str:
    """Why a new codespace cannot pull, whichever of the two passwords the registry accepts."""
    verdicts = []
    for password in PASSWORDS[:2]:
        before, registry.password = registry.password, password
        verdicts.append(judge(cloud.github, cloud.aws, "acme/web", IMAGE))
        registry.password = before
    return "" if any(verdict.ok for verdict in verdicts) else verdicts[0].reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"password": PASSWORDS[3]}, "the registry acme.azurecr.io refuses the login (401)"),
        ({"probe_images": ["team/app:missing"]}, "the image does not exist; probe_images must list existing images"),
        ({"probe_images": ["team/app", "team/other"]}, "reading team/other from acme.azurecr.io is refused (403)"),
        ({"server": "gone.azurecr.io"}, "the registry gone.azurecr.io does not answer"),
    ],
)
def test_credentials_that_do_not_work_are_not_published(cloud, azure, new_cloud_stack, arguments, message):
    azure.push_image("team/other")
    stack = new_cloud_stack(program())
    stack.up()
    before = {name: secret.value for name, secret in cloud.github.organization("acme").secrets.items()}
    writes(cloud.github)
    stack.write(program(login(**arguments)))
    preview = stack.preview()
    refused = stack.up(check=False)
    assert message in refused.output
    assert "Nothing was published; codespaces keep the credentials they have." in refused.output
    assert writes(cloud.github) == []
    assert {host.partition(":")[0] for host in cloud.aws.refused_hosts} <= {"gone.azurecr.io"}
    cloud.aws.refused_hosts.clear()
    nowhere(PASSWORDS, stack, preview, refused)
    stack.write(program())
    stack.up()
    assert {name: secret.value for name, secret in cloud.github.organization("acme").secrets.items()} == before


def test_a_registry_that_cannot_be_reached_from_here(cloud, new_cloud_stack):
    stack = new_cloud_stack(program(login(server="registry.corp.example:5000", verify=False)))
    stack.up()
    secrets = cloud.github.organization("acme").secrets
    assert [secrets[name].value for name in names("AZURE")] == ["puller", PASSWORDS[0], "registry.corp.example:5000"]


def test_a_token_of_github_that_may_log_in_and_not_pull(cloud, new_cloud_stack):
    """The preview refuses a new token; for a token that codespaces already have, it only warns."""
    token = "ghp_CANARYtoken"

    def scopes(*given: str) -> None:
        cloud.github.seed({"tokens": {token: {"scopes": given, "login": "bot"}}})

    cloud.aws.registries.add(GHCR, "bot", token, ["acme/app"])
    scopes("repo")
    stack = new_cloud_stack(program(login("ghcr", token, server=GHCR, user="bot")))
    refused = stack.preview(check=False)
    lacks = "password of GitHub Container registry: the token lacks the scope read:packages (its scopes: repo)"
    assert not refused.ok
    assert lacks in told(refused)
    assert writes(cloud.github) == []
    scopes("read:packages")
    up = stack.up()
    assert up.warnings == []
    scopes("repo")
    preview = stack.preview("--expect-no-changes")
    (warning,) = preview.warnings
    assert warning.startswith(f"warning: codespaces cannot pull: {lacks}")
    nowhere([token], stack, refused, up, preview)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"server": f"https://{AZURE}"}, "server 'https://acme.azurecr.io': a scheme does not belong here"),
        ({"server": f"{AZURE}/team"}, "server 'acme.azurecr.io/team': a path does not belong here"),
        ({"server": "docker.io"}, "server 'docker.io': docker keeps the login to Docker Hub under one literal address"),
        ({"server": Code("pulumi.Output.from_input('https://acme.azurecr.io')")}, "a scheme does not belong here"),
        ({"secret_prefix": "GITHUB"}, "GITHUB"),
        ({"selected_repositories": "web"}, "selected_repositories is a str; give a list of repository names"),
    ],
)
def test_bad_arguments_are_refused_in_the_preview(cloud, new_cloud_stack, arguments, message):
    stack = new_cloud_stack(program(login(**arguments)))
    for refused in (stack.run("preview", "--diff", check=False), stack.preview(check=False)):
        assert not refused.ok
        assert message in refused.output
        assert "RegistryLogin azure: " in refused.output
        assert not has_frame_of_package(refused.output)
        nowhere(PASSWORDS, stack, refused)
    assert cloud.github.requests == [] or writes(cloud.github) == []
