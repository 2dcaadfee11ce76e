"""The servers of the suite do what the other tests rely on."""

import smtplib
import time
from email.message import EmailMessage

import psycopg2
import pytest
import redis

from tests.servers import Postgres, Redis, ServerFailed, SmtpSink, free_port
from tests.servers._process import ChildProcess


def run_sql(url, statement):
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def send(sink, to="ada@example.org", subject="Hello", timeout_s=5):
    message = EmailMessage()
    message["From"] = "portal@example.org"
    message["To"] = to
    message["Subject"] = subject
    message.set_content("Grüße")
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=timeout_s) as client:
        client.send_message(message)


@pytest.fixture
def sink():
    with SmtpSink() as sink:
        yield sink


def test_postgres_keeps_its_data_over_a_restart():
    with Postgres() as postgres:
        url = postgres.create_database("kept")
        run_sql(url, "CREATE TABLE t AS SELECT 'ä' AS letter")

        postgres.restart()

        assert run_sql(url, "SELECT letter FROM t") == [("ä",)]


def test_a_stopped_postgres_refuses_connections():
    with Postgres() as postgres:
        postgres.stop()

        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(postgres.url)


def test_a_database_made_again_is_empty():
    with Postgres() as postgres:
        url = postgres.create_database("again")
        run_sql(url, "CREATE TABLE t (n int)")

        postgres.create_database("again")

        with pytest.raises(psycopg2.errors.UndefinedTable):
            run_sql(url, "SELECT n FROM t")


def test_redis_flushes():
    with Redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("a", "1")

        server.flush()

        assert client.get("a") is None


def test_redis_comes_back_empty_on_the_same_port():
    with Redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("a", "1")

        server.restart()

        assert client.get("a") is None


def test_the_sink_receives_mail(sink):
    send(sink, to="ada@example.org", subject="First")

    message = sink.wait_for("ada@example.org")

    assert message["Subject"] == "First"
    assert message.get_content() == "Grüße\n"
    assert sink.received[0].recipients == ("ada@example.org",)


def test_the_sink_returns_each_mail_once(sink):
    send(sink, subject="First")
    send(sink, subject="Second")

    subjects = [sink.wait_for("ada@example.org")["Subject"] for _ in range(2)]

    assert subjects == ["First", "Second"]
    with pytest.raises(TimeoutError):
        sink.wait_for("ada@example.org", timeout_s=0.05)


@pytest.mark.parametrize("code", [451, 550])
def test_the_sink_refuses_as_often_as_it_is_told(sink, code):
    sink.refuse(code, times=1)

    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(sink)
    send(sink)

    assert refused.value.recipients["ada@example.org"][0] == code
    assert len(sink.messages) == 1


def test_a_mail_refused_after_its_text_is_not_kept(sink):
    sink.refuse(452, command="DATA")

    with pytest.raises(smtplib.SMTPDataError):
        send(sink)

    assert sink.messages == []


def test_a_stalled_answer_comes_late(sink):
    sink.stall(0.3)

    began = time.monotonic()
    send(sink)

    assert time.monotonic() - began >= 0.3


def test_a_stalled_sink_can_be_stopped():
    with SmtpSink() as sink:
        sink.stall(60, command="DATA")

        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(sink, timeout_s=0.3)

        assert len(sink.messages) == 1


def test_a_server_that_ends_at_once_shows_its_log(tmp_path):
    command = ["sh", "-c", "echo it will not do; exit 3"]
    process = ChildProcess(command, log=tmp_path / "log")

    with pytest.raises(ServerFailed, match="it will not do"):
        process.wait_until(lambda: False, timeout_s=5)

    assert process.exit_code == 3


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path):
    command = ["sh", "-c", "trap '' TERM; echo ready; sleep 60; true"]
    process = ChildProcess(command, log=tmp_path / "log")
    process.wait_until(lambda: "ready" in process.log_text(), timeout_s=5)

    process.stop(timeout_s=0.3)

    assert process.exit_code == -9


def test_free_ports_are_free():
    port = free_port()

    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP("127.0.0.1", port, timeout=1)
