"""Messages that are sent again."""

import threading
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from portal import mail
from portal.db import db, now
from portal.mail import MessageState, OutgoingMessage
from portal.mail.delivery import deliver_due
from tests.conftest import make_config
from tests.servers import SmtpSink

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def sink():
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def config(config, sink):
    return make_config(config.data_dir, PORTAL_SMTP_URLS=sink.url)


def queue_one(**fields) -> OutgoingMessage:
    message = mail.queue("test", "ada@example.org", "Hello", "Text")
    for name, value in fields.items():
        setattr(message, name, value)
    db.session.commit()
    return message


def stored(message: OutgoingMessage) -> OutgoingMessage:
    db.session.expire_all()
    return mail.find(message.id)


def test_a_message_of_last_week_is_sent_with_its_own_id(sink):
    message = queue_one(
        state="refused", attempts=3, created_at=now() - timedelta(days=7)
    )

    mail.retry(message)
    db.session.commit()
    deliver_due()

    (received,) = sink.messages
    row = stored(message)
    assert received["Message-ID"] == message.message_id
    assert (row.state, row.attempts) == (MessageState.SENT, 4)


def test_a_message_is_given_up_two_days_after_it_was_asked_for(sink):
    message = queue_one(state="refused", created_at=now() - timedelta(days=7))
    mail.retry(message)
    db.session.commit()
    sink.refuse(451)

    deliver_due()
    put_off = stored(message).state
    with time_machine.travel(now() + timedelta(days=2, minutes=1)):
        deliver_due()

    assert put_off == MessageState.QUEUED
    assert sink.received == []
    assert stored(message).state == MessageState.REFUSED


def test_a_try_is_noted_with_its_time(sink):
    message = queue_one()
    sink.refuse(550)

    with time_machine.travel("2030-01-01T12:00:00Z", tick=False):
        message.next_try_at = message.created_at = now()
        db.session.commit()
        deliver_due()

    assert stored(message).tried_at.isoformat() == "2030-01-01T12:00:00+00:00"
    assert [row.id for row in mail.latest_tries(3)] == [message.id]


def test_the_refused_of_the_last_two_days_are_sent_again(sink):
    late = queue_one(state="refused", created_at=now() - timedelta(hours=47))
    old = queue_one(state="refused", created_at=now() - timedelta(hours=49))
    claimed = queue_one(state="refused", claimed_until=now() + timedelta(minutes=1))

    retried = mail.retry_refused()
    db.session.commit()
    deliver_due()

    assert list(retried) == [late.id]
    states = [stored(message).state for message in (late, old, claimed)]
    assert states == ["sent", "refused", "refused"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://p.org/reset-password/a.b-c_d", "https://p.org/reset-password/•••"),
        ("https://p.org/reset-password/a/b?c#d", "https://p.org/reset-password/•••"),
        (
            "http://127.0.0.1:8000/verify-email?t=a",
            "http://127.0.0.1:8000/verify-email/•••",
        ),
        ("https://p.org?token=a", "https://p.org/•••"),
        ("HTTPS://P.ORG/setup/a", "HTTPS://P.ORG/setup/•••"),
        ("https://p.org/portal/reset-password/a", "https://p.org/portal/•••"),
        ("https://p.org/login", "https://p.org/login"),
        ("https://p.org/login\n\nBye/all", "https://p.org/login\n\nBye/all"),
        (
            "Open\nhttps://p.org/a/b\nor https://p.org/c/d",
            "Open\nhttps://p.org/a/•••\nor https://p.org/c/•••",
        ),
    ],
)
def test_masking_cuts_links_after_the_first_word_of_their_path(text, shown):
    assert mail.masked(text) == shown


def test_an_owner_who_comes_while_a_worker_claims_is_told(pg_app: Flask):
    message_id, refusals = queue_one().id, []
    mail.find(message_id).claimed_until = now() + timedelta(minutes=1)
    db.session.flush()

    def ask() -> None:
        with pg_app.app_context():
            try:
                mail.retry(mail.find(message_id))
            except mail.MessageClaimed as refusal:
                refusals.append(refusal)

    owner = threading.Thread(target=ask)
    owner.start()
    db.session.commit()
    owner.join()

    assert len(refusals) == 1
