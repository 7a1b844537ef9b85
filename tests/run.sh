#!/usr/bin/env bash
# Sets everything up from nothing and runs the tests; arguments go to pytest. rig/engine.sh tells what is used and built,
# and which variables choose it.
#
#   tests/run.sh            all tests
#   tests/run.sh --quick    the product's unit tests, which need no Pulumi CLI, with less random input; the first time, a
#                           container registry is built for them from Go modules
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
if [[ ${1:-} == --quick ]]; then
  shift
  environment=$("$tests/rig/engine.sh" --environment python3 "$tests/constraints.txt")
  export PATH="$environment/bin:$PATH" VIRTUAL_ENV=$environment MACHINE_EXAMPLES=${MACHINE_EXAMPLES:-20}
  set -- "$tests/unit" --ignore "$tests/unit/rig" -m "not once" "$@"
else
  settings=$("$tests/rig/engine.sh" --env)
  eval "$settings"
  "$tests/rig/plugins.sh" >/dev/null
fi
cd "$tests"
exec python -m pytest -c "$tests/pytest.ini" --rootdir "$tests" -n auto --dist worksteal "$@"
