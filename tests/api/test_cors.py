"""CORS: whose scripts may call the API, and read its answers."""

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from portal import keys
from portal.db import db
from portal.keys import read_restrictions
from portal.keys.tables import KeyOrigin
from tests.api.calling import IRIS, SETOSA, bearer
from tests.factories import make_key, make_user

ME = "/api/v1/me"
ORIGIN = "https://shop.example.org"
EVIL = "https://evil.test"


@pytest.fixture
def page_key(ada):
    """The secret of Ada's key, for the web pages of ORIGIN."""
    keys.restrict(ada.api_key, read_restrictions(origins=[ORIGIN]))
    db.session.commit()
    return ada.secret


def preflight(client, path=IRIS, origin=ORIGIN, method="POST", headers=""):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return client.options(path, headers=asked)


def readable_by(answer):
    return answer.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("path", [IRIS, ME, "/v1/embeddings", "/v2/models/iris/infer"])
def test_a_preflight_is_answered_for_an_origin_that_a_key_names(client, page_key, path):
    answer = preflight(client, path, headers="authorization,content-type")

    assert answer.status_code == 204
    assert readable_by(answer) == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"]
    assert {"Authorization", "Content-Type", "X-API-Key"} <= set(allowed.split(", "))
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "", f"{ORIGIN}.evil.test", ORIGIN.upper(), f"{ORIGIN}:444"]
)
def test_other_origins_are_told_nothing(client, page_key, origin):
    answer = preflight(client, origin=origin)

    assert not [name for name in answer.headers if name[0].startswith("Access-Control")]
    assert "Origin" in answer.headers["Vary"]


def test_without_such_a_key_nobody_is_told_anything(client, ada):
    assert readable_by(preflight(client)) is None
    assert readable_by(client.get("/api/v1/models", headers={"Origin": EVIL})) is None


def test_pages_have_no_cors(client, page_key):
    assert readable_by(client.get("/keys", headers={"Origin": ORIGIN})) is None
    assert readable_by(preflight(client, "/keys")) is None


def test_a_script_reads_the_answer_and_what_is_left(client, page_key):
    headers = bearer(page_key) | {"Origin": ORIGIN}

    answer = client.post(IRIS, json=SETOSA, headers=headers)

    assert answer.status_code == 200
    assert readable_by(answer) == ORIGIN
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    for name in ("RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"):
        assert name in exposed
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("path", "secret", "status"),
    [
        (IRIS, "mp_wrong", 401),
        ("/api/v1/models/nowhere/predict", None, 404),
        (IRIS, None, 422),
        ("/api/v1/nowhere", None, 404),
        (ME, None, 405),
    ],
)
def test_a_script_reads_why_it_was_refused(client, page_key, path, secret, status):
    headers = bearer(secret or page_key) | {"Origin": ORIGIN}

    answer = client.post(path, json={}, headers=headers)

    assert answer.status_code == status
    assert readable_by(answer) == ORIGIN


def test_a_script_reads_that_it_called_too_often(client, page_key):
    headers = bearer("mp_wrong") | {"Origin": ORIGIN}

    answers = [client.get(ME, headers=headers) for _ in range(61)]

    assert answers[-1].status_code == 429
    assert readable_by(answers[-1]) == ORIGIN
    assert "Retry-After" in answers[-1].headers["Access-Control-Expose-Headers"]


def test_an_origin_that_another_key_names_reads_nothing_with_this_one(client, page_key):
    _, elsewhere = make_key(make_user("bob@example.org"))

    answer = client.get(ME, headers=bearer(elsewhere) | {"Origin": ORIGIN})

    assert answer.status_code == 200
    assert readable_by(answer) is None


@pytest.mark.parametrize("ended", ["revoked", "suspended"])
def test_an_origin_is_forgotten_with_the_last_key_that_names_it(
    client, ada, page_key, ended
):
    assert readable_by(preflight(client)) == ORIGIN

    if ended == "revoked":
        keys.revoke(ada.api_key)
    else:
        ada.user.suspended_at = ada.user.created_at
    db.session.commit()

    assert readable_by(preflight(client)) is None


@pytest.fixture
def asked(app):
    """What the database was asked, each as a statement and its parameters."""
    asked = []
    event.listen(
        db.engine, "before_cursor_execute", lambda *told: asked.append(told[2:4])
    )
    return asked


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_key_that_is_over_leaves_nothing_to_look_through(ada, page_key, is_revoked):
    # Else whoever made and ended keys all day would make each look-up longer.
    if is_revoked:
        keys.revoke(ada.api_key)
        keys.restrict(ada.api_key, read_restrictions(origins=[EVIL]))
    else:
        ada.api_key.expires_at = ada.api_key.created_at
        db.session.flush()
        keys.delete(ada.api_key)
    db.session.commit()

    assert db.session.scalars(select(KeyOrigin)).all() == []


def test_an_origin_is_looked_up_alone_whatever_other_keys_name(client, page_key, asked):
    preflight(client, origin=EVIL)

    ((statement, parameters),) = asked
    plan = db.session.connection().exec_driver_sql(
        f"EXPLAIN QUERY PLAN {statement}", parameters
    )
    steps = [row.detail for row in plan]
    assert steps[0].startswith("SEARCH key_origins")
    assert not [step for step in steps if step.startswith("SCAN")]


def test_preflights_of_a_known_origin_ask_the_database_once(client, page_key, asked):
    for _ in range(20):
        assert readable_by(preflight(client)) == ORIGIN

    assert len(asked) <= 1


@pytest.mark.parametrize("origin", ["https://é.test", "a\x7f", "a" * 301])
def test_what_no_key_can_name_is_not_looked_up(app, asked, origin):
    assert not keys.is_active_origin(origin)
    assert asked == []


def test_openais_client_may_send_its_own_headers_from_a_browser(client, page_key):
    asked = "authorization,x-stainless-lang,x-stainless-retry-count,x-forwarded-for"

    answer = preflight(client, "/v1/embeddings", headers=asked)

    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"x-stainless-lang", "x-stainless-retry-count"} <= set(allowed)
    assert "x-forwarded-for" not in allowed


def test_the_origins_are_found_on_postgresql_too(pg_app):
    api_key, _ = make_key(make_user())
    make_key(make_user("bob@example.org"))
    keys.restrict(api_key, read_restrictions(origins=[ORIGIN, "http://localhost:3000"]))
    db.session.commit()

    assert keys.is_active_origin(ORIGIN)
    assert keys.is_active_origin("http://localhost:3000")
    assert not keys.is_active_origin(EVIL)


def test_a_key_that_names_another_origin_is_not_found_by_the_first(client, ada):
    for entries in ([ORIGIN, EVIL], [ORIGIN], []):
        keys.restrict(ada.api_key, read_restrictions(origins=entries))
        db.session.commit()
        for origin in (ORIGIN, EVIL):
            told = readable_by(preflight(client, origin=origin))
            assert told == (origin if origin in entries else None)


def test_a_lost_database_answers_without_cors(app, client, page_key, monkeypatch):
    def fail(_origin):
        raise OperationalError("select", {}, Exception("away"))

    monkeypatch.setattr(keys, "is_active_origin", fail)

    answer = client.get("/api/v1/models", headers={"Origin": ORIGIN})

    assert answer.status_code == 200
    assert readable_by(answer) is None
