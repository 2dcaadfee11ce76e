"""CSV that spreadsheets may open: a cell is text or a number, never a formula."""

import csv
import io
from collections.abc import Iterable

from flask import Response

# What a spreadsheet takes for the start of a formula (OWASP, CSV injection), the
# full-width forms included.
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Return *rows* as lines of CSV, their texts made harmless."""
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def csv_answer(text: str | Iterable[str], name: str) -> Response:
    """Answer with *text*, at once or as it comes, to be saved as the file *name*."""
    response = Response(text, content_type="text/csv; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _harmless(cell: object) -> object:
    is_formula = isinstance(cell, str) and cell.startswith(FORMULA_STARTS)
    return f"'{cell}" if is_formula else cell
