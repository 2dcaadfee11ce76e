"""Keeps what counting leaves behind from growing for ever."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, delete, func, select

from portal.db import db, now
from portal.extensions import config, parts
from portal.usage import months
from portal.usage.tables import SpoolOffset, usage_hours, usage_minutes

# Longer than a file that was deleted may come back, as after a loss of power.
SPOOL_MEMORY = timedelta(days=1)


def tidy() -> None:
    """Forget old minutes and hours, and spools that are gone; commits.

    Days are kept for good.
    """
    oldest = now() - timedelta(days=config().usage_retention_days)
    _forget_sums(usage_minutes, oldest, at_once=timedelta(hours=6))
    _forget_sums(usage_hours, oldest, at_once=timedelta(days=7))
    with db.engine.begin() as connection:
        months.release_forgotten(connection)
        _forget_spools(connection)


def _forget_sums(table: Table, before: datetime, *, at_once: timedelta) -> None:
    """Delete what began *before*, so much at once that no statement takes long."""
    starts_at = table.c.starts_at
    while True:
        with db.engine.begin() as connection:
            first = connection.scalar(select(func.min(starts_at)))
            if first is None or first >= before:
                return
            end = min(before, first + at_once)
            connection.execute(delete(table).where(starts_at < end))


def _forget_spools(connection: Connection) -> None:
    old = select(SpoolOffset.file).where(SpoolOffset.drained_at < now() - SPOOL_MEMORY)
    folder = parts().spool.folder
    gone = [
        file for file in connection.scalars(old) if not folder.joinpath(file).exists()
    ]
    connection.execute(delete(SpoolOffset).where(SpoolOffset.file.in_(gone)))
