"""The state of the stand-in: organizations, repositories, secrets, teams, users and packages."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import sha1
from itertools import count
from typing import TYPE_CHECKING, Any

from nacl.encoding import Base64Encoder
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SEEDED_AT = datetime(2024, 1, 1, tzinfo=timezone.utc)
"""The stamp of what a seed brings, unless it gives its own."""

PLANS_WITH_CODESPACES_SECRETS = frozenset({"team", "business", "business_plus", "enterprise"})
"""Source: https://docs.github.com/codespaces/managing-codespaces-for-your-organization (secrets of organizations)."""

REPOSITORY_SETTINGS: dict[str, Any] = {
    "description": None,
    "homepage": None,
    "has_issues": True,
    "has_projects": True,
    "has_wiki": True,
    "has_downloads": True,
    "has_discussions": False,
    "is_template": False,
    "allow_forking": False,
    "web_commit_signoff_required": False,
    "allow_merge_commit": True,
    "allow_squash_merge": True,
    "allow_rebase_merge": True,
    "allow_auto_merge": False,
    "delete_branch_on_merge": False,
    "allow_update_branch": False,
    "use_squash_pr_title_as_default": False,
    "squash_merge_commit_title": "COMMIT_OR_PR_TITLE",
    "squash_merge_commit_message": "COMMIT_MESSAGES",
    "merge_commit_title": "MERGE_MESSAGE",
    "merge_commit_message": "PR_TITLE",
}
"""Settings of a repository besides name, visibility, topics and archiving, with GitHub's defaults."""

_FIRST_KEY_ID = 3380204578043523366


@dataclass(frozen=True)
class Event:
    """One change of state, as observers receive it.

    Attributes:
        kind: `secret.created`, `secret.updated`, `secret.repositories`, `secret.deleted`, `repository.created`,
            `repository.updated`, `repository.renamed`, `repository.transferred`, `repository.deleted`, `team.changed`,
            `team.repository`, `collaborator.changed`, `properties.changed`, `file.changed` or `key.rotated`.
        organization: the login; empty for what belongs to a user.
        name: of the secret, repository, team or file.
        repository: the repository that a secret or file belongs to; None for secrets of an organization or user.
    """

    kind: str
    organization: str
    name: str
    repository: str | None = None


@dataclass
class Secret:
    """A Codespaces secret with its decrypted value, which its repr leaves out."""

    name: str
    value: str = field(repr=False)
    visibility: str
    repository_ids: set[int]
    created_at: datetime
    updated_at: datetime


class NotSealed(ValueError):
    """The value cannot be opened with the key of the organization, repository or user."""


class SecretHolder:
    """What an organization, a repository and a user share: secrets by upper-cased name, and a key to seal them with."""

    secret_limit = 100
    """Source: https://docs.github.com/codespaces (limits of development environment secrets): 100 each, of 48 KB."""

    def __init__(self, cloud: Cloud, organization: str, repository: str | None = None) -> None:
        self.cloud = cloud
        self.secrets: dict[str, Secret] = {}
        self.key_id = str(_FIRST_KEY_ID)
        self._key: PrivateKey | None = None
        self._event_scope = (organization, repository)

    @property
    def public_key(self) -> str:
        """The base64 key that values must be sealed with."""
        return self._private_key.public_key.encode(Base64Encoder).decode()

    @property
    def _private_key(self) -> PrivateKey:
        if self._key is None:
            self._key = PrivateKey.generate()
        return self._key

    def rotate_public_key(self) -> None:
        """Make a new key; what is sealed with the one before is refused from now on."""
        with self.cloud.lock:
            self._key = None
            self.key_id = str(int(self.key_id) + 1)
            self.cloud.changed("key.rotated", self._event_scope[0], self.key_id, self._event_scope[1])

    def open_sealed(self, ciphertext: bytes) -> bytes:
        """Decrypt a libsodium sealed box.

        Raises:
            NotSealed: it was not sealed with the present key.
        """
        try:
            return SealedBox(self._private_key).decrypt(ciphertext)
        except (CryptoError, ValueError, TypeError) as error:
            raise NotSealed from error

    def put_secret(
        self, name: str, value: str, visibility: str = "all", repositories: Iterable[str | int] = ()
    ) -> Secret:
        """Create or overwrite a secret, as a person does on the settings page.

        Args:
            name: in any case.
            value: what codespaces get.
            visibility: `all`, `private` or `selected`; repositories have no use for it.
            repositories: names or ids of the selected ones.
        """
        with self.cloud.lock:
            now = self.cloud.now()
            name = name.upper()
            before = self.secrets.get(name)
            ids = {self.cloud.repository_id(self._event_scope[0], reference) for reference in repositories}
            secret = Secret(name, value, visibility, ids, before.created_at if before else now, now)
            self.secrets[name] = secret
            self._tell("secret.updated" if before else "secret.created", name)
            return secret

    def select(self, name: str, repository_ids: set[int]) -> None:
        """Replace the repositories that may read a secret."""
        with self.cloud.lock:
            secret = self.secrets[name.upper()]
            secret.repository_ids = repository_ids
            if self.cloud.selection_moves_updated_at:
                secret.updated_at = self.cloud.now()
            self._tell("secret.repositories", secret.name)

    def delete_secret(self, name: str) -> None:
        """Delete a secret; raises KeyError for an unknown one."""
        with self.cloud.lock:
            del self.secrets[name.upper()]
            self._tell("secret.deleted", name.upper())

    def _tell(self, kind: str, name: str) -> None:
        self.cloud.changed(kind, self._event_scope[0], name, self._event_scope[1])


