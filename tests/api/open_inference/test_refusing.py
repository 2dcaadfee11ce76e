"""What an inference refuses, how it says so, and that it costs nothing."""

import gzip
import json
import random
import struct
import zlib
from copy import deepcopy

import numpy as np
import pytest

from portal.extensions import limiter
from tests.api.calling import bearer, quota_used, records
from tests.api.open_inference.calling import (
    FLOWERS,
    IRIS,
    LENGTH,
    SETOSA,
    TYPES,
    all_binary,
    post,
    post_binary,
)

LABELS = {"name": "probabilities"}
REAL = np.array([[1.5, 2.5]], dtype="float32")


def flowers(**changed):
    return {"inputs": [{**FLOWERS, **changed}]}


def without(key):
    return {"inputs": [{k: v for k, v in FLOWERS.items() if k != key}]}


def asking(output=LABELS, **parameters):
    return {**flowers(), "outputs": [{**output, "parameters": parameters}]}


WRONG = {
    "a list": ([], "must be an object"),
    "null": (None, "must be an object"),
    "no inputs": ({}, "inputs must be a list"),
    "inputs that are an object": ({"inputs": {}}, "inputs must be a list"),
    "an empty list of inputs": ({"inputs": []}, "features (tensor) is missing"),
    "an input that is a number": ({"inputs": [1]}, "must be an object"),
    "an input without a name": (without("name"), "must be an object"),
    "a name that is no string": (flowers(name=1), "must be an object"),
    "an unknown input": (flowers(name="x"), "no field x; there are: features"),
    "an input twice": ({"inputs": [FLOWERS, FLOWERS]}, "came twice"),
    "an input too many": (
        {"inputs": [FLOWERS, {**FLOWERS, "name": "more"}]},
        "no field more",
    ),
    "no shape": (without("shape"), "whole numbers from 1 on"),
    "no datatype": (without("datatype"), "datatype FP32, not null"),
    "no data": (without("data"), "needs data"),
    "a shape that is a number": (flowers(shape=4), "whole numbers"),
    "a negative size": (flowers(shape=[-1, 4]), "whole numbers"),
    "a size of 0": (flowers(shape=[0, 4], data=[]), "whole numbers"),
    "a broken size": (flowers(shape=[1.0, 4]), "whole numbers"),
    "a size that is true": (flowers(shape=[True, 4]), "whole numbers"),
    "a huge size": (flowers(shape=[2**62, 4]), "needs"),
    "sizes whose product overflows": (flowers(shape=[2**62, 2**62]), "needs"),
    "too many axes": (flowers(shape=[1] * 99), "whole numbers"),
    "a wrong rank": (flowers(shape=[4]), "must have the shape [N, 4]"),
    "a wrong size": (flowers(shape=[1, 3], data=SETOSA[:3]), "the shape [N, 4]"),
    "a value too few": (flowers(data=SETOSA[:3]), "needs 4 values"),
    "a value too many": (flowers(data=[*SETOSA, 1]), "needs 4 values"),
    "another nesting": (flowers(data=[SETOSA[:2], SETOSA[2:]]), "needs 4 values"),
    "ragged lists": (flowers(data=[[1], [1, 2, 3]]), "differ in length"),
    "deep nesting": (flowers(data=[[[[SETOSA]]]]), "another shape"),
    "a list among numbers": (flowers(data=[1, 2, 3, [4]]), "a list"),
    "null among numbers": (flowers(data=[1, 2, 3, None]), "null"),
    "true among numbers": (flowers(data=[1, 2, 3, True]), "a boolean"),
    "text among numbers": (flowers(data=[1, 2, 3, "4"]), "a string"),
    "a number that does not fit": (flowers(data=[1, 2, 3, 1e300]), "does not fit"),
    "data that is a text": (flowers(data="AAAA"), "needs data"),
    "an unknown datatype": (flowers(datatype="FP8"), "FP32, not FP8"),
    "another datatype": (flowers(datatype="FP64"), "FP32, not FP64"),
    "BF16": (flowers(datatype="BF16"), "BF16 is not taken"),
    "a datatype that is a list": (flowers(datatype=[]), "not a list"),
    "parameters that are a list": ({**flowers(), "parameters": []}, "an object"),
    "an unknown parameter": ({**flowers(), "parameters": {"x": 1}}, "no field x"),
    "a form that is a number": (
        {**flowers(), "parameters": {"binary_data_output": 1}},
        "true or false",
    ),
    "shared memory": (
        flowers(parameters={"shared_memory_region": "r"}),
        "Shared memory",
    ),
    "an id that is a number": ({**flowers(), "id": 1}, "id must be a string"),
    "a long id": ({**flowers(), "id": "x" * 300}, "256 characters"),
    "outputs that are an object": ({**flowers(), "outputs": {}}, "must be a list"),
    "an output that is a text": ({**flowers(), "outputs": ["y"]}, "an object"),
    "an unknown output": (asking({"name": "y"}), "no field y; there are: prob"),
    "an output twice": ({**flowers(), "outputs": [LABELS, LABELS]}, "twice"),
    "an output in shared memory": (asking(shared_memory_region="r"), "Shared"),
    "an output in what form": (asking(binary_data="yes"), "true or false"),
    "classes that are a text": (asking(classification="2"), "number of classes"),
    "negative classes": (asking(classification=-1), "number of classes"),
}


