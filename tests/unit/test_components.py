"""How the components wire their resources: the registrations that the engine gets.

The names and types below are in the states of everybody who has deployed; another one there replaces what they have.
"""

from __future__ import annotations

import asyncio
import json
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_aws as aws
import pulumi_github
import pytest
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor, Mocks

import pulumi_codespaces
from pulumi_codespaces import (
    EcrPullAccess,
    OrganizationSecrets,
    PackageAccess,
    RegistryLogin,
    RepositorySecrets,
    RepositorySelection,
    Visibility,
)
from pulumi_codespaces.errors import InvalidArgument
from pulumi_codespaces.package_schema import SCHEMA
from pulumi_codespaces.plugin.properties.key_rotation import written
from pulumi_codespaces.rules.rotation import first_rotation

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT, REGION = "123456789012", "eu-west-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ROTATION = "codespaces:index:KeyRotation"
SECRETS = "codespaces:index:OrganizationSecrets"
REPOSITORY_SECRETS = "codespaces:index:RepositorySecrets"
VERIFIED = "codespaces:index:VerifiedEcrKey"
ACCESS_KEY = "aws:iam/accessKey:AccessKey"


class Clouds(Mocks):
    """Answers as the providers do; the rotation stands at its generation's first decision unless one is given."""

    def __init__(self, rotation: dict[str, Any] | None = None) -> None:
        self.rotation = rotation

    def new_resource(self, args: Any) -> tuple[str, dict[str, Any]]:
        outputs = {name: value for name, value in args.inputs.items() if value is not None}
        if args.typ == ROTATION:
            outputs |= self.rotation or written(first_rotation(int(args.inputs["generation"]), {}))
        elif args.typ == ACCESS_KEY:
            outputs |= {"secret": f"secret of {args.name}", "createDate": "2026-11-24T12:00:00Z"}
        elif args.typ == "aws:iam/user:User":
            outputs |= {"arn": f"arn:aws:iam::{ACCOUNT}:user{args.inputs['path']}{args.inputs['name']}"}
        elif args.typ == "codespaces:index:RepositorySelection":
            given = args.inputs
            outputs |= {"repositories": dict.fromkeys(given.get("names") or [], 11) | (given.get("ids") or {})}
        elif args.typ == "github:index/repository:Repository":
            outputs |= {"repoId": 78 if args.inputs["name"] == "web" else 77}
        elif args.typ == "aws:ecr/repository:Repository":
            outputs |= {"arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{args.inputs['name']}"}
        return f"{args.name}-id", outputs

    def call(self, args: Any) -> dict[str, Any]:
        answers: dict[str, dict[str, Any]] = {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
            "aws:index/getRegion:getRegion": {"region": REGION},
            "aws:iam/getAccessKeys:getAccessKeys": {"accessKeys": []},
        }
        return answers[args.token]


