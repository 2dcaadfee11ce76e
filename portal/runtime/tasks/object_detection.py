"""`object-detection`: what is where in a picture, as boxes (YOLO and its kin)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import onnxruntime as ort
from pydantic import Field

from portal.runtime.declaration import (
    PICTURE,
    Description,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
)
from portal.runtime.tasks.base import Settings, Task
from portal.runtime.tasks.box_formats import (
    END_TO_END,
    Candidates,
    boxes_output,
    check_labels,
    format_of,
    read_boxes,
)
from portal.runtime.tasks.boxes import suppress
from portal.runtime.tasks.options import read_options
from portal.runtime.tasks.picture_tensor import (
    Fit,
    PictureOptions,
    PictureTensor,
    Placed,
)
from portal.runtime.tasks.ranking import MIN_SCORE, TOP, min_score_parameter
from portal.runtime.tasks.running import run

MAX_IOU = "max_iou"


class _Options(PictureOptions):
    fit: Fit = "letterbox"
    format: Annotated[
        Literal["yolov8", "yolov5", "end-to-end"] | None,
        Field(description="yolov8, yolov5 or end-to-end"),
    ] = None


class ObjectDetection(Task[Placed, Placed]):
    """What is where in a picture."""

    name = "object-detection"
    option_names = tuple(_Options.model_fields)

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Take the one session."""
        del files
        self._session = sessions["model"]
        options = read_options(_Options, settings)
        self._picture = PictureTensor.of(settings, options, task=self.name)
        self._output = boxes_output(settings)
        self._format = options.format or format_of(self._output, settings.labels)
        self._labels = settings.labels

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture, which boxes to give, and the boxes."""
        options = read_options(_Options, settings)
        PictureTensor.of(settings, options, task=cls.name)
        output = boxes_output(settings)
        found = options.format or format_of(output, settings.labels)
        check_labels(output, found, settings.labels)
        return Description(
            inputs=(PICTURE,),
            parameters=_parameters(found),
            outputs=(
                Output(
                    "boxes",
                    OutputKind.BOXES,
                    "Found",
                    help="label, score, and left, top, right, bottom in pixels",
                ),
            ),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Placed:
        """Return the picture as the model takes it, and where it lies in there."""
        del parameters
        return Placed(*self._picture.prepare(inputs["image"]))

    def infer(self, prepared: Placed) -> Placed:
        """Return what the model says of every box: shape by the format."""
        (found,) = run(
            self._session, [self._output.name], {self._picture.name: prepared.tensor}
        )
        return Placed(found, prepared.placement)

    def postprocess(self, raw: Placed, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the boxes in pixels of the picture, best first."""
        candidates = read_boxes(raw.tensor, self._format, self._labels)
        inside = raw.placement.to_picture(candidates.boxes.reshape(-1, 2, 2))
        is_seen = np.all(inside[:, 1] > inside[:, 0], axis=1)
        (likely,) = np.nonzero(is_seen & (candidates.scores >= parameters[MIN_SCORE]))
        found = candidates.where(likely)
        kept = suppress(
            found.boxes,
            found.scores,
            found.classes,
            max_iou=parameters.get(MAX_IOU, 1.0),
            top=parameters[TOP],
        )
        return {"boxes": [self._box(candidates, inside, i) for i in likely[kept]]}

    def _box(
        self, candidates: Candidates, inside: "np.ndarray[Any, Any]", number: int
    ) -> dict[str, Any]:
        return {
            "label": self._label(int(candidates.classes[number])),
            "score": round(float(candidates.scores[number]), 4),
            "box": [round(float(edge), 2) for edge in inside[number].ravel()],
        }

    def _label(self, index: int) -> str:
        known = 0 <= index < len(self._labels)
        return self._labels[index] if known else str(index)


def _parameters(found: str) -> tuple[Parameter, ...]:
    top = Parameter(
        TOP,
        ParameterKind.INT,
        "Boxes",
        default=100,
        help="how many to give at most",
        minimum=1,
        maximum=300,
    )
    overlap = Parameter(
        MAX_IOU,
        ParameterKind.FLOAT,
        "Most overlap",
        default=0.45,
        help="of two boxes with one label that share more, the better stays",
        minimum=0,
        maximum=1,
    )
    score = min_score_parameter(0.25, "boxes that the model is less sure of")
    return (score, top) if found == END_TO_END else (score, overlap, top)
