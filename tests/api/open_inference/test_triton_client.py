"""Triton's own client for Python, from PyPI, against the running portal."""

import json
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from portal import catalog
from portal.app import create_app
from portal.db import db
from portal.reference.triton import triton_example
from tests.api.calling import picture
from tests.api.open_inference.calling import ARRAYS, DATATYPES, SETOSA
from tests.conftest import make_config
from tests.factories import make_key, make_user
from tests.published import copy_store
from tests.servers import Portal

pytestmark = pytest.mark.slow
FEATURES = np.array([SETOSA], dtype="float32")


@pytest.fixture(scope="module")
def portal(with_types):
    """Return a running portal."""
    portal = Portal.embedded()
    copy_store(with_types, portal.data_dir)
    with portal:
        yield portal


@pytest.fixture(scope="module")
def secret(portal):
    """Return the secret of a key."""
    with create_app(make_config(portal.data_dir)).app_context():
        _, secret = make_key(make_user())
        db.session.remove()
        db.engine.dispose()
    return secret


@pytest.fixture
def headers(secret):
    """Return the headers with a key; the client adds to them with each call."""
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def client(portal):
    """Return the client."""
    client = triton.InferenceServerClient(portal.base_url.removeprefix("http://"))
    yield client
    client.close()


def as_input(name, array, *, binary_data=True):
    tensor = triton.InferInput(name, list(array.shape), DATATYPES[array.dtype.name])
    tensor.set_data_from_numpy(array, binary_data=binary_data)
    return tensor


def all_inputs(**options):
    return [as_input(name, array, **options) for name, array in ARRAYS.items()]


def as_texts(array):
    """Return an array of BYTES as the client reads it, as texts."""
    return [x.decode() if isinstance(x, bytes) else x for x in array.ravel()]


def assert_same(answer):
    for name, array in ARRAYS.items():
        found = answer.as_numpy(f"{name}_out")
        assert found.shape == array.shape
        if array.dtype == object:
            assert as_texts(found) == list(array)
        else:
            assert found.dtype == array.dtype
            assert (found == array).all()


def test_it_sees_that_server_and_models_are_there(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "1")
    assert not client.is_model_ready("nothing")


def test_it_reads_metadata_configuration_and_index(client):
    assert client.get_server_metadata()["name"] == "model-portal"
    assert client.get_model_metadata("iris")["inputs"][0]["datatype"] == "FP32"
    assert client.get_model_config("iris", "1")["max_batch_size"] == 0
    index = client.get_model_repository_index()
    assert {"iris", "types"} <= {row["name"] for row in index}


def test_it_infers_in_binary_as_it_does_by_default(client, headers):
    inputs = [as_input("features", FEATURES)]

    answer = client.infer("iris", inputs, headers=headers, request_id="one")

    assert answer.as_numpy("probabilities").shape == (1, 3)
    assert answer.get_response()["id"] == "one"


def test_it_sends_and_gets_several_tensors_of_every_type(client, headers):
    assert_same(client.infer("types", all_inputs(), headers=headers))


def test_it_infers_in_json(client, headers):
    outputs = [
        triton.InferRequestedOutput(f"{name}_out", binary_data=False) for name in ARRAYS
    ]

    answer = client.infer(
        "types", all_inputs(binary_data=False), outputs=outputs, headers=headers
    )

    assert_same(answer)
    assert all("data" in one for one in answer.get_response()["outputs"])


def test_it_asks_for_some_outputs_and_for_classes(client, headers):
    best = triton.InferRequestedOutput("probabilities", class_count=1)

    answer = client.infer(
        "iris", [as_input("features", FEATURES)], outputs=[best], headers=headers
    )

    (text,) = as_texts(answer.as_numpy("probabilities"))
    assert text.endswith(":0:setosa")


def test_it_sends_a_picture_to_a_task_of_pictures(client, headers):
    file = np.array([picture()], dtype=object)

    answer = client.infer("file-type", [as_input("file", file)], headers=headers)

    (text,) = answer.as_numpy("labels")
    assert json.loads(text)[0]["label"] == "png"


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_it_compresses_requests_and_answers(client, headers, algorithm):
    many = np.repeat(FEATURES, 5000, axis=0)

    answer = client.infer(
        "iris",
        [as_input("features", many)],
        headers=headers,
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )

    assert answer.as_numpy("probabilities").shape == (5000, 3)


def test_it_reads_statistics(client, headers):
    client.infer("iris", [as_input("features", FEATURES)], headers=headers)

    of_one = client.get_inference_statistics("iris", headers=headers)
    of_all = client.get_inference_statistics(headers=headers)

    (row,) = of_one["model_stats"]
    assert row["inference_stats"]["success"]["count"] >= 1
    assert row in of_all["model_stats"]


def test_the_calls_of_the_docs_run(portal, secret, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MODEL_PORTAL_KEY", secret)
    monkeypatch.chdir(tmp_path)
    config = make_config(portal.data_dir)
    for name, words in {"iris": "[[9.9", "file-type": "'label': "}.items():
        with create_app(config).app_context():
            version = catalog.find_any(name).live
            example = triton_example(portal.base_url, version)
            for key, value in catalog.examples_of(version)[0].inputs.items():
                if isinstance(value, dict):
                    file = catalog.example_file(version, 1, key, config)
                    Path(file.name).write_bytes(file.path.read_bytes())
            db.session.remove()
            db.engine.dispose()

        exec(compile(example.text, name, "exec"), {})  # noqa: S102 - our own docs

        assert words in capsys.readouterr().out


@pytest.mark.parametrize("is_binary", [True, False])
def test_a_wrong_shape_is_told_in_a_sentence(client, headers, is_binary):
    flat = as_input("features", FEATURES[0], binary_data=is_binary)

    with pytest.raises(InferenceServerException) as refusal:
        client.infer("iris", [flat], headers=headers)

    assert refusal.value.status() == "422"
    assert refusal.value.message() == (
        "features must have the shape [N, 4]; what came has [4]."
    )


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({}, "401", "Send a key in the header"),
        ({"Authorization": "Bearer mp_wrong"}, "401", "This key is not valid."),
    ],
)
def test_a_missing_or_wrong_key_is_told_in_a_sentence(client, wrong, status, words):
    inputs = [as_input("features", FEATURES)]

    with pytest.raises(InferenceServerException) as refusal:
        client.infer("iris", inputs, headers=wrong)

    assert refusal.value.status() == status
    assert refusal.value.message().startswith(words)


def test_an_unknown_model_and_a_part_that_is_missing_are_told(client, headers):
    with pytest.raises(InferenceServerException, match="There is no model"):
        client.get_model_metadata("nothing")
    with pytest.raises(InferenceServerException, match="nothing at this address"):
        client.get_trace_settings(headers=headers)
    with pytest.raises(InferenceServerException, match=r"lacks the scope models:write"):
        client.load_model("iris", headers=headers)
