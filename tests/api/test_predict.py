"""`POST /api/v1/models/<name>/predict`: one prediction."""

import base64
import io

import pytest

from tests.api.calling import (
    FILE_TYPE,
    IRIS,
    OCR,
    RECEIPT,
    SETOSA,
    bearer,
    picture,
    predict_iris,
    quota_used,
    records,
)
from tests.conftest import make_config
from tests.published import copy_store, publish_iris

SCRIPT = b"import sys\n\n\ndef main():\n    print('hello', sys.argv)\n\n\nmain()\n" * 8


@pytest.fixture
def config(published, tmp_path):
    copy_store(published, tmp_path)
    return make_config(tmp_path)


def as_multipart(content, **fields):
    return {"data": {"file": (io.BytesIO(content), "whatever.bin"), **fields}}


def as_json(content, **parameters):
    encoded = base64.b64encode(content).decode()
    return {"json": {"inputs": {"file": encoded}, "parameters": parameters}}


def as_data_url(content, **parameters):
    encoded = base64.b64encode(content).decode()
    url = f"data:text/x-python;base64,{encoded}"
    return {"json": {"inputs": {"file": url}, "parameters": parameters}}


def as_bytes(content, **parameters):
    return {
        "data": content,
        "content_type": "text/x-python",
        "query_string": parameters,
    }


FORMS = [as_multipart, as_json, as_data_url, as_bytes]


def test_the_answer_holds_what_the_model_said(client, ada):
    answer = predict_iris(client, ada.secret)

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert list(answer.json) == ["id", "model", "version", "outputs", "timings_ms"]
    assert (answer.json["model"], answer.json["version"]) == ("iris", 1)
    labels = answer.json["outputs"]["labels"]
    assert [one["label"] for one in labels] == ["setosa", "versicolor", "virginica"]
    assert labels[0]["score"] > 0.9
    probabilities = answer.json["outputs"]["probabilities"]
    assert (probabilities["shape"], probabilities["datatype"]) == ([1, 3], "FP32")
    assert sum(probabilities["data"][0]) == pytest.approx(1)


def test_the_id_of_the_answer_is_that_of_the_request(client, ada):
    answer = predict_iris(client, ada.secret)

    assert answer.json["id"] == answer.headers["X-Request-ID"]
    assert records()[0].request_id == answer.json["id"]


def test_a_client_can_not_choose_the_id(client, ada):
    headers = {**bearer(ada.secret), "X-Request-ID": "req_mine"}

    answer = client.post(IRIS, json=SETOSA, headers=headers)

    assert answer.json["id"] != "req_mine"
    assert answer.headers["X-Request-ID"] == answer.json["id"]


def test_the_answer_says_where_the_time_went(client, ada):
    timings = predict_iris(client, ada.secret).json["timings_ms"]

    steps = ["queue", "preprocess", "inference", "postprocess"]
    assert list(timings) == [*steps, "total"]
    assert all(value >= 0 for value in timings.values())
    assert sum(timings[step] for step in steps) <= timings["total"] + 0.01


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_the_input_gives_the_same_answer(client, ada, form):
    wanted = client.post(FILE_TYPE, **as_bytes(SCRIPT), headers=bearer(ada.secret))

    answer = client.post(FILE_TYPE, **form(SCRIPT, top=3), headers=bearer(ada.secret))

    assert answer.status_code == 200
    assert answer.json["outputs"]["labels"] == wanted.json["outputs"]["labels"][:3]
    assert answer.json["outputs"]["labels"][0]["label"] == "python"


@pytest.mark.parametrize("form", FORMS)
def test_a_parameter_that_is_not_sent_has_its_default(client, ada, form):
    answer = client.post(FILE_TYPE, **form(SCRIPT), headers=bearer(ada.secret))

    assert len(answer.json["outputs"]["labels"]) == 5


def test_a_picture_is_read(client, ada):
    answer = client.post(
        OCR,
        data=RECEIPT.read_bytes(),
        content_type="image/png",
        query_string={"min_score": "0.9"},
        headers=bearer(ada.secret),
    )

    lines = answer.json["outputs"]["lines"]
    assert lines[0]["text"] == "HARBOUR BAKERY"
    assert all(line["score"] >= 0.9 for line in lines)
    assert all(len(line["polygon"]) == 4 for line in lines)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_content_decides_what_a_picture_is(client, ada, kind):
    content = picture(kind)

    answer = client.post(
        OCR,
        data={"image": (io.BytesIO(content), "notes.txt", "text/plain")},
        headers=bearer(ada.secret),
    )

    assert answer.status_code == 200
    assert answer.json["outputs"] == {"lines": []}


def test_numbers_may_come_as_a_field_of_a_form(client, ada):
    answer = client.post(
        IRIS,
        data={"features": "[[5.1, 3.5, 1.4, 0.2]]"},
        content_type="multipart/form-data",
        headers=bearer(ada.secret),
    )

    wanted = predict_iris(client, ada.secret).json["outputs"]
    assert answer.json["outputs"] == wanted


def test_several_rows_are_answered_in_one_call(client, ada):
    rows = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]

    answer = client.post(
        IRIS, json={"inputs": {"features": rows}}, headers=bearer(ada.secret)
    )

    assert answer.json["outputs"]["probabilities"]["shape"] == [2, 3]
    assert answer.json["outputs"]["labels"][0]["label"] == "setosa"


@pytest.mark.parametrize("number", [1, 2])
def test_the_address_may_name_the_version(client, ada, number):
    publish_iris(title="Iris again")

    answer = client.post(
        f"/api/v1/models/iris/versions/{number}/predict",
        json=SETOSA,
        headers=bearer(ada.secret),
    )

    assert answer.status_code == 200
    assert answer.json["version"] == number
    assert records()[0].version == number


def test_without_a_version_the_live_one_answers(client, ada):
    publish_iris(title="Iris again")

    assert predict_iris(client, ada.secret).json["version"] == 2


@pytest.mark.parametrize("number", ["0", "2", "99999999999999999999", "-1", "one"])
def test_a_version_that_is_not_there_is_404(client, ada, number):
    answer = client.post(
        f"/api/v1/models/iris/versions/{number}/predict",
        json=SETOSA,
        headers=bearer(ada.secret),
    )

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_each_answer_is_one_record_and_one_unit_of_quota(client, ada):
    predict_iris(client, ada.secret)
    predict_iris(client, ada.secret)

    assert [
        (r.status, r.surface, r.user_id, r.api_key_id, r.version) for r in records()
    ] == [(200, "api", ada.user.id, ada.api_key.id, 1)] * 2
    assert all(r.latency_ms >= r.compute_ms > 0 for r in records())
    assert quota_used(ada.user) == 2


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_only_post_predicts(client, ada, method):
    answer = getattr(client, method)(IRIS, headers=bearer(ada.secret))

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "OPTIONS, POST"
    assert records() == []
