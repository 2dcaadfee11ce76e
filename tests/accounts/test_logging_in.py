import statistics
import threading
import time
from datetime import timedelta

import pytest
import time_machine
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select
from werkzeug.test import TestResponse

from portal import accounts
from portal.accounts import LoginSession, Role, passwords, users
from portal.accounts.login import login_required, role_required
from portal.audit import AuditEvent
from portal.config import Config
from portal.db import db, now
from tests.conftest import make_config
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import csrf_token

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


def post_login(
    client: FlaskClient,
    email: str = "ada@example.org",
    password: str = PASSWORD,
    *,
    target: str = "",
    address: str = "192.0.2.1",
) -> TestResponse:
    return client.post(
        "/login",
        data={
            "csrf_token": csrf_token(client, "/login"),
            "email": email,
            "password": password,
            "next": target,
        },
        environ_overrides={"REMOTE_ADDR": address},
    )


def is_logged_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def test_the_right_password_logs_in(client):
    make_user()

    answer = post_login(client, " ADA@example.org ")

    assert (answer.status_code, answer.location) == (303, "/")
    assert is_logged_in(client)


def test_the_cookie_is_kept_from_scripts_and_ends_with_the_browser(client):
    make_user()

    (written,) = login_cookies(post_login(client), "portal")

    parts = {part.strip() for part in written.split(";")[1:]}
    assert parts == {"HttpOnly", "Path=/", "SameSite=Lax"}


def login_cookies(answer: TestResponse, name: str) -> list[str]:
    written = answer.headers.getlist("Set-Cookie")
    return [line for line in written if line.startswith(f"{name}=")]


class TestOverTls:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        return make_config(config.data_dir, PORTAL_BASE_URL="https://localhost")

    def test_the_cookie_is_bound_to_the_host_and_to_tls(self, client):
        make_user()

        (written,) = login_cookies(post_login(client), "__Host-portal")

        assert "Secure" in written
        assert "Path=/" in written
        assert "Domain" not in written


def test_the_database_holds_no_token(client):
    token = log_in(client, make_user())

    row = db.session.scalars(select(LoginSession)).one()
    assert token not in (row.token_hash, row.device, row.address)
    assert len(row.token_hash) == 64


def test_an_unverified_user_may_log_in_and_sees_a_banner(client):
    make_user(is_verified=False)

    post_login(client)

    assert "Confirm your address" in client.get("/account").text


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.org", "wrong"),
        ("ada@example.org", PASSWORD.upper()),
        ("ada@example.org", PASSWORD + " "),
        ("ada@example.org", ""),
        ("ada@example.org", "x" * 100_000),
        ("ada@example.org", PASSWORD + "\x00"),
        ("nobody@example.org", PASSWORD),
        ("sam@example.org", "wrong"),
        ("no address", PASSWORD),
        ("ada@example.org\x00", PASSWORD),
        ("a@b.c, d@e.f", PASSWORD),
        ("", ""),
    ],
)
def test_a_wrong_login_is_refused_in_the_same_words_for_every_cause(
    client, email, password
):
    make_user()
    make_user("sam@example.org", is_suspended=True)

    answer = post_login(client, email, password)

    assert answer.status_code == 422
    assert "That address and password don&#39;t match." in answer.text
    assert password == "" or f'value="{password}"' not in answer.text
    assert not is_logged_in(client)


def test_a_user_without_a_password_can_not_log_in(client):
    accounts.create("ada@example.org")
    db.session.commit()

    assert post_login(client, password="").status_code == 422


def test_a_long_password_counts_to_its_last_character(client):
    password = "nine patient herons wade " * 4
    make_user(password=password)

    assert post_login(client, password=password[:72]).status_code == 422
    assert post_login(client, password=password).status_code == 303


def test_an_unknown_address_costs_as_much_time_as_a_wrong_password(app, client):
    make_user()

    def processor_s(email: str) -> float:
        # Not the time on the clock, in which other programs take turns.
        start = time.thread_time()
        with pytest.raises(accounts.errors.LoginRefused):
            accounts.log_in(email, "wrong", network=str(start))
        return time.thread_time() - start

    emails = ("ada@example.org", "eve@example.org")
    rounds = [[processor_s(email) for email in emails] for _ in range(9)]
    known, unknown = map(statistics.median, zip(*rounds, strict=True))

    assert unknown > known / 2


def test_suspended_is_said_only_after_the_right_password(client):
    make_user(is_suspended=True)

    answer = post_login(client)

    assert answer.status_code == 403
    assert "suspended" in answer.text
    assert not is_logged_in(client)


def test_the_sessions_of_a_suspended_user_end_at_once(client):
    user = make_user()
    log_in(client, user)
    assert is_logged_in(client)

    accounts.suspend(user)
    db.session.commit()

    answer = client.get("/account")
    assert (answer.status_code, answer.location) == (303, "/login?next=/account")


