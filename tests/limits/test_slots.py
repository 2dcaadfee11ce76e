"""How many calls of one caller run at the same time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack

import pytest
import redis

from portal.limits import Slots, SlotsTaken
from portal.limits.slots import LEASE_S


@pytest.fixture(params=["local", "redis"])
def slots(request):
    """Return the slots of one worker, without and with a Redis."""
    if request.param == "local":
        return Slots()
    server = request.getfixturevalue("redis_server")
    server.flush()
    return Slots(server.url)


def test_as_many_run_as_may_and_the_next_is_refused(slots):
    first, second, third = (slots.hold("ada", 2) for _ in range(3))

    with first, second, pytest.raises(SlotsTaken) as refused, third:
        pass

    assert refused.value.policy == "concurrency"
    assert refused.value.headers["Retry-After"] == "1"
    assert "You have 2 running already" in str(refused.value)


def test_a_slot_is_given_back_when_the_call_ends(slots):
    for _ in range(5):
        with slots.hold("ada", 1):
            pass

    with slots.hold("ada", 1), pytest.raises(SlotsTaken), slots.hold("ada", 1):
        pass


def test_a_slot_is_given_back_after_an_exception(slots):
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), slots.hold("ada", 1):
            raise ZeroDivisionError

    with slots.hold("ada", 1), pytest.raises(SlotsTaken), slots.hold("ada", 1):
        pass


def test_a_refusal_takes_no_slot(slots):
    with slots.hold("ada", 1):
        for _ in range(5):
            with pytest.raises(SlotsTaken), slots.hold("ada", 1):
                pass

    with slots.hold("ada", 2), slots.hold("ada", 2):
        pass


def test_callers_do_not_take_each_others_slots(slots):
    hers, his, another = (slots.hold(owner, 1) for owner in ("ada", "bob", "bob"))

    with hers, his, pytest.raises(SlotsTaken), another:
        pass


def test_of_many_at_once_exactly_as_many_run_as_may(slots):
    everybody = threading.Barrier(20)

    def call(_):
        everybody.wait(10)
        try:
            with slots.hold("ada", 3):
                everybody.wait(10)
        except SlotsTaken:
            everybody.wait(10)
            return "refused"
        return "ran"

    with ThreadPoolExecutor(20) as threads:
        outcomes = list(threads.map(call, range(20)))

    assert sorted(outcomes) == ["ran"] * 3 + ["refused"] * 17


def test_slots_are_shared_between_workers(redis_server):
    redis_server.flush()
    one, other = Slots(redis_server.url), Slots(redis_server.url)

    with one.hold("ada", 1), pytest.raises(SlotsTaken), other.hold("ada", 1):
        pass

    with other.hold("ada", 1), pytest.raises(SlotsTaken), one.hold("ada", 1):
        pass


def test_the_slot_of_a_worker_that_died_is_free_again_after_its_lease(
    redis_server, monkeypatch
):
    redis_server.flush()
    monkeypatch.setattr("portal.limits.slots.LEASE_S", 1)
    dead, alive = Slots(redis_server.url), Slots(redis_server.url)
    abandoned = dead.hold("ada", 1)
    abandoned.__enter__()
    with pytest.raises(SlotsTaken), alive.hold("ada", 1):
        pass

    assert is_soon_free(alive, "ada", within_s=3)


def test_a_call_that_runs_for_longer_than_its_lease_keeps_its_slot(
    redis_server, monkeypatch
):
    redis_server.flush()
    monkeypatch.setattr("portal.limits.slots.LEASE_S", 1)
    monkeypatch.setattr("portal.limits.slots.RENEW_AFTER_S", 0.2)
    one, other = Slots(redis_server.url), Slots(redis_server.url)

    with one.hold("ada", 1):
        assert not is_soon_free(other, "ada", within_s=1.5)


def test_the_next_call_of_a_caller_uses_the_slot_without_asking(redis_server):
    redis_server.flush()
    slots = Slots(redis_server.url)
    with slots.hold("ada", 1):
        pass
    redis_server.flush()

    with slots.hold("ada", 1), redis.Redis.from_url(redis_server.url) as client:
        assert client.keys("*") == []


def test_of_many_calls_that_find_no_slot_two_wait_for_one(redis_server, monkeypatch):
    """Each that waits holds a thread of the worker."""
    redis_server.flush()
    monkeypatch.setattr("portal.limits.slots.IDLE_S", 0.4)
    monkeypatch.setattr("portal.limits.slots.TRIES", 1)
    one, other = Slots(redis_server.url), Slots(redis_server.url)

    def call():
        with pytest.raises(SlotsTaken), other.hold("ada", 5):
            pass

    with ExitStack() as held, ThreadPoolExecutor(6) as threads:
        for _ in range(5):
            held.enter_context(one.hold("ada", 5))
        calls = [threads.submit(call) for _ in range(6)]
        refused, waiting = wait(calls, timeout=0.8)

    assert (len(refused), len(waiting)) == (4, 2)
    assert [one.result() for one in calls] == [None] * 6


def is_soon_free(slots, owner, *, within_s):
    ends_at = time.monotonic() + within_s
    while time.monotonic() < ends_at:
        try:
            with slots.hold(owner, 1):
                return True
        except SlotsTaken:
            time.sleep(0.05)
    return False


def test_redis_forgets_a_caller_without_running_calls(redis_server):
    redis_server.flush()
    slots = Slots(redis_server.url)
    with redis.Redis.from_url(redis_server.url) as client:
        with slots.hold("ada", 1):
            (key,) = client.keys("*")
            lease_ms = client.pttl(key)

        slots.close()
        left = client.keys("*")

    assert 0 < lease_ms <= (LEASE_S + 1) * 1000
    assert left == []
