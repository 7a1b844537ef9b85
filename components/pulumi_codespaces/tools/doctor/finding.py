"""A problem that the doctor reports."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    Severity = Literal["error", "warning", "unseen"]

SEVERITIES = ("error", "warning", "unseen")
"""`error`: codespaces cannot pull. `warning`: they may soon be unable to pull, or more is open than necessary.

`unseen`: the resource could not be looked at.
"""


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


def unseen(resource: str, what: str, fix: str) -> Finding:
    """A finding for a resource that could not be looked at."""
    return Finding("unseen", "unseen", resource, what, "Problems there are missing from these findings.", fix)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by severity, code and resource, each once."""
    return sorted(
        dict.fromkeys(findings),
        key=lambda finding: (SEVERITIES.index(finding.severity), finding.code, finding.resource, finding.what),
    )


def as_json(findings: Iterable[Finding]) -> str:
    """A list of objects whose keys are the attributes of `Finding`."""
    return json.dumps([asdict(finding) for finding in findings], indent=2) + "\n"
