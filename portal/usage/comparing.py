"""Where two sets of sums differ: minutes against hours, and hours against days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Table,
    cast,
    func,
    or_,
    select,
    union_all,
)

from portal.db import now
from portal.usage.histogram import BUCKETS
from portal.usage.tables import GROUP, SUMS, usage_days, usage_hours, usage_minutes

TOLERANCE_MS = 1.0  # of sums that were added up in another order
TIMES = ("compute_ms", "latency_ms")
COUNTS = tuple(name for name in SUMS if name not in TIMES)
OTHERS = tuple(name for name in GROUP if name != "starts_at")


@dataclass(frozen=True)
class _Pair:
    """The same calls, summed by a finer and by a coarser span."""

    finer: Table
    coarser: Table
    span: str


PAIRS = (
    _Pair(usage_minutes, usage_hours, "hour"),
    _Pair(usage_hours, usage_days, "day"),
)


def wrong_sums(connection: Connection, kept_days: int) -> Iterator[str]:
    """Yield a sentence for each sum that disagrees with itself or with finer ones.

    Args:
        connection: Sees one snapshot.
        kept_days: For how many days minutes and hours are kept.
    """
    oldest = _midnight(now() - timedelta(days=kept_days - 1))
    for table in (usage_minutes, usage_hours, usage_days):
        yield from _not_whole(connection, table, oldest)
    for pair in PAIRS:
        yield from _differing(connection, pair, oldest)


def _not_whole(connection: Connection, table: Table, oldest: datetime) -> Iterator[str]:
    columns = table.c
    latencies = reduce(add, (columns[bucket] for bucket in BUCKETS))
    is_wrong = or_(columns.calls != latencies, columns.calls < 1)
    rows = connection.execute(
        select(
            *(columns[name] for name in GROUP), columns.calls, latencies.label("sum")
        )
        .where(columns.starts_at >= oldest, is_wrong)
        .order_by(*(columns[name] for name in GROUP))
    )
    for row in rows:
        yield (
            f"{table.name} has {row.calls} calls, but {row.sum} latencies, of "
            f"{_words(row)}."
        )


def _differing(connection: Connection, pair: _Pair, oldest: datetime) -> Iterator[str]:
    oldest = max(oldest, _wholly_kept(connection, pair.finer, oldest))
    finer, coarser = pair.finer.c, pair.coarser.c
    both = union_all(
        select(
            _start(connection, finer.starts_at, pair.span).label("starts_at"),
            *(finer[name] for name in OTHERS),
            *(finer[name] for name in SUMS),
        ).where(finer.starts_at >= oldest),
        select(
            _start(connection, coarser.starts_at, pair.span),
            *(coarser[name] for name in OTHERS),
            *((-coarser[name]).label(name) for name in SUMS),
        ).where(coarser.starts_at >= oldest),
    ).subquery()
    groups = [both.c[name] for name in GROUP]
    sums = {name: func.sum(both.c[name]) for name in SUMS}
    rows = connection.execute(
        select(*groups, *(sums[name].label(name) for name in SUMS))
        .group_by(*groups)
        .having(
            or_(
                *(sums[name] != 0 for name in COUNTS),
                *(func.abs(sums[name]) > TOLERANCE_MS for name in TIMES),
            )
        )
        .order_by(*groups)
    )
    for row in rows:
        yield (
            f"{pair.finer.name} and {pair.coarser.name} differ by {int(row.calls)} "
            f"calls and {row.compute_ms:.1f} ms of computing, of {_words(row)}."
        )


def _wholly_kept(connection: Connection, table: Table, oldest: datetime) -> datetime:
    """Return the first midnight from which *table* is complete.

    Where less was kept before than is now, its first rows begin within a day.
    """
    first = connection.scalar(select(func.min(table.c.starts_at)))
    earlier = connection.scalar(
        select(func.min(usage_days.c.starts_at)).where(usage_days.c.starts_at >= oldest)
    )
    if first is None or earlier is None or _midnight(first) <= earlier:
        return oldest
    return _midnight(first) + timedelta(days=1)


def _start(
    connection: Connection, starts_at: ColumnElement[datetime], span: str
) -> ColumnElement[str]:
    """Return the start of the *span* around *starts_at* as text, in UTC."""
    chars = {"hour": 13, "day": 10}[span]
    if connection.dialect.name == "postgresql":
        return func.substr(func.to_char(starts_at, "YYYY-MM-DD HH24"), 1, chars)
    return func.substr(cast(starts_at, String), 1, chars)


def _words(row: Any) -> str:  # noqa: ANN401 - a row with the columns of a group
    return (
        f"user {row.user_id}, key {row.api_key_id}, model {row.model_id}, version "
        f"{row.version}, {row.surface}, status {row.status}, at {row.starts_at}"
    )


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time(), tzinfo=UTC)
