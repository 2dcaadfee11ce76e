"""The page of a user's usage, and the same numbers as CSV."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus

from flask import Blueprint, Response, request
from flask_babel import format_date
from flask_login import current_user

from portal import usage
from portal.accounts.login import login_required
from portal.db import now
from portal.errors import Invalid
from portal.usage import Asked
from portal.web import render
from portal.web.errors import sentence
from portal.web.spreadsheets import csv_answer, csv_lines

bp = Blueprint("usage", __name__)
SPANS = ("7", "30", "90", "month")  # of days that the page offers
DEFAULT_SPAN = "30"
MAX_CHOICE = 80  # characters: more than a model's name or a key's prefix has
COLUMNS = (
    *("day", "model", "key", "calls", "errors", "compute_ms"),
    *("p50_ms", "p95_ms", "p99_ms"),
)


@dataclass(frozen=True)
class Filters:
    """What the address of the page asks for.

    Attributes:
        days: The span as the page offers it; "" where days were chosen.
        first, last: What the fields of these hold.
        wrong: The field that can't be meant, and why; `asked` is without it then.
    """

    asked: Asked
    days: str
    first: str
    last: str
    wrong: tuple[str, str] | None = None

    @property
    def narrowed(self) -> dict[str, str]:
        """The parts of the address that every span of days keeps."""
        parts = {"model": self.asked.model, "key": self.asked.key}
        return {name: value for name, value in parts.items() if value}

    @property
    def address(self) -> dict[str, str]:
        """The parts of the address that ask for the same."""
        ends = {"from": self.first, "to": self.last}
        return ({"days": self.days} if self.days else ends) | self.narrowed


@bp.get("/usage")
@login_required
def index() -> Response:
    """Show what the user has used."""
    filters = _filters()
    return render(
        "usage/index.html",
        fragment="usage/_usage.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if filters.wrong else HTTPStatus.OK,
        usage=usage.summary(current_user, filters.asked),
        filters=filters,
        spans=SPANS,
        today=now().date(),
    )


@bp.get("/usage.csv")
@login_required
def csv_export() -> Response:
    """Send the user's usage as CSV, a line for each day, model and key."""
    filters = _filters()
    if filters.wrong:
        field, message = filters.wrong
        raise Invalid(message, f"/{field}")
    rows = _rows(usage.cells(current_user, filters.asked))
    span = filters.asked.span
    name = f"usage-{span.first}-to-{span.last}.csv"
    return csv_answer(csv_lines([COLUMNS, *rows]), name)


@bp.app_template_filter()
def day_month(day: str) -> str:
    """Write a day (ISO) without its year, as below the columns of a chart."""
    return str(format_date(date.fromisoformat(day), "d MMM"))


def _filters() -> Filters:
    """Return what the address asks for; what is no choice of ours is ignored."""
    first, last, days = _text("from"), _text("to"), _text("days")
    model, key = _text("model"), _text("key")
    days = days if days in SPANS else DEFAULT_SPAN
    span = usage.this_month() if days == "month" else usage.last_days(int(days))
    if first or last:
        try:
            span, days = usage.span_of(first, last), ""
        except Invalid as refusal:
            wrong = refusal.field, sentence(refusal)
            return Filters(Asked(span, model, key), days, first, last, wrong)
    first, last = span.first.isoformat(), span.last.isoformat()
    return Filters(Asked(span, model, key), days, first, last)


def _text(name: str) -> str:
    text = request.args.get(name, "")
    return "".join(char for char in text if char.isprintable()).strip()[:MAX_CHOICE]


def _rows(cells: Iterable[usage.Cell]) -> Iterator[tuple[object, ...]]:
    for cell in cells:
        found = cell.sum
        compute_ms = round(found.compute_ms, 1)
        within_ms = (found.p50_ms, found.p95_ms, found.p99_ms)
        yield (
            *(cell.day.text, cell.model.text, cell.key.text),
            *(found.calls, found.errors, compute_ms),
            *(round(ms, 1) for ms in within_ms),
        )
