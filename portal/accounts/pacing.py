"""Answers that take the same time, whatever had to be done for them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting_at_least(duration_s: float) -> Iterator[None]:
    """Wait at the end of the block until *duration_s* have passed in all."""
    end = time.monotonic() + duration_s
    try:
        yield
    finally:
        time.sleep(max(0, end - time.monotonic()))
