"""Writes the answer to an inference request: JSON, with bytes behind it if asked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from flask import Response

from portal.api.compression import compressed
from portal.api.requested_outputs import Requested
from portal.api.tensor_request import HEADER_LENGTH, TensorRequest
from portal.api.tensor_view import output_spec
from portal.errors import Invalid
from portal.runtime import OutputKind, TensorValue, binary_tensors

JSON_TYPE, BINARY_TYPE = "application/json", "application/octet-stream"
MAX_CLASSES = 100_000  # of one answer; each is a text to be written


@dataclass(frozen=True)
class _Elements:
    """A tensor of BYTES."""

    shape: tuple[int, ...]
    content: list[bytes]


def answer(asked: TensorRequest, values: Mapping[str, Any]) -> Response:
    """Return the answer to *asked*.

    Args:
        asked: What it was asked for.
        values: Name → value of each output, as in `Prediction.values`.

    Raises:
        Invalid: More classes are asked for than are written.
    """
    document: dict[str, Any] = {
        "model_name": asked.model_name,
        "model_version": str(asked.number),
    }
    if asked.id is not None:
        document["id"] = asked.id
    binary: list[bytes] = []
    document["outputs"] = [
        _output(one, _tensor(one, values[one.declared.name], asked.labels), binary)
        for one in asked.outputs
    ]
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    response = compressed([head, *binary])
    response.content_type = JSON_TYPE
    if any(one.is_binary for one in asked.outputs):
        response.content_type = BINARY_TYPE
        response.headers[HEADER_LENGTH] = str(len(head))
    return response


def _tensor(
    asked: Requested,
    value: Any,  # noqa: ANN401 - by the output's kind
    labels: Sequence[str],
) -> "np.ndarray[Any, Any] | _Elements":
    """Return the tensor that stands for the *value* of an output."""
    declared = asked.declared
    if declared.kind not in {OutputKind.TENSOR, OutputKind.VECTOR}:
        return _Elements((1,), [orjson.dumps(value)])
    if isinstance(value, TensorValue):
        array = value.array
    else:
        # Lists, ready for JSON, in which null stands for NaN.
        data = value["data"] if declared.kind is OutputKind.TENSOR else value
        dtype = output_spec(declared).dtype
        array = np.array(data, dtype=object if dtype == "str" else dtype)
    return _classes(array, asked.classes, labels) if asked.classes else array


def _classes(
    array: "np.ndarray[Any, Any]", count: int, labels: Sequence[str]
) -> _Elements:
    """Return the *count* greatest values of each row, as ``value:index:label``."""
    count = min(count, array.shape[-1])
    shape = (*array.shape[:-1], count)
    if math.prod(shape) > MAX_CLASSES:
        message = "Ask for at most %(limit)d classes of all rows together."
        raise Invalid(message, "/outputs", limit=MAX_CLASSES)
    rows = array.reshape(-1, array.shape[-1])
    order = np.argsort(-rows.astype(np.float64), axis=-1, kind="stable")[:, :count]
    names = labels if len(labels) == array.shape[-1] else ()
    elements = [
        _class(row[index], index, names)
        for row, best in zip(rows, order.tolist(), strict=True)
        for index in best
    ]
    return _Elements(shape, elements)


def _class(value: Any, index: int, names: Sequence[str]) -> bytes:  # noqa: ANN401 - a numpy scalar
    number = f"{value:f}" if value.dtype.kind == "f" else str(value)
    return ":".join((number, str(index), *names[index : index + 1])).encode()


def _output(
    asked: Requested, tensor: "np.ndarray[Any, Any] | _Elements", binary: list[bytes]
) -> dict[str, Any]:
    """Return an output for the JSON; the bytes of a binary one go to *binary*."""
    is_text = isinstance(tensor, _Elements)
    entry: dict[str, Any] = {
        "name": asked.declared.name,
        "datatype": "BYTES" if is_text else output_spec(asked.declared).datatype,
        "shape": list(tensor.shape),
    }
    if asked.is_binary:
        binary.append(_bytes(tensor))
        entry["parameters"] = {"binary_data_size": len(binary[-1])}
    else:
        entry["data"] = _values(tensor)
    return entry


def _bytes(tensor: "np.ndarray[Any, Any] | _Elements") -> bytes:
    if isinstance(tensor, _Elements):
        return binary_tensors.write_elements(tensor.content)
    return binary_tensors.write_tensor(tensor)


def _values(tensor: "np.ndarray[Any, Any] | _Elements") -> Any:  # noqa: ANN401 - what orjson takes
    """Return the values row by row; orjson writes NaN and infinities as null."""
    if isinstance(tensor, _Elements):
        return [element.decode() for element in tensor.content]
    flat = np.ascontiguousarray(tensor).ravel()
    return flat.tolist() if flat.dtype.kind == "O" else flat
