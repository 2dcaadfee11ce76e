"""What a loaded version has done in this process: how often, and how long it took.

Times fall into buckets a twelfth of an octave apart in width, so that a percentile
is right within six per cent, whatever the number of runs.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS = ("queue", "preprocess", "inference", "postprocess", "total")
BUCKETS_PER_OCTAVE = 12
SHORTEST_MS = 0.001


@dataclass(frozen=True)
class Duration:
    """How long one step of the runs took.

    Attributes:
        count: Of the runs.
        sum_ms: Of all of them, in milliseconds.
        p50_ms, p95_ms, p99_ms: Percentiles, in milliseconds; 0 before the first.
    """

    count: int
    sum_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Measured:
    """What was measured of a version in this process.

    Attributes:
        successes, failures: Runs that gave a prediction, and that didn't.
        failed_ms: The time of all failures, in milliseconds.
        last_run_at: Seconds since 1970; None before the first run.
        durations: ``queue, preprocess, inference, postprocess, total``.
    """

    successes: int
    failures: int
    failed_ms: float
    last_run_at: float | None
    durations: Mapping[str, Duration]


@dataclass
class _Histogram:
    sum_ms: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, value_ms: float) -> None:
        self.sum_ms += value_ms
        octaves = math.log2(max(value_ms, SHORTEST_MS) / SHORTEST_MS)
        self.buckets[round(octaves * BUCKETS_PER_OCTAVE)] += 1

    def read(self) -> Duration:
        count = self.buckets.total()
        return Duration(
            count,
            self.sum_ms,
            *(self._percentile(share, count) for share in (0.5, 0.95, 0.99)),
        )

    def _percentile(self, share: float, count: int) -> float:
        wanted = share * count
        passed = 0
        for bucket in sorted(self.buckets):
            passed += self.buckets[bucket]
            if passed >= wanted:
                return float(SHORTEST_MS * 2 ** (bucket / BUCKETS_PER_OCTAVE))
        return 0.0


class Statistics:
    """Counts the runs of one loaded version, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps = {step: _Histogram() for step in STEPS}
        self._successes = 0
        self._failures = 0
        self._failed_ms = 0.0
        self._last_run_at: float | None = None

    def succeeded(self, timings_ms: Mapping[str, float]) -> None:
        """Count a run that gave a prediction, with its time per step."""
        with self._lock:
            self._successes += 1
            self._last_run_at = time.time()
            for step, value_ms in timings_ms.items():
                self._steps[step].add(value_ms)

    def failed(self, took_ms: float) -> None:
        """Count a run that was refused, failed or took too long."""
        with self._lock:
            self._failures += 1
            self._failed_ms += took_ms
            self._last_run_at = time.time()

    def read(self) -> Measured:
        """Return what was measured until now."""
        with self._lock:
            return Measured(
                self._successes,
                self._failures,
                self._failed_ms,
                self._last_run_at,
                {step: one.read() for step, one in self._steps.items()},
            )
