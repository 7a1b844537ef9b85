"""The stand-in AWS plugin against MiniStack, over the engine's protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import botocore.session
import grpc
import pulumi_aws
import pytest
from pulumi._types import output_type_types
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from rig.offline.aws_plugin import lifecycle
from rig.offline.aws_plugin.clients import PAUSES, Aws
from rig.offline.aws_plugin.configuration import configure
from rig.offline.aws_plugin.failures import AwsError
from rig.offline.aws_plugin.server import Server, start
from rig.offline.aws_plugin.values import UNKNOWN, Secret, decode, encode, reveal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = ("AKIAROOTROOTROOTROOT", "root-secret-root-secret-root-secret-root")
REGION = "eu-west-1"
ACCOUNT = "000000000000"
WRITES = re.compile(r"(Create|Update|Delete|Put|Attach|Detach|Add|Remove|Tag|Untag|Set|Deactivate)")

# What MiniStack lacks and these tests need; it runs in MiniStack's process.
MINISTACK = """
import sys
from ministack.services import iam

handlers, users, keys = iam._IAM_HANDLERS, iam._users, iam._access_keys

def update_user(p):
    old, new, path = (iam._p(p, name) for name in ("UserName", "NewUserName", "NewPath"))
    if old not in users:
        return iam._error(404, "NoSuchEntity", f"The user with name {old} cannot be found.", ns="iam")
    user = users.pop(old)
    user |= {"UserName": new or old, "Path": path or user["Path"]}
    user["Arn"] = f"arn:aws:iam::{iam.get_account_id()}:user{user['Path']}{user['UserName']}"
    users[user["UserName"]] = user
    for key in keys.values():
        if key["UserName"] == old:
            key["UserName"] = user["UserName"]
    return iam._xml(200, "UpdateUserResponse", "", ns="iam")

def update_group(p):
    old, new, path = (iam._p(p, name) for name in ("GroupName", "NewGroupName", "NewPath"))
    group = iam._groups.pop(old)
    group |= {"GroupName": new, "Path": path}
    iam._groups[new] = group
    return iam._xml(200, "UpdateGroupResponse", "", ns="iam")

