"""One run of wrk, and what the server spent meanwhile."""

import json
import math
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from bench.processes import cpu_s
from bench.serving import Server

SCRIPT = Path(__file__).with_name("wrk.lua")
GRACE_S = 20


class WrkMissing(Exception):
    """There is no wrk on this machine."""


@dataclass(frozen=True)
class Load:
    """How much is sent: *connections* at once, for *seconds*."""

    threads: int = 2
    connections: int = 32
    seconds: int = 5


@dataclass(frozen=True)
class Figures:
    """What one run of the client saw.

    Without a single answer the times are NaN.

    Attributes:
        per_s: Answers of 2xx or 3xx per second.
        cpu_us, stores_cpu_us: Processor time per answer, of the server and of the
            databases it uses.
        errors: Refusals and broken connections.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    stores_cpu_us: float
    errors: int


def wrk_path() -> str:
    """Return where wrk is.

    Raises:
        WrkMissing: Nowhere.
    """
    path = shutil.which("wrk")
    if path is None:
        raise WrkMissing("wrk is missing; on Debian: apt-get install wrk")
    return path


def measure(server: Server, body: Path, load: Load) -> Figures:
    """Send *body* to *server* again and again."""
    before = cpu_s([server.pid]), cpu_s(server.store_pids)
    said = _run_wrk(server, body, load)
    after = cpu_s([server.pid]), cpu_s(server.store_pids)
    good = int(said["requests"] - said["refused"]) or math.nan
    server_s, stores_s = (then - now for now, then in zip(before, after, strict=True))
    return Figures(
        per_s=(said["requests"] - said["refused"]) / said["seconds"],
        # Without an answer wrk says 0.
        p50_ms=said["p50_ms"] or math.nan,
        p99_ms=said["p99_ms"] or math.nan,
        cpu_us=server_s / good * 1e6,
        stores_cpu_us=stores_s / good * 1e6,
        errors=int(said["refused"] + said["broken"]),
    )


def median(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure; of the errors the sum."""
    names = [one.name for one in fields(Figures)]
    values = {n: statistics.median(getattr(run, n) for run in runs) for n in names}
    return Figures(**{**values, "errors": sum(run.errors for run in runs)})


def _run_wrk(server: Server, body: Path, load: Load) -> dict[str, float]:
    done = subprocess.run(
        [
            wrk_path(),
            *("-t", str(load.threads)),
            *("-c", str(load.connections)),
            *("-d", f"{load.seconds}s"),
            *("--timeout", "10s"),
            *("-s", str(SCRIPT)),
            server.url,
            *("--", str(body), server.key),
        ],
        capture_output=True,
        text=True,
        timeout=load.seconds + GRACE_S,
        check=True,
    )
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said
