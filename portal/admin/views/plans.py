"""The back office's room for the plans."""

from http import HTTPStatus

from flask import Blueprint, Response, flash, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug import Response as Redirect

from portal import catalog, plans
from portal.accounts.login import role_required
from portal.accounts.tables import Role
from portal.admin import plans as deeds
from portal.admin.plan_form import PlanForm
from portal.db import db
from portal.errors import Conflict, Invalid, PortalError
from portal.extensions import config
from portal.plans import Plan
from portal.web import render, see_other
from portal.web.errors import sentence

bp = Blueprint("admin_plans", __name__, url_prefix="/admin/plans")


@bp.get("")
@role_required(Role.OWNER)
def index() -> Response:
    """Show the plans, and a form that makes one."""
    form = _form(plans.default())
    form.name.data = ""
    return _list(form)


@bp.post("")
@role_required(Role.OWNER)
def create() -> Response | Redirect:
    """Make a plan."""
    form = _form(plans.default())
    try:
        plan = deeds.create(
            str(form.name.data or "").strip(), form.terms, actor_id=current_user.id
        )
    except (Invalid, Conflict) as refusal:
        return _list(form, refusal)
    db.session.commit()
    flash(_("The plan “%(name)s” is there.", name=plan.name), "good")
    return see_other(url_for(".index"))


@bp.get("/<name>")
@role_required(Role.OWNER)
def plan(name: str) -> Response:
    """Show a plan, and a form that changes it."""
    found = plans.find(name)
    return _plan(found, _form(found))


@bp.post("/<name>")
@role_required(Role.OWNER)
def change(name: str) -> Response | Redirect:
    """Change a plan."""
    found = plans.find(name)
    form = _form(found)
    try:
        deeds.change(found, form.terms, actor_id=current_user.id)
    except Invalid as refusal:
        return _plan(found, form, refusal)
    db.session.commit()
    flash(_("The plan “%(name)s” is changed.", name=name), "good")
    return see_other(url_for(".plan", name=name))


@bp.post("/<name>/deletion")
@role_required(Role.OWNER)
def delete(name: str) -> Response | Redirect:
    """Delete a plan that nobody has."""
    found = plans.find(name)
    try:
        plans.delete(found, actor_id=current_user.id)
    except Conflict as refusal:
        db.session.rollback()
        return _plan(found, _form(found, is_fresh=True), refusal)
    db.session.commit()
    flash(_("The plan “%(name)s” is deleted.", name=name), "good")
    return see_other(url_for(".index"))


def _form(plan: Plan, *, is_fresh: bool = False) -> PlanForm:
    names = (model.name for model in catalog.list_all())
    return PlanForm(plan, names, is_fresh=is_fresh)


def _list(form: PlanForm, refusal: PortalError | None = None) -> Response:
    status = _show(form, refusal)
    return render(
        "admin/plans/index.html",
        status=status,
        rows=deeds.rows(),
        form=form,
        max_upload_mb=config().max_upload_mb,
    )


def _plan(plan: Plan, form: PlanForm, refusal: PortalError | None = None) -> Response:
    is_conflict = isinstance(refusal, Conflict)
    status = _show(form, None if is_conflict else refusal)
    (row,) = [row for row in deeds.rows() if row.plan.id == plan.id]
    return render(
        "admin/plans/plan.html",
        status=refusal.status if refusal and is_conflict else status,
        row=row,
        form=form,
        refusal=sentence(refusal) if refusal and is_conflict else "",
        max_upload_mb=config().max_upload_mb,
    )


def _show(form: PlanForm, refusal: PortalError | None) -> HTTPStatus:
    """Show *refusal* in *form*; return the status of a page with it."""
    if refusal is None:
        return HTTPStatus.OK
    db.session.rollback()
    form.show(refusal)
    return HTTPStatus.UNPROCESSABLE_ENTITY
