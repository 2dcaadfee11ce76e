"""Mails that a user's month is nearly or wholly used, each once."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Double, and_, cast, or_, select, update

from portal.accounts import User
from portal.db import db, now
from portal.extensions import config
from portal.mail import messages
from portal.plans import Plan
from portal.usage import months
from portal.usage.tables import MonthlyUse

NEARLY_PERCENT, ALL_PERCENT = 80, 100
AT_ONCE = 100  # the others have their turn a second later


@dataclass(frozen=True)
class _Due:
    """Whom to mail.

    Attributes:
        percent: The mark that is passed.
        used, limit: Of what passed it: predictions, or else compute seconds.
    """

    user_id: int
    email: str
    percent: int
    used: int
    limit: int
    is_computing: bool


def alert() -> int:
    """Mail those whose month is nearly or wholly used and who weren't told; commits.

    Whoever passes both at once is told of the second only. That they were told is
    noted in the transaction of the message, where nobody else had noted it.

    Returns:
        How many.
    """
    told = [_alert(due) for due in _untold(months.month_of(now()))]
    db.session.commit()
    return sum(told)


def _untold(month: str) -> list[_Due]:
    alerted = MonthlyUse.alerted_percent
    is_due = [
        and_(_reaches(percent), alerted < percent)
        for percent in (NEARLY_PERCENT, ALL_PERCENT)
    ]
    # In the order that counting locks months in.
    query = (
        select(MonthlyUse, User.email, Plan)
        .join(User, User.id == MonthlyUse.user_id)
        .join(User.plan)
        .where(MonthlyUse.month == month, or_(*is_due))
        .where(User.suspended_at.is_(None), User.verified_at.is_not(None))
        .order_by(MonthlyUse.user_id)
        .limit(AT_ONCE)
    )
    return [_due(*row) for row in db.session.execute(query)]


def _reaches(percent: int) -> ColumnElement[bool]:
    """Whether so much of the predictions or of the computing is used."""
    # As floats: a hundred times a large quota is no integer of PostgreSQL.
    used = cast(MonthlyUse.used, Double) * 100.0
    computed = MonthlyUse.compute_ms / 10.0
    limit, limit_s = Plan.monthly_predictions, Plan.monthly_compute_s
    return or_(
        and_(limit > 0, used >= cast(limit, Double) * float(percent)),
        and_(limit_s > 0, computed >= cast(limit_s, Double) * float(percent)),
    )


def _due(month: MonthlyUse, email: str, plan: Plan) -> _Due:
    """Return what to tell: of the fuller one, if both are due."""
    limit, limit_s = plan.monthly_predictions, plan.monthly_compute_s
    used_s = month.compute_ms / 1000
    share = month.used / limit if limit else 0.0
    share_s = used_s / limit_s if limit_s else 0.0
    is_computing = share_s > share
    percent = ALL_PERCENT if max(share, share_s) >= 1 else NEARLY_PERCENT
    if is_computing:
        return _Due(
            month.user_id, email, percent, int(used_s), limit_s, is_computing=True
        )
    return _Due(month.user_id, email, percent, month.used, limit, is_computing=False)


def _alert(due: _Due) -> bool:
    at = now()
    noted = db.session.scalar(
        update(MonthlyUse)
        .where(
            MonthlyUse.user_id == due.user_id,
            MonthlyUse.month == months.month_of(at),
            MonthlyUse.alerted_percent < due.percent,
        )
        .values(alerted_percent=due.percent)
        .returning(MonthlyUse.user_id)
    )
    if noted is None:
        return False
    link, begins = f"{config().base_url}/usage", months.next_month(at)
    if due.percent == ALL_PERCENT:
        messages.quota_used_up(
            due.email,
            link,
            limit=due.limit,
            begins=begins,
            is_computing=due.is_computing,
        )
    else:
        messages.quota_nearly_used(
            due.email,
            link,
            used=due.used,
            limit=due.limit,
            begins=begins,
            is_computing=due.is_computing,
        )
    return True
