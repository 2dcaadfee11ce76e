"""Puts messages into the outbox, in the transaction of what they tell of."""

import re
import secrets
from email.utils import parseaddr

from portal.db import db
from portal.errors import Invalid
from portal.mail.tables import OutgoingMessage

BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
SUBJECT_CHARS = 200


class AddressNotSingle(Invalid):
    """Not one mailbox, or a header that would become two."""


def queue(
    kind: str, to: str, subject: str, text: str, html: str = ""
) -> OutgoingMessage:
    """Put a message for the one mailbox *to* into the outbox.

    Args:
        kind: Which message.
        to: The address.
        subject: One line.
        text: The message.
        html: The same as a page, if it has one.

    Raises:
        AddressNotSingle: *to* is not one plain mailbox, or *to* or *subject*
            hold a line end or another control character.
    """
    if BREAKS.search(to) or BREAKS.search(subject):
        message = "A mail's address and subject can't hold line ends."
        raise AddressNotSingle(message, pointer="/email")
    if to.count("@") != 1 or set(to) & set(',;<> "()') or parseaddr(to)[1] != to:
        message = "A mail goes to exactly one address."
        raise AddressNotSingle(message, pointer="/email")
    outgoing = OutgoingMessage(
        kind=kind,
        to_address=to,
        subject=subject[:SUBJECT_CHARS],
        text=text,
        html=html,
        message_id=f"<{secrets.token_hex(16)}@model-portal>",
    )
    db.session.add(outgoing)
    return outgoing
