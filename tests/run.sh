#!/usr/bin/env bash
# Sets everything up from nothing and runs all tests; arguments go to pytest.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
settings=$("$tests/rig/engine.sh" --env)
eval "$settings"
"$tests/rig/plugins.sh" >/dev/null
cd "$tests"
exec python -m pytest -c "$tests/pytest.ini" --rootdir "$tests" -n auto --dist worksteal "$@"
