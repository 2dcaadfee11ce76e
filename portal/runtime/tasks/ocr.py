"""`ocr`: the lines of text in a picture (PP-OCR, through RapidOCR)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort

from portal.runtime.declaration import (
    PICTURE,
    Description,
    Output,
    OutputKind,
)
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.ranking import MIN_SCORE, min_score_parameter

# RapidOCR enlarges the shorter side to 736 pixels whatever becomes of the longer
# one: a strip of 1 by 2000 pixels would take all the memory there is.
MAX_RATIO = 8
WHITE = 255
ROLES = {"detection": "Det", "orientation": "Cls", "recognition": "Rec"}
LINES = Output(
    "lines",
    OutputKind.LINES,
    "Lines",
    help="text, score from 0 to 1, and four corners in pixels",
)


@dataclass(frozen=True)
class Picture:
    """A picture for RapidOCR.

    Attributes:
        pixels: Array of shape ``(rows, columns, 3)``, uint8: row, column, channel
            (BGR); white below and to the right of a picture that is a narrow strip.
        height, width: The size without that margin, in pixels.
        left, top: Where it lies in the picture that was sent, in pixels.
    """

    pixels: "np.ndarray[Any, Any]"
    height: int
    width: int
    left: int = 0
    top: int = 0


class Ocr(Task[Picture, Any]):
    """The lines of text in a picture.

    Attributes:
        turns_lines: Whether a line that seems to stand on its head is turned.
    """

    name = "ocr"
    onnx_roles = tuple(ROLES)
    turns_lines: ClassVar[bool] = True

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Build the reader on our own sessions."""
        del settings, files
        self._reader = _build_reader(sessions, turns_lines=self.turns_lines)

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture, the least score, and the lines."""
        check_reader(settings)
        return Description(
            inputs=(PICTURE,),
            parameters=(
                min_score_parameter(0.5, "lines that the model is less sure of"),
            ),
            outputs=(LINES,),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Picture:
        """Return the picture as OpenCV holds it."""
        del parameters
        return picture_of(inputs["image"])

    def infer(self, prepared: Picture) -> Any:  # noqa: ANN401 - RapidOCR's own
        """Detect, turn and read the lines; corners stay inside the picture."""
        found = self._reader(prepared.pixels)
        if getattr(found, "boxes", None) is not None:
            inside = np.clip(found.boxes, 0, (prepared.width, prepared.height))
            found.boxes = np.add(inside, (prepared.left, prepared.top))
        return found

    def postprocess(
        self,
        raw: Any,  # noqa: ANN401 - RapidOCR's own
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the lines from top to bottom, corners clockwise from top left."""
        return {"lines": read_lines(raw, min_score=parameters[MIN_SCORE])}


def check_reader(settings: Settings) -> None:
    """Check that the files are such as PP-OCR has.

    Raises:
        TaskRefused: naming the one that isn't.
    """
    for role in ROLES:
        signature = settings.signatures[role]
        if len(signature.inputs) != 1 or len(signature.inputs[0].shape) != 4:  # noqa: PLR2004 - batch, channel, row, column
            message = "The %(role)s file must take one picture tensor, as PP-OCR's do."
            raise TaskRefused(message, role=role)


def picture_of(
    image: "np.ndarray[Any, Any]", *, left: int = 0, top: int = 0
) -> Picture:
    """Return *image* as OpenCV holds it, a narrow strip with a margin.

    Args:
        image: Array of shape ``(height, width, 3)``, uint8: row, column, channel
            (RGB).
        left: Where it begins in the picture that was sent, in pixels.
        top: The same for its top.
    """
    height, width, _ = image.shape
    shortest = -(-max(height, width) // MAX_RATIO)
    below, beside = max(0, shortest - height), max(0, shortest - width)
    pixels = np.pad(
        image[:, :, ::-1],
        ((0, below), (0, beside), (0, 0)),
        constant_values=WHITE,
    )
    return Picture(np.ascontiguousarray(pixels), height, width, left, top)


def read_lines(raw: Any, *, min_score: float) -> list[dict[str, Any]]:  # noqa: ANN401 - RapidOCR's own
    """Return the lines as the kind `lines` has them."""
    if getattr(raw, "boxes", None) is None or not getattr(raw, "txts", None):
        return []
    return [
        {
            "text": text,
            "score": round(float(score), 4),
            "polygon": [[round(float(v), 1) for v in point] for point in box],
        }
        for box, text, score in zip(raw.boxes, raw.txts, raw.scores, strict=True)
        if score >= min_score
    ]


def _build_reader(
    sessions: Mapping[str, ort.InferenceSession], *, turns_lines: bool
) -> Any:  # noqa: ANN401 - RapidOCR's own
    """Return RapidOCR on *sessions*; it is slow to import, so only when needed."""
    import cv2  # noqa: PLC0415
    from omegaconf import flag_override  # noqa: PLC0415
    from rapidocr import RapidOCR  # noqa: PLC0415

    cv2.setNumThreads(0)
    # RapidOCR hangs its own coloured handler on its logger.
    own_log = logging.getLogger("RapidOCR")
    own_log.handlers.clear()
    own_log.propagate = True
    reader = RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.text_score": 0.0,
            "Global.use_cls": turns_lines,
        }
    )
    for role, section in ROLES.items():
        with flag_override(reader.cfg, "allow_objects", True):  # noqa: FBT003 - OmegaConf's own form
            reader.cfg[section].session = sessions[role]
    return reader
