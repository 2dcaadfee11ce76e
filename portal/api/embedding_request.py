"""Reads a call of `/v1/embeddings`: what to embed, with what, in which form.

Keys that OpenAI knows and the portal doesn't need, such as ``user``, are passed
over, and so are unknown ones: a newer client may send more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import request

from portal.api.schemas import JSON_TYPE, refuse_compressed_body
from portal.errors import Invalid, UnsupportedType
from portal.runtime import values as reading
from portal.web import read_body

MAX_INPUTS = 256  # one call holds a slot and one unit of quota, however many it embeds
WANTED = "a text, a list of texts, a list of token ids, or a list of such lists"


class EncodingFormat(StrEnum):
    """How the numbers of a vector are written."""

    FLOAT = "float"
    BASE64 = "base64"  # of little-endian float32: what the client asks for by default


@dataclass(frozen=True)
class EmbeddingRequest:
    """A call that fits the protocol, whatever the model says to it.

    Attributes:
        texts: Texts, or for each the ids of its tokens; at least one.
        is_single: Whether the one text came without a list around it.
        dimensions: How many numbers to keep; None: all.
    """

    model: str
    texts: list[Any]
    is_single: bool
    dimensions: int | None
    encoding_format: EncodingFormat


def read_embedding_request() -> EmbeddingRequest:
    """Return what this request asks for, checked.

    Raises:
        Malformed, TooLarge, UnsupportedType, Invalid: saying what to change.
    """
    document = _read_document()
    model = document.get("model")
    if not isinstance(model, str):
        raise _wrong("model", "/model", "the name of a model, a string", model)
    texts, is_single = _read_input(document.get("input"))
    return EmbeddingRequest(
        model=model,
        texts=texts,
        is_single=is_single,
        dimensions=_read_dimensions(document.get("dimensions")),
        encoding_format=_read_format(document.get("encoding_format")),
    )


def _read_document() -> dict[str, Any]:
    content = read_body()
    refuse_compressed_body()
    if request.mimetype != JSON_TYPE:
        message = "Send JSON with the header Content-Type: application/json."
        raise UnsupportedType(message)
    document = reading.parse_json(content)
    if not isinstance(document, dict):
        message = 'The body must be an object such as {"model": …, "input": …}.'
        raise Invalid(message)
    return document


def _read_input(given: object) -> tuple[list[Any], bool]:
    """Return the texts or lists of token ids, and whether it is a single one."""
    if isinstance(given, str):
        _refuse_text(given, "input", "/input")
        return [given], True
    if not isinstance(given, list):
        raise _wrong("input", "/input", WANTED, given)
    if set(map(type, given)) == {int}:
        return [given], True
    _refuse_list(given)
    return given, False


def _refuse_list(given: list[Any]) -> None:
    """Refuse what is no list of texts, nor of lists of token ids."""
    if not given:
        message = "input is an empty list; send at least one text."
        raise Invalid(message, "/input")
    kinds = set(map(type, given))
    if kinds not in ({str}, {list}):
        odd = next((one for one in given if type(one) not in {str, list, int}), given)
        came = "a list of mixed things" if odd is given else f"a list with {_name(odd)}"
        message = "input must be %(wanted)s, not %(came)s."
        raise Invalid(message, "/input", wanted=WANTED, came=came)
    if len(given) > MAX_INPUTS:
        message = "input may hold at most %(limit)d texts, not %(came)d."
        raise Invalid(message, "/input", limit=MAX_INPUTS, came=len(given))
    for number, one in enumerate(given):
        check = _refuse_text if kinds == {str} else _refuse_tokens
        check(one, f"input[{number}]", f"/input/{number}")


def _refuse_text(text: str, name: str, pointer: str) -> None:
    if not text:
        message = "%(name)s is an empty string; send some words."
        raise Invalid(message, pointer, name=name)
    if "\x00" in text or len(text) > reading.MAX_TEXT_CHARS:
        message = "%(name)s must be at most %(limit)d characters without NUL."
        raise Invalid(message, pointer, name=name, limit=reading.MAX_TEXT_CHARS)


def _refuse_tokens(tokens: Iterable[object], name: str, pointer: str) -> None:
    # A boolean is an int to Python; how many and which ones, the model knows.
    for one in tokens:
        if type(one) is not int:
            wanted = "a list of token ids, whole numbers"
            raise _wrong(name, pointer, wanted, one, "a list with ")


def _read_dimensions(given: object) -> int | None:
    if given is None:
        return None
    if type(given) is not int or given < 1:
        came = given if isinstance(given, int | float) else None
        message = "dimensions must be a whole number from 1, not %(came)s."
        raise Invalid(
            message, "/dimensions", came=_name(given) if came is None else came
        )
    return given


def _read_format(given: object) -> EncodingFormat:
    if given is None:
        return EncodingFormat.FLOAT
    if not isinstance(given, str) or given not in set(EncodingFormat):
        message = "encoding_format must be float or base64."
        raise Invalid(message, "/encoding_format")
    return EncodingFormat(given)


def _wrong(
    name: str, pointer: str, wanted: str, given: object, before: str = ""
) -> Invalid:
    message = "%(name)s must be %(wanted)s, not %(came)s."
    came = "missing" if given is None and not before else before + _name(given)
    return Invalid(message, pointer, name=name, wanted=wanted, came=came)


def _name(given: object) -> str:
    names = {**reading.JSON_NAMES, float: "a decimal number"}
    return names.get(type(given), "something else")
