"""The login cookie: reading it, writing it, and what needs it.

Flask-Login asks `_user_of_cookie` who a request comes from; its own session
keys and remember cookie are not used. The cookie holds the token of a
`LoginSession`, which is also `g.login_session` while somebody is logged in. A
session that is remembered has a cookie that outlives the browser's own session.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Request, after_this_request, g, request, url_for
from flask import session as cookie
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError
from werkzeug import Response

from portal import accounts, audit, extensions
from portal.accounts.errors import RoleMissing
from portal.accounts.login_sessions import REMEMBERED
from portal.accounts.tables import LoginSession, Role, User
from portal.config import Config
from portal.db import db
from portal.web import client_address, local_path, see_other
from portal.web.errors import is_api
from portal.web.redirects import current_path
from portal.web.request_log import add_fields

P = ParamSpec("P")
R = TypeVar("R")
View = Callable[P, R]
# Bottom up: whoever has a role may do what those before it may.
RANKS = tuple(Role)
NO_PAGES = ("static", "health.")  # endpoints


class Visitor:
    """Somebody who isn't logged in."""

    id = None
    email = ""
    role = ""
    is_authenticated = False
    is_active = False
    is_anonymous = True
    is_verified = False
    is_owner = False

    def get_id(self) -> None:
        """Return nothing: a visitor has no id."""


def init_app(app: Flask, _config: Config) -> None:
    """Let Flask-Login read our cookie in *app*."""
    login_manager = extensions.login_manager
    login_manager.anonymous_user = Visitor
    login_manager.session_protection = None
    login_manager.request_loader(_user_of_cookie)
    # A name no browser can send. Flask-Login would otherwise believe a cookie of
    # that name, from another program on this host, more than ours.
    app.config["REMEMBER_COOKIE_NAME"] = "not used;"
    app.before_request(_load_login)


def cookie_name() -> str:
    """Return the name of the cookie that holds the token."""
    return "__Host-portal" if extensions.config().is_https else "portal"


def current_token() -> str | None:
    """Return the token of the browser that is logged in now."""
    if not current_user.is_authenticated:
        return None
    return request.cookies.get(cookie_name())


def login_required(view: View[P, R]) -> View[P, R | Response]:
    """Send whoever isn't logged in to the login page and back."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        if not current_user.is_authenticated:
            return _answer_visitor()
        return view(*args, **kwargs)

    return guarded


def role_required(role: Role) -> Callable[[View[P, R]], View[P, R | Response]]:
    """Refuse users whose role is less than *role*, and send visitors to log in."""

    def guard(view: View[P, R]) -> View[P, R | Response]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Response:
            if RANKS.index(Role(current_user.role)) < RANKS.index(role):
                raise RoleMissing
            return view(*args, **kwargs)

        return login_required(guarded)

    return guard


def begin(response: Response, user: User, *, is_remembered: bool = False) -> None:
    """Log this browser in as *user*, with a new token and new form tokens."""
    _end_session_of_cookie()
    cookie.clear()
    token = accounts.start_login_session(
        user,
        device=request.user_agent.string,
        address=client_address(),
        is_remembered=is_remembered,
    )
    lasting_s = int(REMEMBERED.idle.total_seconds()) if is_remembered else None
    _write(response, token, lasting_s=lasting_s)


def renew(response: Response) -> None:
    """Give this browser's login a new token, after a change of rights."""
    login_session: LoginSession = g.login_session
    cookie.clear()
    token = accounts.renew_login_session(login_session)
    _write(response, token, lasting_s=accounts.cookie_lasts_s(login_session))


def end(response: Response) -> None:
    """Log this browser out."""
    if current_user.is_authenticated:
        audit.record(
            "login.ended", subject=f"user:{current_user.id}", actor_id=current_user.id
        )
    _end_session_of_cookie()
    cookie.clear()
    g.login_cookie_written = True
    response.delete_cookie(
        cookie_name(),
        path="/",
        secure=extensions.config().is_https,
        httponly=True,
        samesite="Lax",
    )
    # Pages of the one who leaves must not come back with the back button.
    response.headers["Clear-Site-Data"] = '"cache"'


def _user_of_cookie(request: Request) -> User | None:
    """Return the user of the request's cookie; never fail.

    The page of an error shows who is logged in, too, so a lost database is only
    noted here. `_load_login` raises it before any view runs.
    """
    token = request.cookies.get(cookie_name())
    if not token:
        return None
    try:
        login_session = accounts.load_login_session(token)
    except SQLAlchemyError as failure:
        g.login_failure = failure
        return None
    if login_session is None:
        return None
    g.login_session = login_session
    add_fields(user=login_session.user_id)
    return login_session.user


def _load_login() -> None:
    """Find out who asks, and note that their browser was seen."""
    if is_api() or (request.endpoint or "").startswith(NO_PAGES):
        return
    is_known = current_user.is_authenticated
    failure = g.pop("login_failure", None)
    if failure is not None:
        raise failure
    if is_known and accounts.is_seen_anew(g.login_session):
        accounts.mark_seen(g.login_session)
        db.session.commit()
        if g.login_session.is_remembered:
            after_this_request(_prolong)


def _prolong(response: Response) -> Response:
    """Put the end of the cookie off, as that of its session was.

    Not over a cookie that the view wrote, nor in an answer that a cache keeps.
    """
    is_kept = response.cache_control.max_age is not None
    if not is_kept and not g.get("login_cookie_written", False):
        lasting_s = accounts.cookie_lasts_s(g.login_session)
        _write(response, request.cookies[cookie_name()], lasting_s=lasting_s)
    return response


def _answer_visitor() -> Response:
    """Answer 303 to the login page; htmx is told to load it as a whole page."""
    target = url_for("accounts.log_in", next=_page_to_return_to())
    if not bool(getattr(request, "htmx", False)):
        return see_other(target)
    response = Response(status=HTTPStatus.NO_CONTENT)
    response.headers["HX-Redirect"] = target
    return response


def _page_to_return_to() -> str:
    """Return the page that the reader sees: not a fragment, nor a form's target."""
    if getattr(request, "htmx", False):
        seen = urlsplit(request.headers.get("HX-Current-URL", ""))
    elif request.method in {"GET", "HEAD"}:
        return current_path()
    else:
        seen = urlsplit(request.referrer or "")
    if seen.netloc != request.host:
        return "/"
    return local_path(f"{seen.path}?{seen.query}" if seen.query else seen.path, "/")


def _end_session_of_cookie() -> None:
    token = request.cookies.get(cookie_name())
    if token:
        accounts.end_login_session(token)


def _write(response: Response, token: str, *, lasting_s: int | None) -> None:
    """Write the cookie; without *lasting_s* it goes with the browser's session."""
    g.login_cookie_written = True
    response.set_cookie(
        cookie_name(),
        token,
        max_age=lasting_s,
        path="/",
        secure=extensions.config().is_https,
        httponly=True,
        samesite="Lax",
    )
