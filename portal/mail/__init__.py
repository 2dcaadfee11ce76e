"""Mail: an outbox that is filled with the deed and emptied by the worker."""

from portal.mail.errors import MessageClaimed, MessageNotFound, MessageSent
from portal.mail.latest import latest_to
from portal.mail.masking import masked
from portal.mail.outbox import AddressNotSingle, queue
from portal.mail.retrying import retry, retry_refused
from portal.mail.searching import (
    MessageSearch,
    find,
    latest_tries,
    search,
    unsent_counts,
)
from portal.mail.tables import MessageState, OutgoingMessage

__all__ = [
    "AddressNotSingle",
    "MessageClaimed",
    "MessageNotFound",
    "MessageSearch",
    "MessageSent",
    "MessageState",
    "OutgoingMessage",
    "find",
    "latest_to",
    "latest_tries",
    "masked",
    "queue",
    "retry",
    "retry_refused",
    "search",
    "unsent_counts",
]
