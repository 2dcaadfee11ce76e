"""The latest events around somebody."""

from collections.abc import Iterable, Sequence

from sqlalchemy import or_, select

from portal.audit.tables import AuditEvent
from portal.db import db


def latest(
    subjects: Iterable[str], *, actor_id: int, limit: int
) -> Sequence[AuditEvent]:
    """Return events of any of the *subjects* or by *actor_id*, the latest first."""
    query = select(AuditEvent).where(
        or_(AuditEvent.subject.in_(set(subjects)), AuditEvent.actor_id == actor_id)
    )
    return db.session.scalars(query.order_by(AuditEvent.id.desc()).limit(limit)).all()
