"""Empties the outbox: each message is claimed, sent and its fate written down.

A claim is a conditional UPDATE that ends by itself, so any number of workers may
run, and what a killed worker held is sent by another. A message may then arrive
twice, with the same Message-ID, but is never lost.
"""

import random
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import current_app
from flask_mail import BadHeaderError
from sqlalchemy import or_, select, update

from portal.config import Config, SmtpServer
from portal.db import db, now
from portal.mail.connection import PlainOrHtml, send_through
from portal.mail.retrying import GIVE_UP_AFTER
from portal.mail.tables import MessageState, OutgoingMessage

BATCH = 20
# Longer than ten answers of a server that each take the whole time limit.
CLAIM = timedelta(seconds=120)
FIRST_PAUSE_S = 30
LONGEST_PAUSE_S = 2 * 3600
PERMANENT = 500  # and above, RFC 5321, section 4.2.1
REPLY_CHARS = 500
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Claimed:
    """A message that this process alone may send until *claimed_until*."""

    id: int
    kind: str
    to_address: str
    subject: str
    text: str
    html: str
    message_id: str
    attempts: int
    created_at: datetime
    retried_at: datetime | None
    claimed_until: datetime


@dataclass(frozen=True)
class Outcome:
    """What a server, or the last of several, said to a message."""

    state: MessageState
    reply: str


def deliver_due(is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Send the messages that are due; return how many were tried.

    Without SMTP servers messages stay queued, and each is logged once.

    Args:
        is_stopping: Asked before each message; the rest is left when true.
    """
    config: Config = current_app.extensions["portal"].config
    if not config.smtp_servers:
        _log_kept()
        return 0
    tried = 0
    for message_id in _due_ids():
        if is_stopping():
            break
        claimed = _claim(message_id, CLAIM * len(config.smtp_servers))
        if claimed is not None:
            _write_down(claimed, _try(claimed, config))
            tried += 1
    return tried


def _due_ids() -> list[int]:
    due = select(OutgoingMessage.id).where(*_is_due(now()))
    ids = list(db.session.scalars(due.order_by(OutgoingMessage.id).limit(BATCH)))
    db.session.rollback()
    return ids


def _is_due(at: datetime) -> tuple[Any, ...]:
    return (
        OutgoingMessage.state == MessageState.QUEUED,
        OutgoingMessage.next_try_at <= at,
        or_(
            OutgoingMessage.claimed_until.is_(None),
            OutgoingMessage.claimed_until <= at,
        ),
    )


def _claim(message_id: int, duration: timedelta) -> Claimed | None:
    """Claim a message; return None when another worker was first."""
    at = now()
    claimed_id = db.session.scalar(
        update(OutgoingMessage)
        .where(OutgoingMessage.id == message_id, *_is_due(at))
        .values(claimed_until=at + duration)
        .returning(OutgoingMessage.id)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if claimed_id is None:
        return None
    row = db.session.get_one(OutgoingMessage, message_id)
    message = Claimed(
        id=row.id,
        kind=row.kind,
        to_address=row.to_address,
        subject=row.subject,
        text=row.text,
        html=row.html,
        message_id=row.message_id,
        attempts=row.attempts,
        created_at=row.created_at,
        retried_at=row.retried_at,
        claimed_until=at + duration,
    )
    # No transaction stays open while a server takes its time.
    db.session.rollback()
    return message


def _try(claimed: Claimed, config: Config) -> Outcome:
    if now() - (claimed.retried_at or claimed.created_at) > GIVE_UP_AFTER:
        return Outcome(MessageState.REFUSED, "Too old to be sent: older than 2 days.")
    outcome = Outcome(MessageState.QUEUED, "")
    for server in config.smtp_servers:
        outcome = _hand_over(claimed, server, config.mail_from)
        if outcome.state != MessageState.QUEUED:
            break
    return outcome


def _hand_over(claimed: Claimed, server: SmtpServer, sender: str) -> Outcome:
    """Hand the message to *server* and say what became of it."""
    message = PlainOrHtml(
        subject=claimed.subject,
        recipients=[claimed.to_address],
        body=claimed.text,
        html=claimed.html or None,
        sender=sender,
        date=claimed.created_at.timestamp(),
        extra_headers={"Auto-Submitted": "auto-generated"},
    )
    message.msgId = claimed.message_id
    try:
        send_through(server, message)
    except smtplib.SMTPRecipientsRefused as refused:
        return _answered(*next(iter(refused.recipients.values())))
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as refused:
        return _answered(refused.smtp_code, refused.smtp_error)
    except (BadHeaderError, UnicodeError) as unusable:
        return Outcome(MessageState.REFUSED, f"Can't be sent: {unusable!r}")
    except (smtplib.SMTPException, OSError) as failure:
        # A wrong password or a lost connection says nothing about the message.
        why = f"{server.host}: {type(failure).__name__}: {failure}"
        return Outcome(MessageState.QUEUED, why)
    return Outcome(MessageState.SENT, f"{server.host} took it.")


def _answered(code: int, reply: bytes | str) -> Outcome:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    is_permanent = code >= PERMANENT
    state = MessageState.REFUSED if is_permanent else MessageState.QUEUED
    return Outcome(state, f"{code} {text}")


def _write_down(claimed: Claimed, outcome: Outcome) -> None:
    at = now()
    pause = timedelta(seconds=_pause_s(claimed.attempts))
    is_sent = outcome.state == MessageState.SENT
    db.session.execute(
        update(OutgoingMessage)
        .where(
            OutgoingMessage.id == claimed.id,
            OutgoingMessage.claimed_until == claimed.claimed_until,
        )
        .values(
            state=outcome.state,
            attempts=claimed.attempts + 1,
            reply=outcome.reply.replace("\x00", "")[:REPLY_CHARS],
            claimed_until=None,
            tried_at=at,
            next_try_at=at + pause,
            sent_at=at if is_sent else None,
        )
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    write = log.info if is_sent else log.warning
    write(
        f"mail.{outcome.state if outcome.state != MessageState.QUEUED else 'put_off'}",
        id=claimed.id,
        kind=claimed.kind,
        attempts=claimed.attempts + 1,
        reply=outcome.reply,
    )


def _pause_s(attempts: int) -> float:
    """Return the pause after *attempts* earlier tries, in seconds, with jitter."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S << min(attempts, 16))
    return longest * random.uniform(0.75, 1)  # noqa: S311 - spreads, hides nothing


def _log_kept() -> None:
    """Log each message that can't be sent once, so that its link can be used."""
    unlogged = select(OutgoingMessage).where(
        OutgoingMessage.state == MessageState.QUEUED,
        OutgoingMessage.logged_at.is_(None),
    )
    for message in db.session.scalars(unlogged.limit(BATCH)).all():
        logged_id = db.session.scalar(
            update(OutgoingMessage)
            .where(
                OutgoingMessage.id == message.id, OutgoingMessage.logged_at.is_(None)
            )
            .values(logged_at=now())
            .returning(OutgoingMessage.id)
            .execution_options(synchronize_session=False)
        )
        to, subject, text = message.to_address, message.subject, message.text
        db.session.commit()
        if logged_id is not None:
            log.warning("mail.kept", to=to, subject=subject, text=text)
    db.session.rollback()
