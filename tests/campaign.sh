#!/usr/bin/env bash
# Sets everything up from nothing and runs the fault campaign; arguments go to it (--help tells which there are).
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
settings=$("$tests/rig/engine.sh" --env)
eval "$settings"
"$tests/rig/plugins.sh" >/dev/null
export PYTHONPATH=$tests:$tests/../components
exec python -m campaign "$@"
