"""The headers that every answer carries, the hosts, and the proxies in front."""

import re
from http.cookies import SimpleCookie

import pytest
import requests

from portal.app import create_app
from portal.db import db
from tests.conftest import with_own_contexts
from tests.factories import PASSWORD, make_user
from tests.pages import TOKEN

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
        "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=()",
}


@pytest.fixture
def make_client(make_portal_config):
    """Return a function that makes a portal with its own settings."""
    apps = []

    def make(**environ):
        app = with_own_contexts(create_app(make_portal_config(**environ)))
        apps.append(app)
        return app.test_client()

    yield make
    for app in apps:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/models/iris", 200),
        ("GET", "/login", 200),
        ("GET", "/keys", 303),
        ("GET", "/api/v1/models", 200),
        ("GET", "/api/v1/me", 401),
        ("GET", "/healthz", 200),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/models/iris/predict", 405),
        ("POST", "/", 405),
        ("POST", "/login", 400),
        ("GET", "/fails", 500),
        ("GET", "/api/fails", 500),
    ],
)
def test_every_answer_carries_them(app, method, path, status):
    for address in ("/fails", "/api/fails"):
        app.add_url_rule(address, address, lambda: 1 / 0)

    answer = app.test_client().open(path, method=method)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_static_files_carry_them_too(client):
    address = re.search(r'href="(/static/css/[^"]+)"', client.get("/").text).group(1)

    answer = client.get(address, buffered=True)

    assert answer.status_code == 200
    assert {header: answer.headers.get(header) for header in HEADERS} == HEADERS


def test_a_real_server_sends_them_and_hides_its_version(portal, address):
    answers = [
        requests.get(f"{portal.base_url}/", headers=address, timeout=10),
        requests.post(
            f"{portal.base_url}/healthz",
            data=b"x" * (11 * 1024 * 1024),
            headers=address,
            timeout=10,
        ),
    ]

    assert [answer.status_code for answer in answers] == [200, 413]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        server = answer.headers.get("Server", "")
        assert not any(letter.isdigit() for letter in server)
        # Every close lingers in gunicorn; we never ask for one.
        assert answer.headers["Connection"] == "keep-alive"


def test_pages_hold_no_script_or_style_of_their_own(client):
    """The policy would block them."""
    for path in ("/", "/models/ocr?example=1", "/login", "/docs", "/nothing"):
        page = client.get(path).text

        assert "<style" not in page
        assert " style=" not in page
        assert " onclick=" not in page
        scripts = page.split("<script")[1:]
        assert all("src=" in script.partition(">")[0] for script in scripts), path


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "[::1]:8000", "LOCALHOST"]
)
def test_known_hosts_are_answered(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:127.0.0.1",
        "127.0.0.1@evil.example",
        "169.254.169.254",
        "",
        "a b",
        "a..b",
        "a" * 64,
    ],
)
@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/", "text/html; charset=utf-8"), ("/api/v1/me", "application/problem+json")],
)
def test_another_host_is_400(client, host, path, content_type):
    answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 400
    assert answer.content_type == content_type
    assert "evil.example" not in answer.text


def test_a_host_that_is_allowed_is_answered(make_client):
    client = make_client(PORTAL_ALLOWED_HOSTS="portal.lan")

    assert client.get("/", headers={"Host": "portal.lan"}).status_code == 200
    assert client.get("/", headers={"Host": "localhost"}).status_code == 400


FORWARDED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=https",
    "X-Real-IP": "203.0.113.9",
    "CF-Connecting-IP": "203.0.113.9",
}


def ask_often(client, times, **headers):
    """Return the statuses of keyless calls, each from another pretended address."""
    found = []
    for number in range(times):
        own = {
            name: value.replace("203.0.113.9", f"203.0.113.{number}")
            for name, value in headers.items()
        }
        found.append(client.get("/api/v1/models", headers=own).status_code)
    return found


def test_nobody_chooses_the_own_address_without_a_proxy(make_client):
    found = ask_often(make_client(), 61, **FORWARDED)

    assert found == [200] * 60 + [429]


