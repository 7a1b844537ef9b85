"""What is wrong with the registry access of some stacks: rules over what states, GitHub and AWS say.

Every rule gives findings that say what is so, why it matters, and what to type.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..rules import RuleViolation
from ..rules.iam_users import delete_key_command, remove_policy_command
from ..rules.lifetimes import checked_end, days_left
from ..rules.registries import same_registry
from ..rules.secret_names import SECRETS_LIMIT, incomplete_triples, mixed_logins, near_miss, triples_in, write_order
from ..rules.wording import are, counted, in_words
from .access import accesses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Literal

    from ..rules.iam_users import LiveKey
    from .access import Access
    from .digest import Digest, Resource

    Severity = Literal["error", "warning", "unseen"]

SEVERITIES = ("error", "warning", "unseen")
"""Codespaces cannot pull; they may not for long, or more is open than need be; it could not be looked at."""
_ACCESS_KEY, _USER = "aws:iam/accessKey:AccessKey", "aws:iam/user:User"
_INLINE, _ATTACHMENT = "aws:iam/userPolicy:UserPolicy", "aws:iam/userPolicyAttachment:UserPolicyAttachment"
_LITTLE_ROOM = 3
"""Of so few registries left an organization is told."""
_GUIDE = "https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry"
_AGE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        code: a word for it that stays the same, for tools.
        severity: one of `SEVERITIES`.
        resource: what it is about, such as `organization acme`.
        what: what is so, in a sentence.
        why: why it matters.
        fix: what to type: a command, or a line of the program or the configuration.
    """

    code: str
    severity: Severity
    resource: str
    what: str
    why: str
    fix: str


@dataclass(frozen=True)
class Listed:
    """A secret as GitHub lists it.

    Attributes:
        updated_at: when it was last written.
        visibility: `all`, `private` or `selected`; "" for a repository's.
        repositories: id -> name of those that may read it, where visibility is `selected`; None if not asked.
    """

    updated_at: str
    visibility: str = ""
    repositories: Mapping[int, str] | None = None


@dataclass(frozen=True)
class Held:
    """The Codespaces secrets of one place.

    Attributes:
        place: `organization acme` or `repository acme/web`.
        flags: what tells `gh secret` of it.
        secrets: name -> the secret.
    """

    place: str
    flags: str
    secrets: Mapping[str, Listed]


@dataclass(frozen=True)
class Kept:
    """Secrets as the state of a stack has them.

    Attributes:
        stack: the stack's name.
        access: what they open, and to whom.
        written_at: secret -> when the stack last wrote it.
        repository_ids: who may read them, where visibility is `selected`.
        user_arn: the ARN of the IAM user; "" if there is none.
        keys: id -> status of the access keys, those that are left to be deleted too.
        policies: the names of the user's own policies, and the ARNs of those that are attached to it.
    """

    stack: str
    access: Access
    written_at: Mapping[str, str]
    repository_ids: frozenset[int] = field(default_factory=frozenset[int])
    user_arn: str = ""
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    policies: frozenset[str] = field(default_factory=frozenset[str])

    @property
    def repository(self) -> str:
        """The repository that has them; "" for the organization, or if that is not known."""
        of_one = self.access.readers.visibility == "repository"
        return next(iter(self.access.readers.names), "") if of_one else ""

    @property
    def of_organization(self) -> bool:
        """Whether the organization has them."""
        return self.access.readers.visibility != "repository"


def kept_by(state: Digest) -> list[Kept]:
    """The secrets of a stack, with the access keys that are published by them."""
    known = {one.urn: one for one in state.after}
    stack = state.stack.rpartition("/")[2]
    return [_kept(stack, one, known[one.urn], state.before) for one in accesses(known.values()).values()]


def _kept(stack: str, access: Access, secrets: Resource, resources: Iterable[Resource]) -> Kept:
    siblings = [one for one in resources if one.parent == secrets.parent and access.user]
    user = next((one for one in siblings if one.type == _USER), None)
    selected = _map(secrets.outputs.get("selectedRepositories"))
    return Kept(
        stack,
        access,
        {name: str(at) for name, at in _map(secrets.outputs.get("updatedAt")).items()},
        frozenset(int(number) for number in selected.values() if isinstance(number, (int, float))),
        str(user.outputs.get("arn") or "") if user else "",
        {
            one.id: str(one.outputs.get("status") or one.inputs.get("status") or "Active")
            for one in siblings
            if one.type == _ACCESS_KEY and one.id
        },
        frozenset(_policies_of(access.user, resources)),
    )


