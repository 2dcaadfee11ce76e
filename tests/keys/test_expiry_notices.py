"""A user is told 7 days and 1 day before a key expires, once each."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from portal import accounts, keys
from portal.db import db
from portal.mail import messages
from portal.mail.tables import OutgoingMessage
from tests.factories import make_user

START = "2026-11-24T12:00:00Z"
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def user(clock, app):
    return make_user()


def issue(user, lifetime=30 * DAY):
    api_key = keys.issue(user, name="till", expires_in=lifetime).api_key
    db.session.commit()
    return api_key


def subjects():
    rows = db.session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.id))
    return [row.subject.removeprefix("A key of yours at Model Portal ") for row in rows]


IN_A_WEEK, WITHIN_A_DAY = "expires in 7 days", "expires within a day"


def test_two_messages_come_7_days_and_1_day_before(clock, user):
    api_key = issue(user)

    clock.shift(23 * DAY - MINUTE)
    keys.send_expiry_notices()
    assert subjects() == []
    clock.shift(MINUTE)
    for _ in range(3):
        keys.send_expiry_notices()
    assert subjects() == [IN_A_WEEK]
    clock.shift(6 * DAY)
    for _ in range(3):
        keys.send_expiry_notices()

    assert subjects() == [IN_A_WEEK, WITHIN_A_DAY]
    last = db.session.scalars(select(OutgoingMessage)).all()[-1]
    assert last.to_address == "ada@example.org"
    assert "“till”" in last.text
    assert api_key.prefix in last.text
    assert "24 Dec 2026, 12:00 UTC" in last.text
    assert f"/keys/{api_key.id}\n" in last.text


@pytest.mark.parametrize(
    ("lifetime", "told"),
    [
        (10 * MINUTE, []),
        (DAY, []),
        (DAY + MINUTE, [WITHIN_A_DAY]),
        (7 * DAY, [WITHIN_A_DAY]),
        (7 * DAY + MINUTE, [IN_A_WEEK, WITHIN_A_DAY]),
    ],
)
def test_a_key_that_lives_no_longer_gets_no_message(clock, user, lifetime, told):
    issue(user, lifetime)

    for _ in range(8 * 24 * 6):
        keys.send_expiry_notices()
        clock.shift(10 * MINUTE)

    assert subjects() == told


def test_a_worker_that_was_away_sends_one_message_for_both(clock, user):
    issue(user)

    clock.shift(29 * DAY + timedelta(hours=12))
    keys.send_expiry_notices()
    clock.shift(timedelta(hours=1))
    keys.send_expiry_notices()

    assert subjects() == [WITHIN_A_DAY]


@pytest.mark.parametrize("state", ["revoked", "expired", "suspended"])
def test_of_a_key_that_opens_nothing_nobody_is_told(clock, user, state):
    api_key = issue(user)
    if state == "revoked":
        keys.revoke(api_key)
    elif state == "suspended":
        accounts.suspend(user)
    db.session.commit()

    clock.shift(31 * DAY if state == "expired" else 25 * DAY)
    keys.send_expiry_notices()

    assert subjects() == []


def test_a_rotation_that_prolongs_the_life_begins_anew(clock, user):
    api_key = issue(user)
    clock.shift(24 * DAY)
    keys.send_expiry_notices()
    keys.rotate(api_key, prefix=api_key.prefix, until=keys.Until(DAY, 30 * DAY))
    db.session.commit()

    clock.shift(22 * DAY)
    keys.send_expiry_notices()
    assert len(subjects()) == 1
    clock.shift(DAY)
    keys.send_expiry_notices()

    assert subjects()[1:] == [IN_A_WEEK]


def test_a_worker_killed_before_it_commits_has_sent_nothing(clock, user, monkeypatch):
    issue(user)
    clock.shift(25 * DAY)

    def die(*_told, **_facts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(messages, "key_expires", die)
        with pytest.raises(KeyboardInterrupt):
            keys.send_expiry_notices()
    db.session.remove()
    keys.send_expiry_notices()

    assert subjects() == ["expires in 5 days"]


def test_of_two_workers_one_sends_it(clock, pg_app):
    user = make_user()
    for _ in range(5):
        issue(user)
    clock.shift(25 * DAY)
    start = threading.Barrier(3, timeout=10)

    def work(_):
        with pg_app.app_context():
            start.wait()
            keys.send_expiry_notices()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))

    assert subjects() == ["expires in 5 days"] * 5


def test_the_worker_sends_what_is_due(clock, user, runner):
    issue(user)
    clock.shift(23 * DAY)

    runner.invoke(args=["worker", "--once"])

    assert subjects() == [IN_A_WEEK]
