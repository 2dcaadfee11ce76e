"""Messages over a socket to a process beside this one.

A message is some blocks of bytes: their number and lengths, then the blocks. What
they mean is not said here, and reading them runs nothing.
"""

import socket
import struct
import time
from collections.abc import Sequence

COUNT = struct.Struct("<I")
MAX_BLOCKS = 2**16
MAX_BYTES = 2**32
Block = bytes | bytearray | memoryview


class ChannelBroken(Exception):
    """The other side has closed, or sends what is no message."""


class Channel:
    """One end of a pair of connected sockets; one thread at a time uses it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, *blocks: Block, timeout_s: float | None = None) -> None:
        """Send a message.

        Raises:
            TimeoutError: The other side did not take it in time.
            ChannelBroken: The other side has closed.
        """
        views = [memoryview(block).cast("B") for block in blocks]
        head = COUNT.pack(len(views)) + _lengths(len(views)).pack(*map(len, views))
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(head)
            for view in views:
                self._socket.sendall(view)
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelBroken from error

    def receive(
        self, *, timeout_s: float | None = None, max_bytes: int = MAX_BYTES
    ) -> Sequence[bytearray]:
        """Return the blocks of the next message.

        Raises:
            TimeoutError: It was not there in time.
            ChannelBroken: The other side has closed, or its message is too large.
        """
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        (count,) = COUNT.unpack(self._read(COUNT.size, ends_at))
        if count > MAX_BLOCKS:
            raise ChannelBroken
        lengths = _lengths(count)
        sizes = lengths.unpack(self._read(lengths.size, ends_at))
        if sum(sizes) > max_bytes:
            raise ChannelBroken
        return [self._read(size, ends_at) for size in sizes]

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _read(self, size: int, ends_at: float | None) -> bytearray:
        content = bytearray(size)
        left = memoryview(content)
        try:
            while left:
                self._socket.settimeout(_left_s(ends_at))
                came = self._socket.recv_into(left)
                if not came:
                    raise ChannelBroken
                left = left[came:]
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelBroken from error
        return content


def _lengths(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}Q")


def _left_s(ends_at: float | None) -> float | None:
    if ends_at is None:
        return None
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
