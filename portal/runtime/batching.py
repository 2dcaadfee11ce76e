"""Joins calls of one version into one run, where that was found to pay.

Each call stays on its own thread: it prepares its values, asks the session for a
run, and reads its own part of the outputs. Only the run itself is shared: the first
call that asks waits for those that are on their way, at most `max_wait_ms` and while
another run goes on, then runs the graph on the rows of all of them. A call that is
alone waits for nobody. If the joint run fails or gives what can't be told apart,
each call is run alone, so none can break another one's.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from portal.runtime.deadline import (
    Deadline,
    RunTimedOut,
    TimedSession,
    current_deadline,
    under,
)

Array = np.ndarray[Any, Any]
Feed = Mapping[str, Array]
RunAlone = Callable[[Feed], list[Array]]


@dataclass(frozen=True)
class Batching:
    """How calls are joined.

    Attributes:
        max: How many rows (sizes of the first axis) a joint run has at most.
        max_wait_ms: How long a call waits for others that are on their way, in
            milliseconds.
    """

    max: int
    max_wait_ms: float


class Joins(Protocol):
    """Decides how a session's runs are run."""

    def run(self, names: Sequence[str], feed: Feed, run_alone: RunAlone) -> list[Array]:
        """Return the outputs *names* of the graph on *feed*."""


class JoiningSession(TimedSession):
    """A session whose runs may be joined.

    Attributes:
        joiner: Joins them; None: each is run alone.
    """

    joiner: Joins | None = None

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: ort.RunOptions | None = None,
    ) -> Any:  # noqa: ANN401 - onnxruntime's own
        """Run the model, as onnxruntime does.

        Raises:
            RunTimedOut: The deadline was over before the run was.
        """
        joiner = self.joiner
        if joiner is None or output_names is None or run_options is not None:
            return super().run(output_names, input_feed, run_options)
        run_one = super().run
        return joiner.run(
            output_names, input_feed, lambda feed: run_one(output_names, feed)
        )


class Call:
    """One call on its way through a version whose runs are joined.

    Attributes:
        waited_ms: What it waited for others, and for others' parts of its run.
        joined: How many calls shared its run.
    """

    def __init__(self) -> None:
        self.waited_ms = 0.0
        self.joined = 1
        self.is_coming = True


class Joiner:
    """Joins the runs of one graph, one joint run at a time."""

    def __init__(self, batching: Batching) -> None:
        self._max_rows = batching.max
        self._max_wait_s = batching.max_wait_ms / 1000
        self._changed = threading.Condition()
        self._coming = 0
        self._is_running = False
        self._open: dict[Hashable, _Group] = {}
        self._calls = threading.local()

    @contextmanager
    def call(self) -> Iterator[Call]:
        """Let others wait for the call of this thread, until it asks for its run."""
        call = self._calls.now = Call()
        with self._changed:
            self._coming += 1
        try:
            yield call
        finally:
            self._calls.now = None
            self._arrive(call)

    def run(self, names: Sequence[str], feed: Feed, run_alone: RunAlone) -> list[Array]:
        """Return the outputs *names* of the graph on *feed*, joined if that can be.

        Raises:
            RunTimedOut: This call's own deadline was over.
        """
        began = time.perf_counter()
        call = getattr(self._calls, "now", None) or Call()
        self._arrive(call)
        rows = rows_of(feed)
        part = None
        if rows and rows < self._max_rows:
            part = self._join(_Part(feed, rows, current_deadline()), names, run_alone)
        if part is None:
            with self._turn(current_deadline()):
                started = time.perf_counter()
                outputs = run_alone(feed)
                own_s = time.perf_counter() - started
        else:
            outputs, own_s = part.outputs or [], part.own_s
            call.joined = part.joined
        call.waited_ms += (time.perf_counter() - began - own_s) * 1000
        return outputs

    def _arrive(self, call: Call) -> None:
        if call.is_coming:
            call.is_coming = False
            with self._changed:
                self._coming = max(0, self._coming - 1)
                self._changed.notify_all()

    def _join(
        self, part: "_Part", names: Sequence[str], run_alone: RunAlone
    ) -> "_Part | None":
        """Return *part* with its outputs, or None if it is to be run alone."""
        key = (tuple(names), _kind_of(part.feed))
        with self._changed:
            group = self._open.get(key)
            is_first = group is None or group.rows + part.rows > self._max_rows
            if group is None or is_first:
                # One that has no room goes on with those that it has.
                group = self._open[key] = _Group()
            group.parts.append(part)
            self._changed.notify_all()
        if is_first:
            try:
                self._lead(key, group, run_alone)
            finally:
                group.is_done.set()
        else:
            _wait_until_done(group, part)
        return None if part.outputs is None else part

    def _lead(self, key: Hashable, group: "_Group", run_alone: RunAlone) -> None:
        """Run the graph on all parts of *group*, once it is time to."""
        with self._turn(group.parts[0].deadline, gathering=(key, group)):
            started = time.perf_counter()
            outputs: list[list[Array]] | None
            if len(group.parts) == 1:
                outputs = [run_alone(group.parts[0].feed)]
            else:
                outputs = _run_joint(group, run_alone)
            took_s = time.perf_counter() - started
        group.give(outputs, took_s)

    @contextmanager
    def _turn(
        self,
        deadline: Deadline | None,
        gathering: "tuple[Hashable, _Group] | None" = None,
    ) -> Iterator[None]:
        """Hold the one run that goes on at a time.

        Args:
            deadline: Of who waits for it.
            gathering: The group that others may join until then, and its key.
        """
        ends_at = time.monotonic() + self._max_wait_s
        with self._changed:
            try:
                while (left_s := self._wait_s(ends_at, gathering)) > 0:
                    if deadline:
                        deadline.check()
                        left_s = min(left_s, deadline.left_s)
                    self._changed.wait(left_s)
            finally:
                if gathering and self._open.get(gathering[0]) is gathering[1]:
                    del self._open[gathering[0]]
            self._is_running = True
        try:
            yield
        finally:
            with self._changed:
                self._is_running = False
                self._changed.notify_all()

    def _wait_s(
        self, ends_at: float, gathering: "tuple[Hashable, _Group] | None"
    ) -> float:
        """Return how long to wait at least, unless something changes, in seconds."""
        if self._is_running:
            return threading.TIMEOUT_MAX
        if gathering is None or not self._coming:
            return 0.0
        key, group = gathering
        may_grow = self._open.get(key) is group and group.rows < self._max_rows
        return ends_at - time.monotonic() if may_grow else 0.0


