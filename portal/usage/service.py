"""Counts every answer once, and takes the monthly quota in the same breath."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from portal.db import cached, db, now
from portal.limits import DEFAULT_PLAN
from portal.usage.errors import QuotaExhausted
from portal.usage.tables import MonthlyUse, Surface, UsageRecord

SUCCESS = range(200, 300)


@dataclass(frozen=True)
class Quota:
    """A user's predictions of the running month.

    Attributes:
        limit: Answered predictions (2xx) that the plan allows.
        resets_at: The first instant of the next month, UTC.
    """

    limit: int
    used: int
    resets_at: datetime

    @property
    def left(self) -> int:
        """How many predictions are left."""
        return max(0, self.limit - self.used)


def record(
    *,
    request_id: str,
    user_id: int | None,
    api_key_id: int | None,
    model_id: int | None,
    version: int | None,
    surface: Surface,
    status: int,
    latency_ms: float,
    compute_ms: float,
) -> None:
    """Count one answer; a 2xx to a user takes one unit of quota.

    The same *request_id* again changes nothing.

    Raises:
        QuotaExhausted: Nothing was left for this 2xx, and nothing is recorded:
            the caller answers 429 and records that.
    """
    at = now()
    recorded = _execute(
        "record",
        request_id=request_id,
        user_id=user_id,
        api_key_id=api_key_id,
        model_id=model_id,
        version=version,
        surface=str(surface),
        status=int(status),
        latency_ms=latency_ms,
        compute_ms=compute_ms,
        created_at=at,
    )
    if recorded is None or user_id is None or status not in SUCCESS:
        return
    if not _take_unit(user_id, at):
        db.session.execute(delete(UsageRecord).where(UsageRecord.id == recorded))
        raise _exhausted(at)


def check_quota(user_id: int) -> None:
    """Refuse early, before the work, when nothing was left within a second.

    What is exact is the record: it refuses what this lets pass.

    Raises:
        QuotaExhausted: Nothing is left this month.
    """
    whose = (user_id, _month(now()))
    use = cached(("use", *whose), lambda session: session.get(MonthlyUse, whose))
    if use is not None and use.used >= DEFAULT_PLAN.monthly_predictions:
        raise _exhausted(now())


def quota(user_id: int) -> Quota:
    """Return what *user_id* has used of the running month."""
    at = now()
    used = db.session.scalar(
        select(MonthlyUse.used).where(
            MonthlyUse.user_id == user_id, MonthlyUse.month == _month(at)
        )
    )
    return Quota(
        limit=DEFAULT_PLAN.monthly_predictions,
        used=used or 0,
        resets_at=_next_month(at),
    )


def used_this_month(user_ids: Iterable[int]) -> Mapping[int, int]:
    """Return how many predictions each of these users has used, if any."""
    rows = db.session.execute(
        select(MonthlyUse.user_id, MonthlyUse.used).where(
            MonthlyUse.user_id.in_(set(user_ids)), MonthlyUse.month == _month(now())
        )
    )
    return {row.user_id: row.used for row in rows}


def _take_unit(user_id: int, at: datetime) -> bool:
    """Take one unit of the month of *at*; return whether there was one."""
    # The condition is checked under the row's lock, so the limit is exact.
    limit = DEFAULT_PLAN.monthly_predictions
    taken = _execute("unit", user_id=user_id, month=_month(at), used=1, most=limit)
    return limit > 0 and taken is not None


def _execute(name: str, **values: object) -> Any:  # noqa: ANN401 - what it returns
    """Execute a statement of `_statements` in the session's transaction."""
    connection = db.session.connection()
    return connection.scalar(_statements(connection.dialect.name)[name], values)


@cache
def _statements(dialect: str) -> dict[str, Executable]:
    """Return what every call executes, built once: building costs more than sending."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return {
        "record": insert(UsageRecord)
        .on_conflict_do_nothing()
        .returning(UsageRecord.id),
        "unit": insert(MonthlyUse)
        .on_conflict_do_update(
            index_elements=["user_id", "month"],
            set_={"used": MonthlyUse.used + 1},
            where=MonthlyUse.used < bindparam("most"),
        )
        .returning(MonthlyUse.used),
    }


def _exhausted(at: datetime) -> QuotaExhausted:
    left_s = math.ceil((_next_month(at) - at).total_seconds())
    return QuotaExhausted(DEFAULT_PLAN.monthly_predictions, retry_after_s=left_s)


def _month(at: datetime) -> str:
    return f"{at:%Y-%m}"


def _next_month(at: datetime) -> datetime:
    year, month = (at.year, at.month + 1) if at.month < 12 else (at.year + 1, 1)  # noqa: PLR2004 - December
    return datetime(year, month, 1, tzinfo=UTC)
