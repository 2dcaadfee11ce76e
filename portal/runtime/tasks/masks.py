"""Masks as files: indexed PNGs, whose colours are for the eye only."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

MAX_LABELS = 256  # as many as a pixel of one byte tells apart
# As --overlay-1 to --overlay-8 in static/css/app.css, which the list beside uses.
COLOURS = (
    "#168be1",
    "#f49f1e",
    "#17a478",
    "#da7baa",
    "#64c4f0",
    "#e25500",
    "#f3e749",
    "#7d40c8",
)
# What is around the things of a model; it is left clear, so that they stand out.
CLEAR = {"background", "unlabeled", "unlabelled", "void", "other"}


def png_of(mask: "np.ndarray[Any, Any]", labels: Sequence[str]) -> str:
    """Return *mask* as an indexed PNG in base64.

    Args:
        mask: Array of shape ``(height, width)``, uint8: the number of the label.
        labels: Their names. A first one such as ``background`` is transparent.
    """
    image = Image.fromarray(mask).convert("L")
    # A palette makes the grey values of "L" the indexes of "P".
    image.putpalette(_palette())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **({"transparency": 0} if is_clear(labels) else {}))
    return base64.b64encode(buffer.getvalue()).decode()


def is_clear(labels: Sequence[str]) -> bool:
    """Whether the first of *labels* is what is around things, and is not coloured."""
    return bool(labels) and labels[0].strip().lower() in CLEAR


def read_png(encoded: str) -> "np.ndarray[Any, Any]":
    """Return the mask that `png_of` wrote: shape ``(height, width)``, uint8."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        return np.asarray(image)


def _palette() -> bytes:
    colours = b"".join(bytes.fromhex(colour[1:]) for colour in COLOURS)
    return colours * (MAX_LABELS // len(COLOURS))
