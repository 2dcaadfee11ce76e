"""Mails that a user's month is nearly or wholly used, each once."""

from sqlalchemy import Row, select, update

from portal.accounts import User
from portal.db import db, now
from portal.extensions import config
from portal.limits import DEFAULT_PLAN
from portal.mail import messages
from portal.usage import months
from portal.usage.tables import MonthlyUse

NEARLY_PERCENT, ALL_PERCENT = 80, 100
AT_ONCE = 100  # the others have their turn a second later


def alert() -> int:
    """Mail those whose month is nearly or wholly used and who weren't told; commits.

    Whoever passes both at once is told of the second only. That they were told is
    noted in the transaction of the message, where nobody else had noted it.

    Returns:
        How many.
    """
    month, limit = months.month_of(now()), DEFAULT_PLAN.monthly_predictions
    told = [_alert(row, limit) for row in _untold(month, limit)]
    db.session.commit()
    return sum(told)


def _untold(month: str, limit: int) -> list[Row[int, str, int]]:
    used, alerted = MonthlyUse.used, MonthlyUse.alerted_percent
    is_due = (used * 100 >= limit * NEARLY_PERCENT) & (alerted < NEARLY_PERCENT)
    is_over = (used >= limit) & (alerted < ALL_PERCENT)
    # In the order that counting locks months in.
    query = (
        select(MonthlyUse.user_id, User.email, used)
        .join(User, User.id == MonthlyUse.user_id)
        .where(MonthlyUse.month == month, used > 0, is_due | is_over)
        .where(User.suspended_at.is_(None), User.verified_at.is_not(None))
        .order_by(MonthlyUse.user_id)
        .limit(AT_ONCE)
    )
    return list(db.session.execute(query).all())


def _alert(row: Row[int, str, int], limit: int) -> bool:
    user_id, email, used = row
    at = now()
    percent = ALL_PERCENT if used >= limit else NEARLY_PERCENT
    noted = db.session.scalar(
        update(MonthlyUse)
        .where(
            MonthlyUse.user_id == user_id,
            MonthlyUse.month == months.month_of(at),
            MonthlyUse.alerted_percent < percent,
        )
        .values(alerted_percent=percent)
        .returning(MonthlyUse.user_id)
    )
    if noted is None:
        return False
    link, begins = f"{config().base_url}/usage", months.next_month(at)
    if percent == ALL_PERCENT:
        messages.quota_used_up(email, link, limit=limit, begins=begins)
    else:
        messages.quota_nearly_used(email, link, used=used, limit=limit, begins=begins)
    return True