def create_access_key(p, original=handlers["CreateAccessKey"]):
    if sum(key["UserName"] == iam._p(p, "UserName") for key in keys.values()) >= 2:
        return iam._error(409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", ns="iam")
    return original(p)

def delete_access_key(p, original=handlers["DeleteAccessKey"]):
    key = keys.get(iam._p(p, "AccessKeyId"))
    if key and key["UserName"] != iam._p(p, "UserName"):
        return iam._error(404, "NoSuchEntity", "The Access Key cannot be found.", ns="iam")
    return original(p)

def empty_list(action, key):
    body = f"<{action}Result><{key}></{key}><IsTruncated>false</IsTruncated></{action}Result>"
    return lambda p: iam._xml(200, f"{action}Response", body, ns="iam")

handlers |= {
    "UpdateUser": update_user, "UpdateGroup": update_group,
    "CreateAccessKey": create_access_key, "DeleteAccessKey": delete_access_key,
}
for action, key in {
    "ListSSHPublicKeys": "SSHPublicKeys", "ListSigningCertificates": "Certificates",
    "ListServiceSpecificCredentials": "ServiceSpecificCredentials",
}.items():
    handlers.setdefault(action, empty_list(action, key))

from ministack.app import main
main()
"""


@dataclass
class Fault:
    """An answer that MiniStack would not give."""

    action: str
    status: int
    code: str
    message: str
    times: int = 1


@dataclass
class Cloud:
    """MiniStack, and the requests to it."""

    url: str
    port: int
    asked: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @cached_property
    def _session(self) -> Any:
        session: Any = botocore.session.Session()
        session.set_credentials(*ROOT)
        return session

    @cached_property
    def iam(self) -> Any:
        return self._session.create_client("iam", region_name=REGION, endpoint_url=self.url)

    @cached_property
    def ecr(self) -> Any:
        return self._session.create_client("ecr", region_name=REGION, endpoint_url=self.url)

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.asked]

    @property
    def writes(self) -> list[str]:
        return [action for action in self.actions if WRITES.match(action)]

    def key_ids(self, user: str) -> list[tuple[str, str]]:
        keys = self.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        return [(key["AccessKeyId"], key["Status"]) for key in keys]

    def reset(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("POST", "/_ministack/reset")
        assert connection.getresponse().status == 200
        connection.close()
        self.asked.clear()
        self.faults.clear()


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "iam,sts,ecr",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "ERROR",
        "AWS_ACCESS_KEY_ID": ROOT[0],
        "AWS_SECRET_ACCESS_KEY": ROOT[1],
    }
    log = tmp_path_factory.mktemp("ministack") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", MINISTACK], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="module")
def recorder(ministack: int) -> Iterator[Cloud]:
    found = Cloud("", ministack)

    class Recorder(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = self.headers.get("X-Amz-Target", "")
            action = target.rpartition(".")[2] or parse_qs(body.decode())["Action"][0]
            fault = next((each for each in found.faults if each.action == action and each.times), None)
            if fault:
                fault.times -= 1
                found.asked.append((action, fault.code))
                self._answer(fault.status, *_error(fault, is_json=bool(target)))
                return
            upstream = HTTPConnection("127.0.0.1", ministack, timeout=120)
            upstream.request("POST", self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            found.asked.append((action, str(answer.status)))
            content = re.sub(rb"(<RequestId>).*?(</RequestId>)", rb"\1request-1\2", answer.read())
            self._answer(answer.status, answer.headers.get("Content-Type", ""), content)
            upstream.close()

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("x-amzn-RequestId", "request-1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cloud(recorder: Cloud) -> Cloud:
    recorder.reset()
    return recorder


def _error(fault: Fault, *, is_json: bool) -> tuple[str, bytes]:
    if is_json:
        return "application/x-amz-json-1.1", json.dumps({"__type": fault.code, "message": fault.message}).encode()
    body = (
        f'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        f"<Code>{fault.code}</Code><Message>{fault.message}</Message></Error><RequestId>request-1</RequestId></ErrorResponse>"
    )
    return "text/xml", body.encode()


def _names_of_result(token: str) -> set[str]:
    """The result that the SDK expects from a function."""
    module, _, kind = token.removeprefix("aws:").partition("/")
    package: Any = pulumi_aws if module == "index" else getattr(pulumi_aws, module)
    name = kind.rpartition(":")[2]
    return set(output_type_types(getattr(package, f"{name[0].upper()}{name[1:]}Result")))


class RefusedError(Exception):
    """The plugin answered with an error; `partial` is set if the state is to be saved all the same."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code = error.code()
        self.partial: Any = None
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                status = status_pb2.Status.FromString(value)
                self.partial = provider_pb2.ErrorResourceInitFailed()
                assert status.details[0].Unpack(self.partial)
        super().__init__(error.details())


@dataclass
class Stored:
    """A resource in the state."""

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return reveal(self.outputs)[name]


class Engine:
    """Does what the engine does with one provider."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self.stub, method)(request, timeout=60)
        except grpc.RpcError as error:
            raise RefusedError(error) from None

    def check_config(self, **settings: Any) -> tuple[dict[str, Any], list[str]]:
        answer = self.call("CheckConfig", provider_pb2.CheckRequest(news=encode(settings)))
        return decode(answer.inputs), [failure.reason for failure in answer.failures]

    def configure(self, **settings: Any) -> None:
        self.call("Configure", provider_pb2.ConfigureRequest(args=encode(settings), acceptSecrets=True))

    def invoke(self, token: str, **arguments: Any) -> dict[str, Any]:
        answer = self.call("Invoke", provider_pb2.InvokeRequest(tok=token, args=encode(arguments)))
        assert not answer.failures, answer.failures
        found = decode(getattr(answer, "return"))
        assert set(found) == _names_of_result(token)
        return found

    def urn(self, token: str, name: str) -> str:
        return f"urn:pulumi:dev::shop::acme:index:Team${token}::{name}"

    def check(
        self, token: str, name: str, inputs: dict[str, Any], old: Stored | None = None, **more: Any
    ) -> tuple[dict[str, Any], list[str]]:
        request = provider_pb2.CheckRequest(
            urn=self.urn(token, name), olds=encode(old.inputs if old else {}), news=encode(inputs), **more
        )
        answer = self.call("Check", request)
        return decode(answer.inputs), [failure.reason for failure in answer.failures]

    def checked(self, token: str, name: str, inputs: dict[str, Any], old: Stored | None = None) -> dict[str, Any]:
        found, failures = self.check(token, name, inputs, old)
        assert failures == []
        return found

    def diff(self, token: str, name: str, old: Stored, inputs: dict[str, Any], **more: Any) -> Any:
        request = provider_pb2.DiffRequest(
            urn=self.urn(token, name),
            id=old.id,
            olds=encode(reveal(old.outputs)),
            old_inputs=encode(old.inputs),
            news=encode(self.checked(token, name, inputs, old)),
            **more,
        )
        return self.call("Diff", request)

    def changes(self, token: str, name: str, old: Stored, inputs: dict[str, Any]) -> dict[str, str]:
        found = self.diff(token, name, old, inputs).detailedDiff
        return {path: provider_pb2.PropertyDiff.Kind.Name(change.kind) for path, change in found.items()}

    def create(self, token: str, name: str, inputs: dict[str, Any], *, preview: bool = False) -> Stored:
        checked = self.checked(token, name, inputs)
        request = provider_pb2.CreateRequest(urn=self.urn(token, name), properties=encode(checked), preview=preview)
        answer = self.call("Create", request)
        return Stored(answer.id, checked, decode(answer.properties))

    def update(self, token: str, name: str, old: Stored, inputs: dict[str, Any], *, preview: bool = False) -> Stored:
        checked = self.checked(token, name, inputs, old)
        request = provider_pb2.UpdateRequest(
            urn=self.urn(token, name),
            id=old.id,
            olds=encode(reveal(old.outputs)),
            old_inputs=encode(old.inputs),
            news=encode(checked),
            preview=preview,
        )
        answer = self.call("Update", request)
        return Stored(old.id, checked, decode(answer.properties))

    def read(self, token: str, name: str, identifier: str, old: Stored | None = None) -> Stored | None:
        request = provider_pb2.ReadRequest(urn=self.urn(token, name), id=identifier)
        if old:
            request.properties.CopyFrom(encode(reveal(old.outputs)))
            request.inputs.CopyFrom(encode(old.inputs))
        answer = self.call("Read", request)
        return Stored(answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    def refresh(self, token: str, name: str, old: Stored) -> Stored | None:
        return self.read(token, name, old.id, old)

    def delete(self, token: str, name: str, old: Stored) -> None:
        request = provider_pb2.DeleteRequest(
            urn=self.urn(token, name), id=old.id, properties=encode(reveal(old.outputs))
        )
        self.call("Delete", request)


def _without_aws(environment: pytest.MonkeyPatch, home: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        environment.delenv(name)
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
    environment.setenv("HOME", str(home))
    environment.setattr("rig.offline.aws_plugin.clients.PROPAGATION_SECONDS", 1.0)
    environment.setenv(PAUSES, "0.0001")


@contextlib.contextmanager
def _plugin() -> Iterator[Engine]:
    listener, port = start(Server(stops_on_cancel=False))
    engine = Engine(port)
    yield engine
    engine.channel.close()
    listener.stop(0).wait()


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """An engine with a plugin in this process, in an environment that says nothing about AWS."""
    _without_aws(monkeypatch, tmp_path)
    with _plugin() as engine:
        yield engine


@pytest.fixture(scope="module")
def configured(recorder: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as environment:
        _without_aws(environment, tmp_path_factory.mktemp("home"))
        with _plugin() as engine:
            engine.configure(**settings(recorder))
            yield engine


def settings(cloud: Cloud, **more: Any) -> dict[str, Any]:
    endpoints = [{"iam": cloud.url, "sts": cloud.url, "ecr": cloud.url}]
    return {
        "accessKey": ROOT[0],
        "secretKey": Secret(ROOT[1]),
        "region": REGION,
        "endpoints": json.dumps(endpoints),
        "skipCredentialsValidation": "true",
        "skipMetadataApiCheck": "true",
        **more,
    }


@pytest.fixture
def engine(configured: Engine, cloud: Cloud) -> Engine:
    """An engine whose plugin works with an empty cloud."""
    del cloud
    return configured


USER, KEY = "aws:iam/user:User", "aws:iam/accessKey:AccessKey"
INLINE, POLICY = "aws:iam/userPolicy:UserPolicy", "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/userPolicyAttachment:UserPolicyAttachment"
GROUP, GROUP_POLICY = "aws:iam/group:Group", "aws:iam/groupPolicy:GroupPolicy"
MEMBERSHIP = "aws:iam/userGroupMembership:UserGroupMembership"
REPOSITORY, REPOSITORY_POLICY = "aws:ecr/repository:Repository", "aws:ecr/repositoryPolicy:RepositoryPolicy"


def document(*actions: str, resource: Any = "*") -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def names(values: dict[str, Any]) -> list[str]:
    return sorted(values)


# Users


def test_a_user_is_created_with_a_name_of_its_own(engine: Engine, cloud: Cloud) -> None:
    user = engine.create(USER, "bot", {"path": "/codespaces/", "tags": {"team": "pay"}})
    assert re.fullmatch(r"bot-[0-9a-f]{7}", user.id)
    assert user.inputs == {
        "name": user.id,
        "path": "/codespaces/",
        "tags": {"team": "pay"},
        "tagsAll": {"team": "pay"},
        "__defaults": ["name"],
    }
    unique = cloud.iam.get_user(UserName=user.id)["User"]["UserId"]
    assert user.outputs == {
        "arn": f"arn:aws:iam::{ACCOUNT}:user/codespaces/{user.id}",
        "forceDestroy": False,
        "id": user.id,
        "name": user.id,
        "path": "/codespaces/",
        "permissionsBoundary": "",
        "tags": {"team": "pay"},
        "tagsAll": {"team": "pay"},
        "uniqueId": unique,
    }
    assert cloud.actions[:2] == ["CreateUser", "GetUser"]


def test_a_boundary_and_tags_that_the_program_does_not_give_are_empty_in_the_state(engine: Engine) -> None:
    inputs = {"name": "bot"}
    user = engine.create(USER, "bot", inputs)
    assert "tags" not in user.inputs
    assert "permissionsBoundary" not in user.inputs
    refreshed = engine.refresh(USER, "bot", user)
    assert refreshed is not None
    for state in (user, refreshed):
        assert (state.outputs["permissionsBoundary"], state.outputs["tags"], state.outputs["tagsAll"]) == ("", {}, {})
        assert engine.changes(USER, "bot", state, inputs) == {}
    policy = engine.create(POLICY, "pull", {"policy": document("ecr:*")})
    assert (policy.outputs["tags"], policy.outputs["tagsAll"]) == ({}, {})
    tags = {"team": "pay", "c.d": "3"}
    assert engine.changes(USER, "bot", user, {"name": "bot", "tags": tags}) == {
        "tags.team": "ADD",
        'tags["c.d"]': "ADD",
        "tagsAll.team": "ADD",
        'tagsAll["c.d"]': "ADD",
    }
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/edge"
    assert engine.changes(USER, "bot", user, {"name": "bot", "permissionsBoundary": boundary}) == {
        "permissionsBoundary": "UPDATE"
    }


def test_a_preview_asks_nothing_and_knows_what_the_program_says(engine: Engine, cloud: Cloud) -> None:
    user = engine.create(USER, "bot", {"name": "bot", "tags": {"id": UNKNOWN}}, preview=True)
    assert user.id == ""
    assert user.outputs == {
        "arn": UNKNOWN,
        "forceDestroy": False,
        "id": UNKNOWN,
        "name": "bot",
        "path": "/",
        "permissionsBoundary": None,
        "tags": {"id": UNKNOWN},
        "tagsAll": UNKNOWN,
        "uniqueId": UNKNOWN,
    }
    key = engine.create(KEY, "key", {"user": UNKNOWN}, preview=True)
    assert key.outputs["secret"] == Secret(UNKNOWN)
    assert key.outputs["sesSmtpPasswordV4"] == Secret(UNKNOWN)
    assert key.outputs["status"] == "Active"
    assert cloud.asked == []


def test_a_user_is_renamed_and_moved_in_place(engine: Engine, cloud: Cloud) -> None:
    old = engine.create(USER, "bot", {"name": "old"})
    assert engine.changes(USER, "bot", old, {"name": "new", "path": "/x/"}) == {"name": "UPDATE", "path": "UPDATE"}
    preview = engine.update(USER, "bot", old, {"name": "new", "path": "/x/"}, preview=True)
    assert preview["arn"] == old["arn"]
    cloud.asked.clear()
    new = engine.update(USER, "bot", old, {"name": "new", "path": "/x/"})
    assert cloud.actions == ["UpdateUser", "GetUser"]
    assert (new["name"], new["path"], new["arn"]) == ("new", "/x/", f"arn:aws:iam::{ACCOUNT}:user/x/new")
    # The engine keeps the id that it knows; what the plugin goes by is in the outputs.
    assert (new.id, new["id"]) == ("old", "new")
    refreshed = engine.refresh(USER, "bot", new)
    assert refreshed is not None
    assert refreshed.id == "new"
    engine.delete(USER, "bot", new)
    assert cloud.iam.list_users()["Users"] == []


def test_a_boundary_comes_and_goes_in_place(engine: Engine, cloud: Cloud) -> None:
    boundary = engine.create(POLICY, "boundary", {"policy": document("ecr:*")})["arn"]
    user = engine.create(USER, "bot", {"name": "bot"})
    bounded = engine.update(USER, "bot", user, {"name": "bot", "permissionsBoundary": boundary})
    assert bounded["permissionsBoundary"] == boundary
    assert engine.changes(USER, "bot", bounded, {"name": "bot"}) == {"permissionsBoundary": "DELETE"}
    cloud.asked.clear()
    free = engine.update(USER, "bot", bounded, {"name": "bot"})
    assert free["permissionsBoundary"] == ""
    assert cloud.writes == ["DeleteUserPermissionsBoundary"]
    made_so = engine.create(USER, "other", {"name": "other", "permissionsBoundary": boundary})
    assert made_so["permissionsBoundary"] == boundary


def test_tags_change_in_place(engine: Engine, cloud: Cloud) -> None:
    user = engine.create(USER, "bot", {"name": "bot", "tags": {"a": "1", "b": "2", "c.d": "3"}})
    news = {"name": "bot", "tags": {"a": "1", "b": "x", "e": "4"}}
    assert engine.changes(USER, "bot", user, news) == {
        "tags.b": "UPDATE",
        'tags["c.d"]': "DELETE",
        "tags.e": "ADD",
        "tagsAll.b": "UPDATE",
        'tagsAll["c.d"]': "DELETE",
        "tagsAll.e": "ADD",
    }
    cloud.asked.clear()
    changed = engine.update(USER, "bot", user, news)
    assert cloud.actions == ["UntagUser", "TagUser", "GetUser"]
    assert changed["tagsAll"] == {"a": "1", "b": "x", "e": "4"}
    bare = engine.update(USER, "bot", changed, {"name": "bot"})
    assert (bare["tags"], bare["tagsAll"]) == ({}, {})
    assert cloud.iam.list_user_tags(UserName="bot")["Tags"] == []


def test_a_refused_update_is_recorded_as_done_and_the_next_one_writes_nothing(engine: Engine, cloud: Cloud) -> None:
    repository = engine.create(REPOSITORY, "api", {"name": "api", "tags": {"team": "pay"}})
    news = {"name": "api", "tags": {"team": "ops"}}
    cloud.faults.append(Fault("TagResource", 400, "InvalidTagParameterException", "no"))
    with pytest.raises(RefusedError) as caught:
        engine.update(REPOSITORY, "api", repository, news)
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/api"
    assert str(caught.value) == (
        f"updating {engine.urn(REPOSITORY, 'api')}: 1 error occurred:\n\t* updating tags for ECR (Elastic Container "
        f"Registry) Repository (api): tagging resource (api): operation error ECR: TagResource, https response error "
        f"StatusCode: 400, RequestID: request-1, InvalidTagParameterException: no\n\n"
    )
    partial = caught.value.partial
    assert (partial.id, list(partial.reasons)) == ("api", [str(caught.value)])
    saved = Stored("api", engine.checked(REPOSITORY, "api", news, repository), decode(partial.properties))
    assert saved["tags"] == saved["tagsAll"] == {"team": "ops"}
    assert saved["arn"] == arn

    # `up --refresh` mends it.
    refreshed = engine.refresh(REPOSITORY, "api", saved)
    assert refreshed is not None
    assert refreshed["tags"] == {"team": "pay"}
    assert engine.changes(REPOSITORY, "api", refreshed, news) == {"tags.team": "UPDATE", "tagsAll.team": "UPDATE"}

    # A plain `up` does not: no difference, but the error makes the engine update, which finds out what there is.
    assert engine.changes(REPOSITORY, "api", saved, news) == {}
    cloud.asked.clear()
    again = engine.update(REPOSITORY, "api", saved, news)
    assert cloud.actions == ["DescribeRepositories", "ListTagsForResource"]
    assert again["tags"] == {"team": "pay"}
    assert engine.update(REPOSITORY, "api", again, news)["tags"] == {"team": "ops"}
    found = cloud.ecr.list_tags_for_resource(resourceArn=arn)["tags"]
    assert found == [{"Key": "team", "Value": "ops"}]


def test_a_user_with_foreign_keys_stays_unless_forced(engine: Engine, cloud: Cloud) -> None:
    user = engine.create(USER, "bot", {"name": "bot"})
    cloud.iam.create_access_key(UserName="bot")
    with pytest.raises(RefusedError) as caught:
        engine.delete(USER, "bot", user)
    assert re.fullmatch(
        re.escape(
            f"deleting {engine.urn(USER, 'bot')}: 1 error occurred:\n\t* deleting IAM User (bot): operation error IAM: "
        )
        + r"DeleteUser, https response error StatusCode: 409, RequestID: request-1, DeleteConflict: Cannot delete "
        + r"entity, must delete access keys first\.\n\n",
        str(caught.value),
    )
    forced = engine.update(USER, "bot", user, {"name": "bot", "forceDestroy": True})
    assert forced["forceDestroy"] is True
    cloud.asked.clear()
    engine.delete(USER, "bot", forced)
    assert cloud.actions == [
        "ListGroupsForUser",
        "ListAccessKeys",
        "DeleteAccessKey",
        "ListSSHPublicKeys",
        "ListVirtualMFADevices",
        "ListMFADevices",
        "DeleteLoginProfile",
        "ListSigningCertificates",
        "ListServiceSpecificCredentials",
        "DeleteUser",
    ]
    assert cloud.iam.list_users()["Users"] == []


def test_deleting_a_user_takes_it_out_of_its_groups(engine: Engine, cloud: Cloud) -> None:
    user = engine.create(USER, "bot", {"name": "bot"})
    cloud.iam.create_group(GroupName="readers")
    cloud.iam.add_user_to_group(GroupName="readers", UserName="bot")
    engine.delete(USER, "bot", user)
    assert cloud.iam.get_group(GroupName="readers")["Users"] == []


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        (USER, {"name": "gone"}),
        (KEY, {"user": "owner"}),
        (INLINE, {"user": "owner", "policy": document("ecr:*")}),
        (POLICY, {"policy": document("ecr:*")}),
        (GROUP, {"name": "gone"}),
        (GROUP_POLICY, {"group": "owners", "policy": document("ecr:*")}),
        (MEMBERSHIP, {"user": "owner", "groups": ["owners"]}),
        (REPOSITORY, {"name": "gone"}),
        (REPOSITORY_POLICY, {"repository": "store", "policy": document("ecr:*")}),
    ],
    ids=lambda value: value.rpartition(":")[2] if isinstance(value, str) else "",
)
def test_what_is_gone_is_deleted_without_complaint_and_dropped_by_a_refresh(
    engine: Engine, cloud: Cloud, token: str, inputs: dict[str, Any]
) -> None:
    cloud.iam.create_user(UserName="owner")
    cloud.iam.create_group(GroupName="owners")
    cloud.ecr.create_repository(repositoryName="store")
    stored = engine.create(token, "x", inputs)
    assert engine.refresh(token, "x", stored) is not None
    engine.delete(token, "x", stored)
    engine.delete(token, "x", stored)
    if token != MEMBERSHIP:  # It only ever says which of its groups the user is in.
        assert engine.refresh(token, "x", stored) is None


def test_what_was_just_made_may_take_a_while_to_show(engine: Engine, cloud: Cloud) -> None:
    cloud.faults += [
        Fault("GetUser", 404, "NoSuchEntity", "not yet", times=2),
        Fault("DescribeRepositories", 400, "RepositoryNotFoundException", "not yet", times=2),
    ]
    assert engine.create(USER, "bot", {"name": "bot"})["name"] == "bot"
    assert engine.create(REPOSITORY, "api", {"name": "api"})["name"] == "api"
    assert cloud.actions.count("GetUser") == 3
    assert cloud.actions.count("DescribeRepositories") == 3


def test_what_never_shows_is_in_the_state_all_the_same(engine: Engine, cloud: Cloud) -> None:
    cloud.faults.append(Fault("GetUser", 404, "NoSuchEntity", "never", times=1000))
    with pytest.raises(RefusedError, match=r"reading IAM User \(bot\): couldn't find resource") as caught:
        engine.create(USER, "bot", {"name": "bot"})
    assert caught.value.partial.id == "bot"
    assert decode(caught.value.partial.properties)["name"] == "bot"


def test_what_was_not_made_is_not_in_the_state(engine: Engine, cloud: Cloud) -> None:
    cloud.iam.create_user(UserName="bot")
    with pytest.raises(RefusedError) as caught:
        engine.create(USER, "bot", {"name": "bot"})
    assert caught.value.partial is None
    assert str(caught.value) == (
        "1 error occurred:\n\t* creating IAM User (bot): operation error IAM: CreateUser, https response error "
        "StatusCode: 409, RequestID: request-1, EntityAlreadyExists: User with name bot already exists.\n\n"
    )


def test_what_vanished_cannot_be_updated(engine: Engine, cloud: Cloud) -> None:
    user = engine.create(USER, "bot", {"name": "bot"})
    cloud.iam.delete_user(UserName="bot")
    with pytest.raises(RefusedError, match="the resource did not exist while updating"):
        engine.update(USER, "bot", user, {"name": "bot", "forceDestroy": True})


# Access keys


def test_a_key_works_and_its_secret_is_marked(engine: Engine, unconfigured: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    cloud.asked.clear()
    key = engine.create(KEY, "key", {"user": "bot"})
    assert cloud.actions == ["CreateAccessKey"]
    assert isinstance(key.outputs["secret"], Secret)
    assert isinstance(key.outputs["sesSmtpPasswordV4"], Secret)
    assert len(base64.b64decode(key["sesSmtpPasswordV4"])) == 33
    assert key.outputs | {"secret": None, "sesSmtpPasswordV4": None} == {
        "createDate": key["createDate"],
        "encryptedSecret": None,
        "encryptedSesSmtpPasswordV4": None,
        "id": key.id,
        "keyFingerprint": None,
        "pgpKey": None,
        "secret": None,
        "sesSmtpPasswordV4": None,
        "status": "Active",
        "user": "bot",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", key["createDate"])
    assert key.inputs == {"user": "bot", "status": "Active", "__defaults": ["status"]}
    unconfigured.configure(**settings(cloud, accessKey=key.id, secretKey=key["secret"]))
    caller = unconfigured.invoke("aws:index/getCallerIdentity:getCallerIdentity")
    assert caller["arn"] == f"arn:aws:iam::{ACCOUNT}:user/bot"


def test_a_key_can_be_born_inactive(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    cloud.asked.clear()
    key = engine.create(KEY, "key", {"user": "bot", "status": "Inactive"})
    assert cloud.actions == ["CreateAccessKey", "UpdateAccessKey"]
    assert key["status"] == "Inactive"
    assert cloud.key_ids("bot") == [(key.id, "Inactive")]


def test_a_key_that_could_not_be_made_inactive_is_not_lost(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    cloud.faults.append(Fault("UpdateAccessKey", 403, "AccessDenied", "no"))
    with pytest.raises(RefusedError) as caught:
        engine.create(KEY, "key", {"user": "bot", "status": "Inactive"})
    ((key_id, status),) = cloud.key_ids("bot")
    assert status == "Active"
    assert str(caught.value) == (
        f"creating {engine.urn(KEY, 'key')}: 1 error occurred:\n\t* deactivating IAM Access Key ({key_id}): operation "
        "error IAM: UpdateAccessKey, https response error StatusCode: 403, RequestID: request-1, api error "
        "AccessDenied: no\n\n"
    )
    saved = decode(caught.value.partial.properties)
    assert caught.value.partial.id == key_id
    assert (saved["status"], saved["createDate"]) == ("Inactive", None)
    secret = reveal(saved["secret"])
    assert len(secret) == 40
    assert secret not in str(caught.value)


def test_a_third_key_is_refused(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    for name in ("a", "b"):
        engine.create(KEY, name, {"user": "bot"})
    with pytest.raises(RefusedError) as caught:
        engine.create(KEY, "c", {"user": "bot"})
    assert caught.value.partial is None
    assert str(caught.value) == (
        "1 error occurred:\n\t* creating IAM Access Key (bot): operation error IAM: CreateAccessKey, https response "
        "error StatusCode: 409, RequestID: request-1, LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2\n\n"
    )
    assert len(cloud.key_ids("bot")) == 2


def test_status_changes_in_place_and_the_secret_stays(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    key = engine.create(KEY, "key", {"user": "bot"})
    news = {"user": "bot", "status": "Inactive"}
    found = engine.diff(KEY, "key", key, news)
    assert dict(found.detailedDiff) == {"status": provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.UPDATE)}
    assert (list(found.replaces), list(found.diffs), found.deleteBeforeReplace) == ([], ["status"], False)
    cloud.asked.clear()
    parked = engine.update(KEY, "key", key, news)
    assert cloud.actions == ["UpdateAccessKey", "ListAccessKeys"]
    assert parked.outputs == key.outputs | {"status": "Inactive"}
    assert cloud.key_ids("bot") == [(key.id, "Inactive")]


def test_a_status_that_was_refused_is_not_written_by_the_next_update(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    key = engine.create(KEY, "key", {"user": "bot"})
    news = {"user": "bot", "status": "Inactive"}
    cloud.faults.append(Fault("UpdateAccessKey", 403, "AccessDenied", "no"))
    with pytest.raises(RefusedError, match=r"updating IAM Access Key") as caught:
        engine.update(KEY, "key", key, news)
    saved = Stored(key.id, engine.checked(KEY, "key", news, key), decode(caught.value.partial.properties))
    assert saved["status"] == "Inactive"
    assert engine.changes(KEY, "key", saved, news) == {}

    # `up --refresh` mends it.
    refreshed = engine.refresh(KEY, "key", saved)
    assert refreshed is not None
    assert engine.changes(KEY, "key", refreshed, news) == {"status": "UPDATE"}

    # A plain `up` says "updated", and the key is Active as before.
    cloud.asked.clear()
    again = engine.update(KEY, "key", saved, news)
    assert cloud.actions == ["ListAccessKeys"]
    assert cloud.key_ids("bot") == [(key.id, "Active")]
    assert (again["status"], again["secret"]) == ("Active", key["secret"])
    assert engine.changes(KEY, "key", again, news) == {"status": "UPDATE"}


def test_a_key_deactivated_by_hand_shows_after_a_refresh_only(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    key = engine.create(KEY, "key", {"user": "bot"})
    cloud.iam.update_access_key(UserName="bot", AccessKeyId=key.id, Status="Inactive")
    assert engine.changes(KEY, "key", key, {"user": "bot"}) == {}
    refreshed = engine.refresh(KEY, "key", key)
    assert refreshed is not None
    assert refreshed.inputs == {"user": "bot", "status": "Inactive", "__defaults": []}
    assert refreshed["secret"] == key["secret"]
    assert engine.changes(KEY, "key", refreshed, {"user": "bot"}) == {"status": "UPDATE"}


def test_another_user_means_another_key(engine: Engine, cloud: Cloud) -> None:
    for name in ("a", "b"):
        engine.create(USER, name, {"name": name})
    key = engine.create(KEY, "key", {"user": "a"})
    for user in ("b", UNKNOWN):
        found = engine.diff(KEY, "key", key, {"user": user})
        assert found.detailedDiff["user"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE
        assert (list(found.replaces), found.deleteBeforeReplace) == (["user"], False)
        assert list(found.stables) == ["pgpKey"]
    assert list(engine.diff(KEY, "key", key, {"user": "a"}).stables) == ["pgpKey", "user"]
    assert cloud.key_ids("b") == []


def test_a_key_of_a_user_who_was_renamed_is_orphaned(engine: Engine, cloud: Cloud) -> None:
    """Observed in the real provider: the key's delete asks under the old name, gets a 404, and takes that for done."""
    user = engine.create(USER, "bot", {"name": "old"})
    key = engine.create(KEY, "key", {"user": "old"})
    engine.update(USER, "bot", user, {"name": "new"})
    engine.delete(KEY, "key", key)
    assert cloud.key_ids("new") == [(key.id, "Active")]


def test_a_pgp_key_is_refused_by_name(engine: Engine) -> None:
    _, failures = engine.check(KEY, "key", {"user": "bot", "pgpKey": "keybase:x"})
    assert failures == [
        "pgp_key is not served by this stand-in for Pulumi's AWS plugin: leave it out. Examine values at 'key.pgpKey'."
    ]


# Policies


def test_an_inline_policy_is_put_and_put_again(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    inputs = {"name": "pull", "user": "bot", "policy": document("ecr:BatchGetImage")}
    cloud.asked.clear()
    policy = engine.create(INLINE, "pull", inputs)
    # Once to see whether it shows, and once to read it.
    assert cloud.actions == ["PutUserPolicy", "GetUserPolicy", "GetUserPolicy"]
    assert policy.id == "bot:pull"
    assert policy.outputs == {
        "id": "bot:pull",
        "name": "pull",
        "namePrefix": "",
        "policy": (
            '{"Version":"2012-10-17","Statement":[{"Action":["ecr:BatchGetImage"],"Effect":"Allow","Resource":"*"}]}'
        ),
        "user": "bot",
    }
    news = inputs | {"policy": document("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")}
    assert engine.changes(INLINE, "pull", policy, news) == {"policy": "UPDATE"}
    cloud.asked.clear()
    changed = engine.update(INLINE, "pull", policy, news)
    assert cloud.actions == ["PutUserPolicy", "GetUserPolicy"]
    found = cloud.iam.get_user_policy(UserName="bot", PolicyName="pull")["PolicyDocument"]
    assert found["Statement"][0]["Action"] == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    assert json.loads(changed["policy"]) == found


def test_an_inline_policy_that_was_refused_is_put_by_the_next_update(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    inputs = {"name": "pull", "user": "bot", "policy": document("ecr:A")}
    policy = engine.create(INLINE, "pull", inputs)
    news = inputs | {"policy": document("ecr:B")}
    cloud.faults.append(Fault("PutUserPolicy", 403, "AccessDenied", "no"))
    with pytest.raises(RefusedError, match=r"putting IAM User \(bot\) Policy \(pull\)") as caught:
        engine.update(INLINE, "pull", policy, news)
    saved = Stored("bot:pull", engine.checked(INLINE, "pull", news, policy), decode(caught.value.partial.properties))
    assert "ecr:B" in saved["policy"]
    assert engine.changes(INLINE, "pull", saved, news) == {}
    cloud.asked.clear()
    again = engine.update(INLINE, "pull", saved, news)
    assert cloud.actions == ["PutUserPolicy", "GetUserPolicy"]
    found = cloud.iam.get_user_policy(UserName="bot", PolicyName="pull")["PolicyDocument"]
    assert found["Statement"][0]["Action"] == ["ecr:B"]
    assert json.loads(again["policy"]) == found


def test_an_inline_policy_that_does_not_show_is_in_the_state_all_the_same(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    cloud.faults.append(Fault("GetUserPolicy", 404, "NoSuchEntity", "never", times=1000))
    with pytest.raises(RefusedError) as caught:
        engine.create(INLINE, "pull", {"name": "pull", "user": "bot", "policy": document("ecr:A")})
    assert "waiting for IAM User Policy (bot:pull) create: couldn't find resource" in str(caught.value)
    assert caught.value.partial.id == "bot:pull"


def test_a_policy_that_says_the_same_in_other_words_is_no_change(engine: Engine) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    inputs = {"name": "pull", "user": "bot", "policy": document("ecr:A", "ecr:B")}
    policy = engine.create(INLINE, "pull", inputs)
    statement = {"Resource": ["*"], "Action": ["ecr:B", "ecr:A"], "Effect": "Allow"}
    same = {"Statement": [statement], "Version": "2012-10-17"}
    assert engine.changes(INLINE, "pull", policy, inputs | {"policy": same}) == {}
    assert engine.changes(INLINE, "pull", policy, inputs | {"policy": json.dumps(same, indent=4)}) == {}
    other = inputs | {"policy": document("ecr:A")}
    assert engine.changes(INLINE, "pull", policy, other) == {"policy": "UPDATE"}


def test_a_policy_changed_by_hand_shows_after_a_refresh(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    inputs = {"name": "pull", "user": "bot", "policy": document("ecr:A")}
    policy = engine.create(INLINE, "pull", inputs)
    cloud.iam.put_user_policy(UserName="bot", PolicyName="pull", PolicyDocument=document("ecr:*"))
    refreshed = engine.refresh(INLINE, "pull", policy)
    assert refreshed is not None
    assert refreshed.inputs == policy.inputs
    assert "ecr:*" in refreshed["policy"]
    assert engine.changes(INLINE, "pull", refreshed, inputs) == {"policy": "UPDATE"}


def test_a_policy_with_a_name_of_the_programs_own_is_deleted_before_it_is_replaced(engine: Engine) -> None:
    for name in ("a", "b"):
        engine.create(USER, name, {"name": name})
    inputs = {"user": "a", "policy": document("ecr:A")}
    made_up = engine.create(INLINE, "pull", inputs)
    named = engine.create(INLINE, "pull", inputs | {"name": "pull"})
    found = engine.diff(INLINE, "pull", made_up, inputs | {"user": "b"})
    assert (list(found.replaces), found.deleteBeforeReplace) == (["user"], False)
    found = engine.diff(INLINE, "pull", named, inputs | {"name": "pull", "user": "b"})
    assert (list(found.replaces), found.deleteBeforeReplace) == (["user"], True)
    found = engine.diff(INLINE, "pull", named, inputs | {"name": "push"})
    assert found.detailedDiff["name"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE


def test_a_name_prefix_makes_a_name(engine: Engine) -> None:
    inputs = {"namePrefix": "pull-", "policy": document("ecr:A")}
    policy = engine.create(POLICY, "x", inputs)
    assert re.fullmatch(r"pull-\d{26}", policy["name"])
    assert policy["namePrefix"] == "pull-"
    assert engine.changes(POLICY, "x", policy, inputs) == {}
    _, failures = engine.check(POLICY, "x", inputs | {"name": "y"})
    assert any("conflicts with" in failure for failure in failures)


def test_a_managed_policy_gets_a_new_default_version_and_keeps_five(engine: Engine, cloud: Cloud) -> None:
    policy = engine.create(POLICY, "pull", {"name": "pull", "policy": document("ecr:0")})
    assert policy.id == policy["arn"] == f"arn:aws:iam::{ACCOUNT}:policy/pull"
    assert policy.inputs["__defaults"] == ["path"]
    for number in range(1, 6):
        cloud.asked.clear()
        policy = engine.update(POLICY, "pull", policy, {"name": "pull", "policy": document(f"ecr:{number}")})
        versions = cloud.iam.list_policy_versions(PolicyArn=policy.id)["Versions"]
        assert [each["VersionId"] for each in versions if each["IsDefaultVersion"]] == [f"v{number + 1}"]
        assert f"ecr:{number}" in policy["policy"]
    assert cloud.actions[:5] == [
        "ListPolicyVersions",
        "DeletePolicyVersion",
        "CreatePolicyVersion",
        "GetPolicy",
        "GetPolicyVersion",
    ]
    assert sorted(each["VersionId"] for each in versions) == ["v2", "v3", "v4", "v5", "v6"]
    cloud.asked.clear()
    engine.delete(POLICY, "pull", policy)
    assert cloud.writes == ["DeletePolicyVersion"] * 4 + ["DeletePolicy"]


def test_what_replaces_a_managed_policy(engine: Engine) -> None:
    inputs = {"policy": document("ecr:A"), "description": "one"}
    policy = engine.create(POLICY, "pull", inputs)
    for change in ({"description": "two"}, {"path": "/x/"}, {"name": "other"}):
        (name,) = change
        found = engine.diff(POLICY, "pull", policy, inputs | change)
        assert list(found.replaces) == [name]
    assert engine.changes(POLICY, "pull", policy, inputs | {"description": None}) == {"description": "DELETE_REPLACE"}


def test_an_attachment_is_deleted_before_it_is_replaced(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    arn = engine.create(POLICY, "pull", {"name": "pull", "policy": document("ecr:A")})["arn"]
    inputs = {"user": "bot", "policyArn": arn}
    attachment = engine.create(ATTACHMENT, "x", inputs)
    assert re.fullmatch(r"bot-\d{26}", attachment.id)
    found = engine.diff(ATTACHMENT, "x", attachment, inputs | {"policyArn": arn + "2"})
    assert (list(found.replaces), found.deleteBeforeReplace) == (["policyArn"], True)
    engine.delete(ATTACHMENT, "x", attachment)
    assert cloud.iam.list_attached_user_policies(UserName="bot")["AttachedPolicies"] == []
    assert engine.refresh(ATTACHMENT, "x", attachment) is None
    _, failures = engine.check(ATTACHMENT, "x", inputs | {"policyArn": "pull"})
    assert len(failures) == 1
    assert "is an invalid ARN" in failures[0]


# Groups


def test_an_attachment_that_could_not_be_read_is_mended_by_a_refresh_only(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    arn = engine.create(POLICY, "pull", {"policy": document("ecr:A")})["arn"]
    inputs = {"user": "bot", "policyArn": arn}
    cloud.faults.append(Fault("ListAttachedUserPolicies", 403, "AccessDenied", "no"))
    with pytest.raises(RefusedError, match="AccessDenied") as caught:
        engine.create(ATTACHMENT, "pull", inputs)
    partial = caught.value.partial
    saved = Stored(partial.id, engine.checked(ATTACHMENT, "pull", inputs), decode(partial.properties))
    # The error makes the engine update at the next `up`.
    with pytest.raises(RefusedError) as caught:
        engine.update(ATTACHMENT, "pull", saved, inputs)
    urn = engine.urn(ATTACHMENT, "pull")
    assert str(caught.value) == f"updating {urn}: 1 error occurred:\n\t* doesn't support update\n\n"
    refreshed = engine.refresh(ATTACHMENT, "pull", saved)
    assert refreshed is not None
    assert refreshed.outputs == saved.outputs


def test_a_group_is_renamed_in_place(engine: Engine) -> None:
    group = engine.create(GROUP, "readers", {"name": "readers"})
    assert names(group.outputs) == ["arn", "id", "name", "path", "uniqueId"]
    assert engine.update(GROUP, "readers", group, {"name": "pullers"}, preview=True)["arn"] is UNKNOWN
    renamed = engine.update(GROUP, "readers", group, {"name": "pullers"})
    assert (renamed["name"], renamed["id"]) == ("pullers", "pullers")


def test_a_group_policy_is_put(engine: Engine, cloud: Cloud) -> None:
    engine.create(GROUP, "readers", {"name": "readers"})
    policy = engine.create(GROUP_POLICY, "x", {"group": "readers", "name": "pull", "policy": document("ecr:A")})
    assert policy.id == "readers:pull"
    assert cloud.iam.list_group_policies(GroupName="readers")["PolicyNames"] == ["pull"]


def test_a_membership_minds_its_own_groups_only(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "bot", {"name": "bot"})
    for name in ("a", "b", "c"):
        cloud.iam.create_group(GroupName=name)
    cloud.iam.add_user_to_group(GroupName="c", UserName="bot")
    membership = engine.create(MEMBERSHIP, "x", {"user": "bot", "groups": ["a"]})
    assert engine.changes(MEMBERSHIP, "x", membership, {"user": "bot", "groups": ["b"]}) == {"groups[0]": "UPDATE"}
    assert engine.changes(MEMBERSHIP, "x", membership, {"user": "bot", "groups": ["b", "a"]}) == {"groups[0]": "ADD"}
    membership = engine.update(MEMBERSHIP, "x", membership, {"user": "bot", "groups": ["b"]})
    assert [each["GroupName"] for each in cloud.iam.list_groups_for_user(UserName="bot")["Groups"]] == ["b", "c"]
    engine.delete(MEMBERSHIP, "x", membership)
    assert [each["GroupName"] for each in cloud.iam.list_groups_for_user(UserName="bot")["Groups"]] == ["c"]


# Repositories


def test_a_repository_as_a_program_gets_it(engine: Engine, cloud: Cloud) -> None:
    repository = engine.create(REPOSITORY, "api", {"name": "payments/api"})
    assert cloud.actions == ["CreateRepository", "DescribeRepositories", "ListTagsForResource"]
    assert repository.inputs == {
        "name": "payments/api",
        "imageTagMutability": "MUTABLE",
        "region": REGION,
        "tagsAll": {},
        "__defaults": ["imageTagMutability"],
    }
    assert repository.outputs == {
        "arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/payments/api",
        "encryptionConfigurations": [{"encryptionType": "AES256", "kmsKey": ""}],
        "forceDelete": None,
        "id": "payments/api",
        "imageScanningConfiguration": {"scanOnPush": False},
        "imageTagMutability": "MUTABLE",
        "imageTagMutabilityExclusionFilters": [],
        "name": "payments/api",
        "region": REGION,
        "registryId": ACCOUNT,
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/payments/api",
        "tags": {},
        "tagsAll": {},
    }
    assert engine.changes(REPOSITORY, "api", repository, {"name": "payments/api"}) == {}


def test_what_changes_in_a_repository_and_what_replaces_it(engine: Engine, cloud: Cloud) -> None:
    inputs = {"name": "api"}
    repository = engine.create(REPOSITORY, "api", inputs)
    in_place = inputs | {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}
    assert engine.changes(REPOSITORY, "api", repository, in_place) == {
        "imageScanningConfiguration.scanOnPush": "UPDATE",
        "imageTagMutability": "UPDATE",
    }
    cloud.asked.clear()
    changed = engine.update(REPOSITORY, "api", repository, in_place)
    assert cloud.writes == ["PutImageTagMutability", "PutImageScanningConfiguration"]
    assert changed["imageScanningConfiguration"] == {"scanOnPush": True}
    for change, path in (
        ({"name": "web"}, "name"),
        ({"region": "us-east-1"}, "region"),
        ({"encryptionConfigurations": [{"encryptionType": "KMS"}]}, "encryptionConfigurations[0].encryptionType"),
    ):
        assert engine.changes(REPOSITORY, "api", changed, in_place | change)[path] == "UPDATE_REPLACE"
    found = engine.diff(REPOSITORY, "api", changed, in_place | {"region": "us-east-1"})
    assert found.deleteBeforeReplace is True


def test_a_repository_can_live_in_another_region(engine: Engine, cloud: Cloud) -> None:
    inputs = {"name": "api", "region": "us-east-1"}
    repository = engine.create(REPOSITORY, "api", inputs)
    assert repository["arn"].startswith("arn:aws:ecr:us-east-1:")
    policy = engine.create(
        REPOSITORY_POLICY, "api", {"repository": "api", "region": "us-east-1", "policy": document("ecr:BatchGetImage")}
    )
    assert policy["region"] == "us-east-1"
    assert cloud.ecr.describe_repositories()["repositories"] == []
    engine.delete(REPOSITORY_POLICY, "api", policy)
    engine.delete(REPOSITORY, "api", repository)


def test_a_region_of_the_environment_is_no_input(
    unconfigured: Engine, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    unconfigured.configure(**settings(cloud, region=None))
    preview = unconfigured.create(REPOSITORY, "api", {"name": "api"}, preview=True)
    assert preview["region"] == "us-east-2"
    repository = unconfigured.create(REPOSITORY, "api", {"name": "api"})
    assert "region" not in repository.inputs
    assert repository["region"] == "us-east-2"
    assert unconfigured.changes(REPOSITORY, "api", repository, {"name": "api"}) == {}


def test_a_repository_with_images_stays_unless_forced(engine: Engine, cloud: Cloud) -> None:
    repository = engine.create(REPOSITORY, "api", {"name": "api"})
    cloud.ecr.put_image(repositoryName="api", imageTag="latest", imageManifest='{"schemaVersion": 2}')
    cloud.faults.append(Fault("DeleteRepository", 400, "RepositoryNotEmptyException", "it has images"))
    with pytest.raises(RefusedError, match=r"ECR Repository \(api\) not empty, consider using force_delete: operation"):
        engine.delete(REPOSITORY, "api", repository)
    forced = engine.update(REPOSITORY, "api", repository, {"name": "api", "forceDelete": True})
    engine.delete(REPOSITORY, "api", forced)
    assert cloud.ecr.describe_repositories()["repositories"] == []


def test_a_repository_policy_that_names_somebody_new_is_tried_again(engine: Engine, cloud: Cloud) -> None:
    engine.create(REPOSITORY, "api", {"name": "api"})
    refusal = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'"
    cloud.faults.append(Fault("SetRepositoryPolicy", 400, "InvalidParameterException", refusal, times=2))
    policy = engine.create(REPOSITORY_POLICY, "x", {"repository": "api", "policy": document("ecr:BatchGetImage")})
    assert (policy.id, policy["registryId"]) == ("api", ACCOUNT)
    assert cloud.actions.count("SetRepositoryPolicy") == 3
    cloud.faults.append(Fault("SetRepositoryPolicy", 400, "InvalidParameterException", refusal, times=1000))
    with pytest.raises(RefusedError, match="Invalid repository policy provided"):
        engine.update(REPOSITORY_POLICY, "x", policy, {"repository": "api", "policy": document("ecr:*")})


# Import


def test_what_exists_can_be_imported(engine: Engine, cloud: Cloud) -> None:
    engine.create(USER, "u", {"name": "bot", "path": "/x/", "tags": {"a": "b"}})
    key = engine.create(KEY, "k", {"user": "bot"})
    engine.create(INLINE, "i", {"name": "pull", "user": "bot", "policy": document("ecr:A")})
    arn = engine.create(POLICY, "p", {"name": "pull", "policy": document("ecr:A")})["arn"]
    engine.create(ATTACHMENT, "a", {"user": "bot", "policyArn": arn})
    engine.create(GROUP, "g", {"name": "readers"})
    engine.create(MEMBERSHIP, "m", {"user": "bot", "groups": ["readers"]})
    engine.create(REPOSITORY, "r", {"name": "api"})
    engine.create(REPOSITORY_POLICY, "rp", {"repository": "api", "policy": document("ecr:A")})
    normal = json.loads(document("ecr:A"))
    expected: list[tuple[str, str, dict[str, Any]]] = [
        (USER, "bot", {"name": "bot", "path": "/x/", "tags": {"a": "b"}, "tagsAll": {"a": "b"}}),
        (KEY, key.id, {"user": "bot"}),
        (INLINE, "bot:pull", {"name": "pull", "user": "bot", "policy": normal}),
        (POLICY, arn, {"name": "pull", "policy": normal}),
        (ATTACHMENT, f"bot/{arn}", {"user": "bot", "policyArn": arn}),
        (GROUP, "readers", {"name": "readers"}),
        (MEMBERSHIP, "bot/readers", {"user": "bot", "groups": ["readers"]}),
        (
            REPOSITORY,
            f"api@{REGION}",
            {
                "name": "api",
                "region": REGION,
                "encryptionConfigurations": [{"__defaults": []}],
                "imageScanningConfiguration": {"scanOnPush": False, "__defaults": []},
            },
        ),
        (REPOSITORY_POLICY, "api", {"repository": "api", "region": REGION, "policy": normal}),
    ]
    cloud.asked.clear()
    for token, identifier, inputs in expected:
        found = engine.read(token, "x", identifier)
        assert found is not None, token
        if "policy" in found.inputs:
            found.inputs["policy"] = json.loads(found.inputs["policy"])
        assert found.inputs == inputs | {"__defaults": []}
        assert engine.changes(token, "x", found, inputs) == {}
    assert cloud.writes == []


def test_a_key_is_imported_without_its_secret(engine: Engine) -> None:
    engine.create(USER, "u", {"name": "bot"})
    key = engine.create(KEY, "k", {"user": "bot"})
    found = engine.read(KEY, "k", key.id)
    assert found is not None
    assert found.outputs["secret"] == Secret(None)
    assert (found["user"], found["status"], found["createDate"]) == ("bot", "Active", key["createDate"])


@pytest.mark.parametrize(
    ("token", "identifier"),
    [(USER, "nobody"), (KEY, "AKIANOBODY"), (POLICY, f"arn:aws:iam::{ACCOUNT}:policy/none"), (ATTACHMENT, "nobody")],
)
def test_what_does_not_exist_cannot_be_imported(engine: Engine, token: str, identifier: str) -> None:
    assert engine.read(token, "x", identifier) is None


# Names and checks


def test_a_name_that_was_made_up_stays(engine: Engine) -> None:
    user = engine.create(USER, "bot", {})
    assert engine.checked(USER, "bot", {}, user) == user.inputs
    assert engine.checked(USER, "bot", {"name": "mine"}, user)["__defaults"] == ["path"]
    own = Stored("mine", engine.checked(USER, "bot", {"name": "mine"}), {})
    assert re.fullmatch(r"bot-[0-9a-f]{7}", engine.checked(USER, "bot", {}, own)["name"])


def test_a_seed_decides_the_name(engine: Engine) -> None:
    def made_up(seed: bytes) -> str:
        return engine.check(USER, "bot", {}, randomSeed=seed)[0]["name"]

    assert made_up(b"1") == made_up(b"1") != made_up(b"2")
    assert made_up(b"") != made_up(b"")


def test_the_engines_autonaming_is_obeyed(engine: Engine) -> None:
    options = provider_pb2.CheckRequest.AutonamingOptions
    for mode in (options.PROPOSE, options.ENFORCE):
        autonaming = options(proposed_name="bot-dev", mode=mode)
        assert engine.check(USER, "bot", {}, autonaming=autonaming)[0]["name"] == "bot-dev"
    with pytest.raises(RefusedError, match="automatic naming is disabled"):
        engine.check(USER, "bot", {}, autonaming=options(mode=options.DISABLE))
    assert engine.check(USER, "bot", {"name": "x"}, autonaming=options(mode=options.DISABLE))[1] == []


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (USER, {"name": "a b"}, "Examine values at 'x.name'."),
        (
            USER,
            {"permissionsBoundary": "a" * 2049},
            "at most 2048, got 2049. Examine values at 'x.permissionsBoundary'.",
        ),
        (USER, {"colour": "red"}, "Invalid or unknown key. Examine values at 'x.colour'."),
        (USER, {"arn": "mine"}, "Invalid or unknown key. Examine values at 'x.arn'."),
        (KEY, {}, "Missing required property 'user'"),
        (
            KEY,
            {"user": "a", "status": "Off"},
            "expected one of Active, Inactive, got Off. Examine values at 'x.status'.",
        ),
        (INLINE, {"user": "a", "policy": "no"}, "Examine values at 'x.policy'."),
        (INLINE, {"user": "a", "policy": "{"}, "Examine values at 'x.policy'."),
        (INLINE, {"user": "a", "policy": ""}, "Examine values at 'x.policy'."),
        (REPOSITORY, {"imageTagMutability": "SOMETIMES"}, "Examine values at 'x.imageTagMutability'."),
        (
            REPOSITORY,
            {"imageScanningConfiguration": {}},
            "Missing required property 'imageScanningConfiguration.scanOnPush'",
        ),
        (
            REPOSITORY,
            {"encryptionConfigurations": [{"encryptionType": "ROT13"}]},
            "Examine values at 'x.encryptionConfigurations[0].encryptionType'.",
        ),
    ],
)
def test_wrong_inputs_are_refused_in_the_preview(
    engine: Engine, token: str, inputs: dict[str, Any], reason: str
) -> None:
    _, failures = engine.check(token, "x", inputs)
    assert len(failures) == 1
    assert failures[0].endswith(reason)


def test_the_values_of_tags_are_text(engine: Engine) -> None:
    tags = engine.checked(USER, "x", {"tags": {"a": 1, "b": True, "c": "x", "d": None, "e": UNKNOWN}})["tags"]
    assert tags == {"a": "1", "b": "true", "c": "x", "e": UNKNOWN}


def test_a_name_with_colons_is_one_name(engine: Engine) -> None:
    assert engine.checked(USER, "team::bot", {})["name"].startswith("team::bot-")


def test_a_type_that_is_not_served_is_named(engine: Engine) -> None:
    with pytest.raises(RefusedError, match=r"unrecognized resource type: aws:s3/bucket:Bucket\. This is a stand-in"):
        engine.check("aws:s3/bucket:Bucket", "x", {})


# The provider's configuration


def test_credentials_are_tried_and_secrets_marked(unconfigured: Engine, cloud: Cloud) -> None:
    given = settings(cloud, skipCredentialsValidation="false")
    inputs, failures = unconfigured.check_config(**given)
    assert failures == []
    assert inputs == given | {"accessKey": Secret(ROOT[0]), "secretKey": Secret(ROOT[1])}
    assert cloud.actions == ["GetCallerIdentity"]


def test_configure_asks_whose_account_it_is_although_the_check_has_just_asked(
    unconfigured: Engine, cloud: Cloud
) -> None:
    given = settings(cloud, skipCredentialsValidation="false")
    assert unconfigured.check_config(**given)[1] == []
    cloud.asked.clear()
    unconfigured.configure(**given)
    assert cloud.actions == ["GetCallerIdentity"]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, ["GetUser"]),
        ({"skipRequestingAccountId": "true"}, []),
    ],
)
def test_configure_asks_iam_or_nobody_where_it_is_told_to_skip(
    unconfigured: Engine, cloud: Cloud, given: dict[str, Any], asked: list[str]
) -> None:
    unconfigured.configure(**settings(cloud, **given))
    assert cloud.actions == asked


def test_a_check_leaves_what_is_configured_alone(unconfigured: Engine, cloud: Cloud) -> None:
    unconfigured.configure(**settings(cloud))
    given = settings(cloud, accessKey="AKIAUNKNOWN", skipCredentialsValidation="false")
    assert len(unconfigured.check_config(**given)[1]) == 1
    assert unconfigured.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == ACCOUNT


def test_wrong_credentials_are_refused_without_telling_them(unconfigured: Engine, cloud: Cloud) -> None:
    given = settings(cloud, accessKey="AKIAUNKNOWN", secretKey=Secret("canary"), skipCredentialsValidation=None)
    _, (failure,) = unconfigured.check_config(**given)
    assert failure.startswith("Invalid credentials configured")
    assert "operation error STS: GetCallerIdentity, https response error StatusCode: 403" in failure
    assert "canary" not in failure


def test_without_credentials_a_preview_says_so(unconfigured: Engine, cloud: Cloud) -> None:
    given = settings(cloud, accessKey=None, secretKey=None, skipCredentialsValidation=None)
    _, (failure,) = unconfigured.check_config(**given)
    assert failure.startswith("No valid credential sources found.")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"region": None}, 'missing required configuration key "aws:region"'),
        ({"assumeRole": "x"}, "invalid config key 'aws:assumeRole', should be 'aws:assumeRoles'"),
        ({"colour": "red"}, "`aws:colour` is not a valid configuration key for the aws provider."),
        ({"assumeRoleWithWebIdentity": "{}"}, "aws:assumeRoleWithWebIdentity is not served by this stand-in"),
        ({"endpoints": "{"}, "aws:endpoints must be JSON"),
        ({"assumeRoles": '[{"sessionName": "x"}]'}, "aws:assumeRoles: each role needs a roleArn"),
    ],
)
def test_a_wrong_configuration_is_refused(
    unconfigured: Engine, cloud: Cloud, given: dict[str, Any], reason: str
) -> None:
    _, (failure,) = unconfigured.check_config(**(settings(cloud) | given))
    assert failure.startswith(reason)


