import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal import accounts
from portal.accounts import LoginSession, User
from portal.audit import AuditEvent
from portal.db import db, now
from portal.mail import OutgoingMessage
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import csrf_token


def sign_up(client: FlaskClient, email: str = "ada@example.org") -> str:
    """Sign up and return the path of the mailed link."""
    token = csrf_token(client, "/signup")
    client.post(
        "/signup", data={"csrf_token": token, "email": email, "password": PASSWORD}
    )
    return newest_link()


def newest_link() -> str:
    mail = db.session.scalars(
        select(OutgoingMessage).order_by(OutgoingMessage.id.desc())
    ).first()
    assert mail
    found = re.search(r"https?://[^/\s]+(/\S+)", mail.text)
    assert found
    return found.group(1)


def press(client: FlaskClient, link: str, **fields: str) -> TestResponse:
    """Open the link and press its button."""
    return client.post(link, data={"csrf_token": csrf_token(client, link), **fields})


def resend(client: FlaskClient, email: str = "ada@example.org") -> TestResponse:
    token = csrf_token(client, "/verify-email")
    return client.post("/verify-email", data={"csrf_token": token, "email": email})


def ada() -> User:
    db.session.expire_all()
    return accounts.find_by_email("ada@example.org")


def test_the_button_behind_the_link_verifies_the_address(client):
    link = sign_up(client)

    press(client, link)

    assert ada().is_verified


def test_the_browser_that_signed_up_is_logged_in(client):
    link = sign_up(client)

    answer = press(client, link)

    assert (answer.status_code, answer.location) == (303, "/keys")
    assert "ada@example.org" in client.get("/account").text


def test_any_other_browser_gives_the_password_once(app, client):
    link = sign_up(client)
    other = app.test_client()

    page = other.get(link).text
    answer = press(other, link, password=PASSWORD)

    assert "The password you chose" in page
    assert (answer.status_code, answer.location) == (303, "/keys")
    assert "ada@example.org" in other.get("/account").text


@pytest.mark.parametrize("password", ["", "something else entirely"])
def test_another_browser_without_the_password_confirms_nothing(app, client, password):
    link = sign_up(client)
    other = app.test_client()

    answer = press(other, link, password=password)

    assert answer.status_code == 422
    assert "not the password of the newest signup" in answer.text
    assert not ada().is_verified
    assert press(client, link).status_code == 303


def test_a_browser_that_signed_up_somebody_else_gives_the_password_too(app, client):
    link = sign_up(client)
    other = app.test_client()
    sign_up(other, "eve@example.org")

    assert press(other, link).status_code == 422


def test_nobody_takes_over_an_address_by_signing_up_after_its_owner(app, client):
    sign_up(client)
    attacker = app.test_client()
    stolen = {"email": "ada@example.org", "password": "a thief's own long secret"}
    attacker.post(
        "/signup", data={**stolen, "csrf_token": csrf_token(attacker, "/signup")}
    )
    link = newest_link()

    answer = press(client, link, password=PASSWORD)

    assert answer.status_code == 422
    assert not ada().is_verified
    assert press(client, sign_up(client)).status_code == 303
    assert accounts.log_in("ada@example.org", PASSWORD, network="test") == ada()


def test_the_password_can_not_be_guessed_behind_a_link(app, client):
    link = sign_up(client)
    other = app.test_client()

    found = [press(other, link, password=f"guess {n}").status_code for n in range(11)]

    assert found == [422] * 10 + [429]


def test_opening_the_link_uses_nothing_up(app, client):
    link = sign_up(client)
    scanner = app.test_client()

    for _ in range(3):
        assert scanner.head(link).status_code == 200
        assert scanner.get(link).status_code == 200

    assert not ada().is_verified
    assert press(client, link).status_code == 303


def test_the_pages_of_a_link_tell_nobody_their_address(client):
    link = sign_up(client)

    good = client.get(link)
    bad = client.get("/verify-email/nonsense")

    assert good.headers["Referrer-Policy"] == "no-referrer"
    assert bad.headers["Referrer-Policy"] == "no-referrer"
    assert good.headers["Cache-Control"] == "no-store"


def test_a_link_works_once(app, client):
    link = sign_up(client)
    late = app.test_client()
    token = csrf_token(late, link)
    press(client, link)

    answer = late.post(link, data={"csrf_token": token})

    assert answer.status_code == 404
    assert "used already" in answer.text
    assert "Send a new link" in answer.text


