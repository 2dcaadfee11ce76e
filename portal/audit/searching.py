"""The trail, searched and in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import ColumnElement, or_, select

from portal.audit.tables import AuditEvent
from portal.web.pagination import PAGE_SIZE, Page, page_of


@dataclass(frozen=True)
class EventSearch:
    """Which events are wanted; what is left out excludes none.

    Attributes:
        actions: Any of these.
        actor_id: Whose events: those by this user …
        about: … and those of which this was the subject.
        subject: What it was done to.
        first, last: Days in UTC, both included.
    """

    actions: Sequence[str] = ()
    actor_id: int | None = None
    about: str = ""
    subject: str = ""
    first: date | None = None
    last: date | None = None


def search(
    wanted: EventSearch, *, before: int | None = None, size: int = PAGE_SIZE
) -> Page[AuditEvent]:
    """Return *size* events that are *wanted* and older than *before*, latest first."""
    query = select(AuditEvent).where(*_conditions(wanted))
    return page_of(query, AuditEvent.id, before=before, size=size)


def _conditions(wanted: EventSearch) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.actions:
        conditions.append(AuditEvent.action.in_(wanted.actions))
    if wanted.actor_id is not None:
        is_theirs = AuditEvent.actor_id == wanted.actor_id
        conditions.append(or_(is_theirs, AuditEvent.subject == wanted.about))
    if wanted.subject:
        conditions.append(AuditEvent.subject == wanted.subject)
    if wanted.first is not None:
        start = datetime.combine(wanted.first, time.min, UTC)
        conditions.append(AuditEvent.at >= start)
    if wanted.last is not None:
        # Not "before the next day": there is none after the last that dates know.
        end = datetime.combine(wanted.last, time.max, UTC)
        conditions.append(AuditEvent.at <= end)
    return conditions
