"""The local AWS's answers about rights, compared with MiniStack's own enforcement of signed API calls."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.aws import Credentials, LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT, OTHER_ACCOUNT = "123456789012", "222233334444"
REGION = "eu-west-1"
ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    ours = {REGION: {"team/b": ["latest"], "teammate/x": ["latest"]}}
    theirs = {"us-east-1": {"shared/base": ["latest"]}}
    accounts = {ACCOUNT: {"repositories": ours}, OTHER_ACCOUNT: {"repositories": theirs}}
    with LocalAws(seed={"accounts": accounts}) as aws:
        aws.create_repository("team/a", tags={"team": "pay"})
        aws.push_image("team/a")
        yield aws


@pytest.fixture
def key(aws: LocalAws) -> Credentials:
    return new_user(aws)


def new_user(aws: LocalAws) -> Credentials:
    name = f"user-{uuid4().hex[:12]}"
    aws.create_user(name, path="/codespaces/")
    return aws.create_access_key(name)


def owner(aws: LocalAws, key: Credentials) -> str:
    """The name of the user whose key it is."""
    return aws.authorize(key.access_key_id, []).principal.rpartition("/")[2]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **condition}


def deny(action: Any, resource: Any, **condition: Any) -> dict[str, Any]:
    return {**allow(action, resource, **condition), "Effect": "Deny"}


@lru_cache(maxsize=1)
def client_of(aws: LocalAws, key: Credentials) -> Any:
    return aws.client("ecr", key=key)


def enforced(aws: LocalAws, key: Credentials, action: str, repository: str) -> bool:
    """Whether MiniStack lets a signed call through."""
    ecr = client_of(aws, key)
    calls: dict[str, Callable[[], Any]] = {
        "ecr:GetAuthorizationToken": ecr.get_authorization_token,
        "ecr:BatchGetImage": lambda: ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "latest"}]),
        "ecr:GetDownloadUrlForLayer": lambda: ecr.get_download_url_for_layer(
            repositoryName=repository, layerDigest=f"sha256:{'0' * 64}"
        ),
        "ecr:ListImages": lambda: ecr.list_images(repositoryName=repository),
    }
    try:
        calls[action]()
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


def resource_of(action: str, repository: str) -> str:
    return "*" if action == "ecr:GetAuthorizationToken" else f"{ARN}{repository}"


def both(aws: LocalAws, key: Credentials, action: str, repository: str) -> bool:
    """The same verdict from the front and from MiniStack's enforcement."""
    said = aws.allows(key.access_key_id, action, resource_of(action, repository))
    assert said == enforced(aws, key, action, repository), (action, repository)
    return said


