"""Runs the migrations on the application's own database."""

from alembic import context
from flask import current_app
from sqlalchemy import text

from portal.db import UtcDateTime, db

MIGRATION_LOCK = 7_205_159  # any number: of two that start together, one migrates


def render_item(kind, item, autogen_context):
    """Write our own column type as the plain one, so that migrations stand alone."""
    del autogen_context
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run_migrations():
    """Apply the migrations in one transaction."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("SET lock_timeout = '10s'"))
            connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=render_item,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()
        if connection.dialect.name == "postgresql":
            # A pooled connection would keep the lock and the settings.
            connection.invalidate()


if context.is_offline_mode():
    message = "The migrations need a database; offline mode is not supported."
    raise SystemExit(message)
run_migrations()
