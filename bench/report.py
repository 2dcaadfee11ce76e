"""The figures as Markdown."""

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.load import Figures, Load
from bench.overload import Manner, Outcome, percentile
from bench.raw import Raw
from bench.serving import BARE, KEYED, PEERS_KNOWN

BUSY_ABOVE = 0.5
LIBRARIES = ("Flask", "gunicorn", "SQLAlchemy", "redis", "onnxruntime", "numpy")
PEER_LIBRARIES = ("fastapi", "uvicorn", "slowapi", "litserve", "bentoml")


@dataclass
class ModelResult:
    """What one model's runs came to.

    Attributes:
        what: The model in words.
        per_server: Title → medians.
        pss_mib: Title → memory after the runs.
        alone: One client's calls, of the portal.
    """

    name: str
    what: str
    body_bytes: int
    raw: Raw
    raw_alone: Raw | None = None
    per_server: dict[str, Figures] = field(default_factory=dict)
    pss_mib: dict[str, float] = field(default_factory=dict)
    alone: dict[str, Figures] = field(default_factory=dict)


@dataclass
class Results:
    """All that one run measured.

    Attributes:
        missing: Title of a peer → why it was not measured.
        overload: (title, manner) → outcome.
        workers_pss_mib: Web workers → memory of the portal.
    """

    load: Load
    rounds: int
    load_average: tuple[float, float, float]
    models: list[ModelResult] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    overload: dict[tuple[str, Manner], Outcome] = field(default_factory=dict)
    workers_pss_mib: dict[int, float] = field(default_factory=dict)


def markdown(results: Results, *, at: datetime | None = None) -> str:
    """Return the whole report."""
    parts = [
        "# What the portal does per second, beside others",
        "`make bench` wrote this; CONTRIBUTING.md says what it measures.",
        _setting(results, at or datetime.now(UTC)),
        *(_model(one) for one in results.models),
        _one_client(results.models),
        _overload(results),
        _memory(results.workers_pss_mib),
        _missing(results.missing),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _setting(results: Results, at: datetime) -> str:
    load = results.load
    facts = {
        "Date": f"{at:%Y-%m-%d %H:%M} UTC",
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}",
        "Load average before": _busy(results.load_average),
        "Client": f"wrk on the same cores, {load.threads} threads, "
        f"{load.connections} connections, the median of {results.rounds} runs of "
        f"{load.seconds} s; the servers take turns",
        "Portal": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "Others": ", ".join(_peer_versions()),
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _busy(load_average: Sequence[float]) -> str:
    figures = ", ".join(f"{one:.1f}" for one in load_average)
    if load_average[0] > BUSY_ABOVE:
        return f"{figures} (the machine was busy with other work: measure again)"
    return figures


def _model(result: ModelResult) -> str:
    bare = result.per_server.get(BARE)
    keyed = result.per_server.get(KEYED)
    rows = [
        [
            title,
            f"{one.per_s:,.0f}",
            _ratio(one, bare),
            _ratio(one, keyed),
            _number(one.p50_ms, 1),
            _number(one.p99_ms, 1),
            _number(one.cpu_us),
            _number(one.stores_cpu_us) if one.stores_cpu_us else "",
            f"{result.pss_mib.get(title, 0):,.0f}",
            str(one.errors),
        ]
        for title, one in result.per_server.items()
    ]
    raw = ["onnxruntime alone, a process per core", f"{result.raw.per_s:,.0f}"]
    own_ms = f", {result.raw_alone.p50_ms:.3f} ms" if result.raw_alone else ""
    heading = f"## {result.name}: {result.what}{own_ms}"
    sent = f"Sent are {result.body_bytes:,} bytes of JSON."
    columns = (
        "server",
        "calls/s",
        "times bare FastAPI",
        "times FastAPI with key",
        "p50 ms",
        "p99 ms",
        "CPU µs per call",
        "in PostgreSQL and Redis",
        "PSS MiB",
        "errors",
    )
    return f"{heading}\n\n{sent}\n\n{_table(columns, [*rows, raw])}"


def _one_client(models: Sequence[ModelResult]) -> str:
    rows = [
        [
            model.name,
            title,
            _number(one.p50_ms, 2),
            _number(one.p50_ms - model.raw_alone.p50_ms, 2),
            _number(one.p99_ms, 2),
        ]
        for model in models
        if model.raw_alone
        for title, one in model.alone.items()
    ]
    columns = ("model", "server", "p50 ms", "over the model's own time", "p99 ms")
    return f"## One client\n\n{_table(columns, rows)}" if rows else ""


def _overload(results: Results) -> str:
    best = {t: f.per_s for t, f in results.models[-1].per_server.items()}
    rows = [
        [
            title,
            str(manner),
            f"{one.per_s:,.0f}",
            f"{one.per_s / best[title]:.2f}" if best.get(title) else "",
            _number(percentile(one.answered_ms, 99)),
            f"{len(one.refused_ms) / one.seconds:,.0f}",
            _number(percentile(one.refused_ms, 50)),
            _number(percentile(one.refused_ms, 99)),
            str(one.gave_up),
            str(one.broken),
        ]
        for (title, manner), one in results.overload.items()
    ]
    columns = (
        "server",
        "256 clients",
        "answers/s",
        "times those to 32 clients",
        "p99 ms",
        "refusals/s",
        "their p50 ms",
        "p99 ms",
        "hung up",
        "broken",
    )
    return f"## Overload, the real model\n\n{_table(columns, rows)}" if rows else ""


def _memory(pss_mib: Mapping[int, float]) -> str:
    rows = [[str(count), f"{mib:,.0f}"] for count, mib in sorted(pss_mib.items())]
    table = _table(
        ("web workers of the portal", "PSS MiB, the real model called"), rows
    )
    return f"## Memory\n\n{table}" if rows else ""


def _missing(missing: Mapping[str, str]) -> str:
    lines = "\n".join(f"- {title}: {why}" for title, why in missing.items())
    return f"## Not measured\n\n{lines}" if lines else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    padded = [[*row, *[""] * (len(columns) - len(row))] for row in rows]
    lines = [columns, ["---"] * len(columns), *padded]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratio(one: Figures, other: Figures | None) -> str:
    return f"{one.per_s / other.per_s:.2f}" if other and other.per_s else ""


def _number(value: float | None, digits: int = 0) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:,.{digits}f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _peer_versions() -> list[str]:
    folder = Path(__file__).with_name("peers")
    pins: dict[str, str] = {}
    for name in dict.fromkeys(peer.folder for peer in PEERS_KNOWN):
        text = (folder / name / "requirements.txt").read_text()
        for line in text.splitlines():
            library, _, pin = line.partition("==")
            pins[library] = pin
    return [f"{name} {pins[name]}" for name in PEER_LIBRARIES if name in pins]