def test_logging_in_renews_the_form_token(client):
    make_user()
    before = csrf_token(client, "/login")

    post_login(client)

    form = {"csrf_token": before, "current_password": PASSWORD, "password": PASSWORD}
    assert client.post("/account/password", data=form).status_code == 400


def test_a_fixed_token_from_somebody_else_is_never_taken_over(client):
    make_user()
    client.set_cookie("portal", "chosen by somebody else")

    post_login(client)

    assert client.get_cookie("portal").value != "chosen by somebody else"


def test_a_cookie_replayed_after_logout_is_refused(client):
    token = log_in(client, make_user())
    form = {"csrf_token": csrf_token(client, "/account")}

    answer = client.post("/logout", data=form)
    client.set_cookie("portal", token)

    assert (answer.status_code, answer.location) == (303, "/")
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert not is_logged_in(client)


def test_logout_needs_a_form_token(client):
    log_in(client, make_user())

    assert client.post("/logout").status_code == 400
    assert client.get("/logout").status_code == 405
    assert is_logged_in(client)


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 4000, "%00"])
def test_a_broken_cookie_is_nobody(client, token):
    client.set_cookie("portal", token)

    assert not is_logged_in(client)
    assert client.get("/login").status_code == 200


def test_a_remember_cookie_of_another_program_on_the_host_does_no_harm(client):
    client.set_cookie("remember_token", "7|0123abcd")
    log_in(client, make_user())

    assert is_logged_in(client)


def test_a_session_ends_12_hours_after_the_browser_was_last_seen(client):
    log_in(client, make_user())
    start = now()

    with time_machine.travel(start + timedelta(hours=11)):
        assert is_logged_in(client)
    with time_machine.travel(start + timedelta(hours=22)):
        assert is_logged_in(client)
    with time_machine.travel(start + timedelta(hours=34, minutes=1)):
        assert not is_logged_in(client)


def test_a_session_ends_after_7_days_in_any_case(client):
    log_in(client, make_user())
    start = now()

    for hours in range(0, 7 * 24, 8):
        with time_machine.travel(start + timedelta(hours=hours)):
            assert is_logged_in(client)
    with time_machine.travel(start + timedelta(days=7, seconds=1)):
        assert not is_logged_in(client)


def test_a_browser_is_noted_as_seen_once_a_minute(client):
    log_in(client, make_user())
    start = now().replace(second=10)
    seen = []

    for seconds in (60, 70, 80, 120):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            client.get("/account")
        db.session.expire_all()
        seen.append(db.session.scalars(select(LoginSession.last_seen_at)).one())

    assert [instant.second for instant in seen] == [0] * 4
    assert seen[0] == seen[1] == seen[2] < seen[3]


def test_logins_and_logouts_are_audited_without_what_was_typed(client):
    make_user()
    db.session.execute(delete(AuditEvent))
    db.session.commit()

    post_login(client, "nobody@example.org", "my secret in the wrong field")
    post_login(client, password="wrong")
    post_login(client)
    client.post("/logout", data={"csrf_token": csrf_token(client, "/account")})

    events = list(db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)))
    assert [event.action for event in events] == [
        "login.failed",
        "login.failed",
        "login.succeeded",
        "login.ended",
    ]
    assert events[0].address == "192.0.2.1"
    assert "secret" not in repr([(e.subject, e.details) for e in events])


@pytest.mark.parametrize(
    "target",
    [
        "//evil.test",
        "/\t/evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "https:evil.test",
        "https://evil.test",
        "javascript:alert(1)",
        "@evil.test",
        "/\r\nSet-Cookie: a=b",
        " /keys",
    ],
)
def test_next_never_leaves_the_site(client, target):
    make_user()

    answer = post_login(client, target=target)

    assert (answer.status_code, answer.location) == (303, "/")


def test_next_leads_back_to_the_page_one_wanted(client):
    make_user()
    sent = client.get("/account?from=mail")
    page = client.get(sent.location).text

    answer = post_login(client, target="/account?from=mail")

    assert sent.location == "/login?next=/account?from%3Dmail"
    assert 'value="/account?from=mail"' in page
    assert answer.location == "/account?from=mail"


def test_htmx_is_told_to_load_the_login_page_and_to_come_back_to_the_page(client):
    answer = client.post(
        "/account/password",
        headers={
            **HTMX,
            "HX-Current-URL": "http://localhost/account?tab=1",
            "X-CSRFToken": csrf_token(client, "/login"),
        },
    )

    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == "/login?next=/account?tab%3D1"


def test_a_form_sent_after_the_login_ended_leads_back_to_its_page(client):
    form = {"csrf_token": csrf_token(client, "/login")}

    answer = client.post(
        "/account/password",
        data=form,
        headers={"Referer": "http://localhost/account"},
    )
    foreign = client.post(
        "/account/password", data=form, headers={"Referer": "http://evil.test/account"}
    )

    assert answer.location == "/login?next=/account"
    assert foreign.location == "/login?next=/"