TAGGED = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "pay"}}}
ECR_TAGGED = {"Condition": {"StringEquals": {"ecr:ResourceTag/team": "pay"}}}
BY_PRINCIPAL = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "pay"}}}
BY_NAME = {"Condition": {"StringLike": {"aws:username": "user-*"}}}
BY_REGION = {"Condition": {"StringEquals": {"aws:RequestedRegion": REGION}}}
OTHER_REGION = {"Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}
INSECURE = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
VIA_SERVICE = {"Condition": {"Bool": {"aws:ViaAWSService": "false"}}}
ELSEWHERE = {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}
HERE = {"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}


@pytest.mark.parametrize(
    ("statements", "readable"),
    [
        pytest.param([], [], id="no policy"),
        pytest.param([allow(PULL, "*")], ["team/a", "team/b", "teammate/x"], id="any"),
        pytest.param([allow(PULL, f"{ARN}team/a")], ["team/a"], id="one ARN"),
        pytest.param([allow(PULL, [f"{ARN}team/a", f"{ARN}team/b"])], ["team/a", "team/b"], id="two ARNs"),
        pytest.param([allow(PULL, f"{ARN}team/*")], ["team/a", "team/b"], id="prefix with its slash"),
        pytest.param([allow(PULL, f"{ARN}team*")], ["team/a", "team/b", "teammate/x"], id="prefix without"),
        pytest.param([allow(PULL, f"{ARN}team/?")], ["team/a", "team/b"], id="question mark"),
        pytest.param([allow(PULL, f"arn:aws:ecr:*:{ACCOUNT}:repository/team/a")], ["team/a"], id="any Region"),
        pytest.param([allow(PULL, f"{ARN}TEAM/a")], [], id="ARNs have case"),
        pytest.param([allow(PULL, f"arn:aws-cn:ecr:{REGION}:{ACCOUNT}:repository/team/a")], [], id="partition"),
        pytest.param(
            [allow("ecr:batchgetimage", "*"), allow("ECR:Get*", "*")], ["team/a", "team/b", "teammate/x"], id="case"
        ),
        pytest.param([allow(PULL, "*"), deny("*", f"{ARN}team/b")], ["team/a", "teammate/x"], id="deny one"),
        pytest.param([allow(PULL, "*"), deny("*", "*")], [], id="deny all"),
        pytest.param([allow(PULL, "*", **TAGGED)], ["team/a"], id="aws:ResourceTag"),
        pytest.param([allow(PULL, "*", **ECR_TAGGED)], ["team/a"], id="ecr:ResourceTag"),
        pytest.param([allow(PULL, "*", **BY_PRINCIPAL)], [], id="no principal tag"),
        pytest.param([allow(PULL, f"{ARN}team/a", **BY_NAME)], ["team/a"], id="aws:username"),
        pytest.param([allow(PULL, f"{ARN}team/a", **BY_REGION)], ["team/a"], id="its Region"),
        pytest.param([allow(PULL, "*", **OTHER_REGION)], [], id="another Region"),
        pytest.param([allow(PULL, f"{ARN}team/a"), deny("*", "*", **INSECURE)], ["team/a"], id="TLS only"),
        pytest.param([allow(PULL, f"{ARN}team/a", **VIA_SERVICE)], ["team/a"], id="aws:ViaAWSService"),
        pytest.param([allow(PULL, "*", **ELSEWHERE)], [], id="from elsewhere"),
        pytest.param([allow(PULL, f"{ARN}team/a", **HERE)], ["team/a"], id="from here"),
    ],
)
def test_the_front_says_what_ministack_enforces(
    aws: LocalAws, key: Credentials, statements: list[dict[str, Any]], readable: list[str]
) -> None:
    if statements:
        aws.put_user_policy(owner(aws, key), "p", document(*statements))
    for action in PULL:
        assert [name for name in ("team/a", "team/b", "teammate/x") if both(aws, key, action, name)] == readable


def test_a_tag_of_the_user_counts(aws: LocalAws, key: Credentials) -> None:
    user = owner(aws, key)
    aws.put_user_policy(user, "p", document(allow(PULL, "*", **BY_PRINCIPAL)))
    aws.client("iam").tag_user(UserName=user, Tags=[{"Key": "team", "Value": "pay"}])
    assert both(aws, key, "ecr:BatchGetImage", "team/a") is True


def test_a_boundary_limits_and_grants_nothing(aws: LocalAws, key: Credentials) -> None:
    user, iam = owner(aws, key), aws.client("iam")
    narrow = document(allow("ecr:*", f"{ARN}team/a"))
    arn = iam.create_policy(PolicyName=f"{user}-boundary", PolicyDocument=narrow)["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=arn)
    assert both(aws, key, "ecr:BatchGetImage", "team/a") is False
    aws.put_user_policy(user, "p", document(allow(PULL, "*")))
    assert both(aws, key, "ecr:BatchGetImage", "team/a") is True
    assert both(aws, key, "ecr:BatchGetImage", "team/b") is False
    iam.delete_user_permissions_boundary(UserName=user)
    assert both(aws, key, "ecr:BatchGetImage", "team/b") is True


def test_policies_of_groups_and_managed_ones_count(aws: LocalAws, key: Credentials) -> None:
    user, iam = owner(aws, key), aws.client("iam")
    iam.create_group(GroupName=user)
    iam.add_user_to_group(GroupName=user, UserName=user)
    iam.put_group_policy(GroupName=user, PolicyName="p", PolicyDocument=document(allow(PULL, f"{ARN}team/a")))
    managed = document(allow(PULL, f"{ARN}team/b"))
    arn = iam.create_policy(PolicyName=user, PolicyDocument=managed)["Policy"]["Arn"]
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    readable = [name for name in ("team/a", "team/b", "teammate/x") if both(aws, key, "ecr:BatchGetImage", name)]
    assert readable == ["team/a", "team/b"]
    wider = document(allow(PULL, f"{ARN}teammate/*"))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=wider, SetAsDefault=True)
    assert both(aws, key, "ecr:BatchGetImage", "team/b") is False
    assert both(aws, key, "ecr:BatchGetImage", "teammate/x") is True


@pytest.mark.parametrize(
    ("effect", "identity", "expected"),
    [("Allow", [], True), ("Deny", [allow(PULL, "*")], False), ("Allow", [deny(PULL, "*")], False)],
)
def test_a_repository_policy_grants_and_denies(
    aws: LocalAws, key: Credentials, effect: str, identity: list[dict[str, Any]], expected: bool
) -> None:
    name = f"own/{uuid4().hex[:8]}"
    aws.create_repository(name)
    aws.push_image(name)
    if identity:
        aws.put_user_policy(owner(aws, key), "p", document(*identity))
    principal = {"AWS": aws.users()[owner(aws, key)].arn}
    aws.set_repository_policy(name, document({"Effect": effect, "Principal": principal, "Action": PULL}))
    assert both(aws, key, "ecr:BatchGetImage", name) is expected


def test_another_accounts_repository_needs_both_sides(aws: LocalAws, key: Credentials) -> None:
    arn = f"arn:aws:ecr:us-east-1:{OTHER_ACCOUNT}:repository/shared/base"

    def allowed() -> bool:
        return aws.allows(key.access_key_id, "ecr:BatchGetImage", arn, "us-east-1")

    def share(with_whom: str) -> None:
        statement = {"Effect": "Allow", "Principal": {"AWS": with_whom}, "Action": PULL}
        aws.set_repository_policy("shared/base", document(statement), account=OTHER_ACCOUNT, region="us-east-1")

    share(f"arn:aws:iam::{ACCOUNT}:root")
    assert allowed() is False
    aws.put_user_policy(owner(aws, key), "p", document(allow(PULL, arn)))
    assert allowed() is True
    share("arn:aws:iam::999999999999:root")
    assert allowed() is False
    root = aws.administrator().access_key_id
    assert aws.allows(root, "ecr:BatchGetImage", arn, "us-east-1") is False
    assert aws.allows(root, "ecr:BatchGetImage", f"{ARN}team/a") is True


def test_a_key_that_is_inactive_deleted_or_shown_with_another_secret_is_refused(
    aws: LocalAws, key: Credentials
) -> None:
    user = owner(aws, key)

    def refused(secret: str | None = key.secret_access_key) -> str | None:
        return aws.authorize(key.access_key_id, [], secret).refused

    assert refused() is None
    assert refused("wrong") == "SignatureDoesNotMatch"
    aws.set_access_key_status(user, key.access_key_id, "Inactive")
    assert refused() == "InvalidClientTokenId"
    aws.set_access_key_status(user, key.access_key_id, "Active")
    assert refused() is None
    aws.delete_access_key(user, key.access_key_id)
    assert refused() == "UnrecognizedClientException"
    for unknown in ("", "test", ACCOUNT):
        assert aws.authorize(unknown, []).refused == "UnrecognizedClientException"


def test_temporary_credentials_are_no_login_without_their_session_token(aws: LocalAws) -> None:
    arn = aws.create_role("reader", [ACCOUNT])
    given_out = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="reading")["Credentials"]
    key_id, secret = given_out["AccessKeyId"], given_out["SecretAccessKey"]
    assert aws.allows(key_id, "ecr:BatchGetImage", f"{ARN}team/a") is True
    assert aws.authorize(key_id, [], secret).refused == "UnrecognizedClientException"


def test_time_alone_can_end_a_right(aws: LocalAws, key: Credentials) -> None:
    """An answer must not be cached past the time in a condition."""
    end = datetime.now(timezone.utc) + timedelta(seconds=3)
    until = {"Condition": {"DateLessThan": {"aws:CurrentTime": end.isoformat()}}}
    aws.put_user_policy(owner(aws, key), "p", document(allow(PULL, "*", **until)))
    assert both(aws, key, "ecr:BatchGetImage", "team/a") is True
    while datetime.now(timezone.utc) <= end:
        time.sleep(0.05)
    assert both(aws, key, "ecr:BatchGetImage", "team/a") is False


ACTIONS = ["ecr:GetAuthorizationToken", *PULL, "ecr:ListImages"]
STATEMENTS = st.builds(
    lambda effect, negate_action, action, resource, condition: {
        "Effect": effect,
        "NotAction" if negate_action else "Action": action,
        "Resource": resource,
        **condition,
    },
    effect=st.sampled_from(["Allow", "Allow", "Deny"]),
    negate_action=st.sampled_from([False, False, True]),
    action=st.lists(st.sampled_from([*ACTIONS, "ecr:*", "ecr:Get*", "*", "s3:*"]), min_size=1, max_size=3),
    resource=st.lists(
        st.sampled_from(["*", f"{ARN}team/a", f"{ARN}team/*", f"{ARN}*", f"arn:aws:ecr:*:{ACCOUNT}:repository/team/b"]),
        min_size=1,
        max_size=2,
    ),
    condition=st.sampled_from([{}, {}, TAGGED, ECR_TAGGED, BY_NAME, BY_REGION, OTHER_REGION, VIA_SERVICE, ELSEWHERE]),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    inline=st.lists(STATEMENTS, max_size=3),
    boundary=st.none() | st.lists(STATEMENTS, min_size=1, max_size=2),
    of_repository=st.none() | st.sampled_from(["Allow", "Deny"]),
)
def test_the_front_says_what_ministack_enforces_whatever_the_policies(
    aws: LocalAws, inline: list[dict[str, Any]], boundary: list[dict[str, Any]] | None, of_repository: str | None
) -> None:
    key = new_user(aws)
    user = owner(aws, key)
    if inline:
        aws.put_user_policy(user, "p", document(*inline))
    if boundary:
        iam = aws.client("iam")
        arn = iam.create_policy(PolicyName=user, PolicyDocument=document(*boundary))["Policy"]["Arn"]
        iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=arn)
    effect = of_repository or "Deny"
    principal = {"AWS": aws.users()[user].arn if of_repository else f"arn:aws:iam::{ACCOUNT}:user/nobody"}
    aws.set_repository_policy("team/b", document({"Effect": effect, "Principal": principal, "Action": "ecr:*"}))
    for action in ACTIONS:
        for name in ("team/a", "team/b"):
            both(aws, key, action, name)


