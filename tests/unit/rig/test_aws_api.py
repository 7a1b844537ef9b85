"""The AWS API of the local AWS: signatures, IAM's rules, the log, faults and delays, as boto3 sees them."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from rig.aws import AwsCall, AwsRefused, Credentials, Event, LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, OTHER_ACCOUNT = "123456789012", "222233334444"
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalAws]:
    with LocalAws([ACCOUNT, OTHER_ACCOUNT]) as aws:
        yield aws


@pytest.fixture
def aws(shared: LocalAws) -> Iterator[LocalAws]:
    shared.clear_requests()
    yield shared
    shared.faults.clear()
    shared.observers.clear()
    shared.latency = shared.new_key_delay = 0.0


@pytest.fixture
def user(aws: LocalAws) -> str:
    name = f"user-{uuid4().hex[:12]}"
    aws.create_user(name, path="/codespaces/")
    return name


@pytest.fixture
def iam(aws: LocalAws) -> Any:
    return aws.client("iam")


def refusal(call: Any, **arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


def document_of(size: int) -> str:
    """A policy document of exactly that many characters, spread over lines that do not count."""
    text = json.dumps(ALLOW_ALL, separators=(",", ":"))
    padded = {**ALLOW_ALL, "Id": "x" * (size - len(text) - len('"Id":"",'))}
    assert len(json.dumps(padded, separators=(",", ":"))) == size
    return json.dumps(padded, indent=4)


# -- who calls


def test_an_administrator_is_the_root_of_its_account(aws: LocalAws) -> None:
    for account in (ACCOUNT, OTHER_ACCOUNT):
        identity = aws.client("sts", account=account).get_caller_identity()
        assert (identity["Account"], identity["Arn"]) == (account, f"arn:aws:iam::{account}:root")


def test_signatures_of_administrators_are_verified(aws: LocalAws) -> None:
    wrong = Credentials(aws.administrator().access_key_id, "wrong", ACCOUNT)
    assert refusal(aws.client("iam", key=wrong).list_users)[:2] == (403, "SignatureDoesNotMatch")
    assert refusal(aws.client("ecr", key=wrong).describe_repositories)[:2] == (400, "InvalidSignatureException")


def test_signatures_of_users_are_verified(aws: LocalAws, user: str) -> None:
    key = aws.create_access_key(user)
    assert aws.client("sts", key=key).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/codespaces/{user}"
    wrong = Credentials(key.access_key_id, "wrong", ACCOUNT)
    assert refusal(aws.client("sts", key=wrong).get_caller_identity)[:2] == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("key_id", [ACCOUNT, "999999999999", "test", "AKIAIOSFODNN7EXAMPLE"])
def test_keys_that_ministack_would_take_for_root_are_unknown(aws: LocalAws, key_id: str) -> None:
    unknown = Credentials(key_id, "test", ACCOUNT)
    assert refusal(aws.client("iam", key=unknown).list_users)[:2] == (403, "InvalidClientTokenId")
    assert refusal(aws.client("ecr", key=unknown).describe_repositories)[1] == "UnrecognizedClientException"


def test_unsigned_requests_and_other_services_are_refused(aws: LocalAws) -> None:
    with httpx.Client(base_url=aws.endpoint, trust_env=False) as client:
        unsigned = client.post("/", data={"Action": "ListUsers"})
        assert (unsigned.status_code, "MissingAuthenticationToken" in unsigned.text) == (403, True)
        presigned = client.get(
            "/", params={"Action": "ListUsers", "X-Amz-Credential": f"{ACCOUNT}/x/x/iam/aws4_request"}
        )
        assert presigned.status_code == 403
        for path in ("/_ministack/reset", "/v2/", "/_localstack/health"):
            assert client.post(path).status_code == 404
    status, _, message = refusal(aws.client("kms").list_keys)
    assert (status, message) == (400, "the local AWS serves iam, sts, ecr, not kms")


def test_a_role_of_another_account_can_be_assumed(aws: LocalAws) -> None:
    arn = aws.create_role("deploy", [ACCOUNT], account=OTHER_ACCOUNT)
    assumed = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="deploying")["Credentials"]
    session = {"aws_access_key_id": assumed["AccessKeyId"], "aws_secret_access_key": assumed["SecretAccessKey"]}
    import boto3

    iam = boto3.session.Session(**session, aws_session_token=assumed["SessionToken"]).client(
        "iam", endpoint_url=aws.endpoint, region_name="eu-west-1"
    )
    iam.create_user(UserName="made-by-role")
    assert "made-by-role" in aws.users(OTHER_ACCOUNT)
    assert "made-by-role" not in aws.users()
    assert aws.requests[-1].account == OTHER_ACCOUNT
    stranger = aws.create_role("closed", ["999999999999"], account=OTHER_ACCOUNT)
    refused = refusal(aws.client("sts").assume_role, RoleArn=stranger, RoleSessionName="deploying")
    assert refused[:2] == (403, "AccessDenied")


# -- IAM's rules


def test_a_user_has_at_most_two_keys(aws: LocalAws, iam: Any, user: str) -> None:
    first = iam.create_access_key(UserName=user)["AccessKey"]
    iam.create_access_key(UserName=user)
    expected = (409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    assert refusal(iam.create_access_key, UserName=user) == expected
    iam.update_access_key(UserName=user, AccessKeyId=first["AccessKeyId"], Status="Inactive")
    assert refusal(iam.create_access_key, UserName=user) == expected
    iam.delete_access_key(UserName=user, AccessKeyId=first["AccessKeyId"])
    iam.create_access_key(UserName=user)
    assert [key.status for key in aws.access_keys(user)] == ["Active", "Active"]


def test_secrets_have_the_characters_that_need_quoting(iam: Any, user: str) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    assert len(key["SecretAccessKey"]) == 40
    assert {"/", "+"} <= set(key["SecretAccessKey"])
    assert (key["AccessKeyId"][:4], len(key["AccessKeyId"])) == ("AKIA", 20)


def test_a_key_is_changed_and_deleted_under_its_owners_name_only(aws: LocalAws, iam: Any, user: str) -> None:
    key_id = aws.create_access_key(user).access_key_id
    other = f"{user}-other"
    aws.create_user(other)
    for call, more in ((iam.delete_access_key, {}), (iam.update_access_key, {"Status": "Inactive"})):
        assert refusal(call, UserName=other, AccessKeyId=key_id, **more)[:2] == (404, "NoSuchEntity")
        assert refusal(call, UserName="nobody", AccessKeyId=key_id, **more)[:2] == (404, "NoSuchEntity")
    assert [(key.id, key.status) for key in aws.access_keys(user)] == [(key_id, "Active")]
    assert refusal(iam.list_access_keys, UserName="nobody")[:2] == (404, "NoSuchEntity")


def test_a_renamed_user_keeps_keys_and_policies(aws: LocalAws, iam: Any, user: str) -> None:
    key = aws.create_access_key(user)
    aws.put_user_policy(user, "all", ALLOW_ALL)
    iam.update_user(UserName=user, NewUserName=f"{user}-new", NewPath="/moved/")
    renamed = aws.users()[f"{user}-new"]
    assert user not in aws.users()
    assert renamed.arn == f"arn:aws:iam::{ACCOUNT}:user/moved/{user}-new"
    assert [access_key.id for access_key in renamed.access_keys] == [key.access_key_id]
    assert list(renamed.inline_policies) == ["all"]
    assert aws.client("sts", key=key).get_caller_identity()["Arn"] == renamed.arn
    assert aws.client("iam", key=key).list_users()["Users"]
    refused = refusal(iam.delete_access_key, UserName=user, AccessKeyId=key.access_key_id)
    assert refused[:2] == (404, "NoSuchEntity")


def test_user_names_are_unique_without_regard_to_case_and_path(aws: LocalAws, iam: Any, user: str) -> None:
    assert refusal(iam.create_user, UserName=user.upper(), Path="/x/")[:2] == (409, "EntityAlreadyExists")
    aws.create_user(f"{user}-2")
    assert refusal(iam.update_user, UserName=f"{user}-2", NewUserName=user.upper())[:2] == (409, "EntityAlreadyExists")


def test_a_user_with_anything_left_is_not_deleted(aws: LocalAws, iam: Any, user: str) -> None:
    key_id = aws.create_access_key(user).access_key_id
    aws.put_user_policy(user, "all", ALLOW_ALL)
    group = f"{user}-group"
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=user)
    steps = [
        lambda: iam.delete_access_key(UserName=user, AccessKeyId=key_id),
        lambda: iam.delete_user_policy(UserName=user, PolicyName="all"),
        lambda: iam.remove_user_from_group(GroupName=group, UserName=user),
    ]
    for step in steps:
        assert refusal(iam.delete_user, UserName=user)[:2] == (409, "DeleteConflict")
        step()
    iam.delete_user(UserName=user)
    assert user not in aws.users()


def test_what_force_destroy_asks_for_is_answered(iam: Any, user: str) -> None:
    assert iam.list_ssh_public_keys(UserName=user)["SSHPublicKeys"] == []
    assert iam.list_mfa_devices(UserName=user)["MFADevices"] == []
    assert iam.list_signing_certificates(UserName=user)["Certificates"] == []
    assert iam.list_service_specific_credentials(UserName=user)["ServiceSpecificCredentials"] == []
    assert refusal(iam.get_login_profile, UserName=user)[:2] == (404, "NoSuchEntity")
    assert refusal(iam.list_ssh_public_keys, UserName="nobody")[:2] == (404, "NoSuchEntity")


def test_inline_policies_of_a_user_share_2048_characters(aws: LocalAws, iam: Any, user: str) -> None:
    iam.put_user_policy(UserName=user, PolicyName="one", PolicyDocument=document_of(1_000))
    iam.put_user_policy(UserName=user, PolicyName="two", PolicyDocument=document_of(1_048))
    expected = (409, "LimitExceeded", f"Maximum policy size of 2048 bytes exceeded for user {user}")
    assert refusal(iam.put_user_policy, UserName=user, PolicyName="two", PolicyDocument=document_of(1_049)) == expected
    assert len(json.dumps(aws.policies(user)["two"], separators=(",", ":"))) == 1_048


def test_a_managed_policy_has_6144_characters(iam: Any) -> None:
    name = f"policy-{uuid4().hex[:8]}"
    expected = (409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    assert refusal(iam.create_policy, PolicyName=name, PolicyDocument=document_of(6_145)) == expected
    arn = iam.create_policy(PolicyName=name, PolicyDocument=document_of(6_144))["Policy"]["Arn"]
    assert refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=document_of(6_145)) == expected


def test_ten_managed_policies_can_be_attached_to_a_user(aws: LocalAws, iam: Any, user: str) -> None:
    arns = [
        iam.create_policy(PolicyName=f"{user}-{number}", PolicyDocument=json.dumps(ALLOW_ALL))["Policy"]["Arn"]
        for number in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_user_policy(UserName=user, PolicyArn=arn)
    iam.attach_user_policy(UserName=user, PolicyArn=arns[0])
    expected = (409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
    assert refusal(iam.attach_user_policy, UserName=user, PolicyArn=arns[10]) == expected
    assert sorted(aws.users()[user].attached_policies) == sorted(arns[:10])
    unknown = f"arn:aws:iam::{ACCOUNT}:policy/unknown"
    assert refusal(iam.attach_user_policy, UserName=user, PolicyArn=unknown)[:2] == (404, "NoSuchEntity")


def test_a_policy_with_versions_is_not_deleted(iam: Any) -> None:
    name = f"policy-{uuid4().hex[:8]}"
    arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(ALLOW_ALL))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(ALLOW_ALL), SetAsDefault=True)
    assert refusal(iam.delete_policy, PolicyArn=arn)[:2] == (409, "DeleteConflict")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)
    twice = {"PolicyName": name.upper(), "PolicyDocument": json.dumps(ALLOW_ALL)}
    iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(ALLOW_ALL))
    assert refusal(iam.create_policy, **twice)[:2] == (409, "EntityAlreadyExists")


def test_names_paths_tags_and_documents_are_checked(aws: LocalAws) -> None:
    def code(action: str, **parameters: str) -> str:
        with pytest.raises(AwsRefused) as caught:
            aws._by_hand("iam", action, parameters, None)
        return caught.value.code

    assert code("CreateUser", UserName="u" * 65) == "ValidationError"
    assert code("CreateUser", UserName="a b") == "ValidationError"
    assert code("CreateUser", UserName="a/b") == "ValidationError"
    assert code("CreateUser", UserName="") == "ValidationError"
    assert code("CreateUser", UserName="fine", Path="codespaces") == "ValidationError"
    tags = {f"Tags.member.{n}.{part}": f"x{n}" for n in range(1, 52) for part in ("Key", "Value")}
    assert code("CreateUser", UserName="fine", **tags) == "LimitExceeded"
    odd = {"Tags.member.1.Key": "owner", "Tags.member.1.Value": "a#b"}
    assert code("CreateUser", UserName="fine", **odd) == "ValidationError"
    document = json.dumps(ALLOW_ALL)
    assert code("CreatePolicy", PolicyName="p" * 129, PolicyDocument=document) == "ValidationError"
    assert code("CreatePolicy", PolicyName="p", PolicyDocument="{") == "MalformedPolicyDocument"
    assert code("CreatePolicy", PolicyName="p", PolicyDocument=document + "\u20ac") == "MalformedPolicyDocument"
    assert "fine" not in aws.users()
    aws.create_user("u" * 64, path="/a/b-c/")
    assert aws.users()["u" * 64].path == "/a/b-c/"


def test_a_deployer_is_confined_to_a_path(aws: LocalAws, user: str) -> None:
    """A policy on `user/codespaces/*` lets its owner manage the users below that path and no others."""
    deployer = aws.create_access_key(user)
    statement = {"Effect": "Allow", "Action": "iam:*", "Resource": f"arn:aws:iam::{ACCOUNT}:user/codespaces/*"}
    aws.put_user_policy(user, "deploy", {"Version": "2012-10-17", "Statement": [statement]})
    iam = aws.client("iam", key=deployer)
    inside, outside = f"{user}-inside", f"{user}-outside"
    iam.create_user(UserName=inside, Path="/codespaces/")
    iam.create_access_key(UserName=inside)
    assert refusal(iam.create_user, UserName=outside)[:2] == (403, "AccessDenied")
    aws.create_user(outside)
    assert refusal(iam.create_access_key, UserName=outside)[:2] == (403, "AccessDenied")


def test_the_last_use_of_a_key_is_known(aws: LocalAws, iam: Any, user: str) -> None:
    key = aws.create_access_key(user)

    def last_used() -> dict[str, Any]:
        return iam.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]

    assert last_used() == {"Region": "N/A", "ServiceName": "N/A"}
    wrong = Credentials(key.access_key_id, "wrong", ACCOUNT)
    refusal(aws.client("ecr", key=wrong, region="us-west-2").get_authorization_token)
    assert last_used()["ServiceName"] == "N/A"
    refusal(aws.client("ecr", key=key, region="us-west-2").get_authorization_token)
    used = last_used()
    assert (used["ServiceName"], used["Region"]) == ("ecr", "us-west-2")
    assert abs(used["LastUsedDate"].timestamp() - time.time()) < 5


def test_a_new_key_is_unknown_for_a_while(aws: LocalAws, iam: Any, user: str) -> None:
    aws.new_key_delay = 3600.0
    made = iam.create_access_key(UserName=user)["AccessKey"]
    key = Credentials(made["AccessKeyId"], made["SecretAccessKey"], ACCOUNT)
    assert refusal(aws.client("sts", key=key).get_caller_identity)[:2] == (403, "InvalidClientTokenId")
    assert refusal(aws.client("ecr", key=key).get_authorization_token)[:2] == (400, "UnrecognizedClientException")
    assert aws.authorize(key.access_key_id, []).refused == "UnrecognizedClientException"
    assert aws.access_keys(user)[0].id == key.access_key_id
    aws.new_key_delay = 0.3
    start = time.monotonic()
    later = aws.create_access_key(user)
    while aws.authorize(later.access_key_id, []).refused:
        time.sleep(0.01)
    assert time.monotonic() - start >= 0.3
    aws.client("sts", key=later).get_caller_identity()


def test_an_inactive_and_a_deleted_key_are_refused(aws: LocalAws, user: str) -> None:
    key = aws.create_access_key(user)
    sts = aws.client("sts", key=key)
    aws.set_access_key_status(user, key.access_key_id, "Inactive")
    assert refusal(sts.get_caller_identity)[:2] == (403, "InvalidClientTokenId")
    aws.set_access_key_status(user, key.access_key_id, "Active")
    sts.get_caller_identity()
    aws.delete_access_key(user, key.access_key_id)
    assert refusal(sts.get_caller_identity)[:2] == (403, "InvalidClientTokenId")


# -- the log, the observers


def test_calls_are_written_down_without_secrets(aws: LocalAws, iam: Any, user: str) -> None:
    iam.create_login_profile(UserName=user, Password="correct-horse-battery")
    refusal(iam.get_user, UserName="nobody")
    aws.client("ecr").describe_repositories()
    shown = [(call.service, call.action, call.status, call.error) for call in aws.requests]
    assert shown == [
        ("iam", "CreateLoginProfile", 200, ""),
        ("iam", "GetUser", 404, "NoSuchEntity"),
        ("ecr", "DescribeRepositories", 200, ""),
    ]
    assert aws.requests[0].parameters == {"UserName": user, "Password": "***"}
    assert {call.access_key_id for call in aws.requests} == {aws.administrator().access_key_id}
    assert [call.written for call in aws.requests] == [True, False, False]
    assert "correct-horse" not in repr(aws.requests)


def test_observers_hear_of_every_change_before_it_is_answered(aws: LocalAws, iam: Any, user: str) -> None:
    seen: list[tuple[str, str, str | None, int]] = []
    answered: list[str] = []

    def observe(event: Event) -> None:
        assert not answered
        seen.append((event.kind, event.name, event.user, len(aws.access_keys(user))))

    aws.observers.append(observe)
    key_id = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")
    iam.get_user(UserName=user)
    refusal(iam.delete_access_key, UserName=user, AccessKeyId="AKIAIOSFODNN7EXAMPLE")
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(ALLOW_ALL))
    iam.delete_access_key(UserName=user, AccessKeyId=key_id)
    answered.append("all")
    assert seen == [
        ("key.created", key_id, user, 1),
        ("key.updated", key_id, user, 1),
        ("policy.changed", "p", user, 1),
        ("key.deleted", key_id, user, 0),
    ]


def test_observers_hear_of_what_is_done_by_hand_which_is_no_request(aws: LocalAws, user: str) -> None:
    seen: list[Event] = []
    aws.observers.append(seen.append)
    key = aws.create_access_key(user)
    aws.create_repository(user)
    aws.push_image(user)
    assert [(event.kind, event.account, event.name) for event in seen] == [
        ("key.created", ACCOUNT, key.access_key_id),
        ("repository.created", ACCOUNT, user),
        ("image.pushed", ACCOUNT, user),
    ]
    assert aws.requests == []


def test_an_observer_can_do_something_by_hand(aws: LocalAws, iam: Any, user: str) -> None:
    kinds: list[str] = []

    def meddle(event: Event) -> None:
        kinds.append(event.kind)
        if event.kind == "key.created":
            aws.set_access_key_status(user, event.name, "Inactive")

    aws.observers.append(meddle)
    iam.create_access_key(UserName=user)
    assert kinds == ["key.created", "key.updated"]
    assert [key.status for key in aws.access_keys(user)] == ["Inactive"]


# -- faults


@pytest.mark.parametrize(
    ("kind", "iam_error", "ecr_error"),
    [
        ("status", (500, "InternalFailure"), (500, "ServerException")),
        ("throttle", (400, "Throttling"), (400, "ThrottlingException")),
        ("limit", (409, "LimitExceeded"), (400, "LimitExceededException")),
        ("denied", (403, "AccessDenied"), (400, "AccessDeniedException")),
    ],
)
def test_ordered_errors_come_in_each_protocol(
    aws: LocalAws, user: str, kind: Any, iam_error: tuple[int, str], ecr_error: tuple[int, str]
) -> None:
    fault = aws.faults.add("*", kind, times=2)
    assert refusal(aws.client("iam").create_access_key, UserName=user)[:2] == iam_error
    assert refusal(aws.client("ecr").describe_repositories)[:2] == ecr_error
    assert aws.access_keys(user) == ()
    assert fault.hits == 2
    assert len(aws.client("iam").create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]) == 20


def test_a_fault_strikes_after_some_calls_and_so_many_times(aws: LocalAws, iam: Any, user: str) -> None:
    aws.faults.add("Get*", "status", status=503, code="ServiceUnavailable", message="later", after=1, times=2)
    iam.get_user(UserName=user)
    for _ in range(2):
        assert refusal(iam.get_user, UserName=user) == (503, "ServiceUnavailable", "later")
    iam.get_user(UserName=user)
    assert [call.status for call in aws.requests] == [200, 503, 503, 200]


def test_a_fault_can_be_for_one_key(aws: LocalAws, user: str) -> None:
    key = aws.create_access_key(user)
    aws.faults.add("GetCallerIdentity", "throttle", access_key_id=key.access_key_id, times=None)
    aws.client("sts").get_caller_identity()
    assert refusal(aws.client("sts", key=key).get_caller_identity)[1] == "Throttling"


@pytest.mark.parametrize(("kind", "keys"), [("reset_before", 0), ("reset_after", 1)])
def test_a_connection_breaks_before_or_after_the_effect(
    aws: LocalAws, iam: Any, user: str, kind: Any, keys: int
) -> None:
    aws.faults.add("CreateAccessKey", kind)
    with pytest.raises(BotoCoreError):
        iam.create_access_key(UserName=user)
    assert len(aws.access_keys(user)) == keys
    assert [call.status for call in aws.requests] == [0]
    iam.create_access_key(UserName=user)


def test_an_error_can_be_answered_to_what_was_done(aws: LocalAws, iam: Any, user: str) -> None:
    aws.faults.add("CreateAccessKey", "status", when="after")
    assert refusal(iam.create_access_key, UserName=user)[0] == 500
    assert len(aws.access_keys(user)) == 1


def test_a_call_can_hang_until_the_client_gives_up(aws: LocalAws, iam: Any, user: str) -> None:
    key_id = aws.create_access_key(user).access_key_id
    signed = f"AWS4-HMAC-SHA256 Credential={key_id}/20260101/us-east-1/iam/aws4_request, Signature=0"
    aws.faults.add("GetUser", "hang")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            aws.endpoint, headers={"authorization": signed}, data={"Action": "GetUser"}, timeout=1, trust_env=False
        )
    assert [call.status for call in aws.requests] == [0]
    assert iam.get_user(UserName=user)["User"]["UserName"] == user


def test_something_can_be_done_in_the_middle_of_a_call(aws: LocalAws, iam: Any, user: str) -> None:
    found: list[tuple[str, int]] = []

    def look(call: AwsCall) -> None:
        found.append((call.action, len(aws.access_keys(user))))

    def make_another(_: AwsCall) -> None:
        aws.client("iam").create_access_key(UserName=user)

    aws.faults.add_callback("CreateAccessKey", look)
    aws.faults.add_callback("CreateAccessKey", look, when="after")
    aws.faults.add_callback("CreateAccessKey", make_another, when="after")
    iam.create_access_key(UserName=user)
    assert found == [("CreateAccessKey", 0), ("CreateAccessKey", 1)]
    assert len(aws.access_keys(user)) == 2


def test_every_answer_takes_longer_on_order(aws: LocalAws) -> None:
    aws.latency = 0.2
    start = time.monotonic()
    aws.client("sts").get_caller_identity()
    assert time.monotonic() - start >= 0.2


# -- as a whole


def test_two_can_run_at_once_and_leave_nothing() -> None:
    before = set(threading.enumerate())
    with LocalAws() as one, LocalAws() as two:
        one.create_user("only-in-one")
        assert (list(one.users()), list(two.users())) == (["only-in-one"], [])
        folders = [one.ca_file.parent, two.ca_file.parent]
        assert all(folder.is_dir() for folder in folders)
    assert not any(folder.exists() for folder in folders)
    assert set(threading.enumerate()) == before


def test_an_account_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="accounts: '12345' is not an AWS account number, which has twelve digits"):
        LocalAws(["12345"])


def test_other_processes_can_look_and_order(aws: LocalAws, user: str) -> None:
    with httpx.Client(base_url=aws.endpoint, trust_env=False) as client:
        users = client.get("/_rig/state").raise_for_status().json()[ACCOUNT]["users"]
        assert users[user]["path"] == "/codespaces/"
        client.post("/_rig/faults", json={"action": "GetUser", "kind": "throttle"}).raise_for_status()
        assert refusal(aws.client("iam").get_user, UserName=user)[1] == "Throttling"
        logged = client.get("/_rig/requests").json()["api"]
        assert [(call["action"], call["error"]) for call in logged] == [("GetUser", "Throttling")]
        client.delete("/_rig/requests")
        assert aws.requests == []
        client.patch("/_rig/settings", json={"new_key_delay": 2.5}).raise_for_status()
        assert aws.new_key_delay == 2.5
        assert client.patch("/_rig/settings", json={"nonsense": 1}).status_code == 400
        seed = {"accounts": {ACCOUNT: {"repositories": {"eu-west-1": {f"seeded/{user}": ["v1", "v2"]}}}}}
        client.post("/_rig/seed", json=seed).raise_for_status()
        assert [repository.tags for repository in aws.repositories() if repository.name == f"seeded/{user}"] == [
            ("v1", "v2")
        ]
        assert client.get("/_rig/state", headers={"host": "evil.example"}).status_code == 403
