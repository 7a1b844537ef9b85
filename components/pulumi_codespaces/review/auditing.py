"""The auditor's table: a row for each repository and registry, from the resources of a stack."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..rules import RuleViolation
from ..rules.policies import PULL_ACTIONS
from ..rules.registries import parse_ecr_host
from .access import accesses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from .access import Access, Grant
    from .digest import Digest

EVERY = {"private": "every private repository", "all": "every repository"}
"""What stands for the repository where the visibility says who reads."""
_UNKNOWN, _NOBODY = "(unknown)", "(none)"
"""Parentheses stand in no name of a repository, a login or a host."""
_WITHOUT_USER = "what the credentials allow"


@dataclass(frozen=True)
class Row:
    """What the codespaces of a repository may pull from a registry, and by what.

    Attributes:
        organization: the organization.
        repository: the repository's name, or one of `EVERY`.
        registry: the registry's host; None if it stands in a secret alone.
        pulls: the ECR repositories that may be pulled from, or patterns of them, and in parentheses what else gives the
            user permissions that the stack does not tell; None if that is not for the stack to say, because the
            credentials were given.
        suspended: whether the user is denied everything.
        secrets: what the names of the registry's three secrets begin with.
        iam_user: the IAM user; None if the credentials were given.
        access_key_id: the access key that is published; None if the credentials were given.
        key_made: when the key was made, as AWS writes it.
        age_days: how many days ago that was.
        stack: `project/stack`.
        visibility: `selected`, `private`, `all`, or `repository` for the secrets of one.
        writers: who may write to the repository: logins, and teams as `organization/team`; None if GitHub did not tell.
    """

    organization: str
    repository: str
    registry: str | None
    pulls: tuple[str, ...] | None
    suspended: bool
    secrets: str
    iam_user: str | None
    access_key_id: str | None
    key_made: str | None
    age_days: int | None
    stack: str
    visibility: str
    writers: tuple[str, ...] | None = None

    @property
    def names_one(self) -> bool:
        """Whether `repository` is the name of one."""
        return self.repository not in (*EVERY.values(), _UNKNOWN, _NOBODY)


def audit(state: Digest, now: datetime) -> list[Row]:
    """A row for each repository and registry of a stack, in the order of their names.

    Args:
        state: the stack.
        now: for the age of keys.
    """
    rows = [
        Row(
            organization=one.owner,
            repository=repository,
            registry=host,
            pulls=_pulls(one, host),
            suspended=one.suspended,
            secrets=prefix,
            iam_user=one.user or None,
            access_key_id=one.key_id or None,
            key_made=one.key_made or None,
            age_days=one.key_age_days(now),
            stack=state.stack,
            visibility=one.readers.visibility,
        )
        for one in accesses(state.after).values()
        for prefix in one.prefixes
        for host in (dict(one.hosts).get(prefix),)
        for repository in _repositories(one)
    ]
    return in_order(rows)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by stack, organization, repository and registry."""
    return sorted(rows, key=lambda it: (it.stack, it.organization, it.repository, it.registry or "", it.secrets))


def as_json(rows: Sequence[Row], *, writers: bool) -> str:
    """A list of objects by the names of `Row`'s attributes; `writers` is in them if it was asked for."""
    left_out = () if writers else ("writers",)
    shown = [{name: value for name, value in asdict(row).items() if name not in left_out} for row in rows]
    return json.dumps(shown, indent=2) + "\n"


def as_csv(rows: Sequence[Row], *, writers: bool) -> str:
    """A table for a spreadsheet, to which no cell is a formula (https://owasp.org/www-community/attacks/CSV_Injection)."""
    target = io.StringIO()
    # Quoted as a whole, a cell is one also where the spreadsheet takes another character for the separator.
    writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([name.replace(" ", "_") for name in headers(writers=writers)])
    writer.writerows([_harmless(cell) for cell in cells] for cells in table(rows, writers=writers))
    return target.getvalue()


def headers(*, writers: bool) -> list[str]:
    """The columns' names."""
    names = ["organization", "repository", "registry", "pulls", "secrets", "iam user", "access key id"]
    return [*names, "key made", "age days", "stack", *(["writers"] if writers else [])]


def table(rows: Iterable[Row], *, writers: bool) -> list[list[str]]:
    """The cells of each row; what does not apply is empty."""
    return [
        [
            row.organization,
            row.repository,
            row.registry or _UNKNOWN,
            "nothing (suspended)" if row.suspended else _WITHOUT_USER if row.pulls is None else " ".join(row.pulls),
            row.secrets,
            row.iam_user or "",
            row.access_key_id or "",
            row.key_made or "",
            "" if row.age_days is None else str(row.age_days),
            row.stack,
            *([_UNKNOWN if row.writers is None else " ".join(row.writers)] if writers else []),
        ]
        for row in rows
    ]


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


def _repositories(access: Access) -> list[str]:
    readers = access.readers
    if readers.visibility in EVERY:
        return [EVERY[readers.visibility]]
    return sorted(readers.names) or [_UNKNOWN if readers.unknown else _NOBODY]


def _pulls(access: Access, host: str | None) -> tuple[str, ...] | None:
    """The repositories of a registry that a user may pull from; one in no registry that is known by its ARN."""
    if not access.user:
        return None
    hosts = [known for _, known in access.hosts]
    found: set[str] = set()
    for grant in access.grants:
        if grant.effect != "Allow" or not _includes_pull(grant.action):
            continue
        if host and repository_in(grant.resource, host):
            found.add(_with_condition(repository_in(grant.resource, host), grant))
        elif not any(repository_in(grant.resource, known) for known in hosts):
            found.add(_with_condition(grant.resource, grant))
    return (*sorted(found), *(f"(what {_called(*one)} allows)" for one in sorted(access.elsewhere)))


def _includes_pull(action: str) -> bool:
    """Whether an action, or a pattern of actions, is one of the pull; all but some actions are taken for it."""
    return action.startswith("everything but ") or any(fnmatchcase(one.lower(), action.lower()) for one in PULL_ACTIONS)


def _called(kind: str, name: str) -> str:
    return f"the {kind} {name}" if name else f"a {kind} that is not known"


def repository_in(arn: str, host: str) -> str:
    """The repository, or the pattern of repositories, that an ARN means in the registry of an ECR host; "" for none."""
    try:
        registry = parse_ecr_host(host)
    except RuleViolation:
        return ""
    parts = [*arn.split(":", 5), "", "", "", "", ""]
    is_here = parts[3] in ("*", registry.region) and parts[4] in ("*", registry.account)
    return parts[5].removeprefix("repository/") if is_here and parts[5].startswith("repository/") else ""


def _with_condition(name: str, grant: Grant) -> str:
    if not grant.condition:
        return name
    conditions: dict[str, dict[str, str]] = json.loads(grant.condition)
    tags = conditions.get("StringEquals") or {}
    if [*conditions] != ["StringEquals"] or not all(key.startswith("aws:ResourceTag/") for key in tags):
        return f"{name} (if {grant.condition})"
    wanted = [f"{key.removeprefix('aws:ResourceTag/')}={value}" for key, value in tags.items()]
    return f"{name} tagged {','.join(wanted)}"
