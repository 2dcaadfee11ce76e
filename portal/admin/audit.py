"""What the room of the audit trail shows: events, and the names of who caused them.

A page takes the same few statements however many events it shows.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from portal import accounts, audit
from portal.accounts.errors import AddressUnusable, UserNotFound
from portal.admin.actions import ACTIONS, meant_by
from portal.audit import AuditEvent, EventSearch
from portal.db import db
from portal.web.pagination import LARGEST_ID, Page
from portal.web.spreadsheets import csv_lines

NOBODY = 0  # an id that no user has
LONGEST_CELL = 10_000  # characters of an event's details
SHOWN_CHARS = 120  # more of them wait behind a line one opens
CSV_ROWS = 20_000
CSV_BATCH = 1000
CSV_COLUMNS = (
    *("id", "at", "actor_id", "actor", "action", "subject", "details"),
    *("address", "user_agent", "request_id"),
)


@dataclass(frozen=True)
class Asked:
    """What the address of the list asks for, as typed.

    Attributes:
        action: A name such as ``key.revoked``, or a kind such as ``key.``.
        person: An id or an address.
        first, last: Days in UTC, both included.
    """

    action: str = ""
    person: str = ""
    subject: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def address(self) -> dict[str, str]:
        """The parts of the address that every page of the list has."""
        parts = {
            "action": self.action,
            "person": self.person,
            "subject": self.subject,
            "from": self.first.isoformat() if self.first else "",
            "to": self.last.isoformat() if self.last else "",
        }
        return {name: value for name, value in parts.items() if value}


@dataclass(frozen=True)
class Line:
    """One event as the list shows it.

    Attributes:
        words: What happened; empty for an action of another release.
        who: The address of who did it; empty where there is no such user.
        user_id, model_name, message_id: What it was done to, where that has a page
            here; else None.
        details: What else is known, as one line.
    """

    event: AuditEvent
    words: str
    who: str
    user_id: int | None
    model_name: str | None
    message_id: int | None
    details: str

    @property
    def is_long(self) -> bool:
        """Whether the details take more room than a line has."""
        return len(self.details) > SHOWN_CHARS

    @property
    def start(self) -> str:
        """The part of long details that is always shown."""
        return self.details[:SHOWN_CHARS].rstrip()


def page(asked: Asked, *, before: int | None) -> Page[Line]:
    """Return a page of the events that are *asked* for, the latest first."""
    found = audit.search(_wanted(asked), before=before)
    emails = _emails_around(found.rows)
    lines = [_line(event, emails) for event in found.rows]
    return Page(lines, found.before, found.older)


def csv_of(asked: Asked) -> Iterator[str]:
    """Yield the latest CSV_ROWS of the events that are *asked* for, as CSV.

    No transaction stays open while the reader takes its time.
    """
    wanted, before = _wanted(asked), None
    yield csv_lines([CSV_COLUMNS])
    for _batch in range(CSV_ROWS // CSV_BATCH):
        found = audit.search(wanted, before=before, size=CSV_BATCH)
        emails = _emails_around(found.rows)
        text = csv_lines(_cells(event, emails) for event in found.rows)
        before = found.older
        db.session.rollback()
        yield text
        if before is None:
            break


def _wanted(asked: Asked) -> EventSearch:
    actor_id = _person_id(asked.person) if asked.person else None
    return EventSearch(
        actions=meant_by(asked.action),
        actor_id=actor_id,
        about=f"user:{actor_id}",
        subject=asked.subject,
        first=asked.first,
        last=asked.last,
    )


def _person_id(person: str) -> int:
    if person.isdecimal() and person.isascii():
        return int(person) if len(person) < len(str(LARGEST_ID)) else NOBODY
    try:
        return accounts.find_by_email(person).id
    except (AddressUnusable, UserNotFound):
        return NOBODY


def _emails_around(events: Sequence[AuditEvent]) -> Mapping[int, str]:
    """Return the addresses of all users that *events* name, by id."""
    actors = {event.actor_id for event in events if event.actor_id is not None}
    subjects = {_number(event.subject, "user") for event in events}
    return accounts.emails_of(actors | {n for n in subjects if n is not None})


def _line(event: AuditEvent, emails: Mapping[int, str]) -> Line:
    user_id = _number(event.subject, "user")
    thing, _, name = event.subject.partition(":")
    return Line(
        event=event,
        words=ACTIONS.get(event.action, ""),
        who=emails.get(event.actor_id, "") if event.actor_id is not None else "",
        user_id=user_id if user_id in emails else None,
        model_name=name if thing == "model" and name else None,
        message_id=_number(event.subject, "message"),
        details=_details(event.details),
    )


def _number(subject: str, thing: str) -> int | None:
    """Return the 7 of ``user:7`` if *subject* is such a *thing*, else None."""
    found, _, number = subject.partition(":")
    is_number = number.isdecimal() and number.isascii()
    if found != thing or not is_number or len(number) > len(str(LARGEST_ID)):
        return None
    return int(number) if int(number) <= LARGEST_ID else None


def _details(details: Any) -> str:  # noqa: ANN401 - whatever JSON was kept
    if not isinstance(details, dict):
        return _as_json(details)
    values = (
        (name, value if isinstance(value, str) else _as_json(value))
        for name, value in details.items()
    )
    return _sendable("; ".join(f"{name}: {value}" for name, value in values))


def _as_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON was kept
    return _sendable(json.dumps(value, ensure_ascii=False))


def _sendable(text: str) -> str:
    """Return *text* without halves of characters, which JSON may hold."""
    return text[:LONGEST_CELL].encode(errors="replace").decode()


def _cells(event: AuditEvent, emails: Mapping[int, str]) -> Iterable[object]:
    known = emails.get(event.actor_id, "") if event.actor_id is not None else ""
    return (
        *(event.id, event.at.isoformat(), event.actor_id, known),
        *(event.action, event.subject),
        _as_json(event.details),
        *(event.address, event.user_agent, event.request_id),
    )