@dataclass(frozen=True)
class Commit:
    """A commit of the default branch, with the files as they were after it."""

    sha: str
    tree: str
    message: str
    author: Mapping[str, str]
    committer: Mapping[str, str]
    parent: str | None
    files: Mapping[str, bytes]
    changed: str | None


class Repository(SecretHolder):
    """A repository of an organization."""

    def __init__(self, organization: Organization, number: int, name: str, **given: Any) -> None:
        super().__init__(organization.cloud, organization.login, name)
        self.organization = organization
        self.id = number
        self.name = name
        private = given.pop("private", True)
        self.visibility: str = given.pop("visibility", "private" if private else "public")
        self.archived: bool = given.pop("archived", False)
        self.fork: bool = given.pop("fork", False)
        self.topics: list[str] = list(given.pop("topics", ()))
        self.properties: dict[str, Any] = dict(given.pop("properties", {}))
        self.default_branch: str = given.pop("default_branch", "main")
        self.collaborators: dict[str, str] = dict(given.pop("collaborators", {}))
        self.invitations: dict[int, tuple[str, str]] = {}
        self.vulnerability_alerts: bool = given.pop("vulnerability_alerts", False)
        self.created_at: datetime = given.pop("created_at", SEEDED_AT)
        self.updated_at = self.pushed_at = self.created_at
        files: dict[str, str] = given.pop("files", {})
        unknown = given.keys() - REPOSITORY_SETTINGS.keys()
        if unknown:
            raise ValueError(f"repository {organization.login}/{name}: no such setting: {', '.join(sorted(unknown))}")
        self.settings = REPOSITORY_SETTINGS | given
        self.commits: list[Commit] = []
        for path, text in files.items():
            self.commit(path, text.encode(), f"Add {path}")

    @property
    def full_name(self) -> str:
        """`organization/name`."""
        return f"{self.organization.login}/{self.name}"

    @property
    def private(self) -> bool:
        """Whether it is private or internal."""
        return self.visibility != "public"

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the default branch by path."""
        return dict(self.commits[-1].files) if self.commits else {}

    def commit(self, path: str, content: bytes | None, message: str, author: Mapping[str, str] | None = None) -> Commit:
        """Write a file (or delete it, with None) by a commit on the default branch."""
        stamp = self.cloud.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        author = {"name": "platform", "email": "platform@users.noreply.github.com", "date": stamp} | dict(author or {})
        files = self.files
        if content is None:
            del files[path]
        else:
            files[path] = content
        listing = "\n".join(f"{name} {blob_sha(data)}" for name, data in sorted(files.items()))
        tree = sha1(listing.encode()).hexdigest()  # noqa: S324 - git's own hash
        parent = self.commits[-1].sha if self.commits else None
        sha = sha1(f"{tree} {parent} {stamp} {message} {len(self.commits)}".encode()).hexdigest()  # noqa: S324
        commit = Commit(sha, tree, message, author, author, parent, files, path)
        self.commits.append(commit)
        self.pushed_at = self.cloud.now()
        return commit

    def rename(self, name: str) -> None:
        """Give it another name; the one before leads here until another repository takes it."""
        with self.cloud.lock:
            home = self.organization
            home.forget(self)
            home.moved[self.name.lower()] = self.id
            self.name = name
            self._event_scope = (home.login, name)
            home.remember(self)
            self.touch("repository.renamed")

    def transfer(self, login: str) -> None:
        """Give it to another organization, with its secrets; the name before leads there.

        What becomes of the former organization's secrets, teams and properties GitHub does not document. Here they
        belong to that organization alone.
        Source: https://docs.github.com/en/repositories/creating-and-managing-repositories/transferring-a-repository
        """
        with self.cloud.lock:
            home, owner = self.organization, self.cloud.organization(login)
            if owner.repository(self.name):
                raise ValueError(f"repository {login}/{self.name} is there already")
            self._leave(home)
            home.moved[self.name.lower()] = self.id
            self.properties.clear()
            self.organization = owner
            self._event_scope = (owner.login, self.name)
            owner.remember(self)
            self.cloud.changed("repository.transferred", home.login, self.name)

    def _leave(self, home: Organization) -> None:
        """Take it from an organization, whose teams and secrets forget it."""
        home.forget(self)
        for team in home.teams.values():
            team.repositories.pop(self.id, None)
        for secret in home.secrets.values():
            secret.repository_ids.discard(self.id)
        for package in home.packages:
            package.repository_id = None if package.repository_id == self.id else package.repository_id

    def archive(self) -> None:
        """Make it read-only."""
        with self.cloud.lock:
            self.archived = True
            self.touch()

    def touch(self, kind: str = "repository.updated") -> None:
        """Stamp a change and notify the observers."""
        self.updated_at = self.cloud.now()
        self.cloud.changed(kind, self.organization.login, self.name)

    def delete(self) -> None:
        """Delete it; secrets forget it."""
        with self.cloud.lock:
            home = self.organization
            self._leave(home)
            del self.cloud.repositories_by_id[self.id]
            for user in self.cloud.users.values():
                for secret in user.secrets.values():
                    secret.repository_ids.discard(self.id)
            self.cloud.changed("repository.deleted", home.login, self.name)


@dataclass
class Team:
    """A team with the roles it has on repositories, by repository id."""

    organization: Organization
    id: int
    name: str
    slug: str
    description: str | None = None
    privacy: str = "secret"
    notification_setting: str = "notifications_enabled"
    permission: str = "pull"
    parent: Team | None = None
    members: dict[str, str] = field(default_factory=dict[str, str])
    repositories: dict[int, str] = field(default_factory=dict[int, str])
    created_at: datetime = SEEDED_AT
    updated_at: datetime = SEEDED_AT


@dataclass
class Package:
    """A package of GitHub Packages."""

    id: int
    name: str
    package_type: str
    visibility: str
    repository_id: int | None
    version_count: int = 1


class Organization(SecretHolder):
    """An organization."""

    def __init__(self, cloud: Cloud, number: int, login: str, plan: str, members: Mapping[str, str]) -> None:
        super().__init__(cloud, login)
        self.id = number
        self.login = login
        self.plan = plan
        self.members = dict(members)
        self.description: str | None = None
        self.name = login
        self.repositories: dict[str, Repository] = {}
        self._by_lower_name: dict[str, Repository] = {}
        self.moved: dict[str, int] = {}
        self.custom_properties: dict[str, dict[str, Any]] = {}
        self.teams: dict[str, Team] = {}
        self.packages: list[Package] = []

    @property
    def has_codespaces_secrets(self) -> bool:
        """Whether the plan includes Codespaces secrets of the organization."""
        return self.plan in PLANS_WITH_CODESPACES_SECRETS

    def is_owner(self, login: str | None) -> bool:
        """Whether a user owns it; where a seed lists no members, everybody does."""
        return login is not None and (not self.members or self.members.get(login) == "admin")

    def repository(self, name: str) -> Repository | None:
        """A repository by its name in any case; None for an unknown name."""
        return self._by_lower_name.get(name.lower())

    def remember(self, repository: Repository) -> None:
        """List a repository under its name."""
        self.moved.pop(repository.name.lower(), None)
        self.repositories[repository.name] = self._by_lower_name[repository.name.lower()] = repository

    def forget(self, repository: Repository) -> None:
        """Take a repository off the list."""
        del self.repositories[repository.name]
        del self._by_lower_name[repository.name.lower()]

    def create_repository(self, name: str, *, number: int | None = None, **attributes: Any) -> Repository:
        """Create a repository; attributes as in a seed (`private`, `topics`, `properties`, `files`, …)."""
        with self.cloud.lock:
            if self.repository(name):
                raise ValueError(f"repository {self.login}/{name} is there already")
            repository = Repository(self, number or self.cloud.new_id(), name, **attributes)
            self.remember(repository)
            self.cloud.repositories_by_id[repository.id] = repository
            self.cloud.changed("repository.created", self.login, name)
            return repository

    def create_team(self, name: str, **attributes: Any) -> Team:
        """Create a team with attributes of `Team`."""
        with self.cloud.lock:
            number = attributes.pop("id", None) or self.cloud.new_id()
            team = Team(self, number, name, "-".join(name.lower().split()), **attributes)
            self.teams[team.slug] = team
            self.cloud.changed("team.changed", self.login, team.slug)
            return team


class User(SecretHolder):
    """A person, with the secrets of their own."""

    def __init__(self, cloud: Cloud, number: int, login: str) -> None:
        super().__init__(cloud, "")
        self.id = number
        self.login = login


class Cloud:
    """The whole state of the stand-in, and the observers of its changes.

    Attributes:
        clock: returns the current time; replace it to move time.
        selection_moves_updated_at: whether a change of the selected repositories alone moves a secret's `updated_at`;
            GitHub does not document it.
        observers: called after every change, while the state is locked.
    """

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        self.lock = threading.RLock()
        self.clock = clock or (lambda: datetime.now(timezone.utc))
        self.selection_moves_updated_at = True
        self.observers: list[Callable[[Event], object]] = []
        self.organizations: dict[str, Organization] = {}
        self.users: dict[str, User] = {}
        self.repositories_by_id: dict[int, Repository] = {}
        self._numbers = count(100_000_001)

    def now(self) -> datetime:
        """The time of the clock in whole seconds, which is as fine as GitHub's stamps are."""
        return self.clock().astimezone(timezone.utc).replace(microsecond=0)

    def new_id(self) -> int:
        """An id that nothing else has."""
        return next(self._numbers)

    def changed(self, kind: str, organization: str, name: str, repository: str | None = None) -> None:
        """Tell the observers."""
        event = Event(kind, organization, name, repository)
        for observer in list(self.observers):
            observer(event)

    def user(self, login: str) -> User:
        """The user of a login, made where there was none."""
        user = self.users.get(login.lower())
        if user is None:
            user = self.users[login.lower()] = User(self, self.new_id(), login)
        return user

    def organization(self, login: str) -> Organization:
        """An organization; raises KeyError for an unknown one."""
        if login.lower() not in self.organizations:
            raise KeyError(f"no organization {login}")
        return self.organizations[login.lower()]

    def repository(self, full_name: str) -> Repository:
        """A repository by `organization/name`; raises KeyError for an unknown one."""
        login, _, name = full_name.partition("/")
        found = self.organization(login).repository(name)
        if found is None:
            raise KeyError(f"no repository {full_name}")
        return found

    def repository_id(self, organization: str, name: str | int) -> int:
        """The id of a repository given by name (of that organization, or in full) or id."""
        if isinstance(name, int):
            return name
        return self.repository(name if "/" in name else f"{organization}/{name}").id

    def seed(self, seed: Mapping[str, Any]) -> None:
        """Add what a seed describes, in the form that the package shows."""
        with self.lock:
            for login, settings in seed.get("organizations", {}).items():
                self._seed_organization(login, settings)
            for login, settings in seed.get("users", {}).items():
                user = self.users[login.lower()] = User(self, settings.get("id") or self.new_id(), login)
                _seed_secrets(user, settings.get("secrets", {}))

    def _seed_organization(self, login: str, given: Mapping[str, Any]) -> None:
        number = given.get("id") or self.new_id()
        organization = Organization(self, number, login, given.get("plan", "team"), given.get("members", {}))
        organization.description = given.get("description")
        self.organizations[login.lower()] = organization
        for definition in given.get("custom_properties", ()):
            organization.custom_properties[definition["property_name"]] = dict(definition)
        for name, described in given.get("repositories", {}).items():
            attributes = dict(described)
            secrets = attributes.pop("secrets", {})
            _seed_secrets(
                organization.create_repository(name, number=attributes.pop("id", None), **attributes), secrets
            )
        _seed_secrets(organization, given.get("secrets", {}))
        for name, described in given.get("teams", {}).items():
            attributes = dict(described)
            roles = {
                self.repository_id(login, reference): role
                for reference, role in attributes.pop("repositories", {}).items()
            }
            organization.create_team(name, repositories=roles, **attributes)
        for package in given.get("packages", ()):
            linked = package.get("repository")
            organization.packages.append(
                Package(
                    package.get("id") or self.new_id(),
                    package["name"],
                    package.get("package_type", "container"),
                    package.get("visibility", "private"),
                    self.repository_id(login, linked) if linked else None,
                    package.get("version_count", 1),
                )
            )


def _seed_secrets(holder: SecretHolder, secrets: Mapping[str, Mapping[str, Any]]) -> None:
    for name, settings in secrets.items():
        repositories = settings.get("repositories", ())
        visibility = settings.get("visibility", "selected" if repositories else "all")
        secret = holder.put_secret(name, settings["value"], visibility, repositories)
        secret.created_at = secret.updated_at = SEEDED_AT
        for stamp in ("created_at", "updated_at"):
            if stamp in settings:
                setattr(secret, stamp, datetime.fromisoformat(settings[stamp].replace("Z", "+00:00")))


def blob_sha(content: bytes) -> str:
    """The name git gives to a file's content."""
    return sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()  # noqa: S324 - git's own hash
