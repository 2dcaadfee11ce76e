"""`/healthz` and `/readyz`: for whoever watches the portal."""

from datetime import timedelta

import pytest
from flask_migrate import upgrade

from portal.app import create_app
from portal.db import db, now
from portal.mail.tables import MessageState, OutgoingMessage
from tests.conftest import make_config, with_own_contexts
from tests.servers import Postgres, Redis

PATHS = ["/healthz", "/readyz"]


def portal(folder, **environ):
    return with_own_contexts(create_app(make_config(folder, **environ)))


@pytest.fixture
def close_databases():
    """Close the connections of the portals that a test made itself."""
    apps = []
    yield apps.append
    for app in apps:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def test_the_process_is_alive(client):
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json) == (200, {"status": "alive"})


def test_the_portal_is_ready(client):
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


def test_readiness_says_what_models_run_on_where_that_was_chosen(make_portal_config):
    config = make_portal_config(PORTAL_INFERENCE_PROVIDERS="cuda")

    answer = create_app(config).test_client().get("/readyz")

    assert answer.json == {"status": "ready", "providers": ["cpu"]}


def test_production_is_ready(pg_app):
    answer = pg_app.test_client().get("/readyz")

    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["10.0.0.7:8000", "evil.example", "portal-1"])
def test_any_host_may_ask(client, path, host):
    answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_the_answer_is_never_kept_and_sets_no_cookie(client, path):
    answer = client.get(path)

    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_a_lost_redis_is_degraded(migrated_sqlite, tmp_path, close_databases):
    (tmp_path / "portal.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    with Redis() as redis:
        app = portal(tmp_path, PORTAL_REDIS_URL=redis.url)
        close_databases(app)
        client = app.test_client()
        before = client.get("/readyz")
        redis.stop()
        lost = client.get("/readyz")
        redis.start()
        back = client.get("/readyz")

    assert [a.json["status"] for a in (before, lost, back)] == [
        "ready",
        "degraded",
        "ready",
    ]
    assert lost.status_code == 200


def test_mail_that_waits_for_long_is_degraded(
    migrated_sqlite, tmp_path, close_databases
):
    (tmp_path / "portal.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    app = portal(tmp_path, PORTAL_SMTP_URLS="smtp://127.0.0.1:9")
    close_databases(app)
    with app.app_context():
        late = OutgoingMessage(
            kind="verify-address",
            to_address="ada@example.org",
            subject="Hello",
            text="Hello",
            message_id="<1@example.org>",
            state=MessageState.QUEUED,
            created_at=now() - timedelta(minutes=11),
        )
        db.session.add(late)
        db.session.commit()

    answer = app.test_client().get("/readyz")

    assert (answer.status_code, answer.json) == (200, {"status": "degraded"})


def test_a_portal_that_was_never_migrated_is_unready(tmp_path, close_databases):
    app = portal(tmp_path)
    close_databases(app)

    answer = app.test_client().get("/readyz")

    assert (answer.status_code, answer.json) == (503, {"status": "unready"})
    assert app.test_client().get("/healthz").status_code == 200


def test_a_lost_database_is_unready_and_comes_back(tmp_path, close_databases):
    with Postgres() as postgres:
        url = postgres.create_database("ready")
        app = portal(tmp_path, PORTAL_DATABASE_URL=url)
        close_databases(app)
        client = app.test_client()
        with app.app_context():
            upgrade()
        before = client.get("/readyz")
        postgres.stop()
        lost = client.get("/readyz")
        alive = client.get("/healthz")
        postgres.start()
        back = client.get("/readyz")

    assert [a.status_code for a in (before, lost, alive, back)] == [200, 503, 200, 200]
    assert lost.json == {"status": "unready"}
    assert "5432" not in lost.text
