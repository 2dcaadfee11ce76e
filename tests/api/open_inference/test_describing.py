"""What a client asks before it calls: server, health, models, configuration."""

import pytest
from sqlalchemy import text

from portal import catalog
from portal.db import db
from tests.api.calling import bearer
from tests.api.open_inference.calling import FLOWERS, post
from tests.factories import make_key, make_user


def test_the_server_names_what_it_speaks(client):
    answer = client.get("/v2")

    assert answer.json == {
        "name": "model-portal",
        "version": "2",
        "extensions": [
            "binary_tensor_data",
            "classification",
            "statistics",
            "model_configuration",
            "model_repository",
        ],
    }


def test_health_and_metadata_need_no_key_and_ignore_a_wrong_one(client):
    for path in ("/v2", "/v2/health/live", "/v2/health/ready"):
        assert client.get(path).status_code == 200
        assert client.get(path, headers=bearer("mp_wrong")).status_code == 200


def test_a_portal_that_cannot_serve_is_not_ready(client, app):
    db.session.execute(text("UPDATE alembic_version SET version_num = 'old'"))
    db.session.commit()

    answer = client.get("/v2/health/ready")

    assert answer.status_code == 503
    assert answer.get_json(force=True)["error"]


def test_a_tensor_model_shows_its_graph(client):
    answer = client.get("/v2/models/iris")

    assert answer.json == {
        "name": "iris",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}],
    }


def test_another_model_takes_and_gives_bytes(client):
    answer = client.get("/v2/models/ocr/versions/1").json

    assert answer["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [1]}]
    assert answer["outputs"] == [{"name": "lines", "datatype": "BYTES", "shape": [1]}]


def test_the_configuration_has_the_form_of_triton(client):
    answer = client.get("/v2/models/types/config").json

    assert answer["max_batch_size"] == 0
    assert answer["input"][0] == {
        "name": "real",
        "data_type": "TYPE_FP32",
        "dims": [-1, 2],
    }
    assert answer["output"][-1]["data_type"] == "TYPE_STRING"


def test_a_model_is_ready_before_it_is_loaded(client):
    answer = client.get("/v2/models/iris/ready")

    assert answer.json == {"name": "iris", "ready": True}


def test_a_damaged_model_is_not_ready_once_that_is_known(client, ada):
    version = catalog.find_any("iris").live
    files = {role: {"sha256": "0" * 64} for role in version.manifest["files"]}
    version.manifest = {**version.manifest, "files": files}
    db.session.commit()

    called = post(client, ada.secret, {"inputs": [FLOWERS]})
    asked = client.get("/v2/models/iris/ready")
    rows = client.post("/v2/repository/index").json
    ready = client.post("/v2/repository/index", json={"ready": True}).json

    assert (called.status_code, asked.status_code) == (503, 503)
    assert "can't be loaded" in asked.get_json(force=True)["error"]
    (row,) = [row for row in rows if row["name"] == "iris"]
    assert row["state"] == "UNAVAILABLE"
    assert row["reason"]
    assert row not in ready


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/nothing",
        "/v2/models/iris/versions/9",
        "/v2/models/nothing/ready",
        "/v2/models/nothing/config",
        "/v2/models/iris/versions/x/infer",
        "/v2/nothing",
        "/v2/logging",
        "/v2/trace/setting",
        "/v2/systemsharedmemory/status",
    ],
)
def test_what_is_not_there_is_404_with_a_sentence(client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    problem = answer.get_json(force=True)
    assert problem["error"] == problem["detail"]


@pytest.mark.parametrize(
    ("method", "path"), [("post", "/v2"), ("get", "/v2/models/iris/infer")]
)
def test_a_wrong_method_is_405_with_a_sentence(client, method, path):
    answer = getattr(client, method)(path)

    assert answer.status_code == 405
    assert isinstance(answer.get_json(force=True)["error"], str)


def test_a_private_model_is_there_for_its_publisher_only(client, app):
    publisher = make_user(role="publisher")
    found = catalog.find_any("iris")
    found.visibility, found.owner_id = "private", publisher.id
    db.session.commit()
    _, secret = make_key(publisher)
    paths = [f"/v2/models/iris{part}" for part in ("", "/ready", "/config")]

    for path in paths:
        assert client.get(path).status_code == 404
        assert client.get(path, headers=bearer(secret)).status_code == 200
    names = {row["name"] for row in client.post("/v2/repository/index").json}
    assert "iris" not in names


def test_the_index_lists_every_version_with_its_state(client):
    rows = client.post("/v2/repository/index").json

    assert {
        "name": "iris",
        "version": "1",
        "state": "READY",
        "reason": "",
    } in rows
    assert client.post("/v2/repository/index", data=b'{"ready": true}').json == rows


def test_statistics_need_a_key(client):
    assert client.get("/v2/models/stats").status_code == 401
    assert client.get("/v2/models/iris/stats").status_code == 401


def test_statistics_tell_what_was_measured(client, ada):
    post(client, ada.secret, {"inputs": [FLOWERS]})
    post(client, ada.secret, {"inputs": [FLOWERS]})

    answer = client.get("/v2/models/iris/stats", headers=bearer(ada.secret))

    (row,) = answer.json["model_stats"]
    assert (row["name"], row["version"]) == ("iris", "1")
    assert (row["inference_count"], row["execution_count"]) == (2, 2)
    assert row["last_inference"] > 1_600_000_000_000
    stats = row["inference_stats"]
    assert stats["success"]["count"] == stats["compute_infer"]["count"] == 2
    assert stats["success"]["ns"] >= stats["compute_infer"]["ns"] > 0
    assert stats["fail"] == {"count": 0, "ns": 0}
    assert row["batch_stats"][0]["batch_size"] == 1


def test_the_statistics_of_all_models_name_those_that_never_ran(client, ada):
    answer = client.get("/v2/models/stats", headers=bearer(ada.secret))

    rows = {row["name"]: row for row in answer.json["model_stats"]}
    assert {"iris", "ocr", "types"} <= set(rows)
    assert rows["iris"]["inference_count"] == 0
    assert answer.headers["RateLimit"]
