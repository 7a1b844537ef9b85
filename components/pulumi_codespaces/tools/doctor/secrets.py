"""Problems with Codespaces secrets: their names, their readers, and changes that no stack made."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from ...rules.registries import same_registry
from ...rules.secret_names import SECRETS_LIMIT, incomplete_triples, mixed_logins, near_miss, triples_in, write_order
from ...rules.wording import are, counted, in_words
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ...rules.secret_names import Triple
    from .stacks import LiveSecret, LiveSecrets, ManagedSecrets

_LITTLE_ROOM = 3
"""A place is reported if it has room for this many more registries or fewer."""
_GUIDE = "https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry"


def name_findings(live: LiveSecrets, managed_names: Collection[str], above: Collection[str] = ()) -> list[Finding]:
    """Logins with missing secrets, and secrets that GitHub ignores because of their names.

    Args:
        live: the secrets of a place.
        managed_names: the names that a stack writes there. `changed_outside` reports missing secrets among them.
        above: the names that codespaces also get from another level. `mixtures` reports logins from both levels.
    """
    right_names = _right_names(live, managed_names)
    findings: list[Finding] = []
    for triple, missing in incomplete_triples(live.secrets).items():
        names = {*missing}
        has_other_finding = names <= {*above} or names & {*managed_names} or names <= {*right_names.values()}
        if not has_other_finding:
            findings.append(_incomplete_login(live, triple, missing))
    return findings + [_ignored_name(live, name, right_name) for name, right_name in right_names.items()]


def _right_names(live: LiveSecrets, managed_names: Collection[str]) -> dict[str, str]:
    """Secret that GitHub ignores -> the name that GitHub would look for."""
    right_names = {name: near_miss(name) for name in live.secrets if name not in managed_names}
    return {name: right for name, right in right_names.items() if right and right not in live.secrets}


def _incomplete_login(live: LiveSecrets, triple: Triple, missing: Sequence[str]) -> Finding:
    present = [name for name in triple.names if name in live.secrets]
    add = "; ".join(_set(live, name, present[0]) for name in missing)
    delete = "; ".join(_delete(live, name) for name in present)
    return Finding(
        "incomplete-login",
        "error",
        live.place,
        f"{in_words(missing)} {are(missing)} missing beside {in_words(present)}.",
        f"GitHub logs a codespace in only if all three secrets exist ({_GUIDE}).",
        f"{add}; or, if nobody needs it: {delete}",
    )


def _ignored_name(live: LiveSecrets, name: str, right_name: str) -> Finding:
    return Finding(
        "ignored-name",
        "warning",
        live.place,
        f"{name} is not a name that GitHub looks for; use {right_name}.",
        f"GitHub looks for names with exactly this ending, and ignores others ({_GUIDE}).",
        f"{_set(live, right_name, name)}; then {_delete(live, name)}",
    )


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
            f"codespaces log in with mixed secrets for {triple.prefix}: {in_words(shared)} {are(shared)} from the "
            f"repository, and the rest from organization {organization}.",
            "GitHub takes each secret separately from the lowest level that has it, so user and password do not match.",
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
    """Secrets that no repository may read, except a stack's (`managed_names`): `changed_outside` reports them."""
    names = [
        name
        for name, secret in live.secrets.items()
        if secret.visibility == "selected" and secret.repositories == {} and name not in managed_names
    ]
    triples = triples_in(names)
    grouped = {name for triple in triples for name in triple.names}
    groups = [*(triple.names for triple in triples), *((name,) for name in sorted({*names} - grouped))]
    return [_no_readers(live, group) for group in groups]


def _no_readers(live: LiveSecrets, names: Sequence[str]) -> Finding:
    takes = "takes" if len(names) == 1 else "take"
    return Finding(
        "no-readers",
        "warning",
        live.place,
        f"{in_words(names)} {are(names)} for selected repositories, but no repository is selected.",
        f"No codespace gets {_secrets(names)}, which {takes} room ({SECRETS_LIMIT} secrets at most).",
        "; ".join(_delete(live, name) for name in names),
    )


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
        "GitHub refuses further secrets.",
        f"gh secret list --app codespaces {live.flags}, and for secrets that nobody reads: gh secret delete NAME "
        f"--app codespaces {live.flags}; or move a login to the repository that needs it (`repository`)",
    )]  # fmt: skip


# -- what a stack wrote


