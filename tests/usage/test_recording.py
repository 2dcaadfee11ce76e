"""Every answer is in the sums once, whatever fails."""

import resource
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import current_app
from sqlalchemy import delete, select
from structlog.testing import capture_logs

from portal import usage
from portal.db import db, now
from portal.extensions import parts, quarantine_dir
from portal.spool import Spool, SpoolUnwritable, line_of
from portal.usage.tables import SpoolOffset, usage_days, usage_hours, usage_minutes
from tests.counted import abandon, add_call, answer, record, records
from tests.factories import make_user


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def user(portal):
    return make_user()


def calls(table=usage_days):
    """Return (status, calls) of each sum."""
    db.session.rollback()
    rows = select(table.c.status, table.c.calls).order_by(table.c.status)
    return [tuple(row) for row in db.session.execute(rows)]


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


def test_an_offset_that_is_gone_is_no_reason_to_lose_a_record(user):
    record(user.id)
    db.session.execute(delete(SpoolOffset))
    db.session.commit()

    usage.drain()

    assert calls() == [(200, 1)]


def test_a_full_disk_answers_nothing_and_keeps_what_was_written(user):
    record(user.id)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = sum(path.stat().st_size for path in parts().spool.folder.iterdir())
    # The kernel takes a part of the next line, then refuses.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, hard))
    try:
        # What is printed may be a file, too.
        with capture_logs() as logs:
            for _ in range(2):
                with pytest.raises(SpoolUnwritable, match="can't be counted"):
                    record(user.id, "req_2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    record(user.id, "req_3")

    assert [one["event"] for one in logs] == ["spool.unwritable"] * 2
    assert [one.request_id for one in records()] == ["req_1", "req_3"]
    usage.drain()
    assert calls() == [(200, 2)]


def test_a_long_file_gives_way_to_a_new_one(user, monkeypatch):
    monkeypatch.setattr("portal.spool.spool.ROTATE_BYTES", 500)
    first = None
    for _ in range(4):
        for _ in range(3):
            record(user.id)
        first = first or parts().spool.files()
        usage.drain()

    files = [path.name for path in parts().spool.folder.iterdir()]
    assert files == parts().spool.files()
    assert len(files) == 1
    assert files != first
    assert calls() == [(200, 12)]


def test_old_minutes_and_hours_are_forgotten_and_days_are_not(user):
    for days_ago in (400, 91, 89, 0):
        add_call(now() - timedelta(days=days_ago), user_id=user.id)

    current_app.test_cli_runner().invoke(args=["worker", "--once"])

    assert len(calls(usage_minutes)) == 2
    assert len(calls(usage_hours)) == 2
    assert len(calls(usage_days)) == 4


def test_spools_that_are_gone_are_forgotten_after_a_day(user):
    record(user.id)
    usage.drain()
    (file,) = parts().spool.files()
    db.session.add(SpoolOffset(file="gone.1.records", offset=1))
    db.session.commit()
    usage.tidy()
    assert set(db.session.scalars(select(SpoolOffset.file))) == {file, "gone.1.records"}

    with time_machine.travel(now() + timedelta(days=2)):
        usage.tidy()

    # The file that is there still would otherwise be counted from its beginning.
    assert db.session.scalars(select(SpoolOffset.file)).all() == [file]
