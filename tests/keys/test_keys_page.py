"""The page of a user's keys."""

import re
from datetime import timedelta

import pytest
import time_machine

from portal import keys, usage
from portal.db import db, now
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token
from tests.plans.figures import DEFAULT_PLAN

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

    assert "Your plan “default” allows 5 active keys." in page.text
    assert "Create key" not in page.text
    assert answer.status_code == 422
    assert "Your plan “default” allows 5 active keys." in answer.text
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


def rename(client, key_id, name, **options):
    form = {"csrf_token": csrf_token(client, "/keys"), "name": name}
    return client.post(f"/keys/{key_id}/name", data=form, **options)


def delete(client, key_id, **options):
    form = {"csrf_token": csrf_token(client, "/keys")}
    return client.post(f"/keys/{key_id}/deletion", data=form, **options)


def test_a_key_that_was_never_used_is_listed_so(client, user):
    make_key(user)

    page = client.get("/keys").text

    assert re.search(r'data-label="Last used">\s*<div[^>]*>\s*never\s', page)


def test_the_page_shows_when_from_where_and_by_what_a_key_was_used(client, user):
    _, secret = make_key(user)
    with time_machine.travel("2026-11-25T12:34:56Z", tick=False):
        client.application.test_client().get(
            "/api/v1/me",
            headers={"X-API-Key": secret, "User-Agent": '<b hx-get="/logout">'},
            environ_base={"REMOTE_ADDR": "198.51.100.7"},
        )

    page = client.get("/keys").text

    assert "25 Nov 2026, 12:34 UTC" in page
    assert "198.51.100.7" in page
    assert "&lt;b hx-get=&#34;/logout&#34;&gt;" in page
    assert "<b hx-get" not in page


def test_the_menu_of_an_active_key_renames_it_and_deletes_nothing(client, user):
    api_key, _ = make_key(user, "laptop")

    page = client.get("/keys").text

    assert f'action="/keys/{api_key.id}/name"' in page
    assert f"/keys/{api_key.id}/deletion" not in page
    assert '<details class="menu key-menu" data-menu>' in page


def test_a_key_is_renamed(client, user):
    api_key, _ = make_key(user, "laptop")

    answer = rename(client, api_key.id, "desk")

    page = client.get("/keys").text
    assert (answer.status_code, answer.location) == (303, "/keys")
    assert ">desk</a>" in page
    assert "laptop" not in page


@pytest.mark.parametrize("headers", [{}, AS_FRAGMENT])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "A key needs a name."),
        ("a" * 81, "at most 80 characters; this one has 81"),
    ],
)
def test_a_wrong_name_comes_back_in_the_open_menu_of_its_key(
    client, user, name, sentence, headers
):
    api_key, _ = make_key(user, "laptop")
    other, _ = make_key(user, "attic")

    answer = rename(client, api_key.id, name, headers=headers)

    assert answer.status_code == 422
    assert answer.text.count(sentence) == 2  # above the keys and beside the field
    assert f'href="#name-{api_key.id}"' in answer.text
    assert f'id="name-{api_key.id}-error"' in answer.text
    assert f'id="name-{other.id}-error"' not in answer.text
    assert answer.text.count('<details class="menu key-menu" open>') == 1
    assert f'value="{name}"' in answer.text
    assert ">laptop</a>" in answer.text
    assert ("<html" in answer.text) is not bool(headers)


@pytest.mark.parametrize("ending", ["revoked", "expired"])
def test_a_key_that_opens_nothing_more_is_deleted(client, user, ending):
    api_key, _ = make_key(user, "laptop")
    if ending == "revoked":
        keys.revoke(api_key)
    else:
        api_key.expires_at = now()
    db.session.commit()
    assert f'action="/keys/{api_key.id}/deletion"' in client.get("/keys").text

    answer = delete(client, api_key.id)

    page = client.get("/keys").text
    assert (answer.status_code, answer.location) == (303, "/keys")
    assert api_key.prefix not in page
    assert "No keys yet" in page


def test_deleting_asks_first(client, user):
    api_key, _ = make_key(user, "laptop")
    keys.revoke(api_key)
    db.session.commit()

    page = client.get("/keys").text

    assert 'data-confirm="Delete “laptop”?' in page


@pytest.mark.parametrize("headers", [{}, AS_FRAGMENT])
def test_a_key_that_still_works_is_not_deleted(client, user, headers):
    api_key, secret = make_key(user)

    answer = delete(client, api_key.id, headers=headers)

    assert answer.status_code == 409
    assert "This key still works. Revoke it first, then delete it." in answer.text
    db.session.expire_all()
    assert keys.authenticate(secret).id == api_key.id


def test_the_calls_of_a_deleted_key_stay_on_the_usage_page(client, user):
    api_key, _ = make_key(user, "laptop")
    usage.record(
        request_id="req_1",
        user_id=user.id,
        api_key_id=api_key.id,
        model_id=None,
        version=None,
        surface=usage.Surface.API,
        status=200,
        latency_ms=1.0,
        compute_ms=1.0,
    )
    keys.revoke(api_key)
    db.session.commit()

    delete(client, api_key.id)

    page = client.get("/usage").text
    assert "deleted key" in page
    assert "laptop" not in page
    assert ",deleted,1," in client.get("/usage.csv").text


@pytest.mark.parametrize("headers", [{}, AS_FRAGMENT])
@pytest.mark.parametrize("deed", ["name", "deletion", "revocation"])
def test_nobody_changes_the_key_of_someone_else(client, user, deed, headers):
    api_key, _ = make_key(make_user("bob@example.org"), "his")
    if deed == "deletion":
        keys.revoke(api_key)
    db.session.commit()
    form = {"csrf_token": csrf_token(client, "/keys"), "name": "mine"}

    answer = client.post(f"/keys/{api_key.id}/{deed}", data=form, headers=headers)

    assert answer.status_code == 404
    assert "his" not in re.findall(r"[\w]+", answer.text)
    assert api_key.prefix not in answer.text
    db.session.expire_all()
    assert api_key.name == "his"
    assert api_key.deleted_at is None
    assert api_key.is_revoked is (deed == "deletion")


@pytest.mark.parametrize("deed", ["name", "deletion"])
def test_a_deed_without_its_token_is_refused(client, user, deed):
    api_key, _ = make_key(user, "laptop")
    keys.revoke(api_key)
    db.session.commit()

    answer = client.post(f"/keys/{api_key.id}/{deed}", data={"name": "mine"})

    assert answer.status_code == 400
    db.session.expire_all()
    assert api_key.name == "laptop"
    assert api_key.deleted_at is None


@pytest.mark.parametrize("deed", ["name", "deletion"])
def test_a_deed_on_a_key_needs_a_login(app, client, user, deed):
    api_key, _ = make_key(user, "laptop")
    token = csrf_token(client, "/keys")
    client.delete_cookie("portal")

    answer = client.post(
        f"/keys/{api_key.id}/{deed}", data={"csrf_token": token, "name": "mine"}
    )

    assert answer.status_code == 303
    assert answer.location.startswith("/login?next=")
    db.session.expire_all()
    assert api_key.name == "laptop"


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
