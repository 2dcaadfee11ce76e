import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal import accounts
from portal.accounts import User
from portal.audit import AuditEvent
from portal.db import db
from portal.mail import OutgoingMessage
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import csrf_token

NEW_PASSWORD = "nine patient herons wade"


@pytest.fixture
def user(app) -> User:
    return make_user()


def change(
    client: FlaskClient, current: str = PASSWORD, new: str = NEW_PASSWORD
) -> TestResponse:
    return client.post(
        "/account/password",
        data={
            "csrf_token": csrf_token(client, "/account"),
            "current_password": current,
            "password": new,
        },
    )


def can_log_in(password: str) -> bool:
    db.session.expire_all()
    try:
        accounts.log_in("ada@example.org", password, network="198.51.100.1")
    except accounts.errors.LoginRefused:
        return False
    return True


def test_the_page_is_for_who_is_logged_in(client):
    answer = client.get("/account")

    assert (answer.status_code, answer.location) == (303, "/login?next=/account")


def test_the_page_says_who_one_is(app, client, user):
    log_in(client, user)
    log_in(app.test_client(), user)

    answer = client.get("/account")

    assert "ada@example.org" in answer.text
    assert "default" in answer.text
    assert "2 browsers are logged in" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_new_password_replaces_the_old_one(client, user):
    log_in(client, user)

    answer = change(client)

    assert (answer.status_code, answer.location) == (303, "/account")
    assert "Your password is changed." in client.get("/account").text
    assert can_log_in(NEW_PASSWORD)
    assert not can_log_in(PASSWORD)


def test_a_new_password_logs_other_browsers_out_and_renews_this_ones_token(
    app, client, user
):
    old_token = log_in(client, user)
    other = app.test_client()
    log_in(other, user)

    change(client)

    assert client.get("/account").status_code == 200
    assert client.get_cookie("portal").value != old_token
    assert accounts.load_login_session(old_token) is None
    assert other.get("/account").status_code == 303


def test_a_new_password_is_told_by_mail_and_audited(client, user):
    log_in(client, user)

    change(client)

    (mail,) = db.session.scalars(select(OutgoingMessage))
    actions = set(db.session.scalars(select(AuditEvent.action)))
    assert (mail.kind, mail.to_address) == ("password-changed", "ada@example.org")
    assert "password.changed" in actions


def test_a_new_password_ends_the_links_that_were_sent_before(app, client, user):
    link = accounts.set_password_link(user)
    db.session.commit()
    log_in(client, user)

    change(client)

    path = "/" + link.split("/", 3)[3]
    assert app.test_client().get(path).status_code == 404


def test_a_wrong_current_password_changes_nothing(client, user):
    log_in(client, user)

    answer = change(client, current="wrong")

    assert answer.status_code == 422
    assert "That is not your current password." in answer.text
    assert can_log_in(PASSWORD)


@pytest.mark.parametrize("new", ["", "short", "password1234", "x" * 257])
def test_a_poor_new_password_is_refused(client, user, new):
    log_in(client, user)

    answer = change(client, new=new)

    assert answer.status_code == 422
    assert can_log_in(PASSWORD)
    assert client.get("/account").status_code == 200


def test_the_current_password_can_not_be_guessed_from_a_borrowed_browser(client, user):
    log_in(client, user)
    answers = [change(client, current=f"wrong {n}") for n in range(10)]

    refused = change(client)

    assert {answer.status_code for answer in answers} == {422}
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_logging_out_everywhere_ends_every_session(app, client, user):
    token = log_in(client, user)
    other = app.test_client()
    log_in(other, user)
    stranger = app.test_client()
    log_in(stranger, make_user("bob@example.org"))

    answer = client.post(
        "/account/sessions/ending",
        data={"csrf_token": csrf_token(client, "/account")},
    )
    client.set_cookie("portal", token)

    assert (answer.status_code, answer.location) == (303, "/login")
    assert client.get("/account").status_code == 303
    assert other.get("/account").status_code == 303
    assert stranger.get("/account").status_code == 200


@pytest.mark.parametrize("path", ["/account/password", "/account/sessions/ending"])
def test_a_change_without_a_form_token_is_refused(client, user, path):
    log_in(client, user)

    assert client.post(path, data={"password": NEW_PASSWORD}).status_code == 400
    assert client.get("/account").status_code == 200
