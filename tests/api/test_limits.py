"""How much a key may use: rates, quota, concurrency, and the headers that tell."""

import re
import threading
import time
from collections import Counter

import pytest
import time_machine

from portal import accounts, keys
from portal.extensions import parts
from tests.api.calling import (
    IRIS,
    SETOSA,
    bearer,
    predict_iris,
    quota_used,
    records,
    statuses,
)
from tests.counted import use_quota
from tests.factories import make_key, make_user
from tests.plans.figures import DEFAULT_PLAN

POLICY = '"per-minute";q=60;w=60, "per-hour";q=2000;w=3600'
LEFT = re.compile(r'"per-minute";r=(\d+);t=(\d+), "per-hour";r=(\d+);t=(\d+)')
NOON = "2026-11-24T12:00:10Z"


def at_once(app, calls):
    """Send *calls* from threads that start together; return their answers."""
    start = threading.Barrier(len(calls))
    answers = [None] * len(calls)

    def send(number, call):
        start.wait()
        answers[number] = call(app.test_client())

    threads = [
        threading.Thread(target=send, args=(number, call))
        for number, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_every_keyed_answer_says_what_is_left(client, ada):
    answer = predict_iris(client, ada.secret)

    assert answer.headers["RateLimit-Policy"] == POLICY
    left = LEFT.fullmatch(answer.headers["RateLimit"])
    assert left
    assert left.group(1, 3) == ("59", "1999")
    assert 0 < int(left.group(2)) <= 60
    assert answer.headers["X-RateLimit-Limit"] == "60"
    assert answer.headers["X-RateLimit-Remaining"] == "59"


def test_the_older_header_tells_the_reset_as_a_unix_time(client, ada):
    with time_machine.travel(NOON, tick=False):
        answer = predict_iris(client, ada.secret)
        noon = int(time.time())

    seconds = int(LEFT.fullmatch(answer.headers["RateLimit"]).group(2))
    assert int(answer.headers["X-RateLimit-Reset"]) == noon + seconds


@pytest.mark.parametrize(
    ("method", "address", "options", "status"),
    [
        ("get", "/api/v1/me", {}, 200),
        ("get", "/api/v1/models", {}, 200),
        ("get", "/api/v1/models/iris", {}, 200),
        ("get", "/api/v1/models/nothing", {}, 404),
        ("post", "/api/v1/models/nothing/predict", {"json": {}}, 404),
        ("post", IRIS, {"json": {}}, 422),
        ("post", IRIS, {"data": b"{", "content_type": "application/json"}, 400),
        ("post", IRIS, {"data": b"x", "content_type": "text/plain"}, 415),
    ],
)
def test_the_headers_are_on_every_answer_to_a_valid_key(
    client, ada, method, address, options, status
):
    answer = getattr(client, method)(address, headers=bearer(ada.secret), **options)

    assert answer.status_code == status
    assert answer.headers["RateLimit-Policy"] == POLICY
    assert LEFT.fullmatch(answer.headers["RateLimit"])
    assert "Retry-After" not in answer.headers


def test_looking_uses_nothing_of_the_rate(client, ada):
    for address in ("/api/v1/me", "/api/v1/models", "/api/v1/models/iris"):
        client.get(address, headers=bearer(ada.secret))

    answer = predict_iris(client, ada.secret)

    assert answer.headers["X-RateLimit-Remaining"] == "59"


def test_a_refused_input_uses_the_rate_but_no_quota(client, ada):
    refused = client.post(IRIS, json={}, headers=bearer(ada.secret))

    answer = predict_iris(client, ada.secret)

    assert refused.headers["X-RateLimit-Remaining"] == "59"
    assert answer.headers["X-RateLimit-Remaining"] == "58"
    assert quota_used(ada.user) == 1


def test_the_61st_call_a_minute_is_429(client, ada):
    with time_machine.travel(NOON, tick=False):
        answers = [predict_iris(client, ada.secret) for _ in range(61)]

    refused = answers[60]
    assert {answer.status_code for answer in answers[:60]} == {200}
    assert refused.status_code == 429
    assert refused.content_type == "application/problem+json"
    assert refused.json["violated-policies"] == ["per-minute"]
    assert "60 calls per minute" in refused.json["detail"]
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert LEFT.fullmatch(refused.headers["RateLimit"]).group(1) == "0"


def test_calls_for_a_model_that_is_not_there_meet_the_rate_too(client, ada):
    with time_machine.travel(NOON, tick=False):
        found = [
            client.post(
                "/api/v1/models/nothing/predict",
                json=SETOSA,
                headers=bearer(ada.secret),
            ).status_code
            for _ in range(61)
        ]

    assert found == [404] * 60 + [429]


def test_a_refused_call_is_recorded_and_costs_no_quota(client, ada):
    with time_machine.travel(NOON, tick=False):
        for _ in range(62):
            predict_iris(client, ada.secret)

        assert Counter(statuses()) == {200: 60, 429: 2}
        assert quota_used(ada.user) == 60


def test_after_retry_after_a_call_is_answered(client, ada, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("portal.limits.clock.now_s", lambda: clock[0])
    for _ in range(60):
        predict_iris(client, ada.secret)
    refused = predict_iris(client, ada.secret)
    clock[0] += int(refused.headers["Retry-After"])
    answer = predict_iris(client, ada.secret)

    assert (refused.status_code, answer.status_code) == (429, 200)


def test_all_keys_of_a_user_count_together(client, ada):
    _, second = make_key(ada.user, "second")

    with time_machine.travel(NOON, tick=False):
        for _ in range(59):
            predict_iris(client, ada.secret)
        answers = [predict_iris(client, second) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]


def test_a_new_key_brings_no_new_rate(client, ada):
    with time_machine.travel(NOON, tick=False):
        for _ in range(60):
            predict_iris(client, ada.secret)
        keys.revoke(ada.api_key)
        _, fresh = make_key(ada.user, "fresh")
        answer = predict_iris(client, fresh)

    assert answer.status_code == 429


def test_users_do_not_count_together(client, ada):
    _, bobs = make_key(make_user("bob@example.org"))

    with time_machine.travel(NOON, tick=False):
        for _ in range(61):
            predict_iris(client, ada.secret)
        answer = predict_iris(client, bobs)

    assert answer.headers["X-RateLimit-Remaining"] == "59"


def test_the_rate_is_exact_when_many_call_at_once(pg_app):
    """Some end for lack of a slot; those use nothing of the rate."""
    _, secret = make_key(make_user())

    def ask(client):
        return client.post(IRIS, json={}, headers=bearer(secret))

    with time_machine.travel(NOON, tick=False):
        answers = [answer for _ in range(9) for answer in at_once(pg_app, [ask] * 10)]

    counted = Counter(answer.status_code for answer in answers)
    # What got no slot was not counted, so as many were answered as the rate has.
    assert counted[422] <= 60
    assert Counter(statuses()) == Counter(a.status_code for a in answers)
    assert set(statuses()) <= {422, 429}


def test_more_than_two_at_one_time_are_refused(client, ada):
    slots, owner = parts().slots, f"user:{ada.user.id}"

    with slots.hold(owner, 2), slots.hold(owner, 2):
        refused = predict_iris(client, ada.secret)
    answer = predict_iris(client, ada.secret)

    assert refused.status_code == 429
    assert refused.json["violated-policies"] == ["concurrency"]
    assert refused.headers["Retry-After"] == "1"
    assert answer.status_code == 200
    assert statuses() == [429, 200]


def test_a_slot_is_given_back_whatever_comes_of_the_call(client, ada):
    for _ in range(3):
        client.post(IRIS, json={}, headers=bearer(ada.secret))

    answer = predict_iris(client, ada.secret)

    assert answer.status_code == 200


def test_the_slots_of_a_user_are_shared_over_redis(pg_app):
    user = make_user()
    _, secret = make_key(user)
    slots, owner = parts().slots, f"user:{user.id}"

    with slots.hold(owner, 2), slots.hold(owner, 2):
        refused = predict_iris(pg_app.test_client(), secret)
    answer = predict_iris(pg_app.test_client(), secret)

    assert refused.json["violated-policies"] == ["concurrency"]
    assert answer.status_code == 200


def test_the_last_prediction_of_the_month_is_answered_the_next_is_not(client, ada):
    with time_machine.travel(NOON, tick=False):
        use_quota(ada.user.id, DEFAULT_PLAN.monthly_predictions - 1)
        last = predict_iris(client, ada.secret)
        refused = predict_iris(client, ada.secret)

        assert (last.status_code, refused.status_code) == (200, 429)
        assert refused.json["violated-policies"] == ["monthly"]
        assert "10000" in refused.json["detail"]
        # Until the first of December, 00:00 UTC.
        assert int(refused.headers["Retry-After"]) == 6 * 86400 + 43190
        assert statuses() == [200, 429]
        assert quota_used(ada.user) == DEFAULT_PLAN.monthly_predictions


def test_the_next_month_is_answered_again(client, ada):
    with time_machine.travel("2026-11-30T23:59:59Z", tick=False) as clock:
        use_quota(ada.user.id, DEFAULT_PLAN.monthly_predictions)
        refused = predict_iris(client, ada.secret)
        clock.shift(int(refused.headers["Retry-After"]))
        answer = predict_iris(client, ada.secret)

    assert (refused.status_code, answer.status_code) == (429, 200)


def test_the_last_unit_goes_to_one_of_two_that_come_at_once(pg_app):
    user_id = make_user().id
    secrets = [make_key(accounts.find(user_id), f"key {n}")[1] for n in range(2)]
    with time_machine.travel(NOON, tick=False):
        use_quota(user_id, DEFAULT_PLAN.monthly_predictions - 1)

        answers = at_once(
            pg_app,
            [lambda client, s=secret: predict_iris(client, s) for secret in secrets],
        )

        assert sorted(answer.status_code for answer in answers) == [200, 429]
        assert sorted(statuses()) == [200, 429]
        assert quota_used(accounts.find(user_id)) == DEFAULT_PLAN.monthly_predictions


def test_a_method_that_is_not_taken_is_answered_without_limits(client, ada):
    answer = client.get(IRIS, headers=bearer(ada.secret), json=SETOSA)

    assert answer.status_code == 405
    assert records() == []
