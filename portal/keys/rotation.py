"""A new secret for a key: both work for a while, then the new one alone.

The key stays the same: its id, name, scopes, restrictions and usage. Its prefix is
that of the new secret; the one before it can be found by its own prefix, too.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import update

from portal.db import db, exclusive, now
from portal.errors import Invalid
from portal.keys import secrets
from portal.keys.authenticating import check_owner
from portal.keys.errors import KeyOver, KeyRotated, PreviousSecretWorks
from portal.keys.lifetimes import check_lifetime, parse_duration
from portal.keys.notice_times import first_notice
from portal.keys.service import IssuedKey, draw_secret, record
from portal.keys.tables import ApiKey

NOW = "now"
DEFAULT_OVERLAP = timedelta(days=1)
# Longer, and nobody remembers that there are two.
LONGEST_OVERLAP = timedelta(days=30)


class Until(NamedTuple):
    """How long the two secrets of a rotation last.

    Attributes:
        overlap: How long the old one works beside the new one.
        expires_in: The life of the key from now on; None keeps its end.
    """

    overlap: timedelta = DEFAULT_OVERLAP
    expires_in: timedelta | None = None


DAY_OF_OVERLAP = Until()


def parse_overlap(text: str) -> timedelta:
    """Return the time that *text* stands for: ``now`` is none at all.

    Raises:
        Invalid: It is written otherwise, or is longer than 30 days.
    """
    if text.strip() == NOW:
        return timedelta(0)
    overlap = parse_duration(text)
    if overlap is None:
        raise Invalid(
            "An overlap is written like 1h or 7d, or now for none.", "/overlap"
        )
    if overlap > LONGEST_OVERLAP:
        raise Invalid("The old secret works for at most 30 days more.", "/overlap")
    return overlap


def rotate(
    api_key: ApiKey,
    *,
    prefix: str,
    until: Until = DAY_OF_OVERLAP,
    actor_id: int | None = None,
) -> IssuedKey:
    """Give *api_key* a new secret; the one listed by *prefix* works on for a while.

    Of two that rotate the same secret at once, one gets a new one.

    Raises:
        UserSuspended, UserUnverified: The user may have no keys.
        Invalid: The key can't live that long.
        KeyOver: It is revoked or expired.
        KeyRotated: Another rotation has replaced the secret meanwhile.
        PreviousSecretWorks: The last rotation is not over.
    """
    check_owner(api_key.user)
    if until.expires_in is not None:
        check_lifetime(until.expires_in, max_days=api_key.user.plan.max_key_days)
    exclusive(f"key:{api_key.id}")
    db.session.refresh(api_key, with_for_update={"of": ApiKey})
    if not api_key.is_active:
        raise KeyOver
    if api_key.prefix != prefix:
        raise KeyRotated(api_key.prefix)
    if api_key.previous_works:
        raise PreviousSecretWorks
    secret = draw_secret()
    _replace(api_key, secret, until)
    record(
        "key.rotated",
        api_key,
        actor_id,
        previous_prefix=api_key.previous_prefix,
        overlap_s=int(until.overlap.total_seconds()),
    )
    db.session.flush()
    return IssuedKey(api_key, secret)


def end_previous(api_key: ApiKey, *, actor_id: int | None = None) -> None:
    """End the secret before the last rotation; doing it again changes nothing."""
    at = now()
    ended = db.session.scalar(
        update(ApiKey)
        .where(ApiKey.id == api_key.id, ApiKey.previous_ends_at > at)
        .values(previous_ends_at=at)
        .returning(ApiKey.previous_prefix)
    )
    if ended is not None:
        record("key.secret_ended", api_key, actor_id, previous_prefix=ended)


def _replace(api_key: ApiKey, secret: str, until: Until) -> None:
    at = now()
    api_key.previous_prefix, api_key.prefix = api_key.prefix, secrets.prefix_of(secret)
    api_key.previous_hash = api_key.secret_hash
    api_key.secret_hash = secrets.hash_of(secret)
    api_key.previous_ends_at = _earlier(at + until.overlap, api_key.expires_at)
    api_key.previous_used_at = api_key.last_used_at
    api_key.previous_used_address = api_key.last_used_address
    api_key.previous_used_agent = api_key.last_used_agent
    api_key.last_used_at = None
    api_key.last_used_address = api_key.last_used_agent = None
    api_key.rotated_at = at
    if until.expires_in is not None:
        api_key.expires_at = at + until.expires_in
        api_key.notice_at = first_notice(at, api_key.expires_at)


def _earlier(one: datetime, other: datetime | None) -> datetime:
    return one if other is None else min(one, other)
