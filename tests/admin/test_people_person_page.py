"""The back office's page of one person."""

import re

import pytest
from sqlalchemy import select

from portal import audit, keys, mail
from portal.accounts.mail_limit import MAILS_PER_ACCOUNT
from portal.db import db
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token


@pytest.fixture
def ada(app):
    return make_user("ada@example.org")


def deed(browser, path, **fields):
    form = {"csrf_token": csrf_token(browser, "/admin/people"), **fields}
    return browser.post(f"{path}?back=person", data=form)


def mails_to(address):
    query = select(mail.OutgoingMessage).where(
        mail.OutgoingMessage.to_address == address
    )
    return db.session.scalars(query).all()


def actions():
    return db.session.scalars(
        select(audit.AuditEvent.action).order_by(audit.AuditEvent.id)
    ).all()


def test_the_page_tells_what_there_is_to_know(app, owner_browser, ada):
    key, _ = make_key(ada, "<i>laptop")
    log_in(app.test_client(), ada)
    message = mail.queue("verify-address", ada.email, "Confirm", "a secret link")
    message.state = mail.MessageState.REFUSED
    message.reply = "550 5.1.1 no such mailbox"
    db.session.commit()

    page = owner_browser.get(f"/admin/people/{ada.id}")

    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    for words in (
        "ada@example.org",
        "&lt;i&gt;laptop",
        f"mp_{key.prefix}…",
        "key.issued",
        "user.created",
        "550 5.1.1 no such mailbox",
        "Refused",
    ):
        assert words in page.text
    assert re.search(r"Logged-in browsers</dt>\s*<dd>\s*1\s", page.text)
    assert "a secret link" not in page.text


def test_only_the_latest_events_are_listed(owner_browser, ada):
    for number in range(30):
        audit.record("user.poked", subject=f"user:{ada.id}", number=number)
    db.session.commit()

    page = owner_browser.get(f"/admin/people/{ada.id}").text

    assert page.count("user.poked") == 20
    assert "number: 29" in page
    assert "number: 9" not in page


def test_nothing_of_somebody_else_is_shown(owner_browser, ada):
    bob = make_user("bob@example.org")
    key, _ = make_key(bob, "attic")
    mail.queue("verify-address", bob.email, "For Bob", "text")
    db.session.commit()

    page = owner_browser.get(f"/admin/people/{ada.id}").text

    assert key.prefix not in page
    assert "For Bob" not in page
    assert "bob@example.org" not in page


def test_an_owner_revokes_a_key(owner, owner_browser, ada):
    key, secret = make_key(ada)

    answer = deed(owner_browser, f"/admin/people/{ada.id}/keys/{key.id}/revocation")

    db.session.expire_all()
    written = db.session.scalar(
        select(audit.AuditEvent).where(audit.AuditEvent.action == "key.revoked")
    )
    page = owner_browser.get(answer.location).text
    assert (answer.status_code, answer.location) == (303, f"/admin/people/{ada.id}")
    assert key.is_revoked
    assert written.actor_id == owner.id
    assert "The key is revoked." in page
    assert "key.revoked" in page
    assert re.search(r'data-label="By"[^>]*>owner@example.org<', page)
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(secret)


def test_a_key_is_revoked_on_the_page_of_its_person_only(owner_browser, ada):
    key, _ = make_key(make_user("bob@example.org"))

    answer = deed(owner_browser, f"/admin/people/{ada.id}/keys/{key.id}/revocation")

    db.session.expire_all()
    assert answer.status_code == 404
    assert key.is_active


def test_an_owner_ends_every_login(app, owner, owner_browser, ada):
    browsers = [app.test_client() for _ in range(2)]
    for browser in browsers:
        log_in(browser, ada)

    deed(owner_browser, f"/admin/people/{ada.id}/sessions/ending")

    event = db.session.scalar(
        select(audit.AuditEvent).where(audit.AuditEvent.action == "login.all_ended")
    )
    assert {browser.get("/keys").status_code for browser in browsers} == {303}
    assert (event.actor_id, event.details) == (owner.id, {"sessions": 2})


def test_who_ends_their_own_logins_is_sent_to_log_in(owner, owner_browser):
    answer = deed(owner_browser, f"/admin/people/{owner.id}/sessions/ending")

    page = owner_browser.get(answer.location)
    assert answer.location == "/login"
    assert "owner@example.org is logged out everywhere." in page.text


def test_an_owner_mails_a_link_that_sets_a_password(owner_browser, ada):
    answer = deed(owner_browser, f"/admin/people/{ada.id}/reset-link")

    (message,) = mails_to(ada.email)
    page = owner_browser.get(answer.location).text
    assert message.kind == "reset-password"
    assert "A link that sets a new password is on its way." in page
    assert message.subject in page
    assert "/reset-password/" not in page
    assert actions()[-1] == "password.link_mailed"


def test_an_owner_mails_a_link_that_verifies_the_address(owner_browser):
    una = make_user("una@example.org", is_verified=False)

    deed(owner_browser, f"/admin/people/{una.id}/verification-link")

    (message,) = mails_to(una.email)
    assert message.kind == "verify-address"
    assert actions()[-1] == "user.verification_mailed"


@pytest.mark.parametrize(
    ("address", "kind"),
    [("reset-link", "password"), ("verification-link", "verification")],
)
def test_a_link_too_many_is_refused_aloud(owner_browser, address, kind):
    una = make_user("una@example.org", is_verified=False)
    allowed = int(MAILS_PER_ACCOUNT.split("/")[0])
    for _ in range(allowed):
        assert (
            deed(owner_browser, f"/admin/people/{una.id}/{address}").status_code < 400
        )

    answer = deed(owner_browser, f"/admin/people/{una.id}/{address}")

    assert answer.status_code == 409
    assert "Nothing was sent: una@example.org got as many" in answer.text
    assert len(mails_to(una.email)) == allowed
    assert sum(kind in action for action in actions()) == allowed


@pytest.mark.parametrize("address", ["reset-link", "verification-link"])
def test_no_link_is_mailed_to_who_is_suspended(owner_browser, address):
    sue = make_user("sue@example.org", is_suspended=True, is_verified=False)

    answer = deed(owner_browser, f"/admin/people/{sue.id}/{address}")

    assert answer.status_code == 409
    assert "Restore them first." in answer.text
    assert mails_to(sue.email) == []


def test_a_verified_address_needs_no_link(owner_browser, ada):
    answer = deed(owner_browser, f"/admin/people/{ada.id}/verification-link")

    assert answer.status_code == 409
    assert "This address is verified already." in answer.text
    assert mails_to(ada.email) == []


def test_a_refusal_is_said_on_the_page_of_the_person(owner, owner_browser):
    answer = deed(owner_browser, f"/admin/people/{owner.id}/role", role="user")

    assert answer.status_code == 409
    assert "This is the last owner." in answer.text
    assert f"<title>{owner.email}" in answer.text


def test_a_deed_on_the_page_comes_back_to_it_and_is_confirmed(owner_browser, ada):
    answer = deed(owner_browser, f"/admin/people/{ada.id}/suspension")

    page = owner_browser.get(answer.location).text
    assert answer.location == f"/admin/people/{ada.id}"
    assert "ada@example.org is suspended." in page
    assert f"/admin/people/{ada.id}/restoration" in page


def test_somebody_who_is_not_there_has_no_page(owner_browser):
    assert owner_browser.get("/admin/people/999").status_code == 404
