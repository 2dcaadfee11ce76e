"""People who can log in, and the browsers they are logged in with."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, and_, false, or_
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from portal.db import Base, now
from portal.plans import DEFAULT, Plan


class Role(StrEnum):
    """What a user may do beyond using models."""

    USER = "user"
    PUBLISHER = "publisher"
    OWNER = "owner"


class User(Base):
    """A person who can log in.

    Attributes:
        email: The address in canonical form; unique.
        password_hash: argon2id; None until a password is set.
        link_nonce: In every link mailed to this user; a new one ends them all.
        signup_nonce_hash: SHA-256 of what the browser that chose the password
            keeps, hexadecimal; None once the address is verified.
        is_first_owner: True for the owner made by the setup link, else None, so
            that the unique constraint lets there be one.
        last_login_at: When the password was last typed in right.
        plan_id: None: the default plan.
        plan: What they may use; read with the user, so that a call asks once.
    """

    __tablename__ = "users"
    is_cached = True

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20), default=Role.USER)
    link_nonce: Mapped[str] = mapped_column(String(43))
    signup_nonce_hash: Mapped[str | None] = mapped_column(String(64))
    is_first_owner: Mapped[bool | None] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    verified_at: Mapped[datetime | None]
    suspended_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    plan_id: Mapped[int | None] = mapped_column(ForeignKey("plans.id"), index=True)

    plan: Mapped[Plan] = relationship(
        primaryjoin=lambda: or_(
            foreign(User.plan_id) == Plan.id,
            and_(foreign(User.plan_id).is_(None), Plan.name == DEFAULT),
        ),
        lazy="joined",
        viewonly=True,
    )

    # What Flask-Login asks of a user.
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """Return the id as text (logins are found by their own token)."""
        return str(self.id)

    @property
    def is_verified(self) -> bool:
        """Whether the address is known to be this person's."""
        return self.verified_at is not None

    @property
    def is_suspended(self) -> bool:
        """Whether an owner has shut this person out."""
        return self.suspended_at is not None

    @property
    def is_owner(self) -> bool:
        """Whether this person runs the portal."""
        return self.role == Role.OWNER


class LoginSession(Base):
    """One browser that is logged in; its cookie holds the token.

    Attributes:
        token_hash: SHA-256 of the token, hexadecimal.
        last_seen_at: To the minute.
        idle_ends_at: Ends by then unless the browser is seen again.
        ends_at: Ends by then in any case.
        is_remembered: Whether it outlives the browser's own session; ends later.
        device: The user agent as sent.
    """

    __tablename__ = "login_sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_seen_at: Mapped[datetime] = mapped_column(default=now)
    idle_ends_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    is_remembered: Mapped[bool] = mapped_column(default=False, server_default=false())
    device: Mapped[str] = mapped_column(String(300), default="")
    address: Mapped[str] = mapped_column(String(64), default="")

    user: Mapped[User] = relationship(lazy="joined")
