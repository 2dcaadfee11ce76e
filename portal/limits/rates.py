"""Rates: at most so many calls per window, counted before the call."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItem, parse_many
from limits.strategies import RateLimiter

from portal.errors import LimitExceeded


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
    """Counts calls against rates in Flask-Limiter's notation.

    Args:
        strategy: Gives the strategy of the `limits` library that counts.
    """

    def __init__(self, strategy: Callable[[], RateLimiter]) -> None:
        self._strategy = strategy

    def hit(self, rates: str, *key: str) -> tuple[Allowance, ...]:
        """Count one call for *key* and return what is left.

        Raises:
            RateExceeded: One of the *rates* was used up already.
        """
        strategy = self._strategy()
        refused = next(
            (item for item in _items(rates) if not strategy.hit(item, *key)), None
        )
        allowances = self.left(rates, *key)
        if refused is not None:
            exceeded = next(a for a in allowances if a.policy == _policy(refused))
            raise RateExceeded(exceeded, allowances)
        return allowances

    def left(self, rates: str, *key: str) -> tuple[Allowance, ...]:
        """Return what is left for *key*, counting nothing."""
        return tuple(self._allowance(item, key) for item in _items(rates))

    def forget(self, rates: str, *key: str) -> None:
        """Start afresh for *key*."""
        for item in _items(rates):
            self._strategy().clear(item, *key)

    def _allowance(self, item: RateLimitItem, key: tuple[str, ...]) -> Allowance:
        stats = self._strategy().get_window_stats(item, *key)
        window_s = item.get_expiry()
        reset_s = max(0, math.ceil(stats.reset_time - time.time()))
        untouched = stats.remaining == item.amount
        return Allowance(
            policy=_policy(item),
            limit=item.amount,
            window_s=window_s,
            left=stats.remaining,
            reset_s=window_s if untouched else min(window_s, reset_s),
        )


@lru_cache(maxsize=256)
def _items(rates: str) -> tuple[RateLimitItem, ...]:
    return tuple(sorted(parse_many(rates), key=lambda item: item.get_expiry()))


def _policy(item: RateLimitItem) -> str:
    unit = item.GRANULARITY.name
    return f"per-{unit}" if item.multiples == 1 else f"per-{item.multiples}-{unit}s"