def _policies_of(user: str, resources: Iterable[Resource]) -> Iterable[str]:
    """The policies that a stack gives a user; the program may give more than the component does."""
    for one in resources:
        if one.type == _INLINE and one.id.startswith(f"{user}:"):
            yield one.id.partition(":")[2]
        if one.type == _ATTACHMENT and (one.outputs or one.inputs).get("user") == user:
            yield str((one.outputs or one.inputs).get("policyArn"))


# -- secrets by their names


def names_that_miss(held: Held, managed: Collection[str], above: Collection[str] = ()) -> list[Finding]:
    """Logins of which secrets are missing, and secrets that GitHub ignores for their names.

    Args:
        held: the secrets of a place.
        managed: the names that a stack writes there; of one that is missing `changed_outside` tells.
        above: names that codespaces get from another level too; of logins from both `mixtures` tells.
    """
    meant: dict[str, str] = {}
    for name in held.secrets:
        one = near_miss(name)
        if one and name not in managed and one not in held.secrets:
            meant[name] = one
    found: list[Finding] = []
    for triple, missing in incomplete_triples(held.secrets).items():
        if {*missing} <= {*above} or {*missing} & {*managed} or {*missing} <= {*meant.values()}:
            continue
        there = [name for name in triple.names if name in held.secrets]
        found.append(Finding(
            "incomplete-login",
            "error",
            held.place,
            f"{in_words(there)} {are(there)} there, and {in_words(missing)} {are(missing)} not.",
            f"GitHub logs a codespace in only where it finds all three ({_GUIDE}).",
            "; ".join(_set(held, name, there[0]) for name in missing)
            + "; or, if nobody needs it: "
            + "; ".join(_delete(held, name) for name in there),
        ))  # fmt: skip
    return found + [
        Finding(
            "ignored-name",
            "warning",
            held.place,
            f"{name} is no name that GitHub looks for; {one} is.",
            f"GitHub looks for names that end with these very words, and ignores others ({_GUIDE}).",
            f"{_set(held, one, name)}; then {_delete(held, name)}",
        )
        for name, one in meant.items()
    ]


def mixtures(above: Iterable[str], below: Held, organization: str) -> list[Finding]:
    """The logins that the codespaces of a repository would put together from two levels.

    Args:
        above: the names of the organization's secrets that reach the repository.
        below: the secrets of the repository.
        organization: the organization.
    """
    return [
        Finding(
            "mixed-login",
            "error",
            below.place,
            f"codespaces log in with a mixture for {triple.prefix}: {in_words(shared)} {are(shared)} the repository's "
            f"own, and the rest is that of organization {organization}.",
            "GitHub takes each secret by itself from the lowest level that has it, so that user and password do not "
            "belong together.",
            "; ".join(_delete(below, name) for name in shared) + "; or give the repository all three",
        )
        for triple, shared in mixed_logins(above, below.secrets).items()
    ]


def reaching(held: Held, repository: str, *, public: bool) -> list[str]:
    """The names of an organization's secrets that the codespaces of a repository get."""
    return [
        name
        for name, one in held.secrets.items()
        if one.visibility == "all"
        or (one.visibility == "private" and not public)
        or repository.lower() in {other.lower() for other in (one.repositories or {}).values()}
    ]


def without_readers(held: Held, managed: Collection[str]) -> list[Finding]:
    """Secrets that no repository may read; of those of a stack `changed_outside` tells."""
    names = [
        name
        for name, one in held.secrets.items()
        if one.visibility == "selected" and one.repositories == {} and name not in managed
    ]
    triples = triples_in(names)
    grouped = {name for triple in triples for name in triple.names}
    groups = [*(triple.names for triple in triples), *((name,) for name in sorted({*names} - grouped))]
    return [
        Finding(
            "no-readers",
            "warning",
            held.place,
            f"{in_words(group)} {are(group)} for selected repositories, and none is selected.",
            f"No codespace gets {_it(group)}, and {'it takes' if len(group) == 1 else 'they take'} room "
            f"({SECRETS_LIMIT} secrets at most).",
            "; ".join(_delete(held, name) for name in group),
        )
        for group in groups
    ]


