"""Login sessions: rows that say which browsers are logged in.

The browser's cookie holds a random token; the row holds its SHA-256. A session
ends 12 hours after the browser was last seen and 7 days after the login; one that
is remembered after 30 and 90 days.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from portal.accounts.tables import LoginSession, User
from portal.db import db, now


@dataclass(frozen=True)
class Lifetime:
    """How long a session lasts: after the browser was last seen, and in all."""

    idle: timedelta
    absolute: timedelta


UNTIL_CLOSED = Lifetime(idle=timedelta(hours=12), absolute=timedelta(days=7))
REMEMBERED = Lifetime(idle=timedelta(days=30), absolute=timedelta(days=90))


def start_login_session(
    user: User, *, device: str, address: str, is_remembered: bool = False
) -> str:
    """Log a browser in as *user* and return the token for its cookie."""
    token = _new_token()
    at = now()
    lifetime = _lifetime(is_remembered=is_remembered)
    db.session.add(
        LoginSession(
            user_id=user.id,
            token_hash=hash_of(token),
            created_at=at,
            last_seen_at=_minute(at),
            idle_ends_at=at + lifetime.idle,
            ends_at=at + lifetime.absolute,
            is_remembered=is_remembered,
            device=device[:300],
            address=address[:64],
        )
    )
    db.session.flush()
    return token


def load_login_session(token: str) -> LoginSession | None:
    """Return the running session with this token, and its user, detached.

    Detached, so that a lost database or a rolled back transaction leaves the
    page of the error something to show.
    """
    at = now()
    found = db.session.scalar(
        select(LoginSession)
        .join(LoginSession.user)
        .where(
            LoginSession.token_hash == hash_of(token),
            LoginSession.idle_ends_at > at,
            LoginSession.ends_at > at,
            User.suspended_at.is_(None),
        )
    )
    if found is not None:
        db.session.expunge(found.user)
        db.session.expunge(found)
    return found


def is_seen_anew(login_session: LoginSession) -> bool:
    """Whether the browser was last seen in an earlier minute than this."""
    return login_session.last_seen_at < _minute(now())


def mark_seen(login_session: LoginSession) -> None:
    """Put the idle end off, unless another request of this minute did it."""
    at = now()
    idle = _lifetime(is_remembered=login_session.is_remembered).idle
    db.session.execute(
        update(LoginSession)
        .where(
            LoginSession.id == login_session.id,
            LoginSession.last_seen_at < _minute(at),
        )
        .values(last_seen_at=_minute(at), idle_ends_at=at + idle)
        .execution_options(synchronize_session=False)
    )


def cookie_lasts_s(login_session: LoginSession) -> int | None:
    """Return how long the cookie of a browser that is seen now lasts, in seconds.

    None when it goes with the browser's own session, as it isn't remembered.
    """
    if not login_session.is_remembered:
        return None
    left = min(REMEMBERED.idle, login_session.ends_at - now())
    return int(left.total_seconds())


def renew_login_session(login_session: LoginSession) -> str:
    """Give the session a new token, which is returned; the old one is void."""
    token = _new_token()
    db.session.execute(
        update(LoginSession)
        .where(LoginSession.id == login_session.id)
        .values(token_hash=hash_of(token))
        .execution_options(synchronize_session=False)
    )
    return token


def end_login_session(token: str) -> None:
    """End the session with this token, if there is one."""
    db.session.execute(
        delete(LoginSession).where(LoginSession.token_hash == hash_of(token))
    )


def end_login_sessions(user: User, except_token: str | None = None) -> int:
    """End every session of *user* but the one with *except_token*; count them."""
    ending = delete(LoginSession).where(LoginSession.user_id == user.id)
    if except_token is not None:
        ending = ending.where(LoginSession.token_hash != hash_of(except_token))
    return len(db.session.scalars(ending.returning(LoginSession.id)).all())


def count_login_sessions(user: User) -> int:
    """Return how many browsers are logged in as *user*."""
    at = now()
    running = select(func.count()).where(
        LoginSession.user_id == user.id,
        LoginSession.idle_ends_at > at,
        LoginSession.ends_at > at,
    )
    return db.session.scalar(running) or 0


def hash_of(token: str) -> str:
    """Return the SHA-256 of *token*, hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _lifetime(*, is_remembered: bool) -> Lifetime:
    return REMEMBERED if is_remembered else UNTIL_CLOSED


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)
