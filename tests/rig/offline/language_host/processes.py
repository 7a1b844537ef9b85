"""The processes that the language host starts, and errors in the words of Go, in which the official host is written."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

import grpc
from typing_extensions import override


class HostError(Exception):
    """A call fails; the text is that of the official host.

    Attributes:
        code: The status of gRPC.
    """

    def __init__(self, text: str, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> None:
        super().__init__(text)
        self.code = code

    @override
    def __str__(self) -> str:
        return str(self.args[0])


class CommandError(HostError):
    """A command did not start or did not end well; the text follows Go's `os/exec`.

    Attributes:
        status: The exit status; -1 after a signal, None if the command did not start.
        stderr: The command's stderr, if it was captured.
    """

    def __init__(self, text: str, status: int | None = None, stderr: bytes = b"") -> None:
        super().__init__(text)
        self.status = status
        self.stderr = stderr


def with_stderr(error: CommandError, text: str) -> HostError:
    """Returns `text: error: stderr`, as `errutil.ErrorWithStderr` does."""
    stderr = error.stderr.decode(errors="replace")
    return HostError(f"{text}: {error}: {stderr}" if stderr.strip() else f"{text}: {error}")


class Command(NamedTuple):
    """What to start.

    Attributes:
        arguments: Executable and arguments.
        environment: All environment variables of the process.
        folder: The working directory; empty for that of the host.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str = ""

    def __str__(self) -> str:
        return " ".join(self.arguments)


class Output(NamedTuple):
    """Where the output of a command goes while it runs, chunk by chunk."""

    info: Callable[[bytes], object]
    error: Callable[[bytes], object]

    def line(self, text: str) -> None:
        self.info(f"{text}\n".encode())


class Processes:
    """Starts processes and ends them, so that none outlives the host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Each process with the seconds between its interruption and its end.
        self._running: dict[subprocess.Popen[bytes], float] = {}
        self._interrupted: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    @contextlib.contextmanager
    def start(
        self, command: Command, *, piped: bool = False, grace: float = 0.0
    ) -> Generator["subprocess.Popen[bytes]", None, None]:
        """Starts a process for the time of a `with` block and stops it at the end of the block if it still runs.

        Args:
            command: What to start.
            piped: Whether its output can be read; otherwise it goes where the output of the host goes.
            grace: Seconds that the process gets after an interruption (SIGINT). Without any, it is killed at once.

        Raises:
            CommandError: The process did not start.
            HostError: The host is about to exit.
        """
        output = subprocess.PIPE if piped else None
        with self._lock:
            if self._closed:
                raise HostError("the language host is about to exit")
            try:
                # The process group stays that of the host, because the engine signals the whole group.
                process: subprocess.Popen[bytes] = subprocess.Popen(
                    command.arguments,
                    cwd=command.folder or None,
                    env=command.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            except OSError as error:
                raise CommandError(_not_started(error, command)) from None
            self._running[process] = grace
        try:
            yield process
        finally:
            self.stop(process)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()

    def run(self, command: Command, output: Output | None = None) -> bytes:
        """Runs a command to its end and returns what it wrote to stdout, unless that went to `output`.

        Raises:
            CommandError: The command did not start or did not end with 0.
        """
        with self.start(command, piped=True) as process:
            if output:
                copy(process, output)
                stdout = stderr = b""
                process.wait()
            else:
                stdout, stderr = process.communicate()
        if process.returncode:
            raise ended(process.returncode, stderr)
        return stdout

    def stop(self, *processes: "subprocess.Popen[bytes]") -> None:
        """Interrupts the processes that have a grace, kills each when its grace is over, and forgets them all."""
        with self._lock:
            graces = {process: self._running.get(process, 0.0) for process in processes}
            to_interrupt = [process for process in processes if graces[process] and process not in self._interrupted]
            self._interrupted.update(to_interrupt)
        for process in to_interrupt:
            _signal(process, signal.SIGINT)
        start = time.monotonic()
        for process, grace in graces.items():
            if grace:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, start + grace - time.monotonic()))
            _signal(process, signal.SIGKILL)
            process.wait()
        with self._lock:
            for process in processes:
                self._running.pop(process, None)
            self._interrupted.difference_update(processes)

    def stop_soon(self, process: "subprocess.Popen[bytes]") -> None:
        """Stops a process as `stop` does, without waiting for its end."""
        if process.poll() is None:
            threading.Thread(target=self.stop, args=(process,), daemon=True).start()

    def close(self) -> None:
        """Stops everything that runs and lets nothing start any more."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        self.stop(*running)


def copy(process: "subprocess.Popen[bytes]", output: Output) -> None:
    """Copies both streams of a process until it has closed them."""
    threads = [
        threading.Thread(target=_copy, args=(stream, write), daemon=True)
        for stream, write in ((process.stdout, output.info), (process.stderr, output.error))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ended(returncode: int, stderr: bytes = b"") -> CommandError:
    """Returns the error for a process that did not end with 0."""
    if returncode < 0:
        name = signal.strsignal(-returncode) or f"signal {-returncode}"
        return CommandError(f"signal: {name.lower()}", -1, stderr)
    return CommandError(f"exit status {returncode}", returncode, stderr)


def _not_started(error: OSError, command: Command) -> str:
    reason = (error.strerror or str(error)).lower()
    if command.folder and error.filename == command.folder:
        return f"chdir {command.folder}: {reason}"
    executable = command.arguments[0]
    if "/" not in executable:
        return f'exec: "{executable}": executable file not found in $PATH'
    return f"fork/exec {executable}: {reason}"


def _copy(stream: Any, write: Callable[[bytes], object]) -> None:
    while chunk := os.read(stream.fileno(), 65536):
        write(chunk)


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
