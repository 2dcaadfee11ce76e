"""Where limits are counted: Redis, and this process while Redis is away.

Registered with the `limits` library (which Flask-Limiter uses) under the
scheme ``portal``. A lost Redis never fails a request: each worker counts for
itself, and Redis is tried again after `RETRY_AFTER_S`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
import structlog
from limits.storage import RedisStorage, Storage
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.limits import clock

RETRY_AFTER_S = 1.0
SOCKET_TIMEOUT_S = 0.3
PRUNE_ABOVE_KEYS = 10_000
# Takes units from all windows, or none when one of them is full: a fiftieth of what
# the tightest has left, at least one and at most ARGV[1]; with 0 it only looks. One
# round trip; Redis's clock counts.
COUNT = """
local most, refused, answer = tonumber(ARGV[1]), 0, {}
local units = most
for i, key in ipairs(KEYS) do
  local count = tonumber(redis.call('GET', key) or '0')
  local left = tonumber(ARGV[2 * i]) - count
  if refused == 0 and most > 0 and left < 1 then refused = i end
  units = math.min(units, math.max(1, math.floor(left / 50)))
  answer[2 * i + 1] = count
end
if most == 0 or refused > 0 then units = 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, key in ipairs(KEYS) do
  if units > 0 then
    answer[2 * i + 1] = redis.call('INCRBY', key, units)
    if redis.call('PTTL', key) < 0 then redis.call('EXPIRE', key, ARGV[2 * i + 1]) end
  end
  answer[2 * i + 2] = now + math.max(0, redis.call('PTTL', key))
