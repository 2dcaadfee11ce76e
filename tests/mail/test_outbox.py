import pytest
from sqlalchemy import select

from portal.db import db
from portal.mail import AddressNotSingle, OutgoingMessage, messages, queue

LINK = "https://portal.example.org/verify-email/token"


def test_a_message_waits_in_the_outbox_with_an_id_of_its_own(app):
    queue("test", "ada@example.org", "Hello", "Text")
    queue("test", "ada@example.org", "Hello", "Text")
    db.session.commit()

    first, second = db.session.scalars(select(OutgoingMessage))
    assert (first.state, first.attempts) == ("queued", 0)
    assert first.message_id != second.message_id
    assert first.message_id.startswith("<")
    assert first.message_id.endswith(">")


def test_a_message_is_never_without_its_cause(app):
    queue("test", "ada@example.org", "Hello", "Text")
    db.session.rollback()

    assert list(db.session.scalars(select(OutgoingMessage))) == []


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ada",
        "a@b.c, d@e.f",
        "a@b.c;d@e.f",
        "a@b.c d@e.f",
        "a@b@c.org",
        "Ada <ada@example.org>",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org\n",
        "ada@example.org\x00",
        "ada@example.org\u2028",
    ],
)
def test_a_message_goes_to_one_mailbox(app, to):
    with pytest.raises(AddressNotSingle):
        queue("test", to, "Hello", "Text")

    assert not db.session.new


@pytest.mark.parametrize("end", ["\r\nBcc: eve@example.org", "\n", "\r", "\x00"])
def test_a_subject_is_one_line(app, end):
    with pytest.raises(AddressNotSingle):
        queue("test", "ada@example.org", f"Hello{end}", "Text")


@pytest.mark.parametrize(
    ("queue_it", "kind", "words"),
    [
        (
            lambda: messages.verify_address("ada@example.org", LINK),
            "verify-address",
            LINK,
        ),
        (
            lambda: messages.already_registered("ada@example.org", LINK),
            "already-registered",
            LINK,
        ),
        (
            lambda: messages.password_changed("ada@example.org"),
            "password-changed",
            "ada@example.org",
        ),
    ],
)
def test_every_message_says_what_it_is_about_and_why_it_came(
    app, queue_it, kind, words
):
    message = queue_it()

    assert message.kind == kind
    assert "Model Portal" in message.subject
    assert words in message.text
    assert "You get this message because" in message.text or (
        "You get this message so that" in message.text
    )
    assert "Subject:" not in message.text


def test_an_address_is_written_as_it_is(app):
    message = messages.verify_address("o'neill&sons@example.org", LINK)

    assert "o'neill&sons@example.org" in message.text
