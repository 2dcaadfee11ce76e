"""How refusals and faults are told: problem+json to programs, a page to people."""

import re

import pytest
from flask_migrate import upgrade
from sqlalchemy import select

from portal import catalog, inference, usage
from portal.app import create_app
from portal.db import db
from portal.extensions import limiter
from portal.usage.tables import usage_days
from tests.api.calling import IRIS, SETOSA, bearer, predict_iris, statuses
from tests.conftest import make_config, with_own_contexts
from tests.factories import log_in, make_key, make_user
from tests.published import publish_iris
from tests.servers import Postgres

PROBLEM = "application/problem+json"
ID = re.compile(r"req_[0-9a-f]{24}")
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def failing(app):
    """Return a portal with a page and a route of the API that fail."""

    def fail():
        message = "the password is hunter2"
        raise RuntimeError(message)

    app.add_url_rule("/fails", "fails", fail)
    app.add_url_rule("/api/v1/fails", "api_fails", fail)
    return app.test_client()


@pytest.fixture
def losing(tmp_path):
    """Return a portal and the PostgreSQL of its own that it can lose."""
    with Postgres() as postgres:
        url = postgres.create_database("lost")
        app = create_app(make_config(tmp_path, PORTAL_DATABASE_URL=url))
        limiter.reset()
        with app.app_context():
            upgrade()
            publish_iris()
            yield with_own_contexts(app), postgres
            db.session.remove()
            db.engine.dispose()


