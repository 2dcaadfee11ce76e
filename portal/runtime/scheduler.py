"""Who may run, who waits, and who is told to come back later.

A thread that waits for ever holds a place that a page or another model needs, so
few may wait and the next is refused at once. All models of a process share its
cores:

- at most `max_running` runs go on at once, but a model that has none running may
  always start one, so a busy model never keeps a quiet one waiting;
- the places of runs and of those who wait are shared: a model may hold more than
  one only while it holds less than an equal share of them;
- a place that becomes free goes to the model that waits with the fewest runs, and
  among its callers to the first;
- calls that may share a run (`portal.runtime.batching`) count as one run together,
  and as a place each.

A run on another server uses no core here, only the thread that waits for it: such
runs count as none of the `max_running`, and hold half of the places together, so
that a slow server leaves the models of this process theirs. (One more is let in for
each remote model that has none, as long as there is a place at all.)
"""

import math
import os
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from portal.errors import Unavailable
from portal.runtime.deadline import Deadline, RunTimedOut

CORES = len(os.sched_getaffinity(0))
MAX_RUNNING = max(2, CORES)
PLACES = 6
SMOOTHING = 0.2  # of a new measurement in the running mean
FIRST_GUESS_S = 0.5  # of the time of a run, before one was measured


class Busy(Unavailable):
    """As many calls of the model as it may hold are running and waiting."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "The model is busy. Please try again in %(seconds)d seconds.",
            retry_after_s=retry_after_s,
            seconds=retry_after_s,
        )


class Scheduler:
    """Shares the cores and threads of a process between its models.

    Args:
        max_running: How many runs go on at once.
        places: How many calls run or wait at once, of the threads that serve.
    """

    def __init__(self, *, max_running: int = MAX_RUNNING, places: int = PLACES) -> None:
        self._max_running = max_running
        self._places = max(places, max_running)
        self._lock = threading.Lock()
        self._lanes: list[Lane] = []
        self._running = 0
        self._held = 0
        self._held_remotely = 0

    def lane(
        self,
        *,
        max_running: int | None = None,
        batch: int = 1,
        uses_core: bool = True,
    ) -> "Lane":
        """Return where the calls of one more model take their turns.

        Args:
            max_running: How many of its runs go on at once, if few.
            batch: How many of its calls may share a run.
            uses_core: Whether its runs compute here.
        """
        most = self._max_running if uses_core else self._places
        runs = min(max_running or most, most)
        return Lane(self, runs, batch=batch, uses_core=uses_core)

    @contextmanager
    def turn(self, lane: "Lane", deadline: Deadline) -> Iterator[float]:
        """Wait for a turn of *lane*, and yield how long that took, in milliseconds.

        Raises:
            Busy: Too many of its calls run and wait already.
            RunTimedOut: The turn did not come before *deadline*.
        """
        asked_at = time.perf_counter()
        self._enter(lane, deadline)
        started_at = time.perf_counter()
        try:
            yield (started_at - asked_at) * 1000
        finally:
            self._leave(lane, time.perf_counter() - started_at)

    def refuse_if_full(self, lane: "Lane") -> None:
        """Refuse a call of *lane* that would find no place now.

        Raises:
            Busy: Too many of its calls run and wait already.
        """
        with self._lock:
            self._refuse_if_full(lane)

    def _refuse_if_full(self, lane: "Lane") -> None:
        if lane.is_active:
            may_enter = self._may_hold_another(lane)
        else:
            # For waits alone even that ends where the threads do.
            may_enter = lane.uses_core or self._held_remotely < self._places
        if not may_enter:
            raise Busy(lane.retry_after_s())

    def _enter(self, lane: "Lane", deadline: Deadline) -> None:
        with self._lock:
            self._refuse_if_full(lane)
            if not lane.is_active:
                self._lanes.append(lane)
            self._hold(lane, 1)
            if self._may_run_another(lane):
                self._start(lane)
                return
            turn = threading.Event()
            lane.waiting.append(turn)
        if not turn.wait(max(0, deadline.left_s)):
            self._give_up(lane, turn, deadline)

    def _may_hold_another(self, lane: "Lane") -> bool:
        if not lane.uses_core and self._held_remotely >= self._places // 2:
            return False
        share = max(1, self._places // len(self._lanes))
        return self._held < self._places and lane.held < share

    def _may_run_another(self, lane: "Lane") -> bool:
        if lane.running >= lane.max_running * lane.batch:
            return False
        if not lane.uses_core:
            return True
        if lane.running % lane.batch:  # it shares a run that goes on already
            return True
        return not lane.running or self._running < self._max_running

    def _start(self, lane: "Lane") -> None:
        self._running -= lane.cores
        lane.running += 1
        self._running += lane.cores

    def _hold(self, lane: "Lane", change: int) -> None:
        self._held += change
        if not lane.uses_core:
            self._held_remotely += change

    def _give_up(self, lane: "Lane", turn: threading.Event, deadline: Deadline) -> None:
        with self._lock:
            if turn.is_set():  # it came in the meantime
                return
            lane.waiting.remove(turn)
            self._let_go(lane)
        raise RunTimedOut(deadline.limit_s)

    def _leave(self, lane: "Lane", run_s: float) -> None:
        with self._lock:
            lane.run_s += SMOOTHING * (run_s - lane.run_s)
            self._running -= lane.cores
            lane.running -= 1
            self._running += lane.cores
            self._let_go(lane)
            self._call_next()

    def _let_go(self, lane: "Lane") -> None:
        self._hold(lane, -1)
        if not lane.is_active:
            self._lanes.remove(lane)

    def _call_next(self) -> None:
        waiting = [lane for lane in self._lanes if lane.waiting]
        for lane in sorted(waiting, key=lambda one: one.runs):
            if self._may_run_another(lane):
                self._start(lane)
                lane.waiting.popleft().set()
                # Those who were just served come last the next time.
                self._lanes.remove(lane)
                self._lanes.append(lane)


class Lane:
    """The calls of one model: those that run, and those that wait in line.

    Attributes:
        max_running: How many of its runs go on at once.
        batch: How many of its calls may share a run.
        uses_core: Whether its runs compute here.
        running: How many of its calls run.
        run_s: The running mean of the time of a run, in seconds.
    """

    def __init__(
        self, scheduler: Scheduler, max_running: int, *, batch: int, uses_core: bool
    ) -> None:
        self._scheduler = scheduler
        self.max_running = max_running
        self.batch = batch
        self.uses_core = uses_core
        self.running = 0
        self.waiting: deque[threading.Event] = deque()
        self.run_s = FIRST_GUESS_S

    @property
    def runs(self) -> int:
        """How many runs its calls make, if those that may share one do."""
        return math.ceil(self.running / self.batch)

    @property
    def cores(self) -> int:
        """How many runs of this process they are; none if another server runs them."""
        return self.runs if self.uses_core else 0

    @property
    def held(self) -> int:
        """How many places it holds."""
        return self.running + len(self.waiting)

    @property
    def is_active(self) -> bool:
        """Whether any call runs or waits."""
        return self.held > 0

    @contextmanager
    def turn(self, deadline: Deadline) -> Iterator[float]:
        """Wait for a turn, as `Scheduler.turn` says."""
        with self._scheduler.turn(self, deadline) as queue_ms:
            yield queue_ms

    def refuse_if_full(self) -> None:
        """Refuse a call that would find no place, as `Scheduler.refuse_if_full`."""
        self._scheduler.refuse_if_full(self)

    def retry_after_s(self) -> int:
        """Return when a place should be free, spread so that not all come at once."""
        wait_s = self.held * self.run_s / (self.max_running * self.batch)
        return max(1, math.ceil(wait_s * random.uniform(1, 1.5)))  # noqa: S311 - spreads, hides nothing
