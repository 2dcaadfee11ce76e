import pytest
from sqlalchemy import select

from portal.db import db
from portal.mail import AddressNotSingle, OutgoingMessage, queue


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
