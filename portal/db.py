"""The database: one SQLAlchemy object, its base class and its habits.

PostgreSQL in production, SQLite (WAL) when embedded. Read-then-write is never
safe on either without `exclusive`, a unique constraint or a conditional UPDATE.
"""

import threading
import zlib
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, ClassVar, TypeVar

from flask import Flask, current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session

from portal.config import ROOT, Config

BUSY_TIMEOUT_MS = 5000
# A request that waits longer than this for the database is answered 503.
POOL_TIMEOUT_S = 2
STATEMENT_TIMEOUT_MS = 3000
LOCK_TIMEOUT_MS = 1000
CACHED_S = 0.8  # a revoked key is to be refused everywhere within a second
MAX_CACHED = 10_000
CHANGED = "portal-rows-changed"
T = TypeVar("T")


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
    """The parent of every table.

    Attributes:
        is_cached: Whether its rows may be had from `cached`.
    """

    is_cached: ClassVar[bool] = False

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
    app.extensions["portal-rows"] = _RowCache()
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)


def cached(key: Hashable, load: Callable[[Session], T]) -> T:
    """Return what *load* found for *key*, at most `CACHED_S` ago; not that it didn't.

    What is found is detached: it can be read on any thread, and not changed. A
    commit of this process that changes a row of a class with ``is_cached`` forgets
    everything at once; one of another process is seen after `CACHED_S`.

    Args:
        key: What is looked for.
        load: Looks for it, with all that is to be read later, in the session that
            it is given.
    """
    cache: _RowCache = current_app.extensions["portal-rows"]
    row: T = cache.get(key, load)
    return row


def release_connection() -> None:
    """Commit, so that this thread holds no connection; nothing if it holds none."""
    if db.session.registry.has() and db.session().in_transaction():
        db.session.commit()


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


class _RowCache:
    """Rows that were read lately, by what they were looked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[Hashable, tuple[float, Any]] = {}
        self._generation = 0

    def get(self, key: Hashable, load: Callable[[Session], Any]) -> Any:  # noqa: ANN401 - as `cached`
        found = self._rows.get(key)
        if found is not None and found[0] > monotonic():
            return found[1]
        generation = self._generation
        outer = db.session()
        # A thread that held a connection and waited for another could wait for ever.
        bind = outer.connection() if outer.in_transaction() else db.engine
        with Session(bind, expire_on_commit=False) as session:
            row = load(session)
        with self._lock:
            # What was read before somebody changed it may not be kept after, nor
            # what this transaction alone can see.
            is_settled = generation == self._generation and CHANGED not in outer.info
            if row is not None and is_settled:
                if len(self._rows) >= MAX_CACHED:
                    self._rows.clear()
                self._rows[key] = (monotonic() + CACHED_S, row)
        return row

    def forget(self) -> None:
        with self._lock:
            self._generation += 1
            self._rows.clear()


@event.listens_for(db.session, "after_flush")
def _note_changed_objects(session: Session, _context: object) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        if getattr(row, "is_cached", False):
            session.info[CHANGED] = True


@event.listens_for(db.session, "do_orm_execute")
def _note_changed_rows(state: ORMExecuteState) -> None:
    is_write = state.is_insert or state.is_update or state.is_delete
    if is_write and any(
        getattr(mapper.class_, "is_cached", False) for mapper in state.all_mappers
    ):
        state.session.info[CHANGED] = True


@event.listens_for(db.session, "after_commit")
def _forget_cached(session: Session) -> None:
    if session.info.pop(CHANGED, False):
        current_app.extensions["portal-rows"].forget()


@event.listens_for(db.session, "after_rollback")
def _keep_cached(session: Session) -> None:
    session.info.pop(CHANGED, None)


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
