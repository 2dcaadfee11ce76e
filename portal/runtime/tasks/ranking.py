"""From the scores of classes to labels, best first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from portal.runtime.declaration import Parameter, ParameterKind

TOP, MIN_SCORE = "top", "min_score"


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


def min_score_parameter(default: float, what: str) -> Parameter:
    """Return the parameter below whose score *what* is left out."""
    return Parameter(
        MIN_SCORE,
        ParameterKind.FLOAT,
        "Least score",
        default=default,
        help=f"{what} are left out",
        minimum=0,
        maximum=1,
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


def softmax(scores: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return *scores* as shares of one, of the same shape, along its last axis.

    A row with NaN or an infinity becomes NaN.
    """
    with np.errstate(invalid="ignore"):
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares: np.ndarray[Any, Any] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def sigmoid(scores: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return each of *scores* as a probability of its own, of the same shape."""
    with np.errstate(over="ignore"):
        # Minus infinity overflows to the right answer, nought.
        probabilities: np.ndarray[Any, Any] = 1 / (1 + np.exp(-scores))
    return probabilities


def _finite(value: Any) -> float | None:  # noqa: ANN401 - a numpy scalar
    # JSON lacks NaN and infinities.
    number = float(value)
    return number if np.isfinite(number) else None
