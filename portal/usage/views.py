"""The page of a user's usage, and the same numbers as CSV."""

import csv
import io
from collections.abc import Iterable

from flask import Blueprint, Response, request
from flask_login import current_user

from portal import usage
from portal.accounts.login import login_required
from portal.web import render

bp = Blueprint("usage", __name__)
SPANS = (7, 30, 90)  # days that the page offers
DEFAULT_SPAN = 30
# What a spreadsheet takes for the start of a formula (OWASP, CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@bp.get("/usage")
@login_required
def index() -> Response:
    """Show what the user has used."""
    days = _days()
    return render(
        "usage/index.html",
        fragment="usage/_usage.html",
        usage=usage.summary(current_user, *usage.last_days(days)),
        days=days,
        spans=SPANS,
    )


@bp.get("/usage.csv")
@login_required
def csv_export() -> Response:
    """Send the user's usage as CSV, a line for each day, model and key."""
    first, last = usage.last_days(_days())
    response = Response(
        _csv(usage.cells(current_user, first, last)),
        content_type="text/csv; charset=utf-8",
    )
    name = f"usage-{first}-to-{last}.csv"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _days() -> int:
    days = request.args.get("days", DEFAULT_SPAN, type=int)
    return days if days in SPANS else DEFAULT_SPAN


def _csv(cells: Iterable[usage.Cell]) -> str:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(("day", "model", "key", "calls", "errors", "compute_ms"))
    for cell in cells:
        names = (cell.day.text, cell.model.text, cell.key.text)
        numbers = (cell.sum.calls, cell.sum.errors, round(cell.sum.compute_ms, 1))
        lines.writerow((*map(_harmless, names), *numbers))
    return text.getvalue()


def _harmless(text: str) -> str:
    """Return *text* so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
