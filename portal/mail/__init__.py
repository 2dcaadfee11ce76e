"""Mail: an outbox that is filled with the deed and emptied by the worker."""

from portal.mail.outbox import AddressNotSingle, queue
from portal.mail.tables import MessageState, OutgoingMessage

__all__ = ["AddressNotSingle", "MessageState", "OutgoingMessage", "queue"]
