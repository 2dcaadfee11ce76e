"""Who did what to what, kept forever."""

from portal.audit.latest import latest
from portal.audit.origin import Origin, set_origin
from portal.audit.searching import EventSearch, search
from portal.audit.service import record
from portal.audit.tables import AuditEvent

__all__ = [
    "AuditEvent",
    "EventSearch",
    "Origin",
    "latest",
    "record",
    "search",
    "set_origin",
]
