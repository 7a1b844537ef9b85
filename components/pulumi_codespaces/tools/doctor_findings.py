"""The doctor's rules: they compare what states, GitHub and AWS say about the registry access of some stacks.

Every finding says what the problem is, why it matters, and what to type.
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
from ..state.access import accesses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Literal

    from ..rules.iam_users import LiveKey
    from ..state.access import Access
    from ..state.digest import Digest, Resource

    Severity = Literal["error", "warning", "unseen"]

SEVERITIES = ("error", "warning", "unseen")
"""`error`: codespaces cannot pull. `warning`: they may soon be unable to pull, or more is open than necessary.

`unseen`: the resource could not be looked at.
"""
_ACCESS_KEY, _USER = "aws:iam/accessKey:AccessKey", "aws:iam/user:User"
_INLINE, _ATTACHMENT = "aws:iam/userPolicy:UserPolicy", "aws:iam/userPolicyAttachment:UserPolicyAttachment"
_LITTLE_ROOM = 3
"""A place is reported if it has room for this many more registries or fewer."""
_GUIDE = "https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry"
_AGE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        code: a stable identifier for tools.
        severity: one of `SEVERITIES`.
        resource: the resource concerned, such as `organization acme`.
        what: the problem, in a sentence.
        why: why the problem matters.
        fix: what to type: a command, or a line of the program or the configuration.
    """

    code: str
    severity: Severity
    resource: str
    what: str
    why: str
    fix: str


@dataclass(frozen=True)
class LiveSecret:
    """A secret as GitHub lists it.

    Attributes:
        updated_at: the time of the last write.
        visibility: `all`, `private` or `selected`; "" for a secret of a repository.
        repositories: id -> name of the repositories that may read it, where visibility is `selected`; None if GitHub
            was not asked.
    """

    updated_at: str
    visibility: str = ""
    repositories: Mapping[int, str] | None = None


@dataclass(frozen=True)
class LiveSecrets:
    """The Codespaces secrets of one place, as GitHub lists them.

    Attributes:
        place: `organization acme` or `repository acme/web`.
        flags: the options of `gh secret` that select the place.
        secrets: name -> the secret.
    """

    place: str
    flags: str
    secrets: Mapping[str, LiveSecret]


