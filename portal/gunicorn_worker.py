"""gunicorn's threaded worker, with time limits where it has none.

gunicorn lingers up to two seconds on every closed connection whose client keeps
its end open, on the loop that accepts: a few dozen such clients stop a worker.
Here a small pool of threads lingers instead; when it has too much to do, a
connection is closed at once. A head of a request that does not arrive in time ends
its connection, since its thread waits for nothing else meanwhile. And a worker that
is told to end stops listening.

Two things make it faster. A thread that has answered stays with its connection for a
moment, while no other waits for a thread: the way back over the loop, which costs
more than many a prediction, is for clients that pause. And a worker whose threads are
all busy leaves new connections to the others for a while: all workers listen on one
socket, and the first to wake would take a whole crowd.
"""

import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from portal.web.body import ReadingWatch

HEAD_DEADLINE_S = 10.0
LINGER_THREADS = 4
MAX_LINGERING = 64
STAY_MS = 1
LEAVE_TO_OTHERS_S = 0.005  # with a connection per thread; the more, the longer


class _Lingerer:
    """Closes connections gracefully, a bounded number at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(LINGER_THREADS, thread_name_prefix="linger")
        self._places = threading.Semaphore(MAX_LINGERING)

    def close(self, connection: socket.socket) -> None:
        """Close *connection* soon; at once when too many are lingering."""
        if not self._places.acquire(blocking=False):
            util.close(connection)
            return
        self._pool.submit(self._linger, connection)

    def _linger(self, connection: socket.socket) -> None:
        try:
            util.close_graceful(connection)
        finally:
            self._places.release()


class _TimedHeads:
    """gunicorn's parser, whose heads have a time limit."""

    def __init__(
        self,
        parser: Any,  # noqa: ANN401 - gunicorn's own
        connection: socket.socket,
        watch: ReadingWatch,
    ) -> None:
        self._parser = parser
        self._connection = connection
        self._watch = watch

    def __next__(self) -> Any:  # noqa: ANN401 - gunicorn's own
        """Return the next request, read up to its body."""
        with self._watch.deadline(self._connection):
            return next(self._parser)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - gunicorn's own
        """Be the parser in everything else."""
        return getattr(self._parser, name)


class _Connection(TConn):
    """A connection with timed heads, closed gracefully off the main loop."""

    lingerer: _Lingerer
    watch: ReadingWatch

    def init(self) -> None:
        """Make the parser, once there is something to read."""
        is_new = not self.initialized
        super().init()
        if is_new and not self.is_http2:
            timed: Any = _TimedHeads(self.parser, self.sock, self.watch)
            self.parser = timed

    def close(self, graceful: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's own form
        """Close, lingering elsewhere if asked to."""
        if graceful:
            self.sock.settimeout(None)
            self.lingerer.close(self.sock)
        else:
            util.close(self.sock)


class Worker(ThreadWorker):
    """The threaded worker with `_Connection`."""

    def init_process(self) -> None:
        """Start what has threads in the worker, after the fork."""
        self._in_hand = 0  # connections that have a thread or wait for one
        self._accepts_at = 0.0
        self._lingerer = _Lingerer()
        self._watch = ReadingWatch(HEAD_DEADLINE_S)
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:  # noqa: ANN401 - gunicorn's own
        """Let *conn* close through the pool."""
        conn.__class__ = _Connection
        conn.lingerer = self._lingerer
        conn.watch = self._watch
        self._in_hand += 1
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:  # noqa: ANN401 - gunicorn's own
        """Take *conn* back from its thread."""
        self._in_hand -= 1
        super().finish_request(conn, fs)

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - gunicorn's own
        """Answer on *conn* for as long as its client keeps asking and none waits."""
        while True:
            outcome = super().handle(conn)
            if outcome is not True or not self._stays(conn):
                return outcome

    def _stays(self, conn: Any) -> bool:  # noqa: ANN401 - gunicorn's own
        """Whether the next request is there, for the thread that just answered."""
        if not self.alive or self._in_hand > self.cfg.threads or conn.is_http2:
            return False
        poll = select.poll()
        poll.register(conn.sock, select.POLLIN)
        return bool(poll.poll(STAY_MS))

    def accept(self, listener: Any) -> None:  # noqa: ANN401 - gunicorn's own
        """Accept a connection; leave the next to others if every thread is busy."""
        super().accept(listener)
        if self.alive and self._in_hand >= self.cfg.threads:
            load = self._in_hand / self.cfg.threads
            self._accepts_at = time.monotonic() + LEAVE_TO_OTHERS_S * load
            self.set_accept_enabled(False)

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """Wait for events, and no longer than connections are left to others."""
        left_s = self._accepts_at - time.monotonic()
        if left_s > 0:
            timeout = left_s if timeout is None else min(timeout, left_s)
        super().wait_for_and_dispatch_events(timeout)

    def set_accept_enabled(self, enabled: bool | None) -> None:  # noqa: FBT001 - gunicorn's own form
        """Before the end take what waits, and refuse what comes later.

        gunicorn listens on while it finishes its requests: what connects then waits
        in vain. Refused, a proxy asks another portal at once. And a busy worker
        accepts again only when its connections were left to others for a while.
        """
        is_busy = self._in_hand >= self.cfg.threads
        if enabled and is_busy and time.monotonic() < self._accepts_at:
            return
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                while self._accepts(listener):
                    pass
                listener.close()

    def _accepts(self, listener: Any) -> bool:  # noqa: ANN401 - gunicorn's own
        connections = self.nr_conns
        self.accept(listener)
        return bool(self.nr_conns > connections)