def test_conditions_of_iam_itself(aws: LocalAws) -> None:
    """They limit the rights that a deployer may give to users: the boundary, the policies, and the path of both."""
    base, deployer = f"arn:aws:iam::{ACCOUNT}", f"deployer-{uuid4().hex[:8]}"
    edge = {"StringEquals": {"iam:PermissionsBoundary": f"{base}:policy/edge"}}
    ours = {"ArnLike": {"iam:PolicyARN": f"{base}:policy/codespaces/*"}}
    users, policies = f"{base}:user/codespaces/*", f"{base}:policy/codespaces/*"
    aws.create_user(deployer)
    aws.put_user_policy(deployer, "deploy", document(
        allow(["iam:CreateUser", "iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"], users, Condition=edge),
        allow(["iam:AttachUserPolicy", "iam:DetachUserPolicy"], users, Condition={**edge, **ours}),
        allow(["iam:CreatePolicy", "iam:CreatePolicyVersion"], policies),
    ))  # fmt: skip
    root, iam = aws.client("iam"), aws.client("iam", key=aws.create_access_key(deployer))
    anything = document(allow("*", "*"))
    root.create_policy(PolicyName="edge", PolicyDocument=document(allow("ecr:*", "*")))
    root.create_user(UserName="unbounded", Path="/codespaces/")

    new = {"UserName": "bounded", "Path": "/codespaces/", "PermissionsBoundary": f"{base}:policy/edge"}
    for change in ({"PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}, {"Path": "/"}):
        assert denied(iam.create_user, **(new | change))
    assert denied(iam.create_user, UserName="bounded", Path="/codespaces/")
    iam.create_user(**new)
    assert denied(iam.create_policy, PolicyName="wide", PolicyDocument=anything)
    arn = iam.create_policy(PolicyName="pull", Path="/codespaces/", PolicyDocument=anything)["Policy"]["Arn"]
    assert denied(iam.create_policy_version, PolicyArn=f"{base}:policy/edge", PolicyDocument=anything)

    assert denied(iam.attach_user_policy, UserName="bounded", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert denied(iam.attach_user_policy, UserName="unbounded", PolicyArn=arn)
    assert denied(iam.put_user_policy, UserName="unbounded", PolicyName="any", PolicyDocument=anything)
    iam.attach_user_policy(UserName="bounded", PolicyArn=arn)
    iam.put_user_policy(UserName="bounded", PolicyName="any", PolicyDocument=anything)
    iam.detach_user_policy(UserName="bounded", PolicyArn=arn)
    iam.put_user_permissions_boundary(UserName="unbounded", PermissionsBoundary=f"{base}:policy/edge")
    key = aws.create_access_key("bounded")
    assert aws.allows(key.access_key_id, "ecr:BatchGetImage", f"{ARN}team/a")
    assert not aws.allows(key.access_key_id, "iam:ListUsers")


def denied(call: Callable[..., Any], **arguments: Any) -> bool:
    """Whether a call is refused for want of rights, and for nothing else."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"] == "AccessDenied"
    return False