def room(held: Held) -> list[Finding]:
    """Whether few more registries find room."""
    count = len(held.secrets)
    left = (SECRETS_LIMIT - count) // 3
    if left > _LITTLE_ROOM:
        return []
    registries = len(triples_in(held.secrets))
    return [Finding(
        "little-room",
        "warning",
        held.place,
        f"{count} of {SECRETS_LIMIT} secrets are used, {registries} of {SECRETS_LIMIT // 3} registries: room for "
        f"{counted(left, 'registry', 'registries')} more.",
        "GitHub refuses what is more.",
        f"gh secret list --app codespaces {held.flags}, and for what nobody reads: gh secret delete NAME --app "
        f"codespaces {held.flags}; or keep a login with the repository that needs it (`repository`)",
    )]  # fmt: skip


# -- what a stack wrote


def changed_outside(kept: Kept, held: Held) -> list[Finding]:
    """Secrets of a stack that are not as it wrote them."""
    names = write_order(kept.written_at)
    deleted = [name for name in names if name not in held.secrets]
    there = [name for name in names if name in held.secrets]
    changed = [name for name in there if held.secrets[name].updated_at != kept.written_at[name]]
    readers = [name for name in there if _other_readers(kept, held.secrets[name])]
    up = f"pulumi up --refresh --stack {kept.stack}"
    by = f"stack {kept.stack} ({kept.access.name})"
    told: list[tuple[list[str], str, Severity, str, str]] = [
        (deleted, "secret-deleted", "error", f"that {by} wrote {are(deleted)} not there any more",
         "Codespaces that start do not get it."),
        (changed, "secret-changed", "warning", f"{_was(changed)} written by somebody else since {by} did",
         "Codespaces that start may get credentials that do not work, or that nobody reviewed."),
        (readers, "readers-changed", "warning", f"{are(readers)} for others than {by} wrote {_it(readers)} for",
         "Codespaces get it that should not, or do not get it that should."),
    ]  # fmt: skip
    return [
        Finding(code, severity, held.place, f"{in_words(some)} {text}.", why, up)
        for some, code, severity, text, why in told
        if some
    ]


def _other_readers(kept: Kept, listed: Listed) -> bool:
    if not kept.of_organization:
        return False
    if listed.visibility != kept.access.readers.visibility:
        return True
    return listed.repositories is not None and frozenset(listed.repositories) != kept.repository_ids


# -- access keys


def key_findings(
    kept: Kept, live: Mapping[str, LiveKey], now: datetime, *, max_age_days: int, unused_days: int
) -> list[Finding]:
    """What is wrong with the access keys of a stack's user.

    Args:
        kept: what the state says.
        live: id -> the key, as AWS lists them for the user.
        now: for the age.
        max_age_days: how old a published key may be.
        unused_days: after how many days a key counts as needed by nobody.
    """
    user, resource, found = kept.access.user, f"user {kept.access.user}", list[Finding]()
    refresh = f"pulumi up --refresh --stack {kept.stack}"
    for key in sorted(kept.keys):
        published = key == kept.access.key_id
        if key not in live:
            if published or kept.keys[key] == "Active":
                found.append(Finding(
                    "missing-key",
                    "error" if published else "warning",
                    resource,
                    f"AWS has no access key {key}, which is {'published' if published else 'Active in the state'}.",
                    "Codespaces cannot log in with it.",
                    refresh,
                ))  # fmt: skip
        elif live[key].status != kept.keys[key]:
            found.append(_other_status(key, kept.keys[key], live[key].status, resource, refresh, published=published))
        if published and key in live:
            found += _of_age(kept, key, live[key], now, max_age_days=max_age_days, unused_days=unused_days)
    found += [
        Finding(
            "unmanaged-key",
            "warning",
            resource,
            f"access key {key} (made {live[key].made.isoformat()}, {live[key].status}) is in no state.",
            "A run was killed while it made the key, or somebody made it by hand. IAM allows two keys a user, so it "
            "blocks a rotation.",
            f"{delete_key_command(user, key)}, if nothing uses it",
        )
        for key in sorted(live)
        if key not in kept.keys
    ]
    return found


