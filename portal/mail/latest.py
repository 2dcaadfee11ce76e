"""The latest messages to an address."""

from collections.abc import Sequence

from sqlalchemy import select

from portal.db import db
from portal.mail.searching import WITHOUT_TEXT
from portal.mail.tables import OutgoingMessage


def latest_to(address: str, *, limit: int) -> Sequence[OutgoingMessage]:
    """Return messages to *address*, the latest first, without what they say."""
    query = (
        select(OutgoingMessage)
        .where(OutgoingMessage.to_address == address)
        .options(*WITHOUT_TEXT)
    )
    return db.session.scalars(
        query.order_by(OutgoingMessage.id.desc()).limit(limit)
    ).all()
