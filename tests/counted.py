"""What was counted, and calls of days gone by."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from portal import usage
from portal.accounts import User
from portal.db import db, now
from portal.extensions import parts
from portal.spool import read_lines
from portal.usage import Record, Surface
from portal.usage.adding import SPANS, add, sums
from portal.usage.tables import NOBODY, MonthlyUse
from tests.plans.figures import DEFAULT_PLAN

EVERYTHING = 2**30


def records() -> Sequence[Record]:
    """Return every record that a running process wrote down, the oldest first."""
    found = [
        Record.from_json(content)
        for path in parts().spool.folder.glob("*.records")
        for content in read_lines(path, 0, most=EVERYTHING).records
    ]
    return sorted(found, key=lambda record: record.at)


def statuses() -> list[int]:
    """Return the status of every record, the oldest first."""
    return [record.status for record in records()]


def quota_used(user: User) -> int:
    """Return how many predictions of the month *user* has used."""
    db.session.rollback()
    return usage.quota(user.id, DEFAULT_PLAN).used


def use_quota(user_id: int, used: int, month: str = "") -> None:
    """Write down that this user has used so much of a month (this one)."""
    month = month or f"{now():%Y-%m}"
    db.session.merge(MonthlyUse(user_id=user_id, month=month, used=used, reserved=0))
    db.session.commit()


def add_call(at: datetime, amount: int = 1, **changed: object) -> None:
    """Add calls of a visitor, or as *changed* says, to the sums."""
    call = Record(
        **{
            "request_id": "req_past",
            "at": at.timestamp(),
            "user_id": NOBODY,
            "api_key_id": NOBODY,
            "model_id": NOBODY,
            "version": NOBODY,
            "surface": Surface.PLAYGROUND,
            "status": 200,
            "latency_ms": 30.0,
            "compute_ms": 20.0,
        }
        | changed
    )
    with db.engine.begin() as connection:
        for table, span_s in SPANS:
            add(connection, table, sums([call] * amount, span_s))


def add_calls(user: User, day: date, statuses: Mapping[int, int]) -> None:
    """Add as many calls of *user* on *day* as *statuses* says for each status."""
    for status, count in statuses.items():
        at = datetime.combine(day, time(), tzinfo=UTC)
        add_call(at, count, user_id=user.id, status=status)


def record(user_id: int | None, request_id: str = "req_1", **changed: object) -> None:
    """Write down an answer of the API, or as *changed* says."""
    answer: dict[str, Any] = {
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
    usage.record(**answer | changed)


def answer(user_id: int) -> None:
    """Take a unit of the month and use it, as an answered call does."""
    unit = usage.take_unit(user_id, DEFAULT_PLAN)
    record(user_id, unit_of=unit.note.month)


def abandon() -> None:
    """Leave the spool and the units as a process does that is killed."""
    spool = parts().spool
    for file in spool._files:  # noqa: SLF001 - what dies closes nothing itself
        # The lock ends with the process.
        os.close(file.descriptor)
    spool.begin_afresh()
    parts().month_leases.begin_afresh()
