"""Rates: at most so many calls per window, counted before the call."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItem, parse_many

from portal.errors import LimitExceeded
from portal.limits.storage import Counted, FailoverStorage, Window


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
        self.allowances = allowances


class RateLimits:
    """Counts calls against rates in Flask-Limiter's notation, in fixed windows.

    A window begins with its first call.

    Args:
        storage: Gives where they are counted.
    """

    def __init__(self, storage: Callable[[], FailoverStorage]) -> None:
        self._storage = storage

    def hit(self, rates: str, *key: str) -> tuple[Allowance, ...]:
        """Count one call for *key* and return what is left.

        Raises:
            RateExceeded: One of the *rates* was used up already; nothing is counted.
        """
        counted = self._storage().count(_windows(rates, key))
        allowances = _allowances(rates, counted)
        if counted.refused is not None:
            raise RateExceeded(allowances[counted.refused], allowances)
        return allowances

    def left(self, rates: str, *key: str) -> tuple[Allowance, ...]:
        """Return what is left for *key*, counting nothing."""
        return _allowances(rates, self._storage().count(_windows(rates, key), 0))

    def forget(self, rates: str, *key: str) -> None:
        """Start afresh for *key*."""
        for window in _windows(rates, key):
            self._storage().clear(window.key)


def _windows(rates: str, key: tuple[str, ...]) -> list[Window]:
    return [
        Window(item.key_for(*key), item.amount, item.get_expiry())
        for item in _items(rates)
    ]


def _allowances(rates: str, counted: Counted) -> tuple[Allowance, ...]:
    return tuple(
        Allowance(
            policy=_policy(item),
            limit=item.amount,
            window_s=item.get_expiry(),
            left=max(0, item.amount - count),
            reset_s=min(item.get_expiry(), math.ceil(left_s) or item.get_expiry()),
        )
        for item, count, left_s in zip(
            _items(rates), counted.counts, counted.left_s, strict=True
        )
    )


@lru_cache(maxsize=256)
def _items(rates: str) -> tuple[RateLimitItem, ...]:
    return tuple(sorted(parse_many(rates), key=lambda item: item.get_expiry()))


def _policy(item: RateLimitItem) -> str:
    unit = item.GRANULARITY.name
    return f"per-{unit}" if item.multiples == 1 else f"per-{item.multiples}-{unit}s"
