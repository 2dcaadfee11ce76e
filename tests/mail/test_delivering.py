import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from structlog.testing import capture_logs

from portal.config import ROOT, Config
from portal.db import db, now
from portal.mail import MessageState, OutgoingMessage, queue
from portal.mail import connection as mail_connection
from portal.mail.delivery import deliver_due
from tests.conftest import SECRET, make_config
from tests.servers import SmtpSink, free_port


@pytest.fixture
def sink():
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def smtp_urls(sink: SmtpSink) -> str:
    """Return the servers that are set; override to set others."""
    return sink.url


@pytest.fixture
def config(config: Config, smtp_urls: str) -> Config:
    return make_config(
        config.data_dir,
        PORTAL_SMTP_URLS=smtp_urls,
        PORTAL_MAIL_FROM="Ada's Portal <portal@example.org>",
    )


def queue_one(to: str = "ada@example.org", text: str = "Text, naïve") -> None:
    queue("test", to, "Grüße", text)
    db.session.commit()


def the_message() -> OutgoingMessage:
    db.session.expire_all()
    return db.session.scalars(select(OutgoingMessage)).one()


def test_a_due_message_is_sent_once_as_it_was_queued(app, sink):
    queue_one()

    deliver_due()
    deliver_due()

    (mail,) = sink.received
    row = the_message()
    assert mail.recipients == ("ada@example.org",)
    assert mail.sender == "portal@example.org"
    assert mail.message["From"] == "Ada's Portal <portal@example.org>"
    assert mail.message["To"] == "ada@example.org"
    assert mail.message["Subject"] == "Grüße"
    assert mail.message["Message-ID"] == row.message_id
    assert mail.message["Date"].datetime == row.created_at.replace(microsecond=0)
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message.get_content().strip() == "Text, naïve"
    assert mail.message.get_content_type() == "text/plain"
    assert (row.state, row.attempts) == ("sent", 1)
    assert row.sent_at is not None


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_message_refused_for_good_is_not_sent_again(app, sink, command):
    queue_one()
    sink.refuse(550, command=command)

    deliver_due()
    with time_machine.travel(now() + timedelta(hours=5)):
        deliver_due()

    row = the_message()
    assert sink.received == []
    assert (row.state, row.attempts) == (MessageState.REFUSED, 1)
    assert row.reply == "550 Refused by the test"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_message_refused_for_now_is_sent_later(app, sink, command):
    queue_one()
    sink.refuse(451, command=command)

    deliver_due()
    put_off = the_message()
    reply, pause = put_off.reply, put_off.next_try_at - now()
    deliver_due()
    too_early = sink.received
    with time_machine.travel(now() + timedelta(seconds=31)):
        deliver_due()

    assert reply == "451 Refused by the test"
    assert timedelta(seconds=20) < pause <= timedelta(seconds=30)
    assert too_early == []
    assert len(sink.received) == 1
    assert sink.messages[0]["Message-ID"] == the_message().message_id


def test_the_pause_doubles_up_to_two_hours(app, sink):
    queue_one()
    at, pauses = now(), []
    sink.refuse(451, times=12)

    for _ in range(12):
        with time_machine.travel(at, tick=False):
            deliver_due()
        pauses.append((the_message().next_try_at - at).total_seconds())
        at = the_message().next_try_at

    for n, pause in enumerate(pauses):
        longest = min(7200, 30 * 2**n)
        assert longest * 0.75 <= pause <= longest


def test_a_message_is_given_up_after_two_days(app, sink):
    queue_one()

    with time_machine.travel(now() + timedelta(days=2, minutes=1)):
        deliver_due()

    assert sink.received == []
    assert the_message().state == MessageState.REFUSED


def test_a_server_that_is_away_is_tried_again(app, sink):
    queue_one()
    sink.stop()

    deliver_due()
    away = the_message().state
    sink.start()
    with time_machine.travel(now() + timedelta(minutes=1)):
        deliver_due()

    assert away == MessageState.QUEUED
    assert len(sink.received) == 1


def test_a_server_that_falls_silent_is_left_in_time(app, sink, monkeypatch):
    monkeypatch.setattr(mail_connection, "SOCKET_TIMEOUT_S", 0.3)
    queue_one()
    sink.stall(2)
    start = time.monotonic()

    deliver_due()

    assert time.monotonic() - start < 1.5
    assert the_message().state == MessageState.QUEUED
    assert "imed out" in the_message().reply


