"""HTTP to the server that a version lives on: connections kept, waits bounded.

What comes back is not believed: it is read up to a length, no redirect is followed,
and no encoding is undone, since a small answer could unfold to a huge one. A server
that sends a byte now and then outlives every time-out of a socket; so the watch over
deadlines shuts the connection of an exchange whose time is over.
"""

import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.response import BaseHTTPResponse

from portal.runtime.deadline import Deadline, RunTimedOut
from portal.runtime.remote.failures import RemoteAway, RemoteFailed
from portal.runtime.remote.remote_model import RemoteModel

MAX_REFUSAL_BYTES = 4096  # of what the other server says went wrong
SHORTEST_WAIT_S = 0.001  # a socket takes 0 for not waiting at all
Bytes = bytes | memoryview


@dataclass(frozen=True)
class Answer:
    """What the other server answered.

    Attributes:
        headers: By name in lower case.
        content: All of it when *status* is 200, else only how it begins.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class Connection:
    """Exchanges with one server, from any thread.

    Args:
        remote: Says which server.
        token: Sent to that server, and to no other; empty: none.
    """

    def __init__(self, remote: RemoteModel, token: str = "") -> None:
        self._remote = remote
        self._headers = {
            "Accept-Encoding": "identity",
            "User-Agent": "model-portal",
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }
        self._pool = self._new_pool()

    def get(self, path: str, deadline: Deadline) -> Answer:
        """Return what is at *path*, as `post` does."""
        return self._ask(_Request("GET", path, self._headers), deadline)

    def post(
        self,
        path: str,
        body: Sequence[Bytes],
        headers: Mapping[str, str],
        deadline: Deadline,
    ) -> Answer:
        """Send *body*, its parts one behind the other, and return the answer.

        A connection that could not be made, or was closed before a byte of the
        answer came, as servers do with those that were idle, is tried once more.

        Raises:
            RunTimedOut: The answer was not complete by *deadline*.
            RemoteAway: There is no connection, or it broke.
            RemoteFailed: What came is no answer, or too long.
        """
        length = str(sum(len(part) for part in body))
        headers = {**self._headers, **headers, "Content-Length": length}
        return self._ask(_Request("POST", path, headers, body), deadline)

    def _ask(self, request: "_Request", deadline: Deadline) -> Answer:
        try:
            return self._exchange(self._pool, request, deadline)
        except _Unanswered:
            # Not another of the idle connections: they may all be closed.
            with self._new_pool() as fresh:
                return self._exchange(fresh, request, deadline)

    def _exchange(
        self,
        pool: HTTPConnectionPool,
        request: "_Request",
        deadline: Deadline,
    ) -> Answer:
        deadline.check()
        exchange = _Exchange(deadline)
        token = _current.set(exchange)
        try:
            with deadline.stops(exchange):
                answer = self._send(pool, request, deadline)
            # An answer without a length ends where its connection was shut.
            deadline.check()
        except (HTTPError, OSError) as error:
            if deadline.is_over or isinstance(error, ReadTimeoutError):
                raise RunTimedOut(deadline.limit_s) from error
            raise _failure(error) from error
        finally:
            _current.reset(token)
        return answer

    def _send(
        self,
        pool: HTTPConnectionPool,
        request: "_Request",
        deadline: Deadline,
    ) -> Answer:
        left_s = max(SHORTEST_WAIT_S, deadline.left_s)
        try:
            response = pool.urlopen(
                request.method,
                request.path,
                body=cast("Any", request.body) or None,
                headers=dict(request.headers),
                retries=False,
                redirect=False,
                timeout=Timeout(
                    connect=min(self._remote.connect_timeout_s, left_s), read=left_s
                ),
                preload_content=False,
                decode_content=False,
            )
        except (NewConnectionError, ProtocolError) as error:
            if _is_unanswered(error) and not deadline.is_over:
                raise _Unanswered(_words(error)) from error
            raise
        try:
            return self._read(response)
        finally:
            # One that was read to its end is in the pool again by now.
            response.close()

    def _read(self, response: BaseHTTPResponse) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status != HTTPStatus.OK:
            said = response.read(MAX_REFUSAL_BYTES, decode_content=False)
            return Answer(response.status, headers, said)
        limit = self._remote.max_answer_bytes
        length = headers.get("content-length", "")
        content = b""
        is_long = length.isdecimal() and int(length) > limit
        if not is_long:
            content = response.read(limit + 1, decode_content=False)
        if is_long or len(content) > limit:
            why = f"answered more than {self._remote.max_answer_mb} MB"
            raise RemoteFailed(why)
        if length.isdecimal() and len(content) < int(length):
            why = f"after {len(content)} of {length} bytes"
            raise ProtocolError(why)
        if headers.get("content-encoding", "identity") != "identity":
            raise RemoteFailed("compressed its answer, unasked")
        return Answer(response.status, headers, content)

    def _new_pool(self) -> HTTPConnectionPool:
        remote = self._remote
        kind = _HttpsPool if remote.scheme == "https" else _HttpPool
        return kind(remote.host, remote.port, maxsize=remote.concurrent)


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Sequence[Bytes] = ()


class _Unanswered(RemoteAway):
    """There was no connection, or it ended before a byte of the answer came."""


class _Exchange:
    """A request and its answer, on one connection; ended by setting `terminate`."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_ended = False

    def take(self, connected: socket.socket) -> None:
        """Say which connection it goes over."""
        with self._lock:
            self._socket = connected
        if self._is_ended:
            self.terminate = True

    @property
    def terminate(self) -> bool:
        """Whether it was told to end."""
        return self._is_ended

    @terminate.setter
    def terminate(self, value: bool) -> None:
        self._is_ended = value
        with self._lock, suppress(OSError):
            if self._socket is not None:
                # Not TLS's own, which another thread is in the middle of.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_current: ContextVar[_Exchange | None] = ContextVar("exchange", default=None)


class _HttpConnection(HTTPConnection):
    """urllib3's, whose exchanges end with their deadline."""

    def request(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as it is called
        if self.sock is None:
            self.connect()
        exchange = _current.get()
        if exchange is not None:
            # urllib3 would give sending only as long as connecting may take.
            self.timeout = max(SHORTEST_WAIT_S, exchange.deadline.left_s)
            exchange.take(self.sock)
        super().request(*arguments, **options)


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    """The same over TLS."""


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


def _is_unanswered(error: HTTPError) -> bool:
    if isinstance(error, NewConnectionError):
        return True
    return isinstance(_cause(error), ConnectionError)


def _failure(error: HTTPError | OSError) -> RemoteFailed:
    if isinstance(error, ConnectTimeoutError | NewConnectionError | SSLError):
        return RemoteAway(_words(error))
    return RemoteAway(f"broke off: {_words(error)}")


def _cause(error: BaseException) -> BaseException:
    """Return what urllib3 has wrapped."""
    inner = error.args[-1] if error.args else None
    return inner if isinstance(inner, BaseException) else error


def _words(error: BaseException) -> str:
    cause = _cause(error)
    # urllib3 begins with the connection, whose address is said elsewhere.
    said = str(cause).partition("): ")[2] or str(cause) or type(cause).__name__
    return said.rstrip(".")[:300]
