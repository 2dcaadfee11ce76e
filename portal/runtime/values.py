"""Reads what callers send into what tasks take, by the declaration.

A value comes as the text of a form field, as the bytes of a file, or out of a
JSON document. Each refusal names the field, what came and what is needed.
"""

import base64
import binascii
import math
from typing import Any

import numpy as np
import orjson

from portal.errors import Invalid, Malformed, pointer
from portal.runtime import pictures
from portal.runtime.declaration import Input, InputKind, Parameter, ParameterKind
from portal.runtime.signature import TensorSpec

MAX_TEXT_CHARS = 100_000
TRUE_WORDS = {"true", "on", "yes", "1"}
FALSE_WORDS = {"false", "off", "no", "0", ""}
JSON_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}
Value = Any  # ndarray, bytes, str or float, by the kind of the input


def input_from_bytes(declared: Input, content: bytes) -> Value:
    """Read an input that came as a file."""
    if declared.kind is InputKind.IMAGE:
        return pictures.decode(content, name=declared.name, pointer=_pointer(declared))
    if declared.kind is InputKind.FILE:
        if not content:
            message = "%(name)s is empty; send a file with something in it."
            raise Invalid(message, _pointer(declared), name=declared.name)
        return content
    try:
        return input_from_text(declared, content.decode())
    except UnicodeDecodeError:
        message = "%(name)s must be text in UTF-8."
        raise Invalid(message, _pointer(declared), name=declared.name) from None


def input_from_text(declared: Input, text: str) -> Value:
    """Read an input that came as a form field."""
    if declared.is_upload:
        message = (
            "%(name)s must be sent as a file (-F %(name)s=@file), not as a text field."
        )
        raise Invalid(message, _pointer(declared), name=declared.name)
    if declared.kind is InputKind.TEXT:
        return _text(declared, text)
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        message = (
            "%(name)s must be nested lists of numbers such as [[1.5, 2]]; "
            "it can't be read as JSON."
            if declared.kind is InputKind.TENSOR
            else "%(name)s must be a number."
        )
        raise Invalid(message, _pointer(declared), name=declared.name) from None
    return input_from_json(declared, document)


def input_from_json(declared: Input, value: object) -> Value:
    """Read an input that came in a JSON document."""
    pointer = _pointer(declared)
    match declared.kind:
        case InputKind.IMAGE | InputKind.FILE:
            return input_from_bytes(declared, _decode_base64(declared, value))
        case InputKind.TEXT:
            if not isinstance(value, str):
                raise _wrong_type(declared.name, pointer, "a string", value)
            return _text(declared, value)
        case InputKind.NUMBER:
            return _number(declared.name, pointer, value)
        case InputKind.TENSOR:
            if declared.tensor is None:
                message = "a tensor input needs its tensor spec"
                raise TypeError(message)
            return _tensor(declared.tensor, value, pointer)


def parameter_from_text(declared: Parameter, text: str) -> bool | float | str:
    """Read a parameter that came as a form field or in the query string."""
    word = text.strip().lower()
    match declared.kind:
        case ParameterKind.BOOL:
            if word in TRUE_WORDS | FALSE_WORDS:
                return word in TRUE_WORDS
            raise _wrong_parameter(declared, "true or false", repr(text[:40]))
        case ParameterKind.INT | ParameterKind.FLOAT:
            try:
                number = _parse_number(declared, word)
            except ValueError:
                wanted = _range_text(declared)
                raise _wrong_parameter(declared, wanted, repr(text[:40])) from None
            return parameter_from_json(declared, number)
        case ParameterKind.CHOICE:
            return parameter_from_json(declared, text)


def parameter_from_json(declared: Parameter, value: object) -> bool | float | str:
    """Read a parameter that came in a JSON document."""
    match declared.kind:
        case ParameterKind.BOOL:
            if isinstance(value, bool):
                return value
            raise _wrong_parameter(declared, "true or false", json_name(value))
        case ParameterKind.CHOICE:
            if isinstance(value, str) and value in declared.choices:
                return value
            wanted = f"one of {', '.join(declared.choices)}"
            raise _wrong_parameter(declared, wanted, repr(value)[:40])
        case ParameterKind.INT | ParameterKind.FLOAT:
            return _bounded(declared, value)


def _parse_number(declared: Parameter, word: str) -> float:
    # Python would also take 1_000, and the digits of other scripts.
    if "_" in word or not word.isascii():
        raise ValueError(word)
    return int(word) if declared.kind is ParameterKind.INT else float(word)


def _bounded(declared: Parameter, value: object) -> float:
    wanted = _range_text(declared)
    allowed = (int,) if declared.kind is ParameterKind.INT else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise _wrong_parameter(declared, wanted, json_name(value))
    is_low = declared.minimum is not None and value < declared.minimum
    is_high = declared.maximum is not None and value > declared.maximum
    # A whole number is finite, though perhaps too long for math.isfinite.
    is_endless = isinstance(value, float) and not math.isfinite(value)
    if is_low or is_high or is_endless:
        raise _wrong_parameter(declared, wanted, str(value)[:40])
    return value


def _range_text(declared: Parameter) -> str:
    noun = "a whole number" if declared.kind is ParameterKind.INT else "a number"
    if declared.minimum is None or declared.maximum is None:
        return noun
    return f"{noun} from {declared.minimum} to {declared.maximum}"


