#!/usr/bin/env bash
# Builds what a release consists of: the wheel, the schema, the SDKs for other languages that are generated from it, and
# the template of a platform repository with that wheel in it.
#
#   .github/scripts/build-release.sh TAG FOLDER
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
tag=$1
mkdir -p "$2"
dist=$(cd "$2" && pwd -P)

die() {
  printf 'build-release: %s\n' "$@" >&2
  exit 1
}

version=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["version"])' \
  "$root/components/pulumi_codespaces/pulumi-plugin.json")
[[ $tag == "v$version" ]] ||
  die "the tag is $tag, but pulumi-plugin.json has the version $version: the CLI looks for the tag v$version"
for page in CHANGELOG.md UPGRADE.md; do
  grep --quiet --extended-regexp "^## ${version//./\\.}( |$)" "$root/$page" || die "$page has no section '## $version'"
done
left=$(find "$root/.changes" -type f ! -name README.md -printf '%f ')
[[ -z $left ]] || die "CHANGELOG.md lacks ${left% }: see .changes/README.md"

python -m pip wheel --quiet --no-deps --wheel-dir "$dist" "$root/components"
cp "$root/components/pulumi_codespaces/schema.json" "$dist/schema-$version.json"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What `pulumi package gen-sdk` writes, by the same generators.
generator=$("$root/tests/rig/engine.sh" --sdks)
"$generator/sdks" "$dist/schema-$version.json" "$work/sdks"
for language in "$work/sdks"/*; do
  (cd "$language" && python -m zipfile -c "$dist/sdk-${language##*/}-$version.zip" $(ls -A))
done

cp -R "$root/examples/platform-repository" "$work/platform-repository"
rm -rf "$work/platform-repository"/{venv,wheels}
# `pulumi new` makes no file of an archive executable, and the CLI would not start this one; it starts PulumiPlugin.yaml.
rm "$work/platform-repository/plugin/pulumi-resource-codespaces"
mkdir "$work/platform-repository/wheels"
cp "$dist"/*.whl "$work/platform-repository/wheels"
(cd "$work/platform-repository" && python -m zipfile -c "$dist/platform-repository-$version.zip" $(ls -A))
