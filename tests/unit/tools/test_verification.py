"""The requests to each registry of a stack, and the meaning of its answers."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from pathlib import Path

import httpx
import pytest

from pulumi_codespaces.clients.ecr import FORBIDDEN
from pulumi_codespaces.clients.errors import CloudError
from pulumi_codespaces.clients.registry import RegistryCredentials
from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.registries import DOCKER_HUB
from pulumi_codespaces.state.stack import Stack
from pulumi_codespaces.tools import verification
from pulumi_codespaces.tools.verification import Check, notes, read_registries, select_registries, verify, with_images

sys.path.insert(0, str(Path(__file__).parent / "review"))

from preview_digests import HOST, ecr, login, state

PASSWORD = "CANARY-password"


def secret(value):
    return {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "plaintext": json.dumps(value),
    }


def values(prefix, user, password, server, *, mark=secret):
    parts = {"USER": user, "PASSWORD": password, "SERVER": server}
    return {f"{prefix}_CONTAINER_REGISTRY_{part}": mark(value) for part, value in parts.items()}


def stack_with(resources, secrets, images=(), *, part="outputs"):
    """A state whose secrets have these values."""
    copies = json.loads(json.dumps(resources))
    for resource in copies:
        kind = resource["type"].rpartition(":")[2]
        if kind.endswith("Secrets"):
            resource[part]["secrets"] = secrets
        if kind.startswith("Verified"):
            resource["inputs"]["probeImages"] = list(images)
    return json.dumps({"deployment": {"resources": copies}})


def of_login(server="acme.azurecr.io", user="pull", password=PASSWORD, images=()):
    secrets = values("AZURE", user, password, server)
    (registry,) = read_registries(Stack.read(stack_with(login(server=server), secrets, images)))
    return registry


def of_ecr(images=(), **options):
    secrets = values("PAYMENTS", "AKIAIOSFODNN7EXAMPLE", PASSWORD, HOST)
    (registry,) = read_registries(Stack.read(stack_with(ecr(**options), secrets, images)))
    return registry


# -- what the state says


def test_a_registry_of_ecr():
    image = f"{HOST}/payments/api:v1"
    registry = of_ecr([image], repositories=("payments/api", "shared/*", "payments/web"))
    assert (registry.name, registry.organization, registry.prefix, registry.server) == (
        "payments",
        "acme",
        "PAYMENTS",
        HOST,
    )
    assert registry.login == RegistryCredentials(HOST, "AKIAIOSFODNN7EXAMPLE", PASSWORD)
    assert (registry.images, registry.listed) == (("payments/api:v1",), ("payments/api", "payments/web"))
    assert (registry.problem, registry.has_user, registry.grants_any, registry.suspended) == ("", True, False, False)
    assert PASSWORD not in repr(registry)


@pytest.mark.parametrize(("pattern", "grants_any"), [("*", True), ("codespaces*", True), ("shared/*", False)])
def test_a_pattern_that_means_every_repository(pattern, grants_any):
    assert of_ecr(repositories=(pattern,)).grants_any == grants_any


def test_the_written_values_go_before_those_of_a_failed_update():
    secrets = values("AZURE", "pull", "old", "acme.azurecr.io")
    written = json.loads(stack_with(login(), secrets))["deployment"]["resources"]
    later = stack_with(written, values("AZURE", "pull", "new", "acme.azurecr.io"), part="inputs")
    assert [registry.login.password for registry in read_registries(Stack.read(later))] == ["old"]


@pytest.mark.parametrize(
    ("server", "probe_image", "image"),
    [
        ("acme.azurecr.io", "acme.azurecr.io/team/app:v1", "team/app:v1"),
        ("acme.azurecr.io", "team/app", "team/app"),
        ("acme.azurecr.io", "app", "app"),
        (DOCKER_HUB, "team/app", "team/app"),
        (DOCKER_HUB, "docker.io/team/app", "team/app"),
        (DOCKER_HUB, "ubuntu", "library/ubuntu"),
    ],
)
def test_probe_images(server, probe_image, image):
    assert of_login(server, images=[probe_image]).images == (image,)


@pytest.mark.parametrize(
    ("server", "user", "password", "problem"),
    [
        ("acme.azurecr.io", "", "x", "the state does not have the values of the secrets; run `pulumi up`."),
        ("acme.azurecr.io", "pull", None, "the state does not have the values of the secrets; run `pulumi up`."),
        ("ghcr.io", "bot", "github_pat_CANARY", "password of GitHub Container registry: it is a fine-grained token"),
        (f"https://me:{PASSWORD}@acme.azurecr.io", "pull", "x", "server '…@acme.azurecr.io': a scheme does not belong"),
    ],
)
def test_values_that_nobody_could_log_in_with(server, user, password, problem):
    registry = of_login(server, user, password)
    (verdict,) = asyncio.run(verify([registry]))
    assert verdict.checks["login"].state == "wrong"
    assert verdict.checks["login"].text.startswith(problem)
    shown = verification.as_json([verdict]) + "".join(verification.cells(verdict) + notes([verdict]))
    assert "CANARY" not in shown


def test_what_was_exported_without_secrets_holds_no_values():
    marked = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
    text = stack_with(login(), values("AZURE", "", "", "", mark=lambda _: marked))
    assert [registry.problem for registry in read_registries(Stack.read(text))] == [
        "the state does not have the values of the secrets; run `pulumi up`."
    ]


def test_secrets_of_no_registry_are_left_out():
    npm = state("codespaces:index:OrganizationSecrets", "npm", {"secrets": {"NPM_TOKEN": secret("x")}})
    assert read_registries(Stack.read(json.dumps({"deployment": {"resources": [npm]}}))) == []


# -- which registries are selected


@pytest.mark.parametrize("only", [None, "azure", "AZURE", "acme.azurecr.io"])
def test_a_registry_by_name_prefix_or_host(only):
    registries = [of_login()]
    assert select_registries(registries, only) == registries


def test_a_registry_that_is_not_there():
    with pytest.raises(RuleViolation) as failure:
        select_registries([of_login()], "azur")
    assert str(failure.value) == "the stack has no registry 'azur', only azure; did you mean 'azure'?"
    with pytest.raises(RuleViolation, match=r"^the stack has no registry\.$"):
        select_registries([], None)


def test_further_images_go_to_their_registries():
    registries = [of_login(images=["team/app:v1"]), of_login(DOCKER_HUB)]
    images = ["acme.azurecr.io/team/app:v1", "acme.azurecr.io/team/web", "team/tool"]
    assert [registry.images for registry in with_images(registries, images)] == [
        ("team/app:v1", "team/web"),
        ("team/tool",),
    ]
    with pytest.raises(RuleViolation) as failure:
        with_images(registries[:1], ["ghcr.io/acme/app"])
    assert str(failure.value) == (
        "image 'ghcr.io/acme/app' is from ghcr.io, but codespaces log in only to acme.azurecr.io."
    )


# -- what the registry says


class Answers:
    """A registry that answers with a status by method and path, and records the requests."""

    def __init__(self, monkeypatch, statuses=None, location="/v2/uploads/1", *, bearer=False):
        self.statuses = {"GET /v2/": 200, **(statuses or {})}
        self.location = location
        self.bearer = bearer
        self.asked = []
        transport = httpx.MockTransport(self.answer)
        monkeypatch.setattr(httpx, "AsyncClient", functools.partial(httpx.AsyncClient, transport=transport))

    def answer(self, request):
        if request.url.path == "/token":
            self.asked.append(f"token {request.url.params.get('scope', '')}".strip())
            return httpx.Response(self.statuses.get("token", 200), json={"token": "good"})
        if self.bearer and request.headers["authorization"] != "Bearer good":
            challenge = 'Bearer realm="https://auth.example/token",service="s"'
            return httpx.Response(401, headers={"www-authenticate": challenge})
        self.asked.append(f"{request.method} {request.url.host}{request.url.path}")
        status = self.statuses.get(f"{request.method} {request.url.path}", 403)
        return httpx.Response(status, headers={"location": self.location} if request.method == "POST" else {})


def checks_of(registry, unlisted=None):
    (verdict,) = asyncio.run(verify([registry], unlisted))
    return {name: (check.state, check.text) for name, check in verdict.checks.items()}


@pytest.fixture
def swap(monkeypatch):
    """The swap of an access key, without AWS."""

    async def swapped(key, server):
        return RegistryCredentials(server, "AWS", f"token of {key.id}")

    monkeypatch.setattr(verification, "swapped", swapped)


APP, NO_TAG = "/v2/team/app/manifests/latest", "codespaces-verify-no-such-tag"
PUSH = "POST /v2/team/app/blobs/uploads/"


@pytest.mark.parametrize(
    ("status", "check"),
    [
        (200, ("ok", "1 image")),
        (403, ("wrong", "reading team/app is refused (403)")),
        (404, ("wrong", "image team/app does not exist")),
        (500, ("wrong", "reading team/app: answer 500")),
    ],
)
def test_the_pull_of_an_image(monkeypatch, status, check):
    Answers(monkeypatch, {f"GET {APP}": status})
    assert checks_of(of_login(images=["team/app"]))["pull"] == check


@pytest.mark.parametrize(
    ("status", "check"),
    [
        (401, ("ok", "refused")),
        (403, ("ok", "refused")),
        (404, ("ok", "refused")),
        (405, ("ok", "refused")),
        (202, ("wrong", "a push to team/app is accepted (202; the push was canceled)")),
        (500, ("wrong", "a push to team/app is not refused (500)")),
    ],
)
def test_a_push(monkeypatch, status, check):
    Answers(monkeypatch, {f"GET {APP}": 200, PUSH: status})
    assert checks_of(of_login(images=["team/app"]))["push"] == check


@pytest.mark.parametrize(
    ("location", "deleted"),
    [
        ("/v2/uploads/1", ["DELETE acme.azurecr.io/v2/uploads/1"]),
        ("https://acme.azurecr.io/v2/uploads/1?state=x", ["DELETE acme.azurecr.io/v2/uploads/1"]),
        ("https://elsewhere.example/v2/uploads/1", []),
        ("http://acme.azurecr.io/v2/uploads/1", []),
    ],
)
def test_an_accepted_push_is_broken_off_where_it_began(monkeypatch, location, deleted):
    answers = Answers(monkeypatch, {PUSH: 202}, location)
    checks_of(of_login(images=["team/app"]))
    assert [request for request in answers.asked if request.startswith("DELETE")] == deleted


def test_a_registry_that_asks_for_a_token(monkeypatch):
    answers = Answers(monkeypatch, {f"GET {APP}": 200}, bearer=True)
    assert checks_of(of_login("ghcr.io", images=["team/app"])) == {
        "login": ("ok", "ok"),
        "pull": ("ok", "1 image"),
        "push": ("ok", "refused"),
        "others": ("skipped", "only checked at Amazon ECR"),
    }
    assert sorted(request for request in answers.asked if request.startswith("token")) == [
        "token",
        "token repository:team/app:pull",
        "token repository:team/app:pull,push",
    ]
    answers.statuses["token"] = 403
    assert checks_of(of_login("ghcr.io"))["login"] == (
        "wrong",
        "the registry ghcr.io refuses the login (403 from its token service)",
    )


def test_without_an_image_only_the_login_is_known(monkeypatch):
    answers = Answers(monkeypatch)
    nothing = ("skipped", "no repository is known by name; give --image")
    checks = checks_of(of_login())
    assert (checks["login"], checks["pull"], checks["push"]) == (("ok", "ok"), nothing, nothing)
    assert answers.asked == ["GET acme.azurecr.io/v2/"]


@pytest.mark.usefixtures("swap")
@pytest.mark.parametrize(
    ("status", "check"),
    [
        (404, ("ok", "1 repository")),
        (200, ("ok", "1 repository")),
        (403, ("wrong", "reading from payments/api is refused (403)")),
        (500, ("wrong", "reading from payments/api: answer 500")),
    ],
)
def test_the_right_to_a_listed_repository(monkeypatch, status, check):
    Answers(monkeypatch, {f"GET /v2/payments/api/manifests/{NO_TAG}": status})
    assert checks_of(of_ecr())["pull"] == check


@pytest.mark.usefixtures("swap")
def test_a_missing_repository_of_ecr_that_one_may_push_to(monkeypatch):
    Answers(monkeypatch, {"POST /v2/payments/api/blobs/uploads/": 404})
    assert checks_of(of_ecr())["push"] == ("wrong", "a push to payments/api is not refused (404)")


@pytest.mark.usefixtures("swap")
@pytest.mark.parametrize(
    ("repositories", "unlisted", "status", "check"),
    [
        ("payments/api", None, 403, ("ok", "refused")),
        (
            "payments/api",
            "payments/web",
            404,
            ("wrong", "reading from payments/web, which is not listed, is not refused (404)"),
        ),
        ("*", None, 404, ("skipped", "every repository is listed")),
        ("*", "payments/web", 403, ("ok", "refused")),
    ],
)
def test_a_repository_that_is_not_listed(monkeypatch, repositories, unlisted, status, check):
    name = unlisted or "codespaces-verify/no-such-repository"
    Answers(monkeypatch, {f"GET /v2/{name}/manifests/{NO_TAG}": status})
    assert checks_of(of_ecr(repositories=(repositories,)), unlisted)["others"] == check


@pytest.mark.usefixtures("swap")
def test_a_key_that_was_given_lists_nothing(monkeypatch):
    Answers(monkeypatch)
    registry = of_login(HOST, "AKIAIOSFODNN7EXAMPLE")
    assert checks_of(registry)["others"] == ("skipped", "the listed repositories are unknown; give --unlisted")
    assert checks_of(registry, "payments/web")["others"] == ("ok", "refused")


@pytest.mark.parametrize(
    ("status", "check"),
    [(FORBIDDEN, ("ok", "suspended")), (0, ("wrong", "no"))],
)
def test_a_suspended_user_is_refused_and_not_merely_silent(monkeypatch, status, check):
    async def refused(key, server):
        raise CloudError("no", status)

    monkeypatch.setattr(verification, "swapped", refused)
    assert checks_of(of_ecr(suspended=True))["login"] == check
    assert checks_of(of_ecr())["login"] == ("wrong", "no")


def test_a_registry_that_does_not_answer(monkeypatch):
    def lost(request):
        if request.url.path == "/v2/":
            return httpx.Response(200)
        raise httpx.ConnectTimeout("late")

    transport = httpx.MockTransport(lost)
    monkeypatch.setattr(httpx, "AsyncClient", functools.partial(httpx.AsyncClient, transport=transport))
    checks = checks_of(of_login(images=["team/app"]))
    gone = ("wrong", "the registry acme.azurecr.io does not answer (ConnectTimeout)")
    assert (checks["pull"], checks["push"]) == (gone, gone)


def test_what_is_wrong_or_left_out_is_noted():
    verdict = verification.Verdict(
        of_login(), {"login": Check("ok", "ok"), "pull": Check("wrong", "no"), "push": Check("skipped", "why")}
    )
    assert notes([verdict]) == ["azure (AZURE): pull WRONG: no", "azure (AZURE): push not checked: why"]
    assert not verdict.ok
