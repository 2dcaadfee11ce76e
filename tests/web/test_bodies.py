"""Bodies of requests, against a real gunicorn: whole or refused, never in the way."""

import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests

from portal.errors import RequestTimedOut
from portal.web.body import REFUSAL, BodyReader
from tests.web.small_server import serving

MB = 1024 * 1024
IRIS = "/api/v1/models/iris/predict"
FILE_TYPE = "/api/v1/models/file-type/predict"
JSON = {"Content-Type": "application/json"}
ROW = b"[[5.1,3.5,1.4,0.2]]"


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def pieces(total, size=64 * 1024):
    """Yield *total* bytes, so that requests sends them as chunks."""
    for sent in range(0, total, size):
        yield b"x" * min(size, total - sent)


def padded(size):
    """Return a JSON body of that size that is a good one."""
    head = b'{"inputs": {"features": ' + ROW
    return head + b" " * (size - len(head) - 2) + b"}}"


def connect(port, timeout_s=15):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_s)


def head(path, headers, method="POST"):
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_all(connection):
    """Return what comes until the other end closes."""
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def read_answer(connection):
    """Return the status and body of one answer on a connection that stays."""
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, stream.read(length)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_the_limit_is_413_with_a_length_and_in_chunks(
    portal, new_key, is_chunked
):
    size = 20 * MB
    body = pieces(size) if is_chunked else b"x" * size

    answer = requests.post(
        portal.base_url + FILE_TYPE,
        data=body,
        headers={**bearer(new_key()), "Content-Type": "text/plain"},
        timeout=15,
    )

    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "10 MB" in answer.json()["detail"]
    assert answer.json()["type"] == "/docs/errors#too-large"


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("extra", [0, 1])
def test_the_limit_is_exact(portal, new_key, is_chunked, extra):
    """One byte more must not be cut off: the document would still be a good one."""
    body = padded(10 * MB) + b" " * extra

    answer = requests.post(
        portal.base_url + IRIS,
        data=io.BytesIO(body) if not is_chunked else iter([body[:MB], body[MB:]]),
        headers={**bearer(new_key()), **JSON},
        timeout=15,
    )

    assert answer.status_code == (413 if extra else 200)


def test_a_chunked_body_is_read_whole(portal, new_key):
    answer = requests.post(
        portal.base_url + IRIS,
        data=(bytes([byte]) for byte in padded(200)),
        headers={**bearer(new_key()), **JSON},
        timeout=15,
    )

    assert answer.status_code == 200
    assert answer.json()["outputs"]["labels"][0]["label"] == "setosa"


def test_a_form_field_may_be_as_long_as_the_limit(portal, new_key):
    rows = json.dumps([[5.1, 3.5, 1.4, 0.2]] * 60_000)
    assert len(rows) > MB

    answer = requests.post(
        portal.base_url + IRIS,
        files={"features": (None, rows)},
        headers=bearer(new_key()),
        timeout=30,
    )

    assert answer.status_code == 200
    assert answer.json()["outputs"]["probabilities"]["shape"] == [60_000, 3]


def test_a_page_refuses_a_body_over_the_limit_with_a_page(portal, address):
    answer = requests.post(
        f"{portal.base_url}/models/iris/predictions",
        data=b"x" * (11 * MB),
        headers=address,
        timeout=15,
    )

    assert answer.status_code == 413
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/healthz"])
def test_a_large_body_to_any_address_is_answered(portal, address, path):
    answer = requests.post(
        portal.base_url + path, data=b"x" * (11 * MB), headers=address, timeout=15
    )

    assert answer.status_code in {404, 405, 413}
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "chunk", [b"zz\r\nhello\r\n", b"5\r\nhelloworld\r\n", b"-5\r\nhello\r\n"]
)
def test_a_broken_chunk_is_400(portal, new_key, chunk):
    headers = {**bearer(new_key()), **JSON, "Transfer-Encoding": "chunked"}

    with connect(portal.port) as connection:
        connection.sendall(head(IRIS, headers) + chunk + b"0\r\n\r\n")
        status, body = read_answer(connection)

    assert status == 400
    assert json.loads(body)["type"] == "/docs/errors#malformed"


