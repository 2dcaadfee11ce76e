"""The page of a user's usage, and the same numbers as CSV."""

from collections.abc import Iterable, Iterator
from datetime import date

from flask import Blueprint, Response, request
from flask_babel import format_date
from flask_login import current_user

from portal import usage
from portal.accounts.login import login_required
from portal.web import render
from portal.web.spreadsheets import csv_answer, csv_lines

bp = Blueprint("usage", __name__)
SPANS = (7, 30, 90)  # days that the page offers
DEFAULT_SPAN = 30
COLUMNS = ("day", "model", "key", "calls", "errors", "compute_ms")


@bp.get("/usage")
@login_required
def index() -> Response:
    """Show what the user has used."""
    days = _days()
    return render(
        "usage/index.html",
        fragment="usage/_usage.html",
        usage=usage.summary(current_user, usage.last_days(days)),
        days=days,
        spans=SPANS,
    )


@bp.get("/usage.csv")
@login_required
def csv_export() -> Response:
    """Send the user's usage as CSV, a line for each day, model and key."""
    span = usage.last_days(_days())
    rows = _rows(usage.cells(current_user, span))
    name = f"usage-{span.first}-to-{span.last}.csv"
    return csv_answer(csv_lines([COLUMNS, *rows]), name)


@bp.app_template_filter()
def day_month(day: str) -> str:
    """Write a day (ISO) without its year, as below the columns of a chart."""
    return str(format_date(date.fromisoformat(day), "d MMM"))


def _days() -> int:
    days = request.args.get("days", DEFAULT_SPAN, type=int)
    return days if days in SPANS else DEFAULT_SPAN


def _rows(cells: Iterable[usage.Cell]) -> Iterator[tuple[object, ...]]:
    for cell in cells:
        names = (cell.day.text, cell.model.text, cell.key.text)
        numbers = (cell.sum.calls, cell.sum.errors, round(cell.sum.compute_ms, 1))
        yield (*names, *numbers)
