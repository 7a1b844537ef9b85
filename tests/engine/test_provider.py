"""The provider's configuration and life cycle on the real engine: organizations, credentials, permissions, signals."""

from __future__ import annotations

import copy
import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rig.github import GitHubStandIn
from rig.stack import PLUGIN_FOLDER, has_frame_of_package

from .conftest import SEED, TOKEN
from .secret_programs import (
    HEAD,
    PASSWORD,
    SERVER,
    USER,
    Clock,
    nowhere,
    program,
    secret_set,
    triple,
    values,
    writes,
)

SECRET = "CANARY-of-a-password"
PUT_ALL = [f"PUT {USER}", f"PUT {PASSWORD}", f"PUT {SERVER}"]
PREFIXES = ("PAY", "SHOP", "WEB")
DELETE_ALL = [f"DELETE {SERVER}", f"DELETE {PASSWORD}", f"DELETE {USER}"]


def with_provider(arguments, values_=None, repositories="{'web': 11}", name="token"):
    text = f"provider = codespaces.Provider({name + '-provider'!r}, {arguments})\n"
    options = "pulumi.ResourceOptions(provider=provider)"
    return text + secret_set(values_ or triple(secret=SECRET), repositories, name=name, opts=options)


def steps(preview):
    return {step["urn"].rsplit("::", 1)[-1]: step["op"] for step in preview.steps}


@pytest.fixture(scope="module")
def pem():
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@contextmanager
def app_github(pem, permission="write", repositories=None):
    """GitHub with an App that is installed on all repositories, or only on these."""
    permissions = {"organization_codespaces_secrets": permission, "metadata": "read"}
    installation = {"account": "acme", "permissions": permissions, "repository_selection": "all"}
    if repositories is not None:
        installation |= {"repository_selection": "selected", "repositories": repositories}
    app = {"slug": "platform", "private_key_pem": pem, "installations": {"77": installation}}
    with GitHubStandIn(copy.deepcopy(SEED) | {"apps": {"1234": app}}) as standing_in:
        yield standing_in


def app_environment(github, pem, **other):
    given = {"GITHUB_APP_ID": "1234", "GITHUB_APP_INSTALLATION_ID": "77", "GITHUB_APP_PEM_FILE": pem}
    return {"GITHUB_OWNER": "acme", "GITHUB_BASE_URL": github.url} | given | other


def test_two_organizations_in_one_stack(github, new_stack):
    text = HEAD + with_provider("owner='acme'", name="acme")
    text += with_provider("owner='umbrella'", repositories="{'lab': 91}", name="umbrella")
    stack = new_stack(text)
    stack.up()
    assert values(github) == values(github, "umbrella") == triple(secret=SECRET)
    assert stack.preview("--expect-no-changes").steps == []
    assert stack.refresh("--expect-no-changes").ok
    stack.write(text.replace(SECRET, "another"))
    github.clear_requests()
    stack.up()
    assert values(github) == values(github, "umbrella") == triple(secret="another")
    stack.destroy()
    assert values(github) == values(github, "umbrella") == {}


def test_a_changed_owner_moves_the_secrets(github, new_stack):
    """The engine replaces the provider and its secrets: created in the new organization, deleted in the old."""
    umbrella = github.organization("umbrella")
    stack = new_stack(program(triple(), None, more="'visibility': 'all'"))
    stack.up()
    github.clear_requests()

    umbrella.put_secret(USER, "theirs")
    stack.environment["GITHUB_OWNER"] = "umbrella"
    refused = stack.preview(check=False)
    assert (
        f"organization umbrella has these secrets already, and this resource did not make them: {USER}"
        in refused.output
    )
    umbrella.delete_secret(USER)

    assert steps(stack.preview())["token"] == "replace"
    assert writes(github) == []
    stack.up()
    sent = [f"{request.method} {request.path}" for request in github.requests if request.method != "GET"]
    paths = {"acme": "/orgs/acme/codespaces/secrets/", "umbrella": "/orgs/umbrella/codespaces/secrets/"}
    assert sent == [
        *(write.replace(" ", f" {paths['umbrella']}") for write in PUT_ALL),
        *(write.replace(" ", f" {paths['acme']}") for write in DELETE_ALL),
    ]
    assert (values(github), values(github, "umbrella")) == ({}, triple())
    assert stack.preview("--expect-no-changes").steps == []

    # Refresh and destroy take a default provider from the state and do not check it.
    stack.environment["GITHUB_OWNER"] = "acme"
    assert stack.refresh("--expect-no-changes").ok
    stack.destroy()
    assert values(github, "umbrella") == {}


