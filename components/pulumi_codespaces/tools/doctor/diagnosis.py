"""Reads states, GitHub and AWS, and applies the rules of the modules beside. It changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ...clients.codespaces_secrets import Place, Secrets
from ...clients.concurrency import gather_limited
from ...clients.credentials import configure
from ...clients.errors import ActionableError, CloudError
from ...clients.github import GitHub
from ...clients.iam import holdings
from ...clients.packages import compared
from ...rules import RuleViolation
from ...rules.devcontainers import DEVCONTAINER_PATHS, images_in, needs_login, parse_devcontainer, registries_of
from ...rules.packages import Package
from ...rules.secret_names import incomplete_triples, triples_in
from ...rules.wording import shortened
from ...state.resources import is_known
from ..access import reached
from .credentials import endings, key_findings, policy_findings
from .finding import Finding, in_order, unseen
from .packages import hosts_without_login, package_findings
from .secrets import (
    changed_outside,
    double_logins,
    mixtures,
    name_findings,
    room,
    visible_secret_names,
    without_readers,
)
from .stacks import LiveSecret, LiveSecrets, ManagedSecrets, managed_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from ...state.resources import Resource
    from ...state.stack import Stack

_CONCURRENT = 5
_REPOSITORIES = 300
"""Maximum number of repositories of an organization that are looked at. Each takes a few requests."""
_FILES = 5
"""Maximum number of files named by a devcontainer.json that are read."""
_PACKAGE_CHECK = "codespaces:index:PackageCheck"


@dataclass
class _Organization:
    """An organization as the stacks declare it.

    Attributes:
        name: the organization.
        provider: the inputs of the provider that writes its secrets.
        secret_sets: the secrets that the stacks manage.
        packages: each declared package, with its stack.
    """

    name: str
    provider: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    secret_sets: list[ManagedSecrets] = field(default_factory=list[ManagedSecrets])
    packages: list[tuple[str, Package]] = field(default_factory=list[tuple[str, Package]])


def diagnose(
    stacks: Sequence[Stack],
    now: datetime,
    *,
    max_age_days: int,
    unused_days: int,
    progress: Callable[[str], None] = print,
) -> list[Finding]:
    """Look for problems in the registry access of some stacks.

    Args:
        stacks: the stacks, with clear secrets.
        now: the time that ages are measured from.
        max_age_days: the maximum age of a published access key.
        unused_days: the number of days without use after which a key counts as needed by nobody.
        progress: called with a message when the run has to wait.
    """
    organizations: dict[str, _Organization] = {}
    findings: list[Finding] = []
    for stack in stacks:
        findings += endings(stack.name, stack.outputs, now)
        for secret_set in managed_secrets(stack):
            _find_or_add(organizations, secret_set.access.owner).secret_sets.append(secret_set)
        for package in _packages(stack.resources):
            _find_or_add(organizations, package.organization).packages.append((stack.name, package))
        for name, provider in stack.providers.items():
            organization = _find_or_add(organizations, name)
            organization.provider = organization.provider or provider
    for organization in organizations.values():
        findings += double_logins(organization.secret_sets)
        for secret_set in organization.secret_sets:
            findings += _user_findings(secret_set, now, max_age_days=max_age_days, unused_days=unused_days)
    findings += asyncio.run(_github_findings(list(organizations.values()), progress))
    return in_order(findings)


def _find_or_add(organizations: dict[str, _Organization], name: str) -> _Organization:
    return organizations.setdefault(name.lower(), _Organization(name))


def _packages(resources: Iterable[Resource]) -> list[Package]:
    by_urn = {resource.urn: resource for resource in resources}
    packages: list[Package] = []
    for check in by_urn.values():
        if check.type != _PACKAGE_CHECK:
            continue
        provider = by_urn.get(check.provider.rpartition("::")[0])
        owner: Any = provider.inputs.get("owner") if provider else ""
        values = [check.inputs.get(name) for name in ("packageType", "package", "repository", "visibility")]
        if is_known(owner) and all(isinstance(value, str) and is_known(value) for value in values):
            kind, name, repository, visibility = cast("list[str]", values)
            inherits = check.inputs.get("inherits") is not False
            packages.append(Package(str(owner), kind, name, repository, visibility, inherits=inherits))
    return packages


def _user_findings(secret_set: ManagedSecrets, now: datetime, *, max_age_days: int, unused_days: int) -> list[Finding]:
    user = secret_set.access.user
    if not user:
        return []
    try:
        inventory = holdings(user, secret_set.user_arn, [secret_set.access.key_id])
    except CloudError as error:
        account = secret_set.user_arn.split(":")[4] if secret_set.user_arn.count(":") > 4 else ""
        whose = f"account {account}" if account else "its account"
        fix = f"codespaces doctor --stack {secret_set.stack}, with AWS credentials of {whose}"
        return [unseen(f"user {user}", f"its access keys and policies were not checked: {error}.", fix)]
    return [
        *key_findings(secret_set, inventory.keys, now, max_age_days=max_age_days, unused_days=unused_days),
        *policy_findings(secret_set, inventory.inline, inventory.attached),
    ]


async def _github_findings(organizations: Sequence[_Organization], progress: Callable[[str], None]) -> list[Finding]:
    findings: list[Finding] = []
    for organization in organizations:
        if not organization.secret_sets and not organization.packages:
            continue
        try:
            github = GitHub(configure({**organization.provider, "owner": organization.name}), progress)
        except (ActionableError, RuleViolation) as error:
            findings.append(unseen(f"organization {organization.name}", f"{error}", "export GITHUB_TOKEN=…"))
            continue
        try:
            findings += await _Checkup(github, organization).findings()
        finally:
            await github.close()
    return findings


class _Checkup:
    """Asks GitHub about one organization."""

    def __init__(self, github: GitHub, organization: _Organization) -> None:
        self._github = github
        self._organization = organization
        self._gate = asyncio.Semaphore(_CONCURRENT)
        self._findings: list[Finding] = []
        self._unread: dict[str, list[tuple[str, CloudError]]] = {}

    async def findings(self) -> list[Finding]:
        """Look at the organization, its repositories and its packages."""
        secret_sets = self._organization.secret_sets
        has_organization_secrets = any(secret_set.of_organization for secret_set in secret_sets)
        above = await self._check_organization() if has_organization_secrets else None
        by_repository = await self._secret_sets_by_repository()
        names = sorted(by_repository)
        left_out = names[_REPOSITORIES:]
        if left_out:
            self._findings.append(unseen(
                f"organization {self._organization.name}",
                f"the Codespaces secrets and the devcontainer.json of {shortened(left_out)} were not "
                f"checked: the doctor checks {_REPOSITORIES} of {len(names)} repositories.",
                f"gh secret list --app codespaces --repo {self._organization.name}/{left_out[0]}, and so on",
            ))  # fmt: skip
        await asyncio.gather(
            *(self._check_repository(name, above, by_repository[name]) for name in names[:_REPOSITORIES]),
            *(self._check_package(stack, package) for stack, package in self._organization.packages),
        )
        self._add_unread()
        return self._findings

    def _not_read(self, what: str, name: str, error: CloudError) -> None:
        self._unread.setdefault(what, []).append((name, error))

    def _add_unread(self) -> None:
        for what, refusals in self._unread.items():
            names = [name for name, _ in refusals]
            _, first_error = refusals[0]
            self._findings.append(
                unseen(
                    f"organization {self._organization.name}",
                    f"{what} of {shortened(names)} could not be read: {first_error}",
                    "codespaces doctor, with the credentials that the message asks for",
                )
            )

    async def _check_organization(self) -> LiveSecrets | None:
        """Check the organization's secrets and return them; None if they cannot be listed."""
        secrets = Secrets(self._github, Place(self._organization.name))
        try:
            listing = await secrets.secrets()
        except CloudError as error:
            self._not_read("the Codespaces secrets", str(secrets.place), error)
            return None

        async def readers(name: str) -> dict[int, str] | None:
            if listing[name].visibility != "selected":
                return None
            try:
                return await secrets.secret_repositories(name)
            except CloudError as error:
                self._not_read("the repositories", f"secret {name}", error)
                return None

        repositories = await gather_limited(readers, listing, _CONCURRENT)
        live = LiveSecrets(str(secrets.place), secrets.place.flags, {
            name: LiveSecret(secret.updated_at, secret.visibility, selected)
            for (name, secret), selected in zip(listing.items(), repositories, strict=True)
        })  # fmt: skip
        secret_sets = [secret_set for secret_set in self._organization.secret_sets if secret_set.of_organization]
        managed_names = {name for secret_set in secret_sets for name in secret_set.written_at}
        self._findings += [
            *name_findings(live, managed_names),
            *without_readers(live, managed_names),
            *room(live),
            *(finding for secret_set in secret_sets for finding in changed_outside(secret_set, live)),
        ]
        return live

    async def _secret_sets_by_repository(self) -> dict[str, list[ManagedSecrets]]:
        """The repositories that get secrets of the stacks -> those secrets."""
        by_repository: dict[str, list[ManagedSecrets]] = {}
        for secret_set in self._organization.secret_sets:
            readers = secret_set.access.readers
            names = readers.names
            if readers.visibility in ("private", "all"):
                try:
                    repositories = await self._github.repositories()
                except CloudError as error:
                    self._not_read("the repositories", f"organization {self._organization.name}", error)
                    continue
                names = frozenset(repository.name for repository in reached(repositories, readers.visibility))
            for name in names:
                by_repository.setdefault(name, []).append(secret_set)
        return by_repository

    async def _check_repository(
        self, name: str, above: LiveSecrets | None, secret_sets: Sequence[ManagedSecrets]
    ) -> None:
        secrets = Secrets(self._github, Place(self._organization.name, name))
        own = LiveSecrets(str(secrets.place), secrets.place.flags, {})
        try:
            async with self._gate:
                listing = await secrets.secrets()
        except CloudError as error:
            self._not_read("the Codespaces secrets", str(secrets.place), error)
        else:
            live = {secret.name: LiveSecret(secret.updated_at) for secret in listing.values()}
            own = LiveSecrets(own.place, own.flags, live)
            await self._check_own_secrets(name, above, own, secret_sets)
        await self._check_devcontainer(name, above, own, secret_sets)

    async def _check_own_secrets(
        self, name: str, above: LiveSecrets | None, own: LiveSecrets, secret_sets: Sequence[ManagedSecrets]
    ) -> None:
        """Check the secrets of a repository itself."""
        own_sets = [secret_set for secret_set in secret_sets if secret_set.repository == name]
        managed_names = {secret for secret_set in own_sets for secret in secret_set.written_at}
        names_above = await self._names_above(name, above, own)
        self._findings += [
            *mixtures(names_above, own, self._organization.name),
            *name_findings(own, managed_names, names_above),
            *(room(own) if own.secrets else ()),
            *(finding for secret_set in own_sets for finding in changed_outside(secret_set, own)),
        ]

    async def _names_above(self, name: str, above: LiveSecrets | None, own: LiveSecrets) -> list[str]:
        """The names of the organization's secrets that could form a login together with a repository's secrets."""
        if above is None or not incomplete_triples(own.secrets):
            return []
        repositories: list[Any] = []
        if any(secret.visibility == "private" for secret in above.secrets.values()):
            try:
                repositories = await self._github.repositories_named([name])
            except CloudError as error:
                self._not_read("the visibility", f"repository {name}", error)
        public = any(repository.visibility == "public" for repository in repositories)
        return visible_secret_names(above, name, public=public)

    async def _check_devcontainer(
        self, name: str, above: LiveSecrets | None, own: LiveSecrets, secret_sets: Sequence[ManagedSecrets]
    ) -> None:
        try:
            async with self._gate:
                images = await self._images(name)
        except (CloudError, RuleViolation) as error:
            cloud_error = error if isinstance(error, CloudError) else CloudError(str(error))
            self._not_read("the devcontainer.json", f"repository {name}", cloud_error)
            return
        all_sets = self._organization.secret_sets
        servers = [server for secret_set in all_sets for server in secret_set.access.servers]
        hosts = [host for host in registries_of(images) if needs_login(host, servers)]
        names_above = visible_secret_names(above, name, public=False) if above else ()
        managed_names = {secret for secret_set in secret_sets for secret in secret_set.access.secrets}
        unmanaged_prefixes = [
            triple.prefix for triple in triples_in({*own.secrets, *names_above}) if not {*triple.names} <= managed_names
        ]
        urns = [secret_set.access.urn for secret_set in secret_sets]
        self._findings += hosts_without_login(
            f"{self._organization.name}/{name}", hosts, all_sets, urns, unmanaged_prefixes
        )

    async def _images(self, name: str) -> list[str]:
        """The images that the development container of a repository is made of."""
        for path in DEVCONTAINER_PATHS:
            text = await self._github.file(name, path)
            if text is None:
                continue
            devcontainer = parse_devcontainer(text, path)
            contents = [await self._github.file(name, file) for file in devcontainer.files[:_FILES]]
            images_of_files = [image for content in contents if content is not None for image in images_in(content)]
            return [*devcontainer.images, *images_of_files]
        return []

    async def _check_package(self, stack: str, package: Package) -> None:
        try:
            async with self._gate:
                differences, _, _ = await compared(self._github, package)
        except CloudError as error:
            self._not_read("the link and the visibility", f"package {package.name}", error)
            return
        self._findings += package_findings(stack, package.name, differences, package.settings_url)