class _Part:
    """What one call gives to a joint run, and gets of it."""

    def __init__(self, feed: Feed, rows: int, deadline: Deadline | None) -> None:
        self.feed = feed
        self.rows = rows
        self.deadline = deadline
        self.outputs: list[Array] | None = None
        self.own_s = 0.0
        self.joined = 1


class _Group:
    """The calls of one joint run; the first leads it."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.is_done = threading.Event()

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def deadline(self) -> Deadline | None:
        """The first that is over: it ends the joint run, and no call waits longer."""
        deadlines = [part.deadline for part in self.parts if part.deadline]
        return min(deadlines, key=lambda one: one.left_s, default=None)

    def give(self, outputs: list[list[Array]] | None, took_s: float) -> None:
        """Give each call its *outputs*, if there are any, and its share of the time."""
        if outputs is None:
            return
        total = self.rows
        for part, own in zip(self.parts, outputs, strict=True):
            part.own_s = took_s * part.rows / total
            part.joined = len(self.parts)
            part.outputs = own


def rows_of(feed: Feed) -> int | None:
    """Return the size of the first axis, if all inputs have the same."""
    arrays = list(feed.values())
    if not all(isinstance(array, np.ndarray) and array.ndim for array in arrays):
        return None
    sizes = {array.shape[0] for array in arrays}
    return sizes.pop() if len(sizes) == 1 else None


def joined_feed(feeds: Sequence[Feed]) -> dict[str, Array]:
    """Return the rows of all *feeds*, in their order."""
    return {
        name: np.concatenate([feed[name] for feed in feeds], axis=0)
        for name in feeds[0]
    }


def are_separable(outputs: Sequence[Any], rows: int) -> bool:
    """Whether each output has *rows* rows, so that each call's can be told."""
    return all(
        isinstance(array, np.ndarray) and array.ndim and array.shape[0] == rows
        for array in outputs
    )


def _kind_of(feed: Feed) -> tuple[Any, ...]:
    """Return what feeds must have in common to be joined: all but their rows."""
    return tuple(
        (name, array.dtype.str, array.shape[1:]) for name, array in sorted(feed.items())
    )


def _run_joint(group: _Group, run_alone: RunAlone) -> list[list[Array]] | None:
    """Return the outputs of each call of *group*, or None if there are none."""
    try:
        with under(group.deadline):
            outputs = run_alone(joined_feed([part.feed for part in group.parts]))
    except Exception:  # noqa: BLE001 - whatever it is, each call finds it out alone
        return None
    if not are_separable(outputs, group.rows):
        return None
    ends = list(accumulate(part.rows for part in group.parts))
    return [
        [array[start:end] for array in outputs] for start, end in pairwise([0, *ends])
    ]


def _wait_until_done(group: _Group, part: _Part) -> None:
    """Wait until the run of *group* is done, or until the deadline of *part*."""
    if part.deadline is None:
        group.is_done.wait()
    elif not group.is_done.wait(max(0, part.deadline.left_s)):
        raise RunTimedOut(part.deadline.limit_s)
