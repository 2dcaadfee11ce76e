"""Rows of text in a picture: the pieces of one row joined, the rows in order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from portal.runtime.mrz.formats import FILLER

LOOKALIKES = str.maketrans(
    {
        "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}": "<<",
        "\N{LEFT DOUBLE ANGLE BRACKET}": "<<",
        "\N{MUCH LESS-THAN}": "<<",
        "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}": "<",
        "\N{LEFT ANGLE BRACKET}": "<",
        "\N{FULLWIDTH LESS-THAN SIGN}": "<",
        "\N{LESS-THAN OR EQUAL TO}": "<",
    }
)
SPACE = re.compile(r"\s+")
ODD = re.compile(r"[^A-Z0-9<]")
MAX_ODD = 2
MAX_CHARS = 60


@dataclass(frozen=True)
class Row:
    """One row as it was read.

    Attributes:
        polygon: Four corners ``[x, y]``, in pixels.
    """

    text: str
    score: float
    polygon: Sequence[Sequence[float]]

    @cached_property
    def characters(self) -> str:
        """The text in the characters of a zone; empty for any other text."""
        text = SPACE.sub("", self.text.translate(LOOKALIKES)).upper()
        if len(text) > MAX_CHARS or len(ODD.findall(text)) > MAX_ODD:
            return ""
        return ODD.sub(FILLER, text)

    @cached_property
    def corners(self) -> "np.ndarray[Any, Any]":
        """Array of shape ``(4, 2)``, float64: corner, x and y in pixels."""
        return np.asarray(self.polygon, dtype=np.float64)

    @cached_property
    def middle(self) -> "np.ndarray[Any, Any]":
        """Array of shape ``(2,)``, float64: x and y in pixels."""
        middle: np.ndarray[Any, Any] = self.corners.mean(axis=0)
        return middle

    @cached_property
    def side(self) -> "np.ndarray[Any, Any]":
        """The longer side as a vector ``(x, y)``, to the right or downwards."""
        first, second, third, _ = self.corners
        across, down = second - first, third - second
        long = across if np.hypot(*across) >= np.hypot(*down) else down
        flipped: np.ndarray[Any, Any] = -long if tuple(long) < (0.0, 0.0) else long
        return flipped

    @cached_property
    def height(self) -> float:
        """The shorter side, in pixels."""
        first, second, third, _ = self.corners
        return float(min(np.hypot(*(second - first)), np.hypot(*(third - second))))

    def as_line(self, text: str) -> dict[str, Any]:
        """Return the row as the kind `lines` has it, with *text*."""
        return {"text": text, "score": self.score, "polygon": self.polygon}


def rows_of(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows that could belong to a zone, from the top to the bottom.

    "Top" is across the direction of the longest line, however the picture lies.
    """
    pieces = [Row(line["text"], line["score"], line["polygon"]) for line in lines]
    pieces = [piece for piece in pieces if piece.characters]
    if not pieces:
        return []
    longest = max(pieces, key=lambda piece: len(piece.characters))
    length = float(np.hypot(*longest.side))
    along = longest.side / length if length else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])
    pieces.sort(key=lambda piece: float(piece.middle @ across))
    rows: list[list[Row]] = []
    for piece in pieces:
        if rows and _is_beside(rows[-1][-1], piece, across):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [
        _joined(sorted(row, key=lambda piece: float(piece.middle @ along)))
        for row in rows
    ]


def are_neighbours(above: Row, below: Row) -> bool:
    """Whether two rows stand as close as the lines of a zone do."""
    gap = np.hypot(*(above.middle - below.middle))
    height = max(above.height, below.height)
    # Rows of different length have their middles apart along the line as well.
    slack = abs(np.hypot(*above.side) - np.hypot(*below.side)) / 2
    return bool(gap <= 4 * height + slack)


def _is_beside(left: Row, right: Row, across: "np.ndarray[Any, Any]") -> bool:
    distance = abs(float((left.middle - right.middle) @ across))
    return distance < min(left.height, right.height) / 2


def _joined(pieces: Sequence[Row]) -> Row:
    if len(pieces) == 1:
        return pieces[0]
    first, last = pieces[0].polygon, pieces[-1].polygon
    return Row(
        "".join(piece.text for piece in pieces),
        min(piece.score for piece in pieces),
        [first[0], last[1], last[2], first[3]],
    )
