"""Mails that a user's month is nearly or wholly used, each once under one plan."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Double, and_, case, cast, or_, select, update

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
        percent: The mark that is passed; 0: none.
        told_percent: The mark that the user was told of.
        used, limit: Of what passed it: predictions, or else compute seconds.
    """

    user_id: int
    email: str
    percent: int
    told_percent: int
    used: int
    limit: int
    is_computing: bool


def alert() -> int:
    """Mail those whose month is nearly or wholly used and who weren't told; commits.

    Whoever passes both at once is told of the second only. That they were told is
    noted in the transaction of the message, where nobody else had noted it. A month
    of which less is used, since the plan gives more now, is told of anew.

    Returns:
        How many.
    """
    told = [_alert(due) for due in _untold(months.month_of(now()))]
    db.session.commit()
    return sum(told)


def _untold(month: str) -> list[_Due]:
    percent = case(
        (_reaches(ALL_PERCENT), ALL_PERCENT),
        (_reaches(NEARLY_PERCENT), NEARLY_PERCENT),
        else_=0,
    )
    # In the order that counting locks months in.
    query = (
        select(MonthlyUse, User.email, Plan, percent)
        .join(User, User.id == MonthlyUse.user_id)
        .join(User.plan)
        .where(MonthlyUse.month == month, MonthlyUse.alerted_percent != percent)
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


def _due(month: MonthlyUse, email: str, plan: Plan, percent: int) -> _Due:
    """Return what to tell: of the fuller one, if both are due."""
    limit, limit_s = plan.monthly_predictions, plan.monthly_compute_s
    used_s = month.compute_ms / 1000
    share = month.used / limit if limit else 0.0
    is_computing = limit_s > 0 and used_s / limit_s > share
    return _Due(
        month.user_id,
        email,
        percent,
        month.alerted_percent,
        int(used_s) if is_computing else month.used,
        limit_s if is_computing else limit,
        is_computing,
    )


def _alert(due: _Due) -> bool:
    at = now()
    noted = db.session.scalar(
        update(MonthlyUse)
        .where(
            MonthlyUse.user_id == due.user_id,
            MonthlyUse.month == months.month_of(at),
            MonthlyUse.alerted_percent == due.told_percent,
        )
        .values(alerted_percent=due.percent)
        .returning(MonthlyUse.user_id)
    )
    if noted is None or due.percent < due.told_percent:
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
