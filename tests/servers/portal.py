"""The portal itself, as a child process."""

import http.client
import os
import subprocess
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Self

from dotenv import dotenv_values

from ._process import LOOPBACK, ROOT, ChildProcess, Server, ServerFailed


class Portal(Server):
    """The portal as its owner runs it: child processes and their commands.

    Attributes:
        base_url: where it answers, without a slash at the end.
        data_dir: its PORTAL_DATA_DIR.
        environ: the environment of its processes and of `flask`.
        application: what gunicorn serves.
    """

    application = "wsgi:app"

    def __init__(
        self, settings: Mapping[str, str] | None = None, *, is_embedded: bool = True
    ) -> None:
        """Choose its port, folder and environment; `start` starts it."""
        super().__init__()
        self.base_url = f"http://{LOOPBACK}:{self.port}"
        self.data_dir = self.folder / "data"
        self.environ = {
            **_clean_environ(),
            "HOST": LOOPBACK,
            "PORT": str(self.port),
            "PORTAL_DATA_DIR": str(self.data_dir),
            "PYTHONUNBUFFERED": "1",
            **(settings or {}),
        }
        self._is_embedded = is_embedded
        self._is_prepared = is_embedded
        self._worker: ChildProcess | None = None

    @classmethod
    def embedded(cls, **settings: str) -> Self:
        """Make one as `make run` starts it, with *settings* (PORTAL_…=…) added."""
        return cls(settings)

    @classmethod
    def production(
        cls,
        database_url: str,
        redis_url: str,
        *,
        is_prepared: bool = False,
        **settings: str,
    ) -> Self:
        """Make one as `docker compose up` starts it: gunicorn and the worker.

        Unless it *is_prepared*, its first start migrates and publishes.
        """
        portal = cls(
            {
                "PORTAL_DATABASE_URL": database_url,
                "PORTAL_REDIS_URL": redis_url,
                "PORTAL_WORKERS": "2",
                **settings,
            },
            is_embedded=False,
        )
        portal._is_prepared = is_prepared
        return portal

    @classmethod
    def bare(cls, **settings: str) -> Self:
        """Make one of gunicorn and the worker on a data folder that has its models."""
        portal = cls(settings, is_embedded=False)
        portal._is_prepared = True
        return portal

    @property
    def exit_code(self) -> int | None:
        """The exit code of the web process; None while it runs."""
        return self._process.exit_code if self._process else None

    @property
    def worker_exit_code(self) -> int | None:
        """The exit code of `flask worker` in production; None while it runs."""
        return self._worker.exit_code if self._worker else None

    def start(self) -> None:
        """Migrate and publish the first time, then serve until it is ready."""
        if not self._is_prepared:
            self._prepare()
        serve = [sys.executable, "-m", "portal.serve"]
        gunicorn = [
            *(sys.executable, "-m", "gunicorn"),
            *("-c", "gunicorn.conf.py", self.application),
        ]
        self._process = self._spawn(serve if self._is_embedded else gunicorn, "portal")
        self._process.wait_until(self._answers, timeout_s=60)
        if not self._is_embedded:
            self.start_worker()

    def start_worker(self) -> None:
        """Start `flask worker` (production)."""
        self._worker = self._spawn(_flask_command("worker"), "worker")

    def stop_worker(self) -> None:
        """Stop `flask worker` (production)."""
        if self._worker is not None:
            self._worker.stop()

    def stop(self) -> None:
        """Send SIGTERM and wait, or after 20 s SIGKILL; the data stays."""
        self.stop_worker()
        super().stop()

    def flask(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - the name subprocess.run has
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run `flask ARGS` with these settings; the exit status is not checked."""
        return subprocess.run(
            _flask_command(*args),
            cwd=ROOT,
            env=self.environ,
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def log_text(self) -> str:
        """Return all that the processes have logged."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(log.read_text(errors="replace") for log in logs)

    def _prepare(self) -> None:
        for command in (("db", "upgrade"), ("models", "publish-bundled")):
            done = self.flask(*command)
            if done.returncode:
                message = f"flask {' '.join(command)} failed:\n{done.stderr[-4000:]}"
                raise ServerFailed(message)
        self._is_prepared = True

    def _spawn(self, command: list[str], name: str) -> ChildProcess:
        log = self.folder / f"{name}.log"
        return ChildProcess(command, log=log, environ=self.environ)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _flask_command(*args: str) -> list[str]:
    return [sys.executable, "-m", "flask", *args]


def _clean_environ() -> dict[str, str]:
    """Return our environment without anything that configures a portal."""
    dropped = ("PORTAL_", "FLASK_", "GUNICORN_", "WEB_CONCURRENCY", "HOST", "PORT")
    ours = {name: v for name, v in os.environ.items() if not name.startswith(dropped)}
    # An empty value also hides what a developer's .env says.
    hidden = dict.fromkeys(dotenv_values(ROOT / ".env"), "")
    return {**ours, **hidden, "FLASK_SKIP_DOTENV": "1"}
