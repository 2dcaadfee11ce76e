"""Counts every answer once, and takes the monthly quota in the same breath."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from portal.db import Base, db, now
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
    recorded = db.session.scalar(
        _insert(
            UsageRecord,
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
        ).returning(UsageRecord.id)
    )
    if recorded is None or user_id is None or status not in SUCCESS:
        return
    if not _take_unit(user_id, at):
        db.session.execute(delete(UsageRecord).where(UsageRecord.id == recorded))
        raise _exhausted(at)


def check_quota(user_id: int) -> None:
    """Refuse early, before the work, when nothing is left.

    Raises:
        QuotaExhausted: Nothing is left this month.
    """
    if not quota(user_id).left:
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
    month = _month(at)
    db.session.execute(_insert(MonthlyUse, user_id=user_id, month=month, used=0))
    # The condition is checked under the row's lock, so the limit is exact.
    used = db.session.scalar(
        update(MonthlyUse)
        .where(
            MonthlyUse.user_id == user_id,
            MonthlyUse.month == month,
            MonthlyUse.used < DEFAULT_PLAN.monthly_predictions,
        )
        .values(used=MonthlyUse.used + 1)
        .returning(MonthlyUse.used)
        .execution_options(synchronize_session=False)
    )
    return used is not None


def _insert(table: type[Base], **values: object) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that leaves a row with the same unique key alone."""
    if db.session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table).values(**values).on_conflict_do_nothing()
    return sqlite.insert(table).values(**values).on_conflict_do_nothing()


def _exhausted(at: datetime) -> QuotaExhausted:
    left_s = math.ceil((_next_month(at) - at).total_seconds())
    return QuotaExhausted(DEFAULT_PLAN.monthly_predictions, retry_after_s=left_s)


def _month(at: datetime) -> str:
    return f"{at:%Y-%m}"


def _next_month(at: datetime) -> datetime:
    year, month = (at.year, at.month + 1) if at.month < 12 else (at.year + 1, 1)  # noqa: PLR2004 - December
    return datetime(year, month, 1, tzinfo=UTC)
