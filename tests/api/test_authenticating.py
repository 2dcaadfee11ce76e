"""Who may call: the key in the headers, and nothing else."""

from datetime import timedelta

import pytest
import time_machine

from portal import accounts, keys
from portal.db import db, now
from portal.keys import Scope
from tests.api.calling import IRIS, SETOSA, bearer, predict_iris, records, statuses
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token

REFUSAL = "This key is not valid. It may be mistyped, expired or revoked."


def another_letter(secret, index):
    letter = "a" if secret[index] != "a" else "b"
    return f"{secret[:index]}{letter}{secret[index + 1 :]}"


def test_a_call_without_a_key_is_401_and_says_how_to_send_one(client):
    answer = client.post(IRIS, json=SETOSA)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.content_type == "application/problem+json"
    assert "Authorization: Bearer mp_" in answer.json["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        lambda s: {"Authorization": f"Bearer {s}"},
        lambda s: {"Authorization": f"bearer {s}"},
        lambda s: {"Authorization": f"BEARER   {s} "},
        lambda s: {"X-API-Key": s},
        lambda s: {"x-api-key": s},
        lambda s: {"Authorization": "Basic YTpi", "X-API-Key": s},
    ],
)
def test_a_key_is_sent_in_either_header(client, ada, headers):
    answer = client.post(IRIS, json=SETOSA, headers=headers(ada.secret))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "presented",
    [
        lambda s: another_letter(s, 3),
        lambda s: another_letter(s, 20),
        lambda s: another_letter(s, -1),
        lambda s: s[:-1],
        lambda s: f"{s}a",
        str.upper,
        lambda s: s.removeprefix("mp_"),
        lambda s: keys.make_secret(),
        lambda s: "x" * 8000,
        lambda s: "'; DROP TABLE api_keys; --",
        lambda s: "mp_\xe4\xf6\xfc",
    ],
)
def test_a_key_that_is_not_exactly_ours_is_refused(client, ada, presented):
    answer = client.post(IRIS, json=SETOSA, headers=bearer(presented(ada.secret)))

    assert answer.status_code == 401
    assert answer.json["detail"] == REFUSAL
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert records() == []


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
@pytest.mark.parametrize("value", ["", " ", "Bearer", "Bearer ", "Token x"])
def test_an_empty_header_is_no_key(client, header, value):
    if header == "X-API-Key" and value.strip():
        value = ""

    answer = client.post(IRIS, json=SETOSA, headers={header: value})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_unknown_expired_and_revoked_keys_are_refused_in_the_same_words(client, ada):
    _, revoked = make_key(ada.user, "revoked")
    keys.revoke(keys.find_by_prefix(revoked[3:11]))
    short = keys.issue(ada.user, name="short", expires_in=timedelta(minutes=10)).secret
    db.session.commit()

    with time_machine.travel(now() + timedelta(minutes=11)):
        answers = [
            predict_iris(client, secret)
            for secret in (keys.make_secret(), short, revoked)
        ]

    bodies = [{**answer.json, "instance": ""} for answer in answers]
    assert bodies[0]["detail"] == REFUSAL
    assert bodies == [bodies[0]] * 3
    challenges = {answer.headers["WWW-Authenticate"] for answer in answers}
    assert challenges == {'Bearer error="invalid_token"'}


def test_a_revoked_key_ends_at_once(client, ada):
    before = predict_iris(client, ada.secret)
    keys.revoke(ada.api_key)
    db.session.commit()

    after = predict_iris(client, ada.secret)

    assert (before.status_code, after.status_code) == (200, 401)
    assert statuses() == [200]


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "Authorization"])
def test_a_key_in_the_address_is_no_key(client, ada, name):
    answer = client.post(IRIS, json=SETOSA, query_string={name: ada.secret})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_login_is_no_key(client, ada):
    log_in(client, ada.user)

    answer = client.post(IRIS, json=SETOSA)

    assert answer.status_code == 401
    assert records() == []


