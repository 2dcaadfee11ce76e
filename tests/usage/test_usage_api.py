"""`GET /api/v1/usage`: the sums of a user's calls."""

import csv
import io
from datetime import date, timedelta

import pytest
import time_machine

from portal import keys
from portal.catalog import Model
from portal.db import db, now
from portal.keys import Scope
from portal.usage import Surface
from tests.api.calling import bearer
from tests.counted import add_call
from tests.factories import log_in, make_key, make_user

NUMBERS = ("calls", "errors", "compute_ms", "p50_ms", "p95_ms", "p99_ms")


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL; it is noon of 24 November 2026."""
    with time_machine.travel("2026-11-24T12:00:00Z"):
        yield request.getfixturevalue(request.param)


@pytest.fixture
def user(portal):
    return make_user()


@pytest.fixture
def secret(user):
    return reading_key(user)


@pytest.fixture
def ask(portal, secret):
    """Return what asks for the usage of *user*."""
    client = portal.test_client()
    return lambda query="": client.get(f"/api/v1/usage{query}", headers=bearer(secret))


def reading_key(user):
    issued = keys.issue(user, name="reader", scopes=(Scope.USAGE_READ,))
    db.session.commit()
    return issued.secret


def make_plain_model(name):
    model = Model(name=name, live_number=1)
    db.session.add(model)
    db.session.commit()
    return model


def counts(answer, by):
    return [(row[by], row["calls"], row["errors"]) for row in answer.json["rows"]]


def test_it_tells_each_day_of_the_last_thirty_that_had_calls(ask, user):
    today = now()
    add_call(today, user_id=user.id)
    add_call(today, 2, user_id=user.id, status=422, latency_ms=800.0)
    add_call(today - timedelta(days=29), user_id=user.id)
    add_call(today - timedelta(days=30), user_id=user.id)

    answer = ask()

    assert answer.status_code == 200
    assert list(answer.json) == ["from", "to", "by", "rows", "total"]
    assert answer.json["from"] == "2026-10-26"
    assert answer.json["to"] == "2026-11-24"
    assert answer.json["by"] == "day"
    assert counts(answer, "day") == [("2026-10-26", 1, 0), ("2026-11-24", 3, 2)]
    (latest,) = answer.json["rows"][1:]
    assert tuple(latest) == ("day", *NUMBERS)
    assert latest["compute_ms"] == 60.0
    assert 700 < latest["p50_ms"] < latest["p95_ms"] < latest["p99_ms"] <= 1000
    assert 20 < answer.json["total"]["p50_ms"] <= 30
    assert tuple(answer.json["total"]) == NUMBERS
    assert answer.json["total"]["calls"] == 4


@pytest.mark.parametrize("by", ["day", "hour", "model", "key"])
def test_without_calls_there_are_no_rows(ask, by):
    answer = ask(f"?by={by}")

    assert answer.json["rows"] == []
    assert answer.json["total"] == dict.fromkeys(NUMBERS, 0)


def test_both_ends_of_the_days_that_are_asked_for_belong(ask, user):
    for day in range(20, 25):
        add_call(now().replace(day=day, hour=0), user_id=user.id)

    answer = ask("?from=2026-11-21&to=2026-11-23")

    days = [("2026-11-21", 1, 0), ("2026-11-22", 1, 0), ("2026-11-23", 1, 0)]
    assert counts(answer, "day") == days


def test_it_tells_hours_as_instants_in_utc(ask, user):
    add_call(now().replace(hour=0), user_id=user.id)
    add_call(now().replace(hour=23), 2, user_id=user.id)
    add_call(now() - timedelta(days=7), user_id=user.id)

    answer = ask("?by=hour")

    assert answer.json["from"] == "2026-11-18"
    hours = [("2026-11-24T00:00:00Z", 1, 0), ("2026-11-24T23:00:00Z", 2, 0)]
    assert counts(answer, "hour") == hours


def test_it_tells_models_by_name_the_most_called_first(ask, user):
    ocr, iris = make_plain_model("ocr"), make_plain_model("unknown")
    add_call(now(), 2, user_id=user.id, model_id=ocr.id)
    add_call(now(), 3, user_id=user.id, model_id=iris.id, version=2)
    # A model that was never there, and one whose row is gone.
    add_call(now(), user_id=user.id, status=404)

    answer = ask("?by=model")

    assert counts(answer, "model") == [("unknown", 3, 0), ("ocr", 2, 0), (None, 1, 1)]


def test_it_tells_keys_by_prefix_the_most_used_first(ask, user):
    laptop, _ = make_key(user, "laptop")
    gone, _ = make_key(user, "gone")
    gone.revoked_at = gone.deleted_at = now()
    db.session.commit()
    by_key = {"user_id": user.id, "surface": Surface.API}
    add_call(now(), 4, api_key_id=laptop.id, **by_key)
    add_call(now(), 1, api_key_id=gone.id, **by_key)
    add_call(now(), 2, api_key_id=99_999, **by_key)
    add_call(now(), 2, user_id=user.id)

    answer = ask("?by=key")

    assert counts(answer, "key") == [
        (laptop.prefix, 4, 0),
        (None, 3, 0),
        ("playground", 2, 0),
    ]


def test_the_page_and_the_csv_have_the_same_numbers(portal, ask, user):
    add_call(now(), 3, user_id=user.id)
    add_call(now(), 2, user_id=user.id, status=500, latency_ms=90.0)
    client = portal.test_client()
    log_in(client, user)

    told = ask("?by=day").json["total"]

    page = client.get("/usage").text
    lines = list(csv.DictReader(io.StringIO(client.get("/usage.csv").text)))
    assert [(line["calls"], line["errors"]) for line in lines] == [("5", "2")]
    assert lines[0]["compute_ms"] == str(told["compute_ms"])
    assert f"{told['p50_ms']:.1f} ms" in page


def test_somebody_else_sees_nothing_of_it(portal, user):
    add_call(now(), user_id=user.id)
    other = reading_key(make_user("bob@example.org"))

    answer = portal.test_client().get("/api/v1/usage", headers=bearer(other))

    assert answer.json["rows"] == []


def test_a_key_without_the_scope_is_refused(portal, user):
    _, secret = make_key(user)

    answer = portal.test_client().get("/api/v1/usage", headers=bearer(secret))

    assert answer.status_code == 403
    assert "usage:read" in answer.json["detail"]
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("query", "pointer", "detail"),
    [
        ("from=yesterday", "/from", "a day such as 2026-11-24, not yesterday"),
        ("from=20261124", "/from", "a day such as"),
        ("to=2026-02-30", "/to", "a day such as"),
        ("to=2026-11-24%00", "/to", "a day such as"),
        ("from=2026-11-24&to=2026-11-23", "/from", "after the last one (2026-11-23)"),
        ("from=2025-11-23", "/from", "These are 367 days; at most 366"),
        ("from=0001-01-01&to=9999-12-31", "/from", "at most 366"),
        ("by=hour&from=2026-10-24", "/from", "at most 31"),
        ("by=hour&from=2026-08-26&to=2026-08-27", "/from", "not be before 2026-08-27"),
        ("by=week", "/by", "one of day, hour, model, key, not week"),
        ("form=2026-11-24", "/form", "There is no parameter form"),
        ("by=day&by=hour", "/by", "more than once"),
    ],
)
def test_what_can_not_be_meant_is_refused(ask, query, pointer, detail):
    answer = ask(f"?{query}")

    assert answer.status_code == 422
    (error,) = answer.json["errors"]
    assert error["pointer"] == pointer
    assert detail in error["detail"]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("from=2025-11-24", "2025-11-24"),
        ("to=0001-01-05", "0001-01-01"),
        ("from=9999-12-31&to=9999-12-31", "9999-12-31"),
        ("by=hour&from=2026-08-27&to=2026-08-27", "2026-08-27"),
        ("by=&from=&to=", "2026-10-26"),
    ],
)
def test_the_outermost_days_are_answered(ask, query, first):
    answer = ask(f"?{query}")

    assert answer.status_code == 200
    assert date.fromisoformat(answer.json["from"]) == date.fromisoformat(first)
