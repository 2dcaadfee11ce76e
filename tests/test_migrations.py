"""The migrations lead to the tables that the code knows, forth and back."""

import contextlib
import io

import pytest
from flask_migrate import check, downgrade, upgrade
from sqlalchemy import inspect

from portal.app import create_app
from portal.db import db
from tests.conftest import make_config


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def empty_app(request, tmp_path):
    """Return the portal on a database without tables."""
    environ = {}
    if request.param == "PostgreSQL":
        postgres = request.getfixturevalue("postgres")
        environ["PORTAL_DATABASE_URL"] = postgres.create_database("portal_migrations")
    app = create_app(make_config(tmp_path, **environ))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def tables():
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_every_migration_can_be_taken_back_and_made_again(empty_app):
    upgrade()
    made = tables()

    downgrade(revision="base")
    left = tables()
    upgrade()

    assert left == set()
    assert tables() == made == set(db.metadata.tables)
    with contextlib.redirect_stdout(io.StringIO()):
        check()  # fails where the code knows a column or index that is not there