@pytest.mark.parametrize("path", ["/api/", "/api/v1/nothing", "/v1/nothing", "/v2/x"])
def test_an_unknown_address_of_the_api_is_a_problem_document(client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.content_type == PROBLEM
    assert answer.json["title"] == "Not found"


@pytest.mark.parametrize("path", ["/nothing", "/apis", "/api", "/models/a/b/c"])
def test_an_unknown_address_elsewhere_is_a_page(client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.content_type == "text/html; charset=utf-8"
    assert "<html" in answer.text
    assert ID.search(answer.text).group() == answer.headers["X-Request-ID"]


def test_an_error_is_a_fragment_for_htmx(client):
    answer = client.get("/nothing", headers=HTMX)

    assert answer.status_code == 404
    assert answer.text.lstrip().startswith('<section class="error-page"')
    assert "<html" not in answer.text
    assert {"HX-Request", "HX-Request-Type"} <= set(answer.vary)


@pytest.mark.parametrize(
    ("method", "path", "allowed", "content_type"),
    [
        ("get", IRIS, "OPTIONS, POST", PROBLEM),
        ("post", "/api/v1/me", "GET, HEAD, OPTIONS", PROBLEM),
        ("post", "/healthz", "GET, HEAD, OPTIONS", "text/html; charset=utf-8"),
        ("get", "/logout", "OPTIONS, POST", "text/html; charset=utf-8"),
        ("trace", "/", "GET, HEAD, OPTIONS", "text/html; charset=utf-8"),
    ],
)
def test_a_wrong_method_is_405_and_says_which_are_taken(
    client, method, path, allowed, content_type
):
    answer = client.open(path, method=method.upper())

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert answer.content_type == content_type


def test_the_error_pointed_to_is_explained_in_the_docs(client):
    kind = client.get("/api/v1/nothing").json["type"]

    page, _, anchor = kind.partition("#")
    assert f'id="{anchor}"' in client.get(page).text


def test_open_inference_clients_find_the_detail_as_text(client):
    problem = client.get("/v2/nothing").json

    assert problem["error"] == problem["detail"]


def test_openai_clients_find_the_detail_in_an_object(client):
    problem = client.get("/v1/nothing").json

    assert problem["error"] == {
        "message": problem["detail"],
        "type": "not-found",
        "param": None,
        "code": "not-found",
    }


def test_the_native_api_has_no_member_error(client):
    assert "error" not in client.get("/api/v1/nothing").json


def test_a_fault_of_the_api_shows_an_id_and_no_trace(failing):
    answer = failing.get("/api/v1/fails")

    assert answer.status_code == 500
    assert answer.content_type == PROBLEM
    assert answer.json["instance"] == f"urn:request:{answer.headers['X-Request-ID']}"
    assert answer.headers["X-Request-ID"] in answer.json["detail"]
    for secret in ("hunter2", "RuntimeError", "Traceback", ".py"):
        assert secret not in answer.text


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_fault_of_a_page_shows_an_id_and_no_trace(failing, headers):
    answer = failing.get("/fails", headers=headers)

    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] in answer.text
    assert ("<html" in answer.text) is not bool(headers)
    for secret in ("hunter2", "RuntimeError", "Traceback", ".py"):
        assert secret not in answer.text


def test_every_answer_has_an_id_of_its_own(client):
    ids = {
        client.get(path).headers["X-Request-ID"]
        for path in ("/", "/healthz", "/api/v1/models", "/nothing", "/api/v1/me")
    }

    assert len(ids) == 5
    assert all(ID.fullmatch(one) for one in ids)


def test_a_lost_database_is_503_and_says_when_to_come_back(losing):
    app, postgres = losing
    user = make_user()
    _, secret = make_key(user)
    browser = app.test_client()
    log_in(browser, user)
    postgres.stop()

    answers = [
        predict_iris(app.test_client(), secret),
        app.test_client().get("/api/v1/me", headers=bearer(secret)),
        app.test_client().get("/"),
        app.test_client().get("/models/iris"),
        browser.get("/keys"),
        browser.get("/nothing"),
    ]

    assert [answer.status_code for answer in answers] == [503] * 6
    assert all(answer.headers["Retry-After"] == "2" for answer in answers)
    assert [answer.is_json for answer in answers] == [True] * 2 + [False] * 4
    assert "postgres" not in "".join(answer.text.lower() for answer in answers)


def test_a_database_that_is_back_is_used_again(losing):
    app, postgres = losing
    _, secret = make_key(make_user())
    client = app.test_client()
    assert predict_iris(client, secret).status_code == 200
    db.session.remove()

    postgres.stop()
    app.extensions["portal-rows"].forget()
    lost = predict_iris(client, secret)
    postgres.start()
    back = predict_iris(client, secret)

    assert (lost.status_code, back.status_code) == (503, 200)
    assert statuses() == [200, 200]


def test_a_database_lost_within_a_call_is_503(losing, monkeypatch):
    """The key was good; the answer's limit headers need its user once more."""
    app, postgres = losing
    _, secret = make_key(make_user())
    find_model = catalog.find_model

    def lose_then_find(*args, **kwargs):
        postgres.stop()
        return find_model(*args, **kwargs)

    monkeypatch.setattr(catalog, "find_model", lose_then_find)

    answer = app.test_client().post(IRIS, json=SETOSA, headers=bearer(secret))

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["X-Request-ID"] in answer.json["instance"]


def test_a_database_lost_within_a_page_is_a_page(losing, monkeypatch):
    """The layout says who is logged in, which can't be read again."""
    app, postgres = losing
    browser = app.test_client()
    log_in(browser, make_user())

    def lose(_user):
        postgres.stop()
        return db.session.scalar(db.text("SELECT 1"))

    monkeypatch.setattr("portal.keys.list_of", lose)

    answer = browser.get("/keys")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert "<html" in answer.text


def test_a_database_lost_before_the_record_loses_no_count(losing, monkeypatch):
    """The record needs no database; it is in the sums once that is back."""
    app, postgres = losing
    _, secret = make_key(make_user())
    infer = inference.infer

    def infer_then_lose(*args):
        prediction = infer(*args)
        postgres.stop()
        return prediction

    monkeypatch.setattr(inference, "infer", infer_then_lose)

    answer = app.test_client().post(IRIS, json=SETOSA, headers=bearer(secret))

    assert answer.status_code == 200
    assert statuses() == [200]
    postgres.start()
    db.session.remove()
    usage.drain()
    calls = db.session.scalars(select(usage_days.c.calls)).all()
    assert calls == [1]
