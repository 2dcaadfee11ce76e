"""An inference, in every form it may come and be answered in."""

import gzip
import json
import zlib

import numpy as np
import pytest

from tests.api.calling import bearer, picture, quota_used, records
from tests.api.open_inference.calling import (
    ARRAYS,
    FLOWERS,
    IRIS,
    LENGTH,
    SETOSA,
    TYPES,
    all_binary,
    as_bytes,
    binary_input,
    json_input,
    outputs,
    post,
    post_binary,
    read_binary,
)

DEFLATE = {"gzip": gzip.compress, "deflate": zlib.compress}


def test_json_is_answered_in_json(client, ada):
    answer = post(client, ada.secret, {"id": "mine", "inputs": [FLOWERS]})

    assert answer.content_type == "application/json"
    assert answer.json["id"] == "mine"
    assert answer.json["model_name"] == "iris"
    assert answer.json["model_version"] == "1"
    (output,) = answer.json["outputs"]
    assert (output["datatype"], output["shape"]) == ("FP32", [1, 3])
    assert sum(output["data"]) == pytest.approx(1)


def test_without_an_id_none_is_answered(client, ada):
    assert "id" not in post(client, ada.secret, {"inputs": [FLOWERS]}).json


def test_a_call_is_counted_as_one_of_the_native_api(client, ada):
    answer = post(client, ada.secret, {"inputs": [FLOWERS]})

    (record,) = records()
    assert (record.status, record.user_id, record.version) == (200, ada.user.id, 1)
    assert record.compute_ms > 0
    assert quota_used(ada.user) == 1
    assert answer.headers["X-RateLimit-Remaining"] == "59"
    assert answer.headers["X-Request-ID"].startswith("req_")


def test_null_stands_for_what_is_left_out(client, ada):
    optional = dict.fromkeys(("id", "parameters", "outputs"))
    document = {**optional, "inputs": [{**FLOWERS, "parameters": None}]}

    answer = post(client, ada.secret, document)

    assert answer.status_code == 200
    assert "id" not in answer.json


@pytest.mark.parametrize("data", [SETOSA, [SETOSA]])
def test_data_may_be_flat_or_nested(client, ada, data):
    answer = post(client, ada.secret, {"inputs": [{**FLOWERS, "data": data}]})

    assert answer.status_code == 200


def test_every_type_comes_back_from_json_as_it_went(client, ada):
    inputs = [json_input(name, array) for name, array in ARRAYS.items()]

    answer = post(client, ada.secret, {"inputs": inputs}, TYPES)

    found = outputs(answer)
    for name, array in ARRAYS.items():
        output = found[f"{name}_out"]
        assert output["shape"] == list(array.shape)
        assert output["data"] == array.ravel().tolist()


def test_every_type_comes_back_in_binary_as_it_went(client, ada):
    document, tail = all_binary()
    document["parameters"] = {"binary_data_output": True}

    answer = post_binary(client, ada.secret, document, tail)

    assert answer.content_type == "application/octet-stream"
    assert answer.content_length == len(answer.data)
    found = read_binary(answer)
    for name, array in ARRAYS.items():
        output, content = found[f"{name}_out"]
        assert content == as_bytes(array)
        assert output["shape"] == list(array.shape)
        assert "data" not in output


@pytest.mark.parametrize("spaces", range(8))
def test_a_tensor_may_stand_at_any_address(client, ada, spaces):
    document, tail = all_binary()
    document["id"] = " " * spaces

    answer = post_binary(client, ada.secret, document, tail)

    assert outputs(answer)["real_out"]["data"] == [1.5, 2.5]


def test_binary_and_json_inputs_may_be_mixed(client, ada):
    arrays = {**ARRAYS}
    inputs = [
        binary_input(name, array)
        if name in {"half", "words"}
        else json_input(name, array)
        for name, array in arrays.items()
    ]
    tail = as_bytes(arrays["half"]) + as_bytes(arrays["words"])

    answer = post_binary(client, ada.secret, {"inputs": inputs}, tail)

    assert outputs(answer)["words_out"]["data"] == ["one", "zwölf"]


def test_outputs_come_as_asked_and_in_that_order(client, ada):
    document, tail = all_binary()
    document["parameters"] = {"binary_data_output": True}
    document["outputs"] = [
        {"name": "whole_out", "parameters": {"binary_data": False}},
        {"name": "real_out"},
    ]

    answer = post_binary(client, ada.secret, document, tail)

    found = read_binary(answer)
    assert list(found) == ["whole_out", "real_out"]
    assert found["whole_out"][0]["data"] == [1, -(2**62)]
    assert found["real_out"][1] == as_bytes(ARRAYS["real"])


