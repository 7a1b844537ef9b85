"""Logs in and pulls with the credentials of a stack, as GitHub does when a codespace starts.

It also tries what the registry must refuse: a push, and at Amazon ECR a pull from a repository that is not listed.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from ..clients.ecr import FORBIDDEN, AccessKey, swapped
from ..clients.errors import CloudError
from ..clients.registry import RegistryCredentials, manifest_status, push_status, split_image, try_login
from ..rules import RuleViolation
from ..rules.policies import PULL_ACTIONS
from ..rules.registries import DOCKER_HUB, Service, check_server, same_registry, service_of, split_host
from ..rules.registry_logins import check_credentials, ecr_pair
from ..rules.secret_names import Triple, triples_in
from ..rules.suggestions import did_you_mean
from ..rules.wording import counted
from ..values import plain_list, plain_map
from .access_table import repository_in

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from ..state.access import Access
    from ..state.resources import Resource
    from ..state.stack import Stack

CHECKS = ("login", "pull", "push", "others")
_VERIFIED = ("codespaces:index:VerifiedEcrKey", "codespaces:index:VerifiedLogin")
_CONCURRENT = 8
_REFUSED = (401, 403)
_WORDS = {"wrong": "WRONG", "skipped": "not checked"}
_NO_IMAGE = "codespaces-verify-no-such-tag"
"""The tag to ask for if no image is known. The answer shows whether a pull is allowed, and no pull is counted."""
_NO_REPOSITORY = "codespaces-verify/no-such-repository"


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        state: `ok`, `wrong`, or `skipped`.
        text: what the check saw.
    """

    state: Literal["ok", "wrong", "skipped"]
    text: str


@dataclass(frozen=True)
class Registry:
    """A registry that codespaces log in to.

    Attributes:
        name: the name of the component.
        organization: the organization.
        prefix: the prefix of the names of its three secrets.
        server: the value of the SERVER secret; empty if the value is not a valid host, and so cannot be shown.
        problem: the reason why the registry cannot be asked; empty if it can.
        login: the values of the secrets.
        images: images that must be readable, without the host.
        listed: the ECR repositories that the user's policies list by name.
        grants_any: whether the policies allow repositories of any name, by a pattern.
        has_user: whether the stack has the user, so that the user may do only what the policies list.
        suspended: whether the user is denied everything.
    """

    name: str
    organization: str
    prefix: str
    server: str
    problem: str
    login: RegistryCredentials = field(repr=False)
    images: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    grants_any: bool = False
    has_user: bool = False
    suspended: bool = False


@dataclass(frozen=True)
class Verdict:
    """A registry and the result of each of `CHECKS`."""

    registry: Registry
    checks: dict[str, Check]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.state != "wrong" for check in self.checks.values())


def read_registries(stack: Stack) -> list[Registry]:
    """The registries of a stack with clear secrets, by name."""
    registries = [
        _registry(access, triple, stack) for access in stack.accesses.values() for triple in triples_in(access.secrets)
    ]
    return sorted(registries, key=lambda registry: (registry.name, registry.prefix))


def select_registries(registries: list[Registry], only: str | None) -> list[Registry]:
    """The registries whose component, prefix or host has the name `only`; all registries without a name.

    Raises:
        RuleViolation: no registry has that name, or the stack has no registry.
    """
    if not registries:
        raise RuleViolation("stack", "the stack has no registry.")
    if only is None:
        return registries
    selected = [registry for registry in registries if only in (registry.name, registry.prefix, registry.server)]
    if not selected:
        names = {name for registry in registries for name in (registry.name, registry.server) if name}
        guess = did_you_mean(only, names)
        components = ", ".join(dict.fromkeys(registry.name for registry in registries))
        raise RuleViolation("registry", f"the stack has no registry {only!r}, only {components}{guess or '.'}")
    return selected


def with_images(registries: Iterable[Registry], images: Iterable[str]) -> list[Registry]:
    """The registries, with further images that must be readable.

    Args:
        registries: the registries.
        images: the names of images, as docker takes them: `host/repository:tag`, on Docker Hub also without a host.

    Raises:
        RuleViolation: an image belongs to none of the registries.
    """
    result = list(registries)
    for image in images:
        host, name = split_host(image)
        if not any(same_registry(registry.server, host) for registry in result):
            servers = ", ".join(sorted({registry.server for registry in result}))
            raise RuleViolation("image", f"image {image!r} is from {host}, but codespaces log in only to {servers}.")
        result = [
            _with_image(registry, name) if same_registry(registry.server, host) else registry for registry in result
        ]
    return result


