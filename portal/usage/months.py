"""The quota of a calendar month: reserved before the work, used with its record.

A process reserves some units at a time in the database and answers with them;
`QuotaLease` says who holds how many, so that what a dead process held comes back.
A unit that was reserved becomes a used one in the transaction that brings its record
into the sums. So the limit is exact whatever fails, and nothing of it is in Redis.

Whoever writes here locks the lease first, then the month, both by user.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    and_,
    bindparam,
    case,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from portal.accounts import User
from portal.db import now
from portal.usage.recording import Record
from portal.usage.tables import NOBODY, MonthlyUse, QuotaLease

# Longer than any process holds units without taking or returning some.
FORGOTTEN_AFTER = timedelta(hours=1)


class UserMonth(NamedTuple):
    """Whose quota, and of which month, such as ``2026-11``."""

    user_id: int
    month: str


class Spent(NamedTuple):
    """What is taken of a month.

    Attributes:
        units: Used or reserved.
        compute_ms: Of the answers that are in the sums.
    """

    units: int
    compute_ms: float


@dataclass
class _Charge:
    units: int = 0
    compute_ms: float = 0.0


def month_of(at: datetime) -> str:
    """Return the name of the month of *at*."""
    return f"{at:%Y-%m}"


def next_month(at: datetime) -> datetime:
    """Return the first instant of the month after that of *at*."""
    year, month = (at.year, at.month + 1) if at.month < 12 else (at.year + 1, 1)  # noqa: PLR2004 - December
    return datetime(year, month, 1, tzinfo=UTC)


def seconds_left(at: datetime) -> int:
    """Return how long the month of *at* lasts yet, in whole seconds."""
    return math.ceil((next_month(at) - at).total_seconds())


def spent(connection: Connection, whose: UserMonth) -> Spent:
    """Return what is taken of the month."""
    taken = select(MonthlyUse.used + MonthlyUse.reserved, MonthlyUse.compute_ms).where(
        _is_of(whose)
    )
    return Spent(*(connection.execute(taken).first() or (0, 0.0)))


def reserve(
    connection: Connection, holder: str, whose: UserMonth, limit: int, taken: int
) -> int:
    """Reserve units for *holder*; return how many, 0 when none of *limit* is left.

    Args:
        connection: Within a transaction.
        holder: The process.
        whose: The month.
        limit: All units of the month.
        taken: Those that were taken a moment ago; what others take since is known.
    """
    left = limit - taken
    for units in dict.fromkeys((lease_units(left), 1)):
        if left >= units and _reserve(connection, holder, whose, units, limit):
            return units
    return 0


def lease_units(left: int) -> int:
    """Return how many of the units *left* are taken at once.

    Few enough that what one process holds is never missed by another.
    """
    return max(1, min(64, left // 50))


def give_back(
    connection: Connection, holder: str, whose: UserMonth, units: int
) -> None:
    """Return *units* that *holder* reserved and has not used."""
    if _shrink_lease(connection, holder, whose, units):
        _shrink_reserved(connection, whose, units)


def release(connection: Connection, holder: str) -> None:
    """Return all that *holder* reserved and has not used."""
    _release(connection, QuotaLease.holder == holder)


def release_forgotten(connection: Connection) -> None:
    """Return what processes hold that can't be alive, whose spools are lost."""
    _release(connection, QuotaLease.taken_at < now() - FORGOTTEN_AFTER)


def charge(connection: Connection, holder: str, records: Iterable[Record]) -> None:
    """Turn the units that *records* used from reserved into used ones."""
    charges = _charges(records)
    known = _known_users(connection, {user_id for user_id, _ in charges})
    for whose, charged in sorted(charges.items(), key=itemgetter(0)):
        if whose.user_id not in known:
            continue
        held = charged.units > 0 and _shrink_lease(
            connection, holder, whose, charged.units
        )
        connection.execute(
            _statements(connection.dialect.name)["charge"],
            {
                **whose._asdict(),
                "used": charged.units,
                "reserved": 0,
                "compute_ms": charged.compute_ms,
                "freed": charged.units if held else 0,
            },
        )