def test_what_can_be_read_but_is_wrong_is_422(client, ada):
    for what, (document, words) in WRONG.items():
        answer = post(client, ada.secret, document)

        problem = answer.get_json(force=True)
        assert answer.status_code == 422, (what, problem)
        assert words in problem["error"], what
        assert problem["error"] == problem["detail"]
        assert problem["errors"][0]["detail"] == problem["detail"]

    assert [record.status for record in records()] == [422] * len(WRONG)
    assert quota_used(ada.user) == 0


def test_a_refusal_points_to_the_place(client, ada):
    answer = post(client, ada.secret, flowers(data=[1, 2, 3, None]))

    assert answer.get_json(force=True)["errors"][0]["pointer"] == "/inputs/0"


UNREADABLE = {
    "nothing": b"",
    "half a document": b'{"inputs": ',
    "two documents": b"{} {}",
    "NaN as a literal": b'{"inputs": [NaN]}',
    "a lone surrogate": b'{"id": "\\ud800"}',
    "no UTF-8": b'{"id": "\xff"}',
    "nesting without an end": b"[" * 100_000,
}


def test_what_cannot_be_read_is_400(client, ada):
    for what, content in UNREADABLE.items():
        answer = client.post(IRIS, data=content, headers=bearer(ada.secret))

        assert answer.status_code == 400, what
        assert answer.get_json(force=True)["error"]

    assert quota_used(ada.user) == 0


def test_a_bad_length_of_the_json_part_is_400(client, ada):
    for length in ("-1", "9999", "9" * 400, "1e2", "x", "", "0x10", "²", "1.0"):
        answer = client.post(
            IRIS, json=flowers(), headers={**bearer(ada.secret), LENGTH: length}
        )

        assert answer.status_code == 400, length
        assert LENGTH in answer.get_json(force=True)["error"]


def test_a_json_part_that_is_cut_is_400(client, ada):
    document, tail = all_binary()

    answer = post_binary(client, ada.secret, document, tail, **{LENGTH: "20"})

    assert answer.status_code == 400


@pytest.mark.parametrize("change", [b"more", None])
def test_binary_tensors_that_do_not_add_up_are_400(client, ada, change):
    document, tail = all_binary()
    tail = tail + change if change else tail[:-1]

    assert post_binary(client, ada.secret, document, tail).status_code == 400


def test_sizes_without_a_binary_part_are_400(client, ada):
    document, _ = all_binary()

    assert post(client, ada.secret, document, TYPES).status_code == 400


