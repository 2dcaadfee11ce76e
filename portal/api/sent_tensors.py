"""The inputs of an inference request: as they came, and as the task takes them."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from portal.api.tensor_view import input_spec
from portal.errors import Invalid, Malformed, pointer
from portal.runtime import Input, InputKind, TensorSpec, binary_tensors
from portal.runtime import values as reading

MAX_AXES = 32
SHOWN_CHARS = 80


@dataclass(frozen=True)
class SentTensor:
    """An input as it came.

    Attributes:
        place: The JSON pointer to it.
        shape: Whole numbers from 1 on.
        datatype, data: Whatever stood there.
        content: Its bytes; None where the values stand in `data`.
    """

    place: str
    shape: tuple[int, ...]
    datatype: object
    data: object = None
    content: memoryview | None = None

    def read(self, declared: Input) -> Any:  # noqa: ANN401 - by the input's kind
        """Return the value for the input *declared*.

        Raises:
            Invalid: Its datatype, shape or values don't fit.
        """
        spec = input_spec(declared)
        with _pointing_to(self.place):
            self._check_datatype(spec)
            if declared.kind is InputKind.TENSOR:
                return self._array(spec)
            spec.check(self.shape, self.place)
            if self.content is None:
                (leaf,) = self._leaves(spec)
                return reading.input_from_json(declared, leaf)
            if declared.kind is InputKind.NUMBER:
                return reading.input_from_json(declared, float(self._array(spec)[0]))
            (element,) = binary_tensors.read_elements(spec.name, 1, self.content)
            return reading.input_from_bytes(declared, element)

    def _check_datatype(self, spec: TensorSpec) -> None:
        came = self.datatype
        if came == spec.datatype:
            return
        if came == "BF16":
            message = "BF16 is not taken; send %(name)s as %(wanted)s."
            raise Invalid(message, name=spec.name, wanted=spec.datatype)
        raise Invalid(
            "%(name)s must have the datatype %(wanted)s, not %(came)s.",
            name=spec.name,
            wanted=spec.datatype,
            came=came[:SHOWN_CHARS]
            if isinstance(came, str)
            else reading.json_name(came),
        )

    def _array(self, spec: TensorSpec) -> "np.ndarray[Any, Any]":
        if self.content is not None:
            return binary_tensors.read_tensor(spec, self.shape, self.content)
        leaves = self._leaves(spec)
        return reading.tensor_from_leaves(spec, self.shape, leaves, self.place)

    def _leaves(self, spec: TensorSpec) -> list[object]:
        """Return the values row by row, which may come nested or flat."""
        if not isinstance(self.data, list):
            message = "%(name)s needs data: a list of its values, row by row."
            raise Invalid(message, name=spec.name)
        shape, leaves = self.shape, self.data
        if leaves and isinstance(leaves[0], list):
            shape, leaves = reading.flatten(spec.name, leaves, self.place)
        if shape != self.shape or len(leaves) != math.prod(shape):
            raise Invalid(
                "%(name)s needs %(wanted)d values for the shape %(shape)s; what came "
                "has %(came)d or another shape.",
                name=spec.name,
                wanted=math.prod(self.shape),
                shape=str(list(self.shape)),
                came=len(leaves),
            )
        return leaves


def read_tensors(given: object, binary: memoryview) -> dict[str, SentTensor]:
    """Return the inputs by name, each with its part of *binary*.

    Raises:
        Malformed: They don't add up to *binary*.
        Invalid: One of them is no tensor.
    """
    if not isinstance(given, list):
        message = "inputs must be a list of tensors, not %(came)s."
        raise Invalid(message, "/inputs", came=reading.json_name(given))
    tensors: dict[str, SentTensor] = {}
    tail = _Tail(binary)
    for number, one in enumerate(given):
        place = pointer("inputs", str(number))
        name = _name(one, place)
        if name in tensors:
            message = "The input %(name)s came twice; send it once."
            raise Invalid(message, place, name=name[:SHOWN_CHARS])
        size = _binary_size(one, place)
        tensors[name] = SentTensor(
            place,
            _shape(one, place),
            one.get("datatype"),
            one.get("data"),
            content=None if size is None else tail.take(size),
        )
    tail.check_empty()
    return tensors


def raw_tensors(inputs: Sequence[Input], content: memoryview) -> dict[str, SentTensor]:
    """Return the only input, which *content* alone is, by its name.

    Raises:
        Invalid: There are more, it is of another size, or several sizes are open.
    """
    if len(inputs) != 1:
        message = "A raw request is for models with one input; this one has %(count)d."
        raise Invalid(message, "/inputs", count=len(inputs))
    return {inputs[0].name: _raw_tensor(inputs[0], content)}


def _raw_tensor(declared: Input, content: memoryview) -> SentTensor:
    spec = input_spec(declared)
    count = _raw_count(spec, len(content))
    if count == 0:
        raise Invalid(
            "A raw request must be the tensor %(name)s: %(datatype)s %(shape)s with at "
            "most one open size. %(came)d bytes came.",
            "/inputs",
            name=spec.name,
            datatype=spec.datatype,
            shape=spec.shape_text,
            came=len(content),
        )
    if spec.dtype == "str":
        content = memoryview(binary_tensors.write_elements([bytes(content)]))
    shape = tuple(size if isinstance(size, int) else count for size in spec.shape)
    return SentTensor("/inputs", shape, spec.datatype, content=content)


def _raw_count(spec: TensorSpec, size_bytes: int) -> int:
    """Return the open size of a raw tensor, 1 if none is open, 0 if nothing fits."""
    fixed = math.prod(size for size in spec.shape if isinstance(size, int))
    open_axes = sum(not isinstance(size, int) for size in spec.shape)
    if open_axes > 1:
        return 0
    if spec.dtype == "str":
        # The whole body is one element, without its length.
        return int(fixed == 1)
    count, rest = divmod(size_bytes, max(1, fixed * np.dtype(spec.dtype).itemsize))
    if rest or not (open_axes or count == 1):
        return 0
    return count


def object_in(document: dict[str, Any], key: str, place: str) -> dict[str, Any]:
    """Return the object *key* of *document*; an empty one if it is null or missing.

    Raises:
        Invalid: There is something else.
    """
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        message = "%(key)s must be an object, not %(came)s."
        raise Invalid(message, f"{place}/{key}", key=key, came=reading.json_name(value))
    return value


class _Tail:
    """The bytes behind the JSON, taken one tensor after the other."""

    def __init__(self, content: memoryview) -> None:
        self._left = content

    def take(self, size: int) -> memoryview:
        if size > len(self._left):
            message = "The body ends before the last of its binary tensors does."
            raise Malformed(message)
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def check_empty(self) -> None:
        if len(self._left):
            message = "%(count)d bytes are left behind the last of the binary tensors."
            raise Malformed(message, count=len(self._left))


@contextmanager
def _pointing_to(place: str) -> Iterator[None]:
    """Let refusals point into the list of inputs; the native API has an object."""
    try:
        yield
    except Invalid as refusal:
        refusal.pointer = place
        raise


def _name(one: object, place: str) -> str:
    name = one.get("name") if isinstance(one, dict) else None
    if not isinstance(name, str):
        message = (
            'An input must be an object such as {"name": …, "shape": […], '
            '"datatype": …, "data": […]}.'
        )
        raise Invalid(message, place)
    return name


def _binary_size(one: dict[str, Any], place: str) -> int | None:
    """Return how many bytes of the binary part belong to an input, if any do."""
    parameters = object_in(one, "parameters", place)
    if "shared_memory_region" in parameters:
        message = "Shared memory is not taken; send the tensor in the body."
        raise Invalid(message, f"{place}/parameters/shared_memory_region")
    if "binary_data_size" not in parameters:
        return None
    size = parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        message = "binary_data_size must be a number of bytes."
        raise Invalid(message, f"{place}/parameters/binary_data_size")
    if one.get("data") is not None:
        message = "%(name)s has both data and binary_data_size; send one of them."
        raise Invalid(message, place, name=one["name"][:SHOWN_CHARS])
    return size


def _shape(one: dict[str, Any], place: str) -> tuple[int, ...]:
    shape = one.get("shape")
    is_list = isinstance(shape, list) and len(shape) <= MAX_AXES
    if not is_list or any(type(size) is not int or size < 1 for size in shape or ()):
        message = "The shape of %(name)s must be a list of whole numbers from 1 on."
        raise Invalid(message, f"{place}/shape", name=one["name"][:SHOWN_CHARS])
    return tuple(shape or ())