@dataclass(frozen=True)
class ManagedSecrets:
    """A set of secrets that a stack manages, as its state has them.

    Attributes:
        stack: the stack's name.
        access: what the secrets give access to, and who may read them.
        written_at: secret -> the time when the stack last wrote it.
        repository_ids: the repositories that may read them, where visibility is `selected`.
        user_arn: the ARN of the IAM user; "" without a user.
        keys: id -> status of the access keys, including keys that are still to be deleted.
        policies: the names of the user's inline policies, and the ARNs of its attached policies.
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
        """The repository that has the secrets; "" if the organization has them, or if the repository is unknown."""
        if self.of_organization:
            return ""
        return next(iter(self.access.readers.names), "")

    @property
    def of_organization(self) -> bool:
        """Whether the organization has the secrets."""
        return self.access.readers.visibility != "repository"


def managed_secrets(state: Digest) -> list[ManagedSecrets]:
    """The sets of secrets of a stack, with the access keys that they publish."""
    by_urn = {resource.urn: resource for resource in state.after}
    stack = state.stack.rpartition("/")[2]
    return [
        _secret_set(stack, access, by_urn[access.urn], state.before) for access in accesses(by_urn.values()).values()
    ]


def _secret_set(stack: str, access: Access, secrets: Resource, resources: Iterable[Resource]) -> ManagedSecrets:
    siblings = [resource for resource in resources if resource.parent == secrets.parent and access.user]
    user = next((resource for resource in siblings if resource.type == _USER), None)
    selected = _map(secrets.outputs.get("selectedRepositories"))
    return ManagedSecrets(
        stack,
        access,
        {name: str(time) for name, time in _map(secrets.outputs.get("updatedAt")).items()},
        frozenset(int(number) for number in selected.values() if isinstance(number, (int, float))),
        str(user.outputs.get("arn") or "") if user else "",
        {
            key.id: str(key.outputs.get("status") or key.inputs.get("status") or "Active")
            for key in siblings
            if key.type == _ACCESS_KEY and key.id
        },
        frozenset(_policies_of(access.user, resources)),
    )


def _policies_of(user: str, resources: Iterable[Resource]) -> Iterable[str]:
    """The policies that a stack gives a user. The program may give more policies than the component does."""
    for resource in resources:
        if resource.type == _INLINE and resource.id.startswith(f"{user}:"):
            yield resource.id.partition(":")[2]
        if resource.type == _ATTACHMENT and (resource.outputs or resource.inputs).get("user") == user:
            yield str((resource.outputs or resource.inputs).get("policyArn"))


# -- secrets by their names


def name_findings(live: LiveSecrets, managed_names: Collection[str], above: Collection[str] = ()) -> list[Finding]:
    """Logins with missing secrets, and secrets that GitHub ignores because of their names.

    Args:
        live: the secrets of a place.
        managed_names: the names that a stack writes there. `changed_outside` reports missing secrets among them.
        above: the names that codespaces also get from another level. `mixtures` reports logins from both levels.
    """
    right_names: dict[str, str] = {}
    for name in live.secrets:
        right_name = near_miss(name)
        if right_name and name not in managed_names and right_name not in live.secrets:
            right_names[name] = right_name
    findings: list[Finding] = []
    for triple, missing in incomplete_triples(live.secrets).items():
        if {*missing} <= {*above} or {*missing} & {*managed_names} or {*missing} <= {*right_names.values()}:
            continue
        present = [name for name in triple.names if name in live.secrets]
        findings.append(Finding(
            "incomplete-login",
            "error",
            live.place,
            f"{in_words(present)} {are(present)} there, and {in_words(missing)} {are(missing)} not.",
            f"GitHub logs a codespace in only where it finds all three ({_GUIDE}).",
            "; ".join(_set(live, name, present[0]) for name in missing)
            + "; or, if nobody needs it: "
            + "; ".join(_delete(live, name) for name in present),
        ))  # fmt: skip
    return findings + [
        Finding(
            "ignored-name",
            "warning",
            live.place,
            f"{name} is no name that GitHub looks for; {right_name} is.",
            f"GitHub looks for names that end with these very words, and ignores others ({_GUIDE}).",
            f"{_set(live, right_name, name)}; then {_delete(live, name)}",
        )
        for name, right_name in right_names.items()
    ]


def mixtures(above: Iterable[str], below: LiveSecrets, organization: str) -> list[Finding]:
    """The logins that codespaces would put together from secrets of the organization and of the repository.

    Args:
        above: the names of the organization's secrets that the repository may read.
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


def visible_secret_names(live: LiveSecrets, repository: str, *, public: bool) -> list[str]:
    """The names of an organization's secrets that the codespaces of a repository get."""
    return [
        name
        for name, secret in live.secrets.items()
        if secret.visibility == "all"
        or (secret.visibility == "private" and not public)
        or repository.lower() in {selected.lower() for selected in (secret.repositories or {}).values()}
    ]


def without_readers(live: LiveSecrets, managed_names: Collection[str]) -> list[Finding]:
    """Secrets that no repository may read. `changed_outside` reports those of a stack (`managed_names`)."""
    names = [
        name
        for name, secret in live.secrets.items()
        if secret.visibility == "selected" and secret.repositories == {} and name not in managed_names
    ]
    triples = triples_in(names)
    grouped = {name for triple in triples for name in triple.names}
    groups = [*(triple.names for triple in triples), *((name,) for name in sorted({*names} - grouped))]
    return [
        Finding(
            "no-readers",
            "warning",
            live.place,
            f"{in_words(group)} {are(group)} for selected repositories, and none is selected.",
            f"No codespace gets {_it(group)}, and {'it takes' if len(group) == 1 else 'they take'} room "
            f"({SECRETS_LIMIT} secrets at most).",
            "; ".join(_delete(live, name) for name in group),
        )
        for group in groups
    ]


