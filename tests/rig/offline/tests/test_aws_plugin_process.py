"""The stand-in AWS plugin as a process: how it starts and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from rig.offline.aws_plugin.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFLINE = Path(__file__).parents[1]
PLUGIN = [sys.executable, "-m", "aws_plugin"]


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(OFFLINE), "RIG_AWS_PAUSES": "0.001"}


class Plugin:
    """A running plugin."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*PLUGIN, *arguments], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def ended(self, seconds: float = 10) -> tuple[int, str, str]:
        """Its exit status, and what it printed after the port."""
        output, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, output, errors

    def close(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def engine_address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def plugin(engine_address: str) -> Iterator[Plugin]:
    running = Plugin("--logtostderr", "-v=9", engine_address)
    yield running
    running.close()


@pytest.fixture
def attached() -> Iterator[Plugin]:
    """A plugin that no engine started."""
    running = Plugin()
    yield running
    running.close()


@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
def test_it_says_what_it_is(flag: str) -> None:
    printed = subprocess.run([*PLUGIN, flag], env=environment(), capture_output=True, text=True, check=True)
    assert "A stand-in for pulumi-resource-aws 7.51.1" in printed.stdout
    assert "NOT Pulumi's AWS" in printed.stdout
    assert printed.stderr == ""
    if flag == "--version":
        assert printed.stdout.splitlines()[0] == "7.51.1"


def test_it_needs_neither_the_sdk_nor_botocore_to_start() -> None:
    code = """
import sys
from protocol_only import import_protocol_only
import_protocol_only()
import aws_plugin.server
print(*(name for name in ("boto3", "botocore", "pulumi.resource") if name in sys.modules))
"""
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert printed.stdout == "\n"


def test_it_listens_on_this_machine_only(plugin: Plugin) -> None:
    tables = [Path(f"/proc/{plugin.process.pid}/net/{name}") for name in ("tcp", "tcp6")]
    if not tables[0].exists():
        pytest.skip("no /proc here")
    sockets = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    here = {
        each[1].partition(":")[0] for each in sockets if each[1].endswith(f":{plugin.port:04X}") and each[3] == "0A"
    }
    assert here <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert len(here) == 1


def test_cancel_ends_it_quietly(plugin: Plugin) -> None:
    plugin.stub.Cancel(empty_pb2.Empty(), timeout=120)
    assert plugin.ended() == (0, "", "")


def test_an_interrupt_does_not_end_it(plugin: Plugin) -> None:
    for _ in range(3):
        plugin.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert plugin.stub.GetPluginInfo(empty_pb2.Empty(), timeout=120).version == "7.51.1"
    plugin.process.send_signal(signal.SIGTERM)
    assert plugin.ended() == (0, "", "")


def test_it_ends_when_the_engine_is_gone() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    running = Plugin(f"127.0.0.1:{listener.getsockname()[1]}")
    try:
        time.sleep(1.5)
        assert running.process.poll() is None
        listener.close()
        assert running.ended() == (0, "", "")
    finally:
        running.close()


def test_it_ends_when_its_parent_is_gone() -> None:
    # It ends at once, as soon as it has the port.
    code = (
        "import os, subprocess, sys;"
        "p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL);"
        "p.stdout.read(1); os.write(1, str(p.pid).encode()); os._exit(0)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, *PLUGIN], env=environment(), stdout=subprocess.PIPE, check=True
    )
    pid = int(printed.stdout)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the plugin outlived its parent")


def test_an_engine_that_attached_does_not_end_it(attached: Plugin) -> None:
    attached.stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"), timeout=120)
    attached.stub.Cancel(empty_pb2.Empty(), timeout=120)
    time.sleep(1.2)
    assert attached.stub.GetPluginInfo(empty_pb2.Empty(), timeout=120).version == "7.51.1"


class SlowCloud:
    """Answers CreateAccessKey on command; until then it lets callers wait, or refuses them."""

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        self.refuses, self.requests = False, 0
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                cloud.requests += 1
                cloud.asked.set()
                if cloud.refuses and not cloud.answer.is_set():
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                cloud.answer.wait(20)
                body = (
                    b"<CreateAccessKeyResponse><CreateAccessKeyResult><AccessKey><UserName>bot</UserName>"
                    b"<AccessKeyId>AKIASLOWSLOWSLOW</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>"
                    b"<Status>Active</Status><CreateDate>2026-01-02T03:04:05Z</CreateDate></AccessKey>"
                    b"</CreateAccessKeyResult></CreateAccessKeyResponse>"
                )
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.answer.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def slow_cloud() -> Iterator[SlowCloud]:
    cloud = SlowCloud()
    yield cloud
    cloud.close()


def begin_a_key(plugin: Plugin, cloud: SlowCloud) -> Any:
    settings = {
        "accessKey": "AKIAX",
        "secretKey": "x",
        "region": "eu-west-1",
        "endpoints": json.dumps([{"iam": cloud.url}]),
        "skipCredentialsValidation": "true",
        "skipRequestingAccountId": "true",
    }
    plugin.stub.Configure(provider_pb2.ConfigureRequest(args=encode(settings)), timeout=120)
    request = provider_pb2.CreateRequest(
        urn="urn:pulumi:dev::shop::aws:iam/accessKey:AccessKey::key",
        properties=encode({"user": "bot", "status": "Active"}),
    )
    call = plugin.stub.Create.future(request, timeout=120)
    assert cloud.asked.wait(120)
    return call


def test_a_key_that_is_being_made_is_not_lost_to_a_cancel(plugin: Plugin, slow_cloud: SlowCloud) -> None:
    call = begin_a_key(plugin, slow_cloud)
    plugin.stub.Cancel(empty_pb2.Empty(), timeout=120)
    time.sleep(0.5)
    assert plugin.process.poll() is None
    slow_cloud.answer.set()
    made = call.result(timeout=120)
    assert (made.id, decode(made.properties)["createDate"]) == ("AKIASLOWSLOWSLOW", "2026-01-02T03:04:05Z")
    assert plugin.ended() == (0, "", "")


def test_a_request_is_repeated_after_a_cancel_too(plugin: Plugin, slow_cloud: SlowCloud) -> None:
    slow_cloud.refuses = True
    call = begin_a_key(plugin, slow_cloud)
    plugin.stub.Cancel(empty_pb2.Empty(), timeout=120)
    before, deadline = slow_cloud.requests, time.monotonic() + 10
    while slow_cloud.requests == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    slow_cloud.answer.set()
    assert call.result(timeout=120).id == "AKIASLOWSLOWSLOW"
    assert plugin.ended() == (0, "", "")


def test_a_termination_does_not_wait_for_ever(plugin: Plugin, slow_cloud: SlowCloud) -> None:
    call = begin_a_key(plugin, slow_cloud)
    start = time.monotonic()
    plugin.process.send_signal(signal.SIGTERM)
    assert plugin.ended(120) == (0, "", "")
    assert time.monotonic() - start > 4.5
    with pytest.raises(grpc.RpcError):
        call.result(timeout=120)
