"""Asking for a link that sets a password, and using it."""

import re

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal import accounts
from portal.db import db
from portal.mail import OutgoingMessage
from tests.factories import PASSWORD
from tests.pages import csrf_token

NEW_PASSWORD = "nine patient herons wade"


def ask(client: FlaskClient, email: str = "ada@example.org") -> TestResponse:
    token = csrf_token(client, "/forgot-password")
    return client.post("/forgot-password", data={"csrf_token": token, "email": email})


def mails(kind: str = "reset-password") -> list[OutgoingMessage]:
    db.session.expire_all()
    newest_first = select(OutgoingMessage).order_by(OutgoingMessage.id.desc())
    return list(db.session.scalars(newest_first.where(OutgoingMessage.kind == kind)))


def newest_link(kind: str = "reset-password") -> str:
    """Return the path of the link in the newest message of this kind."""
    found = re.search(r"https?://[^/\s]+(/\S+)", mails(kind)[0].text)
    assert found
    return found.group(1)


def mailed_link(client: FlaskClient, email: str = "ada@example.org") -> str:
    ask(client, email)
    return newest_link()


def set_password(
    client: FlaskClient, link: str, password: str = NEW_PASSWORD
) -> TestResponse:
    token = csrf_token(client, link)
    return client.post(link, data={"csrf_token": token, "password": password})


def can_log_in(password: str, email: str = "ada@example.org") -> bool:
    db.session.expire_all()
    try:
        accounts.log_in(email, password, network="198.51.100.1")
    except accounts.errors.LoginRefused:
        return False
    finally:
        db.session.rollback()
    return True


def post_login(client: FlaskClient) -> TestResponse:
    form = {"csrf_token": csrf_token(client, "/login"), "email": "ada@example.org"}
    return client.post("/login", data={**form, "password": PASSWORD})
