"""A user is mailed once when a month is nearly used, and once when it is used up."""

import threading

import pytest
import time_machine
from sqlalchemy import select, update

from portal import accounts, plans, usage
from portal.db import db
from portal.mail import OutgoingMessage, messages
from portal.usage import alerts
from portal.usage.tables import MonthlyUse
from tests.counted import use_quota
from tests.factories import make_user


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL; it is 24 November 2026."""
    with time_machine.travel("2026-11-24T12:00:00Z"):
        yield request.getfixturevalue(request.param)


@pytest.fixture
def user(portal):
    return make_user()


def use(user, used):
    """Use so much of the month, and let the worker look."""
    db.session.execute(
        update(MonthlyUse).where(MonthlyUse.user_id == user.id).values(used=used)
    )
    db.session.commit()
    usage.alert()


def kinds():
    db.session.rollback()
    query = select(OutgoingMessage.kind).order_by(OutgoingMessage.id)
    return db.session.scalars(query).all()


def test_each_mark_is_told_once(user):
    told = []
    use_quota(user.id, 0)
    for used in (0, 7_999, 8_000, 8_001, 9_999, 10_000, 10_000):
        use(user, used)
        told.append(kinds())

    nearly, both = ["quota-nearly-used"], ["quota-nearly-used", "quota-used-up"]
    assert told == [[], [], nearly, nearly, nearly, both, both]


def test_the_worker_tells_them(user, portal):
    use_quota(user.id, 9_000)

    portal.test_cli_runner().invoke(args=["worker", "--once"])

    assert kinds() == ["quota-nearly-used"]


def test_whoever_passes_both_marks_at_once_is_told_of_the_second(user):
    use_quota(user.id, 0)
    use(user, 10_000)
    use(user, 10_000)

    assert kinds() == ["quota-used-up"]


def test_the_next_month_is_told_anew_and_the_last_no_more(user):
    use_quota(user.id, 9_000, "2026-10")
    use_quota(user.id, 9_000)
    usage.alert()
    with time_machine.travel("2026-12-01T00:00:00Z"):
        usage.alert()
        assert kinds() == ["quota-nearly-used"]

        use_quota(user.id, 8_500)
        usage.alert()

    assert kinds() == ["quota-nearly-used"] * 2


def test_the_mail_says_what_is_left_when_it_begins_anew_and_whom_to_ask(user):
    use_quota(user.id, 8_100)
    usage.alert()

    message = db.session.scalars(select(OutgoingMessage)).one()
    assert message.to_address == "ada@example.org"
    assert "1,900 predictions are left" in message.subject
    for text in (message.text, message.html):
        assert "8,100 of your 10,000 predictions" in text
        assert "begins on 1 December at 00:00 UTC" in text
        assert "write to the owner" in text
        assert "http://127.0.0.1:8000/usage" in text


@pytest.mark.parametrize(
    ("compute_s", "subject"),
    [
        (28_799, None),
        (28_800, "7,200 compute seconds are left"),
        (36_000, "Your compute seconds of this month"),
    ],
)
def test_compute_seconds_are_told_of_too(user, compute_s, subject):
    use_quota(user.id, 10)
    db.session.execute(update(MonthlyUse).values(compute_ms=compute_s * 1000))
    db.session.commit()
    for _ in range(2):
        usage.alert()

    found = db.session.scalars(select(OutgoingMessage.subject)).all()
    assert [subject in one for one in found] == ([True] if subject else [])


@pytest.mark.parametrize(("limit", "nearly"), [(100, 80), (1_000_000_000, 800_000_000)])
def test_the_plan_of_the_user_says_how_much_there_is(user, limit, nearly):
    plan = plans.create("other", {"monthly_predictions": limit})
    accounts.assign_plan(user, plan)
    use_quota(user.id, 0)
    told = []
    for used in (nearly - 1, nearly, limit - 1, limit):
        use(user, used)
        told.append(len(kinds()))

    assert told == [0, 1, 1, 2]


def test_a_plan_that_gives_more_is_told_of_anew(user):
    told = []
    use_quota(user.id, 10_000)
    usage.alert()
    plan = plans.create("larger", {"monthly_predictions": 100_000})
    accounts.assign_plan(user, plan)
    for used in (10_001, 80_000, 80_001, 100_000):
        use(user, used)
        told.append(kinds()[1:])

    nearly, both = ["quota-nearly-used"], ["quota-nearly-used", "quota-used-up"]
    assert told == [[], nearly, nearly, both]


def test_a_mark_that_is_passed_under_the_next_plan_too_is_not_told_again(user):
    use_quota(user.id, 10_000)
    usage.alert()
    accounts.assign_plan(user, plans.create("more", {"monthly_predictions": 12_000}))
    use(user, 10_001)
    use(user, 12_000)

    assert kinds() == ["quota-used-up"] * 2


def test_a_plan_without_predictions_is_not_told_of(user):
    plan = plans.create("none", {"monthly_predictions": 0})
    accounts.assign_plan(user, plan)
    use_quota(user.id, 5)

    assert usage.alert() == 0


@pytest.mark.parametrize("who", [{"is_suspended": True}, {"is_verified": False}])
def test_whoever_may_not_call_is_not_mailed(portal, who):
    use_quota(make_user(**who).id, 10_000)

    assert usage.alert() == 0
    assert kinds() == []


def test_a_worker_that_dies_before_it_is_done_tells_later(user, monkeypatch):
    use_quota(user.id, 8_000)
    with monkeypatch.context() as patch:
        patch.setattr(messages, "queue", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            usage.alert()
    db.session.remove()
    assert kinds() == []

    usage.alert()

    assert kinds() == ["quota-nearly-used"]


def test_two_workers_that_read_the_same_tell_once(pg_app, monkeypatch):
    use_quota(make_user().id, 8_000)
    told = []
    together = threading.Barrier(2, timeout=20)
    untold = alerts._untold  # noqa: SLF001 - where both have read

    def read_together(*asked):
        rows = untold(*asked)
        together.wait()
        return rows

    monkeypatch.setattr(alerts, "_untold", read_together)

    def work():
        with pg_app.app_context():
            told.append(usage.alert())
            db.session.remove()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(told) == [0, 1]
    assert kinds() == ["quota-nearly-used"]
