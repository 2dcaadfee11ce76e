"""Reads the form that a model's page made from the declaration.

Every field is read before anything is refused, so that all mistakes are shown
at once and nothing that was typed is lost.
"""

from dataclasses import dataclass, field
from typing import Any

from flask import request

from portal import catalog
from portal.catalog import ModelVersion
from portal.errors import Invalid, PortalError, UnsupportedType
from portal.extensions import config
from portal.runtime import Input, Parameter, ParameterKind
from portal.runtime import values as reading
from portal.web.errors import sentence


@dataclass
class Submission:
    """What a reader sent.

    Attributes:
        inputs, parameters: What could be read, by name.
        texts: What stood in each field, to be shown again; of a switch, whether
            it was on.
        errors: Field → sentence.
        refusal: The first mistake, for the status of the answer.
        example: The number of the example that stands in for a file.
    """

    inputs: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    refusal: PortalError | None = None
    example: int | None = None


def typed_submission(version: ModelVersion) -> Submission:
    """Return what stands in this request's form for *version*, nothing read yet."""
    submission = Submission(example=example_number())
    description = version.description
    fields: tuple[Parameter | Input, ...] = description.parameters + description.inputs
    for declared in fields:
        text = request.form.get(declared.name)
        if declared.kind is ParameterKind.BOOL:
            # A switch that is off sends nothing.
            is_on = (text or "").strip().lower() in reading.TRUE_WORDS
            submission.texts[declared.name] = is_on
        elif text is not None:
            submission.texts[declared.name] = text
    return submission


def read_submission(version: ModelVersion) -> Submission:
    """Return what this request's form holds for *version*."""
    submission = typed_submission(version)
    description = version.description
    for parameter in description.parameters:
        _read(submission, submission.parameters, parameter, _parameter)
    for declared in description.inputs:
        _read(
            submission,
            submission.inputs,
            declared,
            lambda one: _input(one, version, submission),
        )
    return submission


def _read(
    submission: Submission,
    into: dict[str, Any],
    declared: Any,  # noqa: ANN401 - an input or a parameter
    read: Any,  # noqa: ANN401 - reads one of them
) -> None:
    try:
        into[declared.name] = read(declared)
    except (Invalid, UnsupportedType) as refusal:
        submission.errors[declared.name] = sentence(refusal)
        submission.refusal = submission.refusal or refusal


def _parameter(declared: Parameter) -> bool | float | str:
    if declared.kind is ParameterKind.BOOL:
        text = request.form.get(declared.name, "false")
    else:
        text = request.form.get(declared.name, "")
        if not text.strip():
            return declared.default
    return reading.parameter_from_text(declared, text)


def _input(declared: Input, version: ModelVersion, submission: Submission) -> Any:  # noqa: ANN401 - by the input's kind
    if not declared.is_upload:
        return reading.input_from_text(declared, request.form.get(declared.name, ""))
    sent = request.files.get(declared.name)
    if sent is not None and sent.filename:
        submission.example = None
        return reading.input_from_bytes(declared, sent.read())
    if submission.example is not None:
        values = catalog.example_values(version, submission.example, config())
        return values[declared.name]
    message = "Choose a file for %(name)s first, or take an example."
    raise Invalid(message, f"/inputs/{declared.name}", name=declared.title)


def example_number() -> int | None:
    """Return the number of the example that this request names, if any."""
    number = request.values.get("example", "")
    is_number = number.isascii() and number.isdecimal()
    return int(number) if is_number and len(number) < 4 else None  # noqa: PLR2004 - no model has a thousand
