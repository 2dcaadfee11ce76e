"""Counted inferences."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, now


class Surface(StrEnum):
    """The way in that a call took."""

    API = "api"
    PLAYGROUND = "playground"


class UsageRecord(Base):
    """One counted inference.

    Attributes:
        request_id: Unique, so nothing is counted twice.
        user_id: None for a visitor in the playground.
        api_key_id: None in the playground.
        model_id: None when the caller asked for a model that isn't there.
        status: The HTTP status of the answer.
        latency_ms: From the first look at the call to its record.
        compute_ms: Spent in preprocess, inference and postprocess.
    """

    __tablename__ = "usage_records"
    __table_args__ = (
        Index("ix_usage_records_user_id_created_at", "user_id", "created_at"),
        Index("ix_usage_records_model_id_created_at", "model_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    request_id: Mapped[str] = mapped_column(String(40), unique=True)
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL")
    )
    api_key_id: Mapped[int | None] = mapped_column(
        ForeignKey("api_keys.id", ondelete="SET NULL")
    )
    model_id: Mapped[int | None] = mapped_column(
        ForeignKey("models.id", ondelete="SET NULL")
    )
    version: Mapped[int | None]
    surface: Mapped[str] = mapped_column(String(20))
    status: Mapped[int]
    latency_ms: Mapped[float]
    compute_ms: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(default=now)


class MonthlyUse(Base):
    """Answered predictions of a user in one calendar month, UTC.

    Attributes:
        month: Such as ``2026-11``.
    """

    __tablename__ = "monthly_use"
    is_cached = True

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    used: Mapped[int] = mapped_column(default=0)
