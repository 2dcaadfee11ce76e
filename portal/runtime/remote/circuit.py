"""Spares callers, and the other server, the wait for what was away a moment ago.

After a few failures in a row calls are refused at once for a second. Then one call
asks the server whether the model is ready; if it isn't, there is another pause. The
pauses don't grow: what is back is called again within two seconds.
"""

import random
import threading
from collections.abc import Callable
from math import ceil
from time import monotonic

from portal.runtime.remote.failures import RemoteAway

MAX_FAILURES = 3  # in a row
PAUSE_S = 1.0


class Circuit:
    """What is known of whether the model on the other server answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._reason = ""
        self._closed_until = 0.0
        self._is_asking = False

    @property
    def trouble(self) -> RemoteAway | None:
        """Why the model is taken to be away; None while it is taken to answer."""
        with self._lock:
            return self._refusal() if self._failures >= MAX_FAILURES else None

    def refuse_if_away(self) -> None:
        """Refuse a call during a pause.

        Raises:
            RemoteAway: The model was away a moment ago.
        """
        with self._lock:
            if monotonic() < self._closed_until:
                raise self._refusal()

    def admit(self, is_ready: Callable[[], bool]) -> None:
        """Let a call through, or refuse it.

        Args:
            is_ready: Asks the server; called by one thread at a time, after a pause.

        Raises:
            RemoteAway: The model was away a moment ago, and still is for all we know.
        """
        with self._lock:
            if monotonic() < self._closed_until:
                raise self._refusal()
            if self._failures < MAX_FAILURES:
                return
            if self._is_asking:
                raise self._refusal()
            self._is_asking = True
        found = False
        try:
            found = is_ready()
        finally:
            with self._lock:
                self._is_asking = False
                if found:
                    # One more failure, and there is a pause again.
                    self._failures = MAX_FAILURES - 1
                else:
                    self._pause()
        if not found:
            with self._lock:
                raise self._refusal()

    def succeeded(self) -> None:
        """Note that the server answered."""
        with self._lock:
            self._failures = 0
            self._closed_until = 0.0

    def failed(self, reason: str) -> None:
        """Note that the server was away, and why, for the owner."""
        with self._lock:
            self._failures += 1
            self._reason = reason
            if self._failures >= MAX_FAILURES:
                self._pause()

    def _pause(self) -> None:
        # Spread, so that not all processes ask at once.
        self._closed_until = monotonic() + PAUSE_S * random.uniform(1, 1.25)  # noqa: S311 - spreads, hides nothing

    def _refusal(self) -> RemoteAway:
        left_s = ceil(self._closed_until - monotonic())
        return RemoteAway(self._reason, retry_after_s=max(1, left_s))
