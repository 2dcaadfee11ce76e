"""API keys: credentials for the API."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.tables import User
from portal.db import Base, now
from portal.keys.restrictions import MAX_ORIGIN_CHARS, Restrictions


class Scope(StrEnum):
    """What a key may do."""

    PREDICT = "predict"
    USAGE_READ = "usage:read"
    MODELS_WRITE = "models:write"


class Use(NamedTuple):
    """When, from where and by what a secret was used last."""

    at: datetime | None
    address: str | None
    agent: str | None


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
        rotated_at: When the secret was last replaced; None: never.
        previous_prefix, previous_hash: Of the secret that was replaced.
        previous_ends_at: Until then it works, too.
        previous_used_at, previous_used_address, previous_used_agent: Its last use,
            as above.
        notice_at: When the user is told next that the key is about to expire.
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
    rotated_at: Mapped[datetime | None]
    previous_prefix: Mapped[str | None] = mapped_column(
        String(8), index=True, unique=True
    )
    previous_hash: Mapped[str | None] = mapped_column(
        String(64), index=True, unique=True
    )
    previous_ends_at: Mapped[datetime | None]
    previous_used_at: Mapped[datetime | None]
    previous_used_address: Mapped[str | None] = mapped_column(String(64))
    previous_used_agent: Mapped[str | None] = mapped_column(String(300))
    notice_at: Mapped[datetime | None] = mapped_column(index=True)
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
    def previous_works(self) -> bool:
        """Whether the secret before the last rotation still opens the API."""
        return (
            self.is_active
            and self.previous_ends_at is not None
            and self.previous_ends_at > now()
        )

    @property
    def previous_rests(self) -> bool:
        """Whether that secret was not used since the rotation, to the minute."""
        if self.previous_used_at is None or self.rotated_at is None:
            return True
        return self.previous_used_at < self.rotated_at.replace(second=0, microsecond=0)

    def opens_with(self, secret_hash: str) -> bool:
        """Whether the secret with this SHA-256, one of the key's, opens the API."""
        if secret_hash == self.secret_hash:
            return self.is_active
        return secret_hash == self.previous_hash and self.previous_works

    @property
    def current_use(self) -> Use:
        """The last use of the secret that the key has now."""
        return Use(self.last_used_at, self.last_used_address, self.last_used_agent)

    @property
    def previous_use(self) -> Use:
        """The last use of the secret before the last rotation."""
        return Use(
            self.previous_used_at, self.previous_used_address, self.previous_used_agent
        )

    @property
    def last_use(self) -> Use:
        """The last use of the key, with whichever secret."""
        uses = (self.current_use, self.previous_use)
        return max(uses, key=lambda use: use.at.timestamp() if use.at else 0)

    @property
    def status(self) -> str:
        """One word: active, expired or revoked."""
        if self.is_revoked:
            return "revoked"
        return "expired" if self.is_expired else "active"


class KeyOrigin(Base):
    """An origin that a key names which was not revoked, to be found by the origin."""

    __tablename__ = "key_origins"
    is_cached = True

    origin: Mapped[str] = mapped_column(String(MAX_ORIGIN_CHARS), primary_key=True)
    key_id: Mapped[int] = mapped_column(
        ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True, index=True
    )
