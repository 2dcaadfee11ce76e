"""nginx in front of two portals: addresses, hosts, sizes, logs, restarts."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests

from portal.web import security
from tests.deploy.conftest import (
    BASE_URL,
    EMAIL,
    browser,
    log_lines,
    open_half,
    raw,
    send_form,
)
from tests.servers import Nginx

pytestmark = pytest.mark.slow
IRIS = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}
PREDICT = "/api/v1/models/iris/predict"
FORGED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Real-IP": "203.0.113.66",
    "Forwarded": "for=203.0.113.66;host=evil.test;proto=https",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Ssl": "on",
}
HALF_OPEN = 300


def fail_to_log_in(base_url, *, source, agent, **headers):
    visitor = browser(source=source, User_Agent=agent)
    visitor.headers.update(headers)
    send_form(visitor, f"{base_url}/login", email=EMAIL, password="not this one")


def recorded_address(stack, agent):
    (row,) = stack.query(
        "SELECT address FROM audit_events WHERE user_agent = %s", agent
    )
    return row[0]


def test_the_address_of_the_reader_is_recorded_whatever_it_says(stack):
    fail_to_log_in(stack.nginx.base_url, source="127.0.0.2", agent="forger", **FORGED)

    assert recorded_address(stack, "forger") == "127.0.0.2"


def test_another_proxy_in_front_is_believed_and_nobody_else(stack):
    ports = [portal.port for portal in stack.portals]
    told = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    with Nginx(ports, {"NGINX_TRUSTED_PROXY": "127.0.0.3"}) as nginx:
        fail_to_log_in(nginx.base_url, source="127.0.0.3", agent="proxy", **told)
        fail_to_log_in(nginx.base_url, source="127.0.0.4", agent="liar", **told)
        proxied = browser(source="127.0.0.3").get(
            f"{nginx.base_url}/static/img/mark.svg", headers=told, timeout=5
        )

    assert recorded_address(stack, "proxy") == "203.0.113.7"
    assert recorded_address(stack, "liar") == "127.0.0.4"
    assert proxied.headers["Strict-Transport-Security"] == security.HSTS


def test_no_forged_host_reaches_a_mail(stack):
    visitor = browser(**FORGED)
    address = f"{stack.nginx.base_url}/forgot-password"

    asked = send_form(visitor, address, email=EMAIL)
    elsewhere = visitor.get(address, headers={"Host": "evil.test"}, timeout=5)
    mail = stack.smtp.wait_for(EMAIL)

    assert asked.status_code == 303
    assert elsewhere.status_code == 400
    text = mail.as_string()
    assert f"{BASE_URL}/reset-password/" in text
    assert "evil" not in text


def test_the_portals_own_answers_pass_unchanged(stack):
    direct, proxied = (
        requests.get(f"{base}/api/v1/models/nope", timeout=5)
        for base in (stack.portals[0].base_url, stack.nginx.base_url)
    )

    here, there = direct.json(), proxied.json()
    assert proxied.status_code == 404
    assert here.pop("instance") != there.pop("instance")
    assert here == there
    assert set(proxied.headers) >= set(security.HEADERS)
    assert proxied.headers["Server"] == "nginx"


def test_a_body_as_large_as_the_limit_passes_and_is_the_portals_to_judge(stack):
    body = b" " * 1024 * 1024

    answer = requests.post(
        f"{stack.nginx.base_url}{PREDICT}",
        data=body,
        headers={"X-API-Key": stack.key},
        timeout=10,
    )

    assert answer.status_code == 415


def test_the_portal_and_nginx_serve_static_files_alike(stack):
    page = requests.get(stack.nginx.base_url, timeout=5).text
    versioned = [part for part in page.split('"') if part.startswith("/static/")]
    bare = {path.partition("?")[0] for path in versioned}
    paths = {*versioned, *bare, *(f"{path}?v=00000000" for path in bare)}
    same = (*security.HEADERS, "Content-Type", "Content-Encoding", "Vary")

    assert len(versioned) > 20
    with requests.Session() as session:
        for path in sorted(paths):
            direct, proxied = (
                session.get(f"{base}{path}", timeout=5)
                for base in (stack.portals[0].base_url, stack.nginx.base_url)
            )
            assert proxied.content == direct.content, path
            for name in same:
                assert proxied.headers.get(name) == direct.headers.get(name), path
            kept, keeps = (
                set(answer.headers["Cache-Control"].split(", "))
                for answer in (direct, proxied)
            )
            assert kept == keeps, path


def test_a_stylesheet_is_kept_for_a_year_compressed_and_asked_for_once(stack):
    page = requests.get(stack.nginx.base_url, timeout=5).text
    (path,) = {p for p in page.split('"') if p.startswith("/static/css/app.css?v=")}
    url = f"{stack.nginx.base_url}{path}"

    first = requests.get(url, timeout=5)
    again = requests.get(
        url, headers={"If-None-Match": first.headers["ETag"]}, timeout=5
    )

    assert first.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert first.headers["Content-Encoding"] == "gzip"
    assert again.status_code == 304


def test_a_page_is_never_compressed(stack):
    answer = requests.get(f"{stack.nginx.base_url}/login", timeout=5)

    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers


def test_no_token_and_no_key_is_logged(stack):
    base, key = stack.nginx.base_url, stack.key
    token = "WyJhZGEiLDFd.aSTz7w.c2lnbmF0dXJl-of_a_link"
    hidden = [f"/{word}/{token}" for word in ("setup", "verify-email")]
    hidden += [f"/reset-password/{token}?next=/", f"//reset-password//{token}"]

    with requests.Session() as session:
        for path in (*hidden, f"/keys/{key}/x", f"{PREDICT}?api_key={key}"):
            session.get(f"{base}{path}", allow_redirects=False, timeout=5)
        called = session.post(
            f"{base}{PREDICT}", json=IRIS, headers={"X-API-Key": key}, timeout=5
        )

    logs = [stack.nginx.log_text(), *(portal.log_text() for portal in stack.portals)]
    paths = [line["path"] for line in log_lines(stack.nginx)]
    assert called.status_code == 200
    assert not [log for log in logs if token in log]
    assert key not in logs[0]
    assert {"/setup/<token>", "/verify-email/<token>", "/keys/…", PREDICT} <= set(paths)
    assert paths.count("/reset-password/<token>") == 2


def test_a_line_of_the_log_has_the_id_that_the_reader_sees(stack):
    chosen = {"X-Request-ID": "req_of_my_own_choice"}

    answers = [
        requests.post(f"{stack.nginx.base_url}{path}", headers=chosen, timeout=5)
        for path in (PREDICT, "/static/css/app.css")
    ]

    lines = {line["request_id"]: line for line in log_lines(stack.nginx)}
    seen = [lines[answer.headers["X-Request-ID"]] for answer in answers]
    assert [line["status"] for line in seen] == ["401", "405"]
    assert [line["method"] for line in seen] == ["POST", "POST"]
    assert all(answer.headers["X-Request-ID"].startswith("req_") for answer in answers)
    assert "req_of_my_own_choice" not in lines


def test_half_a_head_from_many_readers_slows_nobody(stack):
    with ExitStack() as opened:
        for _ in range(HALF_OPEN):
            opened.enter_context(open_half(stack.nginx))
        began = time.monotonic()
        statuses = [
            requests.get(f"{stack.nginx.base_url}/healthz", timeout=5).status_code
            for _ in range(5)
        ]
        took_s = time.monotonic() - began

    assert statuses == [200] * 5
    # Milliseconds alone; gunicorn by itself would answer none of them.
    assert took_s < 3


def test_half_a_head_is_cut_after_ten_seconds(stack):
    stack.half_open.settimeout(12)

    with pytest.raises(ConnectionResetError):
        stack.half_open.recv(1)


def test_a_portal_that_is_stopped_loses_no_call(stack):
    """As in an upgrade: one ends, with a call under way, while the other answers."""
    _, second = stack.portals
    head = "POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n"
    statuses = []

    def call():
        address = f"{stack.nginx.base_url}/healthz"
        statuses.append(requests.post(address, timeout=10).status_code)

    with (
        socket.create_connection(("127.0.0.1", second.port), timeout=10) as slow,
        ThreadPoolExecutor(1) as pool,
    ):
        slow.sendall(f"{head}a".encode())
        call()
        stopping = pool.submit(second.stop)
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            call()
            time.sleep(0.01)
        slow.sendall(b"b")
        finished = slow.recv(100)
        while not stopping.done():
            call()
            time.sleep(0.01)

    # What the portal itself says to this method.
    assert finished.startswith(b"HTTP/1.1 405 ")
    assert len(statuses) > 20
    assert set(statuses) == {405}


def test_smuggled_requests_are_refused(stack):
    head = b"POST /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    both = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"
    twice = b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
    unknown = b"Transfer-Encoding: xchunked\r\n\r\n"

    statuses = [raw(stack.nginx.port, head + rest)[0] for rest in (both, twice)]
    statuses.append(raw(stack.nginx.port, head + unknown)[0])

    assert statuses == [400, 400, 501]
