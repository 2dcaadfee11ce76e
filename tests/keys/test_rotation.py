"""A new secret for a key, and the old one beside it for a while."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from portal import accounts, keys
from portal.accounts.errors import UserSuspended
from portal.audit import AuditEvent
from portal.db import db, now
from portal.errors import Conflict, Invalid
from portal.keys import ApiKey, Until
from tests.api.calling import bearer
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token

ME = "/api/v1/me"
SECRET = re.compile(r"mp_[0-9A-Za-z]{38}")
HOUR = timedelta(hours=1)


@pytest.fixture
def user(app, client):
    user = make_user()
    log_in(client, user)
    return user


def rotate(api_key, overlap=HOUR, expires_in=None):
    issued = keys.rotate(
        api_key, prefix=api_key.prefix, until=Until(overlap, expires_in)
    )
    db.session.commit()
    return issued.secret


def opens(secret):
    try:
        return keys.authenticate(secret).id
    except keys.KeyRefused:
        return None


def test_both_secrets_open_the_same_key_until_the_overlap_ends(user):
    with time_machine.travel("2026-11-24T12:00:00Z", tick=False) as clock:
        api_key, old = make_key(user)
        new = rotate(api_key)

        assert opens(old) == opens(new) == api_key.id
        clock.shift(HOUR - timedelta(seconds=1))
        assert opens(old) == api_key.id
        clock.shift(timedelta(seconds=1))
        assert opens(old) is None
        assert opens(new) == api_key.id


def test_the_key_stays_the_same_but_for_its_prefix(user):
    api_key, old = make_key(user, "till")
    keys.restrict(api_key, keys.read_restrictions(models=["ocr"]))
    before = (api_key.id, api_key.created_at, api_key.expires_at)

    new = rotate(api_key)

    found = keys.find_by_prefix(new[3:11])
    assert (found.id, found.created_at, found.expires_at) == before
    assert (found.name, found.models) == ("till", ["ocr"])
    assert keys.find_by_prefix(old[:11]).id == found.id
    assert keys.active_count(user) == 1


def test_without_an_overlap_the_old_secret_ends_at_once(user):
    api_key, old = make_key(user)

    new = rotate(api_key, timedelta(0))

    assert opens(old) is None
    assert opens(new) == api_key.id
    third = rotate(api_key, timedelta(0))
    assert (opens(new), opens(third)) == (None, api_key.id)


def test_the_old_secret_does_not_outlive_the_key(user):
    with time_machine.travel("2026-11-24T12:00:00Z", tick=False) as clock:
        issued = keys.issue(user, name="short", expires_in=HOUR)
        db.session.commit()
        new = rotate(issued.api_key, timedelta(days=7), timedelta(days=30))

        clock.shift(HOUR)

        assert opens(issued.secret) is None
        assert opens(new) == issued.api_key.id


def test_a_key_has_two_secrets_at_most(user):
    api_key, old = make_key(user)
    new = rotate(api_key)

    with pytest.raises(Conflict, match="still works"):
        rotate(api_key)
    db.session.rollback()
    keys.end_previous(api_key)
    db.session.commit()

    assert opens(old) is None
    third = rotate(api_key)
    assert opens(new) == opens(third) == api_key.id


@pytest.mark.parametrize("ended", ["revoked", "expired"])
def test_a_key_that_is_over_gets_no_secret(user, ended):
    api_key, _ = make_key(user)
    if ended == "revoked":
        keys.revoke(api_key)

    with (
        time_machine.travel(now() + timedelta(days=91 if ended == "expired" else 0)),
        pytest.raises(keys.KeyOver),
    ):
        rotate(api_key)


def test_revoking_ends_both_secrets(user):
    api_key, old = make_key(user)
    new = rotate(api_key)

    keys.revoke(api_key)
    db.session.commit()

    assert opens(old) is opens(new) is None


@pytest.mark.parametrize("overlap", [HOUR, timedelta(0)])
@pytest.mark.parametrize("database", ["app", "pg_app"])
def test_of_many_rotations_at_once_one_is_done(database, overlap, request):
    app = request.getfixturevalue(database)
    api_key, old = make_key(make_user())
    at_once, start = 6, threading.Barrier(6, timeout=10)
    key_id, prefix = api_key.id, api_key.prefix

    def rotate_it(_):
        with app.app_context():
            found = db.session.get(ApiKey, key_id)
            start.wait()
            try:
                issued = keys.rotate(found, prefix=prefix, until=Until(overlap))
            except Conflict:
                return None
            db.session.commit()
            return issued.secret

    with ThreadPoolExecutor(at_once) as threads:
        secrets = [one for one in threads.map(rotate_it, range(at_once)) if one]

    assert len(secrets) == 1
    assert opens(secrets[0]) == key_id
    assert opens(old) == (key_id if overlap else None)


def test_the_last_use_of_each_secret_is_noted(app, client, user):
    with time_machine.travel("2026-11-24T12:00:30Z", tick=False) as clock:
        api_key, old = make_key(user)
        client.get(ME, headers=bearer(old) | {"User-Agent": "before"})
        clock.shift(60)
        new = rotate(api_key)
        assert api_key.previous_rests
        assert api_key.current_use.at is None
        assert api_key.last_use.agent == "before"

        client.get(ME, headers=bearer(new) | {"User-Agent": "new"})
        client.get(ME, headers=bearer(old) | {"User-Agent": "old"})

    db.session.refresh(api_key)
    assert api_key.current_use.agent == "new"
    assert api_key.previous_use.agent == "old"
    assert not api_key.previous_rests


def test_a_row_that_is_cached_credits_no_secret_with_the_others_use(app, client, user):
    # Another process does not know for a moment that the secret was replaced.
    api_key, old = make_key(user)
    stale = keys.authenticate(old)
    rotate(api_key)

    keys.mark_used(stale, old, address="198.51.100.7", user_agent="late")

    db.session.refresh(api_key)
    assert api_key.current_use.at is None


def test_the_api_tells_which_secret_was_sent_and_when_it_ends(client, user):
    api_key, old = make_key(user)
    new = rotate(api_key)

    told_old = client.get(ME, headers=bearer(old)).json["key"]
    told_new = client.get(ME, headers=bearer(new)).json["key"]

    assert (told_old["prefix"], told_new["prefix"]) == (old[3:11], new[3:11])
    assert told_old["expires_at"] < told_new["expires_at"]


@pytest.mark.parametrize(
    ("text", "overlap"),
    [("now", timedelta(0)), ("1h", HOUR), ("30d", timedelta(days=30))],
)
def test_an_overlap_is_a_duration_or_now(text, overlap):
    assert keys.parse_overlap(text) == overlap


@pytest.mark.parametrize("text", ["", "later", "-1h", "31d", "1w"])
def test_an_overlap_written_otherwise_is_refused(text):
    with pytest.raises(Invalid) as refused:
        keys.parse_overlap(text)

    assert refused.value.field == "overlap"


def test_rotating_and_ending_are_audited_without_a_secret(user):
    api_key, old = make_key(user)
    new = rotate(api_key)
    keys.end_previous(api_key)
    keys.end_previous(api_key)
    db.session.commit()

    events = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    actions = [event.action for event in events if event.action.startswith("key.")]
    assert actions == ["key.issued", "key.rotated", "key.secret_ended"]
    assert not any(s in str(e.details) for e in events for s in (old, new))


def post(client, api_key, deed="rotation", **fields):
    form = {"csrf_token": csrf_token(client, f"/keys/{api_key.id}")}
    return client.post(f"/keys/{api_key.id}/{deed}", data=form | fields)


def test_the_page_shows_the_new_secret_once_and_then_both_prefixes(client, user):
    api_key, old = make_key(user)

    answer = post(client, api_key, overlap="7d", expires_in="365d")

    (new,) = set(SECRET.findall(answer.text))
    page = client.get(f"/keys/{api_key.id}").text
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert opens(new) == opens(old) == api_key.id
    assert new not in page
    assert f"mp_{old[3:11]}…" in page
    assert f"mp_{new[3:11]}…" in page
    assert f"mp_{old[3:11]}…" in client.get("/keys").text
    db.session.refresh(api_key)
    assert api_key.expires_at - now() > timedelta(days=364)
    assert api_key.previous_ends_at - now() < timedelta(days=7)


def test_the_page_says_when_the_old_secret_is_safe_to_end(client, user):
    with time_machine.travel("2026-11-24T12:00:30Z", tick=False) as clock:
        log_in(client, user)
        api_key, old = make_key(user)
        new = rotate(api_key, timedelta(days=7))
        path = f"/keys/{api_key.id}"
        assert "was not used since the rotation" in client.get(path).text

        clock.shift(120)
        client.get(ME, headers=bearer(new))
        assert "The old secret is safe to end." in client.get(path).text

        client.get(ME, headers=bearer(old))
        assert "was used since the rotation" in client.get(path).text

        answer = post(client, api_key, "previous-secret/ending")

        assert (answer.status_code, answer.location) == (303, path)
        assert opens(old) is None


def test_a_form_sent_twice_rotates_once(client, user):
    api_key, old = make_key(user)
    form = {"overlap": "now", "prefix": old[3:11]}
    new = SECRET.search(post(client, api_key, **form).text).group()

    again = post(client, api_key, **form)

    assert again.status_code == 409
    assert f"its new secret begins with mp_{new[3:11]}" in again.text
    assert opens(new) == api_key.id


@pytest.mark.parametrize("fields", [{"overlap": "1y"}, {"expires_in": "2y"}])
def test_a_choice_that_is_not_offered_rotates_nothing(client, user, fields):
    api_key, old = make_key(user)

    answer = post(client, api_key, **fields)

    assert answer.status_code == 422
    assert "Not a valid choice" in answer.text
    assert api_key.prefix == old[3:11]


def test_nobody_rotates_the_key_of_somebody_else(client, user):
    api_key, secret = make_key(make_user("bob@example.org"))
    form = {"csrf_token": csrf_token(client, "/keys"), "overlap": "now"}

    for deed in ("rotation", "previous-secret/ending"):
        path = f"/keys/{api_key.id}/{deed}"
        assert client.post(path, data=form).status_code == 404
    assert opens(secret) == api_key.id


def test_a_suspended_user_gets_no_secret(user):
    api_key, _ = make_key(user)
    accounts.suspend(user)
    db.session.commit()

    with pytest.raises(UserSuspended):
        rotate(api_key)


def test_the_command_prints_the_new_secret_and_nothing_else(runner, user):
    _, old = make_key(user)

    done = runner.invoke(args=["keys", "rotate", old[:11], "--overlap", "7d"])
    again = runner.invoke(args=["keys", "rotate", old[:11]])
    listed = runner.invoke(args=["keys", "list", "--json"])

    new = done.stdout.strip()
    assert (done.exit_code, done.stdout) == (0, f"{new}\n")
    assert opens(new) == opens(old)
    assert again.exit_code == 1
    assert "rotated meanwhile" in again.stderr
    (row,) = json.loads(listed.stdout)
    assert row["previous"]["prefix"] == old[3:11]


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--overlap", "soon", "1h or 7d, or now"),
        ("--expires-in", "never", "without end"),
        ("--expires-in", "9999d", "365 days"),
    ],
)
def test_the_command_refuses_a_duration_it_can_not_use(
    runner, user, option, value, told
):
    api_key, old = make_key(user)

    done = runner.invoke(args=["keys", "rotate", old[:11], option, value])

    assert done.exit_code == 2
    assert told in done.stderr
    assert opens(old) == api_key.id
    assert api_key.prefix == old[3:11]