def _known_users(connection: Connection, user_ids: Collection[int]) -> Collection[int]:
    """Return those of *user_ids* that are there still: a user may go any time."""
    found = connection.scalars(select(User.id).where(User.id.in_(user_ids)))
    return frozenset(found)


def _charges(records: Iterable[Record]) -> Mapping[UserMonth, _Charge]:
    charges: dict[UserMonth, _Charge] = defaultdict(_Charge)
    for record in records:
        if record.user_id == NOBODY:
            continue
        answered = datetime.fromtimestamp(record.at, UTC)
        month = record.unit_of or month_of(answered)
        charged = charges[UserMonth(record.user_id, month)]
        charged.units += bool(record.unit_of)
        charged.compute_ms += record.compute_ms
    return charges


def _is_of(whose: UserMonth) -> ColumnElement[bool]:
    is_user = MonthlyUse.user_id == whose.user_id
    return and_(is_user, MonthlyUse.month == whose.month)


def _reserve(
    connection: Connection, holder: str, whose: UserMonth, units: int, most: int
) -> bool:
    statements, values = _statements(connection.dialect.name), whose._asdict()
    connection.execute(
        statements["lease"],
        values | {"holder": holder, "units": units, "taken_at": now()},
    )
    reserved = connection.scalar(
        statements["reserve"],
        values | {"used": 0, "reserved": units, "compute_ms": 0.0, "most": most},
    )
    if reserved is None:
        _shrink_lease(connection, holder, whose, units)
    return reserved is not None


def _shrink_lease(
    connection: Connection, holder: str, whose: UserMonth, units: int
) -> bool:
    shrunk = connection.execute(
        update(QuotaLease)
        .where(
            QuotaLease.holder == holder,
            QuotaLease.user_id == whose.user_id,
            QuotaLease.month == whose.month,
            QuotaLease.units >= units,
        )
        .values(units=QuotaLease.units - units)
    )
    return bool(shrunk.rowcount)


def _shrink_reserved(connection: Connection, whose: UserMonth, units: int) -> None:
    connection.execute(
        update(MonthlyUse).where(_is_of(whose)).values(reserved=_less(units))
    )


def _release(connection: Connection, which: ColumnElement[bool]) -> None:
    leases = connection.execute(
        delete(QuotaLease)
        .where(which)
        .returning(QuotaLease.user_id, QuotaLease.month, QuotaLease.units)
    ).all()
    for user_id, month, units in sorted(leases, key=itemgetter(0, 1)):
        _shrink_reserved(connection, UserMonth(user_id, month), units)


def _less(units: Any) -> Any:  # noqa: ANN401 - an expression
    left = MonthlyUse.reserved - units
    return case((left > 0, left), else_=0)


@cache
def _statements(dialect: str) -> dict[str, Executable]:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    lease, use = insert(QuotaLease), insert(MonthlyUse)
    month = ["user_id", "month"]
    return {
        "lease": lease.on_conflict_do_update(
            index_elements=["holder", *month],
            set_={
                "units": QuotaLease.units + lease.excluded.units,
                "taken_at": lease.excluded.taken_at,
            },
        ),
        "reserve": use.on_conflict_do_update(
            index_elements=month,
            set_={"reserved": MonthlyUse.reserved + use.excluded.reserved},
            where=(
                MonthlyUse.used + MonthlyUse.reserved + use.excluded.reserved
                <= bindparam("most")
            ),
        ).returning(MonthlyUse.reserved),
        "charge": use.on_conflict_do_update(
            index_elements=month,
            set_={
                "used": MonthlyUse.used + use.excluded.used,
                "reserved": _less(bindparam("freed")),
                "compute_ms": MonthlyUse.compute_ms + use.excluded.compute_ms,
            },
        ),
    }
