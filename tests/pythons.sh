#!/usr/bin/env bash
# Runs the product's unit tests on the further Pythons of this machine, with the packages that its users may have.
#
#   tests/pythons.sh        arguments go to pytest
#
# Of each minor version from 3.10 on, one interpreter is taken: from PATH, else from pyenv. The oldest one gets the oldest
# packages that the product admits (constraints-oldest.txt) and the newest one gets the newest (constraints-newest.txt);
# those between get the ones of the tests, but for the version of `python3`, on which tests/run.sh has run them already.
set -euo pipefail

# Of later ones some of the oldest packages have no wheels.
OLDEST_ADMITS=3.13
MINORS=(10 11 12 13 14)

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
describe='import ensurepip, sys; print("%d.%d%s" % (*sys.version_info[:2], sys.abiflags))'
pyenv=${PYENV_ROOT:-${HOME:-}/.pyenv}

say() { printf 'pythons: %s\n' "$*"; }

version_of() { "$1" -I -c "$describe" 2>/dev/null </dev/null || true; }

# run_with VERSION PYTHON PACKAGES ARGUMENTS...: prepares an environment and runs the tests in it.
run_with() {
  local version=$1 python=$2 packages=$3 environment
  shift 3
  environment=$("$tests/rig/engine.sh" --environment "$python" "$tests/$packages") || return
  environment=${environment##*$'\n'}
  say "Python $version with $packages"
  (
    cd "$tests"
    export PATH="$environment/bin:$PATH" VIRTUAL_ENV=$environment
    # The main run looks deep; here random input only has to meet each version once.
    export MACHINE_EXAMPLES=${MACHINE_EXAMPLES:-20}
    python -m pytest -c "$tests/pytest.ini" --rootdir "$tests" -n auto --dist worksteal -m "not once" \
      "$tests/unit" --ignore "$tests/unit/rig" "$@"
  )
}

versions=()
pythons=()
for minor in "${MINORS[@]}"; do
  for candidate in "python3.$minor" "$pyenv/versions/3.$minor".*/bin/python; do
    if [[ $(version_of "$candidate") == "3.$minor" ]]; then
      versions+=("3.$minor")
      pythons+=("$candidate")
      break
    fi
  done
done
if ! ((${#versions[@]})); then
  say "no Python >= 3.${MINORS[0]} with the module ensurepip, neither on PATH nor in $pyenv"
  exit 1
fi

main=$(version_of python3)
last=$((${#versions[@]} - 1))
status=0
for index in "${!versions[@]}"; do
  version=${versions[index]}
  packages=()
  if ((index == 0 && ${version#3.} <= ${OLDEST_ADMITS#3.})); then
    packages+=(constraints-oldest.txt)
  fi
  if ((index == last)); then
    packages+=(constraints-newest.txt)
  elif ((index > 0)) && [[ $version != "$main" ]]; then
    packages+=(constraints.txt)
  fi
  for file in ${packages[@]+"${packages[@]}"}; do
    run_with "$version" "${pythons[index]}" "$file" "$@" || status=$?
  done
done
exit "$status"