def policy_findings(kept: Kept, inline: Iterable[str], attached: Iterable[str]) -> list[Finding]:
    """The policies of a stack's user of which the stack does not know.

    Args:
        kept: what the state says.
        inline: the names of the user's own policies, as AWS lists them.
        attached: the ARNs of those that are attached to it.
    """
    return [
        Finding(
            "unmanaged-policy",
            "warning",
            f"user {kept.access.user}",
            f"policy {policy} is in no state.",
            "Codespaces may do what it allows, and nobody reviewed that. Somebody made it by hand, or a run was killed "
            "while it made the policy and the program was changed then.",
            f"{remove_policy_command(kept.access.user, policy)}, if nobody needs it",
        )
        for policy in sorted({*inline, *attached} - kept.policies)
    ]


def _other_status(key: str, wanted: str, status: str, resource: str, fix: str, *, published: bool) -> Finding:
    code, severity, why = "revived-key", "warning", "A key that was retired lets in again whoever has it."
    if wanted == "Active":
        code, why = "inactive-key", "Codespaces that run since before the rotation cannot log in with it any more."
    if wanted == "Active" and published:
        severity, why = "error", "Codespaces cannot log in with it."
    return Finding(code, severity, resource, f"access key {key} is {status}, and {wanted} in the state.", why, fix)


def _of_age(
    kept: Kept, key: str, live: LiveKey, now: datetime, *, max_age_days: int, unused_days: int
) -> Iterable[Finding]:
    age, generation, name = (now - live.made).days, kept.access.generation + 1, kept.access.name
    resource = f"user {kept.access.user}"
    if age > max_age_days:
        yield Finding(
            "old-key",
            "warning",
            resource,
            f"the published access key {key} is {age} days old, and at most {max_age_days} are wanted.",
            f"Whoever may write to a selected repository could have read it since ({_AGE}).",
            f"pulumi config set --path '{_setting(name)}.keyGeneration' {generation} --stack {kept.stack} (in a "
            f"program of your own: key_generation={generation}); then pulumi up --stack {kept.stack}",
        )
    idle = (now - (live.used or live.made)).days
    if idle > unused_days:
        last = "was never used" if live.used is None else f"was last used {idle} days ago"
        yield Finding(
            "unused-key",
            "warning",
            resource,
            f"the published access key {key} {last}.",
            "No codespace has logged in since, so nobody may need it.",
            f"pulumi config rm --path '{_setting(name)}' --stack {kept.stack} (in a program of your own: take {name} "
            f"out of it); then pulumi up --stack {kept.stack}",
        )


# -- credentials that end


def endings(stack: str, outputs: Mapping[str, Any], now: datetime) -> list[Finding]:
    """Credentials that have ended or are about to, as the summaries tell that a stack exports.

    Args:
        stack: the stack's name.
        outputs: what it exports.
        now: the time.
    """
    found: list[Finding] = []
    for name, until, server in _ends(outputs):
        try:
            days = days_left(checked_end(until), now, server)
        except RuleViolation:
            continue
        if days is None:
            continue
        found.append(Finding(
            "credentials-ended" if days < 0 else "credentials-ending",
            "error" if days < 0 else "warning",
            f"stack {stack}",
            f"the credentials of {name} ended at {until}." if days < 0
            else f"the credentials of {name} end in {counted(days, 'day', 'days')}, at {until}.",
            "Codespaces cannot log in with them then.",
            f"give new ones (a token of Amazon ECR is renewed by every update); then pulumi up --stack {stack}",
        ))  # fmt: skip
    return found


