import re
import threading
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal import accounts
from portal.accounts import User
from portal.audit import AuditEvent
from portal.db import db, now
from tests.accounts.resets import (
    NEW_PASSWORD,
    can_log_in,
    mailed_link,
    mails,
    newest_link,
    post_login,
    set_password,
)
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import csrf_token


@pytest.fixture
def user(app) -> User:
    return make_user()


def test_opening_the_link_uses_nothing_up(app, client, user):
    link = mailed_link(client)
    scanner = app.test_client()

    for _ in range(3):
        assert scanner.head(link).status_code == 200
        assert scanner.get(link).status_code == 200

    assert set_password(client, link).status_code == 303


def test_the_page_of_the_link_tells_nobody_its_address(client, user):
    answer = client.get(mailed_link(client))

    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_link_works_for_an_hour(client, user):
    link = mailed_link(client)

    with time_machine.travel(now() + timedelta(minutes=59)):
        fresh = client.get(link)
    with time_machine.travel(now() + timedelta(minutes=60, seconds=2)):
        stale = client.get(link)

    assert fresh.status_code == 200
    assert stale.status_code == 404
    assert "That link has expired. We can send a new one." in stale.text
    assert 'href="/forgot-password"' in stale.text


def test_a_replayed_link_changes_nothing(app, client, user):
    link = mailed_link(client)
    late = app.test_client()
    token = csrf_token(late, link)
    set_password(client, link)

    answer = late.post(link, data={"csrf_token": token, "password": PASSWORD})

    assert answer.status_code == 404
    assert can_log_in(NEW_PASSWORD)
    assert not can_log_in(PASSWORD)


def test_a_link_used_by_twenty_at_once_works_for_one(pg_app):
    make_user()
    link = mailed_link(pg_app.test_client())
    browsers = [pg_app.test_client() for _ in range(20)]
    tokens = [csrf_token(browser, link) for browser in browsers]
    statuses = []

    def use(browser: FlaskClient, token: str) -> None:
        form = {"csrf_token": token, "password": NEW_PASSWORD}
        statuses.append(browser.post(link, data=form).status_code)

    threads = [
        threading.Thread(target=use, args=pair)
        for pair in zip(browsers, tokens, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    changes = select(func.count()).where(AuditEvent.action == "password.changed")
    assert sorted(statuses) == [303] + [404] * 19
    assert db.session.scalar(changes) == 1
    assert len(mails("password-changed")) == 1


def test_a_newer_link_ends_the_older_one(client, user):
    first = mailed_link(client)
    second = mailed_link(client)

    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200


@pytest.mark.parametrize("is_verified", [True, False])
def test_logging_in_ends_the_link(app, client, is_verified):
    make_user(is_verified=is_verified)
    link = mailed_link(client)

    assert post_login(app.test_client()).status_code == 303

    assert client.get(link).status_code == 404


def test_logging_in_leaves_an_unverified_user_the_link_that_verifies(app, client):
    make_user(is_verified=False)
    token = csrf_token(client, "/verify-email")
    form = {"csrf_token": token, "email": "ada@example.org"}
    client.post("/verify-email", data=form)

    post_login(app.test_client())

    assert client.get(newest_link("verify-address")).status_code == 200


def test_a_change_of_the_password_ends_the_link(app, client, user):
    link = mailed_link(client)
    browser = app.test_client()
    log_in(browser, user)

    changed = browser.post(
        "/account/password",
        data={
            "csrf_token": csrf_token(browser, "/account"),
            "current_password": PASSWORD,
            "password": NEW_PASSWORD,
        },
    )

    assert changed.status_code == 303
    assert client.get(link).status_code == 404


def test_suspending_the_user_ends_the_link(client, user):
    link = mailed_link(client)
    accounts.suspend(user)
    accounts.restore(user)
    db.session.commit()

    assert client.get(link).status_code == 404


@pytest.mark.parametrize("path", ["/verify-email/", "/setup/"])
def test_a_reset_link_is_good_for_nothing_else(client, user, path):
    token = mailed_link(client).rpartition("/")[2]

    assert client.get(path + token).status_code == 404


def test_a_link_that_verifies_sets_no_password(client):
    make_user(is_verified=False)
    token = csrf_token(client, "/verify-email")
    form = {"csrf_token": token, "email": "ada@example.org"}
    client.post("/verify-email", data=form)
    token = newest_link("verify-address").rpartition("/")[2]

    answer = client.post(
        f"/reset-password/{token}",
        data={
            "csrf_token": csrf_token(client, "/login"),
            "password": NEW_PASSWORD,
        },
    )

    assert answer.status_code == 404
    assert can_log_in(PASSWORD)


def test_a_new_password_ends_every_login_and_logs_nobody_in(app, client, user):
    old = app.test_client()
    log_in(old, user)
    setter = app.test_client()

    set_password(setter, mailed_link(client))

    assert old.get("/account").location == "/login?next=/account"
    assert setter.get("/account").status_code == 303


def test_the_user_is_told_by_mail_and_the_deed_audited(client, user):
    set_password(client, mailed_link(client))

    (notice,) = mails("password-changed")
    actions = list(db.session.scalars(select(AuditEvent.action)))
    assert notice.to_address == "ada@example.org"
    assert "password.changed" in actions
    assert "user.verified" not in actions


def test_a_mailed_link_proves_the_address_too(client):
    make_user(is_verified=False)

    set_password(client, mailed_link(client))

    db.session.expire_all()
    actions = list(db.session.scalars(select(AuditEvent.action)))
    assert accounts.find_by_email("ada@example.org").is_verified
    assert "user.verified" in actions


def test_a_printed_link_proves_no_address(client, runner):
    done = runner.invoke(args=["users", "create", "--email", "ada@example.org"])
    link = "/" + re.search(r"http://[^/]+/(reset-password/\S+)", done.stdout)[1]

    assert set_password(client, link).status_code == 303

    db.session.expire_all()
    assert not accounts.find_by_email("ada@example.org").is_verified
    assert can_log_in(NEW_PASSWORD)


def test_who_signed_up_with_the_address_of_somebody_else_gets_no_further(app, client):
    thief = app.test_client()
    token = csrf_token(thief, "/signup")
    form = {"csrf_token": token, "email": "ada@example.org", "password": PASSWORD}
    thief.post("/signup", data=form)
    post_login(thief)

    set_password(client, mailed_link(client))

    assert thief.get("/account").status_code == 303
    assert post_login(thief).status_code == 422


def test_a_poor_password_leaves_the_link_usable(client, user):
    link = mailed_link(client)

    refused = set_password(client, link, "password1234")

    assert refused.status_code == 422
    assert set_password(client, link).status_code == 303
