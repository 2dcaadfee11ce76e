"""Made-up values that fit a description, to run a version that has no example."""

from typing import Any

import numpy as np

from portal.runtime.declaration import Description, Input, InputKind
from portal.runtime.signature import TensorSpec

PICTURE_SIZE = 224  # pixels; tasks scale a picture to what their model takes
GREY = 128
TEXT = "Hello, world."
FILE = b"\n"


def made_up_inputs(description: Description) -> dict[str, Any]:
    """Return a value per input: grey pictures, few words, noughts."""
    return {declared.name: _value(declared) for declared in description.inputs}


def _value(declared: Input) -> Any:  # noqa: ANN401 - by the kind of the input
    match declared.kind:
        case InputKind.IMAGE:
            return np.full((PICTURE_SIZE, PICTURE_SIZE, 3), GREY, np.uint8)
        case InputKind.FILE:
            return FILE
        case InputKind.TEXT:
            return TEXT
        case InputKind.NUMBER:
            return 0.0
        case InputKind.TENSOR:
            return _noughts(declared.tensor or TensorSpec(declared.name, "float32", ()))


def _noughts(spec: TensorSpec) -> "np.ndarray[Any, Any]":
    """Return an array of the declared shape, open axes of size 1."""
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    if spec.dtype == "str":
        return np.full(shape, "", dtype=object)
    return np.zeros(shape, dtype=spec.dtype)
