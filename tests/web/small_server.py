"""gunicorn with our worker, around a WSGI application of a few lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.servers import free_port
from tests.servers._process import ROOT, ChildProcess


@contextmanager
def serving(module: str, folder: Path, *options: str) -> Iterator[int]:
    """Serve ``app`` of *module* until the context ends; yield the port."""
    port = free_port()
    python = ROOT / ".venv/bin/python"
    server = ChildProcess(
        [
            *(python if python.exists() else "python", "-m", "gunicorn"),
            # Not gunicorn.conf.py, which the portal alone can use.
            *("-c", f"python:{module}", "-k", "portal.gunicorn_worker.Worker"),
            *("-b", f"127.0.0.1:{port}", "--no-control-socket"),
            *(*options, f"{module}:app"),
        ],
        log=folder / "log",
    )

    def answers() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/", timeout=1).ok
        except requests.ConnectionError:
            return False

    server.wait_until(answers, timeout_s=20)
    try:
        yield port
    finally:
        server.stop()
