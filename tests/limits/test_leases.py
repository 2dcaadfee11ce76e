"""Units that are had in advance are used once, or given back once."""

import time

import pytest

from portal import inference
from portal.extensions import limiter, parts
from portal.limits import Leases, RateLimits

MANY = "1000/hour"  # of which twenty are had at once


@pytest.fixture
def leases():
    return Leases()


def units(swept):
    return [lease.units for lease in swept]


def test_each_unit_is_used_once(leases):
    leases.lend("ada", 3, seconds=60, note="")

    assert [leases.take("ada") is not None for _ in range(3)] == [True, True, False]
    assert leases.take("bob") is None


def test_nothing_is_used_after_its_end(leases):
    leases.lend("ada", 3, seconds=0, note="")

    assert leases.take("ada") is None
    assert units(leases.sweep()) == [2]


def test_what_lasts_yet_is_swept_only_at_the_end(leases):
    leases.lend("ada", 3, seconds=60, note="")

    assert leases.sweep() == []
    assert units(leases.sweep(is_last=True)) == [2]
    assert not leases


def test_a_unit_that_is_put_back_after_the_sweep_is_one_unit(leases):
    lease = leases.lend("ada", 5, seconds=60, note="")
    assert units(leases.sweep(is_last=True)) == [4]

    leases.put_back(lease)

    assert units(leases.sweep(is_last=True)) == [1]


def another_worker():
    return RateLimits(lambda: limiter.storage)


@pytest.mark.parametrize("portal", ["app", "pg_app"])
def test_a_call_that_is_put_back_was_not_counted(request, portal):
    request.getfixturevalue(portal)
    rates = parts().rates

    rates.put_back(rates.hit("5/minute", "ada"))

    assert rates.left("5/minute", "ada")[0].left == 5
    rates.tidy(is_last=True)
    assert another_worker().left("5/minute", "ada")[0].left == 5


def test_what_is_had_in_advance_comes_back_to_all_workers(pg_app):
    hit = parts().rates.hit(MANY, "ada")
    assert hit.allowances[0].left == 999
    assert another_worker().left(MANY, "ada")[0].left == 980

    inference.finish()

    assert another_worker().left(MANY, "ada")[0].left == 999


def test_what_comes_back_late_is_no_gift_to_the_next_window(pg_app):
    rates, other = parts().rates, another_worker()
    rates.hit(MANY, "ada")
    # Its window is gone, and another one begins a moment later.
    other.forget(MANY, "ada")
    time.sleep(0.1)
    other.hit(MANY, "ada")

    rates.tidy(is_last=True)

    assert other.left(MANY, "ada")[0].left == 999