def room(live: LiveSecrets) -> list[Finding]:
    """A place that has room for only a few more registries."""
    count = len(live.secrets)
    left = (SECRETS_LIMIT - count) // 3
    if left > _LITTLE_ROOM:
        return []
    registries = len(triples_in(live.secrets))
    return [Finding(
        "little-room",
        "warning",
        live.place,
        f"{count} of {SECRETS_LIMIT} secrets are used, {registries} of {SECRETS_LIMIT // 3} registries: room for "
        f"{counted(left, 'registry', 'registries')} more.",
        "GitHub refuses what is more.",
        f"gh secret list --app codespaces {live.flags}, and for what nobody reads: gh secret delete NAME --app "
        f"codespaces {live.flags}; or keep a login with the repository that needs it (`repository`)",
    )]  # fmt: skip


# -- what a stack wrote


def changed_outside(secret_set: ManagedSecrets, live: LiveSecrets) -> list[Finding]:
    """Secrets that somebody changed since the stack wrote them."""
    names = write_order(secret_set.written_at)
    deleted = [name for name in names if name not in live.secrets]
    present = [name for name in names if name in live.secrets]
    changed = [name for name in present if live.secrets[name].updated_at != secret_set.written_at[name]]
    readers = [name for name in present if _other_readers(secret_set, live.secrets[name])]
    up = f"pulumi up --refresh --stack {secret_set.stack}"
    by = f"stack {secret_set.stack} ({secret_set.access.name})"
    changes: list[tuple[list[str], str, Severity, str, str]] = [
        (deleted, "secret-deleted", "error", f"that {by} wrote {are(deleted)} not there any more",
         "Codespaces that start do not get it."),
        (changed, "secret-changed", "warning", f"{_was(changed)} written by somebody else since {by} did",
         "Codespaces that start may get credentials that do not work, or that nobody reviewed."),
        (readers, "readers-changed", "warning", f"{are(readers)} for others than {by} wrote {_it(readers)} for",
         "Codespaces get it that should not, or do not get it that should."),
    ]  # fmt: skip
    return [
        Finding(code, severity, live.place, f"{in_words(secrets)} {text}.", why, up)
        for secrets, code, severity, text, why in changes
        if secrets
    ]


def _other_readers(secret_set: ManagedSecrets, secret: LiveSecret) -> bool:
    if not secret_set.of_organization:
        return False
    if secret.visibility != secret_set.access.readers.visibility:
        return True
    return secret.repositories is not None and frozenset(secret.repositories) != secret_set.repository_ids


# -- access keys


def key_findings(
    secret_set: ManagedSecrets, live_keys: Mapping[str, LiveKey], now: datetime, *, max_age_days: int, unused_days: int
) -> list[Finding]:
    """Problems with the access keys of a stack's user.

    Args:
        secret_set: the secrets, the user and the keys in the state.
        live_keys: id -> the key, as AWS lists them for the user.
        now: the time that ages are measured from.
        max_age_days: the maximum age of a published key.
        unused_days: the number of days without use after which a key counts as needed by nobody.
    """
    user, resource, findings = secret_set.access.user, f"user {secret_set.access.user}", list[Finding]()
    refresh = f"pulumi up --refresh --stack {secret_set.stack}"
    for key in sorted(secret_set.keys):
        published = key == secret_set.access.key_id
        if key not in live_keys:
            if published or secret_set.keys[key] == "Active":
                findings.append(Finding(
                    "missing-key",
                    "error" if published else "warning",
                    resource,
                    f"AWS has no access key {key}, which is {'published' if published else 'Active in the state'}.",
                    "Codespaces cannot log in with it.",
                    refresh,
                ))  # fmt: skip
        elif live_keys[key].status != secret_set.keys[key]:
            status = live_keys[key].status
            findings.append(_other_status(key, secret_set.keys[key], status, resource, refresh, published=published))
        if published and key in live_keys:
            findings += _age_findings(
                secret_set, key, live_keys[key], now, max_age_days=max_age_days, unused_days=unused_days
            )
    findings += [
        Finding(
            "unmanaged-key",
            "warning",
            resource,
            f"access key {key} (made {live_keys[key].made.isoformat()}, {live_keys[key].status}) is in no state.",
            "A run was killed while it made the key, or somebody made it by hand. IAM allows two keys a user, so it "
            "blocks a rotation.",
            f"{delete_key_command(user, key)}, if nothing uses it",
        )
        for key in sorted(live_keys)
        if key not in secret_set.keys
    ]
    return findings


