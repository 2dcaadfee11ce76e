"""What is measured: a server that answers one model, on a port of its own."""

import hashlib
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.servers import ServerFailed, free_port
from tests.servers._process import ChildProcess

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).with_name("peers")
WORK = ROOT / "var" / "bench"
INSTALL_LIMIT_S, START_LIMIT_S, STOP_LIMIT_S, ANSWER_LIMIT_S = 600, 60, 3, 5
PEER_KEY = "a-key-that-only-the-bench-knows"


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: As in the tables.
        url: Where it takes predictions.
        key: Sent as a bearer token; who needs none ignores it.
        pid: Of the process that all others of it descend from.
        store_pids: Of the databases that it uses.
    """

    name: str
    url: str
    key: str
    pid: int
    store_pids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Peer:
    """Another way to serve a model, in an environment of its own.

    Attributes:
        title: Its name in the tables.
        folder: In `bench/peers`, with its `requirements.txt`.
        command: Arguments of its Python; {port} is put in.
        uses_redis: Whether its limit is counted in Redis.
    """

    title: str
    folder: str
    command: tuple[str, ...]
    uses_redis: bool = False


_UVICORN = (
    *("-m", "uvicorn", "--app-dir", "fastapi"),
    *("--host", "127.0.0.1", "--port", "{port}"),
    *("--workers", "2", "--no-access-log", "--log-level", "warning"),
)
_BENTOML = (
    *("-m", "bentoml", "serve", "service:Predictor", "--working-dir", "bentoml"),
    *("--host", "127.0.0.1", "--port", "{port}"),
)
BARE, KEYED = "FastAPI, bare", "FastAPI + slowapi + key"
PEERS_KNOWN = (
    Peer(BARE, "fastapi", (*_UVICORN, "bare:app")),
    Peer(KEYED, "fastapi", (*_UVICORN, "keyed:app"), uses_redis=True),
    Peer("LitServe, bare", "litserve", ("litserve/server.py",)),
    Peer("BentoML, bare", "bentoml", _BENTOML),
)


def python_of(peer: Peer) -> Path:
    """Return the Python of *peer*, with its libraries installed.

    Raises:
        CalledProcessError, TimeoutExpired: They can't be had.
    """
    requirements = PEERS / peer.folder / "requirements.txt"
    folder = WORK / "peers" / peer.folder
    python, stamp = folder / "bin/python", folder / "installed"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        _run([sys.executable, "-m", "venv", "--clear", folder])
        _run([python, "-m", "pip", "install", "--quiet", "-r", requirements])
        stamp.write_text(digest)
    return python


@contextmanager
def spawned(
    peer: Peer, model: Path, *, redis_url: str, redis_pid: int
) -> Iterator["Spawned"]:
    """Run *peer* on *model* until the context ends; it may not answer yet."""
    port = free_port()
    environ = {
        "BENCH_KEY": PEER_KEY,
        "BENCH_MODEL": str(model),
        "BENCH_REDIS_URL": redis_url,
        "BENTOML_DO_NOT_TRACK": "True",
        "PORT": str(port),
        "PYTHONPATH": str(PEERS),
    }
    command = [part.format(port=port) for part in peer.command]
    name = re.sub(r"\W+", "-", peer.title.lower())
    process = ChildProcess(
        ["env", f"--chdir={PEERS}", python_of(peer), *command],
        log=WORK / f"{name}.log",
        environ={**os.environ, **environ},
    )
    stores = (redis_pid,) if peer.uses_redis else ()
    url = f"http://127.0.0.1:{port}/predict"
    try:
        yield Spawned(Server(peer.title, url, PEER_KEY, process.pid, stores), process)
    finally:
        process.stop(timeout_s=STOP_LIMIT_S)


@dataclass(frozen=True)
class Spawned:
    """A peer that was just started."""

    server: Server
    process: ChildProcess

    def wait(self, body: bytes) -> Server:
        """Return the server once it answers *body*.

        Raises:
            ServerFailed: It does not.
        """
        self.process.wait_until(
            lambda: answers(self.server, body), timeout_s=START_LIMIT_S
        )
        return self.server


def answers(server: Server, body: bytes) -> bool:
    """Whether *server* answers one prediction."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        server.url,
        body,
        {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as response:  # noqa: S310 - as above
            return bool(response.status == HTTPStatus.OK)
    except urllib.error.HTTPError as error:
        message = f"{server.name} answered {error.code}: {error.read(500)!r}"
        raise ServerFailed(message) from None
    except OSError:
        return False


def _run(command: Sequence[str | Path]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_LIMIT_S)