def _with_image(registry: Registry, image: str) -> Registry:
    return replace(registry, images=tuple(dict.fromkeys((*registry.images, image))))


async def verify(registries: Iterable[Registry], unlisted: str | None = None) -> list[Verdict]:
    """Ask each registry once, without retries.

    Args:
        registries: the registries.
        unlisted: an ECR repository that must not be readable; by default a repository that does not exist.
    """
    gate = asyncio.Semaphore(_CONCURRENT)
    return list(await asyncio.gather(*(_verdict(registry, unlisted, gate) for registry in registries)))


def cells(verdict: Verdict) -> list[str]:
    """A row for a table: the registry, its host, and the result of each of `CHECKS`."""
    words = {"wrong": "WRONG", "skipped": "-"}
    checks = [verdict.checks[name] for name in CHECKS]
    results = [words.get(check.state, check.text) for check in checks]
    return [verdict.registry.name, verdict.registry.server or "(unknown)", *results]


def notes(verdicts: Iterable[Verdict]) -> list[str]:
    """A line for each check that is wrong or was skipped."""
    return [
        f"{verdict.registry.name} ({verdict.registry.prefix}): {name} {_WORDS[check.state]}: {check.text}"
        for verdict in verdicts
        for name, check in verdict.checks.items()
        if check.state != "ok"
    ]


def as_json(verdicts: Iterable[Verdict]) -> str:
    """A list of objects: `registry`, `organization`, `secrets`, `server`, `ok`, and `checks` by name."""
    shown = [
        {
            "registry": verdict.registry.name,
            "organization": verdict.registry.organization,
            "secrets": verdict.registry.prefix,
            "server": verdict.registry.server or None,
            "ok": verdict.ok,
            "checks": {name: asdict(check) for name, check in verdict.checks.items()},
        }
        for verdict in verdicts
    ]
    return json.dumps(shown, indent=2) + "\n"


# -- what the state says


def _registry(access: Access, triple: Triple, stack: Stack) -> Registry:
    secrets = stack.clear[access.urn]
    # After a failed update the inputs hold values that were not written. The outputs hold the written ones.
    values = plain_map(secrets.inputs.get("secrets")) | plain_map(secrets.outputs.get("secrets"))
    user, password, server = (str(values.get(name) or "") for name in triple.names)
    problem = _problem(user, password, server)
    shown = "" if problem and _problem("user", "password", server) else server
    repositories = [(grant, repository_in(grant.resource, server)) for grant in access.grants]
    granted = {name for grant, name in repositories if name and grant.action in PULL_ACTIONS and not grant.condition}
    return Registry(
        name=access.name,
        organization=access.owner,
        prefix=triple.prefix,
        server=shown,
        problem=problem,
        login=RegistryCredentials(server, user, password),
        images=tuple(_probe_images(secrets, server, stack)),
        listed=tuple(sorted(name for name in granted if not set(name) & set("*?"))),
        grants_any=any(fnmatchcase(_NO_REPOSITORY, pattern) for pattern in granted),
        has_user=bool(access.user),
        suspended=access.suspended,
    )


def _problem(user: str, password: str, server: str) -> str:
    if not (user and password and server):
        return "the state does not have the values of the secrets; run `pulumi up`."
    try:
        check_server(server)
        check_credentials(server, user, password)
    except RuleViolation as violation:
        return str(violation)
    return ""


def _probe_images(secrets: Resource, server: str, stack: Stack) -> Iterable[str]:
    for resource in stack.clear.values():
        if resource.type not in _VERIFIED or resource.parent != secrets.parent:
            continue
        for image in plain_list(resource.inputs.get("probeImages")):
            host, name = split_host(image)
            if same_registry(host, server):
                yield name
            elif same_registry(host, DOCKER_HUB):
                # A `RegistryLogin` may name its images without their host.
                yield image


# -- what the registry says


