"""What the room of the mail shows and does.

A message may hold a link that opens an account: it sets a password. An owner who
could read it here would take an account over without a trace. So where a server
sends the mail, or has sent it, links are shown without their secret: whoever needs
help is mailed another link, which is audited. Where no server is set the portal
can't mail anything and has logged the text anyway; there the owner sees all of it,
to hand the link on, and every look is audited (``mail.read``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from portal import accounts, audit, extensions, mail
from portal.accounts import User
from portal.accounts.errors import AddressUnusable, UserNotFound
from portal.accounts.links import LIFETIMES_S, Purpose
from portal.db import now
from portal.mail import MessageSearch, MessageState, OutgoingMessage
from portal.web.pagination import Page

# English phrases that the templates translate, by kind of message.
KINDS = {
    "already-registered": "Known address",
    "key-expires": "Key about to expire",
    "key-leaked": "Key seen in public",
    "password-changed": "Password changed",
    "quota-nearly-used": "Month nearly used",
    "quota-used-up": "Month used up",
    "reset-password": "Forgotten password",
    "verify-address": "Address to verify",
}
# How long the link in a message lives; others hold a link without end, or none.
LINK_LIVES = {
    "reset-password": timedelta(seconds=LIFETIMES_S[Purpose.RESET_PASSWORD]),
    "verify-address": timedelta(seconds=LIFETIMES_S[Purpose.VERIFY_ADDRESS]),
}
LATEST_TRIES = 3  # so many failures in a row are more than one bad address


@dataclass(frozen=True)
class Outbox:
    """Everything the list of the messages shows.

    Attributes:
        counts: How many are queued and refused, by state.
        has_server: Whether an SMTP server is set.
        failure: What the server said when the latest tries failed, all of them;
            empty when one succeeded.
    """

    page: Page[OutgoingMessage]
    counts: Mapping[str, int]
    has_server: bool
    failure: str


@dataclass(frozen=True)
class Reading:
    """Everything the page of one message shows.

    Attributes:
        text: What it says, as far as the reader may know.
        is_masked: Whether its links are cut.
        user: Whose address it goes to, if there is one.
        has_server: Whether an SMTP server is set.
        link_has_expired: Whether its link opens nothing any more.
    """

    message: OutgoingMessage
    text: str
    is_masked: bool
    user: User | None
    has_server: bool
    link_has_expired: bool

    @property
    def may_be_retried(self) -> bool:
        """Whether asking for another try would change anything."""
        if self.message.is_claimed:
            return False
        if self.message.state == MessageState.QUEUED:
            return self.has_server
        return self.message.state == MessageState.REFUSED


def outbox(wanted: MessageSearch, *, before: int | None) -> Outbox:
    """Return a page of the messages that are *wanted*, and how sending goes."""
    return Outbox(
        page=mail.search(wanted, before=before),
        counts=mail.unsent_counts(),
        has_server=_has_server(),
        failure=_failure(mail.latest_tries(LATEST_TRIES)),
    )


def read(message: OutgoingMessage, *, actor_id: int) -> Reading:
    """Return what *actor_id* may read of *message*; the whole of it is audited."""
    is_masked = _has_server() or message.state == MessageState.SENT
    if not is_masked:
        audit.record("mail.read", subject=_subject(message.id), actor_id=actor_id)
    life = LINK_LIVES.get(message.kind)
    return Reading(
        message=message,
        text=mail.masked(message.text) if is_masked else message.text,
        is_masked=is_masked,
        user=_user_with(message.to_address),
        has_server=_has_server(),
        link_has_expired=life is not None and now() - message.created_at > life,
    )


def retry(message: OutgoingMessage, *, actor_id: int) -> None:
    """Let *message* be sent again.

    Raises:
        MessageSent: A server has it.
        MessageClaimed: A worker is sending it at this moment.
    """
    mail.retry(message)
    _record_retries([message.id], actor_id)


def retry_refused(*, actor_id: int | None = None) -> int:
    """Let what was refused in the last two days be sent again; return how many."""
    message_ids = mail.retry_refused()
    _record_retries(message_ids, actor_id)
    return len(message_ids)


def _has_server() -> bool:
    return bool(extensions.config().smtp_servers)


def _failure(tries: Sequence[OutgoingMessage]) -> str:
    if not tries or any(message.state == MessageState.SENT for message in tries):
        return ""
    return tries[0].reply


def _user_with(address: str) -> User | None:
    try:
        return accounts.find_by_email(address)
    except (AddressUnusable, UserNotFound):
        return None


def _record_retries(message_ids: Sequence[int], actor_id: int | None) -> None:
    for message_id in message_ids:
        audit.record("mail.retried", subject=_subject(message_id), actor_id=actor_id)


def _subject(message_id: int) -> str:
    return f"message:{message_id}"
