"""What the trials of a campaign add up to, as Markdown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .contenders import CONTENDERS
from .faults import FAULTS
from .operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

Line = dict[str, Any]


def good(line: Line) -> bool:
    """Whether everything that was promised held in a trial."""
    return not (line["failed"] or line["orphans"] or line["problems"])


def summary(lines: Sequence[Line]) -> dict[str, str]:
    """The figures of some trials, by what they tell."""
    reached = [one for one in lines if one["reached"]]
    outcomes = Counter(one["outcome"] for one in reached)
    windows = [span for one in reached for span in one["windows"]]
    killed = [span for one in reached if one["outcome"] == "killed" for span in one["left_open"]]
    failed = [span for one in reached if one["outcome"] != "killed" for span in one["left_open"]]
    recovered = [one for one in reached if one["recovery"]]
    return {
        "cases": f"{len(reached):,}",
        "absorbed": f"{outcomes['green']:,}",
        "failed": f"{outcomes['failed']:,}",
        "killed": f"{outcomes['killed']:,}",
        "instants judged": f"{sum(one['instants'] for one in reached):,}",
        "failed pulls": f"{sum(len(one['failed']) for one in reached):,}",
        "mismatch instants": f"{sum(one['in_windows'] for one in reached):,}",
        "longest mismatch": f"{max(windows, default=0):,.0f} ms",
        "left by a kill": _count_of_spans(killed),
        "left by an outage": _count_of_spans(failed),
        "recovered": f"{len(recovered):,}",
        "unattached policies left": f"{sum(one['unattached'] for one in reached):,}",
        "orphans left": f"{sum(len(one['orphans']) for one in reached):,}",
        "other problems": f"{sum(len(one['problems']) for one in reached):,}",
    }


def _count_of_spans(milliseconds: Sequence[float]) -> str:
    longest = f" (≤ {max(milliseconds) / 1000:.0f} s)" if milliseconds else ""
    return f"{len(milliseconds)}{longest}"


def table(lines: Sequence[Line], by: str) -> str:
    """One row for each operation, or fault, or contender, and one for all."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(CONTENDERS[line[by]].name if by == "contender" else line[by], []).append(line)
    rows = {name: summary(groups[name]) for name in sorted(groups, key=_rank)}
    if len(rows) > 1 and by != "contender":
        rows["**all**"] = summary(lines)
    columns = list(summary([]))
    text = [f"| {by} | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    text += [f"| {name} | " + " | ".join(row[column] for column in columns) + " |" for name, row in rows.items()]
    return "\n".join(text)


def _rank(name: str) -> tuple[int, str]:
    """Where a row stands: in the order of the definitions, a fault that is followed by another one after it alone."""
    known = [*OPERATIONS, *FAULTS, *(one.name for one in CONTENDERS.values())]
    first, _, then = name.partition(", then ")
    return (known.index(first) if first in known else len(known)), then


def recoveries(lines: Sequence[Line]) -> str:
    """Which commands it took, and how often."""
    counted = Counter(", ".join(one["recovery"]) for one in lines if one["recovery"] and one["reached"])
    text = ["| recovery | trials |", "|---|---:|"]
    return "\n".join(text + [f"| {commands} | {count:,} |" for commands, count in counted.most_common()])


def page(lines: Sequence[Line], head: dict[str, Any]) -> str:
    """The whole report."""
    hours = sum(one["seconds"] for one in lines) / 3600
    parts = [
        (
            f"Made by `{head['command']}` on commit {head['commit']}, seed {head['seed']}: {len(lines):,} trials "
            f"on the real engine, {hours:.1f} hours of it one after the other. A case that did not come to its "
            "request (the operation took another way), or whose signal found no such process, is not counted."
        ),
    ]
    for name in dict.fromkeys(one["contender"] for one in lines):
        some = [one for one in lines if one["contender"] == name]
        parts += [
            f"## {CONTENDERS[name].name}",
            (
                f"{len(some):,} of {head['cases'][name]:,} cases were carried out; "
                f"{sum(not one['reached'] for one in some):,} of them are not counted."
            ),
            table(some, "operation"),
            table(some, "fault"),
            recoveries(some),
        ]
    bad = [one for one in lines if one["reached"] and one["contender"] == "ours" and not good(one)]
    if bad:
        parts.append("## What did not hold")
        parts += [
            f"- {one['case']}: {'; '.join(one['failed'] + one['orphans'] + one['problems'])[:600]}" for one in bad
        ]
    return "\n\n".join(parts)


def comparison(lines: Sequence[Line]) -> str:
    """The same faults at the same requests of the same operations, by contender: one column each."""
    names = [name for name in CONTENDERS if any(one["contender"] == name for one in lines)]
    reached = {
        name: {one["case"].partition(" | ")[2]: one for one in lines if one["contender"] == name and one["reached"]}
        for name in names
    }
    common = set.intersection(*(set(some) for some in reached.values()))
    columns: dict[str, list[str]] = {}
    for name in names:
        some = [reached[name][case] for case in common]

        def share(count: int, of: int = len(some)) -> str:
            return f"{count:,} ({100 * count / of:.0f} %)" if count else "0"

        columns[CONTENDERS[name].name] = [
            f"{len(some):,}",
            share(sum(bool(one["failed"]) for one in some)),
            share(sum(bool(one["left_open"]) for one in some)),
            share(sum(bool(one["orphans"]) for one in some)),
            share(sum(bool(one["problems"]) for one in some)),
        ]
    titles = (
        "faults during an update",
        "a codespace could not pull, or secrets were missing",
        "user and password of two keys until the next update",
        "keys or secrets left that no state knows of",
        "not as declared after the recovery",
    )
    text = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    text += [f"| {title} | " + " | ".join(row) + " |" for title, *row in zip(titles, *columns.values(), strict=True)]
    return "\n".join(text)