def test_a_body_shorter_than_it_says_is_400_or_closed(portal, new_key):
    headers = {**bearer(new_key()), **JSON, "Content-Length": "500"}

    with connect(portal.port) as connection:
        connection.sendall(head(IRIS, headers) + b'{"inputs": {}}')
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)

    assert answer == b"" or b" 400 " in answer.splitlines()[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "5", "Transfer-Encoding": "chunked"},
        {"Content-Length": "-1"},
        {"Content-Length": "5, 6"},
        {"Transfer-Encoding": "xchunked"},
    ],
)
def test_a_length_that_could_be_read_two_ways_is_refused(portal, headers):
    with connect(portal.port) as connection:
        connection.sendall(head("/healthz", headers) + b"0\r\n\r\n")
        answer = read_all(connection)

    assert answer.split(None, 2)[1] in {b"400", b"501"}


def test_a_connection_serves_again_after_a_refused_body(portal, new_key):
    secret = new_key()
    with requests.Session() as session:
        session.headers.update(bearer(secret))
        refused = session.post(
            portal.base_url + FILE_TYPE, data=b"x" * (11 * MB), timeout=15
        )
        answer = session.post(
            portal.base_url + IRIS, data=padded(100), headers=JSON, timeout=15
        )

    assert (refused.status_code, answer.status_code) == (413, 200)


def test_callers_without_a_key_do_not_stop_the_others(portal, new_key, address):
    """Gunicorn lingers on its main loop over what was left unread."""
    secret = new_key()
    body = b"x" * 200_000
    headers = {**bearer("mp_wrong"), **address, "Content-Length": str(len(body))}
    request = head(IRIS, headers) + body
    is_over = threading.Event()

    def attack():
        with connect(portal.port) as connection:
            connection.sendall(request)
            status, _ = read_answer(connection)
            is_over.wait(10)  # It keeps its end.
        return status

    with ThreadPoolExecutor(60) as attackers:
        attacks = [attackers.submit(attack) for _ in range(60)]
        slowest = 0.0
        found = set()
        for _ in range(20):
            began = time.monotonic()
            health = requests.get(f"{portal.base_url}/healthz", timeout=10)
            call = requests.post(
                portal.base_url + IRIS,
                data=padded(100),
                headers={**bearer(secret), **JSON},
                timeout=10,
            )
            slowest = max(slowest, time.monotonic() - began)
            found |= {health.status_code, call.status_code}
        is_over.set()
        refused = {attack.result() for attack in attacks}

    assert refused == {401}
    assert found == {200}
    assert slowest < 2


def test_clients_that_keep_a_closed_connection_do_not_stop_the_others(portal):
    request = head("/healthz", {"Connection": "close"}, "GET")

    with ExitStack() as kept:
        for _ in range(32):
            connection = kept.enter_context(connect(portal.port))
            connection.sendall(request)
        began = time.monotonic()
        answers = [
            requests.get(f"{portal.base_url}/healthz", timeout=10).status_code
            for _ in range(10)
        ]
        took_s = time.monotonic() - began

    assert answers == [200] * 10
    assert took_s < 2


@pytest.fixture(scope="module")
def echo_port(tmp_path_factory):
    """Return the port of a gunicorn whose bodies have a second to arrive."""
    folder = tmp_path_factory.mktemp("echo")
    with serving("tests.web.echo", folder, "--threads", "2") as port:
        yield port


def drip(connection, request, pause_s):
    """Send the request, then a byte at a time until nobody listens."""
    connection.sendall(request)
    try:
        while True:
            time.sleep(pause_s)
            connection.sendall(b"x")
    except OSError:
        pass


