"""What a loaded version has done in this process: how often, and how long it took."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

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
    """

    successes: int
    failures: int
    failed_ms: float
    last_run_at: float | None
    durations: Mapping[str, Duration]


class Statistics:
    """Counts the runs of one loaded version, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps = {step: Histogram() for step in STEPS}
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
