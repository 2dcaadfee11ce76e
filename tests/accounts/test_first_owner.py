import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from portal import accounts
from portal.accounts import User
from portal.db import db
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import csrf_token


def setup_path(app: Flask) -> str:
    link = accounts.setup_link(app.extensions["portal"].config)
    assert link
    return "/" + link.split("/", 3)[3]


def set_up(
    client: FlaskClient, path: str, email: str = "ada@example.org"
) -> TestResponse:
    token = csrf_token(client, path)
    form = {"csrf_token": token, "email": email, "password": PASSWORD}
    return client.post(path, data=form)


def test_the_link_makes_the_first_owner_and_logs_in(app, client):
    answer = set_up(client, setup_path(app))

    owner = accounts.find_by_email("ada@example.org")
    assert (answer.status_code, answer.location) == (303, "/")
    assert (owner.role, owner.is_verified) == ("owner", True)
    assert "Owner" in client.get("/account").text


def test_the_link_leads_to_the_configured_address(app):
    config = app.extensions["portal"].config

    assert accounts.setup_link(config).startswith(f"{config.base_url}/setup/")


def test_opening_the_link_uses_nothing_up(app, client):
    path = setup_path(app)

    assert [client.get(path).status_code for _ in range(3)] == [200] * 3
    assert set_up(client, path).status_code == 303


def test_the_link_works_once(app, client):
    path = setup_path(app)
    late = app.test_client()
    token = csrf_token(late, path)
    set_up(client, path)

    opened = late.get(path)
    sent = late.post(
        path,
        data={"csrf_token": token, "email": "eve@example.org", "password": PASSWORD},
    )

    assert opened.status_code == sent.status_code == 404
    assert "has an owner already" in opened.text
    assert db.session.scalar(select(func.count()).select_from(User)) == 1


def test_there_is_no_link_once_there_is_an_owner(app):
    make_user(role="owner")

    assert accounts.setup_link(app.extensions["portal"].config) is None


def test_a_link_made_before_is_void_once_there_is_an_owner(app, client):
    path = setup_path(app)
    make_user(role="owner")

    assert client.get(path).status_code == 404


def test_who_signed_up_before_becomes_the_owner(app, client):
    user = make_user(is_verified=False, password="nine patient herons wade")
    intruder = app.test_client()
    log_in(intruder, user)

    set_up(client, setup_path(app))

    db.session.expire_all()
    assert accounts.find_by_email("ada@example.org").is_owner
    assert intruder.get("/account").status_code == 303


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada", PASSWORD),
        ("a@b.c, d@e.f", PASSWORD),
        ("ada@example.org", "password1234"),
    ],
)
def test_what_can_not_be_used_is_refused(app, client, email, password):
    path = setup_path(app)
    form = {
        "csrf_token": csrf_token(client, path),
        "email": email,
        "password": password,
    }

    assert client.post(path, data=form).status_code == 422
    assert not accounts.owner_exists()


@pytest.mark.parametrize("path", ["/setup/x", "/setup/%00", "/setup/" + "x" * 5000])
def test_a_made_up_link_is_refused(client, path):
    assert client.get(path).status_code == 404


def test_two_at_once_make_one_owner(pg_app):
    path = setup_path(pg_app)
    browsers = [pg_app.test_client() for _ in range(4)]
    tokens = [csrf_token(browser, path) for browser in browsers]
    statuses = []

    def post(number: int) -> None:
        form = {
            "csrf_token": tokens[number],
            "email": f"owner{number}@example.org",
            "password": PASSWORD,
        }
        statuses.append(browsers[number].post(path, data=form).status_code)

    threads = [threading.Thread(target=post, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [303, 404, 404, 404]
    assert db.session.scalar(select(func.count()).select_from(User)) == 1
