"""The outbox, searched and in pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import defer

from portal.db import db
from portal.mail.errors import MessageNotFound
from portal.mail.tables import MessageState, OutgoingMessage
from portal.web.pagination import Page, page_of

LONGEST_ADDRESS = 320  # characters: what the table holds
WITHOUT_TEXT = (defer(OutgoingMessage.text), defer(OutgoingMessage.html))


@dataclass(frozen=True)
class MessageSearch:
    """Which messages are wanted; what is left out excludes none.

    Attributes:
        text: A part of the address, as typed.
    """

    text: str = ""
    state: MessageState | None = None


def search(
    wanted: MessageSearch, *, before: int | None = None
) -> Page[OutgoingMessage]:
    """Return messages that are *wanted* and older than *before*, the latest first."""
    query = _selected(wanted).options(*WITHOUT_TEXT)
    return page_of(query, OutgoingMessage.id, before=before)


def find(message_id: int) -> OutgoingMessage:
    """Return the message with this id.

    Raises:
        MessageNotFound: There is none.
    """
    message = db.session.get(OutgoingMessage, message_id)
    if message is None:
        raise MessageNotFound
    return message


def unsent_counts() -> Mapping[str, int]:
    """Return how many messages are queued and how many were refused, by state."""
    unsent = (MessageState.QUEUED, MessageState.REFUSED)
    rows = db.session.execute(
        select(OutgoingMessage.state, func.count().label("messages"))
        .where(OutgoingMessage.state.in_(unsent))
        .group_by(OutgoingMessage.state)
    )
    return {row.state: row.messages for row in rows}


def latest_tries(limit: int) -> Sequence[OutgoingMessage]:
    """Return the messages that were tried last, the latest first."""
    query = (
        select(OutgoingMessage)
        .where(OutgoingMessage.tried_at.is_not(None))
        .options(*WITHOUT_TEXT)
    )
    return db.session.scalars(
        query.order_by(OutgoingMessage.tried_at.desc()).limit(limit)
    ).all()


def _selected(wanted: MessageSearch) -> Select[OutgoingMessage]:
    query = select(OutgoingMessage)
    # No address holds what can't be printed, and PostgreSQL takes no NUL.
    text = "".join(char for char in wanted.text if char.isprintable()).strip()
    if text:
        part = text[: LONGEST_ADDRESS + 1]
        query = query.where(OutgoingMessage.to_address.icontains(part, autoescape=True))
    if wanted.state is not None:
        query = query.where(OutgoingMessage.state == wanted.state)
    return query
