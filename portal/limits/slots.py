"""Concurrency: at most so many calls of one caller at the same time.

With Redis a slot is a member of a sorted set, scored by when its lease ends, so
a worker that dies gives its slots back by itself. Without Redis, or while it
is away, each process counts for itself.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
import structlog

from portal.errors import LimitExceeded
from portal.limits.storage import RETRY_AFTER_S, redis_options

LEASE_S = 120  # longer than any answer may take
TAKE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[4])
redis.call('PEXPIREAT', KEYS[1], math.ceil(ARGV[2] * 1000))
return 1
"""
log = structlog.get_logger(__name__)


class SlotsTaken(LimitExceeded):
    """As many calls of this caller are running as may run at once."""

    def __init__(self, amount: int) -> None:
        super().__init__(
            "You have %(amount)d running already, the most at one time. "
            "Wait for an answer, then send the next.",
            retry_after_s=1,
            policy="concurrency",
            amount=amount,
        )


class Slots:
    """Holds slots while calls run."""

    def __init__(self, redis_url: str = "") -> None:
        self._redis = (
            redis.Redis.from_url(redis_url, **redis_options()) if redis_url else None
        )
        self._take = self._redis.register_script(TAKE) if self._redis else None
        self._lock = threading.Lock()
        self._local: Counter[str] = Counter()
        self._redis_lost_at = -RETRY_AFTER_S

    @contextmanager
    def hold(self, owner: str, amount: int) -> Iterator[None]:
        """Hold one of *amount* slots of *owner*.

        Raises:
            SlotsTaken: All are held.
        """
        slot = secrets.token_hex(8)
        is_shared = self._take_shared(owner, amount, slot)
        if not is_shared:
            self._take_local(owner, amount)
        try:
            yield
        finally:
            if is_shared:
                self._give_back_shared(owner, slot)
            else:
                self._give_back_local(owner)

    def _take_shared(self, owner: str, amount: int, slot: str) -> bool:
        """Take a slot in Redis; return False when Redis can't say."""
        lost_s = time.monotonic() - self._redis_lost_at
        if self._take is None or lost_s < RETRY_AFTER_S:
            return False
        now = time.time()
        try:
            taken = self._take(
                keys=[_key(owner)], args=[now, now + LEASE_S, amount, slot]
            )
        except (redis.RedisError, OSError) as error:
            self._redis_lost_at = time.monotonic()
            log.warning("slots.redis_lost", error=type(error).__name__)
            return False
        if not taken:
            raise SlotsTaken(amount)
        return True

    def _give_back_shared(self, owner: str, slot: str) -> None:
        if self._redis is not None:
            # A slot that can't be given back ends with its lease.
            with suppress(redis.RedisError, OSError):
                self._redis.zrem(_key(owner), slot)

    def _take_local(self, owner: str, amount: int) -> None:
        with self._lock:
            if self._local[owner] >= amount:
                raise SlotsTaken(amount)
            self._local[owner] += 1

    def _give_back_local(self, owner: str) -> None:
        with self._lock:
            self._local[owner] -= 1
            if self._local[owner] <= 0:
                del self._local[owner]


def _key(owner: str) -> str:
    return f"portal:slots:{owner}"
