"""The page of a user's keys."""

import re
from datetime import timedelta

import pytest
import time_machine

from portal import keys
from portal.db import db, now
from portal.limits import DEFAULT_PLAN
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token

SECRET = re.compile(r"mp_[0-9A-Za-z]{38}")
AS_FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def user(app, client):
    user = make_user()
    log_in(client, user)
    return user


def create(client, name="laptop", expires_in="90d", **options):
    form = {
        "csrf_token": csrf_token(client, "/keys"),
        "name": name,
        "expires_in": expires_in,
    }
    return client.post("/keys", data=form, **options)


def revoke(client, key_id, **options):
    form = {"csrf_token": csrf_token(client, "/keys")}
    return client.post(f"/keys/{key_id}/revocation", data=form, **options)


def test_the_page_needs_a_login(client):
    answer = client.get("/keys")

    assert answer.status_code == 303
    assert answer.location.startswith("/login?next=")


def test_without_keys_the_page_says_what_will_be_here(client, user):
    page = client.get("/keys")

    assert page.status_code == 200
    assert "No keys yet" in page.text
    assert "Create key" in page.text


def test_a_new_key_is_shown_once(client, user):
    answer = create(client)

    (secret,) = set(SECRET.findall(answer.text))
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert keys.authenticate(secret).name == "laptop"
    assert secret not in client.get("/keys").text
    assert secret[11:] not in str(client.get_cookie("portal-forms"))


def test_a_new_key_comes_as_a_fragment_to_htmx(client, user):
    answer = create(client, headers=AS_FRAGMENT)

    assert answer.status_code == 201
    assert answer.text.strip().startswith("<div")
    assert 'id="keys"' in answer.text
    assert "<html" not in answer.text
    assert SECRET.search(answer.text)


def test_a_key_lives_as_long_as_was_chosen(client, user):
    create(client, expires_in="10m")

    (api_key,) = keys.list_of(user)
    assert api_key.expires_at - api_key.created_at == timedelta(minutes=10)


def test_the_choices_go_from_ten_minutes_to_a_year_and_90_days_are_chosen(client, user):
    page = client.get("/keys").text

    choices = re.findall(r'<option( selected)? value="(\w+)"', page)
    assert [value for _, value in choices] == [
        *("10m", "1h", "1d", "7d", "30d", "90d", "365d")
    ]
    assert [value for selected, value in choices if selected] == ["90d"]


@pytest.mark.parametrize(
    ("name", "expires_in", "sentence"),
    [
        ("", "90d", "A key needs a name."),
        ("   ", "90d", "A key needs a name."),
        ("a" * 81, "90d", "at most 80 characters; this one has 81"),
        ("a\x00b", "90d", "without control characters"),
        ("laptop", "2y", "Not a valid choice"),
    ],
)
def test_a_wrong_form_comes_back_with_what_was_typed(
    client, user, name, expires_in, sentence
):
    answer = create(client, name, expires_in)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert keys.list_of(user) == []
    if name.isprintable():
        assert f'value="{name}"' in answer.text


def test_a_form_without_its_token_is_refused(client, user):
    answer = client.post("/keys", data={"name": "laptop", "expires_in": "90d"})

    assert answer.status_code == 400
    assert keys.list_of(user) == []


def test_a_name_is_shown_as_text(client, user):
    create(client, '<img src=x hx-get="/logout" hx-trigger=load>')

    page = client.get("/keys").text

    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_at_the_limit_the_page_says_so(client, user):
    token = csrf_token(client, "/keys")
    for number in range(DEFAULT_PLAN.max_keys):
        make_key(user, f"key {number}")

    page = client.get("/keys")
    answer = client.post(
        "/keys", data={"csrf_token": token, "name": "more", "expires_in": "90d"}
    )

    assert "You have 5 active keys, the most your plan allows." in page.text
    assert "Create key" not in page.text
    assert answer.status_code == 422
    assert "You have 5 active keys, the most your plan allows." in answer.text
    assert len(keys.list_of(user)) == DEFAULT_PLAN.max_keys


def test_an_unverified_user_is_told_how_to_get_there(client, app):
    log_in(client, make_user(is_verified=False))

    page = client.get("/keys")
    answer = client.post(
        "/keys",
        data={
            "csrf_token": csrf_token(client, "/keys"),
            "name": "laptop",
            "expires_in": "90d",
        },
    )

    assert "Confirm your address to make keys." in page.text
    assert "/verify-email" in page.text
    assert answer.status_code == 403
    assert "Open the link that we mailed you" in answer.text


def test_a_revoked_key_stays_listed_and_opens_nothing(client, user):
    api_key, secret = make_key(user)

    answer = revoke(client, api_key.id)

    page = client.get("/keys").text
    assert answer.status_code == 303
    assert answer.location == "/keys"
    assert f"mp_{api_key.prefix}…" in page
    assert "Revoked" in page
    assert f"/keys/{api_key.id}/revocation" not in page
    db.session.expire_all()
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(secret)


def test_an_expired_key_is_listed_as_such(client, user):
    keys.issue(user, name="short", expires_in=timedelta(minutes=10))
    db.session.commit()

    with time_machine.travel(now() + timedelta(minutes=11)):
        page = client.get("/keys").text

    assert "Expired" in page


def test_the_key_of_someone_else_is_not_there(client, user):
    api_key, _ = make_key(make_user("bob@example.org"))

    answer = revoke(client, api_key.id)

    assert answer.status_code == 404
    db.session.expire_all()
    assert api_key.is_active
    assert api_key.prefix not in client.get("/keys").text


def test_a_number_too_large_for_a_key_is_not_there(client, user):
    assert revoke(client, 10**30).status_code == 404


def test_a_key_can_not_make_a_key(client, user):
    _, secret = make_key(user)
    client.delete_cookie("portal")

    answer = client.post(
        "/keys",
        data={"name": "another", "expires_in": "90d"},
        headers={"Authorization": f"Bearer {secret}"},
    )

    assert answer.status_code in {303, 400}
    assert len(keys.list_of(user)) == 1
