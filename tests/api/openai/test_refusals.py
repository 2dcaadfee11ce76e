"""What `/v1` refuses, and the form in which it says so."""

import json

import pytest

from portal import extensions, inference
from portal.app import create_app
from portal.db import db
from tests.api.calling import bearer, quota_used, records
from tests.api.openai.calling import EMBEDDINGS, embed
from tests.conftest import make_config, with_own_contexts
from tests.factories import make_key, make_user
from tests.published import copy_published

PROBLEM = "application/problem+json"
WANTED = "input must be a text, a list of texts, a list of token ids, or a list of such"


@pytest.fixture(scope="module")
def one_app(published, tmp_path_factory):
    """Return a portal for all tests of this file, with an application context."""
    folder = tmp_path_factory.mktemp("one")
    copy_published(published, folder)
    app = with_own_contexts(create_app(make_config(folder)))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def ada(one_app):
    """Return Ada and her secret."""
    user = make_user()
    return user, make_key(user)[1]


@pytest.fixture
def secret(ada):
    return ada[1]


@pytest.fixture
def client(one_app):
    extensions.limiter.reset()
    return one_app.test_client()


def counted(answer):
    """Return the status that was recorded for *answer*."""
    number = answer.headers["X-Request-ID"]
    (status,) = [one.status for one in records() if one.request_id == number]
    return status


def sent(**keys):
    return {"model": "words", "input": "good", **keys}


@pytest.mark.parametrize(
    ("document", "param", "sentence"),
    [
        ({"input": "good"}, "model", "model must be the name of a model"),
        (sent(model=None), "model", "not missing"),
        (sent(model=7), "model", "not a number"),
        (sent(model=["words"]), "model", "not a list"),
        (sent(model="iris"), "model", "does not embed texts; GET /v1/models lists"),
        ({"model": "words"}, "input", WANTED),
        (sent(input=None), "input", WANTED),
        (sent(input=True), "input", "not a boolean"),
        (sent(input=1), "input", "not a number"),
        (sent(input=1.5), "input", "not a decimal number"),
        (sent(input={"text": "good"}), "input", "not an object"),
        (sent(input=""), "input", "input is an empty string"),
        (sent(input=[]), "input", "input is an empty list"),
        (sent(input=["good", ""]), "input[1]", "input[1] is an empty string"),
        (sent(input="go\0od"), "input", "100000 characters without NUL"),
        (sent(input="x" * 100_001), "input", "input must be at most 100000"),
        (sent(input=["good", "x" * 100_001]), "input[1]", "input[1] must be at most"),
        (sent(input=["good"] * 257), "input", "at most 256 texts, not 257"),
        (sent(input=[[1]] * 257), "input", "at most 256 texts, not 257"),
        (sent(input=["good", 1]), "input", "not a list of mixed things"),
        (sent(input=["good", None]), "input", "not a list with null"),
        (sent(input=[True]), "input", "not a list with a boolean"),
        (sent(input=[1.5]), "input", "not a list with a decimal number"),
        (sent(input=[10**30]), "input", "not a list with a decimal number"),
        (sent(input=[[1], "good"]), "input", "not a list of mixed things"),
        (sent(input=[[1], [True]]), "input[1]", "not a list with a boolean"),
        (sent(input=[[1], [[1]]]), "input[1]", "not a list with a list"),
        (sent(input=[[1, None]]), "input[0]", "not a list with null"),
        (sent(input=[8]), "input", "whole numbers from 0 to 7"),
        (sent(input=[-1]), "input", "whole numbers from 0 to 7"),
        (sent(input=[2**63]), "input", "whole numbers from 0 to 7"),
        (sent(input=[[1], [1, 99]]), "input[1]", "whole numbers from 0 to 7"),
        (sent(input=[[]]), "input[0]", "1 to 8 tokens, not 0"),
        (sent(input=[1] * 9), "input", "1 to 8 tokens, not 9"),
        (sent(dimensions=0), "dimensions", "a whole number from 1, not 0"),
        (sent(dimensions=-1), "dimensions", "a whole number from 1, not -1"),
        (sent(dimensions=4), "dimensions", "from 1 to 3 for this model"),
        (sent(dimensions=2.0), "dimensions", "a whole number from 1, not 2.0"),
        (sent(dimensions=True), "dimensions", "a whole number from 1, not"),
        (sent(dimensions="2"), "dimensions", "not a string"),
        (sent(encoding_format="int8"), "encoding_format", "must be float or base64"),
        (sent(encoding_format=["float"]), "encoding_format", "must be float or base64"),
        ([], None, "The body must be an object"),
        ("words", None, "The body must be an object"),
    ],
)
def test_a_wrong_value_is_named(client, ada, secret, document, param, sentence):
    answer = client.post(EMBEDDINGS, json=document, headers=bearer(secret))

    problem = answer.get_json(force=True)
    assert (answer.status_code, answer.content_type) == (422, PROBLEM)
    assert sentence in problem["detail"]
    assert problem["error"] == {
        "message": problem["detail"],
        "type": "invalid",
        "param": param,
        "code": "invalid",
    }
    assert counted(answer) == 422
    assert quota_used(ada[0]) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"not json",
        b"\xff\xfe",
        b'{"model": "words", "input": [NaN]}',
        b'{"model": "words", "input": [Infinity]}',
        b'{"model": "words", "input": "\\ud800"}',
        b'{"model": "words", "input": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
def test_a_body_that_is_no_json_is_refused(client, secret, content):
    answer = client.post(
        EMBEDDINGS,
        data=content,
        content_type="application/json",
        headers=bearer(secret),
    )

    assert answer.status_code == 400
    assert answer.get_json(force=True)["error"]["type"] == "malformed"
    assert counted(answer) == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_kind_of_body_is_refused(client, secret, headers):
    answer = client.post(
        EMBEDDINGS,
        data=json.dumps(sent()),
        headers={**bearer(secret), **headers},
    )

    assert answer.status_code == 415
    assert answer.get_json(force=True)["error"]["type"] == "unsupported-type"


def test_a_body_over_the_limit_is_refused_and_counted(client, secret):
    answer = embed(client, secret, "x" * (11 * 1024 * 1024))

    assert answer.status_code == 413
    assert answer.get_json(force=True)["error"]["type"] == "too-large"
    assert counted(answer) == 413


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("POST", "/v1/chat/completions", 404, "not-found"),
        ("GET", "/v1/models/nothing", 404, "not-found"),
        ("GET", "/v1/models/iris", 404, "not-found"),
        ("GET", "/v1/models/secret", 404, "not-found"),
        ("GET", EMBEDDINGS, 405, "method-not-allowed"),
        ("POST", "/v1/models", 405, "method-not-allowed"),
        ("POST", EMBEDDINGS, 401, "unauthenticated"),
    ],
)
def test_every_refusal_has_openais_object(client, method, path, status, kind):
    answer = client.open(path, method=method)

    problem = answer.get_json(force=True)
    assert (answer.status_code, answer.content_type) == (status, PROBLEM)
    assert problem["error"] == {
        "message": problem["detail"],
        "type": kind,
        "param": None,
        "code": kind,
    }


def test_a_fault_has_openais_object_and_is_counted(client, secret, monkeypatch):
    def fail(*_):
        message = "the password is hunter2"
        raise RuntimeError(message)

    monkeypatch.setattr(inference, "infer", fail)

    answer = embed(client, secret)

    assert answer.status_code == 500
    assert answer.get_json(force=True)["error"]["type"] == "internal-error"
    assert "hunter2" not in answer.text
    assert counted(answer) == 500
