"""The local AWS as a process of its own: `python -m rig.aws --environment-file aws.env`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .environment import write_environment_file
from .local import DEFAULT_ACCOUNT, DEFAULT_REGION, LocalAws
from .serving import end_on_signals


def main() -> int:
    """Serve until SIGINT or SIGTERM; the first line printed is the URL of the APIs."""
    parser = argparse.ArgumentParser(prog="python -m rig.aws", description=__doc__)
    parser.add_argument(
        "--account", action="append", help=f"an AWS account, may be repeated; {DEFAULT_ACCOUNT} if none"
    )
    parser.add_argument("--region", default=DEFAULT_REGION, help=f"the default Region; {DEFAULT_REGION} if left out")
    parser.add_argument("--seed", type=Path, help="a JSON file with accounts and registries")
    parser.add_argument(
        "--environment-file", type=Path, required=True, help="where to write the variables for programs: `. FILE`"
    )
    given = parser.parse_args()
    ended = end_on_signals()
    seed: dict[str, Any] = json.loads(given.seed.read_text(encoding="utf-8")) if given.seed else {}
    accounts: list[str] = given.account or ([] if seed.get("accounts") else [DEFAULT_ACCOUNT])
    with LocalAws(accounts, region=given.region, seed=seed) as aws:
        write_environment_file(given.environment_file, aws.environment, aws.variables_to_unset)
        print(aws.endpoint, flush=True)
        print(f"proxy for registries: {aws.proxy_url}", file=sys.stderr)
        print(f"variables for programs: . {given.environment_file}", file=sys.stderr)
        ended.wait()
    given.environment_file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
