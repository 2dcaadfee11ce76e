"""The outbox: every message, from its cause to the server's answer."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, now


class MessageState(StrEnum):
    """What became of a message."""

    QUEUED = "queued"
    SENT = "sent"
    REFUSED = "refused"  # for good: the server said 5xx, or time ran out


class OutgoingMessage(Base):
    """One e-mail, kept in the same transaction as its cause.

    Attributes:
        kind: Which message: ``verify-address`` …
        html: The same as a page; empty where there is only the text.
        message_id: The Message-ID header, the same on every try.
        next_try_at: Not before then.
        claimed_until: A worker is at it until then.
        tried_at: When a server was last asked to take it.
        retried_at: When somebody asked to send it again: it gets as long as a new
            one.
        reply: The server's last answer, or why it could not be asked.
        logged_at: When its text was logged, as no SMTP server is set.
    """

    __tablename__ = "outgoing_messages"
    __table_args__ = (
        Index("ix_outgoing_messages_due", "state", "next_try_at"),
        Index("ix_outgoing_messages_state_id", "state", "id"),
        Index("ix_outgoing_messages_to_address_id", "to_address", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    to_address: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text, default="", server_default="")
    message_id: Mapped[str] = mapped_column(String(120), unique=True)
    state: Mapped[str] = mapped_column(String(20), default=MessageState.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(default=now)
    claimed_until: Mapped[datetime | None]
    tried_at: Mapped[datetime | None] = mapped_column(index=True)
    retried_at: Mapped[datetime | None]
    reply: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
    logged_at: Mapped[datetime | None]

    @property
    def is_claimed(self) -> bool:
        """Whether a worker is sending it at this moment."""
        return self.claimed_until is not None and self.claimed_until > now()
