"""Inference requests to another server, and what it answers.

Where the server knows the binary tensor extension, tensors are sent as they lie in
memory, behind the JSON, and read where they lie in the answer. Nothing in an answer
is believed: names, datatypes, shapes and lengths are compared with the signature.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from portal.errors import Invalid, PortalError
from portal.runtime import binary_tensors, values
from portal.runtime.remote.connection import Answer, Bytes
from portal.runtime.remote.failures import RemoteFailed
from portal.runtime.signature import Signature, TensorSpec

HEADER_LENGTH = "Inference-Header-Content-Length"
MAX_AXES = 32
Array = np.ndarray[Any, Any]


def write_request(
    signature: Signature,
    inputs: Mapping[str, Array],
    outputs: Sequence[str],
    *,
    is_binary: bool,
) -> tuple[list[Bytes], dict[str, str]]:
    """Return the body of a request, in parts, and its headers.

    Args:
        signature: Of the model on the other server.
        inputs: Name → array, of the dtype and shape that *signature* says.
        outputs: The names of those that are wanted.
        is_binary: Whether arrays stand as bytes behind the JSON, both ways.

    Raises:
        Invalid: A value can't be sent.
    """
    specs = {spec.name: spec for spec in signature.inputs}
    arrays = {name: _plain(specs[name], array) for name, array in inputs.items()}
    tails = [_bytes(array) for array in arrays.values()] if is_binary else []
    document: dict[str, Any] = {
        "inputs": [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": specs[name].datatype,
                **_values(name, array, tails, place),
            }
            for place, (name, array) in enumerate(arrays.items())
        ],
        "outputs": [
            {"name": name, "parameters": {"binary_data": True}}
            if is_binary
            else {"name": name}
            for name in outputs
        ],
    }
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not is_binary:
        return [head], {"Content-Type": "application/json"}
    # A part of no bytes would end the body for urllib3.
    return [head, *(tail for tail in tails if len(tail))], {
        "Content-Type": "application/octet-stream",
        HEADER_LENGTH: str(len(head)),
    }


def read_answer(
    signature: Signature, outputs: Sequence[str], answer: Answer
) -> list[Array]:
    """Return the arrays of *outputs*, in that order.

    Raises:
        RemoteFailed: The answer isn't what *signature* promises.
    """
    specs = {spec.name: spec for spec in signature.outputs}
    try:
        found = dict(_outputs(specs, answer))
    except (
        AttributeError,
        LookupError,
        PortalError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        why = f"gave an answer that is none: {error}"[:500]
        raise RemoteFailed(why) from error
    missing = [name for name in outputs if name not in found]
    if missing:
        why = f"did not give the output {missing[0]}"
        raise RemoteFailed(why)
    return [found[name] for name in outputs]


def _plain(spec: TensorSpec, array: Array) -> Array:
    """Return *array* in the order and the bytes of the protocol; mostly, as it is."""
    array = np.asarray(array)
    if spec.dtype == "str":
        return array
    if array.dtype != np.dtype(spec.dtype):
        message = "%(name)s must be of the dtype %(wanted)s, not %(came)s."
        raise Invalid(
            message, "/inputs", name=spec.name, wanted=spec.dtype, came=array.dtype.name
        )
    wanted = array.dtype.newbyteorder("<")
    return np.require(array.astype(wanted, copy=False), None, "C")


def _bytes(array: Array) -> Bytes:
    if array.dtype.kind == "O":
        return binary_tensors.write_tensor(array)
    # A view: the array itself is what is sent.
    return array.reshape(-1).view(np.uint8).data if array.size else b""


def _values(
    name: str, array: Array, tails: Sequence[Bytes], place: int
) -> dict[str, Any]:
    if tails:
        return {"parameters": {"binary_data_size": len(tails[place])}}
    if array.dtype.kind == "O":
        return {"data": array.ravel().tolist()}
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        message = "%(name)s holds NaN or an infinity, which this model can't be sent."
        raise Invalid(message, "/inputs", name=name)
    return {"data": array.ravel()}


def _outputs(
    specs: Mapping[str, TensorSpec], answer: Answer
) -> list[tuple[str, Array]]:
    content = memoryview(answer.content)
    length = int(answer.headers.get(HEADER_LENGTH.lower(), len(content)))
    if not 0 < length <= len(content):
        message = f"{HEADER_LENGTH} is {length}, of {len(content)} bytes"
        raise ValueError(message)
    document = orjson.loads(content[:length])
    binary, start = content[length:], 0
    found = []
    for output in document["outputs"]:
        size = _size(output)
        tail = None
        if size is not None:
            tail, start = binary[start : start + size], start + size
        spec = specs.get(output["name"])
        if spec is not None:
            found.append((spec.name, _array(spec, output, tail)))
    if start != len(binary):
        message = f"its tensors have {start} bytes, and {len(binary)} came"
        raise ValueError(message)
    return found


def _size(output: Mapping[str, Any]) -> int | None:
    """Return how many bytes of an output stand behind the JSON; None: it has none."""
    size = (output.get("parameters") or {}).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        message = f"binary_data_size is {size!r}"
        raise ValueError(message)
    return int(size)


def _array(
    spec: TensorSpec, output: Mapping[str, Any], tail: memoryview | None
) -> Array:
    if output["datatype"] != spec.datatype:
        message = f"{spec.name} is {output['datatype']!r}, not {spec.datatype}"
        raise ValueError(message)
    shape = output["shape"]
    is_shape = isinstance(shape, list) and len(shape) <= MAX_AXES
    if not is_shape or any(type(size) is not int or size < 0 for size in shape):
        message = f"{spec.name} has the shape {shape!r}"
        raise ValueError(message)
    if tail is not None:
        return binary_tensors.read_tensor(spec, tuple(shape), tail)
    return _from_json(spec, tuple(shape), output["data"])


def _from_json(spec: TensorSpec, shape: tuple[int, ...], data: object) -> Array:
    """Return values that may come nested or flat, and null for NaN."""
    if not isinstance(data, list):
        message = f"{spec.name} has no list of data"
        raise TypeError(message)
    leaves = data
    if leaves and isinstance(leaves[0], list):
        nested, leaves = values.flatten(spec.name, leaves, "")
        if nested != shape:
            message = f"{spec.name} has the shape {shape}, and data of {nested}"
            raise ValueError(message)
    if len(leaves) != math.prod(shape):
        message = f"{spec.name} has the shape {shape}, and {len(leaves)} values"
        raise ValueError(message)
    is_nan = None
    if spec.dtype.startswith("float") and None in leaves:
        is_nan = np.array([leaf is None for leaf in leaves]).reshape(shape)
        leaves = [0.0 if leaf is None else leaf for leaf in leaves]
    array = values.tensor_from_leaves(spec, shape, leaves, "")
    if is_nan is not None:
        array[is_nan] = np.nan
    return array