def test_the_environment_is_enough(unconfigured: Engine, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROOT[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROOT[1])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    for service in ("IAM", "STS", "ECR"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", cloud.url)
    assert unconfigured.check_config() == ({}, [])
    unconfigured.configure()
    assert unconfigured.create(REPOSITORY, "api", {})["region"] == "us-west-2"


def test_a_profile_is_read(unconfigured: Engine, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[profile shop]\nregion = us-east-2\n")
    credentials.write_text(f"[shop]\naws_access_key_id = {ROOT[0]}\naws_secret_access_key = {ROOT[1]}\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    files = {"sharedConfigFiles": json.dumps([str(config)]), "sharedCredentialsFiles": json.dumps([str(credentials)])}
    for chosen in ({"profile": "shop"}, {}):
        if not chosen:
            monkeypatch.setenv("AWS_PROFILE", "shop")
        assert unconfigured.check_config(**files, **chosen)[1] == []
        unconfigured.configure(**files, **chosen)
        assert unconfigured.invoke("aws:index/getRegion:getRegion")["region"] == "us-east-2"
        assert unconfigured.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == ACCOUNT


ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"


def with_role(cloud: Cloud, **more: Any) -> dict[str, Any]:
    """The settings of a provider with a role that may be assumed."""
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    cloud.iam.create_role(
        RoleName="deploy",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    cloud.iam.put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=document("iam:*", "ecr:*"))
    cloud.asked.clear()
    role = {"roleArn": ROLE, "sessionName": "pulumi", "externalId": "77"}
    return settings(cloud, assumeRoles=json.dumps([role]), skipCredentialsValidation="false", **more)


def test_a_role_is_assumed_twice_by_the_check_and_twice_by_configure(unconfigured: Engine, cloud: Cloud) -> None:
    given = with_role(cloud)
    assert unconfigured.check_config(**given)[1] == []
    assert cloud.actions == ["AssumeRole", "AssumeRole", "GetCallerIdentity"]
    cloud.asked.clear()
    unconfigured.configure(**given)
    assert cloud.actions == ["AssumeRole", "AssumeRole", "GetCallerIdentity"]
    arn = unconfigured.invoke("aws:index/getCallerIdentity:getCallerIdentity")["arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/pulumi"
    assert unconfigured.create(USER, "bot", {"name": "bot"})["name"] == "bot"
    assert cloud.actions.count("AssumeRole") == 2


def test_a_role_that_cannot_be_assumed_is_named(unconfigured: Engine, cloud: Cloud) -> None:
    given = with_role(cloud)
    cloud.faults.append(Fault("AssumeRole", 403, "AccessDenied", "User: bot is not authorized", times=2))
    why = (
        f"IAM Role ({ROLE}) cannot be assumed.\n\nError: operation error STS: AssumeRole, https response error "
        "StatusCode: 403, RequestID: request-1, api error AccessDenied: User: bot is not authorized\n"
    )
    assert unconfigured.check_config(**given)[1] == [
        f"unable to validate AWS credentials.\nDetails: Cannot assume IAM Role. {why}\n"
    ]
    with pytest.raises(RefusedError) as caught:
        unconfigured.configure(**given)
    assert str(caught.value) == f"1 error occurred:\n\t* Cannot assume IAM Role: {why}\n\n"
    assert cloud.asked == [("AssumeRole", "AccessDenied")] * 2


@pytest.mark.parametrize(
    ("action", "check", "configure_with_key", "configure_without"),
    [("AssumeRole", 3, 25, 3), ("GetCallerIdentity", 3, 25, 25)],
)
def test_how_often_sts_is_asked_while_it_throttles(
    unconfigured: Engine,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    check: int,
    configure_with_key: int,
    configure_without: int,
) -> None:
    given = with_role(cloud)
    cloud.faults.append(Fault(action, 400, "Throttling", "Rate exceeded", times=1000))
    reason = f"operation error STS: {action}, exceeded maximum number of attempts, {check}, https response error"
    assert reason in unconfigured.check_config(**given)[1][0]
    assert cloud.actions.count(action) == check
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ROOT, strict=True):
        monkeypatch.setenv(name, value)
    of_the_environment = given | {"accessKey": None, "secretKey": None}
    for configured, attempts in ((given, configure_with_key), (of_the_environment, configure_without)):
        cloud.asked.clear()
        with pytest.raises(RefusedError, match=f"{action}, exceeded maximum number of attempts, {attempts}, https"):
            unconfigured.configure(**configured)
        assert cloud.actions.count(action) == attempts


def test_what_sts_refuses_while_it_configures(unconfigured: Engine, cloud: Cloud) -> None:
    cloud.faults.append(Fault("GetCallerIdentity", 403, "AccessDenied", "no"))
    with pytest.raises(RefusedError) as caught:
        unconfigured.configure(**settings(cloud, skipCredentialsValidation="false"))
    assert str(caught.value) == (
        "1 error occurred:\n\t* Retrieving AWS account details: validating provider credentials: retrieving caller "
        "identity from STS: operation error STS: GetCallerIdentity, https response error StatusCode: 403, RequestID: "
        "request-1, api error AccessDenied: no\n\n"
    )


def test_an_account_that_is_not_allowed_is_refused(unconfigured: Engine, cloud: Cloud) -> None:
    for restriction in ({"allowedAccountIds": '["111111111111"]'}, {"forbiddenAccountIds": json.dumps([ACCOUNT])}):
        with pytest.raises(RefusedError, match=f"AWS account ID not allowed: {ACCOUNT}"):
            unconfigured.configure(**settings(cloud, **restriction))
    unconfigured.configure(**settings(cloud, allowedAccountIds=json.dumps([ACCOUNT])))


def test_default_tags_are_added_and_ignored_ones_left_alone(unconfigured: Engine, cloud: Cloud) -> None:
    default, ignored = {"tags": {"owner": "platform", "team": "x"}}, {"keys": ["cost"], "keyPrefixes": ["kube/"]}
    unconfigured.configure(**settings(cloud, defaultTags=json.dumps(default), ignoreTags=json.dumps(ignored)))
    inputs = {"name": "bot", "tags": {"team": "pay"}}
    user = unconfigured.create(USER, "bot", inputs)
    assert user["tags"] == {"team": "pay"}
    assert user["tagsAll"] == {"owner": "platform", "team": "pay"}
    cloud.iam.tag_user(UserName="bot", Tags=[{"Key": "cost", "Value": "1"}, {"Key": "kube/x", "Value": "2"}])
    refreshed = unconfigured.refresh(USER, "bot", user)
    assert refreshed is not None
    assert unconfigured.changes(USER, "bot", refreshed, inputs) == {}


def test_a_change_of_the_provider_is_an_update_of_it(unconfigured: Engine) -> None:
    request = provider_pb2.DiffRequest(old_inputs=encode({"region": "a"}), news=encode({"region": "b", "token": "x"}))
    found = unconfigured.call("DiffConfig", request)
    assert (found.changes, list(found.diffs), list(found.replaces)) == (
        provider_pb2.DiffResponse.DIFF_SOME,
        ["region", "token"],
        [],
    )
    request = provider_pb2.DiffRequest(old_inputs=encode({"region": "a"}), news=encode({"region": "a"}))
    assert unconfigured.call("DiffConfig", request).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_aws_out_of_reach_is_said(unconfigured: Engine, cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"
    given = settings(cloud, endpoints=json.dumps([{"iam": nowhere}]), maxRetries="1", skipRequestingAccountId="true")
    unconfigured.configure(**given)
    with pytest.raises(RefusedError) as caught:
        unconfigured.create(USER, "bot", {"name": "bot"})
    assert str(caught.value).startswith(
        "1 error occurred:\n\t* creating IAM User (bot): operation error IAM: CreateUser, exceeded maximum number of "
        "attempts, 1, https response error StatusCode: 0, RequestID: , request send failed, Could not connect"
    )


def test_a_passing_fault_of_aws_is_not_seen(engine: Engine, cloud: Cloud) -> None:
    cloud.faults += [
        Fault("CreateUser", 500, "ServiceFailure", "later"),
        Fault("GetUser", 400, "Throttling", "Rate exceeded"),
    ]
    assert engine.create(USER, "bot", {"name": "bot"})["name"] == "bot"
    assert [code for _, code in cloud.asked] == ["ServiceFailure", "200", "Throttling", "200"]


class Pauses(threading.Event):
    """Is waited for without waiting, and notes how long it would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(timeout)
        return self.is_set()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """The pauses between attempts, as long as they can be."""
    monkeypatch.setenv(PAUSES, "1")
    monkeypatch.setattr("random.random", lambda: 1.0)
    return Pauses()


@pytest.mark.parametrize(("status", "code"), [(503, "ServiceUnavailable"), (400, "Throttling")])
def test_aws_is_asked_25_times_with_pauses_of_up_to_five_minutes(
    cloud: Cloud, pauses: Pauses, status: int, code: str
) -> None:
    cloud.faults.append(Fault("CreateUser", status, code, "later", times=1000))
    aws = Aws(configure(settings(cloud)), pauses)
    with pytest.raises(AwsError) as caught:
        aws.call("iam", "CreateUser", UserName="bot")
    assert str(caught.value) == (
        "operation error IAM: CreateUser, exceeded maximum number of attempts, 25, https response error StatusCode: "
        f"{status}, RequestID: request-1, api error {code}: later"
    )
    assert cloud.actions == ["CreateUser"] * 25
    assert pauses.seconds == [2, 4, 8, 16, 32, 64, 128, 256, *[300] * 16]


def test_where_nothing_listens_it_is_tried_nine_times(cloud: Cloud, pauses: Pauses) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"
    aws = Aws(configure(settings(cloud, endpoints=json.dumps([{"iam": nowhere}]))), pauses)
    with pytest.raises(AwsError, match="CreateUser, exceeded maximum number of attempts, 9, https response error"):
        aws.call("iam", "CreateUser", UserName="bot")
    assert pauses.seconds == [2, 4, 8, 16, 32, 64, 128, 256]


@pytest.mark.parametrize(("given", "attempts"), [("1", 1), ("4", 4), ("0", 25)])
def test_max_retries_is_how_often_aws_is_asked_at_all(
    unconfigured: Engine, cloud: Cloud, given: str, attempts: int
) -> None:
    unconfigured.configure(**settings(cloud, maxRetries=given))
    cloud.faults.append(Fault("CreateUser", 500, "ServiceFailure", "later", times=1000))
    with pytest.raises(RefusedError, match=f"CreateUser, exceeded maximum number of attempts, {attempts}, https"):
        unconfigured.create(USER, "bot", {"name": "bot"})
    assert cloud.actions.count("CreateUser") == attempts


def test_what_does_not_pass_is_asked_once(engine: Engine, cloud: Cloud) -> None:
    cloud.faults.append(Fault("CreateUser", 409, "LimitExceeded", "Cannot exceed quota", times=1000))
    with pytest.raises(RefusedError, match="LimitExceeded"):
        engine.create(USER, "bot", {"name": "bot"})
    assert cloud.actions == ["CreateUser"]


def test_a_pause_ends_when_nobody_waits_any_more(cloud: Cloud, pauses: Pauses) -> None:
    pauses.set()
    cloud.faults.append(Fault("CreateUser", 503, "ServiceUnavailable", "later", times=1000))
    with pytest.raises(AwsError) as caught:
        Aws(configure(settings(cloud)), pauses).call("iam", "CreateUser", UserName="bot")
    assert str(caught.value) == "operation error IAM: CreateUser, request canceled, context canceled"
    assert cloud.actions == ["CreateUser"]


# Functions


def test_who_and_where(engine: Engine, cloud: Cloud) -> None:
    caller = engine.invoke("aws:index/getCallerIdentity:getCallerIdentity")
    assert names(caller) == ["accountId", "arn", "id", "userId"]
    assert (caller["accountId"], caller["id"]) == (ACCOUNT, ACCOUNT)
    cloud.asked.clear()
    assert engine.invoke("aws:index/getPartition:getPartition") == {
        "dnsSuffix": "amazonaws.com",
        "id": "aws",
        "partition": "aws",
        "reverseDnsPrefix": "com.amazonaws",
    }
    assert engine.invoke("aws:index/getRegion:getRegion") == {
        "description": "Europe (Ireland)",
        "endpoint": "ec2.eu-west-1.amazonaws.com",
        "id": "eu-west-1",
        "name": "eu-west-1",
        "region": "eu-west-1",
    }
    china = engine.invoke("aws:index/getRegion:getRegion", region="cn-north-1")
    assert (china["endpoint"], china["description"]) == ("ec2.cn-north-1.amazonaws.com.cn", "China (Beijing)")
    assert cloud.asked == []


def test_keys_and_users_are_looked_up(engine: Engine, cloud: Cloud) -> None:
    user = engine.create(USER, "bot", {"name": "bot", "path": "/x/", "tags": {"a": "b"}})
    key = engine.create(KEY, "key", {"user": "bot"})
    assert engine.invoke("aws:iam/getAccessKeys:getAccessKeys", user="bot") == {
        "accessKeys": [{"accessKeyId": key.id, "createDate": key["createDate"], "status": "Active"}],
        "id": "bot",
        "user": "bot",
    }
    assert engine.invoke("aws:iam/getUser:getUser", userName="bot") == {
        "arn": user["arn"],
        "id": user["uniqueId"],
        "path": "/x/",
        "permissionsBoundary": "",
        "tags": {"a": "b"},
        "userId": user["uniqueId"],
        "userName": "bot",
    }
    with pytest.raises(RefusedError) as caught:
        engine.invoke("aws:iam/getUser:getUser", userName="nobody")
    assert str(caught.value) == (
        "invoking aws:iam/getUser:getUser: 1 error occurred:\n\t* reading IAM User (nobody): couldn't find resource\n\n"
    )
    cloud.faults.append(Fault("ListAccessKeys", 404, "NoSuchEntity", "nobody"))
    with pytest.raises(RefusedError, match=r"reading IAM Access Keys \(nobody\): couldn't find resource"):
        engine.invoke("aws:iam/getAccessKeys:getAccessKeys", user="nobody")


def test_a_registry_token_is_fetched(engine: Engine) -> None:
    found = engine.invoke("aws:ecr/getAuthorizationToken:getAuthorizationToken")
    assert base64.b64decode(found["authorizationToken"]).decode() == f"{found['userName']}:{found['password']}"
    assert (found["userName"], found["region"], found["id"]) == ("AWS", REGION, REGION)
    assert found["proxyEndpoint"].startswith("http")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["expiresAt"])


def test_a_repository_is_looked_up(engine: Engine, cloud: Cloud) -> None:
    repository = engine.create(REPOSITORY, "api", {"name": "api", "tags": {"a": "b"}})
    cloud.ecr.put_image(repositoryName="api", imageTag="latest", imageManifest='{"schemaVersion": 2}')
    assert engine.invoke("aws:ecr/getRepository:getRepository", name="api") == {
        "arn": repository["arn"],
        "encryptionConfigurations": [{"encryptionType": "AES256", "kmsKey": ""}],
        "id": "api",
        "imageScanningConfigurations": [{"scanOnPush": False}],
        "imageTagMutability": "MUTABLE",
        "imageTagMutabilityExclusionFilters": [],
        "mostRecentImageTags": ["latest"],
        "name": "api",
        "region": REGION,
        "registryId": ACCOUNT,
        "repositoryUrl": repository["repositoryUrl"],
        "tags": {"a": "b"},
    }
    with pytest.raises(RefusedError, match=r"reading ECR Repository \(none\): couldn't find resource"):
        engine.invoke("aws:ecr/getRepository:getRepository", name="none")


def test_a_function_that_is_not_served_is_named_and_arguments_are_missed(engine: Engine) -> None:
    with pytest.raises(RefusedError, match=r"unrecognized data function \(Invoke\): aws:s3/getBucket:getBucket"):
        engine.invoke("aws:s3/getBucket:getBucket")
    answer = engine.call("Invoke", provider_pb2.InvokeRequest(tok="aws:iam/getUser:getUser"))
    assert [failure.reason for failure in answer.failures] == ['"userName": required field is not set']


# The plugin


def test_it_says_what_it_is_and_reports_the_release_that_it_stands_in_for(engine: Engine) -> None:
    assert engine.call("GetPluginInfo", provider_pb2.GetMappingRequest()).version == "7.51.1"
    schema = json.loads(engine.call("GetSchema", provider_pb2.GetSchemaRequest()).schema)
    assert (schema["name"], schema["version"]) == ("aws", "7.51.1")
    assert "stand-in" in schema["description"]
    key = schema["resources"][KEY]
    assert key["requiredInputs"] == ["user"]
    assert key["properties"]["secret"] == {"type": "string", "secret": True}
    assert key["inputProperties"]["user"] == {"type": "string", "willReplaceOnChanges": True}


def test_many_calls_at_once(engine: Engine, cloud: Cloud) -> None:
    made: list[str] = []

    def make(number: int) -> None:
        name = f"bot{number}"
        engine.create(USER, name, {"name": name})
        made.append(engine.create(KEY, name, {"user": name})["user"])

    threads = [threading.Thread(target=make, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(f"bot{number}" for number in range(24))
    assert cloud.actions.count("CreateAccessKey") == 24


def test_a_defect_tells_where_but_not_what(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("canary")

    monkeypatch.setattr(lifecycle, "delete", broken)
    user = engine.create(USER, "bot", {"name": "bot"})
    with pytest.raises(RefusedError) as caught:
        engine.delete(USER, "bot", user)
    assert caught.value.code is grpc.StatusCode.INTERNAL
    assert re.fullmatch(
        r"KeyError in \w+\.py:\d+: a defect of this stand-in for Pulumi's AWS plugin", str(caught.value)
    )
