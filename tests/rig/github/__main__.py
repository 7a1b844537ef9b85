"""The stand-in as a process of its own: `python -m rig.github --seed seed.json`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from .server import GitHubStandIn


def main() -> int:
    """Serve until SIGINT or SIGTERM; the first line printed is the URL."""
    parser = argparse.ArgumentParser(prog="python -m rig.github", description=__doc__)
    parser.add_argument("--seed", type=Path, help="a JSON file with organizations, users, tokens and Apps")
    parser.add_argument("--port", type=int, default=0, help="a free one by default")
    parser.add_argument("--requests-log", type=Path, help="a file that gets a line of JSON for every request")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every answer")
    parser.add_argument(
        "--no-contract", action="store_true", help="do not check exchanges against GitHub's description"
    )
    given = parser.parse_args()
    seed = json.loads(given.seed.read_text(encoding="utf-8")) if given.seed else None
    signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked before the server's thread is there, which inherits this: sigwait below is then the only one to take them.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    github = GitHubStandIn(
        seed,
        port=given.port,
        latency=given.latency,
        check_contract=not given.no_contract,
        requests_log=given.requests_log,
    )
    github.start()
    print(github.url, flush=True)
    signal.sigwait(signals)
    github.stop()
    for failure in github.contract_failures:
        print(f"breaks GitHub's OpenAPI description: {failure}", file=sys.stderr)
    for request in dict.fromkeys(github.unserved):
        print(f"not served here: {request}", file=sys.stderr)
    return 1 if github.contract_failures else 0


if __name__ == "__main__":
    sys.exit(main())
