"""Problems with access keys, with the policies of their users, and with other credentials that end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ...rules import RuleViolation
from ...rules.iam_users import delete_key_command, remove_policy_command
from ...rules.lifetimes import checked_end, days_left
from ...rules.wording import counted
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ...rules.iam_users import LiveKey
    from .stacks import ManagedSecrets

_AGE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html"


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
    findings: list[Finding] = []
    for key, status in sorted(secret_set.keys.items()):
        published = key == secret_set.access.key_id
        live_key = live_keys.get(key)
        if live_key is None:
            if published or status == "Active":
                findings.append(_missing_key(secret_set, key, published=published))
            continue
        if live_key.status != status:
            findings.append(_other_status(secret_set, key, live_key.status, published=published))
        if published and (live_key.age_days(now) > max_age_days):
            findings.append(_old_key(secret_set, key, live_key.age_days(now), max_age_days))
        if published and (live_key.idle_days(now) > unused_days):
            findings.append(_unused_key(secret_set, key, live_key, now))
    unmanaged = sorted(live_keys.keys() - secret_set.keys.keys())
    return findings + [_unmanaged_key(secret_set, key, live_keys[key]) for key in unmanaged]


def _missing_key(secret_set: ManagedSecrets, key: str, *, published: bool) -> Finding:
    severity, role = "warning", "Active in the state"
    if published:
        severity, role = "error", "published"
    return Finding(
        "missing-key",
        severity,
        _user(secret_set),
        f"AWS has no access key {key}, which is {role}.",
        "Codespaces cannot log in with it.",
        secret_set.refresh_command,
    )


def _unmanaged_key(secret_set: ManagedSecrets, key: str, live_key: LiveKey) -> Finding:
    return Finding(
        "unmanaged-key",
        "warning",
        _user(secret_set),
        f"access key {key} (made {live_key.made.isoformat()}, {live_key.status}) is not in the stack's state.",
        "A run was killed while it created the key, or somebody created the key by hand. IAM allows two keys per user, "
        "so the key blocks a rotation.",
        f"{delete_key_command(secret_set.access.user, key)}, if nothing uses it",
    )


def _other_status(secret_set: ManagedSecrets, key: str, status: str, *, published: bool) -> Finding:
    wanted = secret_set.keys[key]
    code, severity, why = "revived-key", "warning", "Everybody who has the retired key can log in again."
    if wanted == "Active":
        code, why = "inactive-key", "Codespaces that started before the rotation can no longer log in."
    if wanted == "Active" and published:
        severity, why = "error", "Codespaces cannot log in with it."
    what = f"access key {key} is {status}, but {wanted} in the state."
    return Finding(code, severity, _user(secret_set), what, why, secret_set.refresh_command)


def _old_key(secret_set: ManagedSecrets, key: str, age_days: int, max_age_days: int) -> Finding:
    stack, name, generation = secret_set.stack, secret_set.access.name, secret_set.access.generation + 1
    return Finding(
        "old-key",
        "warning",
        _user(secret_set),
        f"the published access key {key} is {age_days} days old; the maximum is {max_age_days}.",
        f"Everybody with write access to a selected repository could have read the key ({_AGE}).",
        f"pulumi config set --path '{_setting(name)}.keyGeneration' {generation} --stack {stack} (in a "
        f"program of your own: key_generation={generation}); then pulumi up --stack {stack}",
    )


def _unused_key(secret_set: ManagedSecrets, key: str, live_key: LiveKey, now: datetime) -> Finding:
    stack, name = secret_set.stack, secret_set.access.name
    last_use = f"was last used {live_key.idle_days(now)} days ago"
    if live_key.used is None:
        last_use = "was never used"
    return Finding(
        "unused-key",
        "warning",
        _user(secret_set),
        f"the published access key {key} {last_use}.",
        "No codespace has logged in since then, so perhaps nobody needs the key.",
        f"pulumi config rm --path '{_setting(name)}' --stack {stack} (in a program of your own: remove "
        f"{name}); then pulumi up --stack {stack}",
    )


def _user(secret_set: ManagedSecrets) -> str:
    return f"user {secret_set.access.user}"


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
            _user(secret_set),
            f"policy {policy} is not in the stack's state.",
            "Codespaces may do what the policy allows, and nobody reviewed it. Somebody created the policy by hand, or "
            "a run was killed while it created the policy, and the program was changed afterwards.",
            f"{remove_policy_command(secret_set.access.user, policy)}, if nobody needs it",
        )
        for policy in sorted({*inline, *attached} - secret_set.policies)
    ]


def _setting(name: str) -> str:
    """The path of a registry in the configuration (https://www.pulumi.com/docs/iac/concepts/config/)."""
    return f'registries["{name}"]' if "." in name else f"registries.{name}"


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
    what = f"the credentials of {name} expire in {counted(days, 'day', 'days')}, at {until}."
    if days < 0:
        code, severity = "credentials-ended", "error"
        what = f"the credentials of {name} expired at {until}."
    return Finding(
        code,
        severity,
        f"stack {stack}",
        what,
        "Codespaces cannot log in with expired credentials.",
        f"set new credentials (every update renews a token of Amazon ECR); then pulumi up --stack {stack}",
    )


def _ends(outputs: Mapping[str, Any], name: str = "") -> Iterable[tuple[str, str, str]]:
    """Yields (name, end, server) for every map with `expiresAt` and `secretNames`, at any depth."""
    if isinstance(outputs.get("expiresAt"), str) and isinstance(outputs.get("secretNames"), list):
        server: object = outputs.get("server")
        yield name, cast("str", outputs["expiresAt"]), server if isinstance(server, str) else ""
    for key, value in outputs.items():
        if isinstance(value, dict):
            yield from _ends(cast("dict[str, Any]", value), key)