async def _verdict(registry: Registry, unlisted: str | None, gate: asyncio.Semaphore) -> Verdict:
    async def gated(request: Coroutine[Any, Any, Any]) -> Any:
        async with gate:
            return await request

    login_check, login = await gated(_log_in(registry))
    if login is None:
        reason = "suspended" if login_check.state == "ok" else "the login failed"
        return Verdict(registry, {"login": login_check} | dict.fromkeys(CHECKS[1:], Check("skipped", reason)))
    with_image = dict.fromkeys(split_image(image)[0] for image in registry.images)
    without_image = [repository for repository in registry.listed if repository not in with_image]
    pulls = [gated(_may_read(login, image)) for image in registry.images]
    pulls += [gated(_has_right(login, repository)) for repository in without_image]
    pushes = [gated(_may_not_push(login, repository)) for repository in (*with_image, *without_image)]
    others = [gated(_may_not_read(login, unlisted or _NO_REPOSITORY))] if _asks_others(registry, unlisted) else []
    problems = await asyncio.gather(*pulls, *pushes, *others)
    first, second = len(pulls), len(pulls) + len(pushes)
    no_names = "no repository is known by name; give --image"
    return Verdict(registry, {
        "login": login_check,
        "pull": _joined(problems[:first], _counted(len(registry.images), len(without_image)), no_names),
        "push": _joined(problems[first:second], "refused", no_names),
        "others": _joined(problems[second:], "refused", _why_no_others(registry)),
    })  # fmt: skip


def _why_no_others(registry: Registry) -> str:
    """The reason why no other repository is asked for."""
    if not _is_ecr(registry.server):
        return "only checked at Amazon ECR"
    return (
        "every repository is listed" if registry.grants_any else "the listed repositories are unknown; give --unlisted"
    )


async def _log_in(registry: Registry) -> tuple[Check, RegistryCredentials | None]:
    """The result of the login, and the login if it works."""
    if registry.problem:
        return Check("wrong", registry.problem), None
    login = registry.login
    try:
        if ecr_pair(login.server, login.user):
            login = await swapped(AccessKey(login.user, login.password), login.server)
        await try_login(login, ())
    except CloudError as error:
        if registry.suspended and error.status == FORBIDDEN:
            return Check("ok", "suspended"), None
        return Check("wrong", str(error)), None
    if registry.suspended:
        return Check("wrong", "the user is suspended, but its key still logs in"), login
    return Check("ok", "ok"), login


async def _may_read(login: RegistryCredentials, image: str) -> str:
    """The problem with the pull of an image, or ""."""

    def judge(status: int) -> str:
        if 200 <= status < 300:
            return ""
        if status == 404:
            return f"image {image} does not exist"
        if status in _REFUSED:
            return f"reading {image} is refused ({status})"
        return f"reading {image}: answer {status}"

    return await _problem_of(manifest_status(login, image), judge)


async def _has_right(login: RegistryCredentials, repository: str) -> str:
    def judge(status: int) -> str:
        # A 404 means that the credentials may read: without the right, ECR answers 403.
        if 200 <= status < 300 or status == 404:
            return ""
        if status in _REFUSED:
            return f"reading from {repository} is refused ({status})"
        return f"reading from {repository}: answer {status}"

    return await _problem_of(manifest_status(login, f"{repository}:{_NO_IMAGE}"), judge)


async def _may_not_push(login: RegistryCredentials, repository: str) -> str:
    is_ecr = _is_ecr(login.server)

    def judge(status: int) -> str:
        # ECR checks the policies first, so a 404 from ECR means that the push is allowed. Other registries answer 404
        # for a repository that the credentials may not see, and some do not support pushes (405).
        if status in (*_REFUSED, 405) or (status == 404 and not is_ecr):
            return ""
        if 200 <= status < 300:
            return f"a push to {repository} is accepted ({status}; the push was canceled)"
        return f"a push to {repository} is not refused ({status})"

    return await _problem_of(push_status(login, repository), judge)


async def _may_not_read(login: RegistryCredentials, repository: str) -> str:
    def judge(status: int) -> str:
        if status in _REFUSED:
            return ""
        return f"reading from {repository}, which is not listed, is not refused ({status})"

    return await _problem_of(manifest_status(login, f"{repository}:{_NO_IMAGE}"), judge)


async def _problem_of(request: Coroutine[Any, Any, int], judge: Callable[[int], str]) -> str:
    try:
        return judge(await request)
    except CloudError as error:
        return str(error)


def _asks_others(registry: Registry, unlisted: str | None) -> bool:
    if not _is_ecr(registry.server):
        return False
    return bool(unlisted) or (registry.has_user and not registry.grants_any)


def _is_ecr(server: str) -> bool:
    return service_of(server) is Service.AMAZON_ECR


def _joined(problems: list[str], ok_text: str, skipped_text: str) -> Check:
    """One result for several requests. A request without a problem has an empty text."""
    if not problems:
        return Check("skipped", skipped_text)
    wrong = [problem for problem in problems if problem]
    return Check("wrong", "; ".join(wrong)) if wrong else Check("ok", ok_text)


def _counted(images: int, repositories: int) -> str:
    parts = [(images, "image", "images"), (repositories, "repository", "repositories")]
    return ", ".join(counted(*part) for part in parts if part[0])
