"""Two portals behind nginx, as compose.yaml starts them."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg2
import pytest
import requests
from flask_migrate import upgrade
from requests.adapters import HTTPAdapter

from portal.app import create_app
from portal.db import db
from tests.conftest import SECRET, make_config
from tests.factories import make_key, make_user
from tests.pages import TOKEN
from tests.published import publish_iris
from tests.servers import Nginx, Portal, Postgres, Redis, SmtpSink

BASE_URL = "http://portal.example.org"
UPLOAD_MB = "1"
EMAIL = "ada@example.org"


@dataclass(frozen=True)
class Stack:
    """What a test may look at: the servers, the database and a key."""

    nginx: Nginx
    portals: tuple[Portal, Portal]
    smtp: SmtpSink
    database_url: str
    key: str
    half_open: socket.socket

    def query(self, statement: str, *values: object) -> list[tuple]:
        """Return the rows that *statement* finds."""
        connection = psycopg2.connect(self.database_url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def stack(
    postgres: Postgres, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Return a running portal of two, with nginx, a user, a key and a model."""
    redis_server.flush()
    url = postgres.create_database("behind_nginx")
    folder = tmp_path_factory.mktemp("behind_nginx")
    with ExitStack() as running:
        smtp = running.enter_context(SmtpSink())
        settings = {
            "PORTAL_BASE_URL": BASE_URL,
            "PORTAL_DATA_DIR": str(folder),
            "PORTAL_MAX_UPLOAD_MB": UPLOAD_MB,
            "PORTAL_SECRET_KEY": SECRET,
            "PORTAL_SMTP_URLS": smtp.url,
            "PORTAL_TRUSTED_PROXIES": "1",
            "PORTAL_WORKERS": "1",
        }
        config = make_config(folder, PORTAL_DATABASE_URL=url)
        with create_app(config).app_context():
            upgrade()
            publish_iris()
            _, key = make_key(make_user(EMAIL))
            db.session.remove()
            db.engine.dispose()
        first, second = (
            Portal.production(url, redis_server.url, is_prepared=True, **settings)
            for _ in range(2)
        )
        nginx = Nginx([first.port, second.port], {"PORTAL_MAX_UPLOAD_MB": UPLOAD_MB})
        running.enter_context(nginx)
        # Opened first, so that the test which sees it cut need not wait for long.
        half_open = running.enter_context(open_half(nginx))
        running.enter_context(first)
        running.enter_context(second)
        second.stop_worker()
        yield Stack(nginx, (first, second), smtp, url, key, half_open)


def open_half(nginx: Nginx) -> socket.socket:
    """Return a connection on which half the head of a request was sent."""
    connection = socket.create_connection(("127.0.0.1", nginx.port))
    connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    return connection


def browser(*, source: str = "127.0.0.1", **headers: str) -> requests.Session:
    """Return a browser at the address *source* that always sends *headers*."""
    session = requests.Session()
    adapter = HTTPAdapter()
    adapter.init_poolmanager(1, 1, source_address=(source, 0))
    session.mount("http://", adapter)
    session.headers.update({name.replace("_", "-"): v for name, v in headers.items()})
    return session


def send_form(session: requests.Session, address: str, **fields: str):
    """Fill in the form at *address* and send it."""
    page = session.get(address, timeout=10)
    token = TOKEN.search(page.text)
    assert token, f"no form at {address}: {page.status_code}"
    fields["csrf_token"] = token[1]
    return session.post(address, data=fields, allow_redirects=False, timeout=10)


def raw(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send *request* as it is; return status, headers in lower case and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.connect()
    connection.sock.sendall(request)
    answer = http.client.HTTPResponse(connection.sock)
    try:
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    finally:
        answer.close()
        connection.close()


def log_lines(nginx: Nginx) -> list[dict]:
    """Return the lines of the access log."""
    return [json.loads(line) for line in nginx.log_text().splitlines()]
