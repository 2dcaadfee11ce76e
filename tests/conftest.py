"""Fixtures that every test may use: the portal on real databases.

``app`` runs on SQLite, ``pg_app`` on a real PostgreSQL and Redis that the suite
starts itself. Both start empty for every test.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from flask_migrate import upgrade
from sqlalchemy import text

from portal import extensions, inference
from portal.app import create_app
from portal.config import Config
from portal.db import Base, db
from portal.plans import Plan
from tests.once import do_once
from tests.plans.figures import FIGURES
from tests.servers import Postgres, Redis

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SECRET = "a secret that only the tests know and long enough"


def make_config(data_dir: Path, **environ: str) -> Config:
    """Return settings for a test, untouched by the machine's own."""
    values = {"PORTAL_DATA_DIR": str(data_dir), "PORTAL_SECRET_KEY": SECRET}
    return Config.load({**values, **environ}, dotenv=Path("/nonexistent/.env"))


def with_own_contexts(app: Flask) -> Flask:
    """Make *app* answer each request in a fresh application context.

    The fixtures push one for the test itself. Flask would run the requests in it,
    so that one request would see what another left in ``g``: who is logged in, the
    form token, the request's id.
    """
    answer = app.wsgi_app

    def answer_afresh(
        environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> "Iterable[bytes]":
        with app.app_context():
            return answer(environ, start_response)

    app.wsgi_app = answer_afresh
    return app


@pytest.fixture(scope="session", autouse=True)
def _costly_things_once() -> Iterator[None]:
    """Compile no template, and look into no model file, twice."""
    with pytest.MonkeyPatch.context() as patch:
        do_once(patch)
        yield


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file with every migration applied, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    with create_app(make_config(folder)).app_context():
        upgrade()
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.remove()
        db.engine.dispose()
    return folder / "portal.sqlite3"


@pytest.fixture
def config(tmp_path: Path, migrated_sqlite: Path) -> Config:
    """Return the settings of ``app``; override to change one."""
    shutil.copy(migrated_sqlite, tmp_path / "portal.sqlite3")
    return make_config(tmp_path)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """Return the portal on SQLite, with an application context pushed."""
    app = with_own_contexts(create_app(config))
    extensions.limiter.reset()
    with app.app_context():
        yield app
        inference.finish()
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a running PostgreSQL."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """Return a running Redis."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def _migrated_postgres(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> str:
    url = postgres.create_database("portal_tests")
    folder = tmp_path_factory.mktemp("pg")
    with create_app(make_config(folder, PORTAL_DATABASE_URL=url)).app_context():
        upgrade()
        db.session.remove()
        db.engine.dispose()
    return url


@pytest.fixture
def pg_app(
    _migrated_postgres: str, redis_server: Redis, tmp_path: Path
) -> Iterator[Flask]:
    """Return the portal on PostgreSQL and Redis, with a context pushed."""
    redis_server.flush()
    app = with_own_contexts(
        create_app(
            make_config(
                tmp_path,
                PORTAL_DATABASE_URL=_migrated_postgres,
                PORTAL_REDIS_URL=redis_server.url,
            )
        )
    )
    with app.app_context():
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        db.session.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        # Which the migrations made.
        db.session.add(Plan(**FIGURES))
        db.session.commit()
        yield app
        inference.finish()
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a browser without JavaScript."""
    return app.test_client()


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    """Return the owner's command line."""
    return app.test_cli_runner()
