"""A review as Markdown for a pull request's comment, as plain text, and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .changes import Change, Edge, Review

COMMENT_LIMIT = 65_536
"""Characters of a comment that GitHub takes (https://github.com/orgs/community/discussions/41331)."""
_EDGES = 24
_WORDS = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted", "import": "imported"}


def as_markdown(review: Review, limit: int = COMMENT_LIMIT) -> str:
    """A comment that begins with a mark, by which the one of the push before can be found and edited.

    Args:
        review: what to tell.
        limit: the most characters; what is folded is left out first, and then the longest lists.
    """
    folded = _details(review)
    while True:
        text = "\n".join([*_head(review), *_graph(review.edges), *_folded(folded)]).rstrip("\n") + "\n"
        if len(text) <= limit:
            return text
        if not folded:
            break
        # Half of what is too long at a time: the length of a line of Markdown is not worth a search.
        folded = folded[: len(folded) // 2]
    lines = _head(review)
    note = "… and more than a comment has room for: see the preview itself."
    while len("\n".join([*lines, note])) >= limit:
        lines = lines[: len(lines) // 2]
    return "\n".join([*lines, note]) + "\n"


def as_text(review: Review) -> str:
    """Plain lines for a terminal or a log."""
    lines = [f"risk ({one.risk}): {_plain(one.text)}" for one in review.risks]
    lines += [f"  {line}" for one in review.risks for line in one.diff]
    lines += [_plain(one.text) for one in review.changes] + [f"  {line}" for one in review.changes for line in one.diff]
    lines += [f"warning: {_plain(one.text)}" for one in review.messages]
    return "\n".join([*(lines or ["No change in who may pull."]), *([_others(review)] if review.others else [])]) + "\n"


def as_json(review: Review) -> str:
    """An object with `stack`, `risks`, `changes`, `access`, `others` and `warnings`."""
    return json.dumps(
        {
            "stack": review.stack,
            "risks": [_object(one) for one in review.risks],
            "changes": [_object(one) for one in review.changes],
            "access": [asdict(one) for one in review.edges],
            "others": dict(review.others),
            "warnings": [{"resource": one.name, "text": one.text} for one in review.messages],
        },
        indent=2,
    ) + "\n"  # fmt: skip


def marker(stack: str) -> str:
    """The first line of a comment on a stack."""
    return f"<!-- codespaces review: {stack} -->"


def _object(change: Change) -> dict[str, object]:
    return {key: value for key, value in asdict(change).items() if value}


def _head(review: Review) -> list[str]:
    lines = [marker(review.stack), f"### Registry access of codespaces: `{review.stack}`", ""]
    if review.risks:
        lines += ["**Look at this first**", ""]
        for one in review.risks:
            lines.append(f"- :warning: {one.text}")
            lines += _fenced(one.diff)
        lines.append("")
    if review.changes:
        lines += [f"- {one.text}" for one in review.changes] + [""]
    if not review.risks and not review.changes:
        lines += ["No change in who may pull.", ""]
    if review.others:
        lines += [_others(review), ""]
    return lines


def _fenced(diff: Sequence[str]) -> list[str]:
    return ["  ```diff", *(f"  {line}" for line in diff), "  ```"] if diff else []


def _others(review: Review) -> str:
    counts = [f"{count} {_WORDS.get(op, op)}" for op, count in review.others.items()]
    return f"Other resources: {', '.join(counts)}."


def _graph(edges: Sequence[Edge]) -> list[str]:
    """Who may pull from where, as a graph that GitHub draws; repositories for which nothing changes are counted."""
    changed = [one for one in edges if one.state != "kept"]
    if not changed:
        return []
    shown = changed[:_EDGES]
    registries = {one.registry for one in changed}
    kept = [one for one in edges if one.state == "kept" and one.registry in registries]
    room = _EDGES - len(shown)
    drawn = [*shown, *(kept if len(kept) <= room else [])]
    names: dict[str, str] = {}
    lines = ["```mermaid", "graph LR"]
    for one in drawn:
        for name in (one.readers, one.registry):
            if name not in names:
                names[name] = f"n{len(names)}"
                shape = f'["{_quoted(name)}"]' if name == one.readers else f'[("{_quoted(name)}")]'
                lines.append(f"  {names[name]}{shape}")
        arrow = {"gained": "==>|new|", "lost": "-.->|ends|", "kept": "-->"}[one.state]
        lines.append(f"  {names[one.readers]} {arrow} {names[one.registry]}")
    left_out = (len(changed) - len(shown)) + (len(kept) if len(kept) > room else 0)
    if left_out:
        lines.append(f'  more["{left_out} more"]')
    return [*lines, "```", ""]


def _quoted(name: str) -> str:
    return re.sub(r'["<>&#;`]', lambda it: f"#{ord(it[0])};", name)


def _details(review: Review) -> list[str]:
    lines: list[str] = []
    for one in (*review.risks, *review.changes):
        extra = [*one.details, *(() if one.risk else one.diff)]
        if extra:
            lines += [f"- {one.text}", *(f"  - {line}" for line in extra)]
    return [*lines, *(f"- warning on `{one.name}`: {_line(one.text)}" for one in review.messages)]


def _folded(lines: Iterable[str]) -> list[str]:
    shown = list(lines)
    return ["<details><summary>Details</summary>", "", *shown, "", "</details>"] if shown else []


def _plain(text: str) -> str:
    return text.replace("`", "").replace("**", "")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")
