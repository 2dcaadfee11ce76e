"""What `create_app` binds: the extensions, and the parts that engines need.

Besides `portal.db.db` this is the only ambient state.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flask import Flask, Response, current_app, request
from flask_babel import Babel
from flask_limiter import Limiter, RateLimitExceeded
from flask_login import LoginManager
from flask_mail import Mail
from flask_wtf import CSRFProtect
from htmx_flask import Htmx

from portal.config import Config
from portal.errors import LimitExceeded
from portal.limits import FailoverStorage, Leases, RateLimits, Slots
from portal.runtime import CORES, ModelPool, Scheduler, machine_bytes
from portal.spool import Spool
from portal.web import client_network
from portal.web.body import METERED
from portal.web.errors import answer

STRATEGY = "fixed-window"
THREADS_FOR_PAGES = 2  # that no model may hold


class _LoginManager(LoginManager):  # type: ignore[misc]
    """Flask-Login without its remember cookie."""

    def _update_remember_cookie(self, response: Response) -> Response:
        # The original looks into the session at every answer, static files and API
        # included, which would make them all vary by cookie.
        return response


class _Limiter(Limiter):
    """Flask-Limiter for pages and forms; keyed calls have limits of their own."""

    def _check_request_limit(
        self,
        callable_name: str | None = None,
        in_middleware: bool = True,  # noqa: FBT001, FBT002 - its own form
    ) -> None:
        if request.blueprint not in METERED:
            super()._check_request_limit(callable_name, in_middleware)


babel = Babel()
csrf = CSRFProtect()
htmx = Htmx()
# A prefix with the strategy: Redis keys of another strategy can't be read.
limiter = _Limiter(client_network, strategy=STRATEGY, key_prefix=f"portal:{STRATEGY}")
login_manager = _LoginManager()
mailer = Mail()


@dataclass(frozen=True)
class Parts:
    """What this application is made of, besides Flask's extensions.

    Attributes:
        month_leases: Units of users' monthly quotas, as `portal.usage` notes them.
        spool: Where answers are written down.
    """

    config: Config
    rates: RateLimits
    slots: Slots
    month_leases: Leases[Any]
    spool: Spool
    pool: ModelPool


def init_app(app: Flask, config: Config) -> None:
    """Bind every extension to *app*."""
    app.config.update(
        RATELIMIT_STORAGE_URI="portal://",
        RATELIMIT_STORAGE_OPTIONS={"redis_url": config.redis_url},
        MAIL_SERVER="",
        MAIL_DEFAULT_SENDER=config.mail_from,
    )
    babel.init_app(app)
    csrf.init_app(app)
    htmx.init_app(app)
    limiter.init_app(app)
    login_manager.init_app(app)
    mailer.init_app(app)
    app.register_error_handler(RateLimitExceeded, _answer_limit)
    app.extensions["portal"] = Parts(
        config=config,
        rates=RateLimits(lambda: cast("FailoverStorage", limiter.storage)),
        slots=Slots(config.redis_url),
        month_leases=Leases(),
        spool=Spool(config.data_dir / "spool" / "usage"),
        pool=_pool(config),
    )


def parts() -> Parts:
    """Return the parts of the running application."""
    return cast("Parts", current_app.extensions["portal"])


def config() -> Config:
    """Return the settings of the running application."""
    return parts().config


def store_dir(of: Config) -> Path:
    """Return the folder of the model files."""
    return of.data_dir / "models"


def quarantine_dir(of: Config) -> Path:
    """Return the folder of records that can't be read."""
    return of.data_dir / "spool" / "damaged"


def places(of: Config) -> int:
    """Return how many calls of models a web process holds at once."""
    return max(1, of.threads - THREADS_FOR_PAGES)


def _pool(config: Config) -> ModelPool:
    """Return where models are loaded, with this process's share of the machine."""
    return ModelPool(
        inference_threads=config.inference_threads,
        budget_bytes=machine_bytes() // 2 // config.workers,
        providers=config.inference_providers,
        remote_tokens=config.token_by_server,
        scheduler=Scheduler(
            max_running=max(2, -(-CORES // config.workers)),
            places=places(config),
        ),
    )


def _answer_limit(_refusal: RateLimitExceeded) -> Response:
    limit = limiter.current_limit
    reset_s = max(1, int(limit.reset_at - time.time())) if limit else 60
    return answer(
        LimitExceeded(
            "That was too often from your address. "
            "Please try again in %(minutes)d minutes.",
            retry_after_s=reset_s,
            policy="address",
            minutes=-(-reset_s // 60),
        )
    )
