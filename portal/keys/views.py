"""The page of a user's API keys."""

from http import HTTPStatus

from flask import Blueprint, Response, flash, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug import Response as Redirect

from portal import keys
from portal.accounts.login import login_required
from portal.db import db
from portal.errors import Conflict, Invalid
from portal.keys.forms import KeyForm, RenameForm, RestrictionsForm, RotationForm
from portal.web import render, see_other

bp = Blueprint("keys", __name__, url_prefix="/keys")
# A larger number is no id that the database can hold.
ONE_KEY = "/<int(max=2147483647):key_id>"


@bp.get("")
@login_required
def index() -> Response:
    """Show the user's keys."""
    return _page(_fresh_form())


@bp.post("")
@login_required
def create() -> Response:
    """Create a key and show its secret, this once."""
    form = KeyForm(current_user)
    if not form.validate():
        return _page(form, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        issued = keys.issue(
            current_user,
            name=form.name.data or "",
            scopes=form.chosen_scopes,
            restrictions=form.restrictions(),
            expires_in=form.lifetime,
            actor_id=current_user.id,
        )
    except (Invalid, keys.KeysExhausted) as refusal:
        db.session.rollback()
        form.show(refusal)
        return _page(form, HTTPStatus.UNPROCESSABLE_ENTITY)
    db.session.commit()
    return _page(_fresh_form(), HTTPStatus.CREATED, secret=issued.secret)


@bp.get(ONE_KEY)
@login_required
def show(key_id: int) -> Response:
    """Show one of the user's keys."""
    api_key = keys.find(key_id, owner=current_user)
    return _key_page(api_key)


@bp.post(f"{ONE_KEY}/restrictions")
@login_required
def restrict(key_id: int) -> Response | Redirect:
    """Narrow one of the user's keys to other models, addresses or web pages."""
    api_key = keys.find(key_id, owner=current_user)
    form = RestrictionsForm()
    try:
        keys.restrict(api_key, form.restrictions(), actor_id=current_user.id)
    except Invalid as refusal:
        db.session.rollback()
        form.show(refusal)
        return _key_page(api_key, HTTPStatus.UNPROCESSABLE_ENTITY, restricting=form)
    db.session.commit()
    flash(_("The restrictions are saved. They hold within a second."), "good")
    return see_other(url_for("keys.show", key_id=key_id))


@bp.post(f"{ONE_KEY}/rotation")
@login_required
def rotate(key_id: int) -> Response:
    """Give one of the user's keys a new secret and show it, this once."""
    api_key = keys.find(key_id, owner=current_user)
    form = RotationForm()
    if not form.validate():
        return _key_page(api_key, HTTPStatus.UNPROCESSABLE_ENTITY, rotating=form)
    try:
        issued = keys.rotate(
            api_key,
            prefix=form.prefix.data or api_key.prefix,
            until=form.until,
            actor_id=current_user.id,
        )
    except (Invalid, Conflict) as refusal:
        db.session.rollback()
        form.show(refusal)
        return _key_page(api_key, refusal.status, rotating=form)
    db.session.commit()
    return _key_page(api_key, HTTPStatus.CREATED, secret=issued.secret)


@bp.post(f"{ONE_KEY}/previous-secret/ending")
@login_required
def end_previous_secret(key_id: int) -> Redirect:
    """End the secret that one of the user's keys had before its last rotation."""
    api_key = keys.find(key_id, owner=current_user)
    keys.end_previous(api_key, actor_id=current_user.id)
    db.session.commit()
    flash(_("The old secret is ended."), "good")
    return see_other(url_for("keys.show", key_id=key_id))


@bp.post(f"{ONE_KEY}/name")
@login_required
def rename(key_id: int) -> Redirect:
    """Give one of the user's keys another name."""
    api_key = keys.find(key_id, owner=current_user)
    form = RenameForm(key_id)
    try:
        keys.rename(api_key, form.name.data or "", actor_id=current_user.id)
    except Invalid as refusal:
        db.session.rollback()
        form.show(refusal)
        return _page(_fresh_form(), HTTPStatus.UNPROCESSABLE_ENTITY, renaming=form)
    db.session.commit()
    return see_other(url_for("keys.index"))


@bp.post(f"{ONE_KEY}/revocation")
@login_required
def revoke(key_id: int) -> Redirect:
    """Revoke one of the user's keys."""
    api_key = keys.find(key_id, owner=current_user)
    keys.revoke(api_key, actor_id=current_user.id)
    db.session.commit()
    return see_other(url_for("keys.index"))


@bp.post(f"{ONE_KEY}/deletion")
@login_required
def delete(key_id: int) -> Redirect:
    """Delete one of the user's keys that is revoked or expired."""
    api_key = keys.find(key_id, owner=current_user)
    keys.delete(api_key, actor_id=current_user.id)
    db.session.commit()
    return see_other(url_for("keys.index"))


def _fresh_form() -> KeyForm:
    return KeyForm(current_user, is_sent=False)


def _page(
    form: KeyForm,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    secret: str = "",
    renaming: RenameForm | None = None,
) -> Response:
    plan = current_user.plan
    form.offer(plan)
    response = render(
        "keys/index.html",
        fragment="keys/_keys.html",
        status=status,
        form=form,
        keys=keys.list_of(current_user),
        is_full=keys.active_count(current_user) >= plan.max_keys,
        plan=plan,
        scope_hints={str(scope): str(scope) for scope in keys.Scope},
        secret=secret,
        renaming=renaming,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _key_page(
    api_key: keys.ApiKey,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    restricting: RestrictionsForm | None = None,
    rotating: RotationForm | None = None,
    secret: str = "",
) -> Response:
    response = render(
        "keys/key.html",
        status=status,
        key=api_key,
        restricting=restricting or RestrictionsForm.of(api_key.restrictions),
        rotating=rotating or RotationForm.of(api_key),
        secret=secret,
    )
    response.headers["Cache-Control"] = "no-store"
    return response
