"""Who a secret belongs to, and when it was used."""

from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm.attributes import set_committed_value

from portal.accounts import User
from portal.accounts.errors import UserSuspended
from portal.db import cached, db, now
from portal.keys import secrets
from portal.keys.errors import KeyRefused, UserUnverified
from portal.keys.tables import ApiKey

log = structlog.get_logger(__name__)


def authenticate(secret: str) -> ApiKey:
    """Return the active key that *secret* belongs to, as it was within a second.

    For a while after a rotation the secret before it does, too.

    Raises:
        KeyRefused: There is none; mistyped secrets are not even looked up.
        UserSuspended, UserUnverified: Its user may not use it.
    """
    if not secrets.has_valid_form(secret):
        raise KeyRefused
    wanted = secrets.hash_of(secret)
    api_key = cached(
        ("key", wanted),
        lambda session: session.scalar(
            select(ApiKey).where(
                or_(ApiKey.secret_hash == wanted, ApiKey.previous_hash == wanted)
            )
        ),
    )
    if api_key is None or not api_key.opens_with(wanted):
        raise KeyRefused
    check_owner(api_key.user)
    return api_key


def is_previous(api_key: ApiKey, secret: str) -> bool:
    """Whether *secret* is the one that the last rotation of *api_key* replaced."""
    return api_key.previous_hash == secrets.hash_of(secret)


def mark_used(api_key: ApiKey, secret: str, *, address: str, user_agent: str) -> None:
    """Note who used this *secret* of *api_key* last, to the minute; never fail.

    Ends the session's transaction and writes in one of its own, on the connection
    that this gave back: a call holds no second one, and a failure takes nothing
    with it. Of many calls in a minute one writes, and none waits for another.
    """
    minute = _minute(now())
    name = "previous_used" if is_previous(api_key, secret) else "last_used"
    used_at = getattr(api_key, f"{name}_at")
    if used_at is not None and used_at >= minute:
        return
    column = getattr(ApiKey, f"{name}_at")
    # A cached row may not know yet that the secret was replaced.
    hash_column = ApiKey.secret_hash if name == "last_used" else ApiKey.previous_hash
    is_due = or_(column.is_(None), column < minute)
    due = (
        select(ApiKey.id)
        .where(
            ApiKey.id == api_key.id,
            hash_column == secrets.hash_of(secret),
            ApiKey.deleted_at.is_(None),
            is_due,
        )
        .with_for_update(skip_locked=True, key_share=True)
    )
    try:
        db.session.commit()
        with db.engine.begin() as connection:
            connection.execute(
                update(ApiKey)
                .where(ApiKey.id.in_(due.scalar_subquery()))
                .values(
                    {
                        f"{name}_at": minute,
                        f"{name}_address": _printable(address)[:64],
                        f"{name}_agent": _printable(user_agent)[:300],
                    }
                )
            )
        # A row that is cached would be marked at every call until it is read anew.
        set_committed_value(api_key, f"{name}_at", minute)
    except SQLAlchemyError as failure:
        log.warning("key.not_marked", key=api_key.prefix, error=type(failure).__name__)


def is_active() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a key which opens the API meets now."""
    return (
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now()),
    )


def check_owner(user: User) -> None:
    """Refuse who may have no keys.

    Raises:
        UserSuspended, UserUnverified: They may not.
    """
    if user.is_suspended:
        raise UserSuspended
    if not user.is_verified:
        raise UserUnverified


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _printable(text: str) -> str:
    """Return *text* without what no terminal, page or database should be sent."""
    return "".join(char for char in text if char.isprintable())
