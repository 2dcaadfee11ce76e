"""How our gunicorn worker shares its threads between connections."""

import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.web.small_server import serving
from tests.web.test_bodies import connect, head, read_answer

CROWD = 24
FAST, SLOW = head("/", {}, "GET"), head("/slow", {}, "GET")


@pytest.fixture(scope="module")
def one_thread(tmp_path_factory):
    """Return the port of a server with one thread."""
    folder = tmp_path_factory.mktemp("one-thread")
    with serving("tests.web.who", folder, "--threads", "1") as port:
        yield port


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    """Return the port of a server with two workers of two threads each."""
    folder = tmp_path_factory.mktemp("two-workers")
    with serving("tests.web.who", folder, "-w", "2", "--threads", "2") as port:
        yield port


def ask(connection, request=FAST):
    """Return what one request is answered."""
    connection.sendall(request)
    return read_answer(connection)


def test_requests_that_come_at_once_on_a_connection_are_all_answered(one_thread):
    with connect(one_thread) as connection:
        connection.sendall(FAST * 3)
        stream = connection.makefile("rb")
        statuses = [line for line in lines_of(stream, 3) if line.startswith(b"HTTP/")]

    assert statuses == [b"HTTP/1.1 200 OK\r\n"] * 3


def lines_of(stream, answers):
    """Yield the lines of so many answers, which have a body of one line each."""
    for _ in range(answers):
        length = 0
        while (line := stream.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            yield line
        stream.read(length)


def test_a_client_that_keeps_asking_leaves_the_thread_to_others(one_thread):
    """The only thread stays with whoever asks on, but not while somebody waits."""
    with connect(one_thread) as chatty, ThreadPoolExecutor() as pool:
        pool.submit(ask_on_and_on, chatty)
        heard = pool.submit(hear, chatty)
        try:
            time.sleep(0.2)
            with connect(one_thread, timeout_s=5) as connection:
                assert ask(connection)[0] == 200
                # The same connection again, back from the loop.
                assert ask(connection)[0] == 200
        finally:
            chatty.shutdown(socket.SHUT_RDWR)
        assert heard.result(timeout=10) > 0


def ask_on_and_on(connection):
    """Send the next request before the last is answered, until it is shut."""
    with suppress(OSError):
        while True:
            connection.sendall(FAST * 20)


def hear(connection):
    """Return how many bytes came until the connection was shut."""
    heard = 0
    with suppress(OSError):
        while part := connection.recv(65536):
            heard += len(part)
    return heard


def test_a_crowd_is_shared_between_the_workers(two_workers):
    connections = [connect(two_workers) for _ in range(CROWD)]
    try:
        with ThreadPoolExecutor(CROWD) as pool:
            answers = list(pool.map(lambda one: ask(one, SLOW), connections))
    finally:
        for connection in connections:
            connection.close()

    assert [status for status, _ in answers] == [200] * CROWD
    served = Counter(pid for _, pid in answers)
    assert len(served) == 2
    assert min(served.values()) >= CROWD // 8
