"""Reads a prediction's input from a request, in its three forms."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException

from portal.errors import Invalid, Malformed, TooLarge, UnsupportedType, pointer
from portal.runtime import Description, Input, Parameter
from portal.runtime import values as reading
from portal.web import read_body
from portal.web.body import refuse_unread_body

Values = dict[str, Any]
JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
MULTIPART_TYPE = "multipart/form-data"
BODY_KEYS = ("inputs", "parameters")


def read_prediction_request(description: Description) -> tuple[Values, Values]:
    """Return the inputs and parameters of this request, checked.

    Raises:
        Malformed, TooLarge, UnsupportedType, Invalid: saying what to change.
    """
    refuse_unread_body()
    refuse_compressed_body()
    if request.mimetype == MULTIPART_TYPE:
        _refuse_query()
        return _read_multipart(description)
    if request.mimetype == JSON_TYPE:
        _refuse_query()
        return _read_json(description)
    return _read_bytes(description)


def refuse_compressed_body() -> None:
    """Refuse a body that can't be read as it came.

    Raises:
        UnsupportedType: It has a Content-Encoding.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        message = "Send the body uncompressed; Content-Encoding is not taken."
        raise UnsupportedType(message)


def _read_multipart(description: Description) -> tuple[Values, Values]:
    _refuse_incomplete_form()
    try:
        fields, files = request.form, request.files
    except HTTPException:
        raise TooLarge("The form has too many parts.") from None
    if not fields and not files:
        message = "The multipart body can't be read: a part of it is malformed."
        raise Malformed(message)
    names = [name for name, _ in fields.items(multi=True)]
    names += [name for name, _ in files.items(multi=True)]
    if not all(names):
        message = "The multipart body can't be read: a part of it has no name."
        raise Malformed(message)
    _refuse_doubles(names)
    given: dict[str, str | FileStorage] = {**fields.to_dict(), **files.to_dict()}
    _refuse_unknown(given, description)

    def read_input(declared: Input) -> Any:  # noqa: ANN401 - by the input's kind
        value = given[declared.name]
        if isinstance(value, str):
            return reading.input_from_text(declared, value)
        return reading.input_from_bytes(declared, value.read())

    def read_parameter(declared: Parameter) -> bool | float | str:
        value = given[declared.name]
        text = value if isinstance(value, str) else _as_text(declared.name, value)
        return reading.parameter_from_text(declared, text)

    return collect(description, set(given), set(given), read_input, read_parameter)


def _read_json(description: Description) -> tuple[Values, Values]:
    document = reading.parse_json(read_body())
    if not isinstance(document, dict):
        message = 'The body must be an object such as {"inputs": {…}}, not %(came)s.'
        came = reading.JSON_NAMES.get(type(document), "something else")
        raise Invalid(message, "", came=came)
    for key in document:
        if key not in BODY_KEYS:
            message = (
                "The body has an unknown key %(key)s; it takes inputs, parameters."
            )
            raise Invalid(message, pointer(key[:80]), key=key[:80])
    parts: dict[str, Values] = {}
    for key in BODY_KEYS:
        part = document.get(key, {})
        if not isinstance(part, dict):
            message = "%(key)s must be an object."
            raise Invalid(message, f"/{key}", key=key)
        parts[key] = part
    inputs, parameters = parts["inputs"], parts["parameters"]
    refuse_names("inputs", inputs, [i.name for i in description.inputs])
    refuse_names("parameters", parameters, [p.name for p in description.parameters])
    return collect(
        description,
        set(inputs),
        set(parameters),
        lambda declared: reading.input_from_json(declared, inputs[declared.name]),
        lambda declared: reading.parameter_from_json(
            declared, parameters[declared.name]
        ),
    )


def _read_bytes(description: Description) -> tuple[Values, Values]:
    """Read a body that is the file itself, its parameters in the query string."""
    uploads = [i for i in description.inputs if i.is_upload]
    if len(description.inputs) != 1 or not uploads:
        message = (
            "This model takes application/json or multipart/form-data, not %(came)s."
        )
        raise UnsupportedType(message, came=request.mimetype or "a body without a type")
    if request.mimetype == FORM_TYPE:
        message = (
            "Send a form as multipart/form-data (curl -F), or the bare file with "
            "its own type (curl -H 'Content-Type: image/jpeg' --data-binary @file)."
        )
        raise UnsupportedType(message)
    _refuse_doubles(name for name, _ in request.args.items(multi=True))
    refuse_names("parameters", request.args, [p.name for p in description.parameters])
    return collect(
        description,
        {uploads[0].name},
        set(request.args),
        lambda declared: reading.input_from_bytes(declared, read_body()),
        lambda declared: reading.parameter_from_text(
            declared, request.args[declared.name]
        ),
    )


def collect(
    description: Description,
    given_inputs: set[str],
    given_parameters: set[str],
    read_input: Callable[[Input], Any],
    read_parameter: Callable[[Parameter], bool | float | str],
) -> tuple[Values, Values]:
    """Read what is declared; every input must be there, a parameter may be.

    Raises:
        Invalid: An input is missing, or what the functions raise.
    """
    for one in description.inputs:
        if one.name not in given_inputs:
            message = "The input %(name)s (%(kind)s) is missing."
            raise Invalid(
                message,
                pointer("inputs", one.name),
                name=one.name,
                kind=str(one.kind),
            )
    parameters = {
        one.name: read_parameter(one) if one.name in given_parameters else one.default
        for one in description.parameters
    }
    # The cheap checks come first: a picture is decoded last.
    return {one.name: read_input(one) for one in description.inputs}, parameters


def _refuse_unknown(given: Iterable[str], description: Description) -> None:
    known = [one.name for one in description.inputs]
    known += [one.name for one in description.parameters]
    refuse_names("inputs", given, known)


def _refuse_incomplete_form() -> None:
    # Werkzeug takes a form that breaks off for an empty one, and leaves the
    # temporary files of its parts open.
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary or f"--{boundary}--".encode() not in read_body():
        message = (
            "The multipart body can't be read: its boundary is missing, or it is "
            "not complete."
        )
        raise Malformed(message)


def refuse_names(part: str, given: Iterable[str], known: list[str]) -> None:
    """Refuse a name among *given* that isn't *known*.

    Raises:
        Invalid: naming it and those there are.
    """
    for name in given:
        if name not in known:
            message = "There is no field %(name)s; there are: %(known)s."
            raise Invalid(
                message,
                pointer(part, name[:80]),
                name=name[:80],
                known=", ".join(known) or "none",
            )


def _refuse_doubles(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            message = "The field %(name)s came twice; send it once."
            raise Malformed(message, name=name[:80])
        seen.add(name)


def _refuse_query() -> None:
    if request.args:
        message = (
            "Parameters go into the body here, beside the inputs; the address "
            "takes them only when the body is the bare file."
        )
        raise Invalid(message, "/parameters")


def _as_text(name: str, part: FileStorage) -> str:
    try:
        return str(part.read(), "utf-8")
    except UnicodeDecodeError:
        message = "%(name)s must be text in UTF-8."
        raise Invalid(message, pointer("parameters", name), name=name) from None
