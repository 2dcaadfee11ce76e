"""Every answer is in the sums once, and the quota of a month is exact."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import time_machine
from sqlalchemy import delete, select

from portal import usage
from portal.db import db
from portal.extensions import parts, quarantine_dir
from portal.limits import DEFAULT_PLAN
from portal.spool import Spool, line_of
from portal.usage import Surface
from portal.usage.tables import (
    MonthlyUse,
    QuotaLease,
    SpoolOffset,
    usage_days,
    usage_hours,
    usage_minutes,
)
from tests.counted import quota_used, records, use_quota
from tests.factories import make_user

LIMIT = DEFAULT_PLAN.monthly_predictions


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def user(portal):
    return make_user()


def record(user_id, request_id="req_1", **changed):
    usage.record(
        **{
            "request_id": request_id,
            "user_id": user_id,
            "api_key_id": None,
            "model_id": None,
            "version": 1,
            "surface": Surface.API,
            "status": 200,
            "latency_ms": 12.5,
            "compute_ms": 10.0,
        }
        | changed
    )


def answer(user_id):
    """Take a unit and use it, as an answered call does."""
    unit = usage.take_unit(user_id, DEFAULT_PLAN)
    record(user_id, unit_of=unit.note.month)


def calls(table=usage_days):
    """Return (status, calls) of each sum."""
    db.session.rollback()
    rows = select(table.c.status, table.c.calls).order_by(table.c.status)
    return [tuple(row) for row in db.session.execute(rows)]


def month_of(user):
    db.session.rollback()
    return db.session.execute(
        select(MonthlyUse.used, MonthlyUse.reserved).where(
            MonthlyUse.user_id == user.id
        )
    ).one()


def abandon():
    """Leave the spool as a process does that is killed; return its holder."""
    spool = parts().spool
    holder = spool.holder
    for file in spool._files:  # noqa: SLF001 - what dies closes nothing itself
        # The lock ends with the process.
        os.close(file.descriptor)
    spool.begin_afresh()
    parts().month_leases.begin_afresh()
    return holder


def test_an_answer_is_written_down_as_it_was(user):
    record(user.id, status=422, api_key_id=7)

    (row,) = records()
    assert (row.request_id, row.status, row.surface) == ("req_1", 422, "api")
    assert (row.user_id, row.api_key_id, row.model_id) == (user.id, 7, 0)
    assert (row.latency_ms, row.compute_ms) == (12.5, 10.0)
    assert abs(row.at - datetime.now(UTC).timestamp()) < 60


def test_answers_are_summed_by_minute_hour_and_day(user):
    for at in ("2026-11-24T10:00:10Z", "2026-11-24T10:00:50Z", "2026-11-24T11:30:00Z"):
        with time_machine.travel(at, tick=False):
            record(user.id)

    usage.drain()

    assert sorted(n for _, n in calls(usage_minutes)) == [1, 2]
    assert sorted(n for _, n in calls(usage_hours)) == [1, 2]
    (day,) = db.session.execute(select(usage_days)).mappings()
    assert day["starts_at"] == datetime(2026, 11, 24, tzinfo=UTC)
    assert (day["calls"], day["compute_ms"], day["latency_ms"]) == (3, 30.0, 37.5)
    assert day["latency_7"] == 3


def test_what_is_drained_is_not_drained_again(user):
    for status in (200, 200, 500):
        record(user.id, status=status)
    usage.drain()
    usage.drain()
    record(user.id)

    usage.drain()

    assert calls() == [(200, 3), (500, 1)]


def test_a_drain_whose_answer_was_lost_counts_nothing_twice(user, monkeypatch):
    """It was committed, but this process never heard of it."""
    record(user.id)
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "mark_drained", lambda *_: lose())
        with pytest.raises(ConnectionError):
            usage.drain()
    record(user.id, "req_2")

    usage.drain()

    assert calls() == [(200, 2)]


def lose():
    raise ConnectionError


def test_a_drain_that_is_broken_off_counts_nothing(user, monkeypatch):
    record(user.id)
    with monkeypatch.context() as patch:
        patch.setattr("portal.usage.months.charge", lambda *_: lose())
        with pytest.raises(ConnectionError):
            usage.drain()
    assert calls() == []

    usage.drain()

    assert calls() == [(200, 1)]


def test_what_a_dead_process_left_is_drained_once(user):
    answer(user.id)
    record(user.id, "req_2", status=500)
    abandon()

    adopted = [usage.drain_orphans(), usage.drain_orphans()]

    assert adopted == [1, 0]
    assert calls() == [(200, 1), (500, 1)]
    assert month_of(user) == (1, 0)
    assert list(parts().spool.folder.iterdir()) == []


def test_the_spool_of_a_process_that_lives_is_left_to_it(user):
    record(user.id)

    assert usage.drain_orphans() == 0


def test_a_dead_process_left_a_half_drained_spool(user):
    record(user.id)
    usage.drain()
    record(user.id, "req_2")
    abandon()

    usage.drain_orphans()

    assert calls() == [(200, 2)]


def test_a_line_that_was_written_in_part_is_set_apart(user):
    record(user.id)
    spool = parts().spool
    with (spool.folder / spool.files()[0]).open("ab") as file:
        file.write(line_of(b'{"request_id": "half"}')[:-3])
    abandon()

    usage.drain_orphans()

    assert calls() == [(200, 1)]
    (kept,) = quarantine_dir(parts().config).iterdir()
    assert b"half" in kept.read_bytes()


def test_a_record_of_another_time_does_not_stop_the_others(user):
    parts().spool.append(b'{"unknown": 1}')
    record(user.id)

    usage.drain()

    assert calls() == [(200, 1)]
    assert len(list(quarantine_dir(parts().config).iterdir())) == 1


def test_records_of_a_user_who_is_gone_do_not_stop_the_others(user):
    record(99_999, unit_of="2026-11")
    record(user.id)

    usage.drain()

    assert calls() == [(200, 1), (200, 1)]


def test_an_answered_prediction_takes_one_unit_of_quota(user):
    answer(user.id)
    answer(user.id)

    quota = usage.quota(user.id, DEFAULT_PLAN)

    assert (quota.limit, quota.used, quota.left) == (LIMIT, 2, LIMIT - 2)


def test_a_unit_that_is_put_back_is_not_used(user):
    usage.put_back_unit(usage.take_unit(user.id, DEFAULT_PLAN))
    record(user.id, status=500)

    usage.give_back_units(is_last=True)

    assert quota_used(user) == 0
    assert month_of(user) == (0, 0)


def test_units_are_reserved_some_at_a_time_and_given_back(user):
    answer(user.id)
    assert month_of(user).reserved == 64

    assert not usage.give_back_units(is_last=True)
    usage.drain()

    assert month_of(user) == (1, 0)


def test_what_a_dead_process_reserved_comes_back(user):
    answer(user.id)
    abandon()

    usage.drain_orphans()

    assert month_of(user) == (1, 0)
    assert db.session.scalars(select(QuotaLease)).all() == []


def test_without_a_unit_left_a_call_is_refused_before_its_work(user):
    use_quota(user.id, LIMIT)

    with pytest.raises(usage.QuotaExhausted, match="all 10000 predictions") as refused:
        usage.take_unit(user.id, DEFAULT_PLAN)

    assert refused.value.policy == "monthly"


def test_the_last_unit_can_be_used(user):
    use_quota(user.id, LIMIT - 1)

    answer(user.id)

    assert usage.quota(user.id, DEFAULT_PLAN).left == 0


def test_quotas_of_two_users_do_not_touch(user):
    use_quota(user.id, LIMIT)
    other = make_user("bob@example.org")

    answer(other.id)

    assert quota_used(other) == 1


@pytest.mark.parametrize(
    ("now", "resets_at", "wait_s"),
    [
        ("2026-11-30T23:59:30Z", datetime(2026, 12, 1, tzinfo=UTC), 30),
        ("2026-12-31T23:00:00Z", datetime(2027, 1, 1, tzinfo=UTC), 3600),
        ("2028-02-29T00:00:00Z", datetime(2028, 3, 1, tzinfo=UTC), 86400),
    ],
)
def test_the_refusal_says_when_the_next_month_begins(user, now, resets_at, wait_s):
    with time_machine.travel(now, tick=False):
        use_quota(user.id, LIMIT)

        with pytest.raises(usage.QuotaExhausted) as refused:
            usage.take_unit(user.id, DEFAULT_PLAN)

        assert usage.quota(user.id, DEFAULT_PLAN).resets_at == resets_at
        assert refused.value.headers["Retry-After"] == str(wait_s)


def test_a_call_that_runs_into_the_next_month_uses_a_unit_of_its_own(user):
    with time_machine.travel("2026-11-30T23:59:59Z", tick=False) as clock:
        unit = usage.take_unit(user.id, DEFAULT_PLAN)
        clock.shift(2)
        record(user.id, unit_of=unit.note.month)

        assert quota_used(user) == 0
        answer(user.id)
        assert quota_used(user) == 1


def test_the_edge_of_the_quota_is_exact_when_many_come_at_once(pg_app):
    user = make_user()
    user_id = user.id
    use_quota(user_id, LIMIT - 120)
    at_once = 8
    start = threading.Barrier(at_once, timeout=10)

    def predict(_):
        with pg_app.app_context():
            start.wait()
            answered = 0
            for _ in range(40):
                try:
                    answer(user_id)
                    answered += 1
                except usage.QuotaExhausted:
                    db.session.rollback()
            return answered

    with ThreadPoolExecutor(at_once) as threads:
        answered = sum(threads.map(predict, range(at_once)))

    assert answered == 120
    assert usage.quota(user_id, DEFAULT_PLAN).left == 0


def test_an_offset_that_is_gone_is_no_reason_to_lose_a_record(user):
    record(user.id)
    db.session.execute(delete(SpoolOffset))
    db.session.commit()

    usage.drain()

    assert calls() == [(200, 1)]
