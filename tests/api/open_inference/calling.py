"""Inference requests as clients build them, and answers as they read them."""

import json
import struct
from typing import Any

import numpy as np
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.calling import bearer

LENGTH = "Inference-Header-Content-Length"
IRIS = "/v2/models/iris/infer"
TYPES = "/v2/models/types/infer"
SETOSA = [5.1, 3.5, 1.4, 0.2]
FLOWERS = {"name": "features", "shape": [1, 4], "datatype": "FP32", "data": SETOSA}
ARRAYS = {
    "real": np.array([[1.5, 2.5]], dtype="float32"),
    "half": np.array([0.5, 1.5], dtype="float16"),
    "whole": np.array([1, -(2**62)], dtype="int64"),
    "truth": np.array([True, False]),
    "words": np.array(["one", "zwölf"], dtype=object),
}
DATATYPES = {
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "int64": "INT64",
    "uint8": "UINT8",
    "bool": "BOOL",
    "object": "BYTES",
}


def post(
    client: FlaskClient, secret: str, document: object, path: str = IRIS
) -> TestResponse:
    """Send *document* as JSON."""
    return client.post(path, data=json.dumps(document), headers=bearer(secret))


def post_binary(
    client: FlaskClient,
    secret: str,
    document: object,
    tail: bytes,
    path: str = TYPES,
    **headers: str,
) -> TestResponse:
    """Send *document* with the bytes of its tensors behind it."""
    head = json.dumps(document).encode()
    return client.post(
        path,
        data=head + tail,
        headers={**bearer(secret), LENGTH: str(len(head)), **headers},
    )


def as_bytes(array: "np.ndarray[Any, Any]") -> bytes:
    """Return *array* in the form of the binary extension."""
    if array.dtype != object:
        return array.tobytes()
    parts = [item if isinstance(item, bytes) else item.encode() for item in array]
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def binary_input(name: str, array: "np.ndarray[Any, Any]") -> dict[str, Any]:
    """Return the input whose bytes stand behind the JSON."""
    return {
        "name": name,
        "shape": list(array.shape),
        "datatype": DATATYPES[array.dtype.name],
        "parameters": {"binary_data_size": len(as_bytes(array))},
    }


def json_input(name: str, array: "np.ndarray[Any, Any]") -> dict[str, Any]:
    """Return the input with its values in the JSON."""
    return {
        "name": name,
        "shape": list(array.shape),
        "datatype": DATATYPES[array.dtype.name],
        "data": array.tolist(),
    }


def all_binary(**changed: "np.ndarray[Any, Any]") -> tuple[dict[str, Any], bytes]:
    """Return the inputs of the model ``types``, and the bytes behind them."""
    arrays = {**ARRAYS, **changed}
    inputs = [binary_input(name, array) for name, array in arrays.items()]
    return {"inputs": inputs}, b"".join(map(as_bytes, arrays.values()))


def read_binary(answer: TestResponse) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Return each output of *answer* with its bytes, by name."""
    length = int(answer.headers[LENGTH])
    start, found = length, {}
    for output in json.loads(answer.data[:length])["outputs"]:
        end = start + output.get("parameters", {}).get("binary_data_size", 0)
        found[output["name"]] = (output, answer.data[start:end])
        start = end
    assert start == len(answer.data)
    return found


def outputs(answer: TestResponse) -> dict[str, Any]:
    """Return each output of a JSON *answer* by name."""
    return {one["name"]: one for one in json.loads(answer.data)["outputs"]}
