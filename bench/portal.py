"""The portal as in production: gunicorn, PostgreSQL, Redis and `flask worker`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from bench.serving import Server, answers
from tests.servers import Portal, Postgres, Redis, ServerFailed

TITLE = "Model Portal, key + limits + counting"
EMAIL = "bench@example.org"
THREADS = "8"
# Every limit is kept, counted and answered in headers; none is in the way.
PLAN = (
    "--rate=1000000000/minute;1000000000/hour",
    "--quota=1000000000",
    "--compute-seconds=1000000000",
    "--concurrency=100000",
)


class BenchPortal:
    """A portal with the models published and a key, started as often as needed.

    Attributes:
        redis: For the peers that use one, too.
    """

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self.redis = redis
        self._postgres = postgres
        self._portal = Portal.production(
            postgres.create_database("bench"),
            redis.url,
            is_prepared=True,
            PORTAL_THREADS=THREADS,
        )
        self._key = ""

    def __enter__(self) -> Self:
        """Make its database and a user with a key."""
        self._flask("db", "upgrade")
        self._flask("plans", "set", "default", *PLAN)
        self._flask("users", "create", "--email", EMAIL, "--verified")
        self._key = self._flask("keys", "create", "--email", EMAIL, "--name", "bench")
        return self

    def __exit__(self, *_: object) -> None:
        """Remove its files."""
        self._portal.__exit__(None, None, None)

    def publish(self, files: Mapping[str, Path]) -> None:
        """Publish each of *files* under its name, for the task `tensor`."""
        for name, path in files.items():
            self._flask("models", "publish", str(path), "--name", name)

    @contextmanager
    def running(self, name: str, body: bytes, *, workers: int = 2) -> Iterator[Server]:
        """Serve until the context ends; measured is the model called *name*.

        Raises:
            ServerFailed: It does not answer *body*.
        """
        self._portal.environ["PORTAL_WORKERS"] = str(workers)
        self._portal.start()
        try:
            server = Server(
                TITLE,
                f"{self._portal.base_url}/api/v1/models/{name}/predict",
                self._key,
                self._portal.pid,
                (self._postgres.pid, self.redis.pid),
            )
            if not answers(server, body):
                message = f"the portal did not answer {name}"
                raise ServerFailed(message)
            yield server
        finally:
            self._portal.stop()

    def _flask(self, *words: str) -> str:
        done = self._portal.flask(*words)
        if done.returncode:
            message = f"flask {' '.join(words)} failed:\n{done.stderr[-2000:]}"
            raise ServerFailed(message)
        return done.stdout.strip()


@contextmanager
def prepared(files: Mapping[str, Path]) -> Iterator[BenchPortal]:
    """Start the databases, and publish *files* on a new portal."""
    # Commits wait for the disk, as they do in production.
    with (
        Postgres(is_durable=True) as postgres,
        Redis() as redis,
        BenchPortal(postgres, redis) as portal,
    ):
        portal.publish(files)
        yield portal
