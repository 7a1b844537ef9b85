#!/usr/bin/env bash
# Prints the folder with the plugins of the `pulumi` on PATH, for a PULUMI_HOME of one's own.
#
# An engine that engine.sh built has them beside it. A Pulumi of this machine's own fetches them now, where they are
# missing: later there is no network but the local one. Use it in a shell that `engine.sh --env` has set up.
set -euo pipefail

# quietly COMMAND...: shows what a command said only if it fails.
quietly() {
  local said
  said=$("$@" </dev/null 2>&1) || {
    printf '%s\n' "$said" "plugins: failed: $*" >&2
    exit 1
  }
}

plugins=$(dirname "$(command -v pulumi)")/../plugins
if [[ ! -d $plugins ]]; then
  plugins=${PULUMI_HOME:-$HOME/.pulumi}/plugins
  project=$(mktemp -d)
  trap 'rm -rf "$project"' EXIT
  # A project with the environment of the tests needs the plugins that the tests need.
  cat >"$project/Pulumi.yaml" <<END
name: plugins
runtime: {name: python, options: {virtualenv: "$VIRTUAL_ENV"}}
END
  quietly pulumi -C "$project" plugin install
fi
(cd "$plugins" && pwd -P)
