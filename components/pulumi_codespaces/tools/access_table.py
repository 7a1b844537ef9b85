"""The auditor's table, made from the resources of a stack: a row for each repository and registry."""

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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ..state.access import Access
    from ..state.permissions import Grant
    from ..state.stack import Stack

EVERY = {"private": "every private repository", "all": "every repository"}
"""Visibility -> the text in place of a repository's name."""
_UNKNOWN, _NOBODY = "(unknown)", "(none)"
"""The parentheses set these texts apart: no name of a repository, login or host contains parentheses."""
_WITHOUT_USER = "what the credentials allow"


@dataclass(frozen=True)
class Row:
    """The images that the codespaces of a repository may pull from a registry, and the credentials for it.

    Attributes:
        organization: the organization.
        repository: the repository's name, or one of `EVERY`.
        registry: the registry's host; None if only a secret contains the host.
        pulls: the ECR repositories, or patterns of them, that the user may pull from. Other sources of its permissions,
            whose content the stack does not have, follow in parentheses. None if the program passes its own
            credentials, because the stack does not know what those allow.
        suspended: whether the user is denied everything.
        secrets: the prefix of the names of the registry's three secrets.
        iam_user: the IAM user; None if the program passes its own credentials.
        access_key_id: the id of the published access key; None if the program passes its own credentials.
        key_made: the time when the key was made, as AWS writes it.
        age_days: the age of the key in days.
        stack: `project/stack`.
        visibility: `selected`, `private`, `all`, or `repository` for the secrets of one repository.
        writers: logins, and teams as `organization/team`, that may write to the repository; None if GitHub did not
            answer.
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
    def names_a_repository(self) -> bool:
        """Whether `repository` is the name of a single repository."""
        return self.repository not in (*EVERY.values(), _UNKNOWN, _NOBODY)


def audit(stack: Stack, now: datetime) -> list[Row]:
    """A row for each repository and registry of a stack, in the order of their names.

    Args:
        stack: the stack.
        now: the time that the age of keys is measured from.
    """
    return in_order(
        _row(access, prefix, repository, stack.full_name, now)
        for access in stack.accesses.values()
        for prefix in access.prefixes
        for repository in _repositories(access)
    )


def _row(access: Access, prefix: str, repository: str, stack: str, now: datetime) -> Row:
    host = dict(access.hosts).get(prefix)
    return Row(
        organization=access.owner,
        repository=repository,
        registry=host,
        pulls=_pulls(access, host),
        suspended=access.suspended,
        secrets=prefix,
        iam_user=access.user or None,
        access_key_id=access.key_id or None,
        key_made=access.key_made or None,
        age_days=access.key_age_days(now),
        stack=stack,
        visibility=access.readers.visibility,
    )


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by stack, organization, repository and registry."""
    return sorted(rows, key=lambda row: (row.stack, row.organization, row.repository, row.registry or "", row.secrets))


def as_json(rows: Sequence[Row], *, writers: bool) -> str:
    """A list of objects whose keys are the attributes of `Row`, with `writers` only if asked for."""
    left_out = () if writers else ("writers",)
    shown = [{name: value for name, value in asdict(row).items() if name not in left_out} for row in rows]
    return json.dumps(shown, indent=2) + "\n"


def as_csv(rows: Sequence[Row], *, writers: bool) -> str:
    """CSV in which a spreadsheet cannot take any cell for a formula.

    Source: https://owasp.org/www-community/attacks/CSV_Injection.
    """
    target = io.StringIO()
    # A spreadsheet may use another separator than the comma. Quotes keep it from splitting a cell there.
    writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([name.replace(" ", "_") for name in headers(writers=writers)])
    writer.writerows([_harmless(cell) for cell in cells] for cells in table(rows, writers=writers))
    return target.getvalue()


def headers(*, writers: bool) -> list[str]:
    """The names of the columns."""
    names = ["organization", "repository", "registry", "pulls", "secrets", "iam user", "access key id"]
    return [*names, "key made", "age days", "stack", *(["writers"] if writers else [])]


def table(rows: Iterable[Row], *, writers: bool) -> list[list[str]]:
    """The cells of each row. A cell that does not apply is empty."""
    return [
        [
            row.organization,
            row.repository,
            row.registry or _UNKNOWN,
            _pulls_cell(row),
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


def _pulls_cell(row: Row) -> str:
    if row.suspended:
        return "nothing (suspended)"
    return _WITHOUT_USER if row.pulls is None else " ".join(row.pulls)


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


def _repositories(access: Access) -> list[str]:
    readers = access.readers
    if readers.visibility in EVERY:
        return [EVERY[readers.visibility]]
    return sorted(readers.names) or [_UNKNOWN if readers.unknown else _NOBODY]


def _pulls(access: Access, host: str | None) -> tuple[str, ...] | None:
    """The repositories of a registry that a user may pull from.

    A repository that belongs to none of the known registries is shown by its ARN.
    """
    if not access.user:
        return None
    known_hosts = [known_host for _, known_host in access.hosts]
    names: set[str] = set()
    for grant in access.grants:
        if grant.effect != "Allow" or not _includes_pull(grant.action):
            continue
        if host and repository_in(grant.resource, host):
            names.add(_with_condition(repository_in(grant.resource, host), grant))
        elif not any(repository_in(grant.resource, known_host) for known_host in known_hosts):
            names.add(_with_condition(grant.resource, grant))
    sources = [_source(kind, name) for kind, name in sorted(access.elsewhere)]
    return (*sorted(names), *(f"(what {source} allows)" for source in sources))


def _includes_pull(action: str) -> bool:
    """Whether an action, or a pattern of actions, includes one of the pull actions.

    A statement with `NotAction` (`everything but …`) is taken to include them.
    """
    if action.startswith("everything but "):
        return True
    return any(fnmatchcase(pull_action.lower(), action.lower()) for pull_action in PULL_ACTIONS)


def _source(kind: str, name: str) -> str:
    return f"the {kind} {name}" if name else f"an unknown {kind}"


def repository_in(arn: str, host: str) -> str:
    """The repository, or the pattern of repositories, of an ARN in the registry of an ECR host; "" if it has none."""
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
