"""Proving an access key, against the local AWS and its registries."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import boto3.session
import httpx
import pytest

from pulumi_codespaces.clients import ecr as ecr_client
from pulumi_codespaces.clients import registry as registry_client
from pulumi_codespaces.clients.ecr import AccessKey, verify_key
from pulumi_codespaces.clients.errors import CloudError
from rig.aws import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT = "123456789012"
HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
US = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = f"{HOST}/payments/api:latest"
USER = "puller"


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        for region in ("eu-west-1", "us-east-1"):
            for name in ("payments/api", "payments/web"):
                aws.create_repository(name, region=region)
                aws.push_image(name, region=region)
        aws.create_user(USER)
        pull = {"Effect": "Allow", "Action": "ecr:*", "Resource": f"arn:aws:ecr:*:{ACCOUNT}:repository/payments/api"}
        enter = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
        aws.put_user_policy(USER, "pull", {"Version": "2012-10-17", "Statement": [pull, enter]})
        yield aws


@pytest.fixture
def aws(shared: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    for name, value in shared.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ecr_client, "_FIRST_PAUSE_SECONDS", 0.01)
    yield shared
    shared.faults.clear()
    shared.new_key_delay = 0.0
    for key in shared.access_keys(USER):
        shared.delete_access_key(USER, key.id)


def new_key(aws: LocalAws) -> AccessKey:
    made = aws.create_access_key(USER)
    aws.clear_requests()
    return AccessKey(made.access_key_id, made.secret_access_key)


def prove(
    key: AccessKey,
    servers: tuple[str, ...] = (HOST,),
    images: tuple[str, ...] = (),
    seconds: float = 0.0,
    hear: Callable[[], None] = lambda: None,
) -> tuple[str, list[str]]:
    """Prove a key; gives what was wrong, and what was said meanwhile. `hear` is called each time something is said."""
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        hear()

    try:
        asyncio.run(verify_key(key, servers, images, seconds, say))
    except CloudError as error:
        problem = str(error)
    else:
        problem = ""
    assert key.secret not in problem
    return problem, said


def tokens(aws: LocalAws) -> list[tuple[str, int]]:
    return [(call.region, call.status) for call in aws.requests if call.action == "GetAuthorizationToken"]


def test_a_key_has_to_log_in_three_times_in_a_row_everywhere(aws: LocalAws) -> None:
    key = new_key(aws)
    assert prove(key, (HOST, US), (IMAGE, f"{US}/payments/api")) == ("", [])
    assert tokens(aws) == [("eu-west-1", 200), ("us-east-1", 200)] * 3
    assert {call.access_key_id for call in aws.requests} == {key.id}
    actions = [call.action for call in aws.registry_requests]
    assert actions.count("Login") == 6
    assert actions.count("BatchGetImage") == 6
    assert {call.access_key_id for call in aws.registry_requests} == {key.id}


def test_one_refusal_starts_the_count_anew(aws: LocalAws) -> None:
    aws.faults.add("GetAuthorizationToken", "throttle", after=2)
    problem, said = prove(new_key(aws), seconds=30)
    assert problem == ""
    assert [status for _, status in tokens(aws)] == [200, 200, 400, 200, 200, 200]
    assert len(said) == 1
    assert "ecr:GetAuthorizationToken answers Throttling" in said[0]


def test_a_new_key_is_waited_for(aws: LocalAws) -> None:
    aws.new_key_delay = 3600.0
    key = new_key(aws)
    problem, said = prove(key, seconds=600, hear=aws.accept_keys)
    assert problem == ""
    assert len(said) == 1
    answer = r"\(\d s\): ecr:GetAuthorizationToken answers UnrecognizedClientException"
    pattern = rf"waiting for AWS to accept the access key {key.id} {answer}"
    assert all(re.fullmatch(pattern, line) for line in said)


def test_a_key_that_does_not_work_in_time(aws: LocalAws) -> None:
    aws.new_key_delay = 3600.0
    key = new_key(aws)
    problem, said = prove(key, seconds=0.5)
    beginning = rf"the access key {key.id} does not work after \d s: ecr:GetAuthorizationToken answers "
    assert re.match(beginning, problem)
    assert problem.endswith(
        "Nothing was published; codespaces keep the credentials they have. Fix the cause (a permissions boundary, a "
        "service control policy, a repository that does not exist) and run `pulumi up` again."
    )
    assert len(said) < 10


def test_rights_that_are_missing(aws: LocalAws) -> None:
    problem, _ = prove(new_key(aws), images=(f"{HOST}/payments/web",))
    assert f"reading payments/web from {HOST} is refused (403)" in problem


def test_an_image_that_is_not_there_is_not_waited_for(aws: LocalAws) -> None:
    problem, said = prove(new_key(aws), images=(f"{HOST}/payments/api:missing",), seconds=3600)
    assert "the image does not exist; probe_images must list existing images" in problem
    assert said == []


def test_no_answer(aws: LocalAws) -> None:
    aws.faults.add("GetAuthorizationToken", "reset_before", times=None)
    problem, _ = prove(new_key(aws))
    assert "ecr:GetAuthorizationToken does not answer (ConnectionClosedError)" in problem


def test_what_takes_long_to_load_is_loaded_once(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of a run are proven at the same time, three times each, by one busy process."""
    made: list[str] = []

    def counting(module: Any, name: str) -> None:
        make = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, **more: (made.append(name), make(*given, **more))[1])

    counting(boto3.session, "Session")
    counting(httpx, "create_ssl_context")
    ecr_client._session.cache_clear()
    registry_client._trusted.cache_clear()
    keys = [new_key(aws) for _ in range(2)]

    async def prove_all() -> None:
        await asyncio.gather(*(verify_key(key, (HOST, US), (), 30.0, made.append) for key in keys))

    asyncio.run(prove_all())
    assert sorted(made) == ["Session", "create_ssl_context"]
    assert tokens(aws).count(("us-east-1", 200)) == 6


def test_a_profile_of_the_machine_is_not_used(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    key = new_key(aws)
    assert prove(key) == ("", [])
    assert {call.access_key_id for call in aws.requests} == {key.id}


def test_an_access_key_does_not_show_its_secret() -> None:
    assert "CANARY" not in repr(AccessKey("AKIA", "CANARY"))
