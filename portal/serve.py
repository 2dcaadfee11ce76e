"""`make run`: migrate, publish the bundled models, start gunicorn and the worker.

Stays as their parent: passes SIGINT and SIGTERM on, and starts a child again
that died.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import FrameType

from portal.config import ROOT, Config, SettingInvalid
from portal.errors import PortalError

STOP_LIMIT_S = 28  # a little more than gunicorn's own grace
START_LIMIT_S = 60
QUICK_DEATH_S = 5
MAX_QUICK_DEATHS = 3
POLL_S = 0.2
WEB = ("-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")
DEV_WEB = ("-m", "flask", "--debug", "run")
PREPARE = ("-m", "portal.serve", "--prepare")
WORKER = ("-m", "flask", "worker")


class Child:
    """A process that should be there as long as the portal is."""

    def __init__(self, name: str, arguments: tuple[str, ...]) -> None:
        self.name = name
        self._arguments = arguments
        self._quick_deaths = 0
        self.start()

    def start(self) -> None:
        """Start the process."""
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own modules, no shell
            [sys.executable, *self._arguments], cwd=ROOT
        )

    def keep_alive(self) -> None:
        """Start the process again if it died.

        Raises:
            SystemExit: It died too often right after its start.
        """
        status = self.process.poll()
        if status is None:
            return
        lived_s = time.monotonic() - self._started_at
        self._quick_deaths = self._quick_deaths + 1 if lived_s < QUICK_DEATH_S else 0
        if self._quick_deaths >= MAX_QUICK_DEATHS:
            _say(f"{self.name} keeps ending with status {status}; giving up.")
            raise SystemExit(1)
        _say(f"{self.name} ended with status {status}; starting it again.")
        self.start()

    def stop(self, deadline: float) -> None:
        """Wait for the process until *deadline*, then kill it."""
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main() -> None:
    """Run the portal until it is told to stop."""
    arguments = _arguments()
    try:
        config = Config.load()
    except SettingInvalid as invalid:
        sys.exit(f"model-portal: {invalid}")
    if arguments.prepare:
        sys.stdout.write(prepare() or "")
        return
    _check_port(config)
    setup_link = _prepare_apart()
    web = DEV_WEB if arguments.dev else WEB
    if arguments.dev:
        web = (*web, "--host", config.host, "--port", str(config.port))
    _stop_on_signals()
    children = [Child("The web server", web), Child("The worker", WORKER)]
    try:
        _wait_until_ready(config, children)
        _say(f"ready on {config.base_url}")
        if setup_link:
            _say(f"nobody owns it yet; make yourself its owner here: {setup_link}")
        while True:
            for child in children:
                child.keep_alive()
            time.sleep(POLL_S)
    finally:
        _stop(children)


def prepare() -> str | None:
    """Bring the database and the catalogue up to date; return the setup link."""
    # Imported here: the parent stays small, since it never serves.
    from flask_migrate import upgrade  # noqa: PLC0415
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415

    from portal import accounts, catalog  # noqa: PLC0415
    from portal.app import create_app  # noqa: PLC0415
    from portal.web import request_log  # noqa: PLC0415

    config = Config.load()
    request_log.configure(as_json=not sys.stderr.isatty())
    try:
        with create_app(config).app_context():
            upgrade()
            for version in catalog.publish_bundled(config):
                _say(f"published the model {version.model.name}")
            return accounts.setup_link(config)
    except OperationalError as error:
        why = " ".join(str(error.orig).split())
        sys.exit(f"model-portal: the database can't be used: {why}")
    except PortalError as refusal:
        sys.exit(f"model-portal: {refusal}")


def _prepare_apart() -> str:
    """Prepare in a process of its own, whose memory is free afterwards."""
    prepared = subprocess.run(  # noqa: S603 - our own module, no shell
        [sys.executable, *PREPARE], cwd=ROOT, stdout=subprocess.PIPE, check=False
    )
    if prepared.returncode:
        sys.exit(prepared.returncode)
    return prepared.stdout.decode().strip()


def _check_port(config: Config) -> None:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            sys.exit(
                f"model-portal: {config.host}:{config.port} can't be used "
                f"({error.strerror}); choose another, as in: make run PORT=8001"
            )


def _wait_until_ready(config: Config, children: list[Child]) -> None:
    host = f"[{config.host}]" if ":" in config.host else config.host
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        for child in children:
            child.keep_alive()
        try:
            with urllib.request.urlopen(
                f"http://{host}:{config.port}/readyz", timeout=2
            ):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
    _say("the web server did not become ready.")
    raise SystemExit(1)


def _stop_on_signals() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _stop(children: list[Child]) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + STOP_LIMIT_S
    for child in children:
        child.stop(deadline)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="model-portal", description=__doc__)
    parser.add_argument(
        "--dev", action="store_true", help="debug pages, and reload on change"
    )
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="only migrate and publish; print the setup link, if nobody owns it yet",
    )
    return parser.parse_args()


def _say(sentence: str) -> None:
    sys.stderr.write(f"model-portal: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
