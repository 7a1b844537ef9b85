"""The local AWS as a process: it serves this machine only, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from rig.aws import LocalAws
from rig.aws.child import Emulator, EmulatorDied
from rig.aws.environment import read_environment_file, write_environment_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TESTS = Path(__file__).parents[2]

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "rig.aws", "--environment-file", str(tmp_path / "aws.env")],
        env={**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with started:
        yield started
        if started.poll() is None:
            started.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(child) for child in listed.split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_on_signals_and_leaves_nothing(
    process: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    url = first_line(process)
    variables = read_environment_file(tmp_path / "aws.env")
    assert variables["AWS_ENDPOINT_URL_IAM"] == url
    assert stat.S_IMODE((tmp_path / "aws.env").stat().st_mode) == 0o600
    folder = Path(variables["SSL_CERT_FILE"]).parent
    (ministack,) = children(process.pid)
    # As Ctrl-C does: to the whole group.
    os.killpg(process.pid, number)
    assert process.wait(20) == 0
    wait_for(lambda: not alive(ministack))
    assert not folder.exists()
    assert not (tmp_path / "aws.env").exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_ministack_ends_when_its_parent_is_killed(process: subprocess.Popen[str]) -> None:
    first_line(process)
    (ministack,) = children(process.pid)
    assert alive(ministack)
    process.kill()
    process.wait(20)
    wait_for(lambda: not alive(ministack))


@linux_only
def test_it_listens_on_the_loopback_address_only(process: subprocess.Popen[str]) -> None:
    first_line(process)
    listening: list[tuple[int, str]] = []
    for pid in (process.pid, *children(process.pid)):
        sockets = {
            str(descriptor.readlink()) for descriptor in Path(f"/proc/{pid}/fd").iterdir() if descriptor.is_symlink()
        }
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                    listening.append((pid, fields[1].partition(":")[0]))
    # The API, the registries and the proxy; and MiniStack.
    assert listening == [(process.pid, "0100007F")] * 3 + [(children(process.pid)[0], "0100007F")]


def test_the_death_of_ministack_is_told(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path, "123456789012", "eu-west-1")
    try:
        assert emulator.ask("users", account="123456789012") == {"users": {}}
        with pytest.raises(RuntimeError, match="could not answer 'nonsense'"):
            emulator.ask("nonsense")
        os.kill(emulator.pid, signal.SIGKILL)
        with pytest.raises(EmulatorDied, match=rf"MiniStack's process \(pid {emulator.pid}\) ended by itself"):
            emulator.ask("users", account="123456789012")
    finally:
        emulator.close()


def test_a_ministack_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "ministack"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('this is not MiniStack')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EmulatorDied, match="this is not MiniStack"):
        LocalAws()


def test_environment_files_survive_any_value(tmp_path: Path) -> None:
    variables = {"PLAIN": "a", "QUOTED": 'it\'s "quoted" $HOME `x` \\', "SPACED": "a b=c", "EMPTY": ""}
    path = tmp_path / "some.env"
    write_environment_file(path, variables, ["AWS_PROFILE"])
    assert read_environment_file(path) == variables
    shown = subprocess.run(
        ["sh", "-c", f'. {path} && printf %s "$QUOTED|$SPACED|$EMPTY|${{AWS_PROFILE-unset}}"'],
        env={"AWS_PROFILE": "mine"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"{variables['QUOTED']}|a b=c||unset"
    assert list(tmp_path.iterdir()) == [path]