def changed_outside(secret_set: ManagedSecrets, live: LiveSecrets) -> list[Finding]:
    """Secrets that somebody changed since the stack wrote them."""
    names = write_order(secret_set.written_at)
    deleted = [name for name in names if name not in live.secrets]
    present = [name for name in names if name in live.secrets]
    changed = [name for name in present if live.secrets[name].updated_at != secret_set.written_at[name]]
    other_readers = [name for name in present if _has_other_readers(secret_set, live.secrets[name])]
    findings: list[Finding] = []
    if deleted:
        findings.append(_secret_deleted(secret_set, live, deleted))
    if changed:
        findings.append(_secret_changed(secret_set, live, changed))
    if other_readers:
        findings.append(_readers_changed(secret_set, live, other_readers))
    return findings


def _secret_deleted(secret_set: ManagedSecrets, live: LiveSecrets, names: Sequence[str]) -> Finding:
    return Finding(
        "secret-deleted",
        "error",
        live.place,
        f"{in_words(names)} {are(names)} missing, although {secret_set.writer} wrote {_it(names)}.",
        f"New codespaces do not get {_secrets(names)}.",
        secret_set.refresh_command,
    )


def _secret_changed(secret_set: ManagedSecrets, live: LiveSecrets, names: Sequence[str]) -> Finding:
    has = "has" if len(names) == 1 else "have"
    return Finding(
        "secret-changed",
        "warning",
        live.place,
        f"{in_words(names)} {has} been changed since {secret_set.writer} wrote {_it(names)}.",
        "New codespaces may get credentials that do not work, or that nobody reviewed.",
        secret_set.refresh_command,
    )


def _readers_changed(secret_set: ManagedSecrets, live: LiveSecrets, names: Sequence[str]) -> Finding:
    has = "has" if len(names) == 1 else "have"
    return Finding(
        "readers-changed",
        "warning",
        live.place,
        f"{in_words(names)} {has} other readers than {secret_set.writer} set.",
        f"Some codespaces get {_secrets(names)} that should not, or the other way round.",
        secret_set.refresh_command,
    )


def _has_other_readers(secret_set: ManagedSecrets, secret: LiveSecret) -> bool:
    if not secret_set.of_organization:
        return False
    if secret.visibility != secret_set.access.readers.visibility:
        return True
    return secret.repositories is not None and frozenset(secret.repositories) != secret_set.repository_ids


def double_logins(secret_sets: Sequence[ManagedSecrets]) -> list[Finding]:
    """Registries with two logins in one repository, by two sets of secrets of an organization and its repositories.

    The preview refuses them in one program. Here the sets may belong to several stacks. The host of a login that
    somebody set up by hand is not known, since GitHub does not return the values of secrets.
    """
    return [
        _double_login(first, second, host, (prefix, other_prefix), shared)
        for first, second in combinations(secret_sets, 2)
        for prefix, host in first.access.hosts
        for other_prefix, other_host in second.access.hosts
        # The secret of a repository replaces the organization's secret of the same name.
        if same_registry(host, other_host)
        and (prefix != other_prefix or first.of_organization == second.of_organization)
        and (shared := _shared_repositories(first, second))
    ]


def _double_login(
    first: ManagedSecrets, second: ManagedSecrets, host: str, prefixes: tuple[str, str], shared: str
) -> Finding:
    return Finding(
        "double-login",
        "error",
        f"organization {first.access.owner}",
        f"{shared} gets two logins for {host}: {prefixes[0]} of {first.writer} and {prefixes[1]} of {second.writer}.",
        "docker keeps one login for each registry, and nobody can tell which one a codespace uses, so pulls fail that "
        "only the other one allows.",
        f"grant everything that {shared} needs in one login, or select the repository in only one of the two; then "
        f"pulumi up --stack {first.stack} and pulumi up --stack {second.stack}",
    )


def _shared_repositories(first: ManagedSecrets, second: ManagedSecrets) -> str:
    """The repositories that read both sets of secrets, in words; "" if there are none."""
    first_names, second_names = (
        {name.lower(): name for name in secret_set.access.readers.names} for secret_set in (first, second)
    )
    wide = [secret_set.access.readers.visibility in ("all", "private") for secret_set in (first, second)]
    match wide:
        case [True, True]:
            return "every private repository"
        case [True, False]:
            names = sorted(second_names.values())
        case [False, True]:
            names = sorted(first_names.values())
        case _:
            names = sorted(name for key, name in first_names.items() if key in second_names)
    if not names:
        return ""
    others = len(names) - 1
    more = f" (and {counted(others, 'other repository', 'other repositories')})" if others else ""
    return f"repository {names[0]}{more}"


# -- commands


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


def _it(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _secrets(names: Sequence[str]) -> str:
    return "the secret" if len(names) == 1 else "the secrets"
