"""What runs in the process of an isolated version: one call after another.

It answers with JSON: ``{"memory_bytes": …}`` or ``{"refusal": …}`` once, then to
each call a run (`portal.runtime.backends.answers`) or one of ``{"invalid": …,
"pointer": …}``, ``{"timed_out": true}``, ``{"out_of_memory": true}``,
``{"failed": …}``.
"""

import fcntl
import os
import pickle
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from portal.errors import Invalid
from portal.runtime.backends import answers
from portal.runtime.backends.channel import Block, Channel, ChannelBroken
from portal.runtime.backends.in_process import InProcess
from portal.runtime.deadline import Deadline, RunTimedOut
from portal.runtime.failures import OutOfMemory
from portal.runtime.memory import resident_bytes, return_freed_memory
from portal.runtime.version_spec import VersionSpec


def main() -> None:
    """Load the version that standard input names, and answer calls to it."""
    channel_fd, lifeline_fd = map(int, sys.argv[1:])
    _end_with(lifeline_fd)
    # From the process that started this one: nothing strange is unpickled.
    spec, inference_threads, providers = pickle.load(sys.stdin.buffer)  # noqa: S301 - see above
    _limit_resources(spec)
    return_freed_memory()
    channel = Channel(socket.socket(fileno=channel_fd))
    with suppress(ChannelBroken):
        try:
            backend = InProcess(
                spec, inference_threads=inference_threads, providers=providers
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            channel.send(*answers.write({"refusal": _reason(error)}))
            return
        channel.send(*answers.write({"memory_bytes": resident_bytes()}))
        while True:
            order, *arrays = channel.receive()
            channel.send(*_answer(backend, order, arrays))


def _answer(
    backend: InProcess, order: bytearray, arrays: list[bytearray]
) -> list[Block]:
    inputs, parameters, limit_s = pickle.loads(order, buffers=arrays)  # noqa: S301 - as above
    try:
        run = backend.run(inputs, parameters, Deadline(limit_s))
        return answers.write_run(run)
    except RunTimedOut:
        answer: dict[str, Any] = {"timed_out": True}
    except Invalid as refusal:
        answer = {"invalid": str(refusal), "pointer": refusal.pointer}
    except (MemoryError, OutOfMemory):
        answer = {"out_of_memory": True}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        answer = {"failed": _reason(error)}
    return answers.write(answer)


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    # A model's own words may be cut anywhere, so what is no text is left out.
    text = f"{type(cause).__name__}: {cause}"[:1000]
    return text.encode(errors="ignore").decode()


def _end_with(lifeline_fd: int) -> None:
    """Let the kernel end this process once nobody holds the lifeline's other end.

    SIGIO ends a process whatever it is doing, and asks no thread of Python's: native
    code may hold all of them up. (What Linux offers for this, PR_SET_PDEATHSIG, looks
    at the thread that started the process, and threads end.)
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO})
    fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline_fd, fcntl.F_GETFL)
    fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([lifeline_fd], [], [], 0)[0]:  # it was gone before that
        sys.exit(1)


def _limit_resources(spec: VersionSpec) -> None:
    limit = spec.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
