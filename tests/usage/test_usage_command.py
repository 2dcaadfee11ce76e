"""`flask usage`, as the owner types it."""

import threading
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import delete, update

from portal import usage
from portal.db import db, now
from portal.extensions import parts, quarantine_dir
from portal.usage.tables import (
    MonthlyUse,
    QuotaLease,
    SpoolOffset,
    Surface,
    usage_days,
    usage_hours,
    usage_minutes,
)
from tests.counted import abandon, add_call, answer, record
from tests.factories import make_user

AGREE = "Spools, held units, months and sums agree.\n"


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL; it is 24 November 2026."""
    with time_machine.travel("2026-11-24T12:00:00Z"):
        yield request.getfixturevalue(request.param)


@pytest.fixture
def user(portal):
    """A user with an answer, an error and a unit that is held."""
    user = make_user()
    answer(user.id)
    record(user.id, "req_2", status=422)
    usage.drain()
    return user


def run(portal, command):
    db.session.rollback()
    result = portal.test_cli_runner().invoke(args=["usage", command])
    return result.exit_code, result.stdout


def change(statement):
    db.session.execute(statement)
    db.session.commit()


def test_roll_up_brings_in_what_ended_processes_left(portal, user):
    record(user.id, status=422)
    record(user.id, "req_2", status=422)
    abandon()
    record(user.id, "req_3", status=422)

    told = [run(portal, "roll-up") for _ in range(2)]

    assert told == [
        (0, "3 records were brought into the sums.\n"),
        (0, "0 records were brought into the sums.\n"),
    ]
    assert run(portal, "verify") == (0, AGREE)


def test_what_is_counted_agrees(portal, user):
    add_call(now() - timedelta(days=200), user_id=user.id)
    record(None, "req_3")
    record(user.id, "req_4", surface=Surface.PLAYGROUND, status=500)
    record(99_999, "req_5")

    assert run(portal, "verify") == (0, AGREE)
    usage.give_back_units(is_last=True)
    usage.drain()
    assert run(portal, "verify") == (0, AGREE)


def test_old_minutes_and_hours_that_were_forgotten_are_no_difference(portal, user):
    for days in range(80, 100):
        add_call(now() - timedelta(days=days), user_id=user.id)
    usage.tidy()

    assert run(portal, "verify") == (0, AGREE)


def test_a_call_over_the_end_of_a_month_is_no_difference(portal, user):
    begins = now().replace(day=1, hour=0, minute=0, second=1)
    add_call(begins, user_id=user.id, surface=Surface.API)

    assert run(portal, "verify") == (0, AGREE)


def test_runs_before_an_address_is_verified_are_no_difference(portal):
    user = make_user(is_verified=False)
    record(user.id, surface=Surface.PLAYGROUND)
    usage.drain()
    user.verified_at = now()
    db.session.commit()

    assert run(portal, "verify") == (0, AGREE)


WRONG = {
    "days differ": (
        update(usage_days).values(
            calls=usage_days.c.calls + 1, latency_3=usage_days.c.latency_3 + 1
        ),
        "usage_hours and usage_days differ by -1 calls",
    ),
    "an hour is gone": (
        delete(usage_hours).where(usage_hours.c.status == 200),
        "usage_minutes and usage_hours differ by 1 calls",
    ),
    "a minute is another's": (
        update(usage_minutes).values(model_id=7),
        "model 7, version 1, api, status 200",
    ),
    "computing differs": (
        update(usage_hours).values(compute_ms=usage_hours.c.compute_ms + 5),
        "5.0 ms of computing",
    ),
    "a latency is missing": (
        update(usage_days).values(latency_7=0),
        "usage_days has 1 calls, but 0 latencies",
    ),
    "a month is too small": (
        update(MonthlyUse).values(used=0),
        "has used 0 predictions of {month}, but its days have 1",
    ),
    "a month is too large": (
        update(MonthlyUse).values(used=2),
        "has used 2 predictions of {month}, but its days have 1",
    ),
    "a month is gone": (
        delete(MonthlyUse),
        "has used 0 predictions of {month}",
    ),
    "computing of the month": (
        update(MonthlyUse).values(compute_ms=3.0),
        "has computed 3.0 ms in {month}, but by its days 20.0 ms",
    ),
    "too much is reserved": (
        update(MonthlyUse).values(reserved=MonthlyUse.reserved + 1),
        "and processes hold 63.",
    ),
    "less than nothing is reserved": (
        update(MonthlyUse).values(reserved=-1),
        "1 units are used and -1 reserved",
    ),
    "a lease is gone": (delete(QuotaLease), "63 reserved, and processes hold 0."),
    "a lease is nobody's": (
        update(QuotaLease).values(holder="0" * 16),
        "Process 0000000000000000 holds 63 units of {month}",
    ),
    "a spool was cut": (
        update(SpoolOffset).values(offset=SpoolOffset.offset + 1),
        "bytes, but ",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_row_that_is_wrong_is_found(portal, user, what):
    statement, words = WRONG[what]
    # Who was verified in this month may have runs that used nothing of it.
    user.verified_at = now() - timedelta(days=90)
    change(statement)

    status, told = run(portal, "verify")

    assert status == 1
    assert words.format(month=f"{now():%Y-%m}") in told
    assert AGREE not in told


def test_records_that_were_set_apart_are_told(portal, user):
    parts().spool.append(b"nonsense")
    usage.drain()

    status, told = run(portal, "verify")

    assert status == 1
    assert str(quarantine_dir(parts().config)) in told


def test_of_many_differences_some_are_told(portal, user):
    for number in range(30):
        add_call(now(), user_id=user.id, version=number + 10)
    change(delete(usage_minutes))

    status, told = run(portal, "verify")

    assert status == 1
    assert told.count("usage_minutes and usage_hours differ") == 20
    assert "There are 12 more differences of this kind." in told


def test_it_can_be_asked_while_calls_are_counted(pg_app):
    user = make_user()
    ends = threading.Event()

    def call():
        with pg_app.app_context():
            while not ends.is_set():
                answer(user.id)
                usage.drain()
            db.session.remove()

    caller = threading.Thread(target=call)
    caller.start()
    try:
        told = {run(pg_app, "verify") for _ in range(15)}
    finally:
        ends.set()
        caller.join()

    assert told == {(0, AGREE)}
