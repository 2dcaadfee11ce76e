"""Who may do what: every route, for a fixed cast of roles."""

import shutil
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import catalog, extensions
from portal.app import create_app
from portal.config import ROOT, Config
from portal.db import db, now
from tests.conftest import make_config
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token

CAST = ("visitor", "unverified", "user", "publisher", "owner", "suspended")
TO_LOGIN = 303
OWNERS_FORMS = ("/admin/people/1/", "/admin/models/shared/", "/admin/plans")
# What each of CAST is answered, in that order. A form without its token is 400
# for whoever gets as far as the form.
PAGES = {
    "/": (200, 200, 200, 200, 200, 200),
    "/models/shared": (200, 200, 200, 200, 200, 200),
    "/models/hidden": (200, 200, 200, 200, 200, 200),
    "/models/secret": (404, 404, 404, 404, 200, 404),
    "/models/gone": (404, 404, 404, 404, 404, 404),
    "/models/shared/examples/1/features": (404, 404, 404, 404, 404, 404),
    "/docs": (200, 200, 200, 200, 200, 200),
    "/docs/errors": (200, 200, 200, 200, 200, 200),
    "/docs/models/shared": (200, 200, 200, 200, 200, 200),
    "/docs/models/secret": (404, 404, 404, 404, 200, 404),
    "/signup": (200, 303, 303, 303, 303, 200),
    "/login": (200, 303, 303, 303, 303, 200),
    "/logout": (405, 405, 405, 405, 405, 405),
    "/verify-email": (200, 200, 303, 303, 303, 200),
    "/verify-email/nonsense": (404, 404, 404, 404, 404, 404),
    "/forgot-password": (200, 200, 200, 200, 200, 200),
    "/reset-password/nonsense": (404, 404, 404, 404, 404, 404),
    "/setup/nonsense": (404, 404, 404, 404, 404, 404),
    "/account": (TO_LOGIN, 200, 200, 200, 200, TO_LOGIN),
    "/account/password": (405, 405, 405, 405, 405, 405),
    "/account/sessions/ending": (405, 405, 405, 405, 405, 405),
    "/keys": (TO_LOGIN, 200, 200, 200, 200, TO_LOGIN),
    "/keys/1": (TO_LOGIN, 404, 404, 404, 404, TO_LOGIN),
    "/keys/1/restrictions": (405, 405, 405, 405, 405, 405),
    "/keys/1/rotation": (405, 405, 405, 405, 405, 405),
    "/keys/1/previous-secret/ending": (405, 405, 405, 405, 405, 405),
    "/keys/1/revocation": (405, 405, 405, 405, 405, 405),
    "/usage": (TO_LOGIN, 200, 200, 200, 200, TO_LOGIN),
    "/usage.csv": (TO_LOGIN, 200, 200, 200, 200, TO_LOGIN),
    "/api/v1/me": (401, 401, 401, 401, 401, 401),
    "/api/v1/leaks": (405, 405, 405, 405, 405, 405),
    "/api/v1/usage": (401, 401, 401, 401, 401, 401),
    "/api/v1/models": (200, 200, 200, 200, 200, 200),
    "/api/v1/models/shared": (200, 200, 200, 200, 200, 200),
    "/api/v1/models/secret": (404, 404, 404, 404, 404, 404),
    "/api/v1/models/shared/predict": (405, 405, 405, 405, 405, 405),
    "/api/v1/models/shared/versions/1/predict": (405, 405, 405, 405, 405, 405),
    "/v1/models": (200, 200, 200, 200, 200, 200),
    "/v1/models/shared": (404, 404, 404, 404, 404, 404),
    "/v1/embeddings": (405, 405, 405, 405, 405, 405),
    "/models/shared/predictions": (405, 405, 405, 405, 405, 405),
    "/healthz": (200, 200, 200, 200, 200, 200),
    "/readyz": (200, 200, 200, 200, 200, 200),
    "/account/x.css": (404, 404, 404, 404, 404, 404),
    "/.env": (404, 404, 404, 404, 404, 404),
    "/.git/config": (404, 404, 404, 404, 404, 404),
    "/keys/1/name": (405, 405, 405, 405, 405, 405),
    "/keys/1/deletion": (405, 405, 405, 405, 405, 405),
    "/admin": (TO_LOGIN, 403, 403, 303, 303, TO_LOGIN),
    "/admin/people": (TO_LOGIN, 403, 403, 403, 200, TO_LOGIN),
    "/admin/people/1": (TO_LOGIN, 403, 403, 403, 200, TO_LOGIN),
    "/admin/people/1/suspension": (405, 405, 405, 405, 405, 405),
    "/admin/people/1/restoration": (405, 405, 405, 405, 405, 405),
    "/admin/people/1/role": (405, 405, 405, 405, 405, 405),
    "/admin/people/1/plan": (405, 405, 405, 405, 405, 405),
    "/admin/people/1/sessions/ending": (405, 405, 405, 405, 405, 405),
    "/admin/people/1/reset-link": (405, 405, 405, 405, 405, 405),
    "/admin/people/1/verification-link": (405, 405, 405, 405, 405, 405),
    "/admin/people/1/keys/1/revocation": (405, 405, 405, 405, 405, 405),
    "/admin/models": (TO_LOGIN, 403, 403, 200, 200, TO_LOGIN),
    "/admin/models/shared": (TO_LOGIN, 403, 403, 200, 200, TO_LOGIN),
    "/admin/models/gone": (TO_LOGIN, 403, 403, 200, 200, TO_LOGIN),
    "/admin/models/secret": (TO_LOGIN, 403, 403, 404, 200, TO_LOGIN),
    "/admin/models/shared/live-version": (405, 405, 405, 405, 405, 405),
    "/admin/models/shared/rollback": (405, 405, 405, 405, 405, 405),
    "/admin/models/shared/withdrawal": (405, 405, 405, 405, 405, 405),
    "/admin/models/shared/restoration": (405, 405, 405, 405, 405, 405),
    "/admin/models/shared/visibility": (405, 405, 405, 405, 405, 405),
    "/admin/plans": (TO_LOGIN, 403, 403, 403, 200, TO_LOGIN),
    "/admin/plans/default": (TO_LOGIN, 403, 403, 403, 200, TO_LOGIN),
    "/admin/plans/default/deletion": (405, 405, 405, 405, 405, 405),
    "/admin/mail": (TO_LOGIN, 403, 403, 403, 200, TO_LOGIN),
    "/admin/mail/1": (TO_LOGIN, 403, 403, 403, 404, TO_LOGIN),
    "/admin/mail/1/retry": (405, 405, 405, 405, 405, 405),
    "/admin/mail/retry": (405, 405, 405, 405, 405, 405),
    "/admin/audit": (TO_LOGIN, 403, 403, 403, 200, TO_LOGIN),
    "/admin/audit.csv": (TO_LOGIN, 403, 403, 403, 200, TO_LOGIN),
    "/v2": (200, 200, 200, 200, 200, 200),
    "/v2/health/live": (200, 200, 200, 200, 200, 200),
    "/v2/health/ready": (200, 200, 200, 200, 200, 200),
    "/v2/models/shared": (200, 200, 200, 200, 200, 200),
    "/v2/models/shared/ready": (200, 200, 200, 200, 200, 200),
    "/v2/models/shared/config": (200, 200, 200, 200, 200, 200),
    "/v2/models/stats": (401, 401, 401, 401, 401, 401),
    "/v2/models/shared/stats": (401, 401, 401, 401, 401, 401),
    "/v2/models/shared/infer": (405, 405, 405, 405, 405, 405),
    "/v2/repository/index": (405, 405, 405, 405, 405, 405),
    "/v2/repository/models/shared/load": (405, 405, 405, 405, 405, 405),
    "/v2/repository/models/shared/unload": (405, 405, 405, 405, 405, 405),
}


