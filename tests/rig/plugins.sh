#!/usr/bin/env bash
# Prints the folder with the plugins of the `pulumi` on PATH, for a PULUMI_HOME of one's own.
#
# An engine that engine.sh built has them beside it. A Pulumi of this machine's own fetches them now, where they are
# missing: later there is no network but the local one. Use it in a shell that `engine.sh --env` has set up.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

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
  quietly pulumi -C "$root" plugin install
  # This makes the virtual environment of the plugin in components/, which git ignores.
  [[ -e $root/components/venv ]] || quietly pulumi package get-schema "$root/components"
fi
(cd "$plugins" && pwd -P)
