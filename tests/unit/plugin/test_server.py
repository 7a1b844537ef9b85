"""The gRPC side: no answer holds a secret, whatever goes wrong, and what writes is carried to its end."""

from __future__ import annotations

import asyncio
import threading
import time

import grpc
import pytest
from grpc_plugin import URN, serving
from pulumi.runtime.proto import provider_pb2, status_pb2

from pulumi_codespaces.clients.errors import ActionableError, CloudError
from pulumi_codespaces.plugin.endpoint import Endpoint, Stored
from pulumi_codespaces.plugin.failures import Failure, InvalidInputs, PartialWrite
from pulumi_codespaces.plugin.resource import Difference
from pulumi_codespaces.plugin.run import Severity
from pulumi_codespaces.plugin.wire import decode, encode
from pulumi_codespaces.values import Secret

CANARY = "CANARY-of-a-secret"
TOKEN = "ghp_CANARYtoken"
THING = URN.format(token="codespaces:index:Thing", name="thing")
CONFIGURATION = {"owner": "acme", "baseUrl": "http://127.0.0.1:1/", "token": Secret(TOKEN)}
PROPERTIES = encode({"secrets": {"A": Secret(CANARY)}, "open": "visible"})


class Thing(Endpoint):
    """Does as instructed."""

    token = "codespaces:index:Thing"

    def __init__(self):
        self.do = lambda _: None
        self.done = []

    async def _act(self, run):
        result = self.do(run)
        if asyncio.iscoroutine(result):
            result = await result
        self.done.append(result)
        return result

    async def check(self, run, urn, old, new):
        await self._act(run)
        return new

    async def difference(self, run, urn, state, new):
        await self._act(run)
        return Difference()

    async def create(self, run, urn, new, *, preview):
        await self._act(run)
        return "id", new

    async def read(self, run, urn, identifier, inputs, state):
        await self._act(run)
        return Stored(identifier, inputs, state)

    async def update(self, run, urn, identifier, state, new, *, preview):
        await self._act(run)
        return new

    async def delete(self, run, urn, identifier, state):
        await self._act(run)


@pytest.fixture
def thing():
    return Thing()


@pytest.fixture
def plugin(thing):
    with serving({Thing.token: thing}) as served:
        served.stub.Configure(provider_pb2.ConfigureRequest(args=encode(CONFIGURATION)))
        yield served


def calls(stub):
    return {
        "Check": lambda: stub.Check(provider_pb2.CheckRequest(urn=THING, olds=PROPERTIES, news=PROPERTIES)),
        "Diff": lambda: stub.Diff(provider_pb2.DiffRequest(urn=THING, olds=PROPERTIES, news=PROPERTIES)),
        "Create": lambda: stub.Create(provider_pb2.CreateRequest(urn=THING, properties=PROPERTIES)),
        "Read": lambda: stub.Read(
            provider_pb2.ReadRequest(urn=THING, id="id", properties=PROPERTIES, inputs=PROPERTIES)
        ),
        "Update": lambda: stub.Update(provider_pb2.UpdateRequest(urn=THING, id="id", olds=PROPERTIES, news=PROPERTIES)),
        "Delete": lambda: stub.Delete(provider_pb2.DeleteRequest(urn=THING, id="id", properties=PROPERTIES)),
    }


CALLS = ("Check", "Diff", "Create", "Read", "Update", "Delete")


def fail(error):
    def do(_):
        raise error

    return do


