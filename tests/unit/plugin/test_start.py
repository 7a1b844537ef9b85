"""The process of the plugin: what its start imports, the SDK for components, and that its end loses nothing.

The engine starts a process for every provider of every operation, and waits for its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime import _grpc_settings
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from pulumi_codespaces.plugin import protocol, server
from pulumi_codespaces.plugin.wire import decode, encode
from pulumi_codespaces.values import Secret
from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPONENTS = Path(__file__).parents[3] / "components"
TOKEN = "ghp_x"
SEED = {
    "organizations": {"acme": {"id": 1, "plan": "team", "repositories": {"a": {"id": 11}}}},
    "tokens": {TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"]}},
}
URN = "urn:pulumi:test::access::codespaces:index:{0}::{0}"
TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"
LOGIN = {"server": "acme.azurecr.io", "user": "u", "password": Secret("p"), "probeImages": [], "verify": True}
COMPONENT = {"server": "acme.azurecr.io", "user": "u", "password": Secret("p"), "visibility": "all"}
NEEDED = {"google", "grpc", "pulumi_codespaces", "typing_extensions"}
"""The packages beside the standard library that a start imports; grpc imports typing_extensions."""
NOT_FOR_REQUESTS = {"boto3", "botocore", "click", "cryptography", "jwt", "nacl", "pulumi", "pydantic", "rich", "yaml"}
"""httpx and what it is built on import more where it is installed, such as h2. These are too much."""


class Engine(engine_pb2_grpc.EngineServicer, resource_pb2_grpc.ResourceMonitorServicer):
    """Takes messages, and registers what components register."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.registered: list[str] = []
        self.traces: list[bytes] = []

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.messages.append(request.message)
        return empty_pb2.Empty()

    def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in ("secrets", "outputValues"))

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.registered.append(request.type)
        urn = f"urn:pulumi:test::access::{request.type}::{request.name}"
        return resource_pb2.RegisterResourceResponse(urn=urn, id=request.name, object=request.object)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def export(self, request: bytes, context: Any) -> bytes:
        self.traces.append(request)
        return b""


