"""Builds the application. Read top to bottom, it is the table of contents."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_babel import get_locale

from portal import audit, db, extensions
from portal.accounts import commands as user_commands
from portal.accounts import login as login_cookie
from portal.accounts.views import bp as accounts_bp
from portal.admin import commands as mail_commands
from portal.admin import plan_commands
from portal.admin.views import BLUEPRINTS as ADMIN_BLUEPRINTS
from portal.api import cors
from portal.api.health import bp as health_bp
from portal.api.native import bp as api_bp
from portal.api.open_inference import bp as open_inference_bp
from portal.api.openai import bp as openai_bp
from portal.catalog import commands as model_commands
from portal.config import ROOT, Config
from portal.inference import curl_commands, housekeeping
from portal.keys import commands as key_commands
from portal.keys.views import bp as keys_bp
from portal.playground.views import bp as playground_bp
from portal.reference.views import bp as reference_bp
from portal.usage import commands as usage_commands
from portal.usage.views import bp as usage_bp
from portal.web import (
    body,
    errors,
    filters,
    request_ids,
    request_log,
    security,
    static_files,
)
from portal.web.address import client_address
from portal.worker import worker


class _FormsCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, for pages: it holds form tokens and notices."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read it; there is none for an API."""
        if errors.is_api_path(request.path):
            return None
        return super().open_session(app, request)


class _App(Flask):
    """Flask, without what costs every call and serves none."""

    session_interface = _FormsCookie()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return *func*: none of ours is a coroutine, and a call has twenty."""
        return func


def create_app(config: Config) -> Flask:
    """Return the portal as a WSGI application; starts no thread."""
    app = _App(
        "portal",
        root_path=str(ROOT),
        template_folder="templates",
        static_folder="static",
    )
    _configure(app, config)

    request_log.init_app(app)
    body.init_app(app, config.max_upload_bytes)
    security.init_app(app, config)
    db.init_app(app, config)
    extensions.init_app(app, config)
    login_cookie.init_app(app, config)
    housekeeping.init_app(app)
    request_ids.init_app(app)
    errors.init_app(app)
    filters.init_app(app)
    static_files.init_app(app)
    cors.init_app(app)
    _remember_origin(app)
    app.context_processor(lambda: {"locale": str(get_locale() or "en")})
    app.jinja_env.globals["curl_commands"] = lambda secret: curl_commands(
        config.base_url, secret
    )

    app.register_blueprint(playground_bp)
    app.register_blueprint(accounts_bp)
    app.register_blueprint(keys_bp)
    app.register_blueprint(usage_bp)
    app.register_blueprint(reference_bp)
    for admin_bp in ADMIN_BLUEPRINTS:
        app.register_blueprint(admin_bp)
    app.register_blueprint(api_bp)
    app.register_blueprint(open_inference_bp)
    app.register_blueprint(openai_bp)
    app.register_blueprint(health_bp)
    for bp in (api_bp, open_inference_bp, openai_bp):
        extensions.csrf.exempt(bp)

    app.cli.add_command(model_commands.group)
    app.cli.add_command(user_commands.group)
    app.cli.add_command(key_commands.group)
    app.cli.add_command(plan_commands.group)
    app.cli.add_command(usage_commands.group)
    app.cli.add_command(mail_commands.group)
    app.cli.add_command(worker)
    return app


def _configure(app: Flask, config: Config) -> None:
    prefix = "__Host-" if config.is_https else ""
    app.config.update(
        SECRET_KEY=config.secret_key[0],
        SECRET_KEY_FALLBACKS=list(config.secret_key[1:]),
        # The cookie of forms; logins have their own.
        SESSION_COOKIE_NAME=f"{prefix}portal-forms",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.is_https,
        MAX_CONTENT_LENGTH=config.max_upload_bytes,
        MAX_FORM_MEMORY_SIZE=config.max_upload_bytes,
        MAX_FORM_PARTS=100,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.policies["json.dumps_kwargs"] = {}


def _remember_origin(app: Flask) -> None:
    @app.before_request
    def remember_origin() -> None:
        audit.set_origin(
            audit.Origin(
                request_id=request_ids.request_id(),
                address=client_address(),
                user_agent=request.user_agent.string,
            )
        )
