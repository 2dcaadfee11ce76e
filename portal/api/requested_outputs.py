"""Which outputs an inference request asks for, and in which form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from portal.api.schemas import refuse_names
from portal.api.sent_tensors import object_in
from portal.errors import Invalid, pointer
from portal.runtime import Output, OutputKind
from portal.runtime import values as reading


@dataclass(frozen=True)
class Requested:
    """One output that is to be answered.

    Attributes:
        declared: The output.
        is_binary: Whether it stands behind the JSON, as bytes.
        classes: How many of the greatest values to name; 0: answer the tensor itself.
    """

    declared: Output
    is_binary: bool
    classes: int = 0


def read_requested(
    given: object, outputs: Sequence[Output], *, is_binary: bool
) -> list[Requested]:
    """Return the outputs that a request asks for; all of them if it names none.

    Args:
        given: The member ``outputs`` of the request.
        outputs: What there is.
        is_binary: The form of those that don't say.

    Raises:
        Invalid: There is no such output, or it can't be answered so.
    """
    if given is None or given == []:
        return [Requested(one, is_binary) for one in outputs]
    if not isinstance(given, list):
        message = "outputs must be a list, not %(came)s."
        raise Invalid(message, "/outputs", came=reading.json_name(given))
    declared = {one.name: one for one in outputs}
    found: dict[str, Requested] = {}
    for number, one in enumerate(given):
        place = pointer("outputs", str(number))
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str):
            message = 'An output must be an object such as {"name": …}.'
            raise Invalid(message, place)
        refuse_names("outputs", [name], list(declared))
        if name in found:
            message = "The output %(name)s is asked for twice."
            raise Invalid(message, place, name=name)
        parameters = object_in(one, "parameters", place)
        found[name] = _read(declared[name], parameters, place, is_binary=is_binary)
    return list(found.values())


def _read(
    declared: Output, parameters: dict[str, Any], place: str, *, is_binary: bool
) -> Requested:
    if "shared_memory_region" in parameters:
        message = "Shared memory is not taken; outputs come in the body."
        raise Invalid(message, f"{place}/parameters/shared_memory_region")
    is_binary = parameters.get("binary_data", is_binary)
    if not isinstance(is_binary, bool):
        message = "binary_data must be true or false."
        raise Invalid(message, f"{place}/parameters/binary_data")
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        message = "classification must be a number of classes."
        raise Invalid(message, f"{place}/parameters/classification")
    if classes and not _has_numbers(declared):
        message = "%(name)s holds no numbers, so it has no classes."
        raise Invalid(message, f"{place}/parameters/classification", name=declared.name)
    return Requested(declared, is_binary, classes)


def _has_numbers(declared: Output) -> bool:
    if declared.kind is OutputKind.VECTOR:
        return True
    tensor = declared.tensor
    return (
        tensor is not None
        and bool(tensor.shape)
        and tensor.dtype
        not in {
            "str",
            "bool",
        }
    )