end
answer[1], answer[2] = refused, units
answer[#answer + 1] = now
return answer
"""
# Returns ARGV[1] units to those windows that still end when they were to.
GIVE_BACK = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, key in ipairs(KEYS) do
  local left = redis.call('PTTL', key)
  if left > 0 and math.abs(now + left - tonumber(ARGV[i + 1])) < 50 then
    redis.call('DECRBY', key, ARGV[1])
  end
end
"""
MOST_UNITS = 64
T = TypeVar("T")
log = structlog.get_logger(__name__)


def redis_options() -> dict[str, Any]:
    """Return the options of every Redis client here: fail fast, never repeat."""
    return {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }


@dataclass(frozen=True)
class Window:
    """A window to count in: at most *limit* in each *expiry_s* seconds."""

    key: str
    limit: int
    expiry_s: int


@dataclass(frozen=True)
class Counted:
    """What came of counting.

    Attributes:
        counts: What each window holds.
        left_s: How long each lasts yet, in seconds; 0 when it has not begun.
        refused: The first window that was full, by its place; None: counted.
        units: How many units were taken.
        ends: When each window ends: by the clock of Redis in milliseconds of UNIX
            time, or by the monotonic clock in seconds.
        is_shared: Whether they are counted in Redis.
    """

    counts: tuple[int, ...]
    left_s: tuple[float, ...]
    refused: int | None
    units: int
    ends: tuple[float, ...]
    is_shared: bool


class LocalCounters:
    """Fixed-window counters of this process, exact under threads.

    A clock that is set back or forth makes no window longer or shorter.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, float]] = {}

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add *amount* and return the sum; a new window lasts *expiry* seconds."""
        with self._lock:
            now = clock.now_s()
            count, ends_at = self._counts.get(key, (0, 0.0))
            if ends_at <= now:
                count, ends_at = 0, now + expiry
                self._prune(now)
            self._counts[key] = (count + amount, ends_at)
            return count + amount

    def count(self, windows: Sequence[Window], amount: int) -> Counted:
        """Add *amount* to all *windows*, or to none when one has no room for it."""
        with self._lock:
            now = clock.now_s()
            held = [self._running(window.key, now) for window in windows]
            refused = next(
                (
                    place
                    for place, (window, (count, _)) in enumerate(
                        zip(windows, held, strict=True)
                    )
                    if count + amount > window.limit
                ),
                None,
            )
            if amount and refused is None:
                self._prune(now)
                held = [
                    (count + amount, ends_at or now + window.expiry_s)
                    for window, (count, ends_at) in zip(windows, held, strict=True)
                ]
                self._counts |= {
                    window.key: one for window, one in zip(windows, held, strict=True)
                }
            left_s = tuple(max(0.0, ends_at - now) for _, ends_at in held)
            counts = tuple(count for count, _ in held)
            units = amount if refused is None else 0
            ends = tuple(ends_at for _, ends_at in held)
            return Counted(counts, left_s, refused, units, ends, is_shared=False)

    def give_back(
        self, windows: Sequence[Window], units: int, ends: Sequence[float]
    ) -> None:
        """Take *units* off those *windows* that still end when they were to."""
        with self._lock:
            for window, end in zip(windows, ends, strict=True):
                count, ends_at = self._counts.get(window.key, (0, 0.0))
                if ends_at == end and count >= units:
                    self._counts[window.key] = (count - units, ends_at)

    def get(self, key: str) -> int:
        """Return the count of the running window."""
        count, ends_at = self._counts.get(key, (0, 0.0))
        return count if ends_at > clock.now_s() else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window ends, as a UNIX time in seconds."""
        now = clock.now_s()
        left_s = max(0.0, self._counts.get(key, (0, now))[1] - now)
        return time.time() + left_s

    def clear(self, key: str) -> None:
        """Forget *key*."""
        with self._lock:
            self._counts.pop(key, None)

    def reset(self) -> int:
        """Forget everything; return how many keys there were."""
        with self._lock:
            known = len(self._counts)
            self._counts.clear()
            return known

    def _running(self, key: str, now: float) -> tuple[int, float]:
        count, ends_at = self._counts.get(key, (0, 0.0))
        return (count, ends_at) if ends_at > now else (0, 0.0)

    def _prune(self, now: float) -> None:
        if len(self._counts) > PRUNE_ABOVE_KEYS:
            self._counts = {k: v for k, v in self._counts.items() if v[1] > now}


class FailoverStorage(Storage):
    """Redis when it answers, this process when it doesn't (or isn't used)."""

    STORAGE_SCHEME = ["portal"]  # noqa: RUF012 - the library's own form

    def __init__(
        self,
        uri: str | None = None,
        wrap_exceptions: bool = False,  # noqa: FBT001, FBT002 - the library's own form
        *,
        redis_url: str = "",
        **options: float | str | bool,
    ) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self.local = LocalCounters()
        self.redis = RedisStorage(redis_url, **redis_options()) if redis_url else None
        register = self.redis.storage.register_script if self.redis else None
        self._count = register(COUNT) if register else None
        self._give_back = register(GIVE_BACK) if register else None
        self._redis_lost_at = -RETRY_AFTER_S

    @property
    def base_exceptions(self) -> type[Exception]:
        """What may be raised: nothing that is expected."""
        return redis.RedisError

    def count(self, windows: Sequence[Window], most: int = MOST_UNITS) -> Counted:
        """Take some units, up to *most*, from all *windows*, or none from any.

        Here, where it costs nothing, they are taken one at a time.
        """
        return self._either(
            lambda s: self._count_shared(s, windows, most),
            lambda: self.local.count(windows, min(1, most)),
        )

    def give_back(
        self, windows: Sequence[Window], units: int, counted: Counted
    ) -> None:
        """Return *units* that were taken from *windows*, if these last yet."""
        if counted.is_shared:
            self._either(
                lambda s: self._give_back_shared(s, windows, units, counted.ends),
                lambda: None,
            )
        else:
            self.local.give_back(windows, units, counted.ends)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add *amount* to *key* and return the sum."""
        return self._either(
            lambda s: s.incr(key, expiry, amount),
            lambda: self.local.incr(key, expiry, amount),
        )

    def get(self, key: str) -> int:
        """Return the count of *key*."""
        return self._either(lambda s: s.get(key), lambda: self.local.get(key))

    def get_expiry(self, key: str) -> float:
        """Return when the window of *key* ends, as a UNIX time in seconds."""
        return self._either(
            lambda s: s.get_expiry(key), lambda: self.local.get_expiry(key)
        )

    def clear(self, key: str) -> None:
        """Forget *key*."""
        self.local.clear(key)
        self._either(lambda s: s.clear(key), lambda: None)

    def reset(self) -> int | None:
        """Forget every key of this portal."""
        known = self.local.reset()
        return self._either(lambda s: s.reset(), lambda: known)

    def check(self) -> bool:
        """Whether limits are counted where they should be."""
        try:
            return self.redis is None or self.redis.check()
        except redis.RedisError:
            return False

    def _count_shared(
        self, shared: RedisStorage, windows: Sequence[Window], most: int
    ) -> Counted:
        keys = [shared.prefixed_key(window.key) for window in windows]
        numbers = [n for window in windows for n in (window.limit, window.expiry_s)]
        refused, units, *told, now = self._count(keys=keys, args=[most, *numbers])  # type: ignore[misc]
        ends = tuple(told[1::2])
        return Counted(
            counts=tuple(told[::2]),
            left_s=tuple((end - now) / 1000 for end in ends),
            refused=refused - 1 if refused else None,
            units=units,
            ends=ends,
            is_shared=True,
        )

    def _give_back_shared(
        self,
        shared: RedisStorage,
        windows: Sequence[Window],
        units: int,
        ends: Sequence[float],
    ) -> None:
        keys = [shared.prefixed_key(window.key) for window in windows]
        self._give_back(keys=keys, args=[units, *ends])  # type: ignore[misc]

    def _either(self, shared: Callable[[RedisStorage], T], local: Callable[[], T]) -> T:
        now = clock.now_s()
        if self.redis is None or now - self._redis_lost_at < RETRY_AFTER_S:
            return local()
        try:
            return shared(self.redis)
        except (redis.RedisError, OSError) as error:
            self._redis_lost_at = now
            log.warning("limits.redis_lost", error=type(error).__name__)
            return local()
