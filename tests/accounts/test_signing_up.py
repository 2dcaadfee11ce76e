import re
import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from portal.accounts import User
from portal.audit import AuditEvent
from portal.config import Config
from portal.db import db
from portal.mail import OutgoingMessage
from tests.conftest import make_config
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import csrf_token

OTHER_PASSWORD = "nine patient herons wade"


def sign_up(
    client: FlaskClient, email: str = "ada@example.org", password: str = PASSWORD
) -> TestResponse:
    return client.post(
        "/signup",
        data={
            "csrf_token": csrf_token(client, "/signup"),
            "email": email,
            "password": password,
        },
    )


def users() -> list[User]:
    db.session.expire_all()
    return list(db.session.scalars(select(User)))


def mails() -> list[OutgoingMessage]:
    return list(db.session.scalars(select(OutgoingMessage)))


def test_a_signup_makes_an_unverified_user_and_mails_a_link(app, client):
    answer = sign_up(client, "  Ada@Example.ORG ")

    (user,) = users()
    (mail,) = mails()
    assert (answer.status_code, answer.location) == (303, "/verify-email")
    assert (user.email, user.is_verified, user.role) == (
        "ada@example.org",
        False,
        "user",
    )
    assert (mail.kind, mail.to_address) == ("verify-address", "ada@example.org")
    assert f"{app_url(app)}/verify-email/" in mail.text


def app_url(app: Flask) -> str:
    config: Config = app.extensions["portal"].config
    return config.base_url


def test_the_waiting_page_shows_the_address_as_typed(client):
    sign_up(client, "Ada@Example.org")

    page = client.get("/verify-email").text

    assert "Ada@Example.org" in page


def test_a_signup_is_audited_without_its_password(client):
    sign_up(client)

    (event,) = db.session.scalars(select(AuditEvent))
    assert event.action == "user.signed_up"
    assert event.subject == f"user:{users()[0].id}"
    assert PASSWORD not in repr(event.details)


def test_a_password_is_stored_as_argon2id_with_a_salt_of_its_own(client):
    sign_up(client, "ada@example.org")
    sign_up(client, "bob@example.org")

    first, second = (user.password_hash for user in users())
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second


def test_a_signup_without_a_form_token_is_refused(client):
    answer = client.post("/signup", data={"email": "a@b.org", "password": PASSWORD})

    assert answer.status_code == 400
    assert users() == []


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Enter a password."),
        ("xK9$vQz", "Use 8 characters or more"),
        ("a" * 257, "Use 256 characters or fewer"),
        ("password1234", "This is a very common password."),
        ("qwertyuiop12", "easy to guess"),
        ("aaaaaaaaaaaaaaaa", "Repeats like"),
        ("ada@example.org", "easy to guess"),
        ("modelportal", "easy to guess"),
    ],
)
def test_a_poor_password_is_refused_with_what_to_change(client, password, sentence):
    answer = sign_up(client, password=password)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'value="ada@example.org"' in answer.text
    assert users() == mails() == []


@pytest.mark.parametrize(
    "password",
    [
        "пароль 🔒 и ещё несколько слов, чтобы было 64 знака " * 2,
        "otter\x00heron\x00wade",
    ],
)
def test_any_characters_may_be_in_a_password(client, password):
    assert sign_up(client, password=password).status_code == 303


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@",
        "@example.org",
        "ada@b",
        "a@b.c, d@e.f",
        "a@b.org;d@e.org",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada\n@example.org",
        "ada\x00@example.org",
        "Ada <ada@example.org>",
        '"ada lovelace"@example.org',
        "ada@[127.0.0.1]",
        "a" * 65 + "@example.org",
        "ada@" + "example." * 40 + "org",
    ],
)
def test_what_is_not_one_address_is_refused(client, email):
    answer = sign_up(client, email)

    assert answer.status_code == 422
    assert "address" in answer.text
    assert users() == mails() == []


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ada@portal.test", "ada@portal.test"),
        ("ada@nas.local", "ada@nas.local"),
        ("ada@localhost", "ada@localhost"),
        ("Ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada+models@example.org", "ada+models@example.org"),
    ],
)
def test_addresses_of_closed_networks_and_other_scripts_are_taken(
    client, typed, stored
):
    assert sign_up(client, typed).status_code == 303
    assert [user.email for user in users()] == [stored]


def test_the_case_of_an_address_makes_no_second_user(client):
    sign_up(client, "v@x.test")
    sign_up(client, " V@X.TEST ")

    assert [user.email for user in users()] == ["v@x.test"]


