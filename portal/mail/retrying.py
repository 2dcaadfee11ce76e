"""Sends again what was refused, or what waits for its next try."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from portal.db import db, now
from portal.mail.errors import MessageClaimed, MessageSent
from portal.mail.tables import MessageState, OutgoingMessage

GIVE_UP_AFTER = timedelta(days=2)


def retry(message: OutgoingMessage) -> None:
    """Let *message* be sent as soon as a worker comes by, and for two days more.

    Its tries stay counted. A copy that a server took meanwhile has the same
    Message-ID.

    Raises:
        MessageSent: A server has it.
        MessageClaimed: A worker is sending it at this moment.
    """
    at = now()
    retried_id = db.session.scalar(
        update(OutgoingMessage)
        .where(
            OutgoingMessage.id == message.id,
            OutgoingMessage.state != MessageState.SENT,
            _is_free(at),
        )
        .values(_due(at))
        .returning(OutgoingMessage.id)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(message)
    if retried_id is None:
        raise MessageSent if message.state == MessageState.SENT else MessageClaimed


def retry_refused() -> Sequence[int]:
    """Let every message of the last two days that was refused be sent again.

    Returns:
        Their ids.
    """
    at = now()
    refused = select(OutgoingMessage.id).where(
        OutgoingMessage.state == MessageState.REFUSED,
        OutgoingMessage.created_at > at - GIVE_UP_AFTER,
    )
    return db.session.scalars(
        update(OutgoingMessage)
        .where(OutgoingMessage.id.in_(refused), _is_free(at))
        .values(_due(at))
        .returning(OutgoingMessage.id)
        .execution_options(synchronize_session=False)
    ).all()


def _is_free(at: datetime) -> Any:  # noqa: ANN401 - a condition of any kind
    return or_(
        OutgoingMessage.claimed_until.is_(None), OutgoingMessage.claimed_until <= at
    )


def _due(at: datetime) -> dict[str, Any]:
    return {
        "state": MessageState.QUEUED,
        "next_try_at": at,
        "retried_at": at,
        "claimed_until": None,
    }
