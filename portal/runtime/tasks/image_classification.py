"""`image-classification`: what a picture shows, as labels with scores.

The whole picture is scaled to the size that the model takes; each channel (RGB, 0
to 255) becomes ``(value * scale - mean) / std``.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import onnxruntime as ort
from PIL import Image
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    ValidationError,
)

from portal.runtime.declaration import (
    PICTURE,
    Description,
    Output,
    OutputKind,
)
from portal.runtime.signature import Dimension, TensorSpec
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.ranking import TOP, rank, top_parameter

DTYPES = ("float32", "float16")
AXES = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 3, 1, 2)}  # batch, channel, row, column
WANTED = {
    "mean": "three numbers, for red, green and blue",
    "std": "three numbers above 0, for red, green and blue",
    "scale": "a number above 0",
    "size": "[width, height] in pixels, each from 1 to 4096",
    "layout": "NCHW or NHWC",
    "softmax": "true or false",
}
Numeral = Annotated[FiniteFloat, Field(strict=True)]
Positive = Annotated[FiniteFloat, Field(strict=True, gt=0)]
Pixels = Annotated[StrictInt, Field(ge=1, le=4096)]


class _Options(BaseModel):
    """The table ``[settings]``; size and layout come from the graph if missing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: tuple[Numeral, Numeral, Numeral] = (0.0, 0.0, 0.0)
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    scale: Positive = 1 / 255
    size: tuple[Pixels, Pixels] | None = None
    layout: Literal["NCHW", "NHWC"] | None = None
    softmax: StrictBool = False


class ImageClassification(Task["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]):
    """What a picture shows."""

    name = "image-classification"
    option_names = tuple(WANTED)

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Take the one session."""
        del files
        self._session = sessions["model"]
        self._options = _read_options(settings)
        self._input = _picture_input(settings)
        self._layout = _layout(self._input, self._options)
        self._size = _size(self._input, self._options)
        self._output = _scored_output(settings)
        self._labels = settings.labels

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture, how many labels to give, and the labels."""
        options, spec = _read_options(settings), _picture_input(settings)
        _size(spec, options)
        _scored_output(settings)
        return Description(
            inputs=(PICTURE,),
            parameters=(top_parameter(),),
            outputs=(Output("labels", OutputKind.LABELS, "Labels"),),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> "np.ndarray[Any, Any]":
        """Return the picture as the model takes it.

        Returns:
            Array of shape ``(1, 3, height, width)`` or ``(1, height, width, 3)`` by
            the layout, of the graph's dtype: batch, channel (RGB), row, column;
            the range follows from scale, mean and std.
        """
        del parameters
        picture = Image.fromarray(inputs["image"])
        resized = picture.resize(self._size, Image.Resampling.BILINEAR)
        scaled = np.asarray(resized, np.float64) * self._options.scale
        rows = (scaled - self._options.mean) / self._options.std
        if self._layout == "NCHW":
            rows = rows.transpose(2, 0, 1)
        return np.ascontiguousarray(rows[None], dtype=self._input.dtype)

    def infer(self, prepared: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return the scores as the model gives them: shape ``(…, labels)``."""
        (scores,) = self._session.run([self._output], {self._input.name: prepared})
        return np.asarray(scores)

    def postprocess(
        self, raw: "np.ndarray[Any, Any]", parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the likeliest labels, best first."""
        if raw.size != len(self._labels):
            message = "The model gave %(scores)d scores for %(labels)d labels."
            raise TaskRefused(message, scores=raw.size, labels=len(self._labels))
        scores = raw.reshape(-1).astype(np.float64)
        if self._options.softmax:
            powers = np.exp(scores - scores.max())
            scores = powers / powers.sum()
        return {"labels": rank(self._labels, scores)[: parameters[TOP]]}


def _read_options(settings: Settings) -> _Options:
    try:
        return _Options.model_validate(settings.options)
    except ValidationError as invalid:
        key = str(invalid.errors()[0]["loc"][0])
        message = "[settings] %(key)s must be %(wanted)s."
        raise TaskRefused(
            message, key=key, wanted=WANTED.get(key, "left out")
        ) from None


def _picture_input(settings: Settings) -> TensorSpec:
    """Return the one tensor that takes a picture."""
    inputs = settings.signatures["model"].inputs
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].dtype not in DTYPES:  # noqa: PLR2004 - batch, channel, row, column
        message = (
            "An image-classification model takes one picture: a tensor of %(dtypes)s "
            "with four axes."
        )
        raise TaskRefused(message, dtypes=" or ".join(DTYPES))
    return inputs[0]


def _layout(spec: TensorSpec, options: _Options) -> str:
    if options.layout:
        return options.layout
    is_last = spec.shape[3] == 3 and spec.shape[1] != 3  # noqa: PLR2004 - red, green, blue
    return "NHWC" if is_last else "NCHW"


def _size(spec: TensorSpec, options: _Options) -> tuple[int, int]:
    """Return width and height in pixels, from the settings or the graph."""
    layout = _layout(spec, options)
    batch, channels, height, width = (spec.shape[axis] for axis in AXES[layout])
    if not (_fits(batch, 1) and _fits(channels, 3)):
        message = (
            "With the layout %(layout)s, the model's input %(shape)s must take one "
            "picture of three channels; [settings] layout says which it is."
        )
        raise TaskRefused(message, layout=layout, shape=spec.shape_text)
    if options.size is None:
        if isinstance(width, int) and isinstance(height, int):
            return width, height
        message = (
            "The model takes pictures of any size; choose one with [settings] "
            "size = [width, height]."
        )
        raise TaskRefused(message)
    if not (_fits(width, options.size[0]) and _fits(height, options.size[1])):
        message = "[settings] size is %(size)s, but the model's input is %(shape)s."
        raise TaskRefused(message, size=list(options.size), shape=spec.shape_text)
    return options.size


def _fits(size: Dimension, wanted: int) -> bool:
    return not isinstance(size, int) or size == wanted


def _scored_output(settings: Settings) -> str:
    """Return the output that the labels name: the first of that size."""
    count = len(settings.labels)
    if not count:
        message = "The task image-classification needs labels, one for each class."
        raise TaskRefused(message)
    for spec in settings.signatures["model"].outputs:
        if (
            spec.shape
            and spec.dtype.startswith("float")
            and _fits(spec.shape[-1], count)
        ):
            return spec.name
    message = "There are %(count)d labels, but no output whose last size is %(count)d."
    raise TaskRefused(message, count=count)
