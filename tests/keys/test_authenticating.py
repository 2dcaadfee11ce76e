"""What opens the API, and what doesn't."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import event, select

from portal import accounts, keys
from portal.audit import AuditEvent
from portal.db import db, now
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from tests.factories import make_key, make_user
from tests.plans.figures import DEFAULT_PLAN


@pytest.fixture
def user(app):
    return make_user()


def audited(action):
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.action == action))
    return [event.subject for event in events]


def test_a_key_is_found_by_its_secret(user):
    api_key, secret = make_key(user)

    found = keys.authenticate(secret)

    assert found.id == api_key.id
    assert found.user.email == "ada@example.org"


def test_only_a_hash_of_the_secret_is_kept(user):
    _, secret = make_key(user)

    row = db.session.execute(db.text("SELECT * FROM api_keys")).one()

    assert secret not in str(row)
    assert secret[11:] not in str(row)


def test_a_key_is_listed_by_the_first_eight_characters_of_its_secret(user):
    api_key, secret = make_key(user)

    assert api_key.prefix == secret[3:11]


@pytest.mark.parametrize("kind", ["mistyped", "unknown", "revoked", "expired", "empty"])
def test_a_key_that_opens_nothing_is_refused_in_the_same_words(user, kind):
    api_key, secret = make_key(user)
    if kind == "revoked":
        keys.revoke(api_key)
        db.session.commit()
    tried = {"mistyped": f"{secret[:-1]}!", "unknown": keys.make_secret(), "empty": ""}

    with (
        time_machine.travel(now() + timedelta(days=91 if kind == "expired" else 0)),
        pytest.raises(keys.KeyRefused) as refused,
    ):
        keys.authenticate(tried.get(kind, secret))

    assert str(refused.value) == str(keys.KeyRefused())
    assert refused.value.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_mistyped_key_is_refused_without_a_look_up(user):
    _, secret = make_key(user)
    mistyped = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    statements = []
    event.listen(
        db.engine, "before_cursor_execute", lambda *told: statements.append(told)
    )

    with pytest.raises(keys.KeyRefused):
        keys.authenticate(mistyped)

    assert statements == []


def test_a_key_expires_to_the_second(user):
    with time_machine.travel("2026-11-24T12:00:00Z", tick=False) as clock:
        issued = keys.issue(user, name="short", expires_in=timedelta(minutes=10))
        db.session.commit()

        clock.shift(timedelta(minutes=9, seconds=59))
        assert keys.authenticate(issued.secret).id == issued.api_key.id

        clock.shift(timedelta(seconds=1))
        with pytest.raises(keys.KeyRefused):
            keys.authenticate(issued.secret)


def test_the_key_of_a_suspended_user_is_forbidden(user):
    _, secret = make_key(user)
    accounts.suspend(user)
    db.session.commit()

    with pytest.raises(Forbidden, match="suspended"):
        keys.authenticate(secret)


def test_the_key_of_a_user_who_lost_the_verification_is_forbidden(user):
    _, secret = make_key(user)
    user.verified_at = None
    db.session.commit()

    with pytest.raises(Forbidden, match="confirmed address"):
        keys.authenticate(secret)


def test_an_unverified_user_gets_no_key(app):
    user = make_user(is_verified=False)

    with pytest.raises(Forbidden, match="Open the link"):
        keys.issue(user, name="script")


def test_a_key_may_predict_unless_told_otherwise(user):
    api_key, _ = make_key(user)
    reader = keys.issue(user, name="reader", scopes=[keys.Scope.USAGE_READ]).api_key

    assert api_key.scopes == ["predict"]
    assert reader.scopes == ["usage:read"]


def test_a_prefix_that_is_taken_is_drawn_again(user, monkeypatch):
    _, secret = make_key(user)
    fresh = keys.make_secret()
    drawn = iter([secret, secret, fresh])
    monkeypatch.setattr("portal.keys.secrets.make_secret", lambda: next(drawn))

    issued = keys.issue(user, name="second")

    assert issued.secret == fresh


@pytest.mark.parametrize(
    "name",
    ["", "   ", "\u200d", "a" * 81, "two\nlines", "a\x00b", "a\u202eb", "a\ud800"],
)
def test_a_name_that_can_not_be_shown_is_refused(user, name):
    with pytest.raises(Invalid) as refused:
        keys.issue(user, name=name)

    assert refused.value.field == "name"


@pytest.mark.parametrize(
    "name", ["a", "x" * 80, "資料\u3000夜間", "👨\u200d👩\u200d👧", "<b>&"]
)
def test_any_line_of_text_is_a_name(user, name):
    issued = keys.issue(user, name=f"  {name} ")

    assert issued.api_key.name == name


@pytest.mark.parametrize("lifetime", ["9m", "366d", "0d", "99999d"])
def test_a_key_lives_between_ten_minutes_and_a_year(user, lifetime):
    with pytest.raises(Invalid, match="between 10 minutes and 365 days"):
        keys.issue(user, name="k", expires_in=keys.parse_lifetime(lifetime))


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [
        ("10m", timedelta(minutes=10)),
        ("12h", timedelta(hours=12)),
        (" 30d ", timedelta(days=30)),
    ],
)
def test_a_lifetime_is_a_number_and_a_unit(text, lifetime):
    assert keys.parse_lifetime(text) == lifetime


@pytest.mark.parametrize("text", ["", "30", "d", "1w", "-1d", "1.5h", "٣d", "1000000d"])
def test_a_lifetime_written_otherwise_is_refused(text):
    with pytest.raises(Invalid, match="10m, 12h or 30d"):
        keys.parse_lifetime(text)


def test_the_plan_says_how_many_keys_may_be_active(user):
    for number in range(DEFAULT_PLAN.max_keys):
        last, _ = make_key(user, f"key {number}")

    with pytest.raises(Conflict, match="allows 5 active keys"):
        make_key(user, "one too many")

    keys.revoke(last)
    assert make_key(user, "in its place")[0].is_active


def test_expired_keys_leave_room_for_others(user):
    for number in range(DEFAULT_PLAN.max_keys):
        keys.issue(user, name=f"key {number}", expires_in=timedelta(minutes=10))

    with time_machine.travel(now() + timedelta(minutes=11)):
        assert keys.active_count(user) == 0
        assert make_key(user)[0].is_active


@pytest.mark.parametrize("database", ["app", "pg_app"])
def test_the_number_of_keys_is_exact_when_many_are_made_at_once(database, request):
    app = request.getfixturevalue(database)
    user_id = make_user().id
    at_once = 8
    start = threading.Barrier(at_once, timeout=10)

    def issue(_):
        with app.app_context():
            start.wait()
            try:
                keys.issue(accounts.find(user_id), name="at once")
            except Conflict:
                return "refused"
            db.session.commit()
            return "issued"

    with ThreadPoolExecutor(at_once) as threads:
        outcomes = list(threads.map(issue, range(at_once)))

    assert outcomes.count("issued") == DEFAULT_PLAN.max_keys
    assert outcomes.count("refused") == at_once - DEFAULT_PLAN.max_keys


def test_a_key_of_someone_else_is_not_there(user):
    api_key, _ = make_key(user)
    other = make_user("bob@example.org")

    assert keys.find(api_key.id, owner=user) is api_key
    with pytest.raises(NotFound):
        keys.find(api_key.id, owner=other)


def test_issuing_and_revoking_is_audited_once_each(user):
    api_key, secret = make_key(user)

    keys.revoke(api_key)
    keys.revoke(api_key)
    db.session.commit()

    assert audited("key.issued") == [f"key:{api_key.id}"]
    assert audited("key.revoked") == [f"key:{api_key.id}"]
    events = db.session.scalars(select(AuditEvent))
    assert all(secret not in str(event.details) for event in events)
