"""The log: one line of JSON per request, and no secret in it."""

import json
import subprocess
import sys
import textwrap
from urllib.parse import quote

import pytest
import requests

from tests.factories import PASSWORD
from tests.pages import TOKEN
from tests.servers._process import ROOT

IRIS = "/api/v1/models/iris/predict"
SETOSA = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def lines(portal):
    """Return a function that returns what the server has logged since, parsed."""
    before = len(portal.log_text())

    def read():
        return [json.loads(line) for line in portal.log_text()[before:].splitlines()]

    return read


@pytest.fixture
def ask(portal, address):
    """Return a function that sends a request, its path as it is written."""

    def ask(path, method="GET", **options):
        prepared = requests.Request(
            method,
            portal.base_url,
            headers={**address, **options.pop("headers", {})},
            **options,
        ).prepare()
        prepared.url = portal.base_url + path
        with requests.Session() as session:
            return session.send(prepared, timeout=10, allow_redirects=False)

    return ask


def requests_in(lines):
    return [line for line in lines() if line["event"] == "request"]


def test_a_request_is_one_line(ask, lines):
    answer = ask("/models/iris?example=1")

    (line,) = requests_in(lines)
    assert line["method"] == "GET"
    assert line["path"] == "/models/iris"
    assert line["status"] == 200
    assert line["ms"] > 0
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_a_keyed_call_names_user_key_prefix_model_and_version(ask, lines, new_key):
    secret = new_key()

    ask(IRIS, "POST", json=SETOSA, headers=bearer(secret))

    (line,) = requests_in(lines)
    assert isinstance(line["user"], int)
    assert line["key"] == secret[3:11]
    assert (line["model"], line["version"]) == ("iris", 1)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/static/nothing.css"])
def test_what_asks_all_the_time_is_not_logged(ask, lines, path):
    assert ask(path).status_code in {200, 404}

    assert requests_in(lines) == []


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/nothing", "/nothing"),
        ("/a%0a%7b%22level%22%3a%22error%22%7d", '/a\n{"level":"error"}'),
        ("/a%0d%0aSet-Cookie:x", "/a\r\nSet-Cookie:x"),
        ("/a%1b%5b31m", "/a\x1b[31m"),
        ("/%e2%80%a8", "/\u2028"),
    ],
)
def test_a_path_stays_on_its_line(ask, lines, path, logged):
    ask(path)

    (line,) = requests_in(lines)
    assert (line["path"], line["status"]) == (logged, 404)


@pytest.mark.parametrize(
    ("method", "path", "logged"),
    [
        ("GET", "/verify-email/{token}", "/verify-email/<token>"),
        ("GET", "/reset-password/{token}", "/reset-password/<token>"),
        ("GET", "/setup/{token}", "/setup/<token>"),
        # What no route takes must not betray it either.
        ("PUT", "/reset-password/{token}", "/reset-password/<token>"),
        ("GET", "/reset-password/{token}/", "/reset-password/<token>"),
        ("GET", "/setup/{token}/x", "/setup/<token>"),
    ],
)
def test_a_token_in_the_address_is_not_logged(ask, lines, method, path, logged):
    ask(path.format(token="tok3n-of-a-mail"), method)

    (line,) = requests_in(lines)
    assert line["path"] == logged
    assert "tok3n" not in str(lines())


def test_no_secret_is_logged(portal, ask, lines, new_key):
    secret = new_key()
    with requests.Session() as browser:
        page = browser.get(f"{portal.base_url}/login", timeout=10).text
        token = TOKEN.search(page).group(1)
        typed = {"email": "nobody@example.org", "password": PASSWORD}
        login = browser.post(
            f"{portal.base_url}/login",
            data={**typed, "csrf_token": token},
            timeout=30,
        )
        forms_cookie = browser.cookies["portal-forms"]
    ask(IRIS, "POST", json=SETOSA, headers=bearer(secret))
    ask(IRIS, "POST", json=SETOSA, headers=bearer(f"{secret[:-1]}!"))
    ask(f"/api/v1/me?api_key={secret}")
    ask(IRIS, "POST", data=b"{", headers={"X-API-Key": secret})
    ask("/keys", headers={"Cookie": "portal=a-l0gin-token"})
    ask("/login", "POST", data={**typed, "csrf_token": "x"})
    ask(f"/login?next={quote('/keys?token=tok3n')}")

    text = json.dumps(lines())
    assert login.status_code == 422
    assert len(requests_in(lines)) == 9
    canaries = (secret[11:], token, forms_cookie, PASSWORD, "l0gin", "tok3n")
    assert [canary for canary in canaries if canary in text] == []


def test_a_fault_is_one_line_too_with_its_trace_and_id(config):
    script = """
        import sys
        from pathlib import Path
        from portal.app import create_app
        from portal.config import Config
        from portal.web import request_log

        request_log.configure(as_json=True)
        app = create_app(Config.load(dotenv=Path("/nonexistent")))

        @app.get("/fails")
        def fail():
            local = "hunter2"
            raise RuntimeError("nobody\\nforesaw this")

        print(app.test_client().get("/fails").headers["X-Request-ID"])
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        env={"PORTAL_DATA_DIR": str(config.data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    fault, line = (json.loads(line) for line in done.stderr.splitlines())
    assert (fault["event"], fault["level"]) == ("request.failed", "error")
    assert "RuntimeError: nobody\nforesaw this" in fault["exception"]
    assert fault["request_id"] == line["request_id"] == done.stdout.strip()
    assert line["status"] == 500
    assert "hunter2" not in fault["exception"].replace('local = "hunter2"', "")
