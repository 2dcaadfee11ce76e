"""When a user's quota runs out, from how they used it lately."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import func, select

from portal.db import db, now
from portal.usage.service import Quota
from portal.usage.tables import usage_days

PACE_DAYS = 7  # a week has its quiet days, too
LEAST_DAYS = 2  # with predictions; one alone is no pace
OK, REDIRECT = 200, 300  # what uses the quota is between


@dataclass(frozen=True)
class Forecast:
    """What comes of the quota if the user goes on like that.

    Attributes:
        runs_out_on: The day, UTC; None: it lasts the month.
        pace_days: The last days that it was told from, today included.
    """

    runs_out_on: date | None
    pace_days: int = PACE_DAYS


def forecast(user_id: int, quota: Quota) -> Forecast | None:
    """Return what comes of *quota*; None where too little is known, or none is left."""
    today = now().date()
    first, predictions, days = _used_since(user_id, today - timedelta(PACE_DAYS - 1))
    if first is None or days < LEAST_DAYS or not quota.left:
        return None
    at = now()
    # In seconds, since a large quota may last longer than there are dates.
    lasts_s = quota.left * (at - first).total_seconds() / predictions
    if lasts_s >= (quota.resets_at - at).total_seconds():
        return Forecast(runs_out_on=None)
    return Forecast((at + timedelta(seconds=lasts_s)).date())


def _used_since(user_id: int, day: date) -> tuple[datetime | None, int, int]:
    """Return the first day with predictions since *day*, how many, on how many days."""
    days = usage_days.c
    first, predictions, with_some = db.session.execute(
        select(
            func.min(days.starts_at),
            func.sum(days.calls),
            func.count(days.starts_at.distinct()),
        ).where(
            days.user_id == user_id,
            days.starts_at >= datetime.combine(day, time(), tzinfo=UTC),
            # A clock may have been set back.
            days.starts_at <= now(),
            days.status >= OK,
            days.status < REDIRECT,
        )
    ).one()
    return first, int(predictions or 0), with_some
