"""Finds wording that reads badly, in docstrings, comments and pages.

    python tests/wording.py [PATH...]

Prints path:line, the text and what to write instead, and exits with 1 if it finds any.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PLACES = (
    *("components", "docs", ".changes"),
    *("README.md", "CONTRIBUTING.md", "UPGRADE.md", "SECURITY.md", "CHANGELOG.md"),
)
SKIPPED_FOLDERS = {".venv", "venv", "build", "node_modules"}

# construction -> what to write instead. A space stands for any white space, so a construction may span two lines.
CONSTRUCTIONS = {
    r"\b[Bb]y (what|whom)\b": "how, or name the thing",
    r"\b(has|have|had) not (a|an|any|the)\b": "'does not have', or say what is wrong",
    r"\bOf (all|that|these|those|what|which|whom)\b": "begin with the subject of the sentence",
    r"\b[Ww]hom\b": "name the person or the program",
    r"\b[Tt]here(by|in|of|upon)\b": "name the thing",
    r"\banew\b": "'again', or a verb such as 'restart'",
    r"\b[Mm]end(s|ed|ing)?\b": "'fix' or 'repair'",
    r"\b([Tt]ells?|[Tt]old|[Tt]elling)\b": "'says', 'shows', 'returns' or 'lists'",
    r"\bWhoever\b": "'anyone who'",
    r"(^|[.;:] )What (is|are|was|were|has|have|had|cannot|does)\b[^?]*?[.;:]": "begin with the thing itself",
}
PRONOUNS = {"found", "given", "held", "it", "kept", "known", "made", "one", "some", "there", "told"}


def blanked(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def page_prose(text: str) -> str:
    """The text of a Markdown page without code, on the same lines."""
    without_blocks = re.sub(r"^ *```.*?^ *```|^    .*?$", blanked, text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", blanked, without_blocks)


def code_prose(source: str, tree: ast.AST) -> str:
    """The docstrings and comments of a module, on the same lines."""
    source_lines = source.splitlines()
    lines = ["."] * len(source_lines)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstring = source_lines[node.lineno - 1 : node.end_lineno]
            lines[node.lineno - 1 : node.end_lineno] = [line.strip().strip('"') for line in docstring]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = token.string.lstrip("# ")
    return re.sub(r"`[^`\n]*`", blanked, "\n".join(lines))


def loop_names(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            for name in ast.walk(node.target):
                if isinstance(name, ast.Name) and name.id in PRONOUNS:
                    yield name.lineno, f"for {name.id} in", "name the loop variable after what is looped over"


def findings(path: Path) -> list[tuple[int, str, str]]:
    """The wording to change in a file: line, text, and what to write instead."""
    text = path.read_text(encoding="utf-8")
    results: list[tuple[int, str, str]] = []
    if path.suffix == ".py":
        tree = ast.parse(text)
        results += loop_names(tree)
        prose = code_prose(text, tree)
    else:
        prose = page_prose(text)
    for construction, instead in CONSTRUCTIONS.items():
        for match in re.finditer(construction.replace(" ", r"\s+"), prose, re.MULTILINE):
            line = prose.count("\n", 0, match.start()) + 1
            results.append((line, " ".join(match[0].split()), instead))
    return sorted(results)


def files(places: list[Path]) -> Iterator[Path]:
    for place in places:
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.suffix in (".md", ".py") and not SKIPPED_FOLDERS & set(path.parts):
                yield path


def main(arguments: list[str]) -> int:
    places = [Path(argument) for argument in arguments] or [ROOT / place for place in PLACES]
    lines = [
        f"{path}:{line}: '{text}': write instead: {instead}"
        for path in files(places)
        for line, text, instead in findings(path)
    ]
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
