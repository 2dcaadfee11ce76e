"""A bound on the runs of one model, with a short queue and an early refusal.

A thread that waits for ever holds a place that another model's caller needs,
so only a few may wait; the next is told at once when to come back.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from portal.errors import Unavailable

MAX_RUNNING = max(1, os.cpu_count() or 1)
MAX_WAITING = 4
WAIT_LIMIT_S = 10.0
SMOOTHING = 0.2  # of a new measurement in the running mean


class Busy(Unavailable):
    """As many runs as the model takes are running and waiting."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "The model is busy. Please try again in %(seconds)d seconds.",
            retry_after_s=retry_after_s,
            seconds=retry_after_s,
        )


class Scheduler:
    """Lets a few runs through at a time and a few more wait."""

    def __init__(
        self, *, max_running: int = MAX_RUNNING, max_waiting: int = MAX_WAITING
    ) -> None:
        self._places = threading.Semaphore(max_running)
        self._lock = threading.Lock()
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._waiting = 0
        self._run_s = 0.5

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Wait for a turn and yield how long that took, in milliseconds.

        Raises:
            Busy: The queue is full, or the turn did not come in time.
        """
        asked_at = time.perf_counter()
        if not self._places.acquire(blocking=False):
            self._wait()
        started_at = time.perf_counter()
        try:
            yield (started_at - asked_at) * 1000
        finally:
            self._places.release()
            self._measure(time.perf_counter() - started_at)

    def _wait(self) -> None:
        with self._lock:
            if self._waiting >= self._max_waiting:
                raise Busy(self._retry_after_s())
            self._waiting += 1
        try:
            if not self._places.acquire(timeout=WAIT_LIMIT_S):
                raise Busy(self._retry_after_s())
        finally:
            with self._lock:
                self._waiting -= 1

    def _measure(self, run_s: float) -> None:
        with self._lock:
            self._run_s += SMOOTHING * (run_s - self._run_s)

    def _retry_after_s(self) -> int:
        ahead = self._waiting + self._max_running
        return max(1, round(ahead * self._run_s / self._max_running))
