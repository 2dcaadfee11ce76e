"""What happens to limits while Redis is away, and when it is back."""

import socket
import threading
import time

import pytest

from portal.app import create_app
from portal.extensions import limiter, parts
from portal.limits import RateExceeded, Slots, SlotsTaken
from tests.conftest import make_config
from tests.servers import Redis


@pytest.fixture
def redis_of_its_own():
    """Return a Redis that this test may stop."""
    with Redis() as server:
        yield server


@pytest.fixture
def make_app(config, tmp_path):
    """Return a function that gives the portal on SQLite with a Redis."""
    with_contexts = []

    def make(redis_url):
        app = create_app(make_config(tmp_path, PORTAL_REDIS_URL=redis_url))
        context = app.app_context()
        context.push()
        with_contexts.append(context)
        return app

    yield make
    for context in reversed(with_contexts):
        context.pop()


@pytest.fixture
def silent_address():
    """Return a socket that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def hits(rates, amount, rate="3/minute"):
    """Return how many of *amount* calls passed."""
    passed = 0
    for _ in range(amount):
        try:
            rates.hit(rate, "ada")
            passed += 1
        except RateExceeded:
            pass
    return passed


def wait_until(is_so, *, within_s):
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within_s
        time.sleep(0.05)


def test_with_a_redis_the_calls_are_counted_there(make_app, redis_of_its_own):
    make_app(redis_of_its_own.url)
    hits(parts().rates, 3)

    redis_of_its_own.flush()

    assert hits(parts().rates, 5) == 3


def test_while_redis_is_away_calls_go_on_and_the_rate_holds(make_app, redis_of_its_own):
    make_app(redis_of_its_own.url)
    parts().rates.hit("3/minute", "ada")
    redis_of_its_own.stop()

    passed = hits(parts().rates, 20)

    assert passed == 3
    assert parts().rates.left("3/minute", "ada")[0].left == 0


def test_the_portal_starts_while_redis_is_away(make_app, redis_of_its_own):
    redis_of_its_own.stop()

    make_app(redis_of_its_own.url)

    assert hits(parts().rates, 5) == 3
    assert limiter.storage.check() is False


def test_when_redis_is_back_it_counts_again_within_two_seconds(
    make_app, redis_of_its_own
):
    make_app(redis_of_its_own.url)
    redis_of_its_own.stop()
    assert hits(parts().rates, 5) == 3
    redis_of_its_own.start()

    wait_until(lambda: hits(parts().rates, 1) == 1, within_s=2)

    assert limiter.storage.check() is True
    assert hits(parts().rates, 5) == 2


def test_a_redis_that_restarts_between_two_calls_fails_none_of_them(
    make_app, redis_of_its_own
):
    make_app(redis_of_its_own.url)
    hits(parts().rates, 2)

    redis_of_its_own.restart()

    assert hits(parts().rates, 5) == 3


def test_forgetting_works_while_redis_is_away(make_app, redis_of_its_own):
    make_app(redis_of_its_own.url)
    redis_of_its_own.stop()
    hits(parts().rates, 3)

    parts().rates.forget("3/minute", "ada")

    assert hits(parts().rates, 5) == 3


def test_a_redis_that_never_answers_costs_less_than_a_second(make_app, silent_address):
    make_app(silent_address)
    took_s = []

    for _ in range(8):
        began = time.monotonic()
        parts().rates.hit("100/minute;1000/hour", "ada")
        took_s.append(time.monotonic() - began)
        time.sleep(0.2)

    assert max(took_s) < 1
    assert sorted(took_s)[3] < 0.1


def test_a_redis_that_never_answers_holds_up_nobody_for_long(make_app, silent_address):
    make_app(silent_address)
    took_s = []

    def call():
        began = time.monotonic()
        rates.hit("100/minute", "ada")
        took_s.append(time.monotonic() - began)

    rates = parts().rates
    threads = [threading.Thread(target=call) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(took_s) == 30
    assert max(took_s) < 2


def test_slots_are_held_per_worker_while_redis_is_away(redis_of_its_own):
    slots = Slots(redis_of_its_own.url)
    redis_of_its_own.stop()

    with slots.hold("ada", 1), pytest.raises(SlotsTaken), slots.hold("ada", 1):
        pass

    with slots.hold("ada", 1):
        pass


def test_a_call_during_which_redis_is_lost_ends_well(redis_of_its_own):
    slots = Slots(redis_of_its_own.url)

    with slots.hold("ada", 1):
        redis_of_its_own.stop()

    with slots.hold("ada", 1):
        pass


def test_slots_are_shared_again_within_two_seconds(redis_of_its_own):
    slots, other = Slots(redis_of_its_own.url), Slots(redis_of_its_own.url)
    redis_of_its_own.stop()
    for each in (slots, other):
        with each.hold("ada", 1):
            pass
    redis_of_its_own.start()

    def is_shared():
        try:
            with slots.hold("ada", 1), other.hold("ada", 1):
                return False
        except SlotsTaken:
            return True

    wait_until(is_shared, within_s=2)


def test_a_silent_redis_holds_up_a_slot_for_less_than_a_second(silent_address):
    slots = Slots(silent_address)

    began = time.monotonic()
    with slots.hold("ada", 1), pytest.raises(SlotsTaken), slots.hold("ada", 1):
        pass

    assert time.monotonic() - began < 1