def test_a_signup_does_not_tell_whether_the_address_has_an_account(app):
    make_user("ada@example.org")

    known = sign_up(app.test_client(), "ada@example.org")
    unknown = sign_up(app.test_client(), "bob@example.org")

    assert known.status_code == unknown.status_code
    assert known.data == unknown.data
    assert shape(known) == shape(unknown)


def shape(answer: TestResponse) -> list[tuple[str, str]]:
    """Return the headers, without what is drawn at random for every answer."""
    random = re.compile(r"portal-forms=[^;]+|req_\w+")
    return [(name, random.sub("…", value)) for name, value in answer.headers]


def test_the_waiting_page_does_not_tell_either(app):
    make_user("ada@example.org")
    pages = []
    for email in ("ada@example.org", "bob@example.org"):
        browser = app.test_client()
        sign_up(browser, email)
        page = browser.get("/verify-email").text.replace(email, "…")
        pages.append(re.sub(r'(value="|X-CSRFToken": ")[\w.-]{40,}"', "", page))

    assert pages[0] == pages[1]


def test_a_signup_with_a_known_address_changes_nothing_but_tells_its_user(client):
    user = make_user()
    before = user.password_hash

    sign_up(client, password=OTHER_PASSWORD)

    (mail,) = mails()
    assert users()[0].password_hash == before
    assert mail.kind == "already-registered"
    assert "/login" in mail.text


def test_at_most_five_notices_a_day_are_mailed(client, app):
    make_user()

    for _ in range(7):
        sign_up(client)

    assert len(mails()) == 5


def test_of_two_unverified_signups_the_newest_password_and_link_count(client, app):
    sign_up(client)
    old_link = link_of(mails()[-1])
    sign_up(client, password=OTHER_PASSWORD)

    assert app.test_client().get(old_link).status_code == 404
    assert app.test_client().get(link_of(mails()[-1])).status_code == 200
    assert log_in_with(app, PASSWORD).status_code == 422
    assert log_in_with(app, OTHER_PASSWORD).status_code == 303


def link_of(mail: OutgoingMessage) -> str:
    found = re.search(r"https?://[^/\s]+(/\S+)", mail.text)
    assert found
    return found.group(1)


def log_in_with(app: Flask, password: str) -> TestResponse:
    browser = app.test_client()
    return browser.post(
        "/login",
        data={
            "csrf_token": csrf_token(browser, "/login"),
            "email": "ada@example.org",
            "password": password,
        },
    )


@pytest.mark.parametrize("role", ["user", "publisher", "owner"])
def test_a_user_whom_the_owner_made_is_not_taken_over(client, role):
    before = make_user(role=role, is_verified=False).password_hash

    answer = sign_up(client, password=OTHER_PASSWORD)

    assert answer.status_code == 303
    assert users()[0].password_hash == before


def test_somebody_logged_in_is_sent_on(client):
    log_in(client, make_user())

    answer = client.get("/signup")

    assert (answer.status_code, answer.location) == (303, "/")


def test_the_eleventh_signup_of_an_address_within_an_hour_is_refused(client):
    token = csrf_token(client, "/signup")
    answers = [
        client.post(
            "/signup",
            data={"csrf_token": token, "email": f"u{n}@x.test", "password": PASSWORD},
        )
        for n in range(11)
    ]

    assert [answer.status_code for answer in answers] == [303] * 10 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600


class TestClosed:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        return make_config(config.data_dir, PORTAL_SIGNUP="closed")

    def test_a_closed_portal_takes_no_signups_and_says_so(self, client):
        page = client.get("/signup")
        token = csrf_token(client, "/login")
        answer = client.post(
            "/signup",
            data={"csrf_token": token, "email": "a@x.test", "password": PASSWORD},
        )

        assert page.status_code == answer.status_code == 403
        assert "takes no signups" in page.text
        assert users() == []


def test_many_signups_of_one_address_at_once_make_one_user(pg_app):
    browsers = [pg_app.test_client() for _ in range(8)]
    tokens = [csrf_token(browser, "/signup") for browser in browsers]
    statuses = []

    def post(browser: FlaskClient, token: str) -> None:
        form = {"csrf_token": token, "email": "ada@x.test", "password": PASSWORD}
        statuses.append(browser.post("/signup", data=form).status_code)

    threads = [
        threading.Thread(target=post, args=pair)
        for pair in zip(browsers, tokens, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [303] * 8
    assert db.session.scalar(select(func.count()).select_from(User)) == 1
