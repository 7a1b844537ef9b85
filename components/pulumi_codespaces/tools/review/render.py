"""A review as Markdown for a pull request's comment, as plain text, and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from ...rules.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .model import Change, Edge, Review

COMMENT_LIMIT = 65_536
"""The maximum number of characters in a GitHub comment (https://github.com/orgs/community/discussions/41331)."""
_EDGES = 24
"""The maximum number of edges in the graph."""
_WORDS = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted", "import": "imported"}


def as_markdown(review: Review, limit: int = COMMENT_LIMIT) -> str:
    """A comment for a pull request. It begins with a mark, so that the next push can find and edit the comment.

    Args:
        review: the review.
        limit: the maximum number of characters. A longer comment loses its folded details first, and then the end of
            its lists.
    """
    details = _details(review)
    while True:
        text = "\n".join([*_head(review), *_graph(review.edges), *_folded(details)]).rstrip("\n") + "\n"
        if len(text) <= limit:
            return text
        if not details:
            break
        # Halving leaves out more lines than necessary, but the exact number is not worth a search.
        details = details[: len(details) // 2]
    lines = _head(review)
    note = "… The rest does not fit into a comment: see the preview itself."
    while len("\n".join([*lines, note])) >= limit:
        lines = lines[: len(lines) // 2]
    return "\n".join([*lines, note]) + "\n"


def as_text(review: Review) -> str:
    """Plain lines for a terminal or a log."""
    lines = [f"risk ({change.risk}): {_plain(change.text)}" for change in review.risks]
    lines += [f"  {line}" for change in review.risks for line in change.diff]
    lines += [_plain(change.text) for change in review.changes]
    lines += [f"  {line}" for change in review.changes for line in change.diff]
    lines += [f"warning: {_plain(message.text)}" for message in review.messages]
    if not lines:
        lines = ["No change in who may pull."]
    if review.others:
        lines.append(_others(review))
    return "\n".join(lines) + "\n"


def as_json(review: Review) -> str:
    """An object with `stack`, `risks`, `changes`, `access`, `others` and `warnings`."""
    return json.dumps(
        {
            "stack": review.stack,
            "risks": [_object(change) for change in review.risks],
            "changes": [_object(change) for change in review.changes],
            "access": [asdict(edge) for edge in review.edges],
            "others": dict(review.others),
            "warnings": [{"resource": message.name, "text": message.text} for message in review.messages],
        },
        indent=2,
    ) + "\n"  # fmt: skip


def marker(stack: str) -> str:
    """The first line of the comment on a stack."""
    return f"<!-- codespaces review: {stack} -->"


def _object(change: Change) -> dict[str, object]:
    return {key: value for key, value in asdict(change).items() if value}


def _head(review: Review) -> list[str]:
    lines = [marker(review.stack), f"### Registry access of codespaces: `{review.stack}`", ""]
    if review.risks:
        lines += ["**Look at this first**", ""]
        for risk in review.risks:
            lines.append(f"- :warning: {risk.text}")
            lines += _fenced(risk.diff)
        lines.append("")
    if review.changes:
        lines += [f"- {change.text}" for change in review.changes] + [""]
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
    """A graph, drawn by GitHub, of the repositories that may pull from each changed registry.

    Unchanged edges are drawn only if all of them fit. The others are counted.
    """
    changed = [edge for edge in edges if edge.state != "kept"]
    if not changed:
        return []
    shown = changed[:_EDGES]
    registries = {edge.registry for edge in changed}
    unchanged = [edge for edge in edges if edge.state == "kept" and edge.registry in registries]
    left_out = len(changed) - len(shown)
    if len(unchanged) <= _EDGES - len(shown):
        shown += unchanged
    else:
        left_out += len(unchanged)
    lines = ["```mermaid", "graph LR", *_edge_lines(shown)]
    if left_out:
        lines.append(f'  more["{left_out} more"]')
    return [*lines, "```", ""]


def _edge_lines(edges: Iterable[Edge]) -> list[str]:
    nodes: dict[str, str] = {}
    lines: list[str] = []
    for edge in edges:
        for name in (edge.readers, edge.registry):
            if name not in nodes:
                nodes[name] = f"n{len(nodes)}"
                shape = f'["{_quoted(name)}"]' if name == edge.readers else f'[("{_quoted(name)}")]'
                lines.append(f"  {nodes[name]}{shape}")
        arrow = {"gained": "==>|new|", "lost": "-.->|ends|", "kept": "-->"}[edge.state]
        lines.append(f"  {nodes[edge.readers]} {arrow} {nodes[edge.registry]}")
    return lines


def _quoted(name: str) -> str:
    return re.sub(r'["<>&#;`]', lambda match: f"#{ord(match[0])};", name)


def _details(review: Review) -> list[str]:
    lines: list[str] = []
    for change in (*review.risks, *review.changes):
        extra = [*change.details, *(() if change.risk else change.diff)]
        if extra:
            lines += [f"- {change.text}", *(f"  - {line}" for line in extra)]
    return [*lines, *(f"- warning on `{message.name}`: {_escaped_line(message.text)}" for message in review.messages)]


def _folded(lines: Iterable[str]) -> list[str]:
    shown = list(lines)
    return ["<details><summary>Details</summary>", "", *shown, "", "</details>"] if shown else []


def _plain(text: str) -> str:
    return text.replace("`", "").replace("**", "")


def _escaped_line(text: str) -> str:
    return one_line(text).replace("<", "&lt;")
