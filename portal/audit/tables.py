"""The audit trail."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, now


class AuditEvent(Base):
    """Who did what to what. No foreign keys: an event outlives its subject.

    Attributes:
        action: A thing and a verb in the past tense, such as ``key.revoked``.
        actor_id: The user who did it; None for a visitor or the command line.
        subject: What it was done to, such as ``user:7``.
        details: What else is worth knowing; never a secret.
    """

    __tablename__ = "audit_events"
    # Each filter of the trail; the id is the order in which it is read.
    __table_args__ = (
        Index("ix_audit_events_action_id", "action", "id"),
        Index("ix_audit_events_actor_id_id", "actor_id", "id"),
        Index("ix_audit_events_subject_id", "subject", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    action: Mapped[str] = mapped_column(String(60))
    actor_id: Mapped[int | None]
    subject: Mapped[str] = mapped_column(String(100))
    request_id: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(300))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
