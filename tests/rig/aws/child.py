"""The parent's end of MiniStack's process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

_PACKAGES = Path(__file__).parents[2]
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH")
_SERVICES = "iam,sts,ecr"
_STOP_SECONDS = 3.0


class EmulatorDied(RuntimeError):
    """MiniStack's process ended by itself."""


class Emulator:
    """A running MiniStack.

    Attributes:
        url: where it serves the AWS API, without asking root keys for a signature: only for the front.
        pid: of its process.
    """

    def __init__(self, folder: Path, account: str, region: str) -> None:
        """Start it.

        Args:
            folder: for its log.
            account: the AWS account of users and keys that name none.
            region: where a request that names no Region belongs.

        Raises:
            EmulatorDied: it did not start; says what it wrote.
        """
        self._log = folder / "ministack.log"
        self._lock = threading.Lock()
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH", "")])),
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "SERVICES": _SERVICES,
            "MINISTACK_ACCOUNT_ID": account,
            "MINISTACK_REGION": region,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "not-asked-for",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            # MiniStack removes containers that it takes for its own; here it finds no daemon to ask.
            "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rig.aws.emulator"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=environment,
                # Ctrl-C is for the parent, which ends this process when it is done with it.
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._questions: IO[bytes] = self._process.stdin  # pyright: ignore[reportAttributeAccessIssue]
        self._answers: IO[bytes] = self._process.stdout  # pyright: ignore[reportAttributeAccessIssue]
        try:
            self.url = f"http://127.0.0.1:{self._read()['port']}"
        except EmulatorDied:
            self.close()
            raise

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Ask a question of `rig.aws.questions`; any thread may.

        Raises:
            EmulatorDied: the process is gone.
            RuntimeError: the question cannot be answered.
        """
        question = json.dumps({"op": op, **arguments}, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            try:
                self._questions.write(question)
                self._questions.flush()
            except (OSError, ValueError) as error:
                raise self._died() from error
            answer = self._read()
        if "unanswered" in answer:
            raise RuntimeError(f"MiniStack's process could not answer {op!r}:\n{answer['unanswered']}")
        return answer

    def close(self) -> None:
        """End the process."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._questions.close()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._answers.close()

    def _read(self) -> dict[str, Any]:
        try:
            line = self._answers.readline()
        except ValueError:
            line = b""
        if not line:
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> EmulatorDied:
        said = self._log.read_text(errors="replace")[-2000:].strip() if self._log.exists() else ""
        return EmulatorDied(f"MiniStack's process (pid {self.pid}) ended by itself. Its last words:\n{said or 'none'}")