def test_a_token_of_the_environment_is_not_stored(github, new_stack):
    stack = new_stack(program(triple(secret=SECRET)))
    outcomes = [stack.run("preview", "--diff"), stack.preview(), stack.up()]
    nowhere([TOKEN, SECRET], stack, *outcomes)
    (provider,) = [resource for resource in stack.resources() if resource["type"].startswith("pulumi:providers:")]
    assert provider["inputs"]["owner"] == "acme"
    assert not {"token", "appAuth"} & {*provider["inputs"], *provider["outputs"]}
    assert {request.token_label for request in github.requests} == {"classic:platform"}

    # A different token does not count as a change.
    github.tokens.add("ghp_another", scopes=("admin:org", "repo"), login="another")
    github.tokens.revoke(TOKEN)
    github.clear_requests()
    stack.environment["GITHUB_TOKEN"] = "ghp_another"
    assert stack.preview("--expect-no-changes").steps == []
    assert {request.token_label for request in github.requests} == {"classic:another"}
    del stack.environment["GITHUB_TOKEN"]
    assert "no GitHub credentials: set GITHUB_TOKEN" in stack.destroy(check=False).output
    assert values(github) == triple(secret=SECRET)


def test_a_token_of_the_program_is_stored_encrypted_and_can_be_rotated(github, new_stack):
    first, second = "ghp_CANARY1first", "ghp_CANARY2second"
    for token in (first, second):
        github.tokens.add(token, scopes=("admin:org", "repo"), login=token[-6:])
    stack = new_stack(HEAD + with_provider(f"token={first!r}"))
    del stack.environment["GITHUB_TOKEN"]
    outcomes = [stack.run("preview", "--diff"), stack.preview(), stack.up()]
    inputs = stack.resource("token-provider")["inputs"]
    assert inputs["token"]["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"

    # The provider uses the new token at once, and nothing is replaced.
    github.tokens.revoke(first)
    github.clear_requests()
    stack.write(HEAD + with_provider(f"token={second!r}"))
    preview = stack.preview()
    assert steps(preview) == {"token-provider": "update"}
    outcomes += [preview, stack.up()]
    assert {request.token_label for request in github.requests} == {f"classic:{second[-6:]}"}
    assert stack.preview("--expect-no-changes").steps == []
    outcomes.append(stack.destroy())
    assert values(github) == {}
    nowhere([first, second, SECRET], stack, *outcomes)


def test_an_app_in_place_of_a_token(pem, new_stack):
    line = pem.splitlines()[5]
    with app_github(pem) as github:
        stack = new_stack(program(triple(secret=SECRET)), app_environment(github, pem.replace("\n", "\\n")))
        outcomes = [stack.preview(), stack.up()]
        assert values(github) == triple(secret=SECRET)
        assert {request.token_label for request in github.requests} == {"app:1234", "installation:77"}
        nowhere([line, SECRET], stack, *outcomes)
        stack.destroy()

        app = f"app_auth={{'id': '1234', 'installation_id': '77', 'pem_file': {pem!r}}}"
        environment = {"GITHUB_OWNER": "acme", "GITHUB_BASE_URL": github.url}
        stack = new_stack(HEAD + with_provider(app), environment)
        outcomes = [stack.run("preview", "--diff"), stack.preview(), stack.up()]
        assert stack.preview("--expect-no-changes").steps == []
        outcomes.append(stack.destroy())
        assert values(github) == {}
        nowhere([line, SECRET], stack, *outcomes)


def test_an_app_on_some_repositories_cannot_resolve_topics(pem, new_stack):
    topical = "selection = codespaces.RepositorySelection('readers', {'topics': ['payments']})\n"
    named = "selection = codespaces.RepositorySelection('readers', {'names': ['web']})\n"
    with app_github(pem, repositories=["web", "api"]) as github:
        stack = new_stack(HEAD + topical, app_environment(github, pem))
        refused = stack.preview(check=False)
        assert "the GitHub App is installed on selected repositories of acme only, so topics" in refused.output
        stack.write(HEAD + named + secret_set(triple(), "selection.repositories"))
        stack.up()
        assert values(github) == triple()
        stack.write(HEAD + named.replace("'web'", "'web', 'docs'"))
        refused = stack.preview(check=False)
        assert "(or the GitHub App is installed on selected repositories of acme only)" in refused.output


def test_an_app_that_may_only_read_previews(pem, new_stack):
    with app_github(pem, permission="read") as github:
        stack = new_stack(program(triple()), app_environment(github, pem))
        preview = stack.preview()
        assert steps(preview)["token"] == "create"
        (warning,) = preview.warnings
        assert "may read but not write Codespaces secrets" in warning
        failed = stack.up(check=False)
        assert "'Organization codespaces secrets: write'" in failed.output
        assert (values(github), writes(github)) == ({}, [])


def test_an_app_that_cannot_log_in(pem, new_stack):
    with app_github(pem) as github:
        stack = new_stack(program(triple(secret=SECRET)), app_environment(github, pem))
        for changed, message in (
            ({"GITHUB_APP_INSTALLATION_ID": "78"}, "The GitHub App has no such installation: compare app_auth.id"),
            ({"GITHUB_APP_ID": "99"}, "The GitHub token or App key is wrong, expired or revoked; give a new one."),
            ({"GITHUB_APP_PEM_FILE": "key-CANARY.pem"}, "is not a private key in PEM format; give the contents of the"),
        ):
            github.clear_requests()
            stack.environment |= app_environment(github, pem, **changed)
            preview = stack.preview(check=False)
            assert not preview.ok
            assert message in preview.output
            nowhere([pem.splitlines()[5], "key-CANARY", SECRET], stack, preview)
            assert len(github.requests) < 2


def test_the_default_provider_takes_the_configuration_of_the_stack(pem, new_stack):
    """It takes precedence over the environment, and an App, given field by field, over a token."""
    nobody = {"GITHUB_OWNER": "free", "GITHUB_BASE_URL": "http://127.0.0.1:1", "GITHUB_TOKEN": "ghp_nobody"}
    with app_github(pem) as github:
        stack = new_stack(program(triple(secret=SECRET)), nobody)
        stack.configure("codespaces:owner", "acme")
        stack.configure("codespaces:baseUrl", github.url)
        stack.configure("codespaces:token", TOKEN, secret=True)
        outcomes = [stack.run("preview", "--diff"), stack.up()]
        assert values(github) == triple(secret=SECRET)
        assert {request.token_label for request in github.requests} == {"classic:platform"}
        github.clear_requests()
        stack.configure("codespaces:appAuth.id", "1234", path=True)
        stack.configure("codespaces:appAuth.installationId", "77", path=True)
        stack.configure("codespaces:appAuth.pemFile", f"\n{pem}", secret=True, path=True)
        outcomes += [stack.up(), stack.preview("--expect-no-changes")]
        assert {request.token_label for request in github.requests} == {"app:1234", "installation:77"}
        nowhere([TOKEN, SECRET, pem.splitlines()[5]], stack, *outcomes)
        stack.destroy()
        assert values(github) == {}


def test_a_fine_grained_token_that_may_only_read_previews(github, github_environment, new_stack):
    stack = new_stack(program(triple(secret=SECRET)), github_environment | {"GITHUB_TOKEN": "github_pat_reader"})
    assert steps(stack.preview())["token"] == "create"
    failed = stack.up(check=False)
    assert "a fine-grained token or an App the permission 'Organization codespaces secrets: write'" in failed.output
    assert values(github) == {}
    assert stack.resources()[-1]["type"].startswith("pulumi:providers:")
    nowhere([SECRET, "github_pat_reader"], stack, failed)


def test_an_owner_that_is_not_known_yet(github, new_stack):
    text = f"""{HEAD}
import pulumi_github
made = pulumi_github.Repository('new', name='new', visibility='private')
"""
    stack = new_stack(text + with_provider("owner=made.full_name.apply(lambda name: name.split('/')[0])"))
    assert steps(stack.preview()) == dict.fromkeys(["access-test", "new", "token-provider", "token"], "create")
    assert values(github) == {}
    stack.up()
    assert values(github) == triple(secret=SECRET)
    assert stack.preview("--expect-no-changes").steps == []


def test_a_configuration_that_cannot_work(github, github_environment, new_stack):
    github.seed({"organizations": {"free": {"id": 3, "plan": "free"}}})
    stack = new_stack(program(triple(secret=SECRET)))
    for changed, message in (
        ({"GITHUB_TOKEN": ""}, "no GitHub credentials: set GITHUB_TOKEN, or GITHUB_APP_ID"),
        ({"GITHUB_TOKEN": "ghp_CANARYrevoked"}, "The GitHub token or App key is wrong, expired or revoked"),
        ({"GITHUB_TOKEN": "ghp_reader"}, "needs the scope admin:org"),
        ({"GITHUB_TOKEN": "ghp_CANARY two"}, "the GitHub token contains blanks or other characters"),
        ({"GITHUB_OWNER": "free"}, "has no Codespaces secrets: they need GitHub Team or GitHub Enterprise."),
        ({"GITHUB_OWNER": ""}, "no organization: set GITHUB_OWNER, or give the provider `owner`."),
        ({"GITHUB_BASE_URL": "https://github.acme.example"}, "github.acme.example is neither github.com nor a ghe.com"),
        ({"GITHUB_BASE_URL": "http://me:CANARY@127.0.0.1:1"}, "base_url contains a user name or a password"),
    ):
        stack.environment |= github_environment | changed
        outcomes = [stack.preview(check=False)]
        if changed.get("GITHUB_TOKEN") in ("ghp_reader", "ghp_CANARYrevoked"):
            outcomes += [stack.run("preview", "--diff", check=False), stack.up(check=False)]
        for outcome in outcomes:
            assert not outcome.ok
            assert message in outcome.output
        nowhere([TOKEN, SECRET, "CANARY"], stack, *outcomes)
        assert writes(github) == []
        if changed.get("GITHUB_TOKEN") == "ghp_reader":
            assert "The token has: read:org, repo." in outcomes[0].output
    assert values(github) == {}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("launcher", [True, False], ids=["an installed plugin", "a plugin by path"])
def test_the_cli_is_stopped_in_the_middle_of_a_pair(github, new_stack, launcher):
    """USER is written and PASSWORD is on its way: the pair is finished, or put back if GitHub does not answer.

    Python's language host kills a plugin in a path together with the CLI; then the next update repairs the pair.
    """
    github.clock = Clock()
    stack = new_stack(program(triple()), launcher=launcher)
    stack.up()
    holding = triple()
    for number, (sent, answers) in enumerate(
        [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False), (signal.SIGKILL, True)], start=2
    ):
        wanted = triple(f"AKIA{number}", f"value-{number}")
        stack.write(program(wanted))
        said = stopped_in_the_middle(github, stack, sent, answers=answers)
        if sent is signal.SIGKILL and not launcher:
            holding = {**holding, USER: wanted[USER]}
        elif answers:
            holding = wanted
        assert values(github) == holding
        # Python prints a traceback of the interrupted program; the plugin prints none.
        assert PLUGIN_FOLDER not in said
        assert not has_frame_of_package(said)
        if sent is signal.SIGKILL:
            stack.run("cancel", "--yes")
    github.clock.later()
    stack.up()
    assert values(github) == wanted
    assert stack.preview("--expect-no-changes").steps == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("kind", "in_the_middle"),
    [
        ("hang", lambda passwords: len(passwords) == 3),
        ("secondary_limit", lambda passwords: any(request.status == 403 for request in passwords)),
    ],
    ids=["GitHub does not answer", "GitHub's rate limit is reached"],
)
def test_every_pair_in_hand_is_put_back_when_the_cli_is_stopped(github, new_stack, kind, in_the_middle):
    """The passwords of three registries are on their way, or wait for the end of a rate limit."""
    first, second = (
        [triple(f"AKIA{number}", f"value-{number}", prefix, f"{prefix.lower()}.azurecr.io") for prefix in PREFIXES]
        for number in (1, 2)
    )
    github.clock = Clock()
    stack = new_stack(HEAD + "".join(secret_set(values_, name=min(values_)) for values_ in first))
    stack.up()
    before = values(github)
    stack.write(HEAD + "".join(secret_set(values_, name=min(values_)) for values_ in second))
    github.clock.later()
    github.clear_requests()
    github.faults.add("PUT", "/orgs/acme/codespaces/secrets/*_PASSWORD", kind=kind, times=None)
    said = stopped_when(lambda: in_the_middle(passwords_on_their_way(github)), stack)
    assert not has_frame_of_package(said)
    assert values(github) == before
    github.faults.clear()
    stack.up()
    assert values(github) == {name: value for values_ in second for name, value in values_.items()}
    assert stack.preview("--expect-no-changes").steps == []


