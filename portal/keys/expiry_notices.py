"""Tells users that a key is about to expire; what the worker calls."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from portal.accounts import User
from portal.db import db, now
from portal.extensions import config
from portal.keys.authenticating import is_active
from portal.keys.notice_times import notice_after
from portal.keys.tables import ApiKey
from portal.mail import messages

AT_ONCE = 100


def send_expiry_notices() -> None:
    """Queue the notices that are due, each once; commits after each.

    A notice and the note that it was sent are one transaction, and of two workers
    one finds the key as it read it: neither a crash nor company sends two.
    """
    while due := _due():
        for key_id, notice_at in due:
            _send(key_id, notice_at)
            db.session.commit()


def _due() -> list[tuple[int, datetime]]:
    rows = db.session.execute(
        select(ApiKey.id, ApiKey.notice_at)
        .join(ApiKey.user)
        .where(
            ApiKey.notice_at <= now(),
            ApiKey.expires_at.is_not(None),
            *is_active(),
            User.suspended_at.is_(None),
        )
        .order_by(ApiKey.notice_at)
        .limit(AT_ONCE)
    )
    return [(row.id, row.notice_at) for row in rows]


def _send(key_id: int, notice_at: datetime) -> None:
    at = now()
    api_key = db.session.get_one(ApiKey, key_id, populate_existing=True)
    if api_key.expires_at is None:
        return
    claimed = db.session.scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.notice_at == notice_at, *is_active())
        .values(notice_at=notice_after(at, api_key.expires_at))
        .returning(ApiKey.id)
    )
    if claimed is None:
        return
    used_at = api_key.last_use.at
    messages.key_expires(
        api_key.user.email,
        f"{config().base_url}/keys/{key_id}",
        name=api_key.name,
        prefix=api_key.prefix,
        days=-((at - api_key.expires_at) // timedelta(days=1)),
        time=_written(api_key.expires_at),
        last_used=_written(used_at) if used_at else "",
    )


def _written(instant: datetime) -> str:
    return f"{instant.day} {instant:%b %Y, %H:%M} UTC"
