"""The back office's room for the people who can log in."""

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug import Response as Redirect

from portal import accounts, keys, plans
from portal.accounts import Role, User, UserSearch, UserStatus, login
from portal.accounts.login import role_required
from portal.admin import people
from portal.admin.actions import ACTIONS
from portal.db import db
from portal.errors import Conflict, Invalid, PortalError
from portal.plans import Plan, PlanNotFound
from portal.web import render, see_other
from portal.web.errors import sentence
from portal.web.pagination import page_asked_for

E = TypeVar("E", bound=StrEnum)
bp = Blueprint("admin_people", __name__, url_prefix="/admin/people")
# A larger number is no id that the database can hold.
ONE_PERSON = "/<int(max=2147483647):user_id>"
ONE_KEY = "/keys/<int(max=2147483647):key_id>"


@bp.get("")
@role_required(Role.OWNER)
def index() -> Response:
    """Show the people who can log in."""
    return _list()


@bp.get(ONE_PERSON)
@role_required(Role.OWNER)
def person(user_id: int) -> Response:
    """Show one person."""
    return _person(accounts.find(user_id))


@bp.post(f"{ONE_PERSON}/suspension")
@role_required(Role.OWNER)
def suspend(user_id: int) -> Redirect:
    """Shut a person out."""
    user = accounts.find(user_id)
    return _do(
        lambda: accounts.suspend(user, actor_id=current_user.id),
        user,
        _("%(email)s is suspended.", email=user.email),
    )


@bp.post(f"{ONE_PERSON}/restoration")
@role_required(Role.OWNER)
def restore(user_id: int) -> Redirect:
    """Let a suspended person in again."""
    user = accounts.find(user_id)
    return _do(
        lambda: accounts.restore(user, actor_id=current_user.id),
        user,
        _("%(email)s can log in again.", email=user.email),
    )


@bp.post(f"{ONE_PERSON}/role")
@role_required(Role.OWNER)
def change_role(user_id: int) -> Redirect:
    """Give a person another role."""
    user = accounts.find(user_id)
    return _do(
        lambda: accounts.set_role(user, _role(), actor_id=current_user.id),
        user,
        _("The role of %(email)s is changed.", email=user.email),
        ends_logins=user.role != request.form.get("role"),
    )


@bp.post(f"{ONE_PERSON}/plan")
@role_required(Role.OWNER)
def change_plan(user_id: int) -> Redirect:
    """Give a person another plan."""
    user = accounts.find(user_id)
    return _do(
        lambda: accounts.assign_plan(user, _plan(), actor_id=current_user.id),
        user,
        _("The plan of %(email)s is changed.", email=user.email),
    )


@bp.post(f"{ONE_PERSON}/sessions/ending")
@role_required(Role.OWNER)
def end_logins(user_id: int) -> Redirect:
    """Log every browser of a person out."""
    user = accounts.find(user_id)
    return _do(
        lambda: accounts.end_logins(user, actor_id=current_user.id),
        user,
        _("%(email)s is logged out everywhere.", email=user.email),
        ends_logins=True,
    )


@bp.post(f"{ONE_PERSON}/reset-link")
@role_required(Role.OWNER)
def mail_reset_link(user_id: int) -> Redirect:
    """Mail a person a link that sets a new password."""
    user = accounts.find(user_id)
    return _do(
        lambda: accounts.help_with_password(user, actor_id=current_user.id),
        user,
        _("A link that sets a new password is on its way."),
    )


@bp.post(f"{ONE_PERSON}/verification-link")
@role_required(Role.OWNER)
def mail_verification_link(user_id: int) -> Redirect:
    """Mail a person another link that verifies the address."""
    user = accounts.find(user_id)
    return _do(
        lambda: accounts.help_with_verification(user, actor_id=current_user.id),
        user,
        _("A link that verifies the address is on its way."),
    )


@bp.post(f"{ONE_PERSON}{ONE_KEY}/revocation")
@role_required(Role.OWNER)
def revoke_key(user_id: int, key_id: int) -> Redirect:
    """Revoke a key of a person."""
    user = accounts.find(user_id)
    api_key = keys.find(key_id, owner=user)
    return _do(
        lambda: keys.revoke(api_key, actor_id=current_user.id),
        user,
        _("The key is revoked."),
    )


def _do(
    deed: Callable[[], None], user: User, said: str, *, ends_logins: bool = False
) -> Redirect:
    """Do it and go back to where it was asked for; a refusal is said there."""
    try:
        deed()
    except (Conflict, Invalid, PlanNotFound) as refusal:
        db.session.rollback()
        return _person(user, refusal) if _is_on_person() else _list(refusal)
    if ends_logins and user.id == current_user.id:
        return _log_out(said)
    db.session.commit()
    if not _is_on_person():
        return see_other(url_for("admin_people.index", **_asked()))
    flash(said, "good")
    return see_other(url_for("admin_people.person", user_id=user.id))


def _log_out(said: str) -> Redirect:
    """Send owners who ended their own login where they can begin another."""
    response = see_other(url_for("accounts.log_in"))
    login.end(response)
    db.session.commit()
    flash(said, "good")
    return response


def _list(refusal: PortalError | None = None) -> Response:
    wanted = _wanted()
    return render(
        "admin/people/index.html",
        fragment="admin/people/_people.html",
        status=refusal.status if refusal else HTTPStatus.OK,
        found=people.page(wanted, before=page_asked_for()),
        wanted=wanted,
        plans=plans.list_all(),
        filters=_filters(wanted),
        place=_asked(),
        refusal=sentence(refusal) if refusal else "",
    )


def _person(user: User, refusal: PortalError | None = None) -> Response:
    return render(
        "admin/people/person.html",
        status=refusal.status if refusal else HTTPStatus.OK,
        person=people.person(user),
        actions=ACTIONS,
        plans=plans.list_all(),
        place={"back": "person"},
        refusal=sentence(refusal) if refusal else "",
    )


def _is_on_person() -> bool:
    """Whether the form stood on the page of one person, not in the list."""
    return request.args.get("back") == "person"


def _wanted() -> UserSearch:
    """Return what the address asks for; a filter that there isn't is ignored."""
    return UserSearch(
        text=request.args.get("q", ""),
        role=_one_of(Role, request.args.get("role")),
        status=_one_of(UserStatus, request.args.get("status")),
        plan=plans.find_if_any(request.args.get("plan", "")),
    )


def _filters(wanted: UserSearch) -> dict[str, Any]:
    """Return *wanted* as it stands in an address, without what is left out."""
    values = {
        "q": wanted.text,
        "role": wanted.role,
        "status": wanted.status,
        "plan": wanted.plan.name if wanted.plan else None,
    }
    return {name: str(value) for name, value in values.items() if value}


def _asked() -> dict[str, Any]:
    """Return the address of the list as it is shown."""
    before = page_asked_for()
    return _filters(_wanted()) | ({"before": before} if before else {})


def _one_of(kind: type[E], value: str | None) -> E | None:
    return kind(value) if value in set(kind) else None


def _role() -> Role:
    """Return the role that the form asks for.

    Raises:
        Invalid: There is no such role.
    """
    role = _one_of(Role, request.form.get("role"))
    if role is None:
        raise Invalid(
            "There is no such role. Choose user, publisher or owner.", pointer="/role"
        )
    return role


def _plan() -> Plan:
    """Return the plan that the form asks for.

    Raises:
        Invalid: There is no such plan.
    """
    name = request.form.get("plan", "")
    plan = plans.find_if_any(name)
    if plan is None:
        raise Invalid("There is no plan “%(name)s”.", pointer="/plan", name=name[:40])
    return plan
