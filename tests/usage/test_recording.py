"""Every answer is counted once, and the quota is exact."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import time_machine
from sqlalchemy import func, select, update

from portal import usage
from portal.db import db
from portal.limits import DEFAULT_PLAN
from portal.usage import MonthlyUse, Surface, UsageRecord
from tests.factories import make_key, make_user

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
    db.session.commit()


def records():
    return db.session.scalars(select(UsageRecord).order_by(UsageRecord.id)).all()


def use_up(user, but=0):
    """Leave *but* units of this month."""
    record(user.id, "req_before")
    db.session.execute(update(MonthlyUse).values(used=LIMIT - but))
    db.session.commit()


def test_an_answer_is_recorded_as_it_was(user):
    api_key, _ = make_key(user)

    record(user.id, api_key_id=api_key.id, status=422)

    (row,) = records()
    assert row.request_id == "req_1"
    assert row.user_id == user.id
    assert row.api_key_id == api_key.id
    assert row.surface == "api"
    assert row.status == 422
    assert (row.latency_ms, row.compute_ms) == (12.5, 10.0)
    assert abs((row.created_at - datetime.now(UTC)).total_seconds()) < 60


def test_an_answered_prediction_takes_one_unit_of_quota(user):
    record(user.id, "req_1")
    record(user.id, "req_2", status=201)

    quota = usage.quota(user.id)

    assert (quota.limit, quota.used, quota.left) == (LIMIT, 2, LIMIT - 2)


@pytest.mark.parametrize("status", [400, 401, 413, 422, 429, 500, 503, 504])
def test_an_error_is_recorded_and_takes_no_quota(user, status):
    record(user.id, status=status)

    assert len(records()) == 1
    assert usage.quota(user.id).used == 0


def test_the_same_request_is_counted_once(user):
    record(user.id)
    record(user.id)
    record(user.id, status=500)

    assert [row.status for row in records()] == [200]
    assert usage.quota(user.id).used == 1


def test_a_visitor_is_recorded_without_a_quota(portal):
    record(None, surface=Surface.PLAYGROUND)

    (row,) = records()
    assert row.user_id is None
    assert db.session.scalar(select(func.count()).select_from(MonthlyUse)) == 0


def test_nothing_is_kept_of_a_prediction_over_the_quota(user):
    use_up(user)

    with pytest.raises(usage.QuotaExhausted) as refused:
        record(user.id, "req_over")

    assert refused.value.policy == "monthly"
    record(user.id, "req_over", status=429)
    assert [row.status for row in records()] == [200, 429]
    assert usage.quota(user.id).left == 0


def test_the_last_unit_can_be_used(user):
    use_up(user, but=1)

    usage.check_quota(user.id)
    record(user.id, "req_last")

    assert usage.quota(user.id).left == 0


def test_an_exhausted_quota_is_refused_before_the_work(user):
    use_up(user)

    with pytest.raises(usage.QuotaExhausted, match="all 10000 predictions"):
        usage.check_quota(user.id)


def test_quotas_of_two_users_do_not_touch(user):
    use_up(user)
    other = make_user("bob@example.org")

    record(other.id, "req_other")

    assert usage.quota(other.id).used == 1


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
        use_up(user)

        with pytest.raises(usage.QuotaExhausted) as refused:
            usage.check_quota(user.id)

        assert usage.quota(user.id).resets_at == resets_at
        assert refused.value.headers["Retry-After"] == str(wait_s)


def test_the_quota_is_whole_again_in_the_next_month(user):
    with time_machine.travel("2026-11-30T23:59:59Z", tick=False) as clock:
        use_up(user)

        clock.shift(1)
        record(user.id, "req_december")

        assert usage.quota(user.id).used == 1
        usage.check_quota(user.id)


def test_the_edge_of_the_quota_is_exact_when_many_come_at_once(pg_app):
    user = make_user()
    user_id = user.id
    use_up(user, but=5)
    at_once = 8
    start = threading.Barrier(at_once, timeout=10)

    def predict(number):
        with pg_app.app_context():
            start.wait()
            answered = 0
            for turn in range(4):
                try:
                    record(user_id, f"req_{number}_{turn}")
                    answered += 1
                except usage.QuotaExhausted:
                    record(user_id, f"req_{number}_{turn}", status=429)
            return answered

    with ThreadPoolExecutor(at_once) as threads:
        answered = sum(threads.map(predict, range(at_once)))

    assert answered == 5
    assert usage.quota(user.id).left == 0
    statuses = [row.status for row in records() if row.request_id != "req_before"]
    assert sorted(statuses) == [200] * 5 + [429] * 27


def test_one_request_recorded_by_many_at_once_is_counted_once(pg_app):
    user_id = make_user().id
    at_once = 8
    start = threading.Barrier(at_once, timeout=10)

    def predict(_):
        with pg_app.app_context():
            start.wait()
            record(user_id, "req_same")

    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(predict, range(at_once)))

    assert len(records()) == 1
    assert usage.quota(user_id).used == 1