def test_somebody_logged_in_is_sent_on_from_the_login_page(client):
    log_in(client, make_user())

    answer = client.get("/login?next=/keys")

    assert (answer.status_code, answer.location) == (303, "/")


def test_a_login_without_a_form_token_is_refused(client):
    make_user()

    answer = client.post(
        "/login", data={"email": "ada@example.org", "password": PASSWORD}
    )

    assert answer.status_code == 400
    assert not is_logged_in(client)


class TestLimits:
    @pytest.fixture(params=["app", "pg_app"])
    def app(self, request: pytest.FixtureRequest) -> Flask:
        return request.getfixturevalue(request.param)

    @pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org"])
    def test_ten_wrong_passwords_from_one_address_are_the_most(self, client, email):
        make_user()
        spellings = [email, email.upper(), f"{email} ", f" {email.title()}"]

        answers = [
            post_login(client, spellings[n % 4], f"wrong {n}") for n in range(10)
        ]
        refused = post_login(client, email)

        assert [answer.status_code for answer in answers] == [422] * 10
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 15 * 60
        assert "wrong too often" in refused.text
        assert 'name="password"' in refused.text

    def test_the_user_can_log_in_from_elsewhere_meanwhile(self, client):
        make_user()
        for n in range(12):
            post_login(client, password=f"wrong {n}")

        assert post_login(client, address="198.51.100.7").status_code == 303

    def test_a_right_password_starts_the_count_afresh(self, app):
        make_user()
        for _ in range(3):
            browser = app.test_client()
            for n in range(8):
                assert post_login(browser, password=f"wrong {n}").status_code == 422
            assert post_login(browser).status_code == 303

    def test_one_address_fails_50_times_for_all_accounts_together(self, client):
        answers = [
            post_login(client, f"user{n}@example.org", "wrong") for n in range(51)
        ]

        statuses = [answer.status_code for answer in answers]
        assert statuses == [422] * 50 + [429]

    def test_logins_that_succeed_use_nothing_up(self, app):
        make_user()

        answers = [post_login(app.test_client()) for _ in range(12)]

        assert {answer.status_code for answer in answers} == {303}


def test_a_burst_of_guesses_gets_no_more_than_ten_answers(pg_app):
    make_user()
    browsers = [pg_app.test_client() for _ in range(12)]
    tokens = [csrf_token(browser, "/login") for browser in browsers]
    statuses = []

    def guess(browser: FlaskClient, token: str) -> None:
        form = {"csrf_token": token, "email": "ada@example.org", "password": "wrong"}
        statuses.append(browser.post("/login", data=form).status_code)

    threads = [
        threading.Thread(target=guess, args=pair)
        for pair in zip(browsers, tokens, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [422] * 10 + [429] * 2


class TestRoles:
    @pytest.fixture
    def app(self, app: Flask) -> Flask:
        pages = Blueprint("test_pages", __name__)

        @pages.get("/for-publishers")
        @role_required(Role.PUBLISHER)
        def for_publishers() -> str:
            return "seen"

        @pages.get("/for-all")
        @login_required
        def for_all() -> str:
            return "seen"

        app.register_blueprint(pages)
        return app

    @pytest.mark.parametrize(
        ("role", "status"), [("user", 403), ("publisher", 200), ("owner", 200)]
    )
    def test_a_page_for_a_role_is_for_that_role_and_those_above(
        self, client, role, status
    ):
        log_in(client, make_user(role=role))

        assert client.get("/for-publishers").status_code == status
        assert client.get("/for-all").status_code == 200

    def test_a_visitor_is_sent_to_log_in(self, client):
        answer = client.get("/for-publishers")

        assert (answer.status_code, answer.location) == (
            303,
            "/login?next=/for-publishers",
        )


@pytest.mark.parametrize("name", ["app", "pg_app"])
@pytest.mark.parametrize("deed", ["suspension", "another password"])
def test_what_happens_while_a_password_is_compared_holds(
    request, monkeypatch, name, deed
):
    app = request.getfixturevalue(name)
    user_id = make_user().id
    compare = passwords.is_right

    def compare_meanwhile(*values: str | None) -> bool:
        threading.Thread(target=do_it).start()
        assert done.wait(10)
        return compare(*values)

    def do_it() -> None:
        with app.app_context():
            user = accounts.find(user_id)
            if deed == "suspension":
                accounts.suspend(user)
            else:
                users.give_password(user, "four quiet badgers", except_token=None)
            db.session.commit()
        done.set()

    done = threading.Event()
    monkeypatch.setattr(passwords, "is_right", compare_meanwhile)
    client = app.test_client()

    answer = post_login(client)

    assert answer.status_code == (403 if deed == "suspension" else 422)
    assert not is_logged_in(client)
    assert db.session.scalar(select(LoginSession)) is None
