"""When a user is told that a key is about to expire: 7 days before, and 1."""

from datetime import datetime, timedelta

AHEAD = (timedelta(days=7), timedelta(days=1))


def first_notice(begins_at: datetime, expires_at: datetime | None) -> datetime | None:
    """Return when the first notice is due for a life from *begins_at* on.

    None when it is as short as what the last notice comes ahead, or has no end.
    """
    if expires_at is None:
        return None
    return next(
        (expires_at - ahead for ahead in AHEAD if expires_at - begins_at > ahead), None
    )


def notice_after(sent_at: datetime, expires_at: datetime) -> datetime | None:
    """Return when the next notice is due: one sent late takes the place of others."""
    return next(
        (expires_at - ahead for ahead in AHEAD if expires_at - ahead > sent_at), None
    )
