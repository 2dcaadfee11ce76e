"""How many answers took how long: counts in fixed buckets, and quantiles of them.

The bounds grow by about 1.5, so a quantile is told to a fifth of its value at worst.
"""

from bisect import bisect_left
from collections.abc import Sequence

BOUNDS_MS = (
    *(1, 1.5, 2, 3, 5, 7),
    *(10, 15, 20, 30, 50, 70),
    *(100, 150, 200, 300, 500, 700),
    *(1_000, 1_500, 2_000, 3_000, 5_000, 7_000),
    *(10_000, 15_000, 20_000, 30_000, 60_000),
)
# The column of each bucket; the last one has no upper bound.
BUCKETS = tuple(f"latency_{number}" for number in range(len(BOUNDS_MS) + 1))


def bucket_of(latency_ms: float) -> int:
    """Return the place of the bucket that *latency_ms* belongs to."""
    return bisect_left(BOUNDS_MS, latency_ms)


def quantile(counts: Sequence[int], part: float) -> float:
    """Return what *part* (0 to 1) of the answers took at most, in milliseconds.

    Within a bucket they are taken to lie evenly. 0 without any answer.
    """
    wanted, below = part * sum(counts), 0
    for place, count in enumerate(counts):
        if count and below + count >= wanted:
            lower = BOUNDS_MS[place - 1] if place else 0.0
            upper = BOUNDS_MS[min(place, len(BOUNDS_MS) - 1)]
            return lower + (upper - lower) * (wanted - below) / count
        below += count
    return 0.0
