"""The list of users: searched, filtered, in pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, select

from portal.accounts.addresses import MAX_CHARS
from portal.accounts.tables import Role, User
from portal.db import db
from portal.plans import Plan
from portal.web.pagination import Page, page_of


class UserStatus(StrEnum):
    """Whether a user gets in, and whether the address is known to be theirs."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class UserSearch:
    """Which users are wanted; what is left out excludes nobody.

    Attributes:
        text: A part of the address, as typed.
    """

    text: str = ""
    role: Role | None = None
    status: UserStatus | None = None
    plan: Plan | None = None


def search(wanted: UserSearch, *, before: int | None = None) -> Page[User]:
    """Return the users that are *wanted* and older than *before*, the newest first."""
    return page_of(_selected(wanted), User.id, before=before)


def emails_of(user_ids: Iterable[int]) -> Mapping[int, str]:
    """Return the addresses of those of these users that there are."""
    rows = db.session.execute(
        select(User.id, User.email).where(User.id.in_(set(user_ids)))
    )
    return {row.id: row.email for row in rows}


def _selected(wanted: UserSearch) -> Select[User]:
    query = select(User)
    text = _comparable(wanted.text)
    if text:
        query = query.where(User.email.contains(text, autoescape=True))
    if wanted.role is not None:
        query = query.where(User.role == wanted.role)
    if wanted.plan is not None:
        query = query.where(User.plan.has(Plan.id == wanted.plan.id))
    if wanted.status is not None:
        query = query.where(*_has(wanted.status))
    return query


def _comparable(text: str) -> str:
    """Return *text* as addresses are kept; none holds what can't be printed."""
    printable = "".join(char for char in text if char.isprintable())
    return printable.strip().lower()[: MAX_CHARS + 1]


def _has(status: UserStatus) -> tuple[ColumnElement[bool], ...]:
    if status == UserStatus.SUSPENDED:
        return (User.suspended_at.is_not(None),)
    is_verified = status == UserStatus.VERIFIED
    verified = (
        User.verified_at.is_not(None) if is_verified else User.verified_at.is_(None)
    )
    return (User.suspended_at.is_(None), verified)
