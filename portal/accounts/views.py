"""Signing up, logging in and out, links from messages, and the account page."""

import secrets
from http import HTTPStatus
from typing import Any

from flask import Blueprint, flash, request, url_for
from flask import session as cookie
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug import Response

from portal import accounts
from portal.accounts import login
from portal.accounts.errors import LinkRefused, SetUpDone, UserSuspended
from portal.accounts.forms import (
    AccountForm,
    AddressForm,
    CredentialsForm,
    LoginForm,
    NewPasswordForm,
    PasswordChangeForm,
    SignupPasswordForm,
)
from portal.accounts.pacing import lasting_at_least
from portal.accounts.tables import User
from portal.db import db
from portal.errors import Invalid, LimitExceeded, PortalError
from portal.extensions import limiter
from portal.web import client_network, local_path, render, see_other

HOME = "/"
# Per address of the client.
SIGNUPS = "10/hour"
RESENDS = "20/hour"
RESETS = "20/hour"
# Longer than a mail takes to be made and kept: nobody can tell whether one was.
LINK_ANSWER_S = 0.25
bp = Blueprint("accounts", __name__)


@bp.route("/signup", methods=["GET", "POST"])
@limiter.limit(SIGNUPS, methods=["POST"])
def sign_up() -> Response:
    """Sign up."""
    if current_user.is_authenticated:
        return see_other(HOME)
    accounts.check_signup_is_open()
    form = CredentialsForm()
    if not form.validate_on_submit():
        return _page("accounts/signup.html", form)
    signup_nonce = secrets.token_urlsafe(32)
    try:
        accounts.sign_up(
            form.typed("email"), form.typed("password"), signup_nonce=signup_nonce
        )
    except Invalid as refusal:
        return _page("accounts/signup.html", form, refusal)
    db.session.commit()
    cookie["signup_nonce"] = signup_nonce
    cookie["pending_address"] = form.typed("email").strip()
    return see_other(url_for("accounts.verify_email"))


@bp.route("/login", methods=["GET", "POST"])
def log_in() -> Response:
    """Log in."""
    if current_user.is_authenticated:
        return see_other(HOME)
    form = LoginForm()
    target = local_path(form.typed("next") or request.args.get("next"), HOME)
    form.next.data = target
    if not form.validate_on_submit():
        return _page("accounts/login.html", form)
    try:
        user = accounts.log_in(
            form.typed("email"), form.typed("password"), network=client_network()
        )
    except (Invalid, LimitExceeded, UserSuspended) as refusal:
        db.session.commit()
        return _page("accounts/login.html", form, refusal)
    response = see_other(target)
    login.begin(response, user, is_remembered=bool(form.remember.data))
    db.session.commit()
    return response


@bp.post("/logout")
def log_out() -> Response:
    """Log this browser out."""
    response = see_other(HOME)
    login.end(response)
    db.session.commit()
    return response


@bp.route("/verify-email", methods=["GET", "POST"])
@limiter.limit(RESENDS, methods=["POST"])
def verify_email() -> Response:
    """Wait for the link; send it again."""
    if current_user.is_verified:
        return see_other(url_for("keys.index"))
    address = current_user.email or cookie.get("pending_address", "")
    form = AddressForm(data={"email": address})
    if not form.validate_on_submit():
        return _page("accounts/verify_email.html", form, address=address)
    try:
        with lasting_at_least(LINK_ANSWER_S):
            accounts.resend_verification(form.typed("email"))
            db.session.commit()
    except Invalid as refusal:
        return _page("accounts/verify_email.html", form, refusal, address=address)
    cookie["pending_address"] = form.typed("email").strip()
    flash(_("If this address waits to be confirmed, a new link is on its way."), "good")
    return see_other(url_for("accounts.verify_email"))


@bp.route("/verify-email/<token>", methods=["GET", "POST"])
def confirm_email(token: str) -> Response:
    """Ask for the press of a button, then verify the address."""
    # Mail scanners open links, so only the POST behind the button uses one up.
    form = SignupPasswordForm()
    try:
        user = accounts.check_verification(token)
        if request.method != "POST":
            return _confirm_page(form, user)
        if not _chose_password(user):
            accounts.prove_signup_password(
                user, form.typed("password"), network=client_network()
            )
        user = accounts.verify(token, login_token=login.current_token())
    except LinkRefused as refusal:
        address = AddressForm(formdata=None, data=_pending_address())
        return _refused_link("accounts/verify_email_refused.html", address, refusal)
    except (Invalid, LimitExceeded) as refusal:
        db.session.commit()
        return _confirm_page(form, user, refusal)
    response = see_other(url_for("keys.index"))
    if current_user.id == user.id:
        login.renew(response)
    else:
        login.begin(response, user)
    db.session.commit()
    flash(_("Your address is confirmed."), "good")
    return response


@bp.get("/account")
@login.login_required
def account() -> Response:
    """Show the user's account."""
    return _account_page(PasswordChangeForm())