def packed(*parts):
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


BAD_TENSORS = {
    "too few bytes": ("real", REAL.tobytes()[:4], "needs 8 bytes"),
    "too many bytes": ("real", REAL.tobytes() * 2, "needs 8 bytes"),
    "no bytes": ("real", b"", "needs 8 bytes"),
    "a boolean of 2": ("truth", b"\x01\x02", "0 and 1 only"),
    "text in another encoding": ("words", packed(b"\xff", b"a"), "UTF-8"),
    "an element that is cut off": ("words", packed(b"ab", b"cd")[:-1], "cut off"),
    "a length that is cut off": ("words", packed(b"ab") + b"\x01", "cut off"),
    "a huge element": ("words", b"\xff\xff\xff\xffab", "cut off"),
    "an element too few": ("words", packed(b"ab"), "2 elements"),
    "an element too many": ("words", packed(b"a", b"b", b"c"), "2 elements"),
}


def test_bytes_that_are_no_such_tensor_are_422(client, ada):
    for what, (name, content, words) in BAD_TENSORS.items():
        document, tail = with_content(name, content)

        answer = post_binary(client, ada.secret, document, tail)

        assert answer.status_code == 422, what
        assert words in answer.get_json(force=True)["error"], what


def with_content(name, content):
    """Return a request whose tensor *name* has other bytes than it says."""
    document, tail = all_binary()
    start = 0
    for one in document["inputs"]:
        size = one["parameters"]["binary_data_size"]
        if one["name"] == name:
            one["parameters"]["binary_data_size"] = len(content)
            tail = tail[:start] + content + tail[start + size :]
        start += size
    return document, tail


def test_a_binary_size_that_is_none_is_refused(client, ada):
    document, tail = all_binary()
    for size in (-1, 2**70, 1.5, "8", True, None):
        document["inputs"][0]["parameters"]["binary_data_size"] = size

        answer = post_binary(client, ada.secret, document, tail)

        assert answer.status_code in {400, 422}, size


def test_data_beside_bytes_is_refused(client, ada):
    document, tail = all_binary()
    document["inputs"][0]["data"] = [1.5, 2.5]

    answer = post_binary(client, ada.secret, document, tail)

    assert answer.status_code == 422
    assert "both" in answer.get_json(force=True)["error"]


@pytest.mark.parametrize("content", [b"", b"123", b"12345678"])
def test_a_raw_request_of_another_size_is_refused(client, ada, content):
    headers = {**bearer(ada.secret), LENGTH: "0"}

    answer = client.post(IRIS, data=content, headers=headers)

    assert answer.status_code == 422
    assert "raw request" in answer.get_json(force=True)["error"]


def test_a_raw_request_needs_a_model_of_one_input(client, ada):
    headers = {**bearer(ada.secret), LENGTH: "0"}

    answer = client.post(TYPES, data=b"1234", headers=headers)

    assert answer.status_code == 422
    assert "one input" in answer.get_json(force=True)["error"]


def test_more_classes_than_can_be_written_are_refused(client, ada):
    many = np.zeros((40_000, 4), dtype="float32")
    document = {
        "inputs": [
            {
                "name": "features",
                "shape": [40_000, 4],
                "datatype": "FP32",
                "parameters": {"binary_data_size": many.nbytes},
            }
        ],
        "outputs": [{**LABELS, "parameters": {"classification": 3}}],
    }

    answer = post_binary(client, ada.secret, document, many.tobytes(), IRIS)

    assert answer.status_code == 422
    assert quota_used(ada.user) == 0


def test_texts_have_no_classes(client, ada):
    document, tail = all_binary()
    output = {"name": "words_out", "parameters": {"classification": 1}}

    answer = post_binary(client, ada.secret, {**document, "outputs": [output]}, tail)

    assert answer.status_code == 422


