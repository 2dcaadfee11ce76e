"""Many more clients than a model can serve, and what becomes of them.

wrk neither hangs up nor reads Retry-After, so the clients are our own.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

from bench.serving import Server

CLIENTS = 256
PATIENCE_S = 1.0
GRACE_S = 10.0
OK = 200
BUSY = (429, 503)


class Manner(StrEnum):
    """How clients take it; last those whose calls keep a server busy longest."""

    PATIENT = "patient; when refused they wait as told"
    DEAF = "when refused they call again at once"
    IMPATIENT = "hang up after 1 s and call again"


@dataclass
class Outcome:
    """What became of the calls.

    Attributes:
        seconds: How long the clients called.
        answered_ms, refused_ms: The time of each answer and refusal.
        gave_up: Calls whose client hung up.
        broken: Calls that ended otherwise.
    """

    seconds: float
    answered_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    gave_up: int = 0
    broken: int = 0

    @property
    def per_s(self) -> float:
        """Answers per second that a client was there to read."""
        return len(self.answered_ms) / self.seconds


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Return the percentile, or None of too few *values*."""
    return quantiles(values, n=100)[percent - 1] if len(values) > 1 else None


def measure(server: Server, body: Path, manner: Manner, *, seconds: float) -> Outcome:
    """Let `CLIENTS` clients call *server* for so many *seconds*."""
    return asyncio.run(_Crowd(server, body.read_bytes(), manner, seconds).run())


class _Crowd:
    """The clients, all alike."""

    def __init__(
        self, server: Server, body: bytes, manner: Manner, seconds: float
    ) -> None:
        self._address = urlsplit(server.url)
        self._manner = manner
        self._seconds = seconds
        self._outcome = Outcome(seconds)
        self._request = (
            f"POST {self._address.path} HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
            f"Authorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    async def run(self) -> Outcome:
        """Call until the time is up; what is under way then counts for nothing."""
        clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        await asyncio.sleep(self._seconds)
        for client in clients:
            client.cancel()
        await asyncio.wait(clients, timeout=GRACE_S)
        return self._outcome

    async def _client(self) -> None:
        while True:
            try:
                await self._call_on_one_connection()
            except TimeoutError:
                self._outcome.gave_up += 1
            except (OSError, EOFError, ValueError):
                self._outcome.broken += 1
                await asyncio.sleep(0.01)

    async def _call_on_one_connection(self) -> None:
        reader, writer = await asyncio.open_connection(
            self._address.hostname, self._address.port
        )
        try:
            while await self._call(reader, writer):
                pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _call(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Call once; return whether the connection may be used again."""
        began = time.perf_counter()
        patience_s = PATIENCE_S if self._manner is Manner.IMPATIENT else None
        async with asyncio.timeout(patience_s):
            writer.write(self._request)
            status, headers = await _read_answer(reader)
        took_ms = (time.perf_counter() - began) * 1000
        if status == OK:
            self._outcome.answered_ms.append(took_ms)
        elif status in BUSY:
            self._outcome.refused_ms.append(took_ms)
            if self._manner is not Manner.DEAF:
                await asyncio.sleep(float(headers.get("retry-after", 1)))
        else:
            message = f"the server answered {status}"
            raise ValueError(message)
        return headers.get("connection", "").lower() != "close"


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    await reader.readexactly(int(headers["content-length"]))
    return int(first.split()[1]), headers
