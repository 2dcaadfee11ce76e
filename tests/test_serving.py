"""`python -m portal.serve`, which is what `make run` does."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.published import copy_store, published
from tests.servers import Portal, free_port
from tests.servers._process import ROOT

__all__ = ["published"]
pytestmark = pytest.mark.slow
SERVE = ["portal.serve"]
LINK = re.compile(r"http://127\.0\.0\.1:\d+/setup/\S+")
IRIS = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}


@pytest.fixture
def make_portal(published):
    """Return a function that makes a portal whose models are published already."""

    def make(**settings):
        portal = Portal.embedded(**settings)
        copy_store(published, portal.data_dir)
        return portal

    return make


@pytest.fixture(scope="module")
def portal(published):
    """Return a running portal, for tests that leave one behind."""
    portal = Portal.embedded()
    copy_store(published, portal.data_dir)
    with portal:
        yield portal


def children_of(pid):
    """Return the ids of the processes that *pid* started, if it is still there."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in found.split()]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def child_with(pid, words):
    """Return the id of the child of *pid* whose command has *words*.

    Waits for it: a child that died is missing for a moment.
    """
    found = []

    def find():
        found[:] = [c for c in children_of(pid) if words in command_of(c)]
        return found

    wait_for(find, timeout_s=5)
    return found[0]


