"""Runs it all: `python -m bench [--quick]`."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench import load, overload, raw, report
from bench import portal as measured_portal
from bench.load import Figures, Load
from bench.models import MODELS, BenchModel
from bench.overload import Manner
from bench.portal import BenchPortal
from bench.processes import pss_mib
from bench.report import ModelResult, Results
from bench.serving import (
    KEYED,
    PEERS_KNOWN,
    WORK,
    Peer,
    Server,
    answers,
    python_of,
    spawned,
)
from tests.servers import ServerFailed

RESULTS = Path(__file__).with_name("RESULTS.md")
WARM_UP = Load(seconds=1)
SETTLE_LIMIT_S = 60
BEGAN = time.monotonic()
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Pace:
    """How much is measured, and for how long."""

    models: tuple[BenchModel, ...]
    load: Load
    rounds: int
    alone_s: int
    overload_s: float


FULL = Pace(MODELS, Load(), rounds=3, alone_s=3, overload_s=6)
QUICK = Pace(
    (MODELS[0], MODELS[-1]), Load(seconds=1), rounds=1, alone_s=1, overload_s=2
)


class Bench:
    """One run of all measurements."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._results = Results(pace.load, pace.rounds, os.getloadavg())

    def run(self) -> Results:
        """Measure every model on every server, then overload and memory."""
        load.wrk_path()
        WORK.mkdir(parents=True, exist_ok=True)
        files = {model.name: model.save(WORK) for model in self._pace.models}
        peers = self._installed()
        with measured_portal.prepared(files) as portal:
            for model in self._pace.models:
                self._measure_model(model, files[model.name], peers, portal)
            self._measure_one_worker(portal)
        return self._results

    def _installed(self) -> list[Peer]:
        found = []
        for peer in PEERS_KNOWN:
            _say(f"{peer.title}: its environment")
            try:
                python_of(peer)
                found.append(peer)
            except (OSError, subprocess.SubprocessError) as error:
                self._results.missing[peer.title] = f"could not be installed: {error}"
        return found

    def _measure_model(
        self,
        model: BenchModel,
        path: Path,
        peers: Sequence[Peer],
        portal: BenchPortal,
    ) -> None:
        _say(f"{model.name}: onnxruntime alone")
        result = ModelResult(
            model.name,
            model.what,
            len(model.body()),
            raw.measure(path, processes=CORES, seconds=self._pace.load.seconds),
        )
        self._results.models.append(result)
        body = _body_file(model)
        with ExitStack() as stack:
            servers = [stack.enter_context(portal.running(model.name, model.body()))]
            servers += self._start(model, path, peers, portal, stack)
            self._measure_servers(servers, body, result)
            self._measure_alone(servers, path, body, result)
            if model is MODELS[-1]:
                self._overload(servers, body)

    def _start(
        self,
        model: BenchModel,
        path: Path,
        peers: Sequence[Peer],
        portal: BenchPortal,
        stack: ExitStack,
    ) -> list[Server]:
        """Start the peers; whoever does not answer is missing."""
        redis = portal.redis
        starting = {
            peer: stack.enter_context(
                spawned(peer, path, redis_url=redis.url, redis_pid=redis.pid)
            )
            for peer in peers
        }
        started = []
        for peer, one in starting.items():
            try:
                started.append(one.wait(model.body()))
            except ServerFailed as error:
                why = " ".join(str(error).split())[-300:]
                self._results.missing[peer.title] = f"{model.name}: {why}"
        return started

    def _measure_servers(
        self, servers: Sequence[Server], body: Path, result: ModelResult
    ) -> None:
        runs: dict[str, list[Figures]] = {server.name: [] for server in servers}
        for server in servers:
            load.measure(server, body, WARM_UP)
        # In turn, so that what else the machine does hits all alike.
        for number in range(self._pace.rounds):
            for server in servers:
                one = load.measure(server, body, self._pace.load)
                speed = f"{server.name} {one.per_s:,.0f}/s"
                _say(f"{result.name}, round {number + 1}: {speed}")
                runs[server.name].append(one)
        for server in servers:
            result.per_server[server.name] = load.median(runs[server.name])
            result.pss_mib[server.name] = pss_mib(server.pid)

    def _measure_alone(
        self, servers: Sequence[Server], path: Path, body: Path, result: ModelResult
    ) -> None:
        """Measure one client, and the model alone right beside it."""
        seconds = self._pace.alone_s
        result.raw_alone = raw.measure(path, processes=1, seconds=seconds)
        one_client = Load(threads=1, connections=1, seconds=seconds)
        for server in servers:
            result.alone[server.name] = load.measure(server, body, one_client)

    def _overload(self, servers: Sequence[Server], body: Path) -> None:
        self._results.workers_pss_mib[2] = pss_mib(servers[0].pid)
        for manner in Manner:
            for server in servers:
                if server.name not in {measured_portal.TITLE, KEYED}:
                    continue
                _say(f"overload: {server.name}, clients {manner}")
                # What the clients before left behind is none of these clients' doing.
                _settle(server, body.read_bytes())
                self._results.overload[server.name, manner] = overload.measure(
                    server, body, manner, seconds=self._pace.overload_s
                )

    def _measure_one_worker(self, portal: BenchPortal) -> None:
        model = MODELS[-1]
        _say("memory of one worker")
        with portal.running(model.name, model.body(), workers=1) as server:
            load.measure(server, _body_file(model), replace(WARM_UP, seconds=2))
            self._results.workers_pss_mib[1] = pss_mib(server.pid)


def main() -> None:
    """Measure, print the report and keep it in `bench/RESULTS.md`."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short round; no figures to quote"
    )
    is_quick = parser.parse_args().quick
    try:
        text = report.markdown(Bench(QUICK if is_quick else FULL).run())
    except load.WrkMissing as missing:
        sys.exit(f"bench: {missing}")
    sys.stdout.write(text)
    # What a short run finds is too noisy to be kept.
    if not is_quick:
        RESULTS.write_text(text)


def _body_file(model: BenchModel) -> Path:
    path = WORK / f"{model.name}.json"
    path.write_bytes(model.body())
    return path


def _settle(server: Server, body: bytes) -> None:
    """Wait until *server* answers one call again."""
    ends_at = time.monotonic() + SETTLE_LIMIT_S
    while time.monotonic() < ends_at:
        with suppress(ServerFailed):
            if answers(server, body):
                return
            time.sleep(0.1)


def _say(sentence: str) -> None:
    sys.stderr.write(f"bench: {time.monotonic() - BEGAN:4.0f} s: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
