"""Who did what to what, kept forever."""

from portal.audit.origin import Origin, set_origin
from portal.audit.service import record
from portal.audit.tables import AuditEvent

__all__ = ["AuditEvent", "Origin", "record", "set_origin"]
