"""Concurrency: at most so many calls of one caller at the same time.

With Redis a slot is a member of a sorted set, scored by when its lease ends, so
a worker that dies gives its slots back by itself. A slot whose call has ended stays
with its worker for a few milliseconds: the caller's next call is mostly there by
then, and uses it without asking. Without Redis, or while it is away, each process
counts for itself.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import redis
import structlog

from portal.chores import Chore
from portal.errors import LimitExceeded
from portal.forks import begin_afresh_after_fork
from portal.limits import clock
from portal.limits.storage import RETRY_AFTER_S, redis_options

LEASE_S = 10  # after the last renewal
RENEW_AFTER_S = 3.0
IDLE_S = 0.005
TRIES = 4  # on a machine that is busy, a slot may come back late
MAX_WAITING = 2  # of one caller; each holds a thread
TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""
RENEW = """
local time = redis.call('TIME')
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], time[1] + time[2] / 1000000 + ARGV[1], ARGV[i])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
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


@dataclass
class _Owner:
    """The slots in Redis that this process holds for one caller.

    Attributes:
        renewed_at: When these slots were last said to be held.
        running: Slots of calls.
        idle: Slots without one, and since when.
        waiting: Calls that wait whether another process gives one back.
    """

    renewed_at: float
    running: set[str] = field(default_factory=set)
    idle: dict[str, float] = field(default_factory=dict)
    waiting: int = 0


class Slots:
    """Holds slots while calls run."""

    def __init__(self, redis_url: str = "") -> None:
        self._redis = (
            redis.Redis.from_url(redis_url, **redis_options()) if redis_url else None
        )
        register = self._redis.register_script if self._redis else None
        self._take = register(TAKE) if register else None
        self._renew = register(RENEW) if register else None
        self._chore = Chore("slots", self._tidy, period_s=IDLE_S)
        begin_afresh_after_fork(self)

    def begin_afresh(self) -> None:
        """Hold nothing; what a parent process holds is its own."""
        self._lock = threading.Lock()
        self._owners: dict[str, _Owner] = {}
        self._local: Counter[str] = Counter()
        self._redis_lost_at = -RETRY_AFTER_S

    @contextmanager
    def hold(self, owner: str, amount: int) -> Iterator[None]:
        """Hold one of *amount* slots of *owner*.

        Raises:
            SlotsTaken: All are held.
        """
        slot = self._take_shared(owner, amount)
        if not slot:
            self._take_local(owner, amount)
        try:
            yield
        finally:
            if slot:
                self._rest(owner, slot)
            else:
                self._give_back_local(owner)

    def close(self) -> None:
        """Give back what is idle."""
        self._chore.stop()
        self._tidy(idle_s=0)

    def _take_shared(self, owner: str, amount: int) -> str:
        """Return the name of a slot; "" when Redis can't say."""
        if self._take is None or clock.now_s() - self._redis_lost_at < RETRY_AFTER_S:
            return ""
        slot = self._reuse(owner, amount)
        if slot:
            return slot
        slot = secrets.token_hex(8)
        try:
            taken = self._ask(owner, amount, slot) or self._ask_again(
                owner, amount, slot
            )
        except (redis.RedisError, OSError) as error:
            self._lose_redis(error)
            return ""
        if not taken:
            raise SlotsTaken(amount)
        with self._lock:
            self._owners.setdefault(owner, _Owner(clock.now_s())).running.add(slot)
        self._chore.due()
        return slot

    def _reuse(self, owner: str, amount: int) -> str:
        """Return a slot that is idle here, or "".

        Raises:
            SlotsTaken: All *amount* are running in this process.
        """
        with self._lock:
            held = self._owners.get(owner)
            if held is None:
                return ""
            if len(held.running) >= amount:
                raise SlotsTaken(amount)
            if not held.idle:
                return ""
            slot, _ = held.idle.popitem()
            held.running.add(slot)
            return slot

    def _ask(self, owner: str, amount: int, slot: str) -> bool:
        return bool(self._take(keys=[_key(owner)], args=[amount, LEASE_S, slot]))  # type: ignore[misc]

    def _ask_again(self, owner: str, amount: int, slot: str) -> bool:
        """Ask again, when what is idle in other processes must be back."""
        with self._lock:
            held = self._owners.setdefault(owner, _Owner(clock.now_s()))
            if held.waiting >= MAX_WAITING:
                return False
            held.waiting += 1
        try:
            for _ in range(TRIES):
                time.sleep(3 * IDLE_S)
                if self._ask(owner, amount, slot):
                    return True
            return False
        finally:
            with self._lock:
                held.waiting -= 1

    def _rest(self, owner: str, slot: str) -> None:
        with self._lock:
            held = self._owners[owner]
            held.running.discard(slot)
            held.idle[slot] = clock.now_s()
        self._chore.due()

    def _tidy(self, idle_s: float = IDLE_S) -> bool:
        """Give back what is idle, renew what runs; return whether anything is held."""
        now = clock.now_s()
        idle: dict[str, list[str]] = {}
        old: dict[str, list[str]] = {}
        with self._lock:
            for owner, held in tuple(self._owners.items()):
                over = [slot for slot, at in held.idle.items() if now - at >= idle_s]
                for slot in over:
                    del held.idle[slot]
                if over:
                    idle[owner] = over
                if held.running and now - held.renewed_at > RENEW_AFTER_S:
                    held.renewed_at = now
                    old[owner] = list(held.running)
                if not held.running and not held.idle and not held.waiting:
                    del self._owners[owner]
            is_held = bool(self._owners)
        if idle or old:
            self._tell(idle, old)
        return is_held

    def _tell(self, idle: dict[str, list[str]], old: dict[str, list[str]]) -> None:
        """Tell Redis; what it doesn't hear ends with its lease."""
        if self._redis is None or self._renew is None:
            return
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for owner, slots in idle.items():
                    pipe.zrem(_key(owner), *slots)
                for owner, slots in old.items():
                    self._renew(keys=[_key(owner)], args=[LEASE_S, *slots], client=pipe)
                pipe.execute()
        except (redis.RedisError, OSError) as error:
            self._lose_redis(error)

    def _lose_redis(self, error: Exception) -> None:
        self._redis_lost_at = clock.now_s()
        log.warning("slots.redis_lost", error=type(error).__name__)

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