class Recorder(MockMonitor):
    """Keeps the requests by which resources are registered, by the resource's name."""

    def __init__(self, mocks: Mocks) -> None:
        super().__init__(mocks)
        self.requests: dict[tuple[str, str], Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        if request.type != "pulumi:pulumi:Stack":
            self.requests[request.type, request.name] = request
        return super().RegisterResource(request)

    @property
    def urns(self) -> list[str]:
        """Types, with that of the parent, and names of what was registered."""
        return sorted(urn.split("::", 2)[2].replace("pulumi:pulumi:Stack$", "") for urn in self.resources)

    def of(self, type_: str) -> dict[str, Any]:
        """The requests for one type, by name."""
        return {name: request for (kind, name), request in self.requests.items() if kind == type_}

    def inputs(self, type_: str) -> dict[str, Any]:
        """The inputs of the only resource of a type, secret marks kept."""
        (request,) = self.of(type_).values()
        return rpc.deserialize_properties(request.object, keep_unknowns=True, keep_internal=False)


def register(program: Any, rotation: dict[str, Any] | None = None) -> Recorder:
    """Run a program and give what it registered."""
    loops: list[asyncio.AbstractEventLoop] = []

    def new_loop() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    def run() -> Recorder:
        clouds = Clouds(rotation)
        recorder = Recorder(clouds)
        with ThreadPoolExecutor(initializer=new_loop) as workers:
            loops[0].set_default_executor(workers)
            pulumi.runtime.set_mocks(clouds, project="access", stack="test", monitor=recorder)
            pulumi_mocks.test(program)()
        return recorder

    # The SDK takes the event loop of each of its threads, or makes a loop that it never closes.
    try:
        with ThreadPoolExecutor(1, initializer=new_loop) as thread:
            return thread.submit(run).result()
    finally:
        for loop in loops:
            loop.close()


def access(name: str = "payments", opts: pulumi.ResourceOptions | None = None, **arguments: Any) -> EcrPullAccess:
    given: Any = {"ecr_repositories": ["payments/api"], "selected_repositories": ["web"], **arguments}
    return EcrPullAccess(name, given, opts)


def login(**arguments: Any) -> RegistryLogin:
    given: Any = {"server": "acme.azurecr.io", "user": "u", "password": "p", "selected_repositories": ["web"]}
    return RegistryLogin("azure", {**given, **arguments})


def is_secret(value: Any) -> bool:
    return rpc.is_rpc_secret(value)


ECR = "codespaces:index:EcrPullAccess"
URNS = [
    f"{ECR}$aws:iam/accessKey:AccessKey::payments-key-a",
    f"{ECR}$aws:iam/user:User::payments-user",
    f"{ECR}$aws:iam/userPolicy:UserPolicy::payments-login",
    f"{ECR}$aws:iam/userPolicy:UserPolicy::payments-pull",
    f"{ECR}$codespaces:index:KeyRotation::payments-rotation",
    f"{ECR}$codespaces:index:OrganizationSecrets::payments-secrets",
    f"{ECR}$codespaces:index:RepositorySelection::payments-repositories",
    f"{ECR}$codespaces:index:VerifiedEcrKey::payments-key",
    f"{ECR}::payments",
]


def test_the_resources_of_an_ecr_access() -> None:
    assert register(access).urns == URNS


def test_the_second_slot_is_declared_from_generation_2_on() -> None:
    more = f"{ECR}$aws:iam/accessKey:AccessKey::payments-key-b"
    assert register(lambda: access(key_generation=2)).urns == sorted([*URNS, more])


def test_many_repositories_are_granted_by_managed_policies() -> None:
    names = [f"team-{index:03}/service" for index in range(150)]
    urns = register(lambda: access(ecr_repositories=names)).urns
    managed = [
        f"{ECR}$aws:iam/{kind}::payments-pull-managed-{number}"
        for number in range(1, 9)
        for kind in ("policy:Policy", "userPolicyAttachment:UserPolicyAttachment")
    ]
    inline = f"{ECR}$aws:iam/userPolicy:UserPolicy::payments-pull"
    assert [urn for urn in urns if "managed" not in urn] == [urn for urn in URNS if urn != inline]
    assert sorted(urn for urn in urns if "managed-" in urn) == sorted(managed)


@pytest.mark.parametrize("protected", [False, True])
def test_what_the_engine_is_told_of_an_access_key(protected: bool) -> None:
    """A protected or retained component must not hand that down: a key could not rotate, or would outlive its slot."""
    opts = pulumi.ResourceOptions(protect=True, retain_on_delete=True) if protected else None
    rotation = {
        "slots": {"a": {"generation": 5, "serial": 7}, "b": {"generation": 6, "serial": 8}},
        "current": "b",
        "published": "a",
        "serial": 8,
        "at": {},
        "statuses": {"a": "Active", "b": "Inactive"},
    }
    recorder = register(lambda: access(opts=opts, key_generation=6), rotation)
    keys = recorder.of(ACCESS_KEY)
    assert {
        name: (key.deleteBeforeReplace, key.protect, key.HasField("protect"), key.retainOnDelete)
        for name, key in keys.items()
    } == dict.fromkeys(("payments-key-a", "payments-key-b"), (True, False, True, False))
    assert {name: key.replacement_trigger.number_value for name, key in keys.items()} == {
        "payments-key-a": 7,
        "payments-key-b": 8,
    }
    assert {name: key.object["status"] for name, key in keys.items()} == {
        "payments-key-a": "Active",
        "payments-key-b": "Inactive",
    }
    (user,) = recorder.of("aws:iam/user:User").values()
    assert list(user.replaceOnChanges) == ["name"]
    assert user.protect is protected


def test_the_current_key_is_proven_and_published_and_the_other_is_what_it_falls_back_to() -> None:
    rotation = {
        "slots": {"a": {"generation": 1, "serial": 1}, "b": {"generation": 2, "serial": 2}},
        "current": "b",
        "published": "a",
        "serial": 2,
        "at": {"PAYMENTS_CONTAINER_REGISTRY_SERVER": "2026-11-24T12:00:00Z"},
        "statuses": {"a": "Active", "b": "Active"},
    }
    recorder = register(lambda: access(key_generation=2), rotation)
    key = recorder.inputs(VERIFIED)
    assert key["accessKeyId"] == "payments-key-b-id"
    assert is_secret(key["secretAccessKey"])
    assert rpc.unwrap_rpc_secret(key["secretAccessKey"]) == "secret of payments-key-b"
    assert key["slotKeys"] == {"a": "payments-key-a-id", "b": "payments-key-b-id"}
    assert (key["servers"], key["verify"], key["timeoutSeconds"]) == ([HOST], True, 180)
    published = recorder.inputs(SECRETS)
    assert is_secret(published["secrets"])
    assert rpc.unwrap_rpc_secret(published["secrets"]) == {
        "PAYMENTS_CONTAINER_REGISTRY_USER": "payments-key-b-id",
        "PAYMENTS_CONTAINER_REGISTRY_PASSWORD": "secret of payments-key-b",
        "PAYMENTS_CONTAINER_REGISTRY_SERVER": HOST,
    }
    assert is_secret(published["fallback"])
    assert rpc.unwrap_rpc_secret(published["fallback"]) == {
        "PAYMENTS_CONTAINER_REGISTRY_USER": "payments-key-a-id",
        "PAYMENTS_CONTAINER_REGISTRY_PASSWORD": "secret of payments-key-a",
    }
    assert published["publishedAt"] == rotation["at"]
    assert published["selectedRepositories"] == {"web": 11}


@pytest.mark.parametrize("published", ["", "b"])
def test_there_is_nothing_to_fall_back_to_without_another_published_key(published: str) -> None:
    rotation = {
        "slots": {"a": {"generation": 1, "serial": 1}, "b": {"generation": 2, "serial": 2}},
        "current": "b",
        "published": published,
        "serial": 2,
        "at": {},
        "statuses": {"a": "Active", "b": "Active"},
    }
    recorder = register(lambda: access(key_generation=2), rotation)
    assert rpc.unwrap_rpc_secret(recorder.inputs(SECRETS)["fallback"]) == {}


def test_a_key_is_published_after_every_policy_and_deleted_before_any() -> None:
    recorder = register(access)
    ends = {urn.rsplit("::", 1)[-1] for (request,) in [recorder.of(SECRETS).values()] for urn in request.dependencies}
    assert {"payments-login", "payments-pull", "payments-key-a", "payments-key"} <= ends
    ends = {urn.rsplit("::", 1)[-1] for (request,) in [recorder.of(VERIFIED).values()] for urn in request.dependencies}
    assert {"payments-login", "payments-pull", "payments-key-a"} <= ends
    (user,) = recorder.of("aws:iam/user:User").values()
    assert [urn.rsplit("::", 1)[-1] for urn in user.dependencies] == ["payments-rotation"]


@pytest.mark.parametrize(
    ("arguments", "verified"), [({}, True), ({"verify": False}, False), ({"suspended": True}, False)]
)
def test_a_key_is_not_proven_where_it_cannot_be_or_must_not(arguments: dict[str, Any], verified: bool) -> None:
    assert register(lambda: access(**arguments)).inputs(VERIFIED)["verify"] is verified


def test_a_registry_in_another_region_than_that_of_the_aws_provider() -> None:
    host = f"{ACCOUNT}.dkr.ecr.ap-south-1.amazonaws.com"
    recorder = register(lambda: access(region="ap-south-1", probe_images=["payments/api"]))
    verified = recorder.inputs(VERIFIED)
    assert (verified["servers"], verified["probeImages"]) == ([host], [f"{host}/payments/api"])
    documents = [
        rpc.deserialize_properties(policy.object)["policy"]
        for policy in recorder.of("aws:iam/userPolicy:UserPolicy").values()
    ]
    arn = f"arn:aws:ecr:ap-south-1:{ACCOUNT}:repository/payments/api"
    assert [arn in document for document in documents].count(True) == 1


def test_a_summary_makes_no_output_of_each_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK takes a quarter of a millisecond for each, and 33 registries for 1,000 repositories have 33,000."""
    members = {f"repository-{index}": index for index in range(1000)}
    made: list[object] = []
    original = pulumi.Output.from_input

    def counting(given: Any) -> Any:
        made.append(given)
        return original(given)

    monkeypatch.setattr(pulumi.Output, "from_input", staticmethod(counting))
    summaries: list[Any] = []

    def program(readers: Any) -> None:
        login = RegistryLogin(
            "azure",
            {"server": "acme.azurecr.io", "user": "u", "password": "p", "selected_repositories": readers},
        )
        login.summary.apply(summaries.append)

    register(lambda: program(members))
    register(lambda: program(RepositorySelection("all", {"ids": members})))
    assert [summary["repositories"] for summary in summaries] == [sorted(members)] * 2
    assert len(made) < 1000


def test_images_to_prove_a_key_by() -> None:
    other = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
    images = ["payments/api", "payments/api:v1", f"{HOST}/payments/api@sha256:0", f"{other}/x:y"]
    recorder = register(lambda: access(additional_registries={"us": other}, probe_images=images))
    assert recorder.inputs(VERIFIED)["probeImages"] == [
        f"{HOST}/payments/api",
        f"{HOST}/payments/api:v1",
        f"{HOST}/payments/api@sha256:0",
        f"{other}/x:y",
    ]
    assert recorder.inputs(ROTATION)["prefixes"] == ["PAYMENTS", "US"]
    assert len(rpc.unwrap_rpc_secret(recorder.inputs(SECRETS)["secrets"])) == 6


def test_the_resources_of_a_login_and_its_secrets() -> None:
    recorder = register(login)
    component = "codespaces:index:RegistryLogin"
    assert recorder.urns == [
        f"{component}$codespaces:index:OrganizationSecrets::azure-secrets",
        f"{component}$codespaces:index:RepositorySelection::azure-repositories",
        f"{component}$codespaces:index:VerifiedLogin::azure-login",
        f"{component}::azure",
    ]
    given = recorder.inputs("codespaces:index:VerifiedLogin")
    assert (is_secret(given["user"]), is_secret(given["password"])) == (True, True)
    assert (given["server"], given["verify"], given["probeImages"]) == ("acme.azurecr.io", True, [])
    secrets = recorder.inputs(SECRETS)["secrets"]
    assert is_secret(secrets)
    assert rpc.unwrap_rpc_secret(secrets) == {
        "AZURE_CONTAINER_REGISTRY_USER": "u",
        "AZURE_CONTAINER_REGISTRY_PASSWORD": "p",
        "AZURE_CONTAINER_REGISTRY_SERVER": "acme.azurecr.io",
    }


def test_a_selection_may_be_shared_or_be_everything() -> None:
    def program() -> None:
        shared = RepositorySelection("shared", {"names": ["web", "api"]})
        access(selected_repositories=shared)
        login(selected_repositories=None, visibility=Visibility.PRIVATE)

    recorder = register(program)
    assert list(recorder.of("codespaces:index:RepositorySelection")) == ["shared"]
    by_name = {
        name: rpc.deserialize_properties(request.object, keep_unknowns=True)
        for name, request in recorder.of(SECRETS).items()
    }
    assert by_name["payments-secrets"]["selectedRepositories"] == {"web": 11, "api": 11}
    assert (by_name["azure-secrets"].get("selectedRepositories"), by_name["azure-secrets"]["visibility"]) == (
        None,
        "private",
    )


ONE_REPOSITORY = {
    "an object": (lambda shop: {"repository": shop}, ("shop", 77)),
    "its name and id": (lambda shop: {"repository": shop.name, "repository_id": shop.repo_id}, ("shop", 77)),
    "its name alone": (lambda shop: {"repository": shop.name}, ("shop", None)),
    "a text": (lambda _: {"repository": "shop"}, ("shop", None)),
}


@pytest.mark.parametrize("case", ONE_REPOSITORY)
@pytest.mark.parametrize("of_a_component", [False, True], ids=["secrets", "component"])
def test_one_repository_is_named_or_given(case: str, of_a_component: bool) -> None:
    arguments, wanted = ONE_REPOSITORY[case]

    def program() -> None:
        where: Any = arguments(pulumi_github.Repository("made", name="shop"))
        if of_a_component:
            login(selected_repositories=None, **where)
        else:
            RepositorySecrets("npm", {"secrets": {"NPM_TOKEN": "t"}, **where})

    given = register(program).inputs(REPOSITORY_SECRETS)
    assert (given["repository"], given.get("repositoryId")) == wanted


async def later(value: Any) -> Any:
    return value


class Service(pulumi.ComponentResource):
    """Makes a repository of each cloud whose names in the program are the same in every service."""

    def __init__(self, name: str) -> None:
        super().__init__(f"test:index:{name.title()}", name)
        opts = pulumi.ResourceOptions(parent=self)
        self.source = pulumi_github.Repository("source", name=name, opts=opts)
        self.images = aws.ecr.Repository("images", name=name, opts=opts)


def test_repositories_of_one_name_in_the_program_are_all_selected() -> None:
    def program() -> None:
        shop, web = Service("shop"), Service("web")
        login(selected_repositories=[shop.source, web.source, shop.source, "source"])

    given = register(program).inputs("codespaces:index:RepositorySelection")
    assert given == {"names": ["source"], "ids": {"source": 77, "source (2)": 78}}


def test_repositories_of_one_name_in_the_program_are_all_pulled_from() -> None:
    def program() -> None:
        shop, web = Service("shop"), Service("web")
        access(ecr_repositories=[shop.images, "team/api", web.images, shop.images])

    policy = register(program).of("aws:iam/userPolicy:UserPolicy")["payments-pull"]
    (statement,) = json.loads(rpc.deserialize_properties(policy.object)["policy"])["Statement"]
    assert statement["Resource"] == [
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}" for name in ("shop", "team/api", "web")
    ]


def test_secrets_take_a_selection_and_what_it_means_and_what_is_awaited() -> None:
    def program() -> None:
        selection = RepositorySelection("shared", {"names": ["web", "api"]})
        values = {"NPM_TOKEN": "t"}
        OrganizationSecrets("selection", {"secrets": values, "selected_repositories": selection})
        OrganizationSecrets("members", {"secrets": values, "selected_repositories": selection.repositories})
        OrganizationSecrets("map", {"secrets": values, "selected_repositories": {"web": 11, "api": 11}})
        OrganizationSecrets("awaited", {"secrets": values, "selected_repositories": later({"web": 11, "api": 11})})
        OrganizationSecrets("none", {"secrets": values, "selected_repositories": None, "visibility": "all"})
        RepositorySecrets("one", {"secrets": values, "repository": later("web")})

    recorder = register(program)
    readers = {
        name: rpc.deserialize_properties(request.object).get("selectedRepositories")
        for name, request in recorder.of(SECRETS).items()
    }
    both = {"web": 11, "api": 11}
    assert readers == dict.fromkeys(("selection", "members", "map", "awaited"), both) | {"none": None}
    assert recorder.inputs(REPOSITORY_SECRETS)["repository"] == "web"


@pytest.mark.parametrize(
    ("made", "argument", "message"),
    [
        (
            lambda: OrganizationSecrets("npm", {"secrets": {"X": "CANARY"}, "selected_repositories": ["web"]}),
            "selected_repositories",
            (
                "OrganizationSecrets npm: selected_repositories is a list; "
                "give a RepositorySelection, or a map of name to id."
            ),
        ),
        (
            lambda: RepositorySecrets("npm", {"secrets": {"X": "CANARY"}, "repository": 7}),
            "repository",
            "RepositorySecrets npm: repository is an int; write a repository's name, or give a github.Repository.",
        ),
        (
            lambda: PackageAccess("base", {"package": "base", "repository": 7}),
            "repository",
            "PackageAccess base: repository is an int; write a repository's name, or give a github.Repository.",
        ),
    ],
    ids=["a list", "a number", "a number for a package"],
)
def test_what_is_no_repository_is_refused_before_anything_is_registered(made: Any, argument: str, message: str) -> None:
    def program() -> None:
        with pytest.raises(InvalidArgument) as refused:
            made()
        assert (refused.value.argument, str(refused.value)) == (argument, message)

    assert register(program).urns == []


def test_every_public_name_is_there() -> None:
    assert [name for name in pulumi_codespaces.__all__ if getattr(pulumi_codespaces, name).__name__ != name] == []


@pytest.mark.parametrize(
    ("arguments", "argument", "text"),
    [
        ({"key_generation": 0}, "key_generation", "key_generation 0: must be a plain whole number of at least 1"),
        ({"key_generation": 1.5}, "key_generation", "key_generation 1.5: must be a plain whole number"),
        ({"key_generation": True}, "key_generation", "key_generation True: must be a plain whole number"),
        ({"key_generation": "2"}, "key_generation", "key_generation '2': must be a plain whole number"),
        ({"max_key_age_days": 0}, "max_key_age_days", "max_key_age_days 0: must be a plain whole number"),
        ({"max_key_age_days": "90"}, "max_key_age_days", "max_key_age_days '90': must be a plain whole number"),
        ({"verify_timeout_seconds": -1}, "verify_timeout_seconds", "verify_timeout_seconds -1: must be a plain"),
        ({"region": "Frankfurt"}, "region", "region 'Frankfurt' is not an AWS Region"),
        ({"region": 1}, "region", "region is an int; write the name of a Region"),
        ({"user_name": "x" * 65}, "user_name", "(65 characters)"),
        ({"ecr_repositories": "payments/api"}, "ecr_repositories", "ecr_repositories is a str; give a list"),
        ({"ecr_repositories": [7]}, "ecr_repositories[0]", "ecr_repositories[0] is an int"),
        ({"selected_repositories": "web"}, "selected_repositories", "selected_repositories is a str"),
        ({"selected_repositories": ["web", 11]}, "selected_repositories[1]", "selected_repositories[1] is an int"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_registered(
    arguments: dict[str, Any], argument: str, text: str
) -> None:
    refused(lambda: arguments, argument, text)


EXAMPLES: dict[str, dict[str, Any]] = {
    "EcrPullAccess": {
        "ecr_repositories": ["payments/api", "payments/web"],
        "ecr_repository_tags": {"team": "payments"},
        "region": "eu-west-1",
        "selected_repositories": {"web": 11},
        "visibility": "selected",
        "secret_prefix": "PAY",
        "key_generation": 2,
        "keep_previous_key": False,
        "suspended": True,
        "max_key_age_days": 30,
        "permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "tags": {"team": "payments"},
        "pull_through_cache_prefixes": ["payments"],
        "additional_registries": {"US": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"},
        "probe_images": ["payments/api:v1"],
        "verify": False,
        "verify_timeout_seconds": 10,
        "adopt_existing": True,
        "user_name": "puller",
        "user_path": "/pull/",
    },
    "RegistryLogin": {
        "server": "acme.azurecr.io",
        "user": "u",
        "password": "p",
        "selected_repositories": {"web": 11},
        "visibility": "selected",
        "secret_prefix": "PAY",
        "probe_images": ["charts:v1"],
        "verify": False,
        "expires_at": "2126-11-24T12:00:00Z",
        "adopt_existing": True,
    },
    "PackageAccess": {
        "package": "base/image",
        "package_type": "npm",
        "repository": "images",
        "visibility": "internal",
        "inherits": False,
        "selected_repositories": {"web": 11},
        "teams": {"payments": "write"},
        "users": {"octocat": "read"},
        "on_mismatch": "fail",
    },
}
"""Arguments of the components, none of them as by default."""
NEEDED = ("ecr_repositories", "package", "password", "server", "user")
INPUTS = {
    name: {
        re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key): described
        for key, described in resource["inputProperties"].items()
    }
    for name in EXAMPLES
    for resource in [json.loads(SCHEMA.read_text())["resources"][f"codespaces:index:{name}"]]
}


def every(component: str, *, plain: bool) -> list[tuple[str, str]]:
    """The examples that the schema takes for plain values, or the others."""
    inputs = INPUTS[component]
    return [(component, name) for name in EXAMPLES[component] if inputs[name].get("plain", False) is plain]


def as_outputs(value: Any) -> Any:
    """The members of a list or a map as Outputs."""
    if isinstance(value, list):
        return [pulumi.Output.from_input(item) for item in value]
    return {key: pulumi.Output.from_input(item) for key, item in value.items()}


def registered(component: str, arguments: Callable[[], dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """What a component registers."""
    recorder = register(lambda: getattr(pulumi_codespaces, component)("payments", arguments()))
    return {key: rpc.deserialize_properties(request.object) for key, request in recorder.requests.items()}


def test_there_is_an_example_of_every_argument() -> None:
    # The readers come from one repository, or from the others.
    left_out = {"EcrPullAccess": {"repository", "repository_id"}, "RegistryLogin": {"repository", "repository_id"}}
    assert {name: {*INPUTS[name]} - {*examples} for name, examples in EXAMPLES.items()} == {
        "PackageAccess": set(),
        **left_out,
    }


@pytest.mark.parametrize(("component", "argument"), [case for name in EXAMPLES for case in every(name, plain=False)])
def test_an_output_does_what_its_value_does(component: str, argument: str) -> None:
    arguments = EXAMPLES[component]
    later = registered(component, lambda: {**arguments, argument: pulumi.Output.from_input(arguments[argument])})
    assert later == registered(component, lambda: arguments)


@pytest.mark.parametrize(
    ("component", "argument"),
    [
        ("EcrPullAccess", "ecr_repositories"),
        ("EcrPullAccess", "additional_registries"),
        ("EcrPullAccess", "probe_images"),
        ("EcrPullAccess", "tags"),
        ("PackageAccess", "teams"),
        ("PackageAccess", "users"),
        ("RegistryLogin", "probe_images"),
    ],
)
def test_the_members_of_lists_and_maps_may_be_outputs(component: str, argument: str) -> None:
    arguments = EXAMPLES[component]
    later = registered(component, lambda: {**arguments, argument: as_outputs(arguments[argument])})
    assert later == registered(component, lambda: arguments)


@pytest.mark.parametrize(("component", "argument"), [case for name in EXAMPLES for case in every(name, plain=True)])
def test_an_output_of_what_must_be_plain_is_refused_with_the_reason(component: str, argument: str) -> None:
    def program() -> None:
        value = pulumi.Output.from_input(EXAMPLES[component][argument])
        with pytest.raises(InvalidArgument) as refusal:
            getattr(pulumi_codespaces, component)("payments", {**EXAMPLES[component], argument: value})
        assert refusal.value.argument == argument
        start = f"{component} payments: {argument} is an Output; "
        assert re.match(rf"{start}(it must be a plain value, since |give a list, whose items)", str(refusal.value))

    assert register(program).urns == []


@pytest.mark.parametrize("component", EXAMPLES)
def test_defaults_are_those_of_the_schema(component: str) -> None:
    """The generated SDKs send them."""
    examples = EXAMPLES[component]
    required = {name: examples[name] for name in NEEDED if name in examples} | {"repository": "web"}
    defaults = {name: described["default"] for name, described in INPUTS[component].items() if "default" in described}
    assert defaults
    assert registered(component, lambda: required | defaults) == registered(component, lambda: required)


def test_names_of_repositories_may_be_outputs() -> None:
    def program() -> None:
        shop = pulumi_github.Repository("made", name="shop")
        login(selected_repositories=["web", shop.name, shop])

    given = register(program).inputs("codespaces:index:RepositorySelection")
    assert given == {"names": ["web", "shop"], "ids": {"made": 77}}


def refused(arguments: Callable[[], dict[str, Any]], argument: str, text: str) -> None:
    """Assert that an EcrPullAccess of these arguments is refused; they are made in the program, as Outputs must be."""

    def program() -> None:
        with pytest.raises(InvalidArgument) as refusal:
            access(**arguments())
        assert refusal.value.argument == argument
        assert str(refusal.value).startswith("EcrPullAccess payments: ")
        assert text in str(refusal.value)

    assert register(program).urns == []


@pytest.mark.parametrize("days", [90, 91])
def test_the_age_of_a_key(days: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import datetime, timedelta, timezone

    from pulumi_codespaces import expiry as lifetimes

    made = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)
    monkeypatch.setattr(lifetimes, "_now", lambda: made + timedelta(days=days))
    with warnings.catch_warnings():
        register(access)
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    wanted = "the access key is 91 days old, and at most 90 are wanted: raise key_generation by one."
    assert said == ([wanted] if days == 91 else [])
