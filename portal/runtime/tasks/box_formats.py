"""The outputs of detectors: which shape means what, and the boxes in them.

Three formats are known, the batch being one picture:

- ``yolov8`` ``[1, 4 + C, A]``: centre, width and height, then a score per class;
- ``yolov5`` ``[1, A, 5 + C]``: the same in rows, with a score of there being
  anything before those of the classes;
- ``end-to-end`` ``[1, K, 6]``: two corners, score and class; none overlap any more.

All measure in pixels of the tensor that the model takes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from portal.runtime.signature import TensorSpec, fits
from portal.runtime.tasks.base import Settings, TaskRefused

YOLOV8, YOLOV5, END_TO_END = "yolov8", "yolov5", "end-to-end"
# Format → the axis that holds the numbers of one box, and how many of them come
# before the scores of the classes.
NUMBERS = {YOLOV8: (1, 4), YOLOV5: (2, 5), END_TO_END: (2, 6)}
# More boxes than this are those of a grid, not the ones that are left in the end.
MAX_LEFT = 1000
# Numbers beyond are no places in a picture, and their squares might overflow.
FAR = 1e6


@dataclass(frozen=True)
class Candidates:
    """Boxes of shape ``(n, 4)``, corners in the tensor; scores and classes ``(n,)``."""

    boxes: "np.ndarray[Any, Any]"
    scores: "np.ndarray[Any, Any]"
    classes: "np.ndarray[Any, Any]"

    def where(self, chosen: "np.ndarray[Any, Any]") -> "Candidates":
        """Return those that an array of booleans or indexes chooses."""
        return Candidates(self.boxes[chosen], self.scores[chosen], self.classes[chosen])


def boxes_output(settings: Settings) -> TensorSpec:
    """Return the output that holds the boxes: the first of floats with three axes.

    Raises:
        TaskRefused: There is none.
    """
    for spec in settings.signatures["model"].outputs:
        if (
            spec.dtype.startswith("float")
            and len(spec.shape) == 3  # noqa: PLR2004 - batch, boxes, numbers
            and fits(spec.shape[0], 1)
        ):
            return spec
    message = (
        "The task object-detection needs an output of floats such as [1, 84, 8400], "
        "[1, 25200, 85] or [1, 300, 6]."
    )
    raise TaskRefused(message)


def format_of(spec: TensorSpec, labels: tuple[str, ...]) -> str:
    """Return the format that the shape of *spec* tells.

    Raises:
        TaskRefused: It might be of several, or of none.
    """
    _, first, second = spec.shape
    found = {
        name
        for name, (axis, before) in NUMBERS.items()
        if name != END_TO_END and labels and spec.shape[axis] == before + len(labels)
    }
    is_left = not isinstance(first, int) or first <= MAX_LEFT
    if second == NUMBERS[END_TO_END][1] and is_left:
        found.add(END_TO_END)
    if not found and not labels and isinstance(first, int) and isinstance(second, int):
        found = {YOLOV8 if first < second else YOLOV5}
    if len(found) == 1:
        return found.pop()
    message = (
        "With %(labels)d labels, the output %(shape)s is not clearly one of "
        "[1, 4 + labels, boxes], [1, boxes, 5 + labels] and [1, boxes, 6]; say which "
        "with [settings] format = yolov8, yolov5 or end-to-end, and give all labels."
    )
    raise TaskRefused(message, labels=len(labels), shape=spec.shape_text)


def check_labels(spec: TensorSpec, found: str, labels: tuple[str, ...]) -> None:
    """Refuse labels whose number is not that of the classes.

    Raises:
        TaskRefused: naming both.
    """
    axis, before = NUMBERS[found]
    size = spec.shape[axis]
    is_wrong = isinstance(size, int) and (
        size != before
        if found == END_TO_END
        else size <= before or (labels and size != before + len(labels))
    )
    if is_wrong:
        message = (
            "There are %(labels)d labels and the format is %(format)s, but the output "
            "is %(shape)s."
        )
        raise TaskRefused(
            message, labels=len(labels), format=found, shape=spec.shape_text
        )


def read_boxes(
    raw: "np.ndarray[Any, Any]", found: str, labels: tuple[str, ...]
) -> Candidates:
    """Return the boxes of an output; those that are not of numbers are left out.

    Raises:
        TaskRefused: The model gave another shape than the format has.
    """
    axis, before = NUMBERS[found]
    wanted = before + len(labels) if labels else None
    if found == END_TO_END:
        wanted = before
    is_right = (
        raw.ndim == 3  # noqa: PLR2004 - batch, boxes, numbers
        and raw.shape[0] == 1
        and (raw.shape[axis] == wanted if wanted else raw.shape[axis] > before)
    )
    if not is_right:
        message = "The model gave a tensor %(shape)s, which is not %(format)s."
        raise TaskRefused(message, shape=list(raw.shape), format=found)
    rows = raw[0].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        candidates = _split(rows.T if axis == 1 else rows, found)
    is_near = np.all(np.abs(candidates.boxes) < FAR, axis=1)
    return candidates.where(is_near & np.isfinite(candidates.scores))


def _split(rows: "np.ndarray[Any, Any]", found: str) -> Candidates:
    """Return what the *rows*, one for each box, say."""
    if found == END_TO_END:
        # What is no number becomes some class; its score decides.
        classes = np.clip(rows[:, 5], -1, FAR).astype(np.int64)
        return Candidates(rows[:, :4], rows[:, 4], classes)
    half = rows[:, 2:4] / 2
    boxes = np.hstack((rows[:, :2] - half, rows[:, :2] + half))
    scores = rows[:, NUMBERS[found][1] :]
    if found == YOLOV5:
        scores = scores * rows[:, 4:5]
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    return Candidates(boxes, scores.max(axis=1), scores.argmax(axis=1))
