"""What the back office shows of people, gathered from the slices.

Each list takes as many statements for a full page as for one row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal import accounts, audit, keys, mail, usage
from portal.accounts import User, UserSearch
from portal.audit import AuditEvent
from portal.keys import ApiKey
from portal.mail import OutgoingMessage
from portal.usage import Quota
from portal.web.pagination import Page

LATEST = 20  # events and messages on the page of one person


@dataclass(frozen=True)
class Row:
    """One person in the list.

    Attributes:
        active_keys: How many of their keys open the API now.
        predictions: What they have used of the running month.
    """

    user: User
    active_keys: int
    predictions: int


@dataclass(frozen=True)
class Person:
    """Everything the page of one person shows.

    Attributes:
        browsers: How many are logged in.
        events: The latest that they or their keys were the subject of, or that
            they caused.
        names: The addresses of those who caused them, by id.
        messages: The latest to their address.
    """

    user: User
    keys: Sequence[ApiKey]
    browsers: int
    quota: Quota
    events: Sequence[AuditEvent]
    names: Mapping[int, str]
    messages: Sequence[OutgoingMessage]


def page(wanted: UserSearch, *, before: int | None) -> Page[Row]:
    """Return a page of the people that are *wanted*, the newest first."""
    found = accounts.search(wanted, before=before)
    user_ids = [user.id for user in found.rows]
    active_keys = keys.active_counts(user_ids)
    predictions = usage.used_this_month(user_ids)
    rows = [
        Row(user, active_keys.get(user.id, 0), predictions.get(user.id, 0))
        for user in found.rows
    ]
    return Page(rows, found.before, found.older)


def person(user: User) -> Person:
    """Return what there is to know about *user*."""
    api_keys = keys.list_of(user)
    subjects = [f"user:{user.id}", *(f"key:{api_key.id}" for api_key in api_keys)]
    events = audit.latest(subjects, actor_id=user.id, limit=LATEST)
    actors = (event.actor_id for event in events if event.actor_id is not None)
    return Person(
        user=user,
        keys=api_keys,
        browsers=accounts.count_login_sessions(user),
        quota=usage.quota(user.id, user.plan),
        events=events,
        names=accounts.emails_of(actors),
        messages=mail.latest_to(user.email, limit=LATEST),
    )
