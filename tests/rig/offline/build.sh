# Builds what a machine with internet downloads from Pulumi: the CLI, its GitHub plugin, and its language host for YAML;
# beside them it lays out this folder's own language host for Python and the stand-in of the AWS plugin.
#
# ../engine.sh sources it where no `pulumi` is on PATH, and calls `choose_engine` or `choose_yaml`. Each sets `folder`, and
# `make` to the function that fills it. Everything else here is called by these two functions only.
# shellcheck shell=bash

OFFLINE=$RIG/offline

# The release that the tests run on.
CLI_VERSION=3.259.0
CLI_MODULE=github.com/pulumi/pulumi/pkg/v3
CLI_PACKAGE=$CLI_MODULE/cmd/pulumi
SDK_MODULE=github.com/pulumi/pulumi/sdk/v3
GITHUB_VERSION=6.15.0
GITHUB_FLAGS=(-trimpath -ldflags "-s -w")
YAML_FLAGS=(-trimpath -ldflags "-s -w")
AWS_VERSION=7.51.1

# Runs a module of a folder, with the packages of the Python environment and no others.
LAUNCH='import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)'

choose_engine() {
  choose_cli
  language_host=
  case ${PULUMI_CODESPACES_LANGUAGE_HOST:-rig} in
    rig) ;;
    official) find_language_host ;;
    *) die "PULUMI_CODESPACES_LANGUAGE_HOST is '$PULUMI_CODESPACES_LANGUAGE_HOST': use 'rig' or 'official'" ;;
  esac
  cli=cli-$cli_version-$(key "$CLI_PACKAGE" "${cli_flags[@]}" -- "$OFFLINE/cli")
  github=github-$GITHUB_VERSION-$(key "${GITHUB_FLAGS[@]}" -- "$OFFLINE/github")
  engine=engine-$(key "$environment" "$cli" "$github" ${language_host:+"$(key -- "$language_host")"} \
    -- "$OFFLINE/build.sh" "$OFFLINE/language_host" "$OFFLINE/protocol_only.py" "$OFFLINE/aws_plugin")
  folder=$cache/$engine/bin
  make=make_engine
}

choose_yaml() {
  yaml=yaml-$(key "${YAML_FLAGS[@]}" -- "$OFFLINE/yaml")
  folder=$cache/$yaml
  make=make_yaml
}