def policy_findings(secret_set: ManagedSecrets, inline: Iterable[str], attached: Iterable[str]) -> list[Finding]:
    """The policies that a stack's user has and that the state does not have.

    Args:
        secret_set: the secrets, the user and its policies in the state.
        inline: the names of the user's inline policies, as AWS lists them.
        attached: the ARNs of the user's attached policies, as AWS lists them.
    """
    return [
        Finding(
            "unmanaged-policy",
            "warning",
            f"user {secret_set.access.user}",
            f"policy {policy} is in no state.",
            "Codespaces may do what it allows, and nobody reviewed that. Somebody made it by hand, or a run was killed "
            "while it made the policy and the program was changed then.",
            f"{remove_policy_command(secret_set.access.user, policy)}, if nobody needs it",
        )
        for policy in sorted({*inline, *attached} - secret_set.policies)
    ]


def _other_status(key: str, wanted: str, status: str, resource: str, fix: str, *, published: bool) -> Finding:
    code, severity, why = "revived-key", "warning", "A key that was retired lets in again whoever has it."
    if wanted == "Active":
        code, why = "inactive-key", "Codespaces that run since before the rotation cannot log in with it any more."
    if wanted == "Active" and published:
        severity, why = "error", "Codespaces cannot log in with it."
    return Finding(code, severity, resource, f"access key {key} is {status}, and {wanted} in the state.", why, fix)


def _age_findings(
    secret_set: ManagedSecrets, key: str, live: LiveKey, now: datetime, *, max_age_days: int, unused_days: int
) -> Iterable[Finding]:
    age, generation, name = (now - live.made).days, secret_set.access.generation + 1, secret_set.access.name
    stack, resource = secret_set.stack, f"user {secret_set.access.user}"
    if age > max_age_days:
        yield Finding(
            "old-key",
            "warning",
            resource,
            f"the published access key {key} is {age} days old, and at most {max_age_days} are wanted.",
            f"Whoever may write to a selected repository could have read it since ({_AGE}).",
            f"pulumi config set --path '{_setting(name)}.keyGeneration' {generation} --stack {stack} (in a "
            f"program of your own: key_generation={generation}); then pulumi up --stack {stack}",
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
            f"pulumi config rm --path '{_setting(name)}' --stack {stack} (in a program of your own: take {name} "
            f"out of it); then pulumi up --stack {stack}",
        )


# -- credentials that end


def endings(stack: str, outputs: Mapping[str, Any], now: datetime) -> list[Finding]:
    """Credentials that have ended or end soon, according to the summaries that a stack exports.

    Args:
        stack: the stack's name.
        outputs: the stack's outputs.
        now: the time.
    """
    findings: list[Finding] = []
    for name, until, server in _ends(outputs):
        try:
            days = days_left(checked_end(until), now, server)
        except RuleViolation:
            continue
        if days is None:
            continue
        findings.append(_ending(stack, name, until, days))
    return findings


def _ending(stack: str, name: str, until: str, days: int) -> Finding:
    code, severity = "credentials-ending", "warning"
    what = f"the credentials of {name} end in {counted(days, 'day', 'days')}, at {until}."
    if days < 0:
        code, severity = "credentials-ended", "error"
        what = f"the credentials of {name} ended at {until}."
    return Finding(
        code,
        severity,
        f"stack {stack}",
        what,
        "Codespaces cannot log in with them then.",
        f"give new ones (a token of Amazon ECR is renewed by every update); then pulumi up --stack {stack}",
    )


def _ends(outputs: Mapping[str, Any], name: str = "") -> Iterable[tuple[str, str, str]]:
    """Yields (name, end, server) for every map with `expiresAt` and `secretNames`, at any depth."""
    if isinstance(outputs.get("expiresAt"), str) and isinstance(outputs.get("secretNames"), list):
        server: object = outputs.get("server")
        yield name, cast("str", outputs["expiresAt"]), server if isinstance(server, str) else ""
    for key, value in outputs.items():
        if isinstance(value, dict):
            yield from _ends(cast("dict[str, Any]", value), key)


