"""What might run in place of an isolated version's process: one that was taken over."""

import pickle
import socket
import sys
from pathlib import Path

from portal.runtime.backends.channel import Channel

MODULE = __name__


class _Writes:
    """A pickle that writes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (Path(self.path), "run")


def _answer(channel, way):
    if way.startswith("/"):
        channel.send(pickle.dumps(_Writes(way)))
    else:
        channel.send(way.encode())


def main():
    """Say that all is well, then answer each call in the way that it asks for."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    channel.send(b'{"memory_bytes": 1}')
    while True:
        order, *_ = channel.receive()
        inputs, _, _ = pickle.loads(order)  # noqa: S301 - from the test itself
        _answer(channel, inputs["way"])


if __name__ == "__main__":
    main()
