"""Child processes of the suite: started, watched and stopped."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent.parent
LOOPBACK = "127.0.0.1"


class ServerFailed(Exception):
    """A server of the suite did not start; the message holds the end of its log."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class ChildProcess:
    """A child process in a session of its own, writing to a log file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environ: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start *command*, in the repository or, as another *user*, beside *log*."""
        self.log = log
        self._command = " ".join(map(str, command))
        self._stop_signal = stop_signal
        self._is_stopped = False
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*_setpriv(stop_signal, user), *command],
                cwd=ROOT if user is None else log.parent,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; negative after a signal, None while it runs."""
        return self._popen.poll()

    def log_text(self) -> str:
        """Return what it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait for *is_ready*; stop and raise ServerFailed when it stays false."""
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            ended = self.exit_code is not None
            if ended or time.monotonic() > deadline:
                state = "ended" if ended else f"was not ready in {timeout_s:.0f} s"
                self.stop()
                tail = "\n".join(self.log_text().splitlines()[-40:])
                message = f"{self._command} {state}; its log ends:\n{tail}"
                raise ServerFailed(message)
            time.sleep(0.05)

    def stop(self, *, timeout_s: float = 20) -> None:
        """Ask it to end, then kill what is left of its process group."""
        if self._is_stopped:
            return  # Its number may belong to another process by now.
        self._is_stopped = True
        if self.exit_code is None:
            self._popen.send_signal(self._stop_signal)
            try:
                self._popen.wait(timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._popen.wait()
        # Usually nobody is left.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Server:
    """What all servers share: a temporary folder, and being a context manager."""

    def __init__(self) -> None:
        """Choose its port and make its folder."""
        self.port = free_port()
        # A short path: that of a Unix socket must stay below 108 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="portal-", dir="/tmp"))
        self._process: ChildProcess | None = None

    @property
    def pid(self) -> int:
        """The process id of its first process, such as gunicorn's master."""
        if self._process is None:
            message = f"{type(self).__name__} was not started."
            raise ServerFailed(message)
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it; what it stored stays until the context ends."""
        if self._process is not None:
            self._process.stop()

    def restart(self) -> None:
        """Stop it and start it again on the same port."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it and remove its folder."""
        self._clean_up()

    def _clean_up(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _setpriv(stop_signal: signal.Signals, user: str | None) -> list[str]:
    """Return what makes a command die with us, and run as *user*."""
    if not shutil.which("setpriv"):
        return []
    identity = ["--reuid", user, "--regid", user, "--init-groups"] if user else []
    name = stop_signal.name.removeprefix("SIG")
    return ["setpriv", "--pdeathsig", name, *identity, "--"]
