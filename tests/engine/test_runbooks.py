"""The runbooks, command by command: after each of them, codespaces can or must not pull."""

from __future__ import annotations

import copy
import re
import shlex
import signal
import time
from contextlib import contextmanager

import pytest

from rig.cloud import LocalCloud
from rig.codespace import judge
from rig.stack import REPOSITORY, Stack

from .ecr_programs import API
from .test_program import PROGRAM, SEED

CHARTS = "acme.azurecr.io/charts:latest"
USER = "codespaces-payments-prod"
PASSWORD, NEW_PASSWORD = "CANARY-before", "CANARY-after"
CONFIG = """
config:
  access:organization: acme
  access:selections: {payments: {topics: [payments]}}
  access:registries:
    payments-prod: {ecrRepositories: [payments/api], selection: payments}
    payments-acr:  {server: acme.azurecr.io, user: pull, passwordFrom: acrPassword, selection: payments}
"""
WRITES = "/orgs/acme/codespaces/secrets/"
ROLE = "arn:aws:iam::123456789012:role/platform"
WITH_ROLE = f"""
config:
  access:organization: acme
  access:accounts: {{prod: {{region: eu-west-1, roleArn: "{ROLE}"}}}}
  access:selections: {{payments: {{topics: [payments]}}}}
  access:registries: {{payments-prod: {{account: prod, ecrRepositories: [payments/api], selection: payments}}}}
"""


def sections():
    """The commands of each section, block by block, in words."""
    text = (REPOSITORY / "docs/runbooks.md").read_text()
    found = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = section.partition("\n")
        blocks = re.findall(r"^```console\n(.*?)^```$", rest, re.DOTALL | re.MULTILINE)
        found[title] = [[words(line) for line in block.splitlines()] for block in blocks]
    return found


def words(line):
    return shlex.split(line.removeprefix("$ "), comments=True)


SECTIONS = sections()


@pytest.fixture(scope="module")
def cloud():
    seed = copy.deepcopy(SEED)
    shop = {"id": 91, "private": True, "topics": ["payments"]}
    seed["github"]["organizations"]["umbrella"] = {"id": 2, "plan": "team", "repositories": {"shop": shop}}
    seed["aws"]["registries"]["acme.azurecr.io"]["password"] = PASSWORD
    with LocalCloud(seed, docker="http") as cloud:
        yield cloud
        assert cloud.github.unserved == []
        assert cloud.aws.refused_hosts == []


def make_stack(cloud, folder, config):
    made = Stack(folder, cloud.environment, PROGRAM)
    with (made.program_folder / "Pulumi.test.yaml").open("a") as file:
        file.write(config)
    return made


@pytest.fixture
def stack(cloud, tmp_path):
    made = make_stack(cloud, tmp_path, CONFIG)
    made.configure("acrPassword", PASSWORD, secret=True)
    made.up()
    yield made
    made.destroy()
    assert cloud.aws.users() == {}


@pytest.fixture
def stack_with_role(cloud, tmp_path):
    """A stack whose account has a role."""
    made = make_stack(cloud, tmp_path, WITH_ROLE)
    yield made
    made.destroy()
    assert cloud.aws.users() == {}


def follow(stack, cloud, commands, *, given=(), said=""):
    """Run the commands of a block.

    Args:
        stack: the stack that the runbook is for.
        cloud: the local cloud.
        commands: the block.
        given: the values that the runbook leaves to the reader, in order.
        said: the output that the reader takes the id of a key from.
    """
    values = list(given)
    for command in commands:
        match command:
            case ["pulumi", ("up" | "refresh" | "cancel") as verb, *flags]:
                quick = [] if verb == "cancel" else ["--skip-preview"]
                stack.run(verb, *flags, "--yes", *quick)
            case ["pulumi", "config", "set", *words]:
                stack.run("config", "set", *[values.pop(0) if word == "…" else word for word in words])
            case ["aws", "iam", "delete-access-key", "--user-name", user, "--access-key-id", "…"]:
                assert f"aws iam delete-access-key --user-name {user} --access-key-id " in said
                assert len(cloud.delete_named_keys(said)) == 1
            case _:
                raise AssertionError(f"what to do with {command}?")
    assert values == []


