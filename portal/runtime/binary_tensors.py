"""Tensors as bytes: the Open Inference Protocol's binary tensor extension.

Values stand little-endian, row by row, without padding. A boolean is one byte, an
element of BYTES its length in four bytes and then itself.
"""

import math
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np

from portal.errors import Invalid
from portal.runtime.signature import TensorSpec

LENGTH = struct.Struct("<I")
Array = np.ndarray[Any, Any]


def read_tensor(spec: TensorSpec, shape: tuple[int, ...], content: memoryview) -> Array:
    """Return *content* as an array of *shape*, without a copy where that is possible.

    Raises:
        Invalid: The shape or the number of bytes is wrong, or a value is impossible.
    """
    spec.check(shape, pointer="")
    if spec.dtype == "str":
        elements = read_elements(spec.name, math.prod(shape), content)
        texts = [_text(spec.name, element) for element in elements]
        return np.array(texts, dtype=object).reshape(shape)
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    wanted = math.prod(shape) * dtype.itemsize
    if wanted != len(content):
        raise Invalid(
            "%(name)s needs %(wanted)d bytes for the shape %(shape)s of %(datatype)s; "
            "%(came)d came.",
            name=spec.name,
            wanted=wanted,
            shape=str(list(shape)),
            datatype=spec.datatype,
            came=len(content),
        )
    if spec.dtype == "bool":
        return _booleans(spec.name, content).reshape(shape)
    array = np.frombuffer(content, dtype=dtype).reshape(shape)
    # Behind a JSON part of any length a tensor may stand at an odd address.
    array = array if array.flags.aligned else array.copy()
    return array.astype(spec.dtype, copy=False)


def read_elements(name: str, count: int, content: memoryview) -> list[bytes]:
    """Return the *count* elements of a tensor of BYTES.

    Raises:
        Invalid: There are more or fewer, or the last one is cut off.
    """
    elements: list[bytes] = []
    start = 0
    while start < len(content) and len(elements) < count:
        begin = start + LENGTH.size
        if begin <= len(content):
            start = begin + LENGTH.unpack_from(content, start)[0]
        if begin > len(content) or start > len(content):
            message = "%(name)s is cut off: an element is shorter than its length says."
            raise Invalid(message, name=name)
        elements.append(bytes(content[begin:start]))
    if len(elements) != count or start != len(content):
        message = "%(name)s must hold %(count)d elements, each behind its length."
        raise Invalid(message, name=name, count=count)
    return elements


def write_tensor(array: Array) -> bytes:
    """Return *array*, of numbers, booleans or texts, as bytes."""
    if array.dtype.kind == "O":
        return write_elements(str(text).encode() for text in array.ravel())
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def write_elements(elements: Iterable[bytes]) -> bytes:
    """Return *elements* as a tensor of BYTES."""
    return b"".join(
        part for element in elements for part in (LENGTH.pack(len(element)), element)
    )


def _booleans(name: str, content: memoryview) -> Array:
    array = np.frombuffer(content, dtype=np.uint8)
    if array.max(initial=0) > 1:
        message = "%(name)s must hold the bytes 0 and 1 only, as BOOL."
        raise Invalid(message, name=name)
    return array.view(bool)


def _text(name: str, element: bytes) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError:
        message = "%(name)s must be text in UTF-8."
        raise Invalid(message, name=name) from None
