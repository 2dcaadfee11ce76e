"""A process that runs one version, and nothing else.

It gets the version on its standard input, and then one call after another over a
socket. What it answers is JSON and numbers: should a model take the process over, it
still can't make this one run anything. It has an empty working directory, none of the
settings, a limit on memory, and ends with this process, however that ends: the
kernel tells it when the other end of a pipe, its lifeline, is gone.
"""

import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from typing import IO, Any

from portal.runtime.backends import answers
from portal.runtime.backends.answers import NoAnswer
from portal.runtime.backends.channel import Channel, ChannelBroken
from portal.runtime.sandbox import environment
from portal.runtime.version_spec import VersionSpec

MODULE = "portal.runtime.backends.child_main"
MAX_ANSWER_BYTES = 256 * 2**20


class ChildEnded(Exception):
    """The process has ended, or answers with what is no answer."""


class Child:
    """A process that has just been started; it loads its version meanwhile.

    Attributes:
        pid: Its process id.
        started_at: When that was, by `time.monotonic`.
        memory_bytes: What it held when the version was loaded; 0 before.
    """

    def __init__(
        self, spec: VersionSpec, *, inference_threads: int, providers: tuple[str, ...]
    ) -> None:
        order = pickle.dumps((spec, inference_threads, providers))
        with ExitStack() as ours:
            folder = tempfile.mkdtemp(prefix="portal-isolated-")
            ours.callback(shutil.rmtree, folder, ignore_errors=True)
            connection, theirs = socket.socketpair()
            ours.enter_context(connection)
            with theirs:
                lifeline, their_lifeline = _pipe()
                ours.enter_context(lifeline)
                with their_lifeline:
                    self._process = _start(order, folder, theirs, their_lifeline)
            ours.callback(_kill, self._process)
            self._ours = ours.pop_all()
        self.pid = self._process.pid
        self.started_at = time.monotonic()
        self.memory_bytes = 0
        self._channel = Channel(connection)
        self._lifeline = lifeline
        # Also when the last reference goes, and when this process exits.
        self._end = weakref.finalize(self, self._ours.close)

    @property
    def is_loaded(self) -> bool:
        """Whether it has said that its version is loaded."""
        return self.memory_bytes > 0

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself, or was ended."""
        return self.status is not None

    @property
    def status(self) -> int | None:
        """Its exit status, below 0 for a signal; None while it goes on."""
        return self._process.poll()

    def wait_until_loaded(self, timeout_s: float) -> None:
        """Wait until the version is loaded.

        Raises:
            TimeoutError: That takes longer; it goes on.
            ChildEnded: It can't be loaded, or took the process along.
        """
        answer = self._answer(timeout_s)
        if not isinstance(loaded := answer.get("memory_bytes"), int) or loaded <= 0:
            raise ChildEnded(str(answer.get("refusal"))[:1000])
        self.memory_bytes = loaded

    def call(
        self,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        *,
        limit_s: float,
        timeout_s: float,
    ) -> dict[str, Any]:
        """Return what `portal.runtime.backends.child_main` answers to a call.

        Args:
            inputs: As for `Backend.run`.
            parameters: Likewise.
            limit_s: When the run is to be ended, in seconds from now.
            timeout_s: When the answer must be here.

        Raises:
            TimeoutError: It wasn't; the process is of no use any more.
            ChildEnded: The process ended.
        """
        arrays: list[pickle.PickleBuffer] = []
        order = pickle.dumps(
            (dict(inputs), dict(parameters), limit_s),
            protocol=5,
            buffer_callback=arrays.append,
        )
        ends_at = time.monotonic() + timeout_s
        try:
            self._channel.send(
                order, *(array.raw() for array in arrays), timeout_s=timeout_s
            )
        except ChannelBroken as error:
            raise ChildEnded from error
        return self._answer(ends_at - time.monotonic())

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._end()

    def forget(self) -> None:
        """Let go of it in a forked process: it is the other one's child."""
        self._end.detach()
        self._channel.close()
        self._lifeline.close()
        # There is nothing to wait for.
        self._process.returncode = 0

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        try:
            blocks = self._channel.receive(
                timeout_s=timeout_s, max_bytes=MAX_ANSWER_BYTES
            )
            return answers.read(blocks)
        except (ChannelBroken, NoAnswer) as error:
            raise ChildEnded from error


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    """Return the end that is kept open here, and the one that the child watches."""
    read, write = os.pipe()
    return os.fdopen(write, "wb", buffering=0), os.fdopen(read, "rb", buffering=0)


def _start(
    order: bytes, folder: str, connection: socket.socket, lifeline: IO[bytes]
) -> subprocess.Popen[bytes]:
    fds = (connection.fileno(), lifeline.fileno())
    with tempfile.TemporaryFile() as stdin:
        stdin.write(order)
        stdin.seek(0)
        return subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-P", "-X", "faulthandler", "-m", MODULE, *map(str, fds)],
            cwd=folder,
            env=environment(),
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            pass_fds=fds,
            start_new_session=True,
        )


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
