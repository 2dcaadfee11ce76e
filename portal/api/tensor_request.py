"""Reads an inference request of the Open Inference Protocol, version 2.

It is JSON, JSON with bytes behind it (the binary tensor extension), or the bytes
of the only input (a raw request); `Inference-Header-Content-Length` says which.
"""

from dataclasses import dataclass
from typing import Any

from flask import request

from portal.api.compression import decompress
from portal.api.requested_outputs import Requested, read_requested
from portal.api.schemas import Values, collect, refuse_names
from portal.api.sent_tensors import SentTensor, object_in, raw_tensors, read_tensors
from portal.api.tensor_view import outputs_of
from portal.catalog import ModelVersion
from portal.errors import Invalid, Malformed
from portal.extensions import config
from portal.runtime import Description, Output
from portal.runtime import values as reading
from portal.web import read_body

HEADER_LENGTH = "Inference-Header-Content-Length"
MAX_HEADER_DIGITS = 12
MAX_ID_CHARS = 256
BINARY_OUTPUT = "binary_data_output"
# How Triton should queue a request; they change no answer.
HINTS = {"priority", "timeout"}


@dataclass(frozen=True)
class TensorRequest:
    """An inference request, checked, and what its answer needs of the version.

    Attributes:
        model_name, number, labels: Of the version that answers.
        id: The client's own, to be echoed.
        inputs, parameters: Fit the version's description.
        outputs: What is to be answered, in this order.
    """

    model_name: str
    number: int
    labels: tuple[str, ...]
    id: str | None
    inputs: Values
    parameters: Values
    outputs: list[Requested]


def read_tensor_request(version: ModelVersion) -> TensorRequest:
    """Return this request, for *version*.

    Raises:
        Malformed, TooLarge, UnsupportedType, Invalid: saying what to change.
    """
    body = decompress(read_body(), config().max_upload_bytes)
    length = _header_length(body)
    document, binary = _read_json(body[:length]), memoryview(body)[length:]
    description = version.description
    tensors = (
        read_tensors(document.get("inputs"), binary)
        if length
        else raw_tensors(description.inputs, binary)
    )
    given = object_in(document, "parameters", "")
    outputs = _outputs(document, given, outputs_of(version.task, description), length)
    inputs, parameters = _collect(description, tensors, given)
    return TensorRequest(
        model_name=version.model.name,
        number=version.number,
        labels=tuple(version.manifest["labels"]),
        id=_id(document),
        inputs=inputs,
        parameters=parameters,
        outputs=outputs,
    )


def _header_length(body: bytes) -> int:
    """Return how much of *body* is JSON; 0 for a raw request."""
    announced = request.headers.get(HEADER_LENGTH)
    if announced is None:
        if not body:
            raise Malformed("The body is empty; send an inference request.")
        return len(body)
    is_number = announced.isascii() and announced.isdecimal()
    if not is_number or len(announced) > MAX_HEADER_DIGITS:
        message = "%(header)s must be the length of the JSON part in bytes."
        raise Malformed(message, header=HEADER_LENGTH)
    if int(announced) > len(body):
        message = "%(header)s says %(length)d bytes, but the body has only %(came)d."
        raise Malformed(
            message, header=HEADER_LENGTH, length=int(announced), came=len(body)
        )
    return int(announced)


def _read_json(content: bytes) -> dict[str, Any]:
    """Return the JSON part of a request, of which a raw one has none."""
    if not content:
        return {}
    document = reading.parse_json(content)
    if not isinstance(document, dict):
        message = 'The request must be an object such as {"inputs": […]}, not %(came)s.'
        raise Invalid(message, came=reading.json_name(document))
    return document


def _outputs(
    document: dict[str, Any], given: Values, outputs: list[Output], length: int
) -> list[Requested]:
    """Return the outputs that are asked for; takes their form out of *given*."""
    is_binary = given.pop(BINARY_OUTPUT, length == 0)
    if not isinstance(is_binary, bool):
        message = "binary_data_output must be true or false."
        raise Invalid(message, f"/parameters/{BINARY_OUTPUT}")
    return read_requested(document.get("outputs"), outputs, is_binary=is_binary)


def _collect(
    description: Description, tensors: dict[str, SentTensor], given: Values
) -> tuple[Values, Values]:
    refuse_names("inputs", tensors, [one.name for one in description.inputs])
    given = {name: value for name, value in given.items() if name not in HINTS}
    refuse_names("parameters", given, [one.name for one in description.parameters])
    return collect(
        description,
        set(tensors),
        set(given),
        lambda one: tensors[one.name].read(one),
        lambda one: reading.parameter_from_json(one, given[one.name]),
    )


def _id(document: dict[str, Any]) -> str | None:
    given = document.get("id")
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > MAX_ID_CHARS:
        message = "id must be a string of at most %(limit)d characters."
        raise Invalid(message, "/id", limit=MAX_ID_CHARS)
    return given