def detail(error):
    (found,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(found)
    answer = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(answer)
    return status, answer


@pytest.mark.parametrize("name", CALLS)
def test_an_unforeseen_exception_tells_only_where_it_was(plugin, thing, name):
    thing.do = fail(RuntimeError(f"{CANARY} {TOKEN}"))
    with pytest.raises(grpc.RpcError) as caught:
        calls(plugin.stub)[name]()
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details().startswith("RuntimeError in test_server.py:")
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("name", CALLS)
def test_a_message_holds_no_secret_that_was_sent_nor_the_token(plugin, thing, name):
    thing.do = fail(CloudError(f"GitHub says: {CANARY} for {TOKEN}, visible"))
    with pytest.raises(grpc.RpcError) as caught:
        calls(plugin.stub)[name]()
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details() == "GitHub says: [secret] for [secret], visible"
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("name", ["Create", "Update"])
def test_a_partial_write_tells_the_state_and_betrays_nothing(plugin, thing, name):
    left = {"secrets": {"A": Secret(CANARY)}, "unfinished": ["B"]}
    thing.do = fail(PartialWrite(f"half of it: {CANARY}", "the-id", left))
    with pytest.raises(grpc.RpcError) as caught:
        calls(plugin.stub)[name]()
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details() == "half of it: [secret]"
    status, answer = detail(caught.value)
    assert (status.message, list(answer.reasons), answer.id) == (
        "half of it: [secret]",
        ["half of it: [secret]"],
        "the-id",
    )
    assert decode(answer.properties) == left
    assert answer.inputs == PROPERTIES

    thing.do = fail(PartialWrite("half", "the-id", left, {"secrets": {"B": Secret("x")}}))
    with pytest.raises(grpc.RpcError) as caught:
        calls(plugin.stub)[name]()
    assert decode(detail(caught.value)[1].inputs) == {"secrets": {"B": Secret("x")}}


def test_a_check_failure_names_no_property_that_holds_a_secret(plugin, thing):
    """The engine prints the value of the property that a failure names, and takes no notice of its mark."""
    thing.do = fail(InvalidInputs(*(Failure(path, path) for path in ("secrets", "secrets.A", "", "open", "nothing"))))
    answer = calls(plugin.stub)["Check"]()
    assert [(failure.property, failure.reason) for failure in answer.failures] == [
        ("", "secrets"),
        ("", "secrets.A"),
        ("", ""),
        ("open", "open"),
        ("", "nothing"),
    ]


@pytest.mark.parametrize(
    "news", [{"token": CANARY, "owner": "a b"}, {"appAuth": CANARY}, {"token": Secret(CANARY + "\n\n x")}]
)
def test_a_failure_of_the_configuration_names_no_property(plugin, news, monkeypatch):
    monkeypatch.delenv("GITHUB_OWNER", raising=False)
    answer = plugin.stub.CheckConfig(provider_pb2.CheckRequest(news=encode({"owner": "acme"} | news)))
    (failure,) = answer.failures
    assert failure.property == ""
    assert CANARY not in str(answer)


def test_a_difference_of_the_configuration(plugin):
    def diff(old, new):
        answer = plugin.stub.DiffConfig(provider_pb2.DiffRequest(old_inputs=encode(old), news=encode(new)))
        some = answer.changes == provider_pb2.DiffResponse.DIFF_SOME
        assert some == bool(answer.diffs)
        return list(answer.diffs), list(answer.replaces)

    assert diff(CONFIGURATION, CONFIGURATION) == ([], [])
    assert diff(CONFIGURATION, CONFIGURATION | {"token": Secret("other")}) == (["token"], [])
    assert diff(CONFIGURATION, CONFIGURATION | {"owner": "umbrella"}) == (["owner"], ["owner"])
    assert diff({}, CONFIGURATION) == (["owner", "baseUrl", "token"], [])


def test_messages_come_in_order_and_before_the_answer(plugin, thing):
    def do(run):
        for number in range(5):
            run.log(Severity.WARNING, THING, str(number))
        plugin.engine.delay = 0.02

    thing.do = do
    calls(plugin.stub)["Check"]()
    assert [request.message for request in plugin.engine.said] == ["0", "1", "2", "3", "4"]


def test_an_engine_that_does_not_listen_any_more_is_no_failure(plugin, thing):
    plugin.server.engine_address = "127.0.0.1:1"
    thing.do = lambda run: run.log(Severity.WARNING, THING, "unheard")
    assert calls(plugin.stub)["Check"]().inputs == PROPERTIES


@pytest.mark.parametrize("name", ["Create", "Update", "Delete"])
def test_a_write_goes_on_when_the_engine_drops_the_call(plugin, thing, name):
    begun = threading.Event()

    async def slowly(_):
        begun.set()
        await asyncio.sleep(0.3)
        return "written"

    thing.do = slowly
    request = {
        "Create": provider_pb2.CreateRequest(urn=THING, properties=PROPERTIES),
        "Update": provider_pb2.UpdateRequest(urn=THING, id="id", olds=PROPERTIES, news=PROPERTIES),
        "Delete": provider_pb2.DeleteRequest(urn=THING, id="id", properties=PROPERTIES),
    }[name]
    future = getattr(plugin.stub, name).future(request)
    assert begun.wait(120)
    future.cancel()
    plugin.server.stop()
    plugin.run(plugin.server.stopped())
    assert thing.done == ["written"]


def test_after_a_cancel_nothing_new_is_begun(plugin, thing):
    plugin.stub.Cancel(provider_pb2.google_dot_protobuf_dot_empty__pb2.Empty())
    for name in ("Create", "Update", "Delete"):
        with pytest.raises(grpc.RpcError) as caught:
            calls(plugin.stub)[name]()
        assert caught.value.code() is grpc.StatusCode.CANCELLED
    assert thing.done == []
    assert calls(plugin.stub)["Read"]().id == "id"


def test_a_write_that_does_not_end_is_left_behind(plugin, thing, monkeypatch):
    monkeypatch.setattr("pulumi_codespaces.plugin.server._FINISH_SECONDS", 0.2)
    monkeypatch.setattr("pulumi_codespaces.plugin.server._ROLL_BACK_SECONDS", 0.1)
    begun = threading.Event()

    def hang(_):
        begun.set()
        return asyncio.sleep(3600)

    thing.do = hang
    calls_ = plugin.stub.Create.future(provider_pb2.CreateRequest(urn=THING, properties=PROPERTIES))
    assert begun.wait(120)
    started = time.monotonic()
    plugin.server.stop()
    plugin.run(plugin.server.stopped())
    assert time.monotonic() - started >= 0.3
    calls_.cancel()


def test_a_dead_engine_ends_the_plugin(plugin):
    plugin.server.engine_address = "127.0.0.1:1"
    plugin.run(plugin.server.stopped())


def test_an_unknown_type_is_told(plugin):
    request = provider_pb2.CheckRequest(urn=URN.format(token="codespaces:index:Other", name="x"))
    with pytest.raises(grpc.RpcError) as caught:
        plugin.stub.Check(request)
    assert caught.value.details() == "unknown resource type codespaces:index:Other; this plugin is version 1.0.0."


def test_a_plugin_error_is_shown_as_it_is(plugin, thing):
    thing.do = fail(ActionableError("do this"))
    with pytest.raises(grpc.RpcError) as caught:
        calls(plugin.stub)["Diff"]()
    assert caught.value.details() == "do this"
