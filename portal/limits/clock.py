"""The clock of limits: one that nobody sets back or forth."""

import time


def now_s() -> float:
    """Return the seconds since some moment in the past."""
    return time.monotonic()