MB = 1024 * 1024
COMPRESSED = {
    "a gzip bomb": ("gzip", gzip.compress(bytes(50 * MB), 1), 413),
    "a deflate bomb": ("deflate", zlib.compress(bytes(50 * MB), 1), 413),
    "half a gzip": ("gzip", gzip.compress(b"{}" * 99)[:-9], 400),
    "half a deflate": ("deflate", zlib.compress(b"{}" * 99)[:-3], 400),
    "no gzip": ("gzip", b"{}", 400),
    "gzip called deflate": ("deflate", gzip.compress(b"{}"), 400),
    "something behind it": ("gzip", gzip.compress(b"{}") + b"{}", 400),
    "nothing": ("gzip", b"", 400),
    "another encoding": ("br", b"{}", 415),
    "two encodings": ("gzip, gzip", b"{}", 415),
}


@pytest.mark.parametrize("what", COMPRESSED)
def test_a_compressed_body_that_is_wrong_is_refused(client, ada, what):
    encoding, content, status = COMPRESSED[what]
    headers = {**bearer(ada.secret), "Content-Encoding": encoding}

    answer = client.post(IRIS, data=content, headers=headers)

    assert answer.status_code == status
    assert answer.get_json(force=True)["error"]
    assert [record.status for record in records()] == [status]


def test_a_body_over_the_limit_is_413_and_recorded(client, ada):
    answer = client.post(IRIS, data=bytes(11 * MB), headers=bearer(ada.secret))

    assert answer.status_code == 413
    assert answer.get_json(force=True)["error"]
    assert [record.status for record in records()] == [413]


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (bearer("mp_wrong"), 401)])
def test_without_a_valid_key_nothing_is_inferred(client, app, headers, status):
    answer = client.post(IRIS, json=flowers(), headers=headers)

    assert answer.status_code == status
    assert answer.get_json(force=True)["error"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_limit_that_is_reached_is_said(client, ada):
    for _ in range(60):
        post(client, ada.secret, {})

    answer = post(client, ada.secret, flowers())

    assert answer.status_code == 429
    assert answer.get_json(force=True)["error"]
    assert answer.headers["Retry-After"]


STRANGE = [
    *[None, True, -1, 0, 1.5, 2**63, 2**64, 1e300, "", "x", "\x00", "FP32", "BYTES"],
    *[[], [[]], [1], [[1], 2], {}, {"name": "real"}, {"binary_data_size": 4}],
]


def places(value):
    """Return every container and key inside *value*."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def mutated(rng):
    """Return a request with a few faults in it, and the length it announces."""
    document, tail = all_binary()
    document["outputs"] = [{"name": "real_out", "parameters": {"classification": 1}}]
    document["parameters"] = {"binary_data_output": rng.random() < 0.5}
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(list(places(document)))
        if rng.random() < 0.2 and isinstance(container, dict):
            del container[key]
        else:
            container[key] = deepcopy(rng.choice(STRANGE))
    head = json.dumps(document).encode()
    body = bytearray(head + tail)
    length = len(head)
    if rng.random() < 0.3:
        body[rng.randrange(len(body))] = rng.randrange(256)
    if rng.random() < 0.1:
        del body[rng.randrange(len(body)) :]
    if rng.random() < 0.1:
        length += rng.randint(-5, 5)
    return bytes(body), str(length)


def test_whatever_comes_is_answered_or_refused_and_only_answers_are_billed(client, ada):
    rng = random.Random(5)
    found = []

    for number in range(300):
        if number % 50 == 0:
            limiter.reset()
        body, length = mutated(rng)
        headers = {**bearer(ada.secret), LENGTH: length}
        answer = client.post(TYPES, data=body, headers=headers)
        found.append(answer.status_code)
        if answer.status_code != 200:
            assert isinstance(answer.get_json(force=True)["error"], str), body

    assert set(found) <= {200, 400, 422}, found
    assert found.count(422) > 100
    assert found.count(400) > 20
    assert quota_used(ada.user) == found.count(200)
    assert len(records()) == len(found)
