"""Sums of counted answers, the months of users, and how far the spools are drained."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UtcDateTime, now
from portal.usage.histogram import BUCKETS

NOBODY = 0  # in the sums: no user, no key, no model, no version


class Surface(StrEnum):
    """The way in that a call took."""

    API = "api"
    PLAYGROUND = "playground"


def _sums(name: str) -> Table:
    """Return a table of sums of answers that began within the same span of time.

    Columns: ``starts_at`` (of the span), then what the answers have in common (an id
    is `NOBODY` when there is none; these are no foreign keys, since the past stays
    when a row goes), then ``calls``, ``compute_ms`` and ``latency_ms`` of all, and
    how many took how long (``latency_0`` …; see `portal.usage.histogram`).
    """
    group: list[Column[Any]] = [
        Column("user_id", Integer, primary_key=True),
        Column("starts_at", UtcDateTime, primary_key=True, index=True),
        Column("api_key_id", Integer, primary_key=True),
        Column("model_id", Integer, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("surface", String(20), primary_key=True),
        Column("status", Integer, primary_key=True),
    ]
    sums: list[Column[Any]] = [
        Column("calls", BigInteger, nullable=False),
        Column("compute_ms", Double, nullable=False),
        Column("latency_ms", Double, nullable=False),
        *(Column(bucket, BigInteger, nullable=False) for bucket in BUCKETS),
    ]
    return Table(name, Base.metadata, *group, *sums)


usage_minutes = _sums("usage_minutes")
usage_hours = _sums("usage_hours")
usage_days = _sums("usage_days")
GROUP = tuple(column.name for column in usage_days.primary_key)
SUMS = tuple(c.name for c in usage_days.columns if not c.primary_key)


class MonthlyUse(Base):
    """What a user used of one calendar month, UTC.

    Attributes:
        month: Such as ``2026-11``.
        used: Answered predictions.
        reserved: Units that processes hold to answer with; none is used twice.
        compute_ms: Computing time.
        alerted_percent: How much of a quota of the plan the user was told is used:
            0, 80 or 100; less again once the plan gives more.
    """

    __tablename__ = "monthly_use"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    month: Mapped[str] = mapped_column(String(7), primary_key=True, index=True)
    used: Mapped[int] = mapped_column(default=0)
    reserved: Mapped[int] = mapped_column(default=0)
    compute_ms: Mapped[float] = mapped_column(default=0.0)
    alerted_percent: Mapped[int] = mapped_column(default=0, server_default="0")


class QuotaLease(Base):
    """Units of a user's month that one process holds: its part of ``reserved``.

    Attributes:
        holder: The process, by the name of its spool.
        taken_at: When it last took some.
    """

    __tablename__ = "quota_leases"

    holder: Mapped[str] = mapped_column(String(16), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    units: Mapped[int]
    taken_at: Mapped[datetime] = mapped_column(default=now)


class SpoolOffset(Base):
    """How far a file of a spool is in the sums.

    Attributes:
        file: Its name.
        offset: In bytes.
        drained_at: When that was.
    """

    __tablename__ = "spool_offsets"

    file: Mapped[str] = mapped_column(String(40), primary_key=True)
    offset: Mapped[int] = mapped_column(BigInteger)
    drained_at: Mapped[datetime] = mapped_column(default=now)
