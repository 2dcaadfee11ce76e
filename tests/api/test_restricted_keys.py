"""A key that is narrowed to models, addresses or web pages, as programs meet it."""

import pytest
from sqlalchemy import event

from portal import keys
from portal.app import create_app
from portal.db import db
from portal.keys import read_restrictions
from tests.api.calling import IRIS, SETOSA, bearer, quota_used, statuses
from tests.conftest import with_own_contexts
from tests.factories import make_key

ME = "/api/v1/me"
ORIGIN = "https://example.org"


def restrict(ada, **entries):
    keys.restrict(ada.api_key, read_restrictions(**entries))
    db.session.commit()


def ask(app, ada, path=ME, *, address="127.0.0.1", **headers):
    return app.test_client().get(
        path,
        headers=bearer(ada.secret) | headers,
        environ_base={"REMOTE_ADDR": address},
    )


def test_other_models_are_refused_whether_they_are_there_or_not(app, client, ada):
    restrict(ada, models=["iris"])

    allowed = client.post(IRIS, json=SETOSA, headers=bearer(ada.secret))
    refused = [
        client.post(f"/api/v1/models/{name}/predict", headers=bearer(ada.secret))
        for name in ("ocr", "nowhere")
    ]

    assert allowed.status_code == 200
    assert [answer.status_code for answer in refused] == [403, 403]
    assert refused[0].json["detail"] == (
        "This key may not call the model ocr; it is restricted to iris."
    )
    assert refused[0].content_type == "application/problem+json"
    assert statuses() == [200, 403, 403]
    assert quota_used(ada.user) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/models/ocr"),
        ("GET", "/v1/models/ocr"),
        ("POST", "/v2/models/ocr/infer"),
        ("GET", "/v2/models/ocr"),
        ("GET", "/v2/models/ocr/versions/1/config"),
        ("GET", "/v2/models/ocr/stats"),
    ],
)
def test_every_way_to_another_model_is_shut(app, client, ada, method, path):
    restrict(ada, models=["iris"])

    answer = client.open(path, method=method, headers=bearer(ada.secret))

    assert answer.status_code == 403
    assert "restricted to iris" in answer.json["detail"]


def test_embeddings_of_another_model_are_refused(client, ada):
    restrict(ada, models=["iris"])
    document = {"model": "ocr", "input": "text"}

    answer = client.post("/v1/embeddings", json=document, headers=bearer(ada.secret))

    assert answer.status_code == 403


def test_the_lists_show_what_the_key_may_call(client, ada):
    restrict(ada, models=["iris"])

    native = client.get("/api/v1/models", headers=bearer(ada.secret)).json["models"]
    open_ = client.post("/v2/repository/index", headers=bearer(ada.secret)).json

    assert [one["name"] for one in native] == ["iris"]
    assert [one["name"] for one in open_] == ["iris"]
    assert len(client.get("/api/v1/models").json["models"]) > 1


def test_a_key_tells_what_it_is_restricted_to(app, ada):
    restrict(ada, models=["iris"], addresses=["127.0.0.0/8"])

    told = ask(app, ada).json["key"]

    assert told["models"] == ["iris"]
    assert told["addresses"] == ["127.0.0.0/8"]
    assert told["origins"] == []


def test_another_address_is_refused_in_a_sentence(app, ada):
    restrict(ada, addresses=["203.0.113.0/24"])

    answer = ask(app, ada, address="198.51.100.7")

    assert ask(app, ada, address="203.0.113.9").status_code == 200
    assert answer.status_code == 403
    assert answer.json["detail"] == (
        "This key may not be used from the address 198.51.100.7; it is restricted to "
        "others."
    )


def test_a_forged_header_gets_no_key_past_its_addresses(app, ada):
    restrict(ada, addresses=["203.0.113.0/24"])

    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"):
        forged = {header: "203.0.113.9" if header != "Forwarded" else "for=203.0.113.9"}
        assert ask(app, ada, address="198.51.100.7", **forged).status_code == 403


def test_behind_one_proxy_the_last_address_it_wrote_counts(app, config, ada):
    restrict(ada, addresses=["203.0.113.0/24"])
    behind_one = config.model_copy(update={"trusted_proxies": 1})
    proxied = with_own_contexts(create_app(behind_one))

    def ask_through(forwarded):
        return ask(
            proxied, ada, address="10.0.0.1", **{"X-Forwarded-For": forwarded}
        ).status_code

    assert ask_through("203.0.113.9") == 200
    assert ask_through("198.51.100.7") == 403
    # What the client itself wrote stands before what the proxy added.
    assert ask_through("203.0.113.9, 198.51.100.7") == 403
    assert ask_through("198.51.100.7, 203.0.113.9") == 200


def test_a_key_for_web_pages_needs_their_origin(app, ada):
    restrict(ada, origins=[ORIGIN])

    assert ask(app, ada, Origin=ORIGIN).status_code == 200
    elsewhere = ask(app, ada, Origin="https://evil.test")
    nowhere = ask(app, ada)
    assert (elsewhere.status_code, nowhere.status_code) == (403, 403)
    assert "web pages of https://evil.test" in elsewhere.json["detail"]
    assert "has no header Origin" in nowhere.json["detail"]


def test_a_thief_elsewhere_uses_nothing_of_what_the_user_may_call(client, ada):
    restrict(ada, addresses=["203.0.113.0/24"])

    refused = [
        client.post(IRIS, json=SETOSA, headers=bearer(ada.secret)).status_code
        for _ in range(61)
    ]

    assert refused[:60] == [403] * 60
    assert refused[60] == 429
    assert statuses() == []
    assert keys.find(ada.api_key.id, owner=ada.user).last_used_at is None
    _, other = make_key(ada.user, "other")
    allowed = client.post(
        IRIS,
        json=SETOSA,
        headers=bearer(other),
        environ_base={"REMOTE_ADDR": "203.0.113.1"},
    )
    assert allowed.headers["X-RateLimit-Remaining"] == "59"


def test_restrictions_cost_a_call_no_query(app, client, ada):
    restrict(ada, addresses=["127.0.0.0/8"], origins=[ORIGIN], models=["iris"])
    headers = bearer(ada.secret) | {"Origin": ORIGIN}
    client.post(IRIS, json=SETOSA, headers=headers)
    statements = []
    event.listen(
        db.engine, "before_cursor_execute", lambda *told: statements.append(told[2])
    )

    answer = client.post(IRIS, json=SETOSA, headers=headers)

    assert answer.status_code == 200
    assert [one for one in statements if "api_keys" in one] == []
