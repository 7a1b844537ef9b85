"""The report of a campaign, as Markdown."""

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
    """Whether a trial kept every promise."""
    return not (line["failed"] or line["orphans"] or line["problems"])


def summary(lines: Sequence[Line]) -> dict[str, str]:
    """The figures of some trials by the headings of the table."""
    reached = [trial for trial in lines if trial["reached"]]
    outcomes = Counter(trial["outcome"] for trial in reached)
    windows = [span for trial in reached for span in trial["windows"]]
    killed = [span for trial in reached if trial["outcome"] == "killed" for span in trial["left_open"]]
    failed = [span for trial in reached if trial["outcome"] != "killed" for span in trial["left_open"]]
    recovered = [trial for trial in reached if trial["recovery"]]
    return {
        "cases": f"{len(reached):,}",
        "absorbed": f"{outcomes['green']:,}",
        "failed": f"{outcomes['failed']:,}",
        "killed": f"{outcomes['killed']:,}",
        "instants judged": f"{sum(trial['instants'] for trial in reached):,}",
        "failed pulls": f"{sum(len(trial['failed']) for trial in reached):,}",
        "mismatch instants": f"{sum(trial['in_windows'] for trial in reached):,}",
        "longest mismatch": f"{max(windows, default=0):,.0f} ms",
        "left by a kill": _count_of_spans(killed),
        "left by an outage": _count_of_spans(failed),
        "recovered": f"{len(recovered):,}",
        "unattached policies left": f"{sum(trial['unattached'] for trial in reached):,}",
        "orphans left": f"{sum(len(trial['orphans']) for trial in reached):,}",
        "other problems": f"{sum(len(trial['problems']) for trial in reached):,}",
    }


def _count_of_spans(milliseconds: Sequence[float]) -> str:
    longest = f" (≤ {max(milliseconds) / 1000:.0f} s)" if milliseconds else ""
    return f"{len(milliseconds)}{longest}"


def table(lines: Sequence[Line], by: str) -> str:
    """One row for each operation, fault or contender, and a row for all."""
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
    """The position of a row: in the order of the definitions, with two faults in a row after the first fault alone."""
    known = [*OPERATIONS, *FAULTS, *(contender.name for contender in CONTENDERS.values())]
    first, _, then = name.partition(", then ")
    return (known.index(first) if first in known else len(known)), then


def recoveries(lines: Sequence[Line]) -> str:
    """The commands of the recoveries, and how often each was needed."""
    counted = Counter(", ".join(trial["recovery"]) for trial in lines if trial["recovery"] and trial["reached"])
    text = ["| recovery | trials |", "|---|---:|"]
    return "\n".join(text + [f"| {commands} | {count:,} |" for commands, count in counted.most_common()])


def page(lines: Sequence[Line], head: dict[str, Any]) -> str:
    """The whole report."""
    hours = sum(trial["seconds"] for trial in lines) / 3600
    parts = [
        (
            f"Made by `{head['command']}` on commit {head['commit']}, seed {head['seed']}: {len(lines):,} trials "
            f"on the real engine, {hours:.1f} hours of it one after the other. A case that did not come to its "
            "request (the operation took another way), or whose signal found no such process, is not counted."
        ),
    ]
    for name in dict.fromkeys(trial["contender"] for trial in lines):
        trials = [trial for trial in lines if trial["contender"] == name]
        parts += [
            f"## {CONTENDERS[name].name}",
            (
                f"{len(trials):,} of {head['cases'][name]:,} cases were carried out; "
                f"{sum(not trial['reached'] for trial in trials):,} of them are not counted."
            ),
            table(trials, "operation"),
            table(trials, "fault"),
            recoveries(trials),
        ]
    bad = [trial for trial in lines if trial["reached"] and trial["contender"] == "ours" and not good(trial)]
    if bad:
        parts.append("## What did not hold")
        parts += [
            f"- {trial['case']}: {'; '.join(trial['failed'] + trial['orphans'] + trial['problems'])[:600]}"
            for trial in bad
        ]
    return "\n\n".join(parts)


def comparison(lines: Sequence[Line]) -> str:
    """The same faults at the same requests of the same operations, with one column for each contender."""
    names = [name for name in CONTENDERS if any(trial["contender"] == name for trial in lines)]
    reached = {
        name: {
            trial["case"].partition(" | ")[2]: trial
            for trial in lines
            if trial["contender"] == name and trial["reached"]
        }
        for name in names
    }
    common = set.intersection(*(set(trials) for trials in reached.values()))
    columns: dict[str, list[str]] = {}
    for name in names:
        trials = [reached[name][case] for case in common]

        def share(count: int, of: int = len(trials)) -> str:
            return f"{count:,} ({100 * count / of:.0f} %)" if count else "0"

        columns[CONTENDERS[name].name] = [
            f"{len(trials):,}",
            share(sum(bool(trial["failed"]) for trial in trials)),
            share(sum(bool(trial["left_open"]) for trial in trials)),
            share(sum(bool(trial["orphans"]) for trial in trials)),
            share(sum(bool(trial["problems"]) for trial in trials)),
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