def _text(declared: Input, value: str) -> str:
    if "\x00" in value or len(value) > MAX_TEXT_CHARS:
        message = "%(name)s must be at most %(limit)d characters without NUL."
        raise Invalid(
            message, _pointer(declared), name=declared.name, limit=MAX_TEXT_CHARS
        )
    return value


def _number(name: str, pointer: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(name, pointer, "a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        message = "%(name)s must be a number between -1.8e308 and 1.8e308."
        raise Invalid(message, pointer, name=name)
    return number


def _decode_base64(declared: Input, value: object) -> bytes:
    pointer = _pointer(declared)
    if not isinstance(value, str):
        raise _wrong_type(declared.name, pointer, "a base64 string", value)
    encoded = value
    if value.startswith("data:"):
        head, _, encoded = value.partition(",")
        if not head.endswith(";base64"):
            message = "%(name)s must be a data: URL with ;base64."
            raise Invalid(message, pointer, name=declared.name)
    try:
        # Lines of 76 characters are what the command base64 prints.
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        message = "%(name)s is not valid base64."
        raise Invalid(message, pointer, name=declared.name) from None


def _tensor(spec: TensorSpec, value: object, pointer: str) -> "np.ndarray[Any, Any]":
    # A tensor without axes is one value, so it comes without lists.
    shape, leaves = flatten(spec.name, value, pointer) if spec.shape else ((), [value])
    return tensor_from_leaves(spec, shape, leaves, pointer)


def tensor_from_leaves(
    spec: TensorSpec, shape: tuple[int, ...], leaves: list[object], pointer: str
) -> "np.ndarray[Any, Any]":
    """Read as many values as *shape* has, row by row, with no silent conversion.

    Returns:
        Array with the dtype of *spec* and the *shape*, which fits it.
    """
    # The types are checked before numpy sees them: it would take true for 1,
    # null for NaN and "1" for a number.
    types: set[type] = set(map(type, leaves))
    wanted: set[type]
    if spec.dtype == "str":
        wanted, noun = {str}, "strings"
    elif spec.dtype == "bool":
        wanted, noun = {bool}, "booleans"
    elif spec.dtype.startswith("float"):
        wanted, noun = {int, float}, "numbers"
    else:
        wanted, noun = {int}, "whole numbers"
    if types - wanted:
        names = {**JSON_NAMES, float: "a decimal number"}
        came = ", ".join(sorted(names.get(t, "something else") for t in types - wanted))
        message = "%(name)s must hold %(wanted)s only; among them came %(came)s."
        raise Invalid(message, pointer, name=spec.name, wanted=noun, came=came)
    spec.check(shape, pointer)
    return _array(spec, leaves, pointer).reshape(shape)


def flatten(
    name: str, value: object, pointer: str
) -> tuple[tuple[int, ...], list[object]]:
    """Return the shape and the leaves of nested lists, level by level.

    Raises:
        Invalid: They are no full grid.
    """
    shape: list[int] = []
    level: list[object] = [value]
    while level and isinstance(level[0], list):
        sizes = {len(part) if isinstance(part, list) else -1 for part in level}
        if len(sizes) != 1:
            message = "%(name)s must be a full grid: its lists differ in length."
            raise Invalid(message, pointer, name=name)
        size = sizes.pop()
        if size == 0:
            message = "%(name)s is empty; every list needs at least one value."
            raise Invalid(message, pointer, name=name)
        shape.append(size)
        level = [leaf for part in level if isinstance(part, list) for leaf in part]
    if not shape:
        raise _wrong_type(name, pointer, "nested lists", value)
    return tuple(shape), level


def _array(
    spec: TensorSpec, leaves: list[object], pointer: str
) -> "np.ndarray[Any, Any]":
    if spec.dtype == "str":
        return np.array(leaves, dtype=object)
    try:
        with np.errstate(over="ignore"):
            array = np.array(leaves, dtype=spec.dtype)
    except OverflowError:
        array = None
    if array is None or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        message = "%(name)s holds a number that does not fit into %(dtype)s."
        raise Invalid(message, pointer, name=spec.name, dtype=spec.dtype)
    return array


def parse_json(content: bytes) -> object:
    """Parse a JSON document strictly (no NaN, no Infinity, depth at most 1024).

    Raises:
        Malformed: saying where it breaks.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Malformed(
            "The body is not valid JSON: %(why)s.", why=str(error).rstrip(".")
        ) from None


def _pointer(declared: Input) -> str:
    return pointer("inputs", declared.name)


def json_name(value: object) -> str:
    """Return what sentences call a JSON value of this type."""
    return JSON_NAMES.get(type(value), "something else")


def _wrong_type(name: str, pointer: str, wanted: str, value: object) -> Invalid:
    message = "%(name)s must be %(wanted)s, not %(came)s."
    return Invalid(message, pointer, name=name, wanted=wanted, came=json_name(value))


def _wrong_parameter(declared: Parameter, wanted: str, came: str) -> Invalid:
    return Invalid(
        "%(name)s must be %(wanted)s, not %(came)s.",
        pointer("parameters", declared.name),
        name=declared.name,
        wanted=wanted,
        came=came,
    )
