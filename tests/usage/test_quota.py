"""The quota of a month is exact, whatever fails."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from portal import usage
from portal.db import db, now
from portal.extensions import parts
from portal.usage.tables import MonthlyUse, QuotaLease
from tests.counted import abandon, answer, quota_used, record, use_quota
from tests.factories import make_user
from tests.plans.figures import DEFAULT_PLAN

LIMIT = DEFAULT_PLAN.monthly_predictions


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def user(portal):
    return make_user()


def month_of(user):
    db.session.rollback()
    return db.session.execute(
        select(MonthlyUse.used, MonthlyUse.reserved).where(
            MonthlyUse.user_id == user.id
        )
    ).one()


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


def test_what_a_process_reserved_whose_spool_is_lost_comes_back(user):
    answer(user.id)
    usage.drain()
    for path in parts().spool.folder.iterdir():
        path.unlink()
    abandon()
    usage.tidy()
    assert month_of(user).reserved == 63

    with time_machine.travel(now() + timedelta(hours=2)):
        usage.tidy()

    assert month_of(user) == (1, 0)
