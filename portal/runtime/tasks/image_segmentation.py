"""`image-segmentation`: which label each pixel of a picture has, as a mask."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import onnxruntime as ort
from pydantic import Field

from portal.runtime.declaration import PICTURE, Description, Output, OutputKind
from portal.runtime.signature import TensorSpec, fits
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.masks import MAX_LABELS, png_of
from portal.runtime.tasks.options import Numeral, Switch, read_options
from portal.runtime.tasks.picture_tensor import PictureOptions, PictureTensor, Placed
from portal.runtime.tasks.ranking import sigmoid
from portal.runtime.tasks.running import run

TWO_LABELS = ("background", "foreground")


class _Options(PictureOptions):
    # What is cropped away would have no label.
    fit: Annotated[
        Literal["stretch", "letterbox"], Field(description="stretch or letterbox")
    ] = "stretch"
    # Of a model with one channel, which says how sure it is of the second label.
    sigmoid: Switch = True
    threshold: Annotated[
        Numeral, Field(ge=0, le=1, description="a number from 0 to 1")
    ] = 0.5


class ImageSegmentation(Task[Placed, Placed]):
    """Which label each pixel has."""

    name = "image-segmentation"
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
        self._output = _logits_output(settings).name
        self._labels = _read_labels(settings)

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture and a mask."""
        options = read_options(_Options, settings)
        PictureTensor.of(settings, options, task=cls.name)
        _read_labels(settings)
        return Description(
            inputs=(PICTURE,),
            outputs=(
                Output(
                    "mask",
                    OutputKind.MASK,
                    "Mask",
                    help="an indexed PNG of the picture's size: the value of a pixel "
                    "is the number of its label, from 0",
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
        """Return the logits: shape ``(1, labels, rows, columns)``."""
        (logits,) = run(
            self._session, [self._output], {self._picture.name: prepared.tensor}
        )
        return Placed(logits, prepared.placement)

    def postprocess(self, raw: Placed, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the likeliest label of each pixel of the picture."""
        del parameters
        grid = self._indexes(raw.tensor)
        columns = raw.placement.columns_of(grid.shape[1], self._picture.size[0])
        rows = raw.placement.rows_of(grid.shape[0], self._picture.size[1])
        mask = grid[rows[:, None], columns]
        return {
            "mask": {
                "width": raw.placement.width,
                "height": raw.placement.height,
                "labels": list(self._labels),
                "png": png_of(mask, self._labels),
            }
        }

    def _indexes(self, logits: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return the likeliest label's number: shape ``(rows, columns)``, uint8."""
        is_right = (
            logits.ndim == 4  # noqa: PLR2004 - batch, label, row, column
            and logits.shape[0] == 1
            and _labels_fit(logits.shape[1], self._labels)
            and 0 not in logits.shape
        )
        if not is_right:
            message = "The model gave a tensor %(shape)s for %(labels)d labels."
            raise TaskRefused(
                message, shape=list(logits.shape), labels=len(self._labels)
            )
        if logits.shape[1] == 1:
            one = logits[0, 0].astype(np.float64)
            probabilities = sigmoid(one) if self._options.sigmoid else one
            return (probabilities > self._options.threshold).astype(np.uint8)
        # NaN would win every comparison of argmax.
        known = np.where(np.isnan(logits[0]), -np.inf, logits[0])
        likeliest: np.ndarray[Any, Any] = known.argmax(axis=0).astype(np.uint8)
        return likeliest


def _logits_output(settings: Settings) -> TensorSpec:
    """Return the output that holds the logits: the first of floats with four axes."""
    for spec in settings.signatures["model"].outputs:
        is_map = len(spec.shape) == 4 and fits(spec.shape[0], 1)  # noqa: PLR2004 - batch, label, row, column
        if is_map and spec.dtype.startswith("float"):
            return spec
    message = (
        "The task image-segmentation needs an output of floats with four axes: batch, "
        "label, row, column."
    )
    raise TaskRefused(message)


def _read_labels(settings: Settings) -> tuple[str, ...]:
    """Return the labels of the logits, numbers where none are given."""
    spec, labels = _logits_output(settings), settings.labels
    channels = spec.shape[1]
    if not labels and isinstance(channels, int):
        labels = TWO_LABELS if channels == 1 else tuple(map(str, range(channels)))
    is_right = not isinstance(channels, int) or _labels_fit(channels, labels)
    if not labels or len(labels) > MAX_LABELS or not is_right:
        message = (
            "There are %(count)d labels and the output is %(shape)s; the task "
            "image-segmentation needs one for each of its channels, two for a single "
            "channel, and at most %(limit)d."
        )
        raise TaskRefused(
            message, count=len(labels), shape=spec.shape_text, limit=MAX_LABELS
        )
    return labels


def _labels_fit(channels: int, labels: tuple[str, ...]) -> bool:
    return len(labels) == (channels if channels > 1 else len(TWO_LABELS))