def test_one_bad_message_holds_no_other_up(app, sink):
    queue_one("bad@example.org")
    queue_one("good@example.org")
    sink.refuse(550)

    deliver_due()

    assert [mail.recipients for mail in sink.received] == [("good@example.org",)]


@pytest.mark.usefixtures("app")
class TestTwoServers:
    @pytest.fixture
    def smtp_urls(self, sink: SmtpSink) -> str:
        return f"smtp://127.0.0.1:{free_port()},{sink.url}"

    def test_the_next_server_is_asked_when_one_is_away(self, sink):
        queue_one()

        deliver_due()

        assert len(sink.received) == 1
        assert the_message().state == MessageState.SENT


@pytest.mark.usefixtures("app")
class TestWrongSecurity:
    @pytest.fixture
    def smtp_urls(self, sink: SmtpSink) -> str:
        return f"{sink.url}?tls=starttls"

    def test_nothing_is_sent_in_the_clear_when_encryption_is_asked_for(self, sink):
        queue_one()

        deliver_due()

        assert sink.received == []
        assert the_message().state == MessageState.QUEUED


@pytest.mark.usefixtures("app")
class TestNoServers:
    @pytest.fixture
    def smtp_urls(self) -> str:
        return ""

    def test_messages_stay_and_their_text_is_logged_once(self):
        queue_one(text="https://portal.example.org/verify-email/token")

        with capture_logs() as lines:
            deliver_due()
            deliver_due()

        (line,) = lines
        assert line["log_level"] == "warning"
        assert line["to"] == "ada@example.org"
        assert "verify-email/token" in line["text"]
        assert the_message().state == MessageState.QUEUED
        assert the_message().logged_at is not None


def test_a_message_claimed_by_a_killed_worker_is_sent_by_another(app, sink):
    queue_one()
    the_message().claimed_until = now() + timedelta(seconds=120)
    db.session.commit()

    deliver_due()
    early = sink.received
    with time_machine.travel(now() + timedelta(seconds=121)):
        deliver_due()

    assert early == []
    assert len(sink.received) == 1


def test_several_workers_send_each_message_once(pg_app: Flask, sink, monkeypatch):
    config = pg_app.extensions["portal"].config.model_copy(
        update={"smtp_urls": (sink.url,)}
    )
    config.__dict__.pop("smtp_servers", None)
    monkeypatch.setitem(pg_app.extensions, "portal", _Parts(config))
    for n in range(20):
        queue("test", f"user{n}@example.org", "Hello", "Text")
    db.session.commit()

    def work() -> None:
        with pg_app.app_context():
            deliver_due()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    recipients = sorted(mail.recipients for mail in sink.received)
    assert recipients == sorted((f"user{n}@example.org",) for n in range(20))


class _Parts:
    def __init__(self, config: Config) -> None:
        self.config = config


def test_the_command_does_what_is_due_and_ends(runner, sink):
    queue_one()

    done = runner.invoke(args=["worker", "--once"])

    assert done.exit_code == 0
    assert len(sink.received) == 1


class TestWorkerProcess:
    @pytest.fixture
    def worker(self, app, sink, tmp_path: Path):
        environ = {
            "PATH": os.environ["PATH"],
            "PORTAL_DATA_DIR": str(app.extensions["portal"].config.data_dir),
            "PORTAL_SECRET_KEY": SECRET,
            "PORTAL_SMTP_URLS": sink.url,
            "FLASK_SKIP_DOTENV": "1",
        }
        log = (tmp_path / "worker.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "worker"],
            cwd=ROOT,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        yield process
        process.kill()
        process.wait()
        log.close()

    def test_it_sends_and_stops_within_seconds(self, worker, sink):
        queue_one()
        sink.wait_for("ada@example.org", timeout_s=20)

        start = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        status = worker.wait(10)

        assert status == 0
        assert time.monotonic() - start < 4

    def test_it_stops_in_time_while_a_server_keeps_it_waiting(self, worker, sink):
        sink.stall(8, command="DATA")
        queue_one()
        sink.wait_for("ada@example.org", timeout_s=20)

        start = time.monotonic()
        worker.send_signal(signal.SIGINT)
        worker.wait(10)

        assert time.monotonic() - start < 4
