"""The one reader of request bodies.

Werkzeug cuts a chunked body silently at the limit, a body that stops arriving
holds a thread for ever, and gunicorn stalls a worker when an early answer
leaves more than 64 KiB of the body unread. So a WSGI middleware reads every
body, in pieces, capped in size and in time, before the application runs. A
body over the limit is read on and dropped, up to `DRAIN_FACTOR` times the
limit, and the application answers 413; it never sees a truncated one.
"""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from flask import Flask, request

from portal.errors import Malformed, PortalError, RequestTimedOut, TooLarge

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PIECE_BYTES = 65536
MIB = 1024 * 1024
DRAIN_FACTOR = 4
DEADLINE_S = 30.0  # for the whole body; a 10 MB photo over a slow phone line passes
WATCH_EVERY_S = 0.5
REFUSAL = "portal.body_refusal"
BODY = "portal.body"
METERED = {"api", "open_inference", "openai"}  # blueprints


def read_body() -> bytes:
    """Return the whole body of this request.

    Raises:
        TooLarge, RequestTimedOut, Malformed: it could not be read whole.
    """
    refuse_unread_body()
    # As it was read: Werkzeug would copy a large body twice.
    content: bytes = request.environ[BODY]
    return content


def refuse_unread_body() -> None:
    """Raise what kept this request's body from being read whole, if anything."""
    refusal = request.environ.get(REFUSAL)
    if isinstance(refusal, PortalError):
        raise refusal


def refuse_body_over(limit_mb: int | None) -> None:
    """Refuse this request's body if it is longer than *limit_mb*, a plan's limit.

    None: as long as the portal takes it.

    Raises:
        TooLarge: It is.
    """
    if limit_mb is None:
        return
    refusal = request.environ.get(REFUSAL)
    # Then nothing of it was kept.
    is_over_both = (
        isinstance(refusal, TooLarge) and int(str(refusal.values["limit"])) > limit_mb
    )
    if is_over_both or len(request.environ[BODY]) > limit_mb * MIB:
        raise TooLarge(
            "The request is larger than %(limit)d MB, the most that your plan takes.",
            limit=limit_mb,
        )


def init_app(app: Flask, limit_bytes: int) -> None:
    """Read every body before *app* runs; refuse pages whose body is unread."""
    app.wsgi_app = BodyReader(app.wsgi_app, limit_bytes)  # type: ignore[method-assign]

    @app.before_request
    def refuse_unread() -> None:
        # API routes ask for it themselves, after they know the caller, so that
        # the refusal is counted as that caller's.
        if request.blueprint not in METERED:
            refuse_unread_body()


class BodyReader:
    """WSGI middleware that hands the application a body that is all there.

    Args:
        app: The application.
        limit_bytes: The longest body that is taken.
        deadline_s: How long the whole of it may take to arrive.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        limit_bytes: int,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.deadline_s = deadline_s
        self._watch = ReadingWatch(deadline_s)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Read the body, then let the application answer."""
        content = b""
        length = _declared_length(environ)
        if length != 0:
            try:
                content = self._read(environ, length)
            except PortalError as refusal:
                environ[REFUSAL] = refusal
        environ[BODY] = content
        environ["wsgi.input"] = io.BytesIO(content)
        environ["wsgi.input_terminated"] = True
        environ["CONTENT_LENGTH"] = str(len(content))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return self.app(environ, start_response)

    def _read(self, environ: "WSGIEnvironment", length: int | None) -> bytes:
        with self._watch.deadline(environ.get("gunicorn.socket")) as is_late:
            try:
                content, total = self._read_pieces(environ["wsgi.input"], length)
            except Exception:  # noqa: BLE001 - a broken chunk is gunicorn's own exception
                if is_late():
                    raise self._too_slow() from None
                message = "The connection broke, or a chunk of the body can't be read."
                raise Malformed(message) from None
            if is_late():
                raise self._too_slow()
        if total > self.limit_bytes:
            raise TooLarge(
                "The request is larger than %(limit)d MB, the most that is taken.",
                limit=self.limit_bytes // MIB,
            )
        if length is not None and total < length:
            message = "The body is shorter than its Content-Length."
            raise Malformed(message)
        return content

    def _read_pieces(self, stream: IO[bytes], length: int | None) -> tuple[bytes, int]:
        """Return what fits into the limit, and how many bytes came in all."""
        pieces: list[bytes] = []
        total = 0
        while total <= self.limit_bytes * DRAIN_FACTOR and total != length:
            left = PIECE_BYTES if length is None else length - total
            piece = stream.read(min(PIECE_BYTES, left))
            if not piece:
                break
            total += len(piece)
            if total <= self.limit_bytes:
                pieces.append(piece)
        return b"".join(pieces), total

    def _too_slow(self) -> RequestTimedOut:
        return RequestTimedOut(
            "The body did not arrive within %(deadline)d seconds.",
            deadline=self.deadline_s,
        )


class ReadingWatch:
    """Ends the reading from sockets whose head or body is late.

    gunicorn's reads go on until they are full, so a client that sends a byte at
    a time is stopped only from outside.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._ends: dict[int, tuple[float, socket.socket]] = {}
        self._late: set[int] = set()
        self._is_running = False

    @contextmanager
    def deadline(self, connection: object) -> Iterator[Callable[[], bool]]:
        """Give the reading its time; yields a function: was it too slow?"""
        if not isinstance(connection, socket.socket):
            yield lambda: False
            return
        number = threading.get_ident()
        with self._lock:
            self._late.discard(number)
            self._ends[number] = (time.monotonic() + self._deadline_s, connection)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, daemon=True).start()
        try:
            yield lambda: number in self._late
        finally:
            with self._lock:
                self._ends.pop(number, None)

    def _run(self) -> None:
        while True:
            time.sleep(WATCH_EVERY_S)
            now = time.monotonic()
            with self._lock:
                if not self._ends:
                    self._is_running = False
                    return
                for number, (ends_at, connection) in self._ends.items():
                    if ends_at < now:
                        self._late.add(number)
                        with suppress(OSError):
                            connection.shutdown(socket.SHUT_RD)


def _declared_length(environ: "WSGIEnvironment") -> int | None:
    """Return the announced length in bytes; None for a chunked body."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None
    length = environ.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() else 0
