"""`mrz`: the machine-readable zone of a travel document in a picture.

The lines are read as `ocr` reads them; `portal.runtime.mrz` finds the zone among
them and says what it means.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from portal.runtime.declaration import (
    PICTURE,
    Description,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
)
from portal.runtime.mrz import find_zone, read_fields
from portal.runtime.tasks.base import Settings
from portal.runtime.tasks.ocr import (
    LINES,
    Ocr,
    Picture,
    check_reader,
    picture_of,
    read_lines,
)

CENTER_CROP, POSTPROCESS = "center_crop", "postprocess"
MARGIN = 0.1  # of the width or height, left out on each side


class Mrz(Ocr):
    """The machine-readable zone of a travel document in a picture."""

    name = "mrz"
    # Rows of digits and fillers, often the second of a zone, are taken for
    # standing on their heads when they aren't.
    turns_lines = False

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture, two switches, the lines of the zone and its fields."""
        check_reader(settings)
        return Description(
            inputs=(PICTURE,),
            parameters=(
                Parameter(
                    CENTER_CROP,
                    ParameterKind.BOOL,
                    "Middle only",
                    default=False,
                    help="leaves out a tenth of the picture on each side",
                ),
                Parameter(
                    POSTPROCESS,
                    ParameterKind.BOOL,
                    "Correct and explain",
                    default=True,
                    help="without it: the lines as they were read, and no fields",
                ),
            ),
            outputs=(
                Output("lines", OutputKind.LINES, "Zone", help=LINES.help),
                Output(
                    "fields",
                    OutputKind.FIELDS,
                    "Fields",
                    help="value, and whether its check digit is right, null without "
                    "one; dates as YYYY-MM-DD",
                ),
            ),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Picture:
        """Return the picture, or its middle, as OpenCV holds it."""
        image = inputs["image"]
        if not parameters[CENTER_CROP]:
            return picture_of(image)
        height, width, _ = image.shape
        left, top = int(width * MARGIN), int(height * MARGIN)
        middle = image[top : height - top, left : width - left]
        return picture_of(middle, left=left, top=top)

    def postprocess(
        self,
        raw: Any,  # noqa: ANN401 - RapidOCR's own
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the lines of the zone and its fields; both empty without a zone."""
        today = datetime.now(UTC).date()
        found = find_zone(read_lines(raw, min_score=0.0), today=today)
        if found is None:
            return {"lines": [], "fields": {}}
        if not parameters[POSTPROCESS]:
            return {
                "lines": [row.as_line(row.text) for row in found.rows],
                "fields": {},
            }
        return {
            "lines": [
                row.as_line(text)
                for row, text in zip(found.rows, found.zone.lines, strict=True)
            ],
            "fields": read_fields(found.zone, today=today),
        }
