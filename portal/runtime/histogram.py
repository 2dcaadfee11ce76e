"""How many values lie where: counts in fine buckets, and percentiles of them.

Buckets are a twelfth of an octave apart in width, so that a percentile is right
within six per cent, whatever the number of values. (The sums of usage have buckets
of their own, which are columns of tables and begin at a millisecond; a step of a run
may take a thousandth of that.)
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

BUCKETS_PER_OCTAVE = 12
SHORTEST_MS = 0.001


@dataclass(frozen=True)
class Duration:
    """How long something took, which happened several times.

    Attributes:
        count: How often it happened.
        sum_ms: Of all times, in milliseconds.
        p50_ms, p95_ms, p99_ms: Percentiles, in milliseconds; 0 before the first.
    """

    count: int
    sum_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass
class Histogram:
    """Counts durations.

    Attributes:
        sum_ms: Of all of them, in milliseconds.
        buckets: Number of a bucket → how many lie in it.
    """

    sum_ms: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, value_ms: float) -> None:
        """Count one of *value_ms* milliseconds."""
        self.sum_ms += value_ms
        octaves = math.log2(max(value_ms, SHORTEST_MS) / SHORTEST_MS)
        self.buckets[round(octaves * BUCKETS_PER_OCTAVE)] += 1

    def copy(self) -> Self:
        """Return what was counted until now."""
        return type(self)(self.sum_ms, Counter(self.buckets))

    def since(self, before: Self) -> Self:
        """Return what was counted after *before*, a copy of this one."""
        return type(self)(self.sum_ms - before.sum_ms, self.buckets - before.buckets)

    def merge(self, other: Self) -> None:
        """Count what *other* counted, too."""
        self.sum_ms += other.sum_ms
        self.buckets.update(other.buckets)

    def to_json(self) -> dict[str, Any]:
        """Return the histogram for the database."""
        return {"sum_ms": round(self.sum_ms, 3), "buckets": dict(self.buckets)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Return the histogram that `to_json` wrote."""
        buckets = {int(number): n for number, n in document["buckets"].items()}
        return cls(document["sum_ms"], Counter(buckets))

    def read(self) -> Duration:
        """Return count, sum and percentiles."""
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