def passwords_on_their_way(github):
    """The requests that write a password, successful or not."""
    return [
        request for request in list(github.requests) if request.method == "PUT" and request.path.endswith("_PASSWORD")
    ]


def stopped_when(in_the_middle, stack):
    """Send SIGTERM to a running update; returns the output until all processes have ended."""
    process = stack.start("up", "--yes", "--skip-preview")
    said = []
    reader = threading.Thread(target=lambda: said.append(process.communicate()[0]))
    reader.start()
    while not in_the_middle():
        assert reader.is_alive(), said
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    reader.join()
    while stack.processes():
        time.sleep(0.05)
    assert process.returncode != 0
    return said[0]


def stopped_in_the_middle(github, stack, sent, *, answers):
    """Stop an update after USER is written, while GitHub delays PASSWORD; returns the output."""
    path = f"/orgs/acme/codespaces/secrets/{PASSWORD}"
    github.faults.add("PUT", path, kind="delay" if answers else "hang", seconds=1 if answers else 30)
    github.clock.later()
    stopped = []

    def stop(event):
        if event.name == USER and not stopped:
            stopped.append(time.monotonic())
            if sent is signal.SIGKILL:
                stack.kill(process)
            else:
                # Like a terminal, send SIGINT to the whole process group.
                (os.killpg if sent is signal.SIGINT else os.kill)(process.pid, sent)

    github.observers[:] = [stop]
    process = stack.start("up", "--yes", "--skip-preview")
    said = []
    reader = threading.Thread(target=lambda: said.append(process.communicate()[0]))
    reader.start()
    while not stopped:
        assert reader.is_alive(), said
        time.sleep(0.02)
    while left := stack.processes():
        assert time.monotonic() - stopped[0] < 120, left
        time.sleep(0.05)
    reader.join()
    github.faults.clear()
    assert process.returncode != 0
    return said[0]
