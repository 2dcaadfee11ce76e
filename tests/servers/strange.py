"""A server of the Open Inference Protocol that does whatever a test wants of it."""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from ._process import LOOPBACK

LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Request:
    """What came, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The JSON part of the body."""
        return json.loads(self.body[: int(self.headers.get(LENGTH.lower(), 2**31))])

    @property
    def tail(self) -> bytes:
        """What stands behind it."""
        return self.body[int(self.headers.get(LENGTH.lower(), 2**31)) :]


Behaviour = Callable[[socket.socket, Request], None]


class StrangeServer:
    """Takes connections, on threads, and lets *behave* answer each infer request.

    Attributes:
        behave: Writes to the connection what it likes; may close it.
        authority: Its host and port.
        is_ready: What the model's ready address answers.
        documents: What other addresses answer, by path.
        requests: What came, infer requests only.
        asked: The paths of all requests.
        connections: How many were made.
    """

    def __init__(self, behave: Behaviour | None = None) -> None:
        """Choose a port; entering it starts it."""
        self.behave = behave or answer_with(json.dumps({"outputs": []}))
        self.is_ready = True
        self.documents: dict[str, object] = {}
        self.requests: list[Request] = []
        self.asked: list[str] = []
        self.connections = 0
        self._listener = socket.create_server((LOOPBACK, 0))
        self.authority = f"{LOOPBACK}:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.authority}"

    def __enter__(self) -> Self:
        """Start it."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            close(connection)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(
                    target=self._serve, args=(connection,), daemon=True
                ).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as f:
            while request := _read(f):
                self.asked.append(request.path)
                if request.path.endswith("/infer"):
                    self.requests.append(request)
                    self.behave(connection, request)
                elif request.path.endswith("/ready"):
                    status = "200 OK" if self.is_ready else "503 Not now"
                    answer_with("{}", status)(connection, request)
                elif request.path in self.documents:
                    body = json.dumps(self.documents[request.path])
                    answer_with(body)(connection, request)
                else:
                    answer_with("nothing here", "404 Not Found")(connection, request)


def answer_with(body: str | bytes, status: str = "200 OK", **headers: str) -> Behaviour:
    """Return a behaviour that answers the same to everything."""
    content = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = {"Content-Length": str(len(content)), **named}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())

    def behave(connection: socket.socket, _: Request) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content)

    return behave


def answer_outputs(
    *outputs: dict[str, Any], tail: bytes = b"", **headers: str
) -> Behaviour:
    """Return a behaviour that answers with these outputs."""
    head = json.dumps({"model_name": "m", "outputs": outputs}).encode()
    lengths = {LENGTH: str(len(head))} if tail else {}
    return answer_with(head + tail, **{**lengths, **headers})


def close(connection: socket.socket) -> None:
    """Close *connection*, whoever is reading from it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _read(file: Any) -> Request | None:
    line = file.readline().decode()
    if not line:
        return None
    method, path, _ = line.split(" ", 2)
    headers = {}
    while (line := file.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)