@pytest.mark.parametrize("pause_s", [0.05, 60])
@pytest.mark.parametrize("length", [{"Content-Length": "500000"}, None])
def test_a_body_that_does_not_arrive_is_408(echo_port, pause_s, length):
    headers = length or {"Transfer-Encoding": "chunked"}

    with connect(echo_port) as connection:
        request = head("/", headers) + (b"" if length else b"7a120\r\n")
        threading.Thread(
            target=drip, args=(connection, request, pause_s), daemon=True
        ).start()
        began = time.monotonic()
        status, body = read_answer(connection)
        took_s = time.monotonic() - began

    assert (status, body) == (408, b"The body did not arrive within 1 seconds.")
    assert 0.9 < took_s < 3


def test_slow_bodies_give_their_threads_back(echo_port):
    with ExitStack() as kept:
        for _ in range(4):
            connection = kept.enter_context(connect(echo_port))
            connection.sendall(head("/", {"Content-Length": "500000"}) + b"x")

        answer = requests.post(f"http://127.0.0.1:{echo_port}/", b"hello", timeout=6)

    assert (answer.status_code, answer.text) == (200, "5 bytes")


@pytest.mark.parametrize("pause_s", [0.05, 60])
def test_a_head_that_does_not_arrive_ends_its_connection(echo_port, pause_s):
    with connect(echo_port) as connection:
        threading.Thread(
            target=drip,
            args=(connection, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", pause_s),
            daemon=True,
        ).start()
        began = time.monotonic()
        found = read_all(connection)
        took_s = time.monotonic() - began

    assert found == b""
    assert 0.9 < took_s < 4


def test_slow_heads_give_their_threads_back(echo_port):
    with ExitStack() as kept:
        for _ in range(6):
            connection = kept.enter_context(connect(echo_port))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")

        answer = requests.post(f"http://127.0.0.1:{echo_port}/", b"hello", timeout=10)

    assert (answer.status_code, answer.text) == (200, "5 bytes")


def test_a_connection_that_is_kept_has_its_time_for_each_head(echo_port):
    with requests.Session() as session:
        for _ in range(2):
            answer = session.post(f"http://127.0.0.1:{echo_port}/", b"hi", timeout=6)
            time.sleep(1.2)  # longer than a head may take

    assert answer.text == "2 bytes"


def test_a_body_in_time_is_not_cut_by_the_deadline_of_another(echo_port):
    """A thread that was once too late starts afresh."""
    for _ in range(2):
        with connect(echo_port) as connection:
            connection.sendall(head("/", {"Content-Length": "500000"}))
            assert read_answer(connection)[0] == 408

    answers = [
        requests.post(f"http://127.0.0.1:{echo_port}/", b"x" * 999_999, timeout=6)
        for _ in range(4)
    ]

    assert [answer.text for answer in answers] == ["999999 bytes"] * 4


def test_the_reader_itself_ends_a_late_body():
    ours, theirs = socket.socketpair()
    reader = BodyReader(lambda environ, _: environ, 1000, deadline_s=0.2)
    theirs.sendall(b"half of it")

    with ours, theirs, ours.makefile("rb") as stream:
        environ = reader(
            {
                "CONTENT_LENGTH": "20",
                "wsgi.input": stream,
                "gunicorn.socket": ours,
            },
            None,
        )

    assert isinstance(environ[REFUSAL], RequestTimedOut)
    assert environ["wsgi.input"].read() == b""


@pytest.mark.parametrize(
    ("body", "length", "seen"),
    [
        (b"hello", "5", b"hello"),
        (b"hello", "4", b"hell"),
        (b"", "", b""),
        (b"hello", "", b""),
        (b"hello", None, b"hello"),
        (b"x" * 1000, None, b"x" * 1000),
    ],
)
def test_the_application_sees_the_whole_body_and_its_length(body, length, seen):
    environ = {"wsgi.input": io.BytesIO(body)}
    if length is None:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        environ["CONTENT_LENGTH"] = length

    environ = BodyReader(lambda environ, _: environ, 1000)(environ, None)

    assert environ["wsgi.input"].read() == seen
    assert environ["CONTENT_LENGTH"] == str(len(seen))
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert REFUSAL not in environ
