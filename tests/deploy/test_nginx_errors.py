"""What nginx answers itself: in the portal's words and its two forms."""

import re
import socket
import ssl
import subprocess
import threading
from contextlib import suppress

import pytest
import requests

from portal.app import create_app
from portal.reference.kinds import kinds
from portal.web import security
from tests.deploy.conftest import raw
from tests.servers import Nginx, free_port
from tests.servers.nginx import SOURCE

LONG = b"a" * 9000
HOST = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")


@pytest.fixture(scope="module")
def nginx():
    """Return nginx in front of two portals that are both away."""
    with Nginx([free_port(), free_port()], {"PORTAL_MAX_UPLOAD_MB": "1"}) as nginx:
        yield nginx


@pytest.fixture
def dying():
    """Return two portals that read a request and die, and what they have read."""
    seen = []
    with Dying(seen) as first, Dying(seen) as second:
        yield first.port, second.port, seen


class Dying:
    """A portal that dies within every request."""

    def __init__(self, seen):
        self._seen = seen
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        # Wakes up a thread that waits for a connection.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    self._seen.append(connection.recv(65536).split(b" ")[0])


@pytest.mark.parametrize("listen", ["http", "https"])
def test_the_configuration_is_clean(listen, tmp_path):
    certificate(tmp_path)
    settings = {"NGINX_LISTEN": listen, "NGINX_TLS": str(tmp_path)}
    with Nginx([9], settings) as nginx:
        checked = nginx.check()

    assert checked.returncode == 0
    assert not re.search(r"\[\w+\]", checked.stderr), checked.stderr


def refusals():
    """Return requests that nginx refuses itself, by the status of the answer."""
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    return {
        400: b"%s" + HOST + b"Host: other\r\n\r\n",
        413: b"%s" + HOST + b"Content-Length: 1048577\r\n\r\n",
        "413 chunked": b"%s"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + chunk
        + b"1\r\nx\r\n0\r\n\r\n",
        414: b"%s?" + LONG + HOST + b"\r\n",
        431: b"%s" + HOST + b"X-Long: " + LONG + b"\r\n\r\n",
        502: b"%s" + HOST + b"\r\n",
    }


@pytest.mark.parametrize("case", refusals())
@pytest.mark.parametrize("prefix", ["/api/v1/", "/v1/", "/v2/"])
def test_a_refusal_under_the_api_is_a_problem_document(nginx, prefix, case):
    start = f"POST {prefix}models".encode()

    status, headers, body = raw(nginx.port, refusals()[case].replace(b"%s", start))

    problem = requests.models.complexjson.loads(body)
    slug = problem["type"].removeprefix("/docs/errors#")
    assert status == problem["status"] == int(str(case)[:3])
    assert headers["content-type"] == "application/problem+json"
    assert problem["instance"] == f"urn:request:{headers['x-request-id']}"
    assert REQUEST_ID.fullmatch(headers["x-request-id"])
    members = {"type", "title", "status", "detail", "instance"}
    if prefix == "/v2/":
        assert problem["error"] == problem["detail"]
    elif prefix == "/v1/":
        assert problem["error"]["message"] == problem["detail"]
        assert problem["error"]["code"] == slug
    assert set(problem) - {"error"} == members
    assert ("error" in problem) == (prefix != "/api/v1/")


@pytest.mark.parametrize("case", refusals())
def test_a_refusal_elsewhere_is_a_page(nginx, case):
    request = refusals()[case].replace(b"%s", b"POST /models/api/v1/")

    status, headers, body = raw(nginx.port, request)

    page = body.decode()
    assert status == int(str(case)[:3])
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["x-request-id"] in page
    assert "<!--#" not in page
    assert "(none)" not in page
    assert " style=" not in page
    assert "<script" not in page


def test_a_page_that_nginx_answers_loads_only_what_nginx_has(nginx):
    page = requests.get(nginx.base_url, timeout=5).text

    loaded = re.findall(r'href="(/static/[^"]+)"', page)
    statuses = {requests.get(nginx.base_url + p, timeout=5).status_code for p in loaded}

    assert len(loaded) > 3
    assert statuses == {200}


@pytest.mark.parametrize("path", ["/", "/api/v1/models", "/static/nope.css"])
def test_what_nginx_answers_carries_the_portals_headers(nginx, path):
    answer = requests.get(nginx.base_url + path, timeout=5)

    sent = {name: answer.headers.get(name) for name in security.HEADERS}
    assert sent == security.HEADERS
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "nginx"
    assert "Strict-Transport-Security" not in answer.headers


