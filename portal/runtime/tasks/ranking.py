"""From the scores of classes to labels, best first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from portal.runtime.declaration import Parameter, ParameterKind

TOP = "top"


def top_parameter() -> Parameter:
    """Return the parameter that says how many labels to give."""
    return Parameter(
        TOP,
        ParameterKind.INT,
        "Labels",
        default=5,
        help="how many of the likeliest to name",
        minimum=1,
        maximum=50,
    )


def rank(labels: Sequence[str], scores: "np.ndarray[Any, Any]") -> list[dict[str, Any]]:
    """Return the labels by score, best first.

    Args:
        labels: The names of the classes.
        scores: Array of shape ``(…, labels)``, of any range; its first row is ranked.
    """
    rows = scores.reshape(-1, len(labels))
    if not len(rows):
        return []
    row = rows[0]
    order = np.argsort(-row, kind="stable")
    return [{"label": labels[i], "score": _finite(row[i])} for i in order]


def _finite(value: Any) -> float | None:  # noqa: ANN401 - a numpy scalar
    # JSON lacks NaN and infinities.
    number = float(value)
    return number if np.isfinite(number) else None
