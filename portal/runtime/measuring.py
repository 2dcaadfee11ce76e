"""Measures a version before it is called, in a child process with limits."""

import pickle
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import onnxruntime as ort
import orjson

from portal.errors import Invalid, PortalError
from portal.runtime.batch_trial import Cores, try_batching
from portal.runtime.batching import Batching
from portal.runtime.failures import ModelFailed
from portal.runtime.loaded_model import LoadedModel
from portal.runtime.measurement import (
    PORTAL_CPU_MS,
    BatchingTrial,
    Measurement,
)
from portal.runtime.memory import resident_bytes, return_freed_memory
from portal.runtime.providers import CPU
from portal.runtime.sandbox import (
    MEMORY_LIMIT_BYTES,
    limit_resources,
    open_report,
    run_apart,
)
from portal.runtime.scheduler import CORES, PLACES
from portal.runtime.statistics import Statistics
from portal.runtime.trial import reason
from portal.runtime.version_spec import VersionSpec

MEASURE_S = 2.0
MAX_RUNS = 200  # enough for the slowest hundredth


@dataclass(frozen=True)
class Surroundings:
    """How the portal runs versions on this machine.

    Attributes:
        inference_threads: Threads of one run.
        providers: What to compute on.
        workers: Web processes.
        places: How many calls one of them runs at once, waiting ones included.
    """

    inference_threads: int = 1
    providers: tuple[str, ...] = (CPU,)
    workers: int = 1
    places: int = PLACES

    @property
    def streams(self) -> int:
        """How many cores a web process has for itself."""
        return max(1, -(-CORES // self.workers))


def measure(
    spec: VersionSpec,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    *,
    surroundings: Surroundings,
    is_made_up: bool,
    batching: Batching | None = None,
    name: str,
) -> Measurement:
    """Run *spec* for `MEASURE_S` seconds, as the portal would, and return the figures.

    Args:
        spec: Its files may lie anywhere.
        inputs: As for `LoadedModel.predict`.
        parameters: Likewise.
        surroundings: How it will be run.
        is_made_up: Whether nobody knows if *inputs* make sense to it.
        batching: How its calls are to be joined, if that pays.
        name: What sentences call the version.

    Raises:
        FileRefused: It could not be run, took too long or needed too much memory.
    """
    values = (dict(inputs), dict(parameters))
    # A pickle from this process to its own child: nothing strange is unpickled.
    order = pickle.dumps((spec, values, surroundings, is_made_up, batching))
    report = run_apart("portal.runtime.measuring", name=name, stdin=order)
    return Measurement.from_json(report)


def main() -> None:
    """Print the measurement that standard input asks for."""
    with open_report() as file:
        file.write(orjson.dumps(_report()))


def _report() -> dict[str, Any]:
    order = pickle.load(sys.stdin.buffer)  # noqa: S301 - see above
    spec, values, surroundings, is_made_up, batching = order
    _limit_resources(spec, surroundings)
    return_freed_memory()
    try:
        measured = _measure(spec, values, surroundings, batching, is_made_up=is_made_up)
        return measured.to_json()
    except (Invalid, ModelFailed) as refusal:
        why = reason(refusal)
        if is_made_up:
            why = f"it refuses made-up values; give it an example ({why})"
        return {"refusal": f"could not be run: {why}"}
    except PortalError as refusal:
        return {"refusal": f"could not be run: {reason(refusal)}"}
    except MemoryError:
        return {"refusal": "could not be run: it needs too much memory."}


def _limit_resources(spec: VersionSpec, surroundings: Surroundings) -> None:
    if spec.is_isolated:
        limit_resources(min(spec.memory_mb * 2**20, MEMORY_LIMIT_BYTES))
    elif surroundings.providers == (CPU,):
        limit_resources()
    else:  # a device's memory has addresses, too
        limit_resources(resource.RLIM_INFINITY)


def _measure(
    spec: VersionSpec,
    values: tuple[dict[str, Any], dict[str, Any]],
    surroundings: Surroundings,
    batching: Batching | None,
    *,
    is_made_up: bool,
) -> Measurement:
    before_bytes = resident_bytes()
    model = LoadedModel(
        # This process is the version's own.
        replace(spec, is_isolated=False, batching=None),
        inference_threads=surroundings.inference_threads,
        providers=surroundings.providers,
    )
    model.predict(*values)  # the first run makes what later ones find made
    model.statistics = Statistics()
    began, began_cpu = time.perf_counter(), time.process_time()
    for _ in range(MAX_RUNS):
        model.predict(*values)
        if time.perf_counter() - began >= MEASURE_S:
            break
    cpu_s = time.process_time() - began_cpu
    measured = model.statistics.read()
    run_ms = cpu_s * 1000 / measured.successes
    if surroundings.providers != (CPU,):
        run_ms = max(run_ms, measured.durations["inference"].p50_ms)
    memory_bytes = max(model.memory_bytes, resident_bytes() - before_bytes)
    trial = None
    if batching:
        trial = _try_batching(spec, model, values, batching, surroundings)
    return Measurement(
        load_ms=model.load_ms,
        memory_bytes=memory_bytes,
        runs=measured.successes,
        run_ms=run_ms,
        durations=measured.durations,
        cores=min(CORES, surroundings.workers) if spec.is_isolated else CORES,
        machine=_machine(surroundings),
        has_example=not is_made_up,
        batching=trial,
    )


def _try_batching(
    spec: VersionSpec,
    model: LoadedModel,
    values: tuple[dict[str, Any], dict[str, Any]],
    batching: Batching,
    surroundings: Surroundings,
) -> BatchingTrial:
    """Return whether joining calls of *spec* pays."""
    if spec.is_isolated:
        return BatchingTrial(
            is_on=False, why_not="its own process takes one call at a time"
        )
    measured = model.statistics.read().durations
    other_ms = measured["preprocess"].p50_ms + measured["postprocess"].p50_ms
    return try_batching(
        model,
        values,
        replace(batching, max=min(batching.max, surroundings.places)),
        Cores(
            amount=surroundings.streams,
            threads=surroundings.inference_threads,
            compute=surroundings.providers == (CPU,),
            other_ms=other_ms + PORTAL_CPU_MS,
        ),
    )


def _machine(surroundings: Surroundings) -> str:
    return (
        f"{CORES} cores, {' and '.join(surroundings.providers)}, "
        f"threads of a run: {surroundings.inference_threads}, "
        f"onnxruntime {ort.__version__}"
    )


if __name__ == "__main__":
    main()