def _ends(outputs: Mapping[str, Any], name: str = "") -> Iterable[tuple[str, str, str]]:
    """What ends, when, and for which registry: every map with `expiresAt` and `secretNames`, at any depth."""
    if isinstance(outputs.get("expiresAt"), str) and isinstance(outputs.get("secretNames"), list):
        server: object = outputs.get("server")
        yield name, cast("str", outputs["expiresAt"]), server if isinstance(server, str) else ""
    for key, value in outputs.items():
        if isinstance(value, dict):
            yield from _ends(cast("dict[str, Any]", value), key)


# -- packages and development containers


def package_findings(stack: str, name: str, differences: Iterable[str], settings_url: str) -> list[Finding]:
    """Where a package is not as `PackageAccess` declares it.

    Args:
        stack: the stack's name.
        name: of the package.
        differences: what differs, in sentences.
        settings_url: where it can be changed.
    """
    return [
        Finding(
            "package-differs",
            "warning",
            f"package {name}",
            f"{one}.",
            "Who may read it from a codespace is not what the stack says.",
            f"change it at {settings_url}, or declare what is so; then pulumi up --stack {stack}",
        )
        for one in differences
    ]


def hosts_without_login(
    repository: str, hosts: Iterable[str], kept: Sequence[Kept], readers: Collection[str], strangers: Sequence[str]
) -> list[Finding]:
    """Registries that a devcontainer.json needs and to which the repository's codespaces do not log in.

    Args:
        repository: `organization/name`.
        hosts: the registries that the files name and that take a login.
        kept: the secrets of all stacks in the organization.
        readers: the URNs of those that the repository gets.
        strangers: prefixes of other logins that it gets; GitHub does not tell to what.
    """
    own = [one.access for one in kept if one.access.urn in readers]
    unknown = sorted({*strangers, *(prefix for one in own if not one.servers for prefix in one.prefixes)})
    name = repository.rpartition("/")[2]
    found: list[Finding] = []
    for host in hosts:
        if any(same_registry(host, server) for one in own for server in one.servers):
            continue
        by_name = [one.access.name for one in kept if any(same_registry(host, server) for server in one.access.servers)]
        log_in = "its codespaces do not log in there"
        if unknown:
            log_in = f"whether {in_words(unknown)} {are(unknown)} for that registry is not told"
        where = f"add a registry to the program or the configuration: server: {host}, repositories: [{name}]"
        if by_name:
            where = f"add {name} to the repositories of {' or '.join(by_name)}"
        found.append(Finding(
            "no-login",
            "unseen" if unknown else "error",
            f"repository {repository}",
            f"its devcontainer.json needs an image of {host}, and {log_in}.",
            "A codespace is not built as described where an image cannot be pulled.",
            f"{where}; then pulumi up",
        ))  # fmt: skip
    return found


# -- what could not be looked at, and what is printed


def unseen(resource: str, what: str, fix: str) -> Finding:
    """Something that could not be looked at."""
    return Finding("unseen", "unseen", resource, what, "What is wrong there is not among these findings.", fix)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by severity, code and resource, each once."""
    return sorted(
        dict.fromkeys(findings), key=lambda it: (SEVERITIES.index(it.severity), it.code, it.resource, it.what)
    )


def as_json(findings: Iterable[Finding]) -> str:
    """A list of objects by the names of `Finding`'s attributes."""
    return json.dumps([asdict(one) for one in findings], indent=2) + "\n"


def some(names: Sequence[str]) -> str:
    """A few of many names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _setting(name: str) -> str:
    """Where the configuration has a registry, as a path (https://www.pulumi.com/docs/iac/concepts/config/)."""
    return f'registries["{name}"]' if "." in name else f"registries.{name}"


def _set(held: Held, name: str, like: str) -> str:
    """The command that writes a secret for the same readers as another."""
    other = held.secrets[like]
    readers = f" --visibility {other.visibility}" if other.visibility else ""
    if other.visibility == "selected":
        known = other.repositories or {0: "NAME"}
        readers = f" --repos {','.join(sorted(known.values()))}"
    return f"gh secret set {name} --app codespaces {held.flags}{readers}"


def _delete(held: Held, name: str) -> str:
    return f"gh secret delete {name} --app codespaces {held.flags}"


def _map(given: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def _was(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _it(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
