"""Whatever a program sends, Check answers with inputs or with failures, and what it lets through can be previewed."""

from __future__ import annotations

import os

import grpc
import pytest
from grpc_plugin import URN, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pulumi.runtime.proto import provider_pb2

from pulumi_codespaces.plugin.resources import RESOURCES
from pulumi_codespaces.plugin.wire import decode, encode
from pulumi_codespaces.values import UNKNOWN, Secret, is_unknown
from rig.github import GitHubStandIn

TOKEN = "ghp_CANARYtoken"
SEED = {
    "organizations": {
        "acme": {
            "id": 1,
            "plan": "team",
            "repositories": {"web": {"id": 11, "topics": ["payments"]}, "api": {"id": 12, "archived": True}},
            "secrets": {"THEIRS": {"value": "x", "visibility": "all"}},
        }
    },
    "tokens": {TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"]}},
}
SECRETS = [f"A_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")] + ["b_1", "B_1", "NPM_TOKEN"]
WORDS = ["web", "api", "payments", "all", "selected", "THEIRS", "GITHUB_X", "1X", "", "acme.azurecr.io", "secrets"]
WORDS += ["\x00", "a.b[0]", *SECRETS]

texts = st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8"), max_size=6)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 20),
    st.floats(),
    texts,
    st.just(UNKNOWN),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=4), inner.map(Secret)),
    max_leaves=8,
)
sound = {
    "codespaces:index:OrganizationSecrets": {
        "secrets": st.dictionaries(st.sampled_from(SECRETS), st.sampled_from(["x", Secret("y"), UNKNOWN]), min_size=1),
        "visibility": st.sampled_from(["all", "private", "selected"]),
        "selectedRepositories": st.dictionaries(texts, st.integers(1, 20) | st.just(UNKNOWN), min_size=1, max_size=3),
        "adoptExisting": st.booleans(),
        "fallback": st.sampled_from([Secret(UNKNOWN), {}, {SECRETS[0]: Secret("z")}]),
        "publishedAt": st.dictionaries(texts, texts, max_size=2),
    },
    "codespaces:index:RepositorySecrets": {
        "repository": st.sampled_from(["web", "API", "lab", "a/b", "..", "\x00", UNKNOWN]),
        "repositoryId": st.integers(1, 20) | st.just(UNKNOWN),
        "secrets": st.dictionaries(st.sampled_from(SECRETS), st.sampled_from(["x", Secret("y"), UNKNOWN]), min_size=1),
        "adoptExisting": st.booleans(),
    },
    "codespaces:index:PackageCheck": {
        "package": st.sampled_from(["base/image", "\x00", "..", UNKNOWN]),
        "packageType": st.sampled_from(["container", "npm", "maven"]),
        "repository": st.sampled_from(["web", "", "a/b"]),
        "visibility": st.sampled_from(["private", "internal", "public"]),
        "inherits": st.booleans(),
        "selectedRepositories": st.dictionaries(texts, st.integers(1, 20) | st.just(UNKNOWN), max_size=3),
        "onMismatch": st.sampled_from(["fail", "warn"]),
    },
    "codespaces:index:RepositorySelection": {
        "names": st.lists(st.sampled_from(["web", "API", "lab"]), max_size=3),
        "topics": st.lists(texts, max_size=2),
        "properties": st.dictionaries(texts, texts, max_size=2),
        "ids": st.dictionaries(texts, st.integers(1, 20) | st.just(UNKNOWN), max_size=2),
        "repositories": st.dictionaries(texts, st.integers(1, 20), max_size=2),
        "seen": st.dictionaries(texts, st.integers(1, 20), max_size=2),
    },
}


@st.composite
def inputs(draw, token):
    """Sound inputs of which some are missing and some are anything at all."""
    given_ = draw(st.fixed_dictionaries({}, optional=sound[token]))
    odd = draw(st.lists(st.sampled_from([*sound[token], "owner", "renamed"]), max_size=2))
    return given_ | {name: draw(values) for name in odd}


@pytest.fixture(scope="module")
def plugin():
    with GitHubStandIn(SEED) as github, serving(RESOURCES) as served:
        configured = {"owner": "acme", "baseUrl": f"{github.url}/", "token": Secret(TOKEN)}
        served.stub.Configure(provider_pb2.ConfigureRequest(args=encode(configured)))
        yield served


anything = settings(
    max_examples=int(os.environ.get("MACHINE_EXAMPLES", "300")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def told(error):
    """A refusal that says what to do is fine; a crash is not."""
    assert error.code() is grpc.StatusCode.UNKNOWN, error.details()


@pytest.mark.parametrize("token", sound)
@anything
@given(data=st.data())
def test_check_never_crashes(plugin, token, data):
    news, olds = data.draw(inputs(token)), data.draw(st.just({}) | inputs(token))
    plugin.server._run.claims.clear()
    plugin.server._run.past.clear()
    urn = URN.format(token=token, name="x")
    # The past was let through by an earlier Check, so it has what Check gives.
    try:
        past = plugin.stub.Check(provider_pb2.CheckRequest(urn=urn, news=encode(olds)))
    except grpc.RpcError as error:
        told(error)
        return
    olds = past.inputs if olds and not past.failures and not is_unknown(decode(past.inputs)) else encode({})
    try:
        answer = plugin.stub.Check(provider_pb2.CheckRequest(urn=urn, olds=olds, news=encode(news)))
        if answer.failures:
            assert all(failure.reason for failure in answer.failures)
            return
        made = plugin.stub.Create(provider_pb2.CreateRequest(urn=urn, properties=answer.inputs, preview=True))
        difference = provider_pb2.DiffRequest(urn=urn, id="id", olds=made.properties, news=answer.inputs)
        plugin.stub.Diff(difference)
    except grpc.RpcError as error:
        told(error)


@anything
@given(
    news=st.fixed_dictionaries(
        {},
        optional={
            "owner": st.just("acme") | values,
            "token": st.just(TOKEN) | values,
            "baseUrl": st.sampled_from(["http://127.0.0.1:1/", "https://[::1", "https://x:y@z", "//"]) | values,
            "appAuth": st.dictionaries(st.sampled_from(["id", "installationId", "pemFile"]), values) | values,
        },
    )
)
def test_the_configuration_never_crashes(plugin, news):
    request = provider_pb2.CheckRequest(news=encode(news))
    try:
        answer = plugin.stub.CheckConfig(request)
        if not answer.failures:
            plugin.stub.DiffConfig(provider_pb2.DiffRequest(old_inputs=answer.inputs, news=answer.inputs))
    except grpc.RpcError as error:
        told(error)
