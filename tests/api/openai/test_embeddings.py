"""What `/v1` answers: vectors, models, what is counted, who may ask."""

import base64
import time

import numpy as np
import pytest

from portal.api.embedding_request import MAX_INPUTS
from portal.config import ROOT
from portal.db import db
from portal.extensions import parts
from portal.keys import Scope
from tests.api.calling import bearer, quota_used, records, statuses
from tests.api.openai.calling import BAD, EMBEDDINGS, GOOD_DAY, embed
from tests.factories import make_key, make_user
from tests.plans.figures import DEFAULT_PLAN


def vectors(answer):
    return np.array([one["embedding"] for one in answer.json["data"]])


def test_a_text_becomes_a_vector(client, ada):
    answer = embed(client, ada.secret)

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert vectors(answer) == pytest.approx(GOOD_DAY[None])
    document = answer.json
    del document["data"][0]["embedding"]
    assert document == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0}],
        "model": "words",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }


@pytest.mark.parametrize(
    ("given", "expected", "tokens"),
    [
        (["good day"], [GOOD_DAY], 4),
        (["good day", "bad"], [GOOD_DAY, BAD], 7),
        ([1, 4, 6, 2], [GOOD_DAY], 4),
        ([[1, 4, 6, 2], [1, 5, 2]], [GOOD_DAY, BAD], 7),
        # A long text is cut to the eight tokens that the model takes.
        ("good " * 900, [np.array([13, 1, 0]) / np.sqrt(170)], 8),
    ],
)
def test_texts_and_tokens_are_taken_in_each_of_their_forms(
    client, ada, given, expected, tokens
):
    answer = embed(client, ada.secret, given)

    assert vectors(answer) == pytest.approx(np.array(expected))
    assert [one["index"] for one in answer.json["data"]] == list(range(len(expected)))
    assert answer.json["usage"]["total_tokens"] == tokens


def test_as_many_texts_as_are_allowed_are_answered_in_their_order(client, ada):
    texts = ["good day", "bad"] * 128

    answer = embed(client, ada.secret, texts)

    assert vectors(answer) == pytest.approx(np.array([GOOD_DAY, BAD] * 128))


def test_base64_holds_the_same_numbers_as_little_endian_float32(client, ada):
    numbers = vectors(embed(client, ada.secret, encoding_format="float"))

    answer = embed(client, ada.secret, encoding_format="base64")

    (one,) = answer.json["data"]
    decoded = np.frombuffer(base64.b64decode(one["embedding"]), "<f4")
    assert decoded.tolist() == numbers.astype(np.float32)[0].tolist()


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_a_vector_is_cut_to_the_dimensions_asked_for(client, ada, encoding_format):
    answer = embed(
        client, ada.secret, dimensions=2, encoding_format=encoding_format
    ).json["data"][0]["embedding"]

    if encoding_format == "base64":
        answer = np.frombuffer(base64.b64decode(answer), "<f4")
    assert list(answer) == pytest.approx(list(np.array([3, 1]) / np.sqrt(10)))


def test_keys_that_are_null_or_unknown_are_passed_over(client, ada):
    answer = embed(
        client,
        ada.secret,
        dimensions=None,
        encoding_format=None,
        user="someone",
        newest=[1],
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("count", [1, 256])
def test_a_call_is_one_record_and_one_unit_of_quota(client, ada, count):
    answer = embed(client, ada.secret, ["good"] * count)

    (record,) = records()
    assert (record.status, record.version, record.surface) == (200, 1, "api")
    assert record.request_id == answer.headers["X-Request-ID"]
    assert record.compute_ms > 0
    assert quota_used(ada.user) == 1


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ({}, 200),
        ({"input": ""}, 422),
        ({"model": "nothing"}, 404),
        ({"model": "iris"}, 422),
    ],
)
def test_every_answer_to_a_keyed_call_shows_the_limits(client, ada, keys, status):
    document = {"model": "words", "input": "good", **keys}

    answer = client.post(EMBEDDINGS, json=document, headers=bearer(ada.secret))

    assert answer.status_code == status
    assert '"per-minute";r=59' in answer.headers["RateLimit"]
    assert answer.headers["X-RateLimit-Remaining"] == "59"
    assert statuses() == [status]
    assert quota_used(ada.user) == (status == 200)


def test_a_burst_is_told_when_to_come_back(client, ada):
    for _ in range(60):
        parts().rates.hit(DEFAULT_PLAN.rate, "predict", f"user:{ada.user.id}")

    answer = embed(client, ada.secret)

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "x-should-retry" not in answer.headers
    assert statuses() == [429]


def test_a_key_without_the_scope_is_refused(client, ada):
    ada.api_key.scopes = [Scope.USAGE_READ]
    db.session.commit()

    answer = embed(client, ada.secret)

    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'


def test_only_models_that_embed_texts_are_listed(client, ada):
    answer = client.get("/v1/models", headers=bearer(ada.secret))

    (one,) = answer.json["data"]
    assert answer.json["object"] == "list"
    assert one.keys() == {"id", "object", "created", "owned_by"}
    assert (one["id"], one["object"]) == ("words", "model")
    assert time.time() - 600 < one["created"] <= time.time()
    assert '"per-minute";r=60' in answer.headers["RateLimit"]
    assert client.get("/v1/models/words").json == one


def test_looking_at_the_models_is_not_counted(client, ada):
    client.get("/v1/models", headers=bearer(ada.secret))
    client.get("/v1/models/words", headers=bearer(ada.secret))

    assert statuses() == []


def test_an_unlisted_model_answers_whoever_knows_its_name(client, ada):
    assert client.get("/v1/models/aside").status_code == 200
    assert embed(client, ada.secret, model="aside").status_code == 200


def test_the_docs_of_such_a_model_tell_of_the_protocol(client):
    page = client.get("/docs/models/words").text

    assert 'id="openai"' in page
    assert f"up to {MAX_INPUTS} texts" in page
    assert f"| {MAX_INPUTS}; 100,000 |" in (ROOT / "README.md").read_text()
    assert 'id="openai"' not in client.get("/docs/models/iris").text


def test_a_private_model_is_there_for_owners_only(client, ada):
    _, secret = make_key(make_user("owner@example.org", role="owner"))

    def seen(secret):
        listed = client.get("/v1/models", headers=bearer(secret)).json["data"]
        one = client.get("/v1/models/secret", headers=bearer(secret))
        called = embed(client, secret, model="secret")
        names = [one["id"] for one in listed]
        return names, one.status_code, called.status_code

    assert seen(secret) == (["secret", "words"], 200, 200)
    assert seen(ada.secret) == (["words"], 404, 404)
