"""`ocr`: the lines of text in a picture (PP-OCR, through RapidOCR)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from portal.runtime.declaration import (
    Description,
    Input,
    InputKind,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
)
from portal.runtime.tasks.base import Settings, Task, TaskRefused

MIN_SCORE = "min_score"
# RapidOCR enlarges the shorter side to 736 pixels whatever becomes of the longer
# one: a strip of 1 by 2000 pixels would take all the memory there is.
MAX_RATIO = 8
WHITE = 255
ROLES = {"detection": "Det", "orientation": "Cls", "recognition": "Rec"}


@dataclass(frozen=True)
class Picture:
    """A picture for RapidOCR.

    Attributes:
        pixels: Array of shape ``(rows, columns, 3)``, uint8: row, column, channel
            (BGR); white below and to the right of a picture that is a narrow strip.
        height, width: The size without that margin, in pixels.
    """

    pixels: "np.ndarray[Any, Any]"
    height: int
    width: int


class Ocr(Task[Picture, Any]):
    """The lines of text in a picture."""

    name = "ocr"
    onnx_roles = tuple(ROLES)

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Build the reader on our own sessions."""
        del settings, files
        self._reader = _build_reader(sessions)

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture, the least score, and the lines."""
        for role in ROLES:
            signature = settings.signatures[role]
            if len(signature.inputs) != 1 or len(signature.inputs[0].shape) != 4:  # noqa: PLR2004 - batch, channel, row, column
                message = (
                    "The %(role)s file must take one picture tensor, as PP-OCR's do."
                )
                raise TaskRefused(message, role=role)
        return Description(
            inputs=(
                Input(
                    "image",
                    InputKind.IMAGE,
                    "Picture",
                    help="PNG, JPEG or WebP, up to 40 megapixels",
                ),
            ),
            parameters=(
                Parameter(
                    MIN_SCORE,
                    ParameterKind.FLOAT,
                    "Least score",
                    default=0.5,
                    help="lines that the model is less sure of are left out",
                    minimum=0,
                    maximum=1,
                ),
            ),
            outputs=(
                Output(
                    "lines",
                    OutputKind.LINES,
                    "Lines",
                    help="text, score from 0 to 1, and four corners in pixels",
                ),
            ),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Picture:
        """Return the picture as OpenCV holds it."""
        del parameters
        height, width, _ = inputs["image"].shape
        shortest = -(-max(height, width) // MAX_RATIO)
        below, beside = max(0, shortest - height), max(0, shortest - width)
        pixels = np.pad(
            inputs["image"][:, :, ::-1],
            ((0, below), (0, beside), (0, 0)),
            constant_values=WHITE,
        )
        return Picture(np.ascontiguousarray(pixels), height, width)

    def infer(self, prepared: Picture) -> Any:  # noqa: ANN401 - RapidOCR's own
        """Detect, turn and read the lines; corners stay inside the picture."""
        found = self._reader(prepared.pixels)
        if getattr(found, "boxes", None) is not None:
            found.boxes = np.clip(found.boxes, 0, (prepared.width, prepared.height))
        return found

    def postprocess(
        self,
        raw: Any,  # noqa: ANN401 - RapidOCR's own
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the lines from top to bottom, corners clockwise from top left."""
        if getattr(raw, "boxes", None) is None or not getattr(raw, "txts", None):
            return {"lines": []}
        return {
            "lines": [
                {
                    "text": text,
                    "score": round(float(score), 4),
                    "polygon": [[round(float(v), 1) for v in point] for point in box],
                }
                for box, text, score in zip(
                    raw.boxes, raw.txts, raw.scores, strict=True
                )
                if score >= parameters[MIN_SCORE]
            ]
        }


def _build_reader(sessions: Mapping[str, ort.InferenceSession]) -> Any:  # noqa: ANN401
    """Return RapidOCR on *sessions*; it is slow to import, so only when needed."""
    import cv2  # noqa: PLC0415
    from omegaconf import flag_override  # noqa: PLC0415
    from rapidocr import RapidOCR  # noqa: PLC0415

    cv2.setNumThreads(0)
    # RapidOCR hangs its own coloured handler on its logger.
    own_log = logging.getLogger("RapidOCR")
    own_log.handlers.clear()
    own_log.propagate = True
    reader = RapidOCR(params={"Global.log_level": "error", "Global.text_score": 0.0})
    for role, section in ROLES.items():
        with flag_override(reader.cfg, "allow_objects", True):  # noqa: FBT003 - OmegaConf's own form
            reader.cfg[section].session = sessions[role]
    return reader
