"""The database: one SQLAlchemy object, its base class and its habits.

PostgreSQL in production, SQLite (WAL) when embedded. Read-then-write is never
safe on either without `exclusive`, a unique constraint or a conditional UPDATE.
"""

import zlib
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase

from portal.config import ROOT, Config

BUSY_TIMEOUT_MS = 5000
# A request that waits longer than this for the database is answered 503.
POOL_TIMEOUT_S = 2
STATEMENT_TIMEOUT_MS = 3000
LOCK_TIMEOUT_MS = 1000


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: stored in UTC, always aware in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Refuse a naive value and convert an aware one to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "an instant needs a time zone"
            raise ValueError(message)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Return the instant in UTC, whatever the driver gave."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if not value.tzinfo else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The parent of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy reads it


# Objects stay readable after a commit: a view commits once, then answers.
db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})
migrate = Migrate()


def now() -> datetime:
    """Return this instant, aware, in UTC."""
    return datetime.now(UTC)


def init_app(app: Flask, config: Config) -> None:
    """Bind the database of *config* to *app*."""
    app.config["SQLALCHEMY_DATABASE_URI"] = config.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(config)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)


def exclusive(name: str) -> None:
    """Let one transaction at a time pass this point for *name*, until it ends.

    On PostgreSQL an advisory lock of the transaction; SQLite has one writer
    anyway, so there the transaction is made a writing one from here on.
    """
    connection = db.session.connection()
    # Not through the session, which would first write what it holds: on SQLite that
    # begins a transaction, and within one no other can begin.
    if connection.dialect.name == "postgresql":
        lock = zlib.crc32(name.encode())
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
    elif not getattr(connection.connection.dbapi_connection, "in_transaction", True):
        connection.execute(text("BEGIN IMMEDIATE"))


def _engine_options(config: Config) -> dict[str, Any]:
    # An error's parameters may be a secret or an address; logs must not hold them.
    if config.database_url.startswith("sqlite"):
        return {
            "hide_parameters": True,
            "connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000},
        }
    return {
        "hide_parameters": True,
        "pool_size": config.threads,
        "max_overflow": 2,
        "pool_timeout": POOL_TIMEOUT_S,
        "pool_pre_ping": True,
        "connect_args": {
            "connect_timeout": POOL_TIMEOUT_S,
            "options": (
                f"-c statement_timeout={STATEMENT_TIMEOUT_MS} "
                f"-c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC"
            ),
        },
    }


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: Any) -> None:  # noqa: ANN401 - any driver's
    if type(connection).__module__ != "sqlite3":
        return
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