# Sets `language_host` to the first `pulumi-language-python` on PATH that was not put together here.
find_language_host() {
  local candidate resolve='import os, sys
print(os.path.realpath(sys.argv[1]))'
  while IFS= read -r candidate; do
    [[ $candidate != "$cache"/* ]] || continue
    language_host=$("$python" -I -c "$resolve" "$candidate")
    return
  done < <(type -aP pulumi-language-python)
  die "PULUMI_CODESPACES_LANGUAGE_HOST=official, and no pulumi-language-python on PATH: install Pulumi, or unset the variable"
}

# Sets `cli_version`, and `cli_flags` with which that release is built.
choose_cli() {
  case ${PULUMI_CODESPACES_CLI:=$CLI_VERSION} in
    newest)
      type -P go >/dev/null || die "PULUMI_CODESPACES_CLI=newest needs a Go on PATH; or name a release"
      cli_version=$(GOFLAGS=-mod=mod GOTOOLCHAIN=local GOWORK=off go list -m -f '{{.Version}}' "$CLI_MODULE@latest")
      cli_version=${cli_version#v}
      ;;
    [0-9]*.[0-9]*.[0-9]*) cli_version=$PULUMI_CODESPACES_CLI ;;
    *) die "PULUMI_CODESPACES_CLI is '$PULUMI_CODESPACES_CLI': use 'newest' or a release such as $CLI_VERSION" ;;
  esac
  # Without the version, the Automation API refuses the CLI.
  cli_flags=(
    -trimpath -tags 'osusergo,grpcnotrace'
    -ldflags "-s -w -X $SDK_MODULE/go/common/version.Version=v$cli_version"
  )
}

# Makes the module of the CLI anew for another release than the one in go.mod; its hashes are those of Go's checksum
# database, or of the proxy alone where that database cannot be reached.
change_cli() {
  mkdir "$scratch/module"
  cp "$OFFLINE/cli/go.mod" "$OFFLINE/cli/go.sum" "$scratch/module"
  cli_module=$scratch/module
  run "finding the Go modules of pulumi $cli_version" \
    go_in "$cli_module" get "$CLI_PACKAGE@v$cli_version" "$SDK_MODULE@v$cli_version"
}

make_cli() {
  local sdk cli_module=$OFFLINE/cli
  mkdir "$scratch/$cli"
  [[ $cli_version == "$CLI_VERSION" ]] || change_cli
  run "building pulumi $cli_version from Go modules (about 4 minutes)" \
    go_in "$cli_module" build "${cli_flags[@]}" -o "$scratch/$cli/pulumi" "$CLI_PACKAGE"
  sdk=$(go_in "$cli_module" list -m -f '{{.Dir}}' "$SDK_MODULE")/python
  # In the module cache they are not executable.
  install -m 755 "$sdk/cmd/pulumi-language-python-exec" "$sdk/dist/pulumi-resource-pulumi-python" "$scratch/$cli"
  publish "$cli"
}

make_github() {
  mkdir "$scratch/$github"
  run "building pulumi-resource-github $GITHUB_VERSION from Go modules (about 1 minute)" \
    go_in "$OFFLINE/github" build "${GITHUB_FLAGS[@]}" -o "$scratch/$github/pulumi-resource-github" .
  publish "$github"
}

make_engine() {
  [[ -d $cache/$cli && -d $cache/$github ]] || find_go
  [[ -d $cache/$cli ]] || make_cli
  [[ -d $cache/$github ]] || make_github
  lay_out_engine
}

lay_out_engine() {
  local result=$scratch/$engine file
  local github_plugin=$result/plugins/resource-github-v$GITHUB_VERSION
  local aws_plugin=$result/plugins/resource-aws-v$AWS_VERSION
  mkdir -p "$result/bin" "$result/lib" "$github_plugin" "$aws_plugin"
  for file in "$cache/$cli"/*; do
    place "$file" "$result/bin/"
  done
  place "$cache/$github/pulumi-resource-github" "$github_plugin/"
  cp -R "$OFFLINE/language_host" "$OFFLINE/protocol_only.py" "$OFFLINE/aws_plugin" "$result/lib/"
  find "$result/lib" -name __pycache__ -prune -exec rm -rf {} +
  if [[ -n $language_host ]]; then
    # It looks for its executor beside it, where the CLI's own is.
    place "$language_host" "$result/bin/pulumi-language-python"
  else
    launcher language_host "$cache/$engine/bin/pulumi-language-python-exec" >"$result/bin/pulumi-language-python"
  fi
  launcher aws_plugin >"$aws_plugin/pulumi-resource-aws"
  chmod 755 "$result/bin/pulumi-language-python" "$aws_plugin/pulumi-resource-aws"
  publish "$engine"
}

# The CLI looks for its language hosts beside the file that a symbolic link leads to, so that one would not do.
place() { ln "$1" "$2" 2>/dev/null || cp -p "$1" "$2"; }

# launcher MODULE [ARGUMENT...]: prints a program that runs a module of the engine's `lib` folder.
launcher() {
  printf '#!/bin/sh\nexec %q -I -u -c ' "$environment/bin/python"
  printf "'%s'" "$LAUNCH"
  printf ' %q' "$cache/$engine/lib" "$@"
  printf ' "$@"\n'
}

make_yaml() {
  find_go
  mkdir "$scratch/$yaml"
  run "building the language host for YAML from Go modules (about 3 minutes)" \
    go_in "$OFFLINE/yaml" build "${YAML_FLAGS[@]}" -o "$scratch/$yaml" tool
  publish "$yaml"
}
