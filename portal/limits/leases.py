"""Leases: units of an allowance that this process holds for a moment.

Asking for every unit costs more than all the rest of counting. So some are had at
once, few enough that nobody misses them, for a second at most; what is not used
then is given back by whoever sweeps.
"""

import threading
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from portal.forks import begin_afresh_after_fork
from portal.limits import clock

Note = TypeVar("Note")


@dataclass(slots=True, eq=False)
class Lease(Generic[Note]):
    """Some units of one allowance.

    Attributes:
        key: Whose, and of what.
        units: Those not used yet.
        ends_at: On the monotonic clock; they may not be used from then on.
        note: What whoever gave them said with them.
    """

    key: Hashable
    units: int
    ends_at: float
    note: Note


class Leases(Generic[Note]):
    """The leases of this process."""

    def __init__(self) -> None:
        begin_afresh_after_fork(self)

    def begin_afresh(self) -> None:
        """Hold nothing; what a parent process holds is its own."""
        self._lock = threading.Lock()
        self._held: dict[Hashable, deque[Lease[Note]]] = {}

    def take(self, key: Hashable) -> Lease[Note] | None:
        """Use a unit of *key*; return its lease, or None if there is none to use."""
        held = self._held.get(key)
        if not held:
            return None
        now = clock.now_s()
        with self._lock:
            for lease in held:
                if lease.units and now < lease.ends_at:
                    lease.units -= 1
                    return lease
        return None

    def lend(
        self, key: Hashable, units: int, *, seconds: float, note: Note
    ) -> Lease[Note]:
        """Hold *units* of *key* for some *seconds*, and use the first of them."""
        lease = Lease(key, units - 1, clock.now_s() + seconds, note)
        if lease.units:
            self.keep(lease)
        return lease

    def keep(self, lease: Lease[Note]) -> None:
        """Hold *lease*, which was swept and could not be given back."""
        with self._lock:
            self._held.setdefault(lease.key, deque()).append(lease)

    def put_back(self, lease: Lease[Note]) -> None:
        """Return a unit that was taken from *lease* and not used."""
        with self._lock:
            lease.units += 1
            held = self._held.setdefault(lease.key, deque())
            if lease not in held:
                held.append(lease)

    def forget(self, key: Hashable) -> None:
        """Hold nothing of *key* any more."""
        with self._lock:
            self._held.pop(key, None)

    def unused(self, key: Hashable) -> int:
        """Return how many units of *key* are held and not used."""
        with self._lock:
            return sum(lease.units for lease in self._held.get(key, ()))

    def sweep(self, *, is_last: bool = False) -> list[Lease[Note]]:
        """Hold what has ended no more; return it where there are units to give back.

        Args:
            is_last: Take all as ended.
        """
        now = clock.now_s()
        over: list[Lease[Note]] = []
        with self._lock:
            for key, held in tuple(self._held.items()):
                for lease in [one for one in held if is_last or one.ends_at <= now]:
                    held.remove(lease)
                    if lease.units:
                        over.append(replace(lease))
                    # A unit that is put back later is one, not all of these again.
                    lease.units = 0
                if not held:
                    del self._held[key]
        return over

    def __bool__(self) -> bool:
        """Whether any are held."""
        return bool(self._held)
