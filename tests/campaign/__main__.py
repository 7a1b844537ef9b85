"""Runs the campaign.

tests/campaign.sh                                     all of this package's cases, resuming where it was interrupted
tests/campaign.sh --contender stock --sample 100      a hundred cases of the stock resources
tests/campaign.sh --call sts. --sample 60             sixty at the requests with which the AWS provider connects
tests/campaign.sh --only "ours | rotation | …"        one case, and what the CLI said
tests/campaign.sh --report-only --write docs/faults.md
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from benchmarks.measuring import write_between_marks

from .cases import all_cases, chunks, in_common, requests, sample
from .contenders import CONTENDERS
from .faults import Target
from .report import comparison, good, page, table
from .trial import Bench, Case, Result
from .workers import carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parents[2]
_DEFAULT_RESULTS = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulumi-codespaces" / "campaign.jsonl"
)
_IMPORTED = """
import sys
import campaign.trial, pulumi_codespaces, pulumi_codespaces.plugin.host
pulumi_codespaces.EcrPullAccess, pulumi_codespaces.RegistryLogin
modules = [module for name, module in sys.modules.items() if name.split(".")[0] in ("campaign", "pulumi_codespaces")]
print(*(module.__file__ for module in modules), sep="\\n")
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/campaign.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contender", choices=[*CONTENDERS, "all"], default="ours")
    parser.add_argument("--operation", action="append", help="only this one; may be given again")
    parser.add_argument("--fault", action="append", help="only this one; may be given again")
    parser.add_argument("--call", action="append", help="only at requests whose name begins so; may be given again")
    parser.add_argument("--sample", type=int, help="so many cases of each contender, chosen by the seed")
    parser.add_argument("--common", action="store_true", help="only cases that every contender in the results has")
    parser.add_argument("--only", help="one case by its name; prints what the CLI said")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, help="begin no trial after so many minutes")
    parser.add_argument("--results", type=Path, default=_DEFAULT_RESULTS, help="a file of one JSON a line")
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    parser.add_argument(
        "--write",
        type=Path,
        action="append",
        default=[],
        help="a Markdown file with the marks <!-- campaign --> for "
        "the whole report, or <!-- contenders --> for the comparison; may be given again",
    )
    return parser.parse_args()


def _commit() -> str:
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"


