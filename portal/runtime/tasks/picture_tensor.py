"""From the pixels of a picture to the tensor that a model takes, and back.

A picture is fitted to the size that the model takes; each channel (0 to 255) becomes
``(value * scale - mean) / std``. What a model says of places in its tensor is told
in pixels of the picture that was sent.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from PIL import Image
from pydantic import Field, StrictInt

from portal.runtime.signature import TensorSpec, fits
from portal.runtime.tasks.base import Settings, TaskRefused
from portal.runtime.tasks.options import Numeral, Options, Positive

DTYPES = ("float32", "float16")
AXES = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 3, 1, 2)}  # batch, channel, row, column
Triple = Annotated[
    tuple[Numeral, Numeral, Numeral],
    Field(description="three numbers, for red, green and blue"),
]
PositiveTriple = Annotated[
    tuple[Positive, Positive, Positive],
    Field(description="three numbers above 0, for red, green and blue"),
]
Pixels = Annotated[StrictInt, Field(ge=1, le=4096)]
Size = Annotated[
    tuple[Pixels, Pixels] | None,
    Field(description="[width, height] in pixels, each from 1 to 4096"),
]
Layout = Annotated[Literal["NCHW", "NHWC"] | None, Field(description="NCHW or NHWC")]
Channels = Annotated[Literal["RGB", "BGR"], Field(description="RGB or BGR")]
Fit = Annotated[
    Literal["stretch", "letterbox", "crop"],
    Field(description="stretch, letterbox or crop"),
]
Shade = Annotated[
    StrictInt, Field(ge=0, le=255, description="a whole number from 0 to 255")
]


class PictureOptions(Options):
    """How a model wants its pictures; size and layout come from the graph if missing.

    Attributes:
        fit: ``stretch`` changes the proportions, ``letterbox`` fills what is left
            with *padding*, ``crop`` cuts what is too much off both ends.
    """

    mean: Triple = (0.0, 0.0, 0.0)
    std: PositiveTriple = (1.0, 1.0, 1.0)
    scale: Annotated[Positive, Field(description="a number above 0")] = 1 / 255
    size: Size = None
    layout: Layout = None
    channels: Channels = "RGB"
    fit: Fit = "stretch"
    padding: Shade = 114


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in a tensor, both measured from their top left corner.

    A place (x, y) of the picture is (x * scale_x + left, y * scale_y + top) in the
    tensor; whole numbers are the edges of pixels.

    Attributes:
        width, height: The size of the picture.
    """

    width: int
    height: int
    scale_x: float
    scale_y: float
    left: float
    top: float

    def to_picture(self, points: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return places in the tensor as places in the picture, moved inside it.

        Args:
            points: Array of shape ``(…, 2)``, finite floats: x and y in the tensor.

        Returns:
            Array of the same shape, float64: x and y in pixels of the picture.
        """
        moved = (points - (self.left, self.top)) / (self.scale_x, self.scale_y)
        return np.clip(moved, 0, (self.width, self.height))

    def columns_of(self, count: int, width: int) -> "np.ndarray[Any, Any]":
        """Return in which column of a grid the middle of each of the picture's lies.

        Args:
            count: The number of columns of the grid, which covers the tensor.
            width: The tensor's, in pixels.

        Returns:
            Array of shape ``(picture's width,)``, int64.
        """
        middles = (np.arange(self.width) + 0.5) * self.scale_x + self.left
        return _cells(middles, count, width)

    def rows_of(self, count: int, height: int) -> "np.ndarray[Any, Any]":
        """Return the same for the rows, of which the grid has *count*."""
        middles = (np.arange(self.height) + 0.5) * self.scale_y + self.top
        return _cells(middles, count, height)


@dataclass(frozen=True)
class Placed:
    """A tensor, or what the model made of it, and where the picture lies in it."""

    tensor: "np.ndarray[Any, Any]"
    placement: Placement


class PictureTensor:
    """The one tensor of a graph that takes a picture.

    Attributes:
        name: Its name in the graph.
        size: Width and height in pixels.
    """

    def __init__(self, spec: TensorSpec, options: PictureOptions) -> None:
        self.name = spec.name
        self._dtype = spec.dtype
        self._options = options
        self._layout = _layout(spec, options)
        self.size = _size(spec, options)

    @classmethod
    def of(cls, settings: Settings, options: PictureOptions, *, task: str) -> Self:
        """Return the picture's tensor of a version.

        Raises:
            TaskRefused: The graph takes something else, or of another size.
        """
        inputs = settings.signatures["model"].inputs
        if (
            len(inputs) != 1
            or len(inputs[0].shape) != len(AXES["NCHW"])
            or inputs[0].dtype not in DTYPES
        ):
            message = (
                "A model of the task %(task)s takes one picture: a tensor of "
                "%(dtypes)s with four axes."
            )
            raise TaskRefused(message, task=task, dtypes=" or ".join(DTYPES))
        return cls(inputs[0], options)

    def prepare(
        self, image: "np.ndarray[Any, Any]", *, middle_square: bool = False
    ) -> "tuple[np.ndarray[Any, Any], Placement]":
        """Return the picture as the model takes it, and where it lies in there.

        Args:
            image: Array of shape ``(height, width, 3)``, uint8: row, column, channel
                (RGB).
            middle_square: Leave out what is beside the largest square in the middle.

        Returns:
            Array of shape ``(1, 3, rows, columns)`` or ``(1, rows, columns, 3)`` by
            the layout, of the graph's dtype: batch, channel, row, column; the range
            follows from scale, mean and std.
        """
        picture = Image.fromarray(image)
        part = self._part(picture.width, picture.height, middle_square=middle_square)
        left, top, width, height = self._place(part)
        drawn = picture.resize(
            (width, height), Image.Resampling.BILINEAR, box=_corners(part)
        )
        if (width, height) != self.size:
            canvas = Image.new("RGB", self.size, (self._options.padding,) * 3)
            canvas.paste(drawn, (left, top))
            drawn = canvas
        scale_x, scale_y = width / part[2], height / part[3]
        placement = Placement(
            picture.width,
            picture.height,
            scale_x,
            scale_y,
            left - part[0] * scale_x,
            top - part[1] * scale_y,
        )
        return self._numbers(drawn), placement

    def _part(
        self, width: int, height: int, *, middle_square: bool
    ) -> tuple[float, float, float, float]:
        """Return left, top, width and height of what the model sees of a picture."""
        part_width, part_height = float(width), float(height)
        if middle_square:
            part_width = part_height = min(part_width, part_height)
        if self._options.fit == "crop":
            enlarged = max(self.size[0] / part_width, self.size[1] / part_height)
            # Rounding must not reach past the edge.
            part_width = min(part_width, self.size[0] / enlarged)
            part_height = min(part_height, self.size[1] / enlarged)
        return (
            (width - part_width) / 2,
            (height - part_height) / 2,
            part_width,
            part_height,
        )

    def _place(self, part: tuple[float, ...]) -> tuple[int, int, int, int]:
        """Return left, top, width and height of *part* in the tensor."""
        columns, rows = self.size
        if self._options.fit != "letterbox":
            return 0, 0, columns, rows
        ratio = min(columns / part[2], rows / part[3])
        width = min(columns, max(1, round(part[2] * ratio)))
        height = min(rows, max(1, round(part[3] * ratio)))
        return (columns - width) // 2, (rows - height) // 2, width, height

    def _numbers(self, drawn: Image.Image) -> "np.ndarray[Any, Any]":
        scaled = np.asarray(drawn, np.float64) * self._options.scale
        rows = (scaled - self._options.mean) / self._options.std
        if self._options.channels == "BGR":
            rows = rows[:, :, ::-1]
        if self._layout == "NCHW":
            rows = rows.transpose(2, 0, 1)
        return np.ascontiguousarray(rows[None], dtype=self._dtype)


def _cells(
    places: "np.ndarray[Any, Any]", count: int, size: int
) -> "np.ndarray[Any, Any]":
    cells = np.floor(places * (count / size)).astype(np.int64)
    return np.clip(cells, 0, count - 1)


def _corners(part: tuple[float, ...]) -> tuple[float, float, float, float]:
    left, top, width, height = part
    return left, top, left + width, top + height


def _layout(spec: TensorSpec, options: PictureOptions) -> str:
    if options.layout:
        return options.layout
    is_last = spec.shape[3] == 3 and spec.shape[1] != 3  # noqa: PLR2004 - red, green, blue
    return "NHWC" if is_last else "NCHW"


def _size(spec: TensorSpec, options: PictureOptions) -> tuple[int, int]:
    """Return width and height in pixels, from the settings or the graph."""
    layout = _layout(spec, options)
    batch, channels, height, width = (spec.shape[axis] for axis in AXES[layout])
    if not (fits(batch, 1) and fits(channels, 3)):
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
    if not (fits(width, options.size[0]) and fits(height, options.size[1])):
        message = "[settings] size is %(size)s, but the model's input is %(shape)s."
        raise TaskRefused(message, size=list(options.size), shape=spec.shape_text)
    return options.size
