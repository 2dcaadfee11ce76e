"""The back office's room for the published models and their versions."""

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from werkzeug import Response as Redirect

from portal import catalog
from portal.accounts.login import role_required
from portal.accounts.tables import Role
from portal.admin.models import Asked, list_page, model_page
from portal.catalog import Visibility
from portal.db import db
from portal.errors import Conflict, Invalid
from portal.web import render, see_other
from portal.web.errors import sentence
from portal.web.pagination import page_asked_for

bp = Blueprint("admin_models", __name__, url_prefix="/admin/models")


@bp.get("")
@role_required(Role.PUBLISHER)
def index() -> Response:
    """Show the published models."""
    return render(
        "admin/models/index.html",
        fragment="admin/models/_models.html",
        **list_page(current_user, Asked.now()),
    )


@bp.get("/<name>")
@role_required(Role.PUBLISHER)
def model(name: str) -> Response:
    """Show a model and its versions."""
    return _page(name)


@bp.post("/<name>/live-version")
@role_required(Role.PUBLISHER)
def make_live(name: str) -> Response | Redirect:
    """Let another version of a model answer."""
    number, seen = _number("version"), _number("live")
    return _change(name, catalog.promote, number=number, seen=seen)


@bp.post("/<name>/rollback")
@role_required(Role.PUBLISHER)
def roll_back(name: str) -> Response | Redirect:
    """Let the version answer that did before."""
    return _change(name, catalog.roll_back, seen=_number("live"))


@bp.post("/<name>/withdrawal")
@role_required(Role.PUBLISHER)
def withdraw(name: str) -> Response | Redirect:
    """Take a model off."""
    return _change(name, catalog.withdraw)


@bp.post("/<name>/restoration")
@role_required(Role.PUBLISHER)
def restore(name: str) -> Response | Redirect:
    """Bring a withdrawn model back."""
    return _change(name, catalog.restore)


@bp.post("/<name>/visibility")
@role_required(Role.PUBLISHER)
def set_visibility(name: str) -> Response | Redirect:
    """Let others find a model, or find it no more."""
    return _change(name, catalog.set_visibility, visibility=_visibility())


def _change(
    name: str, deed: Callable[..., object], **values: object
) -> Response | Redirect:
    """Do *deed* to the model *name*; say in its page what stands against it."""
    model = catalog.find_theirs(name, actor=current_user)
    try:
        deed(model, actor_id=current_user.id, **values)
    except Conflict as refusal:
        db.session.rollback()
        return _page(name, HTTPStatus.CONFLICT, refusal=sentence(refusal))
    db.session.commit()
    return see_other(url_for(".model", name=name, before=page_asked_for()))


def _page(name: str, status: HTTPStatus = HTTPStatus.OK, refusal: str = "") -> Response:
    return render(
        "admin/models/model.html",
        fragment="admin/models/_model.html",
        status=status,
        refusal=refusal,
        **model_page(current_user, name),
    )


def _number(field: str) -> int:
    number = request.form.get(field, type=int)
    if number is None:
        message = "%(field)s must be the number of a version."
        raise Invalid(message, f"/{field}", field=field)
    return number


def _visibility() -> Visibility:
    try:
        return Visibility(request.form.get("visibility", ""))
    except ValueError:
        message = "visibility must be public, unlisted or private."
        raise Invalid(message, "/visibility") from None
