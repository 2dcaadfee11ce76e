"""What a version has done in this process: how often, and how long it took."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from portal.runtime.histogram import Duration, Histogram

STEPS = ("queue", "preprocess", "inference", "postprocess", "total")


@dataclass(frozen=True)
class Measured:
    """What was measured of a version in this process.

    Attributes:
        successes, failures: Runs that gave a prediction, and that didn't.
        failed_ms: The time of all failures, in milliseconds.
        last_run_at: Seconds since 1970; None before the first run.
        durations: ``queue, preprocess, inference, postprocess, total``.
        batches: How many calls shared a run → what those calls were.
    """

    successes: int
    failures: int
    failed_ms: float
    last_run_at: float | None
    durations: Mapping[str, Duration]
    batches: Mapping[int, "Batch"]

    @property
    def runs(self) -> int:
        """How often the graph ran, each time for one call or several."""
        return round(sum(one.calls / size for size, one in self.batches.items()))


@dataclass
class Batch:
    """The calls whose runs were shared by as many.

    Attributes:
        calls: How many there were.
        steps_ms: What each step took of all of them, in milliseconds.
    """

    calls: int = 0
    steps_ms: dict[str, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True)
class Tally:
    """What some calls took.

    Attributes:
        calls: How many gave a prediction.
        joined: How many calls shared a run → of how many calls that is true.
        steps: How long each of `STEPS` took.
    """

    calls: int = 0
    joined: Counter[int] = field(default_factory=Counter)
    steps: Mapping[str, Histogram] = field(
        default_factory=lambda: {step: Histogram() for step in STEPS}
    )

    def since(self, before: "Tally") -> "Tally":
        """Return what came after *before*."""
        return Tally(
            self.calls - before.calls,
            self.joined - before.joined,
            {step: one.since(before.steps[step]) for step, one in self.steps.items()},
        )

    def merge(self, other: "Tally") -> "Tally":
        """Return these and *other* calls together."""
        steps = {step: one.copy() for step, one in self.steps.items()}
        for step, one in steps.items():
            one.merge(other.steps[step])
        return Tally(self.calls + other.calls, self.joined + other.joined, steps)

    @property
    def durations(self) -> dict[str, Duration]:
        """How long each step took."""
        return {step: one.read() for step, one in self.steps.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the tally for the database."""
        steps = {step: one.to_json() for step, one in self.steps.items()}
        return {"calls": self.calls, "joined": dict(self.joined), "steps": steps}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Return the tally that `to_json` wrote."""
        return cls(
            document["calls"],
            Counter({int(size): n for size, n in document["joined"].items()}),
            {step: Histogram.from_json(document["steps"][step]) for step in STEPS},
        )


class Statistics:
    """Counts the runs of one version, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps = {step: Histogram() for step in STEPS}
        self._batches: dict[int, Batch] = {}
        self._span = -1
        self._before_span = self._told = self._kept = Tally()
        self._successes = 0
        self._failures = 0
        self._failed_ms = 0.0
        self._last_run_at: float | None = None

    def succeeded(self, timings_ms: Mapping[str, float], *, joined: int = 1) -> None:
        """Count a call that gave a prediction, with its time per step.

        Args:
            timings_ms: Of each of `STEPS`.
            joined: How many calls shared its run.
        """
        with self._lock:
            batch = self._batches.setdefault(joined, Batch())
            batch.calls += 1
            self._successes += 1
            self._last_run_at = time.time()
            for step, value_ms in timings_ms.items():
                self._steps[step].add(value_ms)
                batch.steps_ms[step] += value_ms

    def failed(self, took_ms: float) -> None:
        """Count a run that was refused, failed or took too long."""
        with self._lock:
            self._failures += 1
            self._failed_ms += took_ms
            self._last_run_at = time.time()

    @property
    def has_news(self) -> bool:
        """Whether a prediction came after what is kept."""
        return self._successes != self._kept.calls

    def within(self, span: int) -> Tally:
        """Return what was measured since *span* began.

        A span begins with the first call of this that names it; what came after what
        is `kept` of the one before counts as its own. So nothing is kept twice, and
        nothing is lost.

        Args:
            span: The number of a stretch of time, greater than those before.
        """
        with self._lock:
            now = Tally(
                self._successes,
                Counter({size: one.calls for size, one in self._batches.items()}),
                {step: one.copy() for step, one in self._steps.items()},
            )
        if span != self._span:
            self._span, self._before_span = span, self._kept
        self._told = now
        return now.since(self._before_span)

    def kept(self) -> None:
        """Note that what `within` last returned is kept."""
        self._kept = self._told

    def read(self) -> Measured:
        """Return what was measured until now."""
        with self._lock:
            return Measured(
                self._successes,
                self._failures,
                self._failed_ms,
                self._last_run_at,
                {step: one.read() for step, one in self._steps.items()},
                {
                    size: Batch(one.calls, dict(one.steps_ms))
                    for size, one in self._batches.items()
                },
            )
