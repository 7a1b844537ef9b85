#!/usr/bin/env bash
# Runs a copy of the root program against an AWS and a GitHub on this machine, from nothing to nothing, and shows who can
# pull what. It needs no account, and leaves nothing behind but the cache of tests/rig/engine.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
work=
cloud=
job=

title() { printf '\n%s\n' "$1"; }

die() {
  printf 'try.sh: %s\n' "$@" >&2
  exit 1
}

clean_up() {
  local leader
  trap '' HUP INT TERM
  for leader in $job $cloud; do
    end "$leader"
  done
  [[ -z $work ]] || rm -rf "$work"
}

# end LEADER: ends a process group, politely first.
end() {
  local tries
  kill -INT -- "-$1" 2>/dev/null || return 0
  for ((tries = 0; tries < 100; tries++)); do
    kill -0 -- "-$1" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL -- "-$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# begin LOG COMMAND...: starts a command in a process group of its own, so that an interruption reaches this script
# alone, which then ends what it started in order. Sets `job`.
begin() {
  local log=$1
  shift
  set -m
  "$@" </dev/null >"$log" 2>&1 &
  job=$!
  set +m
}

# run COMMAND...: shows what a command said only if it fails.
run() {
  local status=0
  begin "$work/log" "$@"
  wait "$job" || status=$?
  job=
  ((status == 0)) || {
    cat "$work/log" >&2
    die "failed: $*"
  }
}

start_cloud() {
  begin "$work/cloud.log" python -m rig.cloud --seed "$here/clouds.json" --environment-file "$work/cloud.env"
  cloud=$job
  job=
}

await_cloud() {
  until [[ -e $work/cloud.env ]]; do
    kill -0 "$cloud" 2>/dev/null || {
      cat "$work/cloud.log" >&2
      die "the local cloud did not start"
    }
    sleep 0.1
  done
  # shellcheck source=/dev/null
  . "$work/cloud.env"
}

codespaces() { python "$here/codespaces.py" "$@" || die "that is not as it should be"; }

# make_project: the files that a project on real accounts has, with the Python environment of the rig in the places where
# somebody would have made one.
make_project() {
  local file
  mkdir "$project"
  cp "$root/Pulumi.yaml" "$root/__main__.py" "$here/Pulumi.local.yaml" "$project"
  mkdir "$project/components"
  for file in "$root"/components/*; do
    [[ $file == */venv ]] || cp -R "$file" "$project/components"
  done
  ln -s "$VIRTUAL_ENV" "$project/venv"
  ln -s "$VIRTUAL_ENV" "$project/components/venv"
}

# stack OPERATION...: an operation of the CLI on the stack.
stack() { run pulumi -C "$project" "$1" --stack local --non-interactive "${@:2}"; }

update() {
  local start=$SECONDS
  stack "$@" --yes --skip-preview
  sed -nE 's/^    ([-+~].*[0-9].*)/  \1/p' "$work/log"
  printf '  in %d s\n' "$((SECONDS - start))"
}

show_clouds() { pulumi -C "$project" stack output --stack local --json | codespaces held; }

settings=$("$root/tests/rig/engine.sh" --env)
eval "$settings"

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d)
mkdir "$work"/{tmp,backend,home}
project=$work/project
make_project

export TMPDIR=$work/tmp
export PYTHONPATH=$project/components:$root/tests
export PULUMI_BACKEND_URL=file://$work/backend PULUMI_CONFIG_PASSPHRASE=local

printf 'The real Pulumi engine, and an AWS, a GitHub and codespaces on this machine. No account is used.\n'
plugins=$("$root/tests/rig/plugins.sh") || die "the engine has no plugins"
ln -s "$plugins" "$work/home/plugins"
export PULUMI_HOME=$work/home
export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true PULUMI_DISABLE_REGISTRY_RESOLVE=true
start_cloud
run pulumi -C "$project" stack init local --no-select --non-interactive
printf made-up | pulumi config set --secret acrPassword --stack local -C "$project"
await_cloud

title "The configuration"
sed -nE '/^  (access|  )/p' "$here/Pulumi.local.yaml"

title '$ pulumi up'
update up
show_clouds

title 'Codespaces start, and pull'
codespaces first

title "\$ pulumi config set --path 'registries.payments-prod.keyGeneration' 2"
run pulumi -C "$project" config set --stack local --path registries.payments-prod.keyGeneration 2

title '$ pulumi preview'
stack preview
sed -nE 's/ *$//; /^ *[-+~] /p' "$work/log"

title '$ pulumi up'
update up
show_clouds

title 'Codespaces pull, whether they started before or after'
codespaces rotated

title '$ pulumi destroy'
update destroy
codespaces left

printf '\nAll as it should be, in %d s.\n' "$SECONDS"