def test_a_trusted_proxy_says_who_is_there(make_client):
    client = make_client(PORTAL_TRUSTED_PROXIES="1")

    found = ask_often(client, 61, **{"X-Forwarded-For": "203.0.113.9"})

    assert found == [200] * 61


def test_only_what_the_trusted_proxy_added_is_believed(make_client):
    client = make_client(PORTAL_TRUSTED_PROXIES="1")

    found = ask_often(client, 61, **{"X-Forwarded-For": "203.0.113.9, 198.51.100.1"})

    assert found == [200] * 60 + [429]


@pytest.mark.parametrize("proxies", ["0", "1"])
def test_no_proxy_is_believed_about_the_host(make_client, proxies):
    client = make_client(PORTAL_TRUSTED_PROXIES=proxies)

    refused = client.get("/", headers={"X-Forwarded-Host": "evil.example"})
    page = client.get("/models/iris", headers=FORWARDED)
    sent_on = client.get("/keys", headers=FORWARDED)

    assert refused.status_code == 200
    assert "evil" not in page.text
    assert sent_on.headers["Location"] == "/login?next=/keys"


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://[2001:db8::7]", "[2001:DB8::7]"),
        ("http://b\u00fccher.example", "xn--bcher-kva.example"),
        ("http://Portal.LAN", "portal.lan:8000"),
    ],
)
def test_the_host_of_the_base_url_is_answered(make_client, base_url, host):
    client = make_client(PORTAL_BASE_URL=base_url)

    assert client.get("/", headers={"Host": host}).status_code == 200
    assert client.get("/", headers={"Host": "[::2]"}).status_code == 400


def test_links_that_leave_name_the_base_url(make_client):
    client = make_client(PORTAL_BASE_URL="https://portal.example.org")

    page = client.get("/models/iris", headers={"Host": "localhost"})

    assert "https://portal.example.org/api/v1/models/iris/predict" in page.text


def cookies_of(*answers):
    found = SimpleCookie()
    for answer in answers:
        for header in answer.headers.getlist("Set-Cookie"):
            found.load(header)
    return found


@pytest.mark.parametrize(
    ("base_url", "names", "is_secure"),
    [
        ("http://localhost:8000", {"portal", "portal-forms"}, False),
        ("https://localhost", {"__Host-portal", "__Host-portal-forms"}, True),
    ],
)
def test_cookies_are_as_narrow_as_they_can_be(make_client, base_url, names, is_secure):
    client = make_client(PORTAL_BASE_URL=base_url)
    with client.application.app_context():
        make_user("ada@example.org")
        db.session.remove()
    scheme = base_url.partition(":")[0]
    site = {"base_url": f"{scheme}://localhost"}
    page = client.get("/login", **site)
    token = TOKEN.search(page.text).group(1)

    answer = client.post(
        "/login",
        data={
            "email": "ada@example.org",
            "password": PASSWORD,
            "csrf_token": token,
        },
        **site,
    )

    found = cookies_of(page, answer)
    assert set(found) == names
    for cookie in found.values():
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert not cookie["domain"]
        assert bool(cookie["secure"]) is is_secure


def test_over_tls_browsers_are_told_to_stay_there(make_client):
    client = make_client(PORTAL_BASE_URL="https://portal.example.org")

    for path in ("/", "/nothing", "/api/v1/me"):
        answer = client.get(path, headers={"Host": "portal.example.org"})
        policy = answer.headers["Strict-Transport-Security"]
        assert policy == "max-age=31536000; includeSubDomains"


def test_a_form_over_tls_needs_no_referrer(make_client):
    client = make_client(PORTAL_BASE_URL="https://localhost")
    site = {"base_url": "https://localhost"}
    page = client.get("/models/iris", **site).text
    token = TOKEN.search(page).group(1)

    answer = client.post(
        "/models/iris/predictions",
        data={"csrf_token": token, "features": "[[5.1, 3.5, 1.4, 0.2]]"},
        **site,
    )

    assert answer.status_code == 200