def code() -> str:
    """A hash of all code that a result depends on: the modules of programs, plugin and trials, and the local cloud."""
    imported = subprocess.run(
        [sys.executable, "-c", _IMPORTED],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": f"{_ROOT / 'components'}{os.pathsep}{_ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # The plugin imports the engine's protocol under a name of its own, from the folder of Pulumi's SDK.
    files = {path for path in map(Path, imported.splitlines()) if path.is_relative_to(_ROOT)}
    files |= {
        path for path in (_ROOT / "tests/rig").rglob("*") if path.is_file() and path.suffix not in (".pyc", ".md")
    }
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _read(path: Path, wanted: str | None) -> tuple[list[dict[str, Any]], dict[str, dict[str, list[Target]]]]:
    """The results so far, and the requests behind the cases by contender and operation.

    Args:
        path: the file.
        wanted: the hash of the code; results of other code are left out. None for the code of the last result.
    """
    text = path.read_text() if path.exists() else ""
    everything: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    if wanted is None:
        wanted = everything[-1].get("code") if everything else None
    lines = [line for line in everything if line.get("code") == wanted]
    if len(lines) < len(everything):
        print(f"{len(everything) - len(lines)} lines of {path} are of other code and left out", file=sys.stderr)
    made = {
        contender: {operation: [Target(*target) for target in targets] for operation, targets in operations.items()}
        for line in lines
        for contender, operations in line.get("requests", {}).items()
    }
    empty = asdict(Result("", "", "", ""))
    return [{**empty, **line} for line in lines if "requests" not in line], made


class _Progress:
    """A progress line: redrawn in a terminal, printed now and then elsewhere."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.bad = total, 0, 0
        self.started = self.shown = time.monotonic()

    def step(self, result: dict[str, Any]) -> None:
        self.done += 1
        if not good(result):
            self.bad += 1
            print(f"\r\033[K{result['case']}\n    " + "\n    ".join(
                [*result["failed"], *result["orphans"], *result["problems"]])[:1500], file=sys.stderr)  # fmt: skip
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not terminal and now - self.shown < 30 and self.done < self.total:
            return
        self.shown = now
        left = (now - self.started) / self.done * (self.total - self.done)
        bar = ("#" * round(30 * self.done / self.total)).ljust(30, ".")
        text = f"[{bar}] {self.done}/{self.total}, {self.bad} not as promised, {left / 60:.0f} min left"
        print(f"\r\033[K{text}" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)


def main() -> int:
    """Run the campaign; returns 1 if a case of this package broke a promise."""
    given = _arguments()
    # Raised as an exception, so that all processes end in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.only:
        with Bench(given.only.split(" | ")[0]) as bench:
            result = bench.try_case(Case.named(given.only))
        print(result.output)
        print(json.dumps({**result.as_dict(), "output": ""}, indent=1))
        return int(not result.good)
    head: dict[str, Any] = {"commit": _commit(), "seed": given.seed, "command": "tests/campaign.sh"}
    now = None if given.report_only else code()
    lines, made = _read(given.results, now)
    until = time.time() + given.minutes * 60 if given.minutes else float("inf")
    if not given.report_only:
        given.results.parent.mkdir(parents=True, exist_ok=True)
        with given.results.open("a") as file:
            for contender in CONTENDERS if given.contender == "all" else [given.contender]:
                if contender not in made:
                    print(f"{CONTENDERS[contender].name}: which requests do the operations make?", file=sys.stderr)
                    made[contender] = requests(contender, CONTENDERS[contender].operations)
                    listed = {
                        name: [astuple(target) for target in targets] for name, targets in made[contender].items()
                    }
                    _write(file, {"requests": {contender: listed}, "code": now})
                done = {trial["case"] for trial in lines}
                for result in _campaign(contender, made, given, done, until):
                    lines.append({**result, "commit": head["commit"], "code": now})
                    _write(file, {name: value for name, value in lines[-1].items() if value})
    commits = sorted({trial.get("commit", "") for trial in lines})
    cases = {contender: len(all_cases(contender, operations)) for contender, operations in made.items()}
    head |= {"commit": ", ".join(commits) or head["commit"], "cases": cases}
    reports = {"campaign": page(lines, head)}
    if lines:
        reports["contenders"] = comparison(lines)
    for path in given.write:
        for mark, text in reports.items():
            if f"<!-- {mark} -->" in path.read_text():
                write_between_marks(path, mark, text)
    print(table(lines, "contender"))
    return int(any(not good(trial) for trial in lines if trial["contender"] == "ours"))


def _write(file: TextIO, line: dict[str, Any]) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()


def _campaign(
    contender: str,
    made: dict[str, dict[str, list[Target]]],
    given: argparse.Namespace,
    done: set[str],
    until: float,
) -> Iterator[dict[str, Any]]:
    wanted = {
        name: targets for name, targets in made[contender].items() if not given.operation or name in given.operation
    }
    cases = all_cases(contender, wanted, given.fault)
    if given.call:
        cases = [case for case in cases if case.target.call.startswith(tuple(given.call))]
    if given.common:
        cases = in_common(cases, *(all_cases(other, operations) for other, operations in made.items()))
    if given.sample:
        cases = sample(cases, given.seed, given.sample)
    left = [case for case in cases if case.name not in done]
    done_already = len(cases) - len(left)
    print(f"{CONTENDERS[contender].name}: {len(cases)} cases, {done_already} of them done already", file=sys.stderr)
    if not left:
        return
    progress = _Progress(len(left))
    for result in carry_out(contender, chunks(left, given.seed), given.jobs, until):
        progress.step(result)
        yield result
    print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
