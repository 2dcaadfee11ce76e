"""Vectors that stand for a text or a picture: length, direction, and JSON."""

from typing import Any

import numpy as np


def to_unit_length(vectors: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return *vectors*, shape ``(n, d)``, with the length 1; a zero stays a zero."""
    with np.errstate(invalid="ignore"):
        # By the largest number first: the squares of large ones overflow.
        largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
        scaled = vectors / np.where(largest == 0, 1, largest)
        lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
        unit: np.ndarray[Any, Any] = scaled / np.where(lengths == 0, 1, lengths)
    return unit


def as_json(vector: "np.ndarray[Any, Any]") -> list[float | None]:
    """Return the numbers; NaN and infinities, which JSON lacks, become null."""
    with np.errstate(over="ignore"):
        numbers: list[float] = vector.astype(np.float32).tolist()
    return [number if np.isfinite(number) else None for number in numbers]
