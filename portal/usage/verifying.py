"""Whether all that is counted agrees, as it is at one moment.

All rows are read in one snapshot, so the portal may go on meanwhile. Minutes and hours
are compared as far back as all of them are kept.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from itertools import islice

from sqlalchemy import Connection, Table, case, func, select, text

from portal.accounts import User
from portal.db import db, now
from portal.extensions import config, parts, quarantine_dir
from portal.usage.comparing import wrong_sums
from portal.usage.months import month_of
from portal.usage.tables import (
    MonthlyUse,
    QuotaLease,
    SpoolOffset,
    Surface,
    usage_days,
    usage_hours,
)

MOST_OF_A_KIND = 20  # sentences; more of the same kind tell nothing new
STATEMENT_TIMEOUT = "60s"  # of one that reads all minutes there are
OK, REDIRECT = 200, 300  # what uses the quota is between
HOURS_OF_A_MONTH_DAYS = 31


def verify() -> Sequence[str]:
    """Return a sentence for each difference; none if all counts agree."""
    before = _spool_sizes()
    with _snapshot() as connection:
        checks = (
            _wrong_offsets(connection, before),
            _leases_of_nobody(connection, before),
            _wrong_reserved(connection),
            wrong_sums(connection, config().usage_retention_days),
            _wrong_uses(connection),
            _set_apart(),
        )
        return [sentence for check in checks for sentence in _some(check)]


@contextmanager
def _snapshot() -> Iterator[Connection]:
    """Yield a connection that sees all as it is now; nothing is changed through it."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
            timeout = text("SELECT set_config('statement_timeout', :timeout, true)")
            connection.execute(timeout, {"timeout": STATEMENT_TIMEOUT})
        else:
            connection.execute(text("BEGIN"))
        yield connection
        connection.rollback()


def _some(sentences: Iterator[str]) -> Iterator[str]:
    yield from islice(sentences, MOST_OF_A_KIND)
    more = sum(1 for _ in sentences)
    if more:
        yield f"There are {more} more differences of this kind."


def _spool_sizes() -> Mapping[str, int]:
    """Return the size of each spool's file by its name, in bytes."""
    sizes = {}
    for path in parts().spool.folder.glob("*.records"):
        try:
            sizes[path.name] = path.stat().st_size
        except FileNotFoundError:
            continue  # drained and deleted meanwhile
    return sizes


def _wrong_offsets(connection: Connection, before: Collection[str]) -> Iterator[str]:
    rows = connection.execute(select(SpoolOffset.file, SpoolOffset.offset)).all()
    sizes = _spool_sizes()
    for file, offset in sorted(rows):
        # One that is gone was drained to its end before.
        if file in before and file in sizes and offset > sizes[file]:
            yield (
                f"The spool {file} has {sizes[file]} bytes, but {offset} of them are "
                "noted as counted."
            )


def _leases_of_nobody(connection: Connection, before: Collection[str]) -> Iterator[str]:
    leases = connection.execute(
        select(
            QuotaLease.holder, QuotaLease.user_id, QuotaLease.month, QuotaLease.units
        ).where(QuotaLease.units != 0)
    ).all()
    # A process makes its file before it holds anything, and gives everything back
    # before it deletes it: so it has one just before this snapshot, or just after.
    holders = {file.partition(".")[0] for file in (*before, *_spool_sizes())}
    for holder, user_id, month, units in sorted(leases):
        if holder not in holders:
            yield (
                f"Process {holder} holds {units} units of {month} of user {user_id}, "
                "but has no spool."
            )


def _wrong_reserved(connection: Connection) -> Iterator[str]:
    held = (
        select(
            QuotaLease.user_id,
            QuotaLease.month,
            func.sum(QuotaLease.units).label("units"),
        )
        .group_by(QuotaLease.user_id, QuotaLease.month)
        .subquery()
    )
    is_held = (held.c.user_id == MonthlyUse.user_id) & (
        held.c.month == MonthlyUse.month
    )
    units = func.coalesce(held.c.units, 0)
    rows = connection.execute(
        select(
            MonthlyUse.user_id,
            MonthlyUse.month,
            MonthlyUse.used,
            MonthlyUse.reserved,
            units.label("held"),
        )
        .outerjoin(held, is_held)
        .where(
            (MonthlyUse.reserved != units)
            | (MonthlyUse.reserved < 0)
            | (MonthlyUse.used < 0)
        )
        .order_by(MonthlyUse.month, MonthlyUse.user_id)
    )
    for row in rows:
        yield (
            f"Of {row.month} of user {row.user_id}, {row.used} units are used and "
            f"{row.reserved} reserved, and processes hold {int(row.held)}."
        )


def _wrong_uses(connection: Connection) -> Iterator[str]:
    """Compare the running month of each user with its days.

    A call belongs to the month that it began in, and to the day that it was answered
    on. Runs on a model's page use nothing before an address is verified.
    """
    begins = datetime.combine(now().date().replace(day=1), time(), tzinfo=UTC)
    days = _answered(connection, usage_days, begins, now() + timedelta(days=1))
    edge = _edge(connection, begins)
    months = connection.execute(
        select(User.id, User.verified_at, MonthlyUse.used, MonthlyUse.compute_ms)
        .outerjoin(
            MonthlyUse,
            (MonthlyUse.user_id == User.id) & (MonthlyUse.month == month_of(begins)),
        )
        .order_by(User.id)
    )
    for user_id, verified_at, used, compute_ms in months:
        answered, by_key, computed_ms = days.get(user_id, (0, 0, 0.0))
        at_edge, edge_ms = edge.get(user_id, (0, 0.0))
        is_verified = verified_at is not None and verified_at <= begins
        least = (answered if is_verified else by_key) - at_edge
        if not least <= (used or 0) <= answered:
            yield (
                f"User {user_id} has used {used or 0} predictions of "
                f"{month_of(begins)}, but its days have {answered} that were answered."
            )
        if not -1 <= computed_ms - (compute_ms or 0) <= edge_ms + 1:
            yield (
                f"User {user_id} has computed {compute_ms or 0:.1f} ms in "
                f"{month_of(begins)}, but by its days {computed_ms:.1f} ms."
            )


def _answered(
    connection: Connection, table: Table, begins: datetime, ends: datetime
) -> Mapping[int, tuple[int, int, float]]:
    """Return the predictions of each user, those with a key, and computing time."""
    sums = table.c
    is_answer = (sums.status >= OK) & (sums.status < REDIRECT)
    by_key = is_answer & (sums.surface != Surface.PLAYGROUND)
    rows = connection.execute(
        select(
            sums.user_id,
            func.sum(case((is_answer, sums.calls), else_=0)),
            func.sum(case((by_key, sums.calls), else_=0)),
            func.sum(sums.compute_ms),
        )
        .where(sums.starts_at >= begins, sums.starts_at < ends)
        .group_by(sums.user_id)
    )
    return {user: (int(all_), int(keyed), ms) for user, all_, keyed, ms in rows}


def _edge(connection: Connection, begins: datetime) -> Mapping[int, tuple[int, float]]:
    """Return what may have begun in the month before: no call takes an hour."""
    is_kept = config().usage_retention_days > HOURS_OF_A_MONTH_DAYS
    table, hours = (usage_hours, 1) if is_kept else (usage_days, 24)
    found = _answered(connection, table, begins, begins + timedelta(hours=hours))
    return {user: (answered, ms) for user, (answered, _, ms) in found.items()}


def _set_apart() -> Iterator[str]:
    folder = quarantine_dir(parts().config)
    for path in sorted(folder.glob("*")):
        yield f"{path} holds records that can't be read, and were not counted."
