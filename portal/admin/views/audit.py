"""The back office's room for what happened, and who did it."""

from collections.abc import Callable, Iterator
from datetime import date

from flask import Blueprint, Response, current_app, request
from flask.ctx import AppContext

from portal.accounts.login import role_required
from portal.accounts.tables import Role
from portal.admin import audit
from portal.admin.actions import CHOICES
from portal.admin.audit import Asked
from portal.web import render
from portal.web.pagination import page_asked_for
from portal.web.spreadsheets import csv_answer

bp = Blueprint("admin_audit", __name__, url_prefix="/admin")
MAX_PERSON = 255  # characters: one more than an address can have
MAX_SUBJECT = 100  # as many as the table keeps


@bp.get("/audit")
@role_required(Role.OWNER)
def index() -> Response:
    """Show what happened, and who did it."""
    asked = _asked()
    return render(
        "admin/audit/index.html",
        fragment="admin/audit/_audit.html",
        asked=asked,
        found=audit.page(asked, before=page_asked_for()),
        choices=list(CHOICES.items()),
        csv_rows=audit.CSV_ROWS,
    )


@bp.get("/audit.csv")
@role_required(Role.OWNER)
def csv_export() -> Response:
    """Send the events that the list is made of, as CSV."""
    parts = _in_contexts(current_app.app_context, audit.csv_of(_asked()))
    return csv_answer(parts, "audit-trail.csv")


def _in_contexts(
    context: Callable[[], AppContext], parts: Iterator[str]
) -> Iterator[str]:
    """Yield *parts*, each made in a *context* of its own.

    With `stream_with_context` one would stay open between two parts, and end
    wherever an answer that nobody reads to its end is thrown away.
    """
    while True:
        with context():
            part = next(parts, None)
        if part is None:
            break
        yield part


def _asked() -> Asked:
    """Return what the address asks for; what can't be meant is ignored."""
    action = request.args.get("action", "")
    return Asked(
        action=action if action in CHOICES else "",
        person=_printable("person", MAX_PERSON),
        subject=_printable("subject", MAX_SUBJECT),
        first=request.args.get("from", type=date.fromisoformat),
        last=request.args.get("to", type=date.fromisoformat),
    )


def _printable(name: str, max_chars: int) -> str:
    """Return that part of the address; no name in the trail has other characters."""
    text = request.args.get(name, "")
    return "".join(char for char in text if char.isprintable()).strip()[:max_chars]
