"""A tensor that a model gave: an array, until somebody needs it as JSON."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TensorValue:
    """The value of an output of the kind `tensor`.

    Attributes:
        array: Of any shape.
        datatype: The Open Inference Protocol's name of its dtype.
    """

    array: "np.ndarray[Any, Any]"
    datatype: str

    def to_json(self) -> dict[str, Any]:
        """Return nested lists; NaN and infinities, which JSON lacks, become null."""
        return {
            "shape": list(self.array.shape),
            "datatype": self.datatype,
            "data": _without_nan(self.array).tolist(),
        }


def _without_nan(array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array
    nullable = array.astype(object)
    nullable[~np.isfinite(array)] = None
    return nullable
