"""Rates: at most so many calls per window, counted before the call."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItem, parse_many

from portal.errors import Invalid, LimitExceeded
from portal.limits import clock
from portal.limits.leases import Lease, Leases
from portal.limits.storage import Counted, FailoverStorage, Window

LEASE_S = 1.0
EDGE_S = 0.002  # before a window ends, nothing of it is used any more
REFUSED_S = 0.05  # for so long a window that was full is not asked about again
MAX_REFUSED = 10_000
MAX_CALLS, MAX_WINDOW_S, MAX_WINDOWS = 1_000_000_000, 31_536_000, 5


@dataclass(frozen=True)
class Allowance:
    """What is left of one rate.

    Attributes:
        policy: The name of the rate, such as ``per-minute``.
        limit: Calls per window.
        window_s: Length of the window in seconds.
        left: Calls left in the running window.
        reset_s: Seconds until the window ends.
    """

    policy: str
    limit: int
    window_s: int
    left: int
    reset_s: int


class RateExceeded(LimitExceeded):
    """Too many calls; carries the allowances for the headers."""

    def __init__(self, refused: Allowance, allowances: tuple[Allowance, ...]) -> None:
        super().__init__(
            "That is more than %(limit)d calls %(policy)s. "
            "The next one can be answered in %(seconds)d seconds.",
            retry_after_s=max(1, refused.reset_s),
            policy=refused.policy,
            limit=refused.limit,
            seconds=max(1, refused.reset_s),
        )
        self.values["policy"] = refused.policy.replace("-", " ")
        self.refused = refused
        self.allowances = allowances


@dataclass(frozen=True)
class _Windows:
    """Windows as they were counted at a moment of the monotonic clock."""

    windows: Sequence[Window]
    rates: str
    counted: Counted
    at: float

    def allowances(self, unused: int = 0) -> tuple[Allowance, ...]:
        """Return what is left now, *unused* units of these counts being left, too."""
        passed_s = clock.now_s() - self.at
        return tuple(
            Allowance(
                policy=_policy(item),
                limit=item.amount,
                window_s=item.get_expiry(),
                left=max(0, item.amount - count + unused),
                reset_s=_reset_s(item, left_s, passed_s),
            )
            for item, count, left_s in zip(
                _items(self.rates),
                self.counted.counts,
                self.counted.left_s,
                strict=True,
            )
        )

    @property
    def last_until(self) -> float:
        """When the first of them ends, on the monotonic clock."""
        return self.at + min(self.counted.left_s)


@dataclass(frozen=True)
class Hit:
    """A call that was counted.

    Attributes:
        allowances: What is left of each rate.
        lease: What the unit came from.
    """

    allowances: tuple[Allowance, ...]
    lease: Lease[_Windows]


class RateLimits:
    """Counts calls against rates in Flask-Limiter's notation, in fixed windows.

    A window begins with its first call. With Redis, some calls are taken at once
    (`portal.limits.leases`), so that few ask it. A window is known by its length: when
    the number of calls for it is changed, what was counted in it stays.

    Args:
        storage: Gives where they are counted.
    """

    def __init__(self, storage: Callable[[], FailoverStorage]) -> None:
        self._storage = storage
        self._leases: Leases[_Windows] = Leases()
        self._refused: dict[tuple[str, ...], tuple[_Windows, int]] = {}

    def hit(self, rates: str, *key: str) -> Hit:
        """Count one call for *key* and return what is left.

        Raises:
            RateExceeded: One of the *rates* was used up already; nothing is counted.
        """
        whose = (rates, *key)
        lease = self._leases.take(whose)
        if lease is not None:
            return Hit(lease.note.allowances(lease.units), lease)
        self._refuse_again(whose)
        windows = _windows(rates, key)
        found = _Windows(windows, rates, self._storage().count(windows), clock.now_s())
        if found.counted.refused is not None:
            self._refuse(whose, found)
        return self._use(whose, found)

    def put_back(self, hit: Hit) -> None:
        """Count *hit* no more: nothing was done for it."""
        self._leases.put_back(hit.lease)

    def left(self, rates: str, *key: str) -> tuple[Allowance, ...]:
        """Return what is left for *key*, counting nothing."""
        windows = _windows(rates, key)
        found = _Windows(
            windows, rates, self._storage().count(windows, 0), clock.now_s()
        )
        return found.allowances(self._leases.unused((rates, *key)))

    def forget(self, rates: str, *key: str) -> None:
        """Start afresh for *key*."""
        self._leases.forget((rates, *key))
        self._refused.pop((rates, *key), None)
        for window in _windows(rates, key):
            self._storage().clear(window.key)

    def tidy(self, *, is_last: bool = False) -> bool:
        """Give back what was taken and not used; return whether there is more.

        Args:
            is_last: Give back everything.
        """
        for lease in self._leases.sweep(is_last=is_last):
            counted = lease.note.counted
            self._storage().give_back(lease.note.windows, lease.units, counted)
        return bool(self._leases)

    def _use(self, whose: tuple[str, ...], found: _Windows) -> Hit:
        counted = found.counted
        seconds = min(LEASE_S, min(counted.left_s) - EDGE_S)
        lease = self._leases.lend(whose, counted.units, seconds=seconds, note=found)
        return Hit(found.allowances(lease.units), lease)

    def _refuse(self, whose: tuple[str, ...], found: _Windows) -> None:
        refused = found.counted.refused or 0
        if len(self._refused) > MAX_REFUSED:
            self._refused.clear()
        self._refused[whose] = (found, refused)
        allowances = found.allowances()
        raise RateExceeded(allowances[refused], allowances)

    def _refuse_again(self, whose: tuple[str, ...]) -> None:
        """Refuse what was refused just now, without asking."""
        found, refused = self._refused.get(whose, (None, 0))
        if found is None:
            return
        if clock.now_s() < min(found.at + REFUSED_S, found.last_until):
            allowances = found.allowances()
            raise RateExceeded(allowances[refused], allowances)
        self._refused.pop(whose, None)


def checked_rate(text: str) -> str:
    """Return the rates that *text* stands for in one way of writing them.

    Raises:
        Invalid: It is no rate, or one that can't be counted.
    """
    try:
        items = parse_many(text)
    except ValueError:
        items = []
    windows = [item.get_expiry() for item in items]
    if not (
        0 < len(items) <= MAX_WINDOWS
        and len(set(windows)) == len(windows)
        and all(0 < item.amount <= MAX_CALLS for item in items)
        and all(0 < window_s <= MAX_WINDOW_S for window_s in windows)
    ):
        raise Invalid(
            "A rate is written like 60/minute or 60/minute;2000/hour: "
            "at least one call, each window once and no longer than a year.",
            pointer="/rate",
        )
    return ";".join(map(_written, sorted(items, key=lambda item: item.get_expiry())))


def _written(item: RateLimitItem) -> str:
    unit = item.GRANULARITY.name
    many = "" if item.multiples == 1 else f"{item.multiples} "
    return f"{item.amount}/{many}{unit}"


def _windows(rates: str, key: tuple[str, ...]) -> list[Window]:
    return [
        Window(
            "/".join(("RATE", *key, str(item.get_expiry()))),
            item.amount,
            item.get_expiry(),
        )
        for item in _items(rates)
    ]


def _reset_s(item: RateLimitItem, left_s: float, passed_s: float) -> int:
    window_s = int(item.get_expiry())
    # A window that has not begun is whole.
    return min(window_s, math.ceil(max(0.0, left_s - passed_s)) or window_s)


@lru_cache(maxsize=256)
def _items(rates: str) -> tuple[RateLimitItem, ...]:
    # Of two windows of one length the tighter holds.
    items = sorted(parse_many(rates), key=lambda item: -item.amount)
    tightest = {item.get_expiry(): item for item in items}
    return tuple(tightest[window_s] for window_s in sorted(tightest))


def _policy(item: RateLimitItem) -> str:
    unit = item.GRANULARITY.name
    return f"per-{unit}" if item.multiples == 1 else f"per-{item.multiples}-{unit}s"