@pytest.fixture(scope="module")
def four_models(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a data folder with a model of each visibility, and a withdrawn one."""
    folder = tmp_path_factory.mktemp("four")
    shutil.copy(migrated_sqlite, folder / "portal.sqlite3")
    config = make_config(folder)
    with create_app(config).app_context():
        for name, visibility in {
            "shared": "public",
            "hidden": "unlisted",
            "secret": "private",
            "gone": "public",
        }.items():
            overrides = catalog.Overrides(name=name, visibility=visibility)
            catalog.publish(ROOT / "bundled/iris", config=config, overrides=overrides)
        catalog.withdraw(catalog.find_any("gone"))
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    return folder


@pytest.fixture
def config(four_models: Path, tmp_path: Path) -> Config:
    """Return the settings of ``app``, on a copy of the four models."""
    shutil.copytree(four_models, tmp_path, dirs_exist_ok=True)
    return make_config(tmp_path)


@pytest.fixture
def cast(app: Flask) -> dict[str, FlaskClient]:
    """Return a browser for each of the cast."""
    browsers = {who: app.test_client() for who in CAST}
    for who in CAST[1:]:
        role = who if who in {"publisher", "owner"} else "user"
        user = make_user(
            f"{who}@example.org", role=role, is_verified=who != "unverified"
        )
        log_in(browsers[who], user)
        if who == "suspended":
            user.suspended_at = now()
            db.session.commit()
    return browsers


def test_every_page_for_everybody(cast: dict[str, FlaskClient]) -> None:
    answers = {}
    for path in PAGES:
        extensions.limiter.reset()  # there are more than 60 calls without a key
        answers[path] = tuple(
            cast[who].get(path, buffered=True).status_code for who in CAST
        )

    assert answers == PAGES


def test_a_fragment_is_guarded_like_its_page(cast: dict[str, FlaskClient]) -> None:
    htmx = {"HX-Request": "true", "HX-Request-Type": "partial"}

    for path, statuses in PAGES.items():
        extensions.limiter.reset()
        for who, status in zip(CAST, statuses, strict=True):
            answer = cast[who].get(path, headers=htmx, buffered=True)
            if status == TO_LOGIN and who in {"visitor", "suspended"}:
                assert answer.status_code == 204, (path, who)
                assert answer.headers["HX-Redirect"].startswith("/login?next=")
            else:
                assert answer.status_code == status, (path, who)


def test_no_route_is_forgotten(app: Flask) -> None:
    adapter = app.url_map.bind("localhost")
    covered = set()
    for path in PAGES:
        for method in ("GET", "POST"):
            if adapter.test(path, method=method):
                covered.add(adapter.match(path, method=method)[0])

    known = {rule.endpoint for rule in app.url_map.iter_rules()} - {"static"}

    assert known - covered == set()


def test_no_form_is_taken_without_its_token(cast: dict[str, FlaskClient]) -> None:
    for path in (
        "/signup",
        "/login",
        "/forgot-password",
        "/logout",
        "/keys",
        "/keys/1/revocation",
        "/account/password",
        "/account/sessions/ending",
        "/models/shared/predictions",
        "/keys/1/name",
        "/keys/1/restrictions",
        "/keys/1/rotation",
        "/keys/1/previous-secret/ending",
        "/keys/1/deletion",
        "/admin/mail/1/retry",
        "/admin/mail/retry",
    ):
        assert cast["user"].post(path).status_code == 400, path

    for path in PAGES:
        if path.startswith(
            ("/admin/people/1/", "/admin/models/shared/", "/admin/plans")
        ):
            assert cast["owner"].post(path).status_code == 400, path


def test_a_stranger_does_not_see_the_key_of_somebody_else(
    app: Flask, cast: dict[str, FlaskClient]
) -> None:
    api_key, _ = make_key(make_user("other@example.org"))
    token = csrf_token(cast["user"], "/keys")

    answer = cast["user"].post(
        f"/keys/{api_key.id}/revocation", data={"csrf_token": token}
    )

    assert answer.status_code == 404
    assert not api_key.is_revoked
    assert api_key.prefix not in cast["user"].get("/keys").text


def test_a_private_model_answers_its_owner_and_no_other_key(
    app: Flask, cast: dict[str, FlaskClient]
) -> None:
    boss = make_user("boss@example.org", role="owner")
    document = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}
    path = "/api/v1/models/secret/predict"

    def predict(secret: str) -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return app.test_client().post(path, json=document, headers=headers).status_code

    assert predict(make_key(boss)[1]) == 200
    assert predict(make_key(make_user("other@example.org"))[1]) == 404


def test_the_api_takes_no_login_cookie(cast: dict[str, FlaskClient]) -> None:
    document = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}

    answer = cast["owner"].post("/api/v1/models/shared/predict", json=document)

    assert answer.status_code == 401


def test_signing_up_gives_no_rights_that_a_form_asks_for(
    app: Flask, client: FlaskClient
) -> None:
    from portal import accounts  # noqa: PLC0415 - after the app is made

    fields = {
        "csrf_token": csrf_token(client, "/signup"),
        "email": "eve@example.org",
        "password": "seven wonderful otters",
        "role": "owner",
        "verified_at": "2020-01-01",
        "is_first_owner": "1",
    }

    client.post("/signup", data=fields)

    eve = accounts.find_by_email("eve@example.org")
    assert eve.role == "user"
    assert not eve.is_verified
    assert not eve.is_first_owner
