"""Work that comes back for as long as there is some, on a thread of its own."""

import threading
from collections.abc import Callable

from portal.forks import begin_afresh_after_fork

REST_S = 2.0  # a thread that rests costs less than one that is started


class Chore:
    """Does *work* every so often, from the time it is due until nothing is left.

    The thread starts with the first need and ends a while after the last, so a
    process that does nothing has none, and none is lost by a fork.

    Args:
        name: The name of its thread.
        work: Does what is due; returns whether more may be due later. Raises nothing.
        period_s: How long to wait after each.
    """

    def __init__(self, name: str, work: Callable[[], bool], *, period_s: float) -> None:
        self._name = name
        self._work = work
        self._period_s = period_s
        begin_afresh_after_fork(self)

    def begin_afresh(self) -> None:
        """Have no thread: a fork loses it."""
        self._changed = threading.Condition()
        self._is_wanted = False
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def due(self) -> None:
        """See to it that the work is done within a period."""
        with self._changed:
            self._is_wanted = True
            if self._thread is not None:
                self._changed.notify()
                return
            self._thread = threading.Thread(
                target=self._run, name=self._name, daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Do the work once more if it is due, and let the thread end."""
        with self._changed:
            thread = self._thread
            if thread is None:
                return
            self._stopping.set()
            self._changed.notify()
        thread.join()
        self.begin_afresh()

    def _run(self) -> None:
        while True:
            is_last = self._stopping.wait(self._period_s)
            self._is_wanted = False
            has_more = self._work()
            if is_last or not (has_more or self._rest()):
                return

    def _rest(self) -> bool:
        """Wait for a while until the work is due again; end this thread if it isn't."""
        with self._changed:
            if not self._is_wanted and not self._stopping.is_set():
                self._changed.wait(REST_S)
            if self._is_wanted or self._stopping.is_set():
                return True
            self._thread = None
            return False