class Process:
    """A plugin that was started as the engine starts it: `stub` to call it, `engine` to look into."""

    def __init__(self, stub: Any, engine: Engine, address: str, process: subprocess.Popen[str], log: Path) -> None:
        self.stub, self.engine, self.address, self.process, self._log = stub, engine, address, process, log

    def configure(self, base_url: str) -> None:
        configuration = encode({"owner": "acme", "baseUrl": base_url, "token": Secret(TOKEN)})
        self.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=self.address))
        self.stub.CheckConfig(provider_pb2.CheckRequest(news=configuration))
        self.stub.Configure(provider_pb2.ConfigureRequest(args=configuration))

    def construct(self, inputs: dict[str, Any]) -> Any:
        return self.stub.Construct(
            provider_pb2.ConstructRequest(
                project="access",
                stack="test",
                monitorEndpoint=self.address,
                type="codespaces:index:RegistryLogin",
                name="acr",
                inputs=encode(inputs),
            )
        )

    def end(self) -> int:
        """End the process as the engine does; gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def packages(self) -> set[str]:
        """The packages beside the standard library that it imported, without those that every process imports here."""
        return _packages(self._log.read_text()) - _of_every_process()


def _packages(import_times: str) -> set[str]:
    lines = [line.rpartition("|")[2].strip() for line in import_times.splitlines() if line.startswith("import time:")]
    names = {line.split(".")[0] for line in lines[1:]} - sys.stdlib_module_names
    # Failed imports are listed too.
    return {name for name in names if find_spec(name)}


def _of_every_process() -> set[str]:
    command = [sys.executable, "-X", "importtime", "-c", "pass"]
    return _packages(subprocess.run(command, capture_output=True, text=True, check=True).stderr)


@contextmanager
def started(folder: Path, *, traced: bool = False) -> Iterator[Process]:
    engine = Engine()
    listening = grpc.server(ThreadPoolExecutor(4))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, listening)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(engine, listening)
    export = {"Export": grpc.unary_unary_rpc_method_handler(engine.export)}
    listening.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(TRACES, export),))
    address = f"127.0.0.1:{listening.add_insecure_port('127.0.0.1:0')}"
    listening.start()
    log = folder / "imports"
    command = [sys.executable, "-X", "importtime", str(COMPONENTS), address]
    trace = {"TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01", "PULUMI_OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}"}
    environment = os.environ | (trace if traced else {})
    with log.open("w") as imports:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=imports, text=True, env=environment)
    try:
        assert process.stdout
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield Process(provider_pb2_grpc.ResourceProviderStub(channel), engine, address, process, log)
    finally:
        process.kill()
        process.communicate()
        listening.stop(None).wait()


@pytest.fixture
def plugin(tmp_path, no_github_credentials):
    with started(tmp_path) as process:
        yield process


def check_login(plugin):
    urn = URN.format("VerifiedLogin")
    checked = plugin.stub.Check(provider_pb2.CheckRequest(urn=urn, news=encode(LOGIN)))
    assert not checked.failures
    return plugin.stub.Diff(provider_pb2.DiffRequest(urn=urn, id="i", olds=checked.inputs, news=checked.inputs))


def test_a_start_imports_what_it_needs_and_no_more(plugin):
    plugin.configure("http://127.0.0.1:1/")
    assert check_login(plugin).changes == provider_pb2.DiffResponse.DIFF_NONE
    assert plugin.end() == 0
    assert plugin.packages() <= NEEDED


def test_a_request_imports_neither_command_lines_nor_what_other_requests_need(plugin):
    with GitHubStandIn(SEED, check_contract=False) as github:
        plugin.configure(f"{github.url}/")
        request = provider_pb2.CheckRequest(urn=URN.format("RepositorySelection"), news=encode({"names": ["a"]}))
        assert decode(plugin.stub.Check(request).inputs)["repositories"] == {"a": 11}
    assert plugin.end() == 0
    packages = plugin.packages()
    assert "httpx" in packages
    assert not packages & NOT_FOR_REQUESTS


def test_components_have_the_whole_sdk(plugin):
    plugin.configure("http://127.0.0.1:1/")
    check_login(plugin)
    constructed = plugin.construct(COMPONENT)
    assert constructed.urn == "urn:pulumi:test::access::codespaces:index:RegistryLogin::acr"
    names = [f"ACR_CONTAINER_REGISTRY_{name}" for name in ("USER", "PASSWORD", "SERVER")]
    assert sorted(decode(constructed.state)["secretNames"]) == sorted(names)
    assert plugin.engine.registered == [
        f"codespaces:index:{name}" for name in ("RegistryLogin", "VerifiedLogin", "OrganizationSecrets")
    ]
    # The SDK has not changed the messages of the plugin.
    assert check_login(plugin).changes == provider_pb2.DiffResponse.DIFF_NONE
    assert plugin.end() == 0


def test_a_broken_rule_of_a_component_has_the_names_of_other_languages(plugin):
    plugin.configure("http://127.0.0.1:1/")
    with pytest.raises(grpc.RpcError) as caught:
        plugin.construct(COMPONENT | {"secretPrefix": "a-b"})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "secretPrefix" in caught.value.details()
    assert "Traceback" not in caught.value.details()


def test_the_traces_of_components_are_sent(tmp_path, no_github_credentials):
    with started(tmp_path, traced=True) as plugin:
        plugin.configure("http://127.0.0.1:1/")
        plugin.construct(COMPONENT)
        assert plugin.end() == 0
        assert b"RegisterResource" in b"".join(plugin.engine.traces)


def test_what_is_in_progress_at_the_end_is_answered(plugin):
    begun, asked_to_end = threading.Event(), threading.Event()

    def hold(request):
        if request.method == "PUT":
            begun.set()
            assert asked_to_end.wait(120)

    with GitHubStandIn(SEED, check_contract=False) as github:
        plugin.configure(f"{github.url}/")
        github.faults.add_callback(hold)
        urn, news = URN.format("OrganizationSecrets"), encode({"secrets": {"A": Secret("value")}, "visibility": "all"})
        checked = plugin.stub.Check(provider_pb2.CheckRequest(urn=urn, news=news))
        creating = plugin.stub.Create.future(provider_pb2.CreateRequest(urn=urn, properties=checked.inputs))
        assert begun.wait(120)
        plugin.stub.Cancel(empty_pb2.Empty())
        plugin.process.send_signal(signal.SIGTERM)
        asked_to_end.set()
        assert decode(creating.result(120).properties)["visibility"] == "all"
        assert list(github.organization("acme").secrets) == ["A"]
    assert plugin.process.wait(120) == 0


def test_the_messages_are_those_of_the_sdk():
    for name in protocol.__all__:
        if not name.endswith("_grpc"):
            own, sdk = getattr(protocol, name), __import__(f"pulumi.runtime.proto.{name}", fromlist=[""])
            assert own is not sdk
            for message in own.DESCRIPTOR.message_types_by_name:
                assert getattr(own, message) is getattr(sdk, message)


def test_the_options_are_those_of_the_sdk():
    assert server._GRPC_OPTIONS == _grpc_settings._GRPC_CHANNEL_OPTIONS


def test_a_missing_sdk_is_named(tmp_path):
    code = "import importlib.util; importlib.util.find_spec = lambda _: None; import pulumi_codespaces.plugin.protocol"
    environment = {**os.environ, "PYTHONPATH": str(COMPONENTS)}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert ended.stderr.endswith("ModuleNotFoundError: No module named 'pulumi'\n")
