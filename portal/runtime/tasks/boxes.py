"""Boxes that overlap: of those with one class, the best stays."""

from typing import Any

import numpy as np


def suppress(
    boxes: "np.ndarray[Any, Any]",
    scores: "np.ndarray[Any, Any]",
    classes: "np.ndarray[Any, Any]",
    *,
    max_iou: float,
    top: int,
) -> "np.ndarray[Any, Any]":
    """Return which boxes stay: non-maximum suppression, class by class.

    Args:
        boxes: Array of shape ``(n, 4)``, floats: left, top, right, bottom.
        scores: Array of shape ``(n,)``, without NaN.
        classes: Array of shape ``(n,)``, integers.
        max_iou: A box that overlaps a better one by more (intersection over union)
            is left out.
        top: How many stay at most.

    Returns:
        Array of indexes, int64, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    # Every turn keeps one box, so there are at most *top* of them.
    while len(order) and len(kept) < top:
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        is_apart = _overlap(boxes[best], boxes[rest]) <= max_iou
        order = rest[is_apart | (classes[rest] != classes[best])]
    return np.array(kept, np.int64)


def _overlap(
    one: "np.ndarray[Any, Any]", others: "np.ndarray[Any, Any]"
) -> "np.ndarray[Any, Any]":
    """Return the intersection over union of *one* box with each of *others*."""
    corner = np.maximum(one[:2], others[:, :2])
    opposite = np.minimum(one[2:], others[:, 2:])
    shared = np.prod(np.clip(opposite - corner, 0, None), axis=1)
    total = np.prod(one[2:] - one[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1)
    overlap: np.ndarray[Any, Any] = shared / (total - shared)
    return overlap
