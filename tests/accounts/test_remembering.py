import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal import accounts
from portal.accounts import LoginSession, User
from portal.config import Config
from portal.db import db, now
from tests.accounts.resets import NEW_PASSWORD, mailed_link, set_password
from tests.conftest import make_config
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import csrf_token

DAY_S = 24 * 60 * 60


@pytest.fixture
def user(app) -> User:
    return make_user()


def post_login(client: FlaskClient, **fields: str) -> TestResponse:
    form = {"csrf_token": csrf_token(client, "/login"), "email": "ada@example.org"}
    return client.post("/login", data={**form, "password": PASSWORD, **fields})


def written(answer: TestResponse, name: str = "portal") -> list[str]:
    """Return the login cookies that *answer* writes."""
    lines = answer.headers.getlist("Set-Cookie")
    return [line for line in lines if line.startswith(f"{name}=")]


def max_age_s(line: str) -> int:
    found = re.search(r"Max-Age=(\d+)", line)
    assert found, line
    return int(found.group(1))


def is_logged_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def is_refused(client: FlaskClient, token: str) -> bool:
    """Whether *token*, sent again, logs nobody in."""
    client.set_cookie("portal", token)
    return client.get("/account").status_code == 303


def test_the_login_page_offers_to_stay_logged_in(client):
    page = client.get("/login").text

    assert 'name="remember"' in page
    assert "30 days" in page


def test_a_remembered_login_has_a_cookie_that_outlives_the_browser(client, user):
    (line,) = written(post_login(client, remember="y"))

    parts = {part.strip().partition("=")[0] for part in line.split(";")[1:]}
    assert parts == {"Expires", "HttpOnly", "Max-Age", "Path", "SameSite"}
    assert max_age_s(line) == 30 * DAY_S
    assert is_logged_in(client)


@pytest.mark.usefixtures("user")
class TestOverTls:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        return make_config(config.data_dir, PORTAL_BASE_URL="https://localhost")

    def test_the_cookie_is_bound_to_the_host_and_to_tls(self, client):
        (line,) = written(post_login(client, remember="y"), "__Host-portal")

        assert "Secure" in line
        assert "Path=/" in line
        assert "Domain" not in line
        assert max_age_s(line) == 30 * DAY_S


@pytest.mark.parametrize("fields", [{}, {"remember": ""}, {"remember": "false"}])
def test_without_the_mark_the_cookie_ends_with_the_browser(client, user, fields):
    (line,) = written(post_login(client, **fields))

    assert "Max-Age" not in line
    assert "Expires" not in line
    assert not db.session.scalars(select(LoginSession.is_remembered)).one()


def test_there_is_no_second_cookie(client, user):
    names = {
        line.partition("=")[0]
        for line in post_login(client, remember="y").headers.getlist("Set-Cookie")
    }

    assert "remember_token" not in names
    assert names == {"portal", "portal-forms"}


def test_it_ends_30_days_after_the_browser_was_last_seen(client, user):
    post_login(client, remember="y")
    start = now()

    with time_machine.travel(start + timedelta(days=29)):
        assert is_logged_in(client)
    with time_machine.travel(start + timedelta(days=58)):
        assert is_logged_in(client)
    with time_machine.travel(start + timedelta(days=88, minutes=1)):
        assert not is_logged_in(client)


def test_it_ends_after_90_days_in_any_case(client, user):
    post_login(client, remember="y")
    start = now()

    for days in range(0, 90, 20):
        with time_machine.travel(start + timedelta(days=days)):
            assert is_logged_in(client)
    with time_machine.travel(start + timedelta(days=90, seconds=1)):
        assert not is_logged_in(client)


def test_the_end_of_the_cookie_moves_with_that_of_the_session(client, user):
    token = written(post_login(client, remember="y"))[0]
    start = now()

    same_minute = client.get("/account") if now().second < 55 else None
    with time_machine.travel(start + timedelta(days=20), tick=False):
        seen_anew = client.get("/account")
        seen_again = client.get("/account")
    with time_machine.travel(start + timedelta(days=45), tick=False):
        client.get("/account")
    with time_machine.travel(start + timedelta(days=70), tick=False):
        near_the_end = client.get("/account")

    (moved,) = written(seen_anew)
    (last,) = written(near_the_end)
    assert same_minute is None or written(same_minute) == []
    assert moved.partition(";")[0] == token.partition(";")[0]
    assert max_age_s(moved) == 30 * DAY_S
    assert written(seen_again) == []
    assert abs(max_age_s(last) - 20 * DAY_S) < 60


def test_a_login_that_is_not_remembered_writes_no_cookie_anew(client, user):
    log_in(client, user)

    with time_machine.travel(now() + timedelta(hours=2)):
        assert written(client.get("/account")) == []


@pytest.mark.usefixtures("user")
class TestCachedAnswers:
    @pytest.fixture
    def app(self, app: Flask) -> Flask:
        @app.get("/kept")
        def kept() -> Response:
            response = Response("kept")
            response.cache_control.max_age = 60
            return response

        return app

    def test_an_answer_that_is_kept_carries_no_cookie(self, client):
        post_login(client, remember="y")

        with time_machine.travel(now() + timedelta(hours=2)):
            assert written(client.get("/kept")) == []


def test_a_cookie_replayed_after_logout_is_refused(client, user):
    post_login(client, remember="y")
    token = client.get_cookie("portal").value

    form = {"csrf_token": csrf_token(client, "/account")}

    # The browser is seen anew here, but its cookie must not be written again.
    with time_machine.travel(now() + timedelta(minutes=5)):
        (line,) = written(client.post("/logout", data=form))

    assert "Max-Age=0" in line
    assert is_refused(client, token)


def change_password(client: FlaskClient) -> TestResponse:
    return client.post(
        "/account/password",
        data={
            "csrf_token": csrf_token(client, "/account"),
            "current_password": PASSWORD,
            "password": NEW_PASSWORD,
        },
    )


def test_a_new_password_gives_a_new_token_that_is_remembered_too(client, user):
    post_login(client, remember="y")
    old_token = client.get_cookie("portal").value

    with time_machine.travel(now() + timedelta(minutes=5)):
        (line,) = written(change_password(client))

    assert max_age_s(line) == 30 * DAY_S
    assert client.get_cookie("portal").value != old_token
    assert is_logged_in(client)
    assert is_refused(client, old_token)


def test_a_new_password_ends_the_remembered_logins_of_other_browsers(app, client, user):
    other = app.test_client()
    post_login(other, remember="y")
    log_in(client, user)

    change_password(client)

    assert not is_logged_in(other)


def test_a_reset_ends_every_remembered_login(app, client, user):
    post_login(client, remember="y")
    token = client.get_cookie("portal").value
    stranger = app.test_client()

    set_password(stranger, mailed_link(stranger))

    assert is_refused(client, token)


def test_suspending_the_user_ends_a_remembered_login_for_good(client, user):
    post_login(client, remember="y")
    accounts.suspend(user)
    db.session.commit()
    suspended = is_logged_in(client)

    accounts.restore(user)
    db.session.commit()

    assert not suspended
    assert not is_logged_in(client)
