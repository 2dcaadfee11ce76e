"""The back office's room for the outbox."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from werkzeug import Response as Redirect

from portal import mail as outbox
from portal.accounts.login import role_required
from portal.accounts.tables import Role
from portal.admin import mail
from portal.db import db
from portal.errors import Conflict
from portal.mail import MessageSearch, MessageState, OutgoingMessage
from portal.web import render, see_other
from portal.web.errors import sentence
from portal.web.pagination import page_asked_for

bp = Blueprint("admin_mail", __name__, url_prefix="/admin/mail")
# A larger number is no id that the database can hold.
ONE_MESSAGE = "/<int(max=2147483647):message_id>"


@bp.get("")
@role_required(Role.OWNER)
def index() -> Response:
    """Show the outbox."""
    wanted = _wanted()
    return render(
        "admin/mail/index.html",
        fragment="admin/mail/_mail.html",
        outbox=mail.outbox(wanted, before=page_asked_for()),
        wanted=wanted,
        asked=_asked(wanted),
        kinds=mail.KINDS,
    )


@bp.get(ONE_MESSAGE)
@role_required(Role.OWNER)
def message(message_id: int) -> Response:
    """Show one message; to see a secret in it leaves a trace."""
    return _page(outbox.find(message_id))


@bp.post(f"{ONE_MESSAGE}/retry")
@role_required(Role.OWNER)
def retry(message_id: int) -> Response | Redirect:
    """Send a message again."""
    message = outbox.find(message_id)
    try:
        mail.retry(message, actor_id=current_user.id)
    except Conflict as refusal:
        db.session.rollback()
        return _page(message, refusal)
    db.session.commit()
    flash(_("The message is queued again."), "good")
    return see_other(url_for("admin_mail.message", message_id=message.id))


@bp.post("/retry")
@role_required(Role.OWNER)
def retry_refused() -> Redirect:
    """Send everything again that was refused of late."""
    count = mail.retry_refused(actor_id=current_user.id)
    db.session.commit()
    words = ("%(num)d message is queued again.", "%(num)d messages are queued again.")
    flash(ngettext(*words, count), "good" if count else "info")
    return see_other(url_for("admin_mail.index", **_asked(_wanted())))


def _page(message: OutgoingMessage, refusal: Conflict | None = None) -> Response:
    reading = mail.read(message, actor_id=current_user.id)
    db.session.commit()
    return render(
        "admin/mail/message.html",
        status=refusal.status if refusal else HTTPStatus.OK,
        reading=reading,
        kinds=mail.KINDS,
        refusal=sentence(refusal) if refusal else "",
    )


def _wanted() -> MessageSearch:
    """Return what the address asks for; a filter that there isn't is ignored."""
    return MessageSearch(
        text=request.args.get("q", ""),
        state=request.args.get("state", type=MessageState),
    )


def _asked(wanted: MessageSearch) -> dict[str, Any]:
    """Return the address of the list as it is shown, without what is left out."""
    asked = {"q": wanted.text, "state": str(wanted.state or "")}
    return {name: value for name, value in asked.items() if value}
