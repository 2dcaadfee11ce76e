"""Calls of days gone by, for tests that need more of them than they can make."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from secrets import token_hex

from portal.accounts import User
from portal.db import db
from portal.usage import Surface, UsageRecord


def add_calls(user: User, day: date, statuses: Mapping[int, int]) -> None:
    """Add as many calls of *user* on *day* as *statuses* says for each status."""
    db.session.add_all(
        UsageRecord(
            request_id=f"req_{token_hex(12)}",
            user_id=user.id,
            surface=Surface.PLAYGROUND,
            status=status,
            latency_ms=30.0,
            compute_ms=20.0,
            created_at=datetime.combine(day, time(), tzinfo=UTC),
        )
        for status, count in statuses.items()
        for _ in range(count)
    )
    db.session.commit()