def test_a_portal_that_is_away_says_when_to_come_back(nginx):
    answer = requests.get(nginx.base_url, timeout=5)

    assert (answer.status_code, answer.headers["Retry-After"]) == (502, "5")


def test_a_failure_puts_no_token_and_no_key_into_the_log(nginx):
    for path in ("/setup/token-of-a-link", "/docs?api_key=token-of-a-link"):
        requests.get(nginx.base_url + path, timeout=5)

    assert '"path":"/setup/<token>","status":"502"' in nginx.log_text()
    assert "token-of-a-link" not in nginx.log_text()


@pytest.mark.parametrize("path", ["/metrics", "/_nginx/page.html", "/static/"])
def test_what_is_not_for_readers_is_not_there(nginx, path):
    answer = requests.get(nginx.base_url + path, timeout=5)

    assert answer.status_code == 404


def test_every_kind_that_nginx_names_is_one_of_the_portals(config):
    text = (SOURCE / "portal/errors.conf").read_text()
    slugs = dict(re.findall(r"^    (\d{3}) ([a-z-]+);", text, re.MULTILINE))
    titles = dict(re.findall(r'^    ([a-z-]+) "(.+)";', text, re.MULTILINE))

    titles["malformed"] = titles.pop("default", None) or "The request can't be read"
    with create_app(config).test_request_context():
        known = {kind.slug: kind.title for kind in kinds()}

    assert set(slugs.values()) <= set(known)
    assert {slug: known[slug] for slug in slugs.values()}.items() <= titles.items()


def test_a_post_that_was_sent_is_never_sent_again(dying):
    first, second, seen = dying
    with Nginx([first, second]) as nginx:
        posted = requests.post(f"{nginx.base_url}/api/v1/x", json={}, timeout=5)
        sent = list(seen)
        requests.get(nginx.base_url, timeout=5)

    assert posted.status_code == 502
    assert sent == [b"POST"]
    # A page is asked for at the other portal, so the test could have failed.
    assert b"GET" in seen


def test_a_flood_of_what_is_not_there_is_slowed_down():
    request = b"GET /static/nope" + HOST + b"\r\n"
    last = b"GET /api/v1/models" + HOST + b"Connection: close\r\n\r\n"
    with (
        Nginx([9]) as nginx,
        socket.create_connection(("127.0.0.1", nginx.port)) as connection,
    ):
        connection.sendall(request * 900 + last)
        answers = b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    statuses = re.findall(r"^HTTP/1.1 (\d+)", answers, re.MULTILINE)
    limited = answers[answers.rindex("HTTP/1.1 ") :]
    assert statuses[:500] == ["404"] * 500
    assert statuses.count("429") > 200
    assert statuses[-1] == "429"
    assert "\r\nRetry-After: 1\r\n" in limited
    assert "/docs/errors#limit-exceeded" in limited


def certificate(folder):
    """Make a certificate of our own in *folder*."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"),
        ],
        check=True,
        capture_output=True,
    )


def test_with_a_certificate_it_speaks_http_2_over_tls_and_sends_others_there(tmp_path):
    certificate(tmp_path)
    context = ssl.create_default_context(cafile=tmp_path / "fullchain.pem")
    context.set_alpn_protocols(["h2"])
    base_url = "https://portal.example.org"
    settings = {
        "NGINX_LISTEN": "https",
        "NGINX_TLS": str(tmp_path),
        "PORTAL_BASE_URL": base_url,
    }
    with Nginx([9], settings) as nginx:
        with (
            socket.create_connection(("127.0.0.1", nginx.https_port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
        ):
            protocol, version = tls.selected_alpn_protocol(), tls.version()
        moved = requests.get(
            f"{nginx.base_url}/docs?a=1",
            headers={"Host": "evil.test"},
            allow_redirects=False,
            timeout=5,
        )
        secure = requests.get(
            f"https://127.0.0.1:{nginx.https_port}/",
            verify=str(tmp_path / "fullchain.pem"),
            timeout=5,
        )
        health = requests.get(f"{nginx.base_url}/healthz", timeout=5)

    assert (protocol, version) == ("h2", "TLSv1.3")
    assert moved.status_code == 301
    assert moved.headers["Location"] == f"{base_url}/docs?a=1"
    assert secure.headers["Strict-Transport-Security"] == security.HSTS
    assert health.status_code == 502
