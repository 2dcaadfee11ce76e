"""API keys: credentials for the API."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.tables import User
from portal.db import Base, now
from portal.keys.restrictions import Restrictions


class Scope(StrEnum):
    """What a key may do."""

    PREDICT = "predict"
    USAGE_READ = "usage:read"
    MODELS_WRITE = "models:write"


class ApiKey(Base):
    """A credential for the API; its secret is shown once and kept as a hash.

    Attributes:
        prefix: The first 8 characters after ``mp_``; unique, shown in lists.
        secret_hash: SHA-256 of the whole secret, hexadecimal.
        scopes: Values of `Scope`.
        models, addresses, origins: As in `Restrictions`; an empty list narrows nothing.
        expires_at: None: never.
        last_used_at: To the minute, so that few calls write; None: never.
        last_used_address, last_used_agent: Who made the first call of that minute.
        deleted_at: Set once the key is listed no more; its name is forgotten then.
            The row stays: past calls, and those still under way, are counted for it.
    """

    __tablename__ = "api_keys"
    is_cached = True

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(80))
    prefix: Mapped[str] = mapped_column(String(8), unique=True)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    models: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    addresses: Mapped[list[str]] = mapped_column(
        JSON, default=list, server_default="[]"
    )
    origins: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_address: Mapped[str | None] = mapped_column(String(64))
    last_used_agent: Mapped[str | None] = mapped_column(String(300))
    deleted_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined")

    @property
    def restrictions(self) -> Restrictions:
        """What the key is narrowed to."""
        return Restrictions(
            tuple(self.models), tuple(self.addresses), tuple(self.origins)
        )

    @property
    def is_revoked(self) -> bool:
        """Whether the key was withdrawn."""
        return self.revoked_at is not None

    @property
    def is_expired(self) -> bool:
        """Whether the key's life is over."""
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def is_active(self) -> bool:
        """Whether the key opens the API."""
        return not self.is_revoked and not self.is_expired

    @property
    def status(self) -> str:
        """One word: active, expired or revoked."""
        if self.is_revoked:
            return "revoked"
        return "expired" if self.is_expired else "active"
