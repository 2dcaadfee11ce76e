"""Who used a key last: noted to the minute, by few calls, never in their way."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import time_machine
from sqlalchemy import event, select, text

from portal import accounts, keys
from portal.db import db
from portal.keys import ApiKey
from tests.factories import make_key, make_user

ME = "/api/v1/me"


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def ada(portal):
    return make_user()


def call(portal, secret, address="198.51.100.7", agent="curl/8.5.0"):
    return portal.test_client().get(
        ME,
        headers={"Authorization": f"Bearer {secret}", "User-Agent": agent},
        environ_base={"REMOTE_ADDR": address},
    )


def last_use(api_key):
    db.session.rollback()
    row = db.session.execute(
        select(
            ApiKey.last_used_at, ApiKey.last_used_address, ApiKey.last_used_agent
        ).where(ApiKey.id == api_key.id)
    ).one()
    return tuple(row)


@contextmanager
def watched_writes():
    """Collect the UPDATEs of keys."""
    seen = []

    def note(_connection, _cursor, statement, *_):
        if statement.startswith("UPDATE api_keys"):
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def test_a_key_that_was_never_used_says_so(ada):
    api_key, _ = make_key(ada)

    assert last_use(api_key) == (None, None, None)


def test_a_call_notes_its_minute_its_address_and_its_program(portal, ada):
    api_key, secret = make_key(ada)

    with time_machine.travel("2026-11-25T12:34:56Z", tick=False):
        answer = call(portal, secret)

    assert answer.status_code == 200
    assert last_use(api_key) == (
        datetime(2026, 11, 25, 12, 34, tzinfo=UTC),
        "198.51.100.7",
        "curl/8.5.0",
    )


def test_more_calls_in_the_same_minute_write_nothing(portal, ada):
    _, secret = make_key(ada)

    with (
        time_machine.travel("2026-11-25T12:34:01Z", tick=False) as clock,
        watched_writes() as writes,
    ):
        for _ in range(3):
            call(portal, secret)
            clock.shift(10)

    assert len(writes) == 1


def test_the_next_minute_is_noted_anew(portal, ada):
    api_key, secret = make_key(ada)

    with time_machine.travel("2026-11-25T12:34:59Z", tick=False) as clock:
        call(portal, secret)
        clock.shift(1)
        call(portal, secret, address="2001:db8::1", agent="python-requests/2.32")

    assert last_use(api_key) == (
        datetime(2026, 11, 25, 12, 35, tzinfo=UTC),
        "2001:db8::1",
        "python-requests/2.32",
    )


def test_a_clock_that_went_back_changes_nothing(portal, ada):
    api_key, secret = make_key(ada)

    with time_machine.travel("2026-11-25T12:34:00Z", tick=False) as clock:
        call(portal, secret)
        clock.shift(-600)
        call(portal, secret, agent="late")

    assert last_use(api_key)[2] == "curl/8.5.0"


@pytest.mark.parametrize(
    ("agent", "noted"),
    [
        ("", ""),
        ("x" * 5000, "x" * 300),
        ("a\tb\x7fc\x9bd", "abcd"),
        ("<script>", "<script>"),
    ],
    ids=["none", "long", "control characters", "markup"],
)
def test_any_program_may_call_itself_anything(portal, ada, agent, noted):
    api_key, secret = make_key(ada)

    answer = call(portal, secret, agent=agent)

    assert answer.status_code == 200
    assert last_use(api_key)[2] == noted


def test_a_refused_key_is_not_noted(portal, ada):
    api_key, secret = make_key(ada)
    keys.revoke(api_key)
    db.session.commit()

    answer = call(portal, secret)

    assert answer.status_code == 401
    assert last_use(api_key) == (None, None, None)


def test_a_call_is_answered_when_its_use_can_not_be_written(app):
    """On SQLite: a full disk, or a database that may only be read, looks so."""
    api_key, secret = make_key(make_user())
    db.session.execute(
        text(
            "CREATE TRIGGER full BEFORE UPDATE ON api_keys "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    )
    db.session.commit()

    answer = call(app, secret)

    assert answer.status_code == 200
    assert answer.json["user"]["email"] == "ada@example.org"
    assert last_use(api_key) == (None, None, None)


def test_a_call_does_not_wait_for_whoever_holds_the_key(pg_app):
    api_key, secret = make_key(make_user())
    keys.rename(api_key, "being renamed")

    answer = call(pg_app, secret)
    db.session.commit()

    assert answer.status_code == 200
    assert last_use(api_key) == (None, None, None)
    call(pg_app, secret)
    assert last_use(api_key)[1] == "198.51.100.7"


def test_of_many_calls_at_once_all_are_answered_and_the_use_is_noted(portal, ada):
    at_once = 8
    api_key, secret = make_key(ada)
    start = threading.Barrier(at_once, timeout=10)

    def use(number):
        start.wait()
        return call(portal, secret, agent=f"program {number}").status_code

    with ThreadPoolExecutor(at_once) as threads:
        answers = list(threads.map(use, range(at_once)))

    assert answers == [200] * at_once
    assert last_use(api_key)[2].startswith("program ")


def test_noting_the_use_needs_no_second_connection(pg_app):
    _, secret = make_key(make_user())
    db.session.remove()
    most = []

    def note(*_):
        most.append(db.engine.pool.checkedout())

    event.listen(db.engine, "before_cursor_execute", note)
    call(pg_app, secret)
    event.remove(db.engine, "before_cursor_execute", note)

    assert max(most) == 1


def test_the_user_of_a_key_is_known_after_its_use_was_noted(portal, ada):
    _, secret = make_key(ada)

    with watched_writes() as writes:
        answers = [call(portal, secret).json["user"]["email"] for _ in range(2)]

    assert answers == ["ada@example.org"] * 2
    assert len(writes) == 1
    assert accounts.find(ada.id).email == "ada@example.org"
