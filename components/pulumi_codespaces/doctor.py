"""What `codespaces doctor` finds: states, GitHub and AWS are read, nothing is changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from .access_report import providers_of, reached
from .plugin.configuration import configure
from .plugin.failures import CloudError, PluginError
from .plugin.github_client import GitHub
from .plugin.iam_client import holdings
from .plugin.resources.package_check import compared
from .plugin.secret_client import Place, Secrets
from .review import checkup
from .review.checkup import Finding, Held, Kept, Listed
from .review.digest import is_known, read_state, stack_outputs
from .rules import RuleViolation
from .rules.devcontainers import images_in, needs_login, parse_devcontainer, registries_of
from .rules.packages import DEVCONTAINER_PATHS, Package
from .rules.secret_names import incomplete_triples, triples_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from .review.digest import Resource

_CONCURRENT = 5
_REPOSITORIES = 300
"""So many repositories of an organization at most are looked at, each by a few requests."""
_FILES = 5
"""So many files at most that a devcontainer.json names are read."""
_PACKAGE_CHECK = "codespaces:index:PackageCheck"


@dataclass
class _Organization:
    """What the stacks say of an organization.

    Attributes:
        name: the organization.
        provider: the inputs of the provider by which its secrets are written.
        kept: the secrets.
        packages: each declared package, with its stack.
    """

    name: str
    provider: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    kept: list[Kept] = field(default_factory=list[Kept])
    packages: list[tuple[str, Package]] = field(default_factory=list[tuple[str, Package]])


def diagnose(
    states: Sequence[str],
    now: datetime,
    *,
    max_age_days: int,
    unused_days: int,
    progress: Callable[[str], None] = print,
) -> list[Finding]:
    """Look for what is wrong with the registry access of some stacks.

    Args:
        states: what `pulumi stack export --show-secrets` printed of each.
        now: for ages.
        max_age_days: how old a published access key may be.
        unused_days: after how many days a key that nobody used counts as needed by nobody.
        progress: told what is being waited for.

    Raises:
        NoDigest: it is no state.
    """
    organizations: dict[str, _Organization] = {}
    findings: list[Finding] = []
    for state in states:
        digest = read_state(state)
        stack = digest.stack.rpartition("/")[2]
        findings += checkup.endings(stack, stack_outputs(state), now)
        for kept in checkup.kept_by(digest):
            _of(organizations, kept.access.owner).kept.append(kept)
        for package in _packages(digest.after):
            _of(organizations, package.organization).packages.append((stack, package))
        for name, provider in providers_of(state).items():
            one = _of(organizations, name)
            one.provider = one.provider or provider
    for one in organizations.values():
        for kept in one.kept:
            findings += _user(kept, now, max_age_days=max_age_days, unused_days=unused_days)
    findings += asyncio.run(_at_github(list(organizations.values()), progress))
    return checkup.in_order(findings)


def _of(organizations: dict[str, _Organization], name: str) -> _Organization:
    return organizations.setdefault(name.lower(), _Organization(name))


def _packages(resources: Iterable[Resource]) -> list[Package]:
    known = {one.urn: one for one in resources}
    found: list[Package] = []
    for one in known.values():
        if one.type != _PACKAGE_CHECK:
            continue
        provider = known.get(one.provider.rpartition("::")[0])
        owner: Any = provider.inputs.get("owner") if provider else ""
        given = [one.inputs.get(name) for name in ("packageType", "package", "repository", "visibility")]
        if is_known(owner) and all(isinstance(text, str) and is_known(text) for text in given):
            kind, name, repository, visibility = cast("list[str]", given)
            inherits = one.inputs.get("inherits") is not False
            found.append(Package(str(owner), kind, name, repository, visibility, inherits=inherits))
    return found


def _user(kept: Kept, now: datetime, *, max_age_days: int, unused_days: int) -> list[Finding]:
    user = kept.access.user
    if not user:
        return []
    try:
        has = holdings(user, kept.user_arn, [kept.access.key_id])
    except CloudError as error:
        account = kept.user_arn.split(":")[4] if kept.user_arn.count(":") > 4 else ""
        whose = f"account {account}" if account else "its account"
        way_out = f"codespaces doctor --stack {kept.stack}, with AWS credentials of {whose}"
        return [checkup.unseen(f"user {user}", f"its access keys and policies were not looked at: {error}.", way_out)]
    found = checkup.key_findings(kept, has.keys, now, max_age_days=max_age_days, unused_days=unused_days)
    return found + checkup.policy_findings(kept, has.inline, has.attached)


async def _at_github(organizations: Sequence[_Organization], progress: Callable[[str], None]) -> list[Finding]:
    found: list[Finding] = []
    for one in organizations:
        if not one.kept and not one.packages:
            continue
        try:
            github = GitHub(configure({**one.provider, "owner": one.name}), progress)
        except (PluginError, RuleViolation) as error:
            found.append(checkup.unseen(f"organization {one.name}", f"{error}", "export GITHUB_TOKEN=…"))
            continue
        try:
            found += await _Checkup(github, one).findings()
        finally:
            await github.close()
    return found


class _Checkup:
    """Asks GitHub about one organization."""

    def __init__(self, github: GitHub, organization: _Organization) -> None:
        self._github = github
        self._known = organization
        self._gate = asyncio.Semaphore(_CONCURRENT)
        self._found: list[Finding] = []
        self._unread: dict[str, list[tuple[str, CloudError]]] = {}

    async def findings(self) -> list[Finding]:
        """What is wrong in the organization."""
        kept = self._known.kept
        held = await self._organization() if any(one.of_organization for one in kept) else None
        readers = await self._readers()
        names = sorted(readers)
        left = names[_REPOSITORIES:]
        if left:
            self._found.append(checkup.unseen(
                f"organization {self._known.name}",
                f"the Codespaces secrets and the devcontainer.json of {checkup.some(left)} were not looked at: of "
                f"{len(names)} repositories, {_REPOSITORIES} were.",
                f"gh secret list --app codespaces --repo {self._known.name}/{left[0]}, and so on",
            ))  # fmt: skip
        await asyncio.gather(
            *(self._repository(name, held, readers[name]) for name in names[:_REPOSITORIES]),
            *(self._package(stack, package) for stack, package in self._known.packages),
        )
        for what, refused in self._unread.items():
            self._found.append(
                checkup.unseen(
                    f"organization {self._known.name}",
                    f"{what} of {checkup.some([name for name, _ in refused])} could not be looked at: {refused[0][1]}",
                    "codespaces doctor, with the credentials that the message asks for",
                )
            )
        return self._found

    def _not_read(self, what: str, name: str, error: CloudError) -> None:
        self._unread.setdefault(what, []).append((name, error))

    async def _organization(self) -> Held | None:
        """The organization's secrets; None if they cannot be listed."""
        secrets = Secrets(self._github, Place(self._known.name))
        try:
            listed = await secrets.secrets()
        except CloudError as error:
            self._not_read("the Codespaces secrets", str(secrets.place), error)
            return None

        async def readers(name: str) -> dict[int, str] | None:
            if listed[name].visibility != "selected":
                return None
            try:
                async with self._gate:
                    return await secrets.secret_repositories(name)
            except CloudError as error:
                self._not_read("the repositories", f"secret {name}", error)
                return None

        repositories = await asyncio.gather(*map(readers, listed))
        held = Held(str(secrets.place), secrets.place.flags, {
            name: Listed(one.updated_at, one.visibility, selected)
            for (name, one), selected in zip(listed.items(), repositories, strict=True)
        })  # fmt: skip
        ours = [one for one in self._known.kept if one.of_organization]
        managed = {name for one in ours for name in one.written_at}
        self._found += [
            *checkup.names_that_miss(held, managed),
            *checkup.without_readers(held, managed),
            *checkup.room(held),
            *(finding for one in ours for finding in checkup.changed_outside(one, held)),
        ]
        return held

    async def _readers(self) -> dict[str, list[Kept]]:
        """The repositories that get secrets of the stacks, and which."""
        found: dict[str, list[Kept]] = {}
        for one in self._known.kept:
            names = one.access.readers.names
            if one.access.readers.visibility in ("private", "all"):
                try:
                    every = await self._github.repositories()
                except CloudError as error:
                    self._not_read("the repositories", f"organization {self._known.name}", error)
                    continue
                names = frozenset(it.name for it in reached(every, one.access.readers.visibility))
            for name in names:
                found.setdefault(name, []).append(one)
        return found

    async def _repository(self, name: str, above: Held | None, kept: Sequence[Kept]) -> None:
        secrets = Secrets(self._github, Place(self._known.name, name))
        own = Held(str(secrets.place), secrets.place.flags, {})
        try:
            async with self._gate:
                listed = await secrets.secrets()
            own = Held(own.place, own.flags, {one.name: Listed(one.updated_at) for one in listed.values()})
        except CloudError as error:
            self._not_read("the Codespaces secrets", str(secrets.place), error)
        else:
            ours = [one for one in kept if one.repository == name]
            managed = {it for one in ours for it in one.written_at}
            reaching = await self._reaching(name, above, own)
            self._found += [
                *checkup.mixtures(reaching, own, self._known.name),
                *checkup.names_that_miss(own, managed, reaching),
                *(checkup.room(own) if own.secrets else ()),
                *(finding for one in ours for finding in checkup.changed_outside(one, own)),
            ]
        await self._devcontainer(name, above, own, kept)

    async def _reaching(self, name: str, above: Held | None, own: Held) -> list[str]:
        """The names of the organization's secrets that could make up a login with those of a repository."""
        if above is None or not incomplete_triples(own.secrets):
            return []
        found: list[Any] = []
        if any(one.visibility == "private" for one in above.secrets.values()):
            try:
                found = await self._github.repositories_named([name])
            except CloudError as error:
                self._not_read("the visibility", f"repository {name}", error)
        return checkup.reaching(above, name, public=any(one.visibility == "public" for one in found))

    async def _devcontainer(self, name: str, above: Held | None, own: Held, kept: Sequence[Kept]) -> None:
        try:
            async with self._gate:
                images = await self._images(name)
        except (CloudError, RuleViolation) as error:
            refused = error if isinstance(error, CloudError) else CloudError(str(error))
            self._not_read("the devcontainer.json", f"repository {name}", refused)
            return
        known = [server for one in self._known.kept for server in one.access.servers]
        hosts = [host for host in registries_of(images) if needs_login(host, known)]
        got = {*own.secrets, *(checkup.reaching(above, name, public=False) if above else ())}
        ours = {it for one in kept for it in one.access.secrets}
        strangers = [triple.prefix for triple in triples_in(got) if not {*triple.names} <= ours]
        place, urns = f"{self._known.name}/{name}", [one.access.urn for one in kept]
        self._found += checkup.hosts_without_login(place, hosts, self._known.kept, urns, strangers)

    async def _images(self, name: str) -> list[str]:
        """The images that the development container of a repository is made of."""
        for path in DEVCONTAINER_PATHS:
            text = await self._github.file(name, path)
            if text is None:
                continue
            found = parse_devcontainer(text, path)
            more = [await self._github.file(name, one) for one in found.files[:_FILES]]
            return [*found.images, *(image for one in more if one is not None for image in images_in(one))]
        return []

    async def _package(self, stack: str, package: Package) -> None:
        try:
            async with self._gate:
                differences, _, _ = await compared(self._github, package)
        except CloudError as error:
            self._not_read("the link and the visibility", f"package {package.name}", error)
            return
        self._found += checkup.package_findings(stack, package.name, differences, package.settings_url)