@contextmanager
def at_every_change(cloud, look):
    """Call `look` after every change in either cloud."""
    observers = (cloud.github.observers, cloud.aws.observers)
    for listeners in observers:
        listeners.append(look)
    try:
        yield
    finally:
        for listeners in observers:
            listeners.remove(look)


def keys(cloud):
    return [key.status for key in cloud.aws.access_keys(USER)]


def pulls(cloud, image=API, repository="acme/web"):
    return judge(cloud.github, cloud.aws, repository, image).ok


def test_a_key_has_leaked(cloud, stack):
    suspend, rest = SECTIONS["A key has leaked"]
    running = cloud.start_codespace("acme/web")
    assert running.pull(API).ok
    follow(stack, cloud, suspend)
    running.resume_login()
    assert not running.pull(API).ok
    assert not pulls(cloud)

    seen = []
    number = next(index for index, command in enumerate(rest) if command[-1] == "false" and "suspended" in command[-2])
    with at_every_change(cloud, lambda _: seen.append(pulls(cloud))):
        follow(stack, cloud, rest[:number])
    assert set(seen) == {False}
    assert sorted(keys(cloud)) == ["Active", "Inactive"]
    follow(stack, cloud, rest[number:])
    assert pulls(cloud)
    running.resume_login()
    assert not running.pull(API).ok
    assert pulls(cloud, CHARTS)


def test_a_key_that_nobody_knows(cloud, stack):
    cloud.aws.create_access_key(USER)
    said = stack.run("preview", check=False)
    assert not said.ok
    assert "that this stack does not manage" in said.output
    (block,) = SECTIONS["A key that nobody knows"]
    follow(stack, cloud, block, said=said.output)
    assert keys(cloud) == ["Active"]
    assert pulls(cloud)


def test_an_update_failed(cloud, stack):
    failed, killed, _ = SECTIONS["An update failed"]
    stack.run("config", "set", "--path", "registries.payments-prod.keyGeneration", "2")
    cloud.github.faults.add(
        "PUT", f"{WRITES}PAYMENTS_PROD_CONTAINER_REGISTRY_PASSWORD", kind="status", status=500, times=None
    )
    assert not stack.up(check=False).ok
    cloud.github.faults.clear()
    assert pulls(cloud)
    follow(stack, cloud, failed)
    assert pulls(cloud)

    lock = stack.folder / "backend/.pulumi/locks/organization/access/test/left-by-a-kill.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("{}")
    assert "locked" in stack.up(check=False).output
    follow(stack, cloud, killed)
    assert stack.preview("--expect-no-changes").steps == []
    assert pulls(cloud)


def test_an_update_failed_and_the_next_one_does_too(cloud, stack):
    (*_, looks) = SECTIONS["An update failed"]
    names = [f"payments/one-of-many-repositories-{number:02}" for number in range(40)]
    config = stack.program_folder / "Pulumi.test.yaml"
    config.write_text(config.read_text().replace("[payments/api]", f"[payments/api, {', '.join(names)}]"))
    cloud.aws.faults.add("ListAttachedUserPolicies", "denied", times=None)
    assert "AccessDenied" in stack.up(check=False).output
    cloud.aws.faults.clear()
    assert "doesn't support update" in stack.up(check=False).output
    follow(stack, cloud, looks)
    assert stack.preview("--expect-no-changes").steps == []
    assert len(cloud.aws.users()[USER].attached_policies) == 1
    assert pulls(cloud)


def key_requests(cloud):
    return [request.action for request in cloud.aws.requests].count("CreateAccessKey")


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def read_until(run, words):
    while words not in (line := run.stdout.readline()):
        assert line, "it has ended"


