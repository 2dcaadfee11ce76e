"""Writes the audit trail, in the transaction of the deed itself."""

from portal.audit.origin import current_origin
from portal.audit.tables import AuditEvent
from portal.db import db


def record(
    action: str, *, subject: str, actor_id: int | None = None, **details: object
) -> None:
    """Record that *actor_id* did *action* to *subject*."""
    origin = current_origin()
    db.session.add(
        AuditEvent(
            action=action,
            actor_id=actor_id,
            subject=subject,
            request_id=origin.request_id,
            address=origin.address[:64],
            user_agent=origin.user_agent[:300],
            details=details,
        )
    )