@bp.post("/account/password")
@login.login_required
def change_password() -> Response:
    """Change the user's password."""
    form = PasswordChangeForm()
    try:
        accounts.change_password(
            accounts.find(current_user.id),
            form.typed("current_password"),
            form.typed("password"),
            login_token=login.current_token(),
            network=client_network(),
        )
    except (Invalid, LimitExceeded) as refusal:
        db.session.commit()
        return _account_page(form, refusal)
    response = see_other(url_for("accounts.account"))
    login.renew(response)
    db.session.commit()
    flash(_("Your password is changed. Other browsers are logged out."), "good")
    return response


@bp.post("/account/sessions/ending")
@login.login_required
def log_out_everywhere() -> Response:
    """Log every browser of the user out, this one too."""
    accounts.end_login_sessions(accounts.find(current_user.id))
    response = see_other(url_for("accounts.log_in"))
    login.end(response)
    db.session.commit()
    flash(_("You are logged out everywhere."), "good")
    return response


@bp.route("/forgot-password", methods=["GET", "POST"])
@limiter.limit(RESETS, methods=["POST"])
def forgot_password() -> Response:
    """Have a link mailed that sets a new password."""
    form = AddressForm(data={"email": current_user.email})
    if not form.validate_on_submit():
        is_sent = "sent" in request.args
        return _page("accounts/forgot_password.html", form, is_sent=is_sent)
    try:
        with lasting_at_least(LINK_ANSWER_S):
            accounts.mail_reset_link(form.typed("email"))
            db.session.commit()
    except Invalid as refusal:
        return _page("accounts/forgot_password.html", form, refusal, is_sent=False)
    return see_other(url_for("accounts.forgot_password", sent="yes"))


@bp.route("/reset-password/<token>", methods=["GET", "POST"])
def reset_password(token: str) -> Response:
    """Set a password."""
    form = NewPasswordForm()
    try:
        user = accounts.check_set_password(token)
        if not form.validate_on_submit():
            return _without_referrer(
                _page("accounts/reset_password.html", form, user=user)
            )
        accounts.set_password(token, form.typed("password"))
    except LinkRefused as refusal:
        return _refused_link("accounts/reset_password_refused.html", form, refusal)
    except Invalid as refusal:
        page = _page("accounts/reset_password.html", form, refusal, user=user)
        return _without_referrer(page)
    db.session.commit()
    flash(_("Your password is set. Log in with it."), "good")
    return see_other(url_for("accounts.log_in"))


@bp.route("/setup/<token>", methods=["GET", "POST"])
def set_up(token: str) -> Response:
    """Make the first owner."""
    form = CredentialsForm()
    try:
        accounts.check_setup(token)
        if not form.validate_on_submit():
            return _without_referrer(_page("accounts/setup.html", form))
        user = accounts.set_up(token, form.typed("email"), form.typed("password"))
    except (LinkRefused, SetUpDone) as refusal:
        return _refused_link("accounts/link_refused.html", form, refusal)
    except Invalid as refusal:
        return _without_referrer(_page("accounts/setup.html", form, refusal))
    response = see_other(HOME)
    login.begin(response, user)
    db.session.commit()
    flash(_("You are the owner of this portal."), "good")
    return response


def _page(
    template: str,
    form: AccountForm,
    refusal: PortalError | None = None,
    **context: Any,  # noqa: ANN401 - a template takes anything
) -> Response:
    """Answer with the form, and with what is wrong in it."""
    if refusal is None:
        return render(template, form=form, **context)
    db.session.rollback()
    form.show(refusal)
    page = render(template, status=refusal.status, form=form, **context)
    page.headers.update(refusal.headers)
    return page


def _account_page(
    form: PasswordChangeForm, refusal: PortalError | None = None
) -> Response:
    return _page(
        "accounts/account.html",
        form,
        refusal,
        plan=current_user.plan,
        browsers=accounts.count_login_sessions(current_user),
    )


def _refused_link(template: str, form: AccountForm, refusal: PortalError) -> Response:
    db.session.rollback()
    page = render(template, status=HTTPStatus.NOT_FOUND, form=form, refusal=refusal)
    return _without_referrer(page)


def _without_referrer(page: Response) -> Response:
    # The address of these pages holds a token.
    page.headers["Referrer-Policy"] = "no-referrer"
    return page


def _pending_address() -> dict[str, str]:
    return {"email": current_user.email or cookie.get("pending_address", "")}


def _chose_password(user: User) -> bool:
    """Whether this browser is known to be of who chose the password of *user*."""
    return current_user.id == user.id or accounts.is_signup_browser(
        user, cookie.get("signup_nonce")
    )


def _confirm_page(
    form: SignupPasswordForm, user: User, refusal: PortalError | None = None
) -> Response:
    page = _page(
        "accounts/confirm_email.html",
        form,
        refusal,
        user=user,
        asks_password=not _chose_password(user),
    )
    return _without_referrer(page)