def is_alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_for(is_true, *, timeout_s):
    """Wait until *is_true*; return how long it took, in seconds."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < timeout_s, "it took too long"
        time.sleep(0.05)
    return time.monotonic() - began


def status_of(url):
    try:
        return requests.get(url, timeout=2).status_code
    except requests.RequestException:
        return None


def start(command, folder, **settings):
    """Run a module of ours until it ends by itself; return what it said."""
    environ = {
        "PATH": os.environ["PATH"],
        "PORT": str(free_port()),
        "PORTAL_DATA_DIR": str(folder),
        "FLASK_SKIP_DOTENV": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_publishes_the_bundled_models_and_prints_its_address_and_a_setup_link():
    with Portal.embedded() as portal:
        models = requests.get(f"{portal.base_url}/api/v1/models", timeout=10).json()

        wait_for(lambda: LINK.search(portal.log_text()), timeout_s=5)
        log = portal.log_text()
        assert f"model-portal: ready on {portal.base_url}\n" in log
        assert "published the model iris" in log
        assert {"file-type", "iris", "ocr"} <= {m["name"] for m in models["models"]}
        assert requests.get(LINK.search(log).group(), timeout=10).status_code == 200


def test_running_it_again_loses_nothing_and_prints_no_link_once_there_is_an_owner(
    make_portal,
):
    with make_portal() as portal:
        wait_for(lambda: LINK.search(portal.log_text()), timeout_s=5)
        email = ("--email", "ada@example.org")
        made = portal.flask("users", "create", *email, "--role", "owner", "--verified")
        secret = portal.flask("keys", "create", *email, "--name", "kept").stdout.strip()
        portal.flask("models", "withdraw", "ocr")
        files = {path.name for path in portal.data_dir.rglob("*") if path.is_file()}
        portal.stop()
        before = len(portal.log_text())
        portal.start()

        answer = requests.post(
            f"{portal.base_url}/api/v1/models/iris/predict",
            json=IRIS,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=10,
        )
        wait_for(lambda: "ready on" in portal.log_text()[before:], timeout_s=5)
        log = portal.log_text()[before:]
        assert (made.returncode, answer.status_code) == (0, 200)
        assert "/setup/" not in log
        assert "published the model" not in log
        assert status_of(f"{portal.base_url}/models/ocr") == 404
        assert files <= {p.name for p in portal.data_dir.rglob("*") if p.is_file()}


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        done = start(SERVE, tmp_path, PORT=str(port))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"model-portal: 127.0.0.1:{port} can't be used (Address already in use); "
        "choose another, as in: make run PORT=8001\n"
    )


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("PORTAL_WORKERS", "many", "PORTAL_WORKERS is not usable ('many')"),
        ("PORTAL_WORKERS", "2", "PORTAL_WORKERS above 1 needs PORTAL_REDIS_URL"),
        ("PORTAL_SECRET_KEY", "dev", "PORTAL_SECRET_KEY must have 32 characters"),
        ("PORTAL_COLOUR", "red", "PORTAL_COLOUR is not a setting of the portal"),
        ("PORT", "eighty", "PORT is not usable ('eighty')"),
        ("HOST", "no.such.host.invalid", "no.such.host.invalid:"),
        (
            "PORTAL_DATABASE_URL",
            "postgresql://portal@127.0.0.1:9/portal",
            "the database can't be used: ",
        ),
    ],
)
def test_a_setting_that_can_not_be_used_is_one_sentence(
    tmp_path, setting, value, sentence
):
    done = start(SERVE, tmp_path, **{setting: value})

    assert done.returncode == 1
    assert done.stderr.startswith(f"model-portal: {sentence}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ["flask", "users", "list"],
        ["flask", "worker"],
        ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
    ],
)
def test_every_command_says_so_in_one_sentence(tmp_path, command):
    done = start(command, tmp_path, PORTAL_WORKERS="2")

    assert done.returncode == 1
    assert done.stderr.startswith("model-portal: PORTAL_WORKERS above 1 needs")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_gunicorn_and_the_worker(make_portal, name):
    with make_portal() as portal:
        gunicorn = child_with(portal.pid, "gunicorn")
        worker = child_with(portal.pid, "flask worker")
        web = children_of(gunicorn)

        os.kill(portal.pid, name)

        took_s = wait_for(lambda: portal.exit_code is not None, timeout_s=15)
        assert portal.exit_code == 0
        assert took_s < 10
        assert [pid for pid in (gunicorn, worker, *web) if is_alive(pid)] == []
        assert "Traceback" not in portal.log_text()


def test_a_call_on_its_way_is_answered_before_the_end(make_portal):
    """The stop comes while the body of a call is still being sent."""
    with make_portal() as portal:
        connection = socket.create_connection(("127.0.0.1", portal.port), timeout=15)
        body = b'{"inputs": {}}'
        head = (
            "POST /api/v1/models/iris/predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:5])
        time.sleep(0.5)

        os.kill(portal.pid, signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(body[5:])

        with connection:
            assert connection.recv(100).startswith(b"HTTP/1.1 401 ")
        wait_for(lambda: portal.exit_code is not None, timeout_s=15)
        assert portal.exit_code == 0


def test_a_killed_web_process_serves_again_within_seconds(portal):
    """About one second alone; the suite may have the machine busy."""
    # A gunicorn that was killed a moment ago may be on its way yet.
    wait_for(lambda: children_of(child_with(portal.pid, "gunicorn")), timeout_s=20)
    gunicorn = child_with(portal.pid, "gunicorn")
    (web,) = children_of(gunicorn)

    os.kill(web, signal.SIGKILL)

    wait_for(lambda: not is_alive(web), timeout_s=2)
    wait_for(lambda: status_of(f"{portal.base_url}/readyz") == 200, timeout_s=10)
    assert children_of(gunicorn) != [web]


def test_a_killed_worker_is_started_again(portal):
    worker = child_with(portal.pid, "flask worker")

    os.kill(worker, signal.SIGKILL)

    wait_for(lambda: child_with(portal.pid, "flask worker") != worker, timeout_s=5)
    assert "The worker ended with status -9; starting it again." in portal.log_text()
    wait_for(lambda: status_of(f"{portal.base_url}/readyz") == 200, timeout_s=10)


def test_a_killed_gunicorn_is_started_again(portal):
    gunicorn = child_with(portal.pid, "gunicorn")

    os.kill(gunicorn, signal.SIGKILL)

    wait_for(lambda: child_with(portal.pid, "gunicorn") != gunicorn, timeout_s=5)
    wait_for(lambda: status_of(f"{portal.base_url}/readyz") == 200, timeout_s=20)


def test_a_published_version_is_served_within_five_seconds(portal):
    email = ("--email", "ada@example.org")
    portal.flask("users", "create", *email, "--verified")
    secret = portal.flask("keys", "create", *email, "--name", "k").stdout.strip()

    def version():
        return requests.post(
            f"{portal.base_url}/api/v1/models/iris/predict",
            json=IRIS,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=10,
        ).json()["version"]

    before = version()
    done = portal.flask("models", "publish", "bundled/iris", "--title", "Iris again")

    assert (before, done.returncode) == (1, 0)
    wait_for(lambda: version() == 2, timeout_s=5)
    assert "Iris again" in requests.get(portal.base_url, timeout=5).text
