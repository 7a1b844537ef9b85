"""Does with the credentials of a stack what GitHub does when a codespace starts, and what must be refused."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from .plugin.ecr_client import FORBIDDEN, AccessKey, swapped
from .plugin.failures import CloudError
from .plugin.registry_client import Login, manifest_status, push_status, split_image, try_login
from .plugin.values import Secret, plain_map, reveal
from .review.access import accesses
from .review.auditing import repository_in
from .review.digest import read_state
from .rules import RuleViolation
from .rules.policies import PULL_ACTIONS
from .rules.registries import DOCKER_HUB, check_server, known_registry, same_registry, split_host
from .rules.registry_logins import check_credentials, ecr_pair
from .rules.secret_names import Triple, triples_in
from .rules.suggestions import did_you_mean
from .rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from .review.access import Access
    from .review.digest import Digest, Resource

CHECKS = ("login", "pull", "push", "others")
_VERIFIED = ("codespaces:index:VerifiedEcrKey", "codespaces:index:VerifiedLogin")
_CONCURRENT = 8
_REFUSED = (401, 403)
_WORDS = {"wrong": "WRONG", "skipped": "not checked"}
_NO_IMAGE = "codespaces-verify-no-such-tag"
"""Asked for where no image is known: the answer tells the right from its lack, and no pull is counted."""
_NO_REPOSITORY = "codespaces-verify/no-such-repository"


@dataclass(frozen=True)
class Check:
    """How one check went.

    Attributes:
        state: `ok`, `wrong`, or `skipped`.
        text: what was seen.
    """

    state: Literal["ok", "wrong", "skipped"]
    text: str


@dataclass(frozen=True)
class Registry:
    """A registry that codespaces log in to.

    Attributes:
        name: of the component.
        organization: the organization.
        prefix: what the names of its three secrets begin with.
        server: the value of the SERVER secret; empty if that is none that could be shown.
        problem: why nothing can be asked; empty if that is not so.
        login: the values of the secrets.
        images: images that must be readable, without the host.
        listed: the ECR repositories that the user's policies list by name.
        grants_any: whether those list a repository of whatever name, by a pattern.
        has_user: whether the user is one of the stack, so that it may do nothing but what is listed.
        suspended: whether the user is denied everything.
    """

    name: str
    organization: str
    prefix: str
    server: str
    problem: str
    login: Login = field(repr=False)
    images: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    grants_any: bool = False
    has_user: bool = False
    suspended: bool = False


@dataclass(frozen=True)
class Verdict:
    """A registry and how each of `CHECKS` went."""

    registry: Registry
    checks: dict[str, Check]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(one.state != "wrong" for one in self.checks.values())


def registries(state: str) -> list[Registry]:
    """The registries of a stack, by name.

    Args:
        state: what `pulumi stack export --show-secrets` printed.

    Raises:
        NoDigest: it is no state.
    """
    digest = read_state(state, Secret)
    known = {one.urn: one for one in digest.after}
    found = [
        _registry(access, triple, known[access.urn], digest)
        for access in accesses(read_state(state).after).values()
        for triple in triples_in(access.secrets)
    ]
    return sorted(found, key=lambda it: (it.name, it.prefix))


def chosen(found: list[Registry], only: str | None) -> list[Registry]:
    """The registries that are meant: by the name of the component, the prefix or the host; all if nothing is given.

    Raises:
        RuleViolation: there is none.
    """
    if not found:
        raise RuleViolation("stack", "the stack has no registry.")
    if only is None:
        return found
    names = [(one.name, one.prefix, one.server) for one in found]
    meant = [one for one, named in zip(found, names, strict=True) if only in named]
    if not meant:
        guess = did_you_mean(only, {name for one in found for name in (one.name, one.server) if name})
        there = ", ".join(dict.fromkeys(one.name for one in found))
        raise RuleViolation("registry", f"registry {only!r}: the stack has {there}{guess or '.'}")
    return meant


def with_images(found: Iterable[Registry], images: Iterable[str]) -> list[Registry]:
    """The registries, with further images that must be readable.

    Args:
        found: the registries.
        images: as docker takes them: `host/repository:tag`, or those of Docker Hub without a host.

    Raises:
        RuleViolation: an image is of none of the registries.
    """
    rest = list(found)
    for image in images:
        host, name = split_host(image)
        if not any(same_registry(one.server, host) for one in rest):
            there = ", ".join(sorted({one.server for one in rest}))
            raise RuleViolation("image", f"image {image!r} is of {host}, to which codespaces do not log in: {there}.")
        rest = [
            replace(one, images=tuple(dict.fromkeys((*one.images, name)))) if same_registry(one.server, host) else one
            for one in rest
        ]
    return rest


async def verify(found: Iterable[Registry], unlisted: str | None = None) -> list[Verdict]:
    """Ask each registry, once and without patience.

    Args:
        found: the registries.
        unlisted: an ECR repository that must not be readable; by default one that does not exist.
    """
    gate = asyncio.Semaphore(_CONCURRENT)
    return list(await asyncio.gather(*(_verdict(one, unlisted, gate) for one in found)))


def cells(verdict: Verdict) -> list[str]:
    """A row for a table: the registry, its host, and how each of `CHECKS` went."""
    words = {"wrong": "WRONG", "skipped": "-"}
    checks = [words.get(one.state, one.text) for one in (verdict.checks[check] for check in CHECKS)]
    return [verdict.registry.name, verdict.registry.server or "(unknown)", *checks]


def notes(verdicts: Iterable[Verdict]) -> list[str]:
    """A line for each check that is wrong or was left out."""
    return [
        f"{one.registry.name} ({one.registry.prefix}): {name} {_WORDS[check.state]}: {check.text}"
        for one in verdicts
        for name, check in one.checks.items()
        if check.state != "ok"
    ]


def as_json(verdicts: Iterable[Verdict]) -> str:
    """A list of objects: `registry`, `organization`, `secrets`, `server`, `ok`, and `checks` by name."""
    shown = [
        {
            "registry": one.registry.name,
            "organization": one.registry.organization,
            "secrets": one.registry.prefix,
            "server": one.registry.server or None,
            "ok": one.ok,
            "checks": {name: asdict(check) for name, check in one.checks.items()},
        }
        for one in verdicts
    ]
    return json.dumps(shown, indent=2) + "\n"


# -- what the state says


def _registry(access: Access, triple: Triple, secrets: Resource, digest: Digest) -> Registry:
    # The outputs are what was written; a failed update leaves the inputs ahead of them.
    values = plain_map(secrets.inputs.get("secrets")) | plain_map(secrets.outputs.get("secrets"))
    user, password, server = (str(values.get(name) or "") for name in triple.names)
    problem = _problem(user, password, server)
    shown = "" if problem and _problem("user", "password", server) else server
    hosted = [(grant, repository_in(grant.resource, server)) for grant in access.grants]
    granted = {name for grant, name in hosted if name and grant.action in PULL_ACTIONS and not grant.condition}
    return Registry(
        name=access.name,
        organization=access.owner,
        prefix=triple.prefix,
        server=shown,
        problem=problem,
        login=Login(server, user, password),
        images=tuple(_probe_images(secrets, server, digest)),
        listed=tuple(sorted(name for name in granted if not set(name) & set("*?"))),
        grants_any=any(fnmatchcase(_NO_REPOSITORY, pattern) for pattern in granted),
        has_user=bool(access.user),
        suspended=access.suspended,
    )


def _problem(user: str, password: str, server: str) -> str:
    if not (user and password and server):
        return "the state does not hold the values of its secrets; run `pulumi up`."
    try:
        check_server(server)
        check_credentials(server, user, password)
    except RuleViolation as violation:
        return str(violation)
    return ""


def _probe_images(secrets: Resource, server: str, digest: Digest) -> Iterable[str]:
    for one in digest.after:
        if one.type not in _VERIFIED or one.parent != secrets.parent:
            continue
        images: list[str] = reveal(one.inputs.get("probeImages")) or []
        for image in images:
            host, name = split_host(image)
            if same_registry(host, server):
                yield name
            elif same_registry(host, DOCKER_HUB):
                # Those of a `RegistryLogin` may be named without their host.
                yield image


# -- what the registry says


async def _verdict(registry: Registry, unlisted: str | None, gate: asyncio.Semaphore) -> Verdict:
    async def gated(asking: Coroutine[Any, Any, Any]) -> Any:
        async with gate:
            return await asking

    entered, login = await gated(_enter(registry))
    if login is None:
        why = "suspended" if entered.state == "ok" else "there is no login"
        return Verdict(registry, {"login": entered} | dict.fromkeys(CHECKS[1:], Check("skipped", why)))
    with_image = dict.fromkeys(split_image(image)[0] for image in registry.images)
    by_right = [one for one in registry.listed if one not in with_image]
    pulls = [gated(_may_read(login, image)) for image in registry.images]
    pulls += [gated(_has_right(login, one)) for one in by_right]
    pushes = [gated(_may_not_push(login, one)) for one in (*with_image, *by_right)]
    others = [gated(_may_not_read(login, unlisted or _NO_REPOSITORY))] if _asks_others(registry, unlisted) else []
    asked = await asyncio.gather(*pulls, *pushes, *others)
    first, second = len(pulls), len(pulls) + len(pushes)
    nothing = "no repository is known by name; give --image"
    no_others = "every repository is listed" if registry.grants_any else "what is listed is not known; give --unlisted"
    return Verdict(registry, {
        "login": entered,
        "pull": _joined(asked[:first], _counted(len(registry.images), len(by_right)), nothing),
        "push": _joined(asked[first:second], "refused", nothing),
        "others": _joined(asked[second:], "refused", no_others if _is_ecr(registry) else "for Amazon ECR alone"),
    })  # fmt: skip


async def _enter(registry: Registry) -> tuple[Check, Login | None]:
    """Log in; gives the login that works."""
    if registry.problem:
        return Check("wrong", registry.problem), None
    login = registry.login
    try:
        if ecr_pair(login.server, login.user):
            login = await swapped(AccessKey(login.user, login.password), login.server)
        await try_login(login, ())
    except CloudError as refused:
        if registry.suspended and refused.status == FORBIDDEN:
            return Check("ok", "suspended"), None
        return Check("wrong", str(refused)), None
    if registry.suspended:
        return Check("wrong", "the user is suspended, and its key logs in nevertheless"), login
    return Check("ok", "ok"), login


async def _may_read(login: Login, image: str) -> str:
    """What is wrong with the pull of an image; "" for nothing."""

    def judge(status: int) -> str:
        if 200 <= status < 300:
            return ""
        if status == 404:
            return f"there is no image {image}"
        return f"reading {image} is refused ({status})" if status in _REFUSED else f"reading {image}: answer {status}"

    return await _asked(manifest_status(login, image), judge)


async def _has_right(login: Login, repository: str) -> str:
    def judge(status: int) -> str:
        # There is no such image, which is for those to know who may read.
        if 200 <= status < 300 or status == 404:
            return ""
        what = f"reading from {repository}"
        return f"{what} is refused ({status})" if status in _REFUSED else f"{what}: answer {status}"

    return await _asked(manifest_status(login, f"{repository}:{_NO_IMAGE}"), judge)


async def _may_not_push(login: Login, repository: str) -> str:
    is_ecr = _is_ecr_server(login.server)

    def judge(status: int) -> str:
        # ECR asks the policies first; others do not show what one may not see, and some take no pushes at all.
        if status in (*_REFUSED, 405) or (status == 404 and not is_ecr):
            return ""
        if 200 <= status < 300:
            return f"a push to {repository} is accepted ({status}; it was broken off)"
        return f"a push to {repository} is not refused ({status})"

    return await _asked(push_status(login, repository), judge)


async def _may_not_read(login: Login, repository: str) -> str:
    def judge(status: int) -> str:
        return (
            "" if status in _REFUSED else f"reading from {repository}, which is not listed, is not refused ({status})"
        )

    return await _asked(manifest_status(login, f"{repository}:{_NO_IMAGE}"), judge)


async def _asked(asking: Coroutine[Any, Any, int], judge: Callable[[int], str]) -> str:
    try:
        return judge(await asking)
    except CloudError as error:
        return str(error)


def _asks_others(registry: Registry, unlisted: str | None) -> bool:
    if not _is_ecr(registry):
        return False
    return bool(unlisted) or (registry.has_user and not registry.grants_any)


def _is_ecr(registry: Registry) -> bool:
    return _is_ecr_server(registry.server)


def _is_ecr_server(server: str) -> bool:
    known = known_registry(server)
    return known is not None and known.name == "Amazon ECR"


def _joined(problems: list[str], right: str, nothing: str) -> Check:
    if not problems:
        return Check("skipped", nothing)
    wrong = [one for one in problems if one]
    return Check("wrong", "; ".join(wrong)) if wrong else Check("ok", right)


def _counted(images: int, repositories: int) -> str:
    parts = [(images, "image", "images"), (repositories, "repository", "repositories")]
    return ", ".join(counted(*part) for part in parts if part[0])
