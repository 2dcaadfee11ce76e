"""The migrations lead to the tables that the code knows, forth and back."""

import contextlib
import io
from datetime import UTC, datetime

import pytest
from flask_migrate import check, downgrade, upgrade
from sqlalchemy import inspect, select, text

from portal.app import create_app
from portal.db import db
from portal.usage.tables import usage_days, usage_minutes
from tests.conftest import make_config
from tests.counted import add_call


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


def test_calls_that_were_counted_one_by_one_are_in_the_sums(empty_app):
    upgrade(revision="0005")
    calls = [
        ("2026-11-23 23:59:59.5+00", 200, 12.5, None),
        ("2026-11-24 10:00:10+00", 200, 12.5, None),
        ("2026-11-24 10:00:50+00", 200, 700.0, None),
        ("2026-11-24 11:30:00+00", 422, 1.0, 3),
    ]
    for number, (created_at, status, latency_ms, version) in enumerate(calls):
        db.session.execute(
            text(
                "INSERT INTO usage_records (request_id, version, surface, status,"
                " latency_ms, compute_ms, created_at) VALUES (:id, :version,"
                " 'playground', :status, :latency_ms, 2, :created_at)"
            ),
            {
                "id": f"req_{number}",
                "version": version,
                "status": status,
                "latency_ms": latency_ms,
                "created_at": created_at.removesuffix("+00")
                if db.engine.dialect.name == "sqlite"
                else created_at,
            },
        )
    db.session.commit()

    upgrade()
    # What is counted from now on belongs to the same sums.
    at = datetime(2026, 11, 24, 10, 0, 59, tzinfo=UTC)
    add_call(at, latency_ms=12.5, compute_ms=2.0)

    assert told(usage_minutes) == [
        ("2026-11-23T23:59", 200, 0, 1, 1, 0),
        ("2026-11-24T10:00", 200, 0, 3, 2, 1),
        ("2026-11-24T11:30", 422, 3, 1, 0, 0),
    ]
    assert told(usage_days) == [
        ("2026-11-23T00:00", 200, 0, 1, 1, 0),
        ("2026-11-24T00:00", 200, 0, 3, 2, 1),
        ("2026-11-24T00:00", 422, 3, 1, 0, 0),
    ]


def test_origins_that_keys_named_before_are_found(empty_app):
    upgrade(revision="0013")
    at = "2026-11-24 10:00:00"
    db.session.execute(
        text(
            "INSERT INTO users (id, email, role, password_hash, link_nonce, created_at)"
            " VALUES (1, 'ada@example.org', 'user', '', '', :at)"
        ),
        {"at": at},
    )
    rows = [
        ('["https://a.test", "https://b.test"]', None),
        ("[]", None),
        ('["https://c.test"]', at),
    ]
    for number, (origins, revoked_at) in enumerate(rows):
        db.session.execute(
            text(
                "INSERT INTO api_keys (id, user_id, name, prefix, secret_hash, scopes,"
                " origins, created_at, revoked_at) VALUES (:id, 1, '', :prefix,"
                " :prefix, '[]', :origins, :at, :revoked_at)"
            ),
            {"id": number + 1, "prefix": f"{number}", "origins": origins, "at": at}
            | {"revoked_at": revoked_at},
        )
    db.session.commit()

    upgrade()

    found = db.session.execute(text("SELECT origin, key_id FROM key_origins"))
    assert {tuple(row) for row in found} == {
        ("https://a.test", 1),
        ("https://b.test", 1),
    }


def told(table):
    """Return a row of each sum, with its calls of 10 to 15 and of 500 to 700 ms."""
    c = table.c
    rows = db.session.execute(
        select(
            c.starts_at, c.status, c.version, c.calls, c.latency_7, c.latency_17
        ).order_by(c.starts_at, c.status)
    )
    return [(f"{row[0]:%Y-%m-%dT%H:%M}", *row[1:]) for row in rows]
