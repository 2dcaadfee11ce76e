"""`heatmap-corners`: the four corners of a document, from a heat map for each.

A map is hot where its corner is. The place is told more finely than the map's cells
are wide: as the middle of what is hot around its hottest cell.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from portal.runtime.declaration import (
    PICTURE,
    Description,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
)
from portal.runtime.signature import fits
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.options import Switch, read_options
from portal.runtime.tasks.picture_tensor import PictureOptions, PictureTensor, Placed
from portal.runtime.tasks.ranking import MIN_SCORE, min_score_parameter, sigmoid
from portal.runtime.tasks.running import run

CENTER_CROP = "center_crop"
CORNERS = 4
LABEL = "document"
REACH = 4  # cells around the hottest that may belong to the same spot
STEPS = 3  # of moving there: a wide spot is hottest anywhere in it
WARM = 0.5  # of the peak: what is cooler doesn't count


class _Options(PictureOptions):
    sigmoid: Switch = False


class HeatmapCorners(Task[Placed, Placed]):
    """The four corners of a document in a picture."""

    name = "heatmap-corners"
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
        self._options = read_options(_Options, settings)
        self._picture = PictureTensor.of(settings, self._options, task=self.name)
        self._output = _maps_output(settings)
        self._label = _read_label(settings)

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture, a switch, the least score, and a polygon."""
        options = read_options(_Options, settings)
        PictureTensor.of(settings, options, task=cls.name)
        _maps_output(settings)
        _read_label(settings)
        return Description(
            inputs=(PICTURE,),
            parameters=(
                Parameter(
                    CENTER_CROP,
                    ParameterKind.BOOL,
                    "Middle only",
                    default=False,
                    help="looks at the largest square in the middle of the picture",
                ),
                min_score_parameter(
                    0.3, "documents with a corner that the model is less sure of"
                ),
            ),
            outputs=(
                Output(
                    "polygons",
                    OutputKind.POLYGONS,
                    "Corners",
                    help="four points in pixels, in the order of the model's maps, and "
                    "the score of the least sure; none without all four",
                ),
            ),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Placed:
        """Return the picture, or its middle, as the model takes it."""
        return Placed(
            *self._picture.prepare(
                inputs["image"], middle_square=parameters[CENTER_CROP]
            )
        )

    def infer(self, prepared: Placed) -> Placed:
        """Return the maps: shape ``(1, 4, rows, columns)``."""
        (maps,) = run(
            self._session, [self._output], {self._picture.name: prepared.tensor}
        )
        return Placed(maps, prepared.placement)

    def postprocess(self, raw: Placed, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document's corners in pixels of the picture, or nothing."""
        maps = raw.tensor.astype(np.float64)
        if maps.ndim != 4 or maps.shape[:2] != (1, CORNERS) or 0 in maps.shape:  # noqa: PLR2004 - batch, corner, row, column
            message = "The model gave a tensor %(shape)s instead of four maps."
            raise TaskRefused(message, shape=list(maps.shape))
        if self._options.sigmoid:
            maps = sigmoid(maps)
        # What is no number is taken for cold.
        maps = np.where(np.isfinite(maps), maps, 0)
        score = float(maps[0].max(axis=(1, 2)).min())
        if score <= 0 or score < parameters[MIN_SCORE]:
            return {"polygons": []}
        # Rows and columns of a map, the other way round.
        cells = np.array(maps.shape[:1:-1], np.float64)
        spots = np.array([_spot(one) for one in maps[0]])
        points = raw.placement.to_picture(spots * self._picture.size / cells)
        polygon = {
            "label": self._label,
            "score": round(score, 4),
            "points": [[round(float(v), 2) for v in point] for point in points],
        }
        return {"polygons": [polygon]}


def _maps_output(settings: Settings) -> str:
    """Return the output that holds the maps: the first of floats and four channels."""
    for spec in settings.signatures["model"].outputs:
        if (
            len(spec.shape) == 4  # noqa: PLR2004 - batch, corner, row, column
            and spec.dtype.startswith("float")
            and fits(spec.shape[0], 1)
            and fits(spec.shape[1], CORNERS)
        ):
            return spec.name
    message = (
        "The task heatmap-corners needs an output of floats such as [1, 4, 128, 128]: "
        "a map for each corner."
    )
    raise TaskRefused(message)


def _read_label(settings: Settings) -> str:
    if len(settings.labels) > 1:
        message = "The task heatmap-corners takes one label at most: what is found."
        raise TaskRefused(message)
    return settings.labels[0] if settings.labels else LABEL


def _spot(heat: "np.ndarray[Any, Any]") -> tuple[float, float]:
    """Return x and y of the hottest spot, in cells from the map's top left corner.

    Args:
        heat: Array of shape ``(rows, columns)``, finite, with a value above 0.
    """
    row, column = (int(i) for i in np.unravel_index(heat.argmax(), heat.shape))
    peak = heat[row, column]
    x = y = 0.0
    for _ in range(STEPS):
        top, left = max(0, row - REACH), max(0, column - REACH)
        around = heat[top : row + REACH + 1, left : column + REACH + 1]
        # Shares of the peak can't overflow, however large it is.
        weights = np.clip(np.clip(around, 0, None) / peak - WARM, 0, None)
        if not weights.any():
            break
        weights /= weights.sum()
        rows, columns = (np.arange(size) + 0.5 for size in around.shape)
        x = left + float(weights.sum(axis=0) @ columns)
        y = top + float(weights.sum(axis=1) @ rows)
        row, column = int(y), int(x)
    return x, y
