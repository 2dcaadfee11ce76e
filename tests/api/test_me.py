"""`GET /api/v1/me`: who the key belongs to, and what is left."""

import time_machine

from tests.api.calling import bearer, predict_iris, statuses


def test_it_says_who_the_key_belongs_to(client, ada):
    answer = client.get("/api/v1/me", headers=bearer(ada.secret))

    assert answer.status_code == 200
    assert answer.json["user"] == {"email": "ada@example.org", "role": "user"}
    assert answer.json["key"]["prefix"] == ada.secret[3:11]
    assert answer.json["key"]["name"] == "script"
    assert answer.json["key"]["scopes"] == ["predict"]
    assert answer.json["plan"] == "default"


def test_it_says_when_the_key_expires_in_utc(client, ada):
    answer = client.get("/api/v1/me", headers=bearer(ada.secret))

    assert answer.json["key"]["expires_at"] == ada.api_key.expires_at.isoformat()
    assert answer.json["key"]["expires_at"].endswith("+00:00")


def test_it_never_shows_the_secret(client, ada):
    answer = client.get("/api/v1/me", headers=bearer(ada.secret))

    assert ada.secret not in answer.text
    assert ada.secret[11:] not in answer.text


def test_it_shows_what_is_left_of_each_limit(client, ada):
    predict_iris(client, ada.secret)

    answer = client.get("/api/v1/me", headers=bearer(ada.secret))

    per_minute, per_hour = answer.json["limits"]
    assert 0 < per_minute.pop("reset_s") <= 60
    assert per_minute == {
        "policy": "per-minute",
        "limit": 60,
        "window_s": 60,
        "left": 59,
    }
    assert (per_hour["policy"], per_hour["left"]) == ("per-hour", 1999)


def test_it_shows_the_month_quota(client, ada):
    with time_machine.travel("2026-12-31T23:00:00Z", tick=False):
        predict_iris(client, ada.secret)
        answer = client.get("/api/v1/me", headers=bearer(ada.secret))

    assert answer.json["quota"] == {
        "limit": 10_000,
        "used": 1,
        "left": 9_999,
        "resets_at": "2027-01-01T00:00:00+00:00",
    }


def test_a_new_month_begins_with_the_whole_quota(client, ada):
    with time_machine.travel("2026-12-31T23:59:59Z", tick=False) as clock:
        predict_iris(client, ada.secret)
        clock.move_to("2027-01-01T00:00:00Z")
        answer = client.get("/api/v1/me", headers=bearer(ada.secret))

    assert answer.json["quota"]["used"] == 0
    assert answer.json["quota"]["resets_at"] == "2027-02-01T00:00:00+00:00"


def test_asking_uses_nothing(client, ada):
    for _ in range(3):
        answer = client.get("/api/v1/me", headers=bearer(ada.secret))

    assert answer.json["limits"][0]["left"] == 60
    assert answer.json["quota"]["used"] == 0
    assert statuses() == []
