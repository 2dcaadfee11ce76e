"""Work that comes back for as long as there is some, on a thread of its own."""

import threading
from collections.abc import Callable

from portal.forks import begin_afresh_after_fork


class Chore:
    """Does *work* every so often, from the time it is due until nothing is left.

    The thread starts with the first need and ends with the last, so a process that
    does nothing has none, and none is lost by a fork.

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
        self._lock = threading.Lock()
        self._is_wanted = False
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def due(self) -> None:
        """See to it that the work is done within a period."""
        with self._lock:
            self._is_wanted = True
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=self._name, daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Do the work once more if it is due, and let the thread end."""
        thread = self._thread
        if thread is None:
            return
        self._stopping.set()
        thread.join()
        self.begin_afresh()

    def _run(self) -> None:
        while True:
            is_last = self._stopping.wait(self._period_s)
            self._is_wanted = False
            has_more = self._work()
            if is_last:
                return
            with self._lock:
                if not has_more and not self._is_wanted:
                    self._thread = None
                    return