def test_a_link_works_for_24_hours(client):
    link = sign_up(client)

    with time_machine.travel(now() + timedelta(hours=23, minutes=59)):
        fresh = client.get(link)
    with time_machine.travel(now() + timedelta(hours=24, seconds=2)):
        stale = client.get(link)

    assert fresh.status_code == 200
    assert stale.status_code == 404
    assert "That link has expired. We can send a new one." in stale.text


def test_a_link_survives_a_clock_that_is_set_back(client):
    link = sign_up(client)

    with time_machine.travel(now() - timedelta(minutes=10)):
        answer = client.get(link)

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/reset-password/", "/setup/"])
def test_a_verification_link_is_good_for_nothing_else(client, path):
    token = sign_up(client).rpartition("/")[2]

    assert client.get(path + token).status_code == 404


@pytest.mark.parametrize("change", ["x", ".", "%00", "💥"])
def test_a_changed_link_is_refused(client, change):
    assert client.get(sign_up(client) + change).status_code == 404


def test_two_links_have_nothing_in_common(client):
    first = sign_up(client).rpartition("/")[2]
    resend(client)
    second = newest_link().rpartition("/")[2]

    assert first[:10] != second[:10]


def test_verifying_ends_the_logins_of_whoever_signed_up(app, client):
    link = sign_up(client)
    intruder = app.test_client()
    log_in(intruder, ada())

    press(app.test_client(), link, password=PASSWORD)

    assert intruder.get("/account").status_code == 303


def test_who_is_logged_in_stays_so_with_a_new_token(client):
    link = sign_up(client)
    old_token = log_in(client, ada())

    answer = press(client, link)

    assert (answer.status_code, answer.location) == (303, "/keys")
    assert client.get("/account").status_code == 200
    assert accounts.load_login_session(old_token) is None
    assert len(list(db.session.scalars(select(LoginSession)))) == 1


def test_verifying_is_audited(client):
    press(client, sign_up(client))

    actions = [event.action for event in db.session.scalars(select(AuditEvent))]
    assert actions == ["user.signed_up", "user.verified"]


def test_a_new_link_ends_the_older_one(app, client):
    first = sign_up(client)
    resend(client)

    assert client.get(first).status_code == 404
    assert press(app.test_client(), newest_link(), password=PASSWORD).status_code == 303


def test_the_signup_browser_is_known_after_a_new_link_too(client):
    sign_up(client)
    resend(client)

    assert press(client, newest_link()).location == "/keys"


def test_asking_for_a_link_tells_nothing_about_the_address(app):
    make_user("ada@example.org")
    make_user("bob@example.org", is_verified=False)
    answers = [
        resend(app.test_client(), f"{name}@example.org")
        for name in ("ada", "bob", "nobody")
    ]

    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.data for answer in answers}) == 1
    mails = list(db.session.scalars(select(OutgoingMessage)))
    assert [mail.to_address for mail in mails] == ["bob@example.org"]


def test_at_most_five_links_a_day_are_mailed_with_the_same_answer(client):
    sign_up(client)

    answers = [resend(client) for _ in range(7)]

    assert {answer.status_code for answer in answers} == {303}
    assert len(list(db.session.scalars(select(OutgoingMessage)))) == 5


def test_the_last_mailed_link_works_when_no_more_are_mailed(app, client):
    sign_up(client)
    for _ in range(7):
        resend(client)

    assert client.get(newest_link()).status_code == 200


def test_one_address_asks_20_times_an_hour(client):
    answers = [resend(client) for _ in range(20)]
    refused = resend(client)

    assert {answer.status_code for answer in answers} == {303}
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_an_unusable_address_is_refused_with_a_sentence(client):
    answer = resend(client, "a@b.c, d@e.f")

    assert answer.status_code == 422
    assert "one address only" in answer.text


def test_a_suspended_user_is_not_verified(app: Flask, client):
    link = sign_up(client)
    user = ada()
    user.suspended_at = now()
    db.session.commit()

    assert client.get(link).status_code == 404


def test_a_verified_user_has_nothing_to_wait_for(client):
    log_in(client, make_user())

    assert client.get("/verify-email").location == "/keys"


def test_links_lead_to_the_configured_address_whatever_the_host_header(app, client):
    token = csrf_token(client, "/signup")
    form = {"csrf_token": token, "email": "ada@example.org", "password": PASSWORD}
    client.post("/signup", data=form, headers={"Host": "localhost:9999"})

    mail = db.session.scalars(select(OutgoingMessage)).one()
    assert f"{app.extensions['portal'].config.base_url}/verify-email/" in mail.text
    assert "9999" not in mail.text
