"""How a run of an isolated version comes back: JSON, and arrays as bare numbers.

Nothing in it is believed: what a version's process may send, whoever took it over
may send too.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from portal.runtime.backends.base import Run
from portal.runtime.backends.channel import Block
from portal.runtime.signature import DATATYPES
from portal.runtime.tensor_value import TensorValue

DTYPES = {
    np.dtype(name)
    for name in (
        *("float16", "float32", "float64", "bool"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
}


class NoAnswer(Exception):
    """What came is not an answer."""


def write(answer: Mapping[str, Any]) -> list[Block]:
    """Return *answer* as blocks."""
    return [orjson.dumps(answer)]


def write_run(run: Run) -> list[Block]:
    """Return *run* as blocks: arrays, and tensors of numbers, follow as such."""
    outputs: dict[str, Any] = {}
    described: list[dict[str, Any]] = []
    arrays: list[Block] = []
    for name, value in run.outputs.items():
        is_tensor = isinstance(value, TensorValue)
        array = value.array if is_tensor else value
        if not isinstance(array, np.ndarray):
            outputs[name] = value
            continue
        described.append(
            {
                "name": name,
                "dtype": array.dtype.name,
                "shape": array.shape,
                "datatype": value.datatype if is_tensor else None,
            }
        )
        arrays.append(_block(array))
    answer = {"outputs": outputs, "steps_ms": run.steps_ms, "arrays": described}
    return [*write(answer), *arrays]


def _block(array: "np.ndarray[Any, Any]") -> Block:
    if array.dtype in DTYPES:
        return np.asarray(array, order="C").reshape(-1).data
    return orjson.dumps(array.reshape(-1).tolist())


def read(blocks: Sequence[bytearray]) -> dict[str, Any]:
    """Return the answer in *blocks*, with the arrays among its outputs.

    Raises:
        NoAnswer: It is none.
    """
    try:
        answer = orjson.loads(blocks[0])
        arrays = zip(answer.get("arrays", []), blocks[1:], strict=True)
        for described, block in arrays:
            answer["outputs"][described["name"]] = _value(block, **described)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise NoAnswer from error
    if not isinstance(answer, dict):
        raise NoAnswer
    return answer


def _value(
    block: bytearray, *, name: str, dtype: str, shape: list[int], datatype: str | None
) -> "np.ndarray[Any, Any] | TensorValue":
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(name)
    array = (_texts if dtype == "object" else _numbers)(block, str(dtype), shape)
    if datatype is None:
        return array
    if datatype not in DATATYPES.values():
        raise ValueError(datatype)
    return TensorValue(array, datatype)


def _texts(block: bytearray, _: str, shape: list[int]) -> "np.ndarray[Any, Any]":
    texts = orjson.loads(block)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array.reshape(shape)


def _numbers(block: bytearray, dtype: str, shape: list[int]) -> "np.ndarray[Any, Any]":
    kind = np.dtype(dtype)
    if kind not in DTYPES or math.prod(shape) * kind.itemsize != len(block):
        raise ValueError(dtype)
    return np.frombuffer(block, kind).reshape(shape)