def test_nan_and_infinity_pass_in_binary_and_are_null_in_json(client, ada):
    real = np.array([[np.nan, np.inf]], dtype="float32")
    document, tail = all_binary(real=real)

    in_json = post_binary(client, ada.secret, document, tail)
    document["parameters"] = {"binary_data_output": True}
    in_binary = post_binary(client, ada.secret, document, tail)

    assert outputs(in_json)["real_out"]["data"] == [None, None]
    assert read_binary(in_binary)["real_out"][1] == real.tobytes()


def test_a_raw_request_is_the_tensor_itself(client, ada):
    features = np.array([SETOSA, SETOSA], dtype="float32")

    answer = client.post(
        IRIS, data=features.tobytes(), headers={**bearer(ada.secret), LENGTH: "0"}
    )

    output, content = read_binary(answer)["probabilities"]
    assert output["shape"] == [2, 3]
    assert np.frombuffer(content, "float32").reshape(2, 3).sum() == pytest.approx(2)


def test_a_raw_request_may_be_a_file(client, ada):
    answer = client.post(
        "/v2/models/file-type/infer",
        data=picture(),
        headers={**bearer(ada.secret), LENGTH: "0"},
    )

    output, content = read_binary(answer)["labels"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1])
    assert json.loads(content[4:])[0]["label"] == "png"


def test_a_file_comes_as_one_element_of_bytes(client, ada):
    file = np.array([picture()], dtype=object)

    answer = post_binary(
        client,
        ada.secret,
        {"inputs": [binary_input("file", file)]},
        as_bytes(file),
        "/v2/models/file-type/infer",
    )

    (text,) = outputs(answer)["labels"]["data"]
    assert json.loads(text)[0]["label"] == "png"


def test_parameters_are_those_of_the_native_api(client, ada):
    file = np.array([picture()], dtype=object)
    document = {"inputs": [binary_input("file", file)], "parameters": {"min_score": 2}}

    answer = post_binary(
        client, ada.secret, document, as_bytes(file), "/v2/models/file-type/infer"
    )

    assert answer.status_code == 422
    assert "min_score" in answer.get_json(force=True)["error"]


def test_hints_for_a_queue_are_taken_and_change_nothing(client, ada):
    document = {"inputs": [FLOWERS], "parameters": {"priority": 1, "timeout": 5}}

    assert post(client, ada.secret, document).status_code == 200


def test_classes_are_named_best_first(client, ada):
    output = {"name": "probabilities", "parameters": {"classification": 2}}

    answer = post(client, ada.secret, {"inputs": [FLOWERS], "outputs": [output]})

    (found,) = answer.json["outputs"]
    assert (found["datatype"], found["shape"]) == ("BYTES", [1, 2])
    value, index, label = found["data"][0].split(":")
    assert (index, label) == ("0", "setosa")
    assert float(value) > 0.9


def test_classes_of_a_model_without_labels_have_numbers_only(client, ada):
    document, tail = all_binary()
    document["outputs"] = [
        {
            "name": "whole_out",
            "parameters": {"classification": 9, "binary_data": True},
        }
    ]

    answer = post_binary(client, ada.secret, document, tail)

    output, content = read_binary(answer)["whole_out"]
    assert output["shape"] == [2]
    words = [b"1:0", f"{-(2**62)}:1".encode()]
    assert content == as_bytes(np.array(words, dtype=object))


@pytest.mark.parametrize("encoding", DEFLATE)
def test_a_request_may_come_compressed(client, ada, encoding):
    document, tail = all_binary()
    head = json.dumps(document).encode()

    answer = client.post(
        TYPES,
        data=DEFLATE[encoding](head + tail),
        headers={
            **bearer(ada.secret),
            LENGTH: str(len(head)),
            "Content-Encoding": encoding,
        },
    )

    assert outputs(answer)["real_out"]["data"] == [1.5, 2.5]


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("encoding", DEFLATE)
def test_a_large_answer_leaves_compressed_if_the_client_likes(
    client, ada, encoding, is_binary
):
    real = np.zeros((20_000, 2), dtype="float32")
    document, tail = all_binary(real=real)
    document["parameters"] = {"binary_data_output": is_binary}

    plain = post_binary(client, ada.secret, document, tail)
    headers = {"Accept-Encoding": encoding}
    packed = post_binary(client, ada.secret, document, tail, **headers)

    assert packed.headers["Content-Encoding"] == encoding
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert packed.headers.get(LENGTH) == plain.headers.get(LENGTH)
    assert len(packed.data) * 10 < len(plain.data)
    unpack = gzip.decompress if encoding == "gzip" else zlib.decompress
    assert unpack(packed.data) == plain.data


def test_a_small_answer_is_not_worth_compressing(client, ada):
    answer = client.post(
        IRIS,
        json={"inputs": [FLOWERS]},
        headers={**bearer(ada.secret), "Accept-Encoding": "gzip"},
    )

    assert "Content-Encoding" not in answer.headers


def test_a_version_answers_by_its_number(client, ada):
    path = "/v2/models/iris/versions/1/infer"

    assert post(client, ada.secret, {"inputs": [FLOWERS]}, path).status_code == 200
