import statistics
import time

import pytest

from portal.accounts import User, views
from portal.app import create_app
from tests.accounts.conftest import LINK_ANSWER_S
from tests.accounts.resets import (
    NEW_PASSWORD,
    ask,
    can_log_in,
    mails,
    newest_link,
    set_password,
)
from tests.conftest import make_config, with_own_contexts
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import TOKEN, csrf_token


@pytest.fixture
def user(app) -> User:
    return make_user()


def test_the_login_page_leads_to_a_new_password(client):
    assert 'href="/forgot-password"' in client.get("/login").text
    assert client.get("/forgot-password").status_code == 200


def test_who_forgot_the_password_sets_a_new_one_through_a_mailed_link(client, user):
    answer = ask(client, " ADA@example.org ")

    (mail,) = mails()
    done = set_password(client, newest_link())
    assert "If there is an account" in client.get(answer.location).text
    assert mail.to_address == "ada@example.org"
    assert (done.status_code, done.location) == (303, "/login")
    assert can_log_in(NEW_PASSWORD)
    assert not can_log_in(PASSWORD)


def test_asking_for_a_link_tells_nothing_about_the_address(app, user):
    make_user("bob@example.org", is_verified=False)
    make_user("sam@example.org", is_suspended=True)
    names = ("ada", "bob", "sam", "nobody")

    answers = [ask(app.test_client(), f"{name}@example.org") for name in names]
    pages = [app.test_client().get(answer.location).text for answer in answers]

    without_token = {page.replace(TOKEN.search(page).group(1), "") for page in pages}
    assert {answer.status_code for answer in answers} == {303}
    assert len({(answer.location, answer.data) for answer in answers}) == 1
    assert len(without_token) == 1
    assert {mail.to_address for mail in mails()} == {
        "ada@example.org",
        "bob@example.org",
    }


def test_the_answer_takes_the_same_time_with_and_without_an_account(
    app, user, monkeypatch
):
    monkeypatch.setattr(views, "LINK_ANSWER_S", LINK_ANSWER_S)

    def median_s(email: str) -> float:
        times = []
        for _ in range(3):
            client = app.test_client()
            token = csrf_token(client, "/forgot-password")
            form = {"csrf_token": token, "email": email}
            start = time.perf_counter()
            client.post("/forgot-password", data=form)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    known, unknown = median_s("ada@example.org"), median_s("nobody@example.org")

    assert min(known, unknown) >= LINK_ANSWER_S
    assert abs(known - unknown) < 0.1


def test_an_unusable_address_is_refused_with_a_sentence(client):
    answer = ask(client, "a@b.c, d@e.f")

    assert answer.status_code == 422
    assert "one address only" in answer.text


def test_at_most_five_links_a_day_are_mailed_with_the_same_answer(client, user):
    answers = [ask(client) for _ in range(7)]

    assert len({(answer.status_code, answer.location) for answer in answers}) == 1
    assert len(mails()) == 5
    assert client.get(newest_link()).status_code == 200


def test_one_address_asks_20_times_an_hour(client):
    answers = [ask(client, f"user{n}@example.org") for n in range(20)]
    refused = ask(client)

    assert {answer.status_code for answer in answers} == {303}
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_a_question_without_a_form_token_is_refused(client, user):
    answer = client.post("/forgot-password", data={"email": "ada@example.org"})

    assert answer.status_code == 400
    assert mails() == []


def test_the_link_leads_to_the_configured_address_whatever_the_host_header(
    app, client, user
):
    token = csrf_token(client, "/forgot-password")
    form = {"csrf_token": token, "email": "ada@example.org"}
    client.post("/forgot-password", data=form, headers={"Host": "localhost:9999"})

    (mail,) = mails()
    assert f"{app.extensions['portal'].config.base_url}/reset-password/" in mail.text
    assert "9999" not in mail.text


@pytest.mark.parametrize("proxies", ["0", "1"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"X-Forwarded-Host": "evil.example"}, 303),
        ({"Forwarded": "host=evil.example;proto=https"}, 303),
        ({"Host": "localhost", "X-Forwarded-Host": "evil.example:443"}, 303),
    ],
)
def test_no_forged_host_gets_into_the_link(
    config, tmp_path, app, user, proxies, headers, status
):
    portal = create_app(make_config(tmp_path, PORTAL_TRUSTED_PROXIES=proxies))
    client = with_own_contexts(portal).test_client()
    token = csrf_token(client, "/forgot-password")
    form = {"csrf_token": token, "email": "ada@example.org"}

    answer = client.post("/forgot-password", data=form, headers=headers)

    assert answer.status_code == status
    assert "evil" not in answer.headers.get("Location", "")
    assert len(mails()) == (status == 303)
    for mail in mails():
        assert f"{config.base_url}/reset-password/" in mail.text
        assert "evil" not in mail.text + mail.html


def test_somebody_logged_in_can_have_a_link_sent_too(client, user):
    log_in(client, user)

    page = client.get("/forgot-password").text

    assert 'value="ada@example.org"' in page
    assert 'href="/forgot-password"' in client.get("/account").text
