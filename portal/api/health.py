"""`/healthz`: this process runs. `/readyz`: it can serve."""

from datetime import timedelta
from http import HTTPStatus

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, jsonify
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.config import ROOT
from portal.db import db, now
from portal.extensions import config, limiter, parts
from portal.mail.tables import MessageState, OutgoingMessage

MAIL_LATE = timedelta(minutes=10)

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> Response:
    """Say that this process runs."""
    return jsonify(status="alive")


@bp.get("/readyz")
def readyz() -> tuple[Response, HTTPStatus]:
    """Say whether this process can serve: ready, degraded or unready."""
    if not can_serve():
        return jsonify(status="unready"), HTTPStatus.SERVICE_UNAVAILABLE
    is_whole = limiter.storage.check() and _is_mail_moving()
    state: dict[str, object] = {"status": "ready" if is_whole else "degraded"}
    if config().inference_providers:
        state["providers"] = parts().pool.providers
    away = sum(1 for loaded in parts().pool.loaded() if loaded.trouble)
    if away:
        # Others' servers: what lives here is served as ever.
        state["remote_models_away"] = away
    return jsonify(state), HTTPStatus.OK


def can_serve() -> bool:
    """Whether the database answers and has every migration."""
    heads = ScriptDirectory(str(ROOT / "migrations")).get_heads()
    try:
        context = MigrationContext.configure(db.session.connection())
        return set(context.get_current_heads()) == set(heads)
    except SQLAlchemyError:
        db.session.rollback()
        return False


def _is_mail_moving() -> bool:
    """Whether no message has waited for its server for long."""
    if not config().smtp_servers:
        return True
    late = select(OutgoingMessage.id).where(
        OutgoingMessage.state == MessageState.QUEUED,
        OutgoingMessage.created_at < now() - MAIL_LATE,
    )
    return db.session.scalar(late.limit(1)) is None