def test_a_login_with_a_form_token_is_no_key(client, ada):
    log_in(client, ada.user)
    token = csrf_token(client, "/models/iris")

    answer = client.post(IRIS, json=SETOSA, headers={"X-CSRFToken": token})

    assert answer.status_code == 401


def test_a_key_counts_as_its_own_user_whoever_is_logged_in(client, ada):
    log_in(client, make_user("bob@example.org"))

    predict_iris(client, ada.secret)

    assert [record.user_id for record in records()] == [ada.user.id]


def test_an_api_answer_sets_no_cookie(client, ada):
    answer = predict_iris(client, ada.secret)

    assert "Set-Cookie" not in answer.headers


def test_a_suspended_user_is_forbidden(client, ada):
    accounts.suspend(ada.user)
    db.session.commit()

    answer = predict_iris(client, ada.secret)

    assert answer.status_code == 403
    assert "suspended" in answer.json["detail"]


def test_an_unverified_user_is_forbidden(client, ada):
    ada.user.verified_at = None
    db.session.commit()

    answer = predict_iris(client, ada.secret)

    assert answer.status_code == 403
    assert "address" in answer.json["detail"]


def test_a_key_without_the_scope_is_forbidden_and_recorded(client, ada):
    reader = keys.issue(ada.user, name="reader", scopes=[Scope.USAGE_READ])
    db.session.commit()

    answer = predict_iris(client, reader.secret)

    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
    assert "predict" in answer.json["detail"]
    assert [(r.status, r.api_key_id) for r in records()] == [(403, reader.api_key.id)]


def test_any_valid_key_may_ask_about_itself(client, ada):
    reader = keys.issue(ada.user, name="reader", scopes=[Scope.USAGE_READ])
    db.session.commit()

    assert client.get("/api/v1/me", headers=bearer(reader.secret)).status_code == 200
    assert (
        client.get("/api/v1/models", headers=bearer(reader.secret)).status_code == 200
    )


@pytest.mark.parametrize(
    "headers", [{}, {"X-API-Key": "mp_wrong"}, {"Authorization": "Bearer "}]
)
def test_the_61st_call_a_minute_without_a_valid_key_is_429(client, headers):
    with time_machine.travel("2026-11-24T12:00:10Z", tick=False):
        answers = [client.post(IRIS, json=SETOSA, headers=headers) for _ in range(61)]

    assert {answer.status_code for answer in answers[:60]} == {401}
    assert answers[60].status_code == 429
    assert 0 < int(answers[60].headers["Retry-After"]) <= 60
    assert answers[60].json["violated-policies"] == ["per-minute"]


def test_guesses_count_together_with_the_public_list(client):
    with time_machine.travel("2026-11-24T12:00:10Z", tick=False):
        listed = [client.get("/api/v1/models").status_code for _ in range(30)]
        guessed = [predict_iris(client, f"mp_{n}").status_code for n in range(31)]

    assert listed == [200] * 30
    assert guessed == [401] * 30 + [429]


def test_guesses_of_one_address_leave_others_and_valid_keys_alone(client, ada):
    with time_machine.travel("2026-11-24T12:00:10Z", tick=False):
        for _ in range(61):
            client.post(IRIS, json=SETOSA)
        elsewhere = client.post(
            IRIS, json=SETOSA, environ_base={"REMOTE_ADDR": "198.51.100.7"}
        )
        keyed = predict_iris(client, ada.secret)

    assert (elsewhere.status_code, keyed.status_code) == (401, 200)


def test_the_minute_of_an_address_passes(client, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("portal.limits.clock.now_s", lambda: clock[0])
    for _ in range(60):
        client.post(IRIS, json=SETOSA)
    refused = client.post(IRIS, json=SETOSA)
    clock[0] += int(refused.headers["Retry-After"])
    answer = client.post(IRIS, json=SETOSA)

    assert (refused.status_code, answer.status_code) == (429, 401)
