"""How many calls a window takes, counted exactly."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.extensions import parts
from portal.limits import RateExceeded


class Clock:
    """A clock of limits that stands still, but for `shift`."""

    def __init__(self, patch):
        self._now_s = 1000.0
        patch.setattr("portal.limits.clock.now_s", lambda: self._now_s)

    def shift(self, seconds):
        self._now_s += seconds


@pytest.fixture
def clock():
    with pytest.MonkeyPatch.context() as patch:
        yield Clock(patch)


@pytest.fixture
def rates(app):
    return parts().rates


def test_calls_within_the_rate_are_counted_down(rates):
    left = [rates.hit("3/minute", "ada").allowances[0].left for _ in range(3)]

    assert left == [2, 1, 0]


def test_the_call_beyond_the_rate_is_refused_with_when_to_come_back(rates, clock):
    rates.hit("2/minute", "ada")
    clock.shift(20)
    rates.hit("2/minute", "ada")

    with pytest.raises(RateExceeded) as refused:
        rates.hit("2/minute", "ada")

    assert refused.value.retry_after_s == 40
    assert refused.value.headers["Retry-After"] == "40"
    assert refused.value.policy == "per-minute"
    assert str(refused.value) == (
        "That is more than 2 calls per minute. "
        "The next one can be answered in 40 seconds."
    )


def test_waiting_as_long_as_was_said_is_enough(rates, clock):
    rates.hit("1/minute", "ada")
    clock.shift(12.25)
    with pytest.raises(RateExceeded) as refused:
        rates.hit("1/minute", "ada")

    clock.shift(refused.value.retry_after_s)
    (allowance,) = rates.hit("1/minute", "ada").allowances

    assert allowance.left == 0


def test_even_in_the_last_moment_of_a_window_one_second_is_asked_for(rates, clock):
    rates.hit("1/minute", "ada")
    clock.shift(59.999)

    with pytest.raises(RateExceeded) as refused:
        rates.hit("1/minute", "ada")

    assert refused.value.retry_after_s == 1


def test_a_window_lasts_from_its_first_call(rates, clock):
    rates.hit("1/minute", "ada")
    clock.shift(59)
    with pytest.raises(RateExceeded):
        rates.hit("1/minute", "ada")

    clock.shift(2)
    (allowance,) = rates.hit("1/minute", "ada").allowances

    assert allowance.left == 0
    assert allowance.reset_s == 60


def test_refused_calls_do_not_make_the_wait_longer(rates, clock):
    rates.hit("1/minute", "ada")
    for _ in range(50):
        with pytest.raises(RateExceeded):
            rates.hit("1/minute", "ada")

    clock.shift(61)

    assert rates.hit("1/minute", "ada").allowances[0].left == 0


def test_each_of_several_rates_holds(rates, clock):
    both = "2/minute;3/hour"
    rates.hit(both, "ada")
    rates.hit(both, "ada")
    with pytest.raises(RateExceeded) as by_minute:
        rates.hit(both, "ada")
    clock.shift(61)
    rates.hit(both, "ada")

    with pytest.raises(RateExceeded) as by_hour:
        rates.hit(both, "ada")

    assert by_minute.value.policy == "per-minute"
    assert by_hour.value.policy == "per-hour"
    assert by_hour.value.retry_after_s == 3600 - 61


def test_a_call_that_the_shorter_rate_refuses_uses_nothing_of_the_longer(rates, clock):
    both = "1/minute;10/hour"
    rates.hit(both, "ada")
    for _ in range(5):
        with pytest.raises(RateExceeded):
            rates.hit(both, "ada")

    _, per_hour = rates.left(both, "ada")

    assert per_hour.left == 9


def test_a_refusal_carries_what_is_left_of_every_rate(rates):
    both = "10/hour;1/minute"
    rates.hit(both, "ada")

    with pytest.raises(RateExceeded) as refused:
        rates.hit(both, "ada")

    allowances = {a.policy: (a.limit, a.left) for a in refused.value.allowances}
    assert allowances == {"per-minute": (1, 0), "per-hour": (10, 9)}


def test_asking_what_is_left_counts_nothing(rates):
    for _ in range(5):
        rates.left("2/minute", "ada")

    (allowance,) = rates.left("2/minute", "ada")

    assert allowance.left == 2
    assert allowance.limit == 2
    assert allowance.window_s == 60
    assert allowance.reset_s == 60


def test_what_is_left_tells_when_the_window_ends(rates, clock):
    rates.hit("5/minute", "ada")
    clock.shift(25)

    (allowance,) = rates.left("5/minute", "ada")

    assert (allowance.left, allowance.reset_s) == (4, 35)


@pytest.mark.parametrize(
    ("rate", "policy", "window_s"),
    [
        ("1/second", "per-second", 1),
        ("60/minute", "per-minute", 60),
        ("2000/hour", "per-hour", 3600),
        ("100 per day", "per-day", 86_400),
        ("10 per 15 minutes", "per-15-minutes", 900),
    ],
)
def test_a_policy_is_named_after_its_window(rates, rate, policy, window_s):
    (allowance,) = rates.left(rate, "ada")

    assert allowance.policy == policy
    assert allowance.window_s == window_s


@pytest.mark.parametrize("other", [("bob",), ("ada", "x"), ("playground", "ada")])
def test_callers_do_not_use_up_each_others_rate(rates, other):
    rates.hit("1/minute", "ada")

    (allowance,) = rates.hit("1/minute", *other).allowances

    assert allowance.left == 0


def test_a_caller_can_be_given_a_fresh_start(rates):
    both = "1/minute;5/hour"
    rates.hit(both, "ada")

    rates.forget(both, "ada")

    assert [allowance.left for allowance in rates.left(both, "ada")] == [1, 5]


@pytest.mark.parametrize("portal", ["app", "pg_app"])
def test_of_many_calls_at_once_exactly_as_many_pass_as_may(request, portal):
    request.getfixturevalue(portal)
    rates = parts().rates
    start = threading.Barrier(40)

    def call(_):
        start.wait(10)
        passed = 0
        for _ in range(3):
            try:
                rates.hit("40/minute", "ada")
                passed += 1
            except RateExceeded:
                pass
        return passed

    with ThreadPoolExecutor(40) as threads:
        passed = sum(threads.map(call, range(40)))

    assert passed == 40
    assert rates.left("40/minute", "ada")[0].left == 0


def test_on_redis_windows_are_the_same(pg_app):
    rates = parts().rates
    rates.hit("2/minute;5/hour", "ada")
    rates.hit("2/minute;5/hour", "ada")

    with pytest.raises(RateExceeded) as refused:
        rates.hit("2/minute;5/hour", "ada")

    assert 55 <= refused.value.retry_after_s <= 60
    assert [a.left for a in refused.value.allowances] == [0, 3]


def test_on_redis_the_window_ends(pg_app):
    rates = parts().rates
    rates.hit("1/second", "ada")

    refused_for_s = wait_until_taken(rates)

    assert 0.5 < refused_for_s < 1.6


def wait_until_taken(rates):
    began = time.monotonic()
    while True:
        try:
            rates.hit("1/second", "ada")
        except RateExceeded:
            time.sleep(0.02)
        else:
            return time.monotonic() - began
        assert time.monotonic() - began < 5