# -- packages and development containers


def package_findings(stack: str, name: str, differences: Iterable[str], settings_url: str) -> list[Finding]:
    """Differences between a package and its declaration by `PackageAccess`.

    Args:
        stack: the stack's name.
        name: the package's name.
        differences: the differences, in sentences.
        settings_url: the page where the package can be changed.
    """
    return [
        Finding(
            "package-differs",
            "warning",
            f"package {name}",
            f"{difference}.",
            "Who may read it from a codespace is not what the stack says.",
            f"change it at {settings_url}, or declare what is so; then pulumi up --stack {stack}",
        )
        for difference in differences
    ]


def hosts_without_login(
    repository: str,
    hosts: Iterable[str],
    secret_sets: Sequence[ManagedSecrets],
    urns: Collection[str],
    unmanaged_prefixes: Sequence[str],
) -> list[Finding]:
    """Registries that a devcontainer.json needs and that the repository's codespaces do not log in to.

    Args:
        repository: `organization/name`.
        hosts: the registries that the files name and that take a login.
        secret_sets: the secrets of all stacks in the organization.
        urns: the URNs of the secrets that the repository gets.
        unmanaged_prefixes: the prefixes of other logins that the repository gets. GitHub does not say which registries
            they are for.
    """
    own = [secret_set.access for secret_set in secret_sets if secret_set.access.urn in urns]
    prefixes_without_server = [prefix for access in own if not access.servers for prefix in access.prefixes]
    unknown = sorted({*unmanaged_prefixes, *prefixes_without_server})
    name = repository.rpartition("/")[2]
    findings: list[Finding] = []
    for host in hosts:
        if any(_opens(access, host) for access in own):
            continue
        by_name = [secret_set.access.name for secret_set in secret_sets if _opens(secret_set.access, host)]
        log_in = "its codespaces do not log in there"
        if unknown:
            log_in = f"whether {in_words(unknown)} {are(unknown)} for that registry is not told"
        where = f"add a registry to the program or the configuration: server: {host}, repositories: [{name}]"
        if by_name:
            where = f"add {name} to the repositories of {' or '.join(by_name)}"
        findings.append(Finding(
            "no-login",
            "unseen" if unknown else "error",
            f"repository {repository}",
            f"its devcontainer.json needs an image of {host}, and {log_in}.",
            "A codespace is not built as described where an image cannot be pulled.",
            f"{where}; then pulumi up",
        ))  # fmt: skip
    return findings


def _opens(access: Access, host: str) -> bool:
    return any(same_registry(host, server) for server in access.servers)


# -- what could not be looked at, and what is printed


def unseen(resource: str, what: str, fix: str) -> Finding:
    """A finding for a resource that could not be looked at."""
    return Finding("unseen", "unseen", resource, what, "What is wrong there is not among these findings.", fix)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by severity, code and resource, each once."""
    return sorted(
        dict.fromkeys(findings),
        key=lambda finding: (SEVERITIES.index(finding.severity), finding.code, finding.resource, finding.what),
    )


def as_json(findings: Iterable[Finding]) -> str:
    """A list of objects whose keys are the attributes of `Finding`."""
    return json.dumps([asdict(finding) for finding in findings], indent=2) + "\n"


def shortened(names: Sequence[str]) -> str:
    """The first three names, and the number of the others."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _setting(name: str) -> str:
    """The path of a registry in the configuration (https://www.pulumi.com/docs/iac/concepts/config/)."""
    return f'registries["{name}"]' if "." in name else f"registries.{name}"


def _set(live: LiveSecrets, name: str, like: str) -> str:
    """The command that writes a secret with the same readers as the secret `like`."""
    example = live.secrets[like]
    readers = f" --visibility {example.visibility}" if example.visibility else ""
    if example.visibility == "selected":
        repositories = example.repositories or {0: "NAME"}
        readers = f" --repos {','.join(sorted(repositories.values()))}"
    return f"gh secret set {name} --app codespaces {live.flags}{readers}"


def _delete(live: LiveSecrets, name: str) -> str:
    return f"gh secret delete {name} --app codespaces {live.flags}"


def _map(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _was(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _it(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
