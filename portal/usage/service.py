"""The monthly quota of a user: a unit is taken before the work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from portal.db import db, now
from portal.extensions import parts
from portal.limits import Lease, Leases
from portal.plans import Plan
from portal.usage import months
from portal.usage.draining import drain
from portal.usage.errors import ComputeExhausted, QuotaExhausted
from portal.usage.months import UserMonth
from portal.usage.tables import MonthlyUse

LEASE_S = 1.0
Unit = Lease[UserMonth]


@dataclass(frozen=True)
class Quota:
    """A user's predictions of the running month.

    Attributes:
        limit: Answered predictions (2xx) that the plan allows.
        compute_limit_s: Seconds of computing that the plan allows.
        compute_used_s: Of these.
        resets_at: The first instant of the next month, UTC.
    """

    limit: int
    used: int
    compute_limit_s: int
    compute_used_s: float
    resets_at: datetime

    @property
    def left(self) -> int:
        """How many predictions are left."""
        return max(0, self.limit - self.used)

    @property
    def compute_left_s(self) -> float:
        """How many seconds of computing are left."""
        return max(0.0, round(self.compute_limit_s - self.compute_used_s, 3))


def take_unit(user_id: int, plan: Plan) -> Unit:
    """Take a unit of the quota of *user_id* for a call that is about to run.

    It is used once it stands in a record (`record` with ``unit_of``); a call that
    needs none after all puts it back. Commits.

    Compute seconds are asked about here, too, so that a call whose unit is held asks
    nothing: a unit is held for a second, and a record is in the sums half a second
    after its answer, so what runs in that time may pass the limit.

    Raises:
        QuotaExhausted, ComputeExhausted: None is left this month.
    """
    at = now()
    whose = UserMonth(user_id, months.month_of(at))
    leases: Leases[UserMonth] = parts().month_leases
    # What was had under another plan is used no more.
    terms = (whose, plan.monthly_predictions, plan.monthly_compute_s)
    unit = leases.take(terms)
    if unit is not None:
        return unit
    spool = parts().spool
    spool.open()
    connection = db.session.connection()
    spent = months.spent(connection, whose)
    is_computed = spent.compute_ms >= plan.monthly_compute_s * 1000
    units = 0
    if not is_computed:
        units = months.reserve(
            connection, spool.holder, whose, plan.monthly_predictions, spent.units
        )
    db.session.commit()
    left_s = months.seconds_left(at)
    if is_computed:
        raise ComputeExhausted(plan.monthly_compute_s, retry_after_s=left_s)
    if not units:
        raise QuotaExhausted(plan.monthly_predictions, retry_after_s=left_s)
    return leases.lend(terms, units, seconds=LEASE_S, note=whose)


def put_back_unit(unit: Unit) -> None:
    """Take *unit* as not used."""
    parts().month_leases.put_back(unit)


def give_back_units(*, is_last: bool = False) -> bool:
    """Return what was reserved and not used; commits.

    Args:
        is_last: Return everything.

    Returns:
        Whether there is more.
    """
    leases, holder = parts().month_leases, parts().spool.holder
    over = leases.sweep(is_last=is_last)
    try:
        while over:
            unit = over[-1]
            with db.engine.begin() as connection:
                months.give_back(connection, holder, unit.note, unit.units)
            over.pop()
    finally:
        # Without a database they are held on, to be returned another time.
        for lease in over:
            leases.keep(lease)
    return bool(leases)


def quota(user_id: int, plan: Plan) -> Quota:
    """Return what *user_id* has used of the running month."""
    drain()
    at = now()
    found = db.session.execute(
        select(MonthlyUse.used, MonthlyUse.compute_ms).where(
            MonthlyUse.user_id == user_id, MonthlyUse.month == months.month_of(at)
        )
    ).first()
    used, compute_ms = found or (0, 0.0)
    return Quota(
        limit=plan.monthly_predictions,
        used=used,
        compute_limit_s=plan.monthly_compute_s,
        compute_used_s=round(compute_ms / 1000, 3),
        resets_at=months.next_month(at),
    )


def used_this_month(user_ids: Iterable[int]) -> Mapping[int, int]:
    """Return how many predictions each of these users has used, if any."""
    drain()
    rows = db.session.execute(
        select(MonthlyUse.user_id, MonthlyUse.used).where(
            MonthlyUse.user_id.in_(set(user_ids)),
            MonthlyUse.month == months.month_of(now()),
        )
    )
    return {row.user_id: row.used for row in rows}