def test_aws_is_out(cloud, stack_with_role):
    stack = stack_with_role
    stack.up()
    (before,) = cloud.aws.access_keys(USER)
    stack.run("config", "set", "--path", "registries.payments-prod.keyGeneration", "2")
    cloud.aws.clear_requests()
    cloud.aws.faults.add("CreateAccessKey", status=503, code="ServiceUnavailable", times=None)
    run = stack.start("up", "--yes", "--skip-preview", environment={"RIG_AWS_PAUSES": "1"})
    until(lambda: key_requests(cloud) > 1)
    run.send_signal(signal.SIGINT)
    read_until(run, "press ^C again")
    tried = key_requests(cloud)
    until(lambda: key_requests(cloud) > tried)
    assert pulls(cloud)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode
    assert pulls(cloud)
    assert cloud.aws.access_keys(USER) == (before,)

    cloud.aws.faults.clear()
    back, sooner = SECTIONS["AWS is out, or throttles"]
    follow(stack, cloud, back)
    assert stack.preview("--expect-no-changes").steps == []
    assert keys(cloud) == ["Active", "Active"]
    assert pulls(cloud)

    follow(stack, cloud, sooner)
    stack.run("config", "set", "--path", "registries.payments-prod.keyGeneration", "3")
    cloud.aws.clear_requests()
    cloud.aws.faults.add("CreateAccessKey", status=503, code="ServiceUnavailable", times=None)
    failed = stack.up(check=False)
    cloud.aws.faults.clear()
    assert "CreateAccessKey, exceeded maximum number of attempts, 3, https response error" in failed.output
    assert key_requests(cloud) == 3


def test_credentials_are_given_up_soon_while_sts_is_out(cloud, stack_with_role):
    cloud.aws.faults.add("*", status=503, code="ServiceUnavailable", times=None, service="sts")
    cloud.aws.clear_requests()
    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        failed = stack_with_role.run(*command, check=False)
        assert not failed.ok
        assert "unable to validate AWS credentials" in failed.output
        assert "AssumeRole, exceeded maximum number of attempts, 3, https response error" in failed.output
    cloud.aws.faults.clear()
    assert [request.action for request in cloud.aws.requests] == ["AssumeRole"] * 6


def test_a_role_cannot_be_assumed(cloud, stack_with_role):
    stack = stack_with_role
    stack.run("config", "set", "--path", "accounts.prod.roleArn", f"{ROLE}-misspelt")
    (block,) = SECTIONS["A role cannot be assumed"]
    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        failed = stack.run(*command, check=False)
        assert not failed.ok
        assert "pulumi:providers:aws (prod):" in failed.output
        assert f"IAM Role ({ROLE}-misspelt) cannot be assumed." in failed.output
    assert cloud.aws.users() == {}
    assert cloud.github.organization("acme").secrets == {}
    follow(stack, cloud, block, given=[ROLE])
    assert pulls(cloud)


def test_an_engineer_leaves(cloud, stack):
    old = cloud.start_codespace("acme/web")
    registry = cloud.aws.registries.find("acme.azurecr.io")
    registry.password = NEW_PASSWORD
    (block,) = SECTIONS["An engineer leaves"]
    follow(stack, cloud, block, given=[NEW_PASSWORD])
    assert sorted(keys(cloud)) == ["Active", "Inactive"]
    old.resume_login()
    assert not old.pull(API).ok
    assert (pulls(cloud), pulls(cloud, CHARTS)) == (True, True)
    secrets = cloud.github.organization("acme").secrets
    assert secrets["PAYMENTS_ACR_CONTAINER_REGISTRY_PASSWORD"].value == NEW_PASSWORD
    registry.password = PASSWORD


def test_the_repositories_move_to_another_organization(cloud, stack):
    before = keys(cloud)
    (block,) = SECTIONS["The repositories move to another organization"]
    names = set(cloud.github.organization("acme").secrets)
    held = []

    def look(_):
        both = [set(cloud.github.organization(name).secrets) for name in ("acme", "umbrella")]
        held.append(both[0] | both[1] == names)

    with at_every_change(cloud, look):
        follow(stack, cloud, block)
    assert all(held)
    assert cloud.github.organization("acme").secrets == {}
    assert pulls(cloud, repository="umbrella/shop")
    assert pulls(cloud, CHARTS, repository="umbrella/shop")
    assert keys(cloud) == before


def test_every_runbook_is_followed():
    # The last section has no commands: test_installation.py causes each of its messages.
    assert list(SECTIONS) == [
        "A key has leaked",
        "A key that nobody knows",
        "An update failed",
        "AWS is out, or throttles",
        "A role cannot be assumed",
        "An engineer leaves",
        "The repositories move to another organization",
        "The plugin is missing, or does not start",
    ]
    assert SECTIONS["The plugin is missing, or does not start"] == []
