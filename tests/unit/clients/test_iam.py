"""The requests to IAM about a user, and the messages for its refusals."""

from __future__ import annotations

from datetime import datetime, timezone

import boto3
import pytest
from botocore.stub import Stubber

from pulumi_codespaces.clients.errors import CloudError
from pulumi_codespaces.clients.iam import Holdings, holdings
from pulumi_codespaces.rules.iam_users import LiveKey

USER, ARN = "codespaces-payments", "arn:aws:iam::123456789012:user/codespaces/codespaces-payments"
MORE = "arn:aws:iam::123456789012:policy/codespaces/more"
MADE, USED = (datetime(2026, month, 1, tzinfo=timezone.utc) for month in (8, 9))
FOUND = {"Path": "/codespaces/", "UserName": USER, "UserId": "AIDAIOSFODNN7EXAMPLE", "Arn": ARN, "CreateDate": MADE}
KEYS = [
    {"UserName": USER, "AccessKeyId": f"AKIAIOSFODNN7EXAMP{end}", "Status": status, "CreateDate": MADE}
    for end, status in (("L1", "Active"), ("L2", "Inactive"))
]
FIRST, SECOND = (key["AccessKeyId"] for key in KEYS)


@pytest.fixture
def iam(monkeypatch):
    client = boto3.client("iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    monkeypatch.setattr(boto3, "client", lambda service, **_: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def answer(iam, used):
    iam.add_response("get_user", {"User": FOUND}, {"UserName": USER})
    iam.add_response("list_access_keys", {"AccessKeyMetadata": KEYS, "IsTruncated": False}, {"UserName": USER})
    last = {"ServiceName": "N/A", "Region": "N/A", **({"LastUsedDate": used} if used else {})}
    iam.add_response("get_access_key_last_used", {"AccessKeyLastUsed": last}, {"AccessKeyId": FIRST})
    more = {"PolicyNames": ["login"], "IsTruncated": True, "Marker": "m"}
    iam.add_response("list_user_policies", more, {"UserName": USER})
    rest = {"PolicyNames": ["pull"], "IsTruncated": False}
    iam.add_response("list_user_policies", rest, {"UserName": USER, "Marker": "m"})
    attached = {"AttachedPolicies": [{"PolicyName": "more", "PolicyArn": MORE}], "IsTruncated": False}
    iam.add_response("list_attached_user_policies", attached, {"UserName": USER})


@pytest.mark.parametrize("used", [None, USED])
@pytest.mark.parametrize("arn", ["", ARN])
def test_keys_with_the_last_use_of_some_and_policies(iam, used, arn):
    answer(iam, used)
    assert holdings(USER, arn, [FIRST]) == Holdings(
        {FIRST: LiveKey("Active", MADE, used), SECOND: LiveKey("Inactive", MADE, None)}, ["login", "pull"], [MORE]
    )


def test_a_user_of_the_same_name_in_another_account(iam):
    iam.add_response("get_user", {"User": FOUND})
    with pytest.raises(CloudError) as refused:
        holdings(USER, ARN.replace("1234", "9999"), [])
    assert str(refused.value) == (
        f"the AWS credentials of the environment are for {ARN}; the stack's user is "
        "arn:aws:iam::999956789012:user/codespaces/codespaces-payments"
    )


def test_what_may_not_be_asked(iam):
    iam.add_response("get_user", {"User": FOUND})
    iam.add_client_error("list_access_keys", "AccessDenied")
    with pytest.raises(CloudError) as refused:
        holdings(USER, ARN, [])
    assert str(refused.value) == "iam:ListAccessKeys of user codespaces-payments answers AccessDenied"


def test_no_credentials(monkeypatch, tmp_path):
    # boto3 keeps its first session for the process, with the credentials that it found then.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CloudError) as refused:
        holdings(USER, ARN, [])
    assert str(refused.value) == "iam:GetUser of user codespaces-payments could not be asked (NoCredentialsError)"
