"""The time limit of a call, which ends a run that is past it.

onnxruntime looks between two operators whether a run was told to end
(`RunOptions.terminate`), so a run ends soon after its deadline, unless one
operator alone takes longer. What waits for another server is ended by shutting its
connection. One thread watches all runs of this process.
"""

import math
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import onnxruntime as ort

from portal.errors import TimedOut

AGAIN_S = 0.02  # a run that was told to end may not have begun to look


class Stoppable(Protocol):
    """What ends soon after *terminate* is set, as a run with its `RunOptions` does."""

    terminate: bool


class RunTimedOut(TimedOut):
    """A call that was not done by its deadline."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            "The model was not done within %(limit)s seconds. A smaller input may "
            "take less.",
            limit=f"{limit_s:g}",
        )


class Deadline:
    """The instant by which a call is to be done.

    Attributes:
        limit_s: The time from the beginning of the call, in seconds.
        ends_at: On the monotonic clock.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.ends_at = time.monotonic() + limit_s

    @property
    def left_s(self) -> float:
        """The time that is left, in seconds; below 0 when it is over."""
        return self.ends_at - time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.left_s <= 0

    def check(self) -> None:
        """Refuse to go on when no time is left.

        Raises:
            RunTimedOut: It is over.
        """
        if self.is_over:
            raise RunTimedOut(self.limit_s)

    @contextmanager
    def stops(self, run: Stoppable) -> Iterator[None]:
        """Tell *run* to end when the time is over, if it still goes on then."""
        with _watch.over(self, run):
            yield

    @contextmanager
    def holds(self) -> Iterator[None]:
        """End every run of this thread that is not done when the time is over.

        Raises:
            RunTimedOut: It was over before all was done.
        """
        self.check()
        token = _current.set(self)
        try:
            yield
        except RunTimedOut:
            raise
        except Exception as failure:
            # What a terminated run raises says nothing to anybody.
            if self.is_over:
                raise RunTimedOut(self.limit_s) from failure
            raise
        finally:
            _current.reset(token)


class TimedSession(ort.InferenceSession):  # type: ignore[misc]
    """onnxruntime's session, whose runs end with the deadline that holds."""

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: ort.RunOptions | None = None,
    ) -> Any:  # noqa: ANN401 - onnxruntime's own
        """Run the model, as onnxruntime does.

        Raises:
            RunTimedOut: The deadline was over before the run began.
        """
        deadline = current_deadline()
        if deadline is None:
            return super().run(output_names, input_feed, run_options)
        deadline.check()
        options = run_options or ort.RunOptions()
        with deadline.stops(options):
            return super().run(output_names, input_feed, options)


def current_deadline() -> Deadline | None:
    """Return the deadline that holds on this thread, if one does."""
    return _current.get()


@contextmanager
def under(deadline: Deadline | None) -> Iterator[None]:
    """Let *deadline* end the runs of this thread, in place of the one that holds."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


class _Watch:
    """Tells runs to end; its thread lives in the process that first ran one.

    It sleeps until the first deadline. Later calls mostly have later ones, so hardly
    any of them wakes it: a thread that is woken takes the interpreter from the run.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._runs: dict[int, tuple[Deadline, Stoppable]] = {}
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf

    @contextmanager
    def over(self, deadline: Deadline, options: Stoppable) -> Iterator[None]:
        """Watch one run."""
        run = id(options)
        with self._changed:
            self._runs[run] = (deadline, options)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._look, name="deadlines", daemon=True
                )
                self._thread.start()
            elif deadline.ends_at < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                del self._runs[run]

    def _look(self) -> None:
        with self._changed:
            while True:
                for deadline, options in self._runs.values():
                    if deadline.is_over:
                        options.terminate = True
                self._sleep()

    def _sleep(self) -> None:
        """Wait until there is something to tell."""
        if not self._runs:
            self._wakes_at = math.inf
            self._changed.wait()
            return
        now = time.monotonic()
        first = min(deadline.ends_at for deadline, _ in self._runs.values())
        self._wakes_at = max(first, now + AGAIN_S)
        self._changed.wait(self._wakes_at - now)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
_watch = _Watch()


def _start_anew() -> None:
    """Forget the thread, which a fork does not take along."""
    global _watch  # noqa: PLW0603 - one per process
    _watch = _Watch()


os.register_at_fork(after_in_child=_start_anew)
