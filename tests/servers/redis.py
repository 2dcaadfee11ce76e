"""A real Redis."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ._process import LOOPBACK, ChildProcess, Server


class Redis(Server):
    """A Redis that keeps nothing on disk: `stop` and `start` empty it."""

    @property
    def url(self) -> str:
        """The address of its database 0, as PORTAL_REDIS_URL takes it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._process = ChildProcess(
            [
                "redis-server",
                *("--port", str(self.port)),
                *("--bind", LOOPBACK),
                *("--save", ""),
                *("--appendonly", "no"),
                *("--dir", self.folder),
            ],
            log=self.folder / "redis.log",
        )
        self._process.wait_until(self._answers, timeout_s=30)

    def flush(self) -> None:
        """Empty it."""
        with self._client() as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def _client(self) -> redis.Redis:
        # By itself the client would try for seconds to reach what is starting.
        retry = Retry(NoBackoff(), retries=0)
        return redis.Redis(host=LOOPBACK, port=self.port, retry=retry)
