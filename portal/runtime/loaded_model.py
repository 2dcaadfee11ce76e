"""A version in memory, and one run of it."""

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import structlog

from portal.errors import Unavailable
from portal.runtime.backends import Backend, InProcess, Isolated, OpenInference
from portal.runtime.deadline import Deadline
from portal.runtime.failures import ModelFailed
from portal.runtime.providers import CPU
from portal.runtime.scheduler import Lane, Scheduler
from portal.runtime.statistics import STEPS, Statistics
from portal.runtime.tensor_value import TensorValue
from portal.runtime.version_spec import VersionSpec

ISOLATED_RUNS = 1  # a process of its own takes one call at a time
JOINT_RUNS = 1  # while it goes on, the next calls gather
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Prediction:
    """The result of one run.

    Attributes:
        values: Name → value as in the task's description; a tensor is a
            `TensorValue`, anything else is ready for JSON.
        timings_ms: ``queue, preprocess, inference, postprocess, total``.
    """

    values: Mapping[str, Any]
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """Name → value, all of them ready for JSON."""
        return {
            name: value.to_json() if isinstance(value, TensorValue) else value
            for name, value in self.values.items()
        }

    @property
    def compute_ms(self) -> float:
        """The time spent computing, without the queue."""
        return self.timings_ms["total"] - self.timings_ms["queue"]


class LoadedModel:
    """A version that is ready to predict.

    Attributes:
        backend: What runs it.
        lane: Where its calls take their turns.
        load_ms: How long loading took, in milliseconds.
        memory_bytes: What it needs, as far as can be told; at least its files.
        statistics: What was measured of its runs.

    Raises:
        Unavailable: Its files are missing or damaged.
    """

    def __init__(
        self,
        spec: VersionSpec,
        *,
        inference_threads: int = 1,
        providers: tuple[str, ...] = (CPU,),
        lane: Lane | None = None,
        remote_token: str = "",
        statistics: Statistics | None = None,
    ) -> None:
        self.spec = spec
        self.statistics = statistics or Statistics()
        self.lane = lane or lane_for(spec, Scheduler())
        began = time.perf_counter()
        self.backend = _open(spec, inference_threads, providers, remote_token)
        self.load_ms = (time.perf_counter() - began) * 1000
        self.memory_bytes = self.backend.memory_bytes

    def predict(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Prediction:
        """Run the model once on values that fit the task's description.

        Raises:
            Unavailable: Too many of its runs go on and wait already; or the model
                failed, as `portal.runtime.failures` says.
            TimedOut: It was not done within the version's time limit.
            Invalid: The model itself refuses the values.
        """
        began = time.perf_counter()
        deadline = Deadline(self.spec.timeout_s)
        try:
            self._refuse_if_away()
            with self.lane.turn(deadline) as queue_ms:
                run = self.backend.run(inputs, parameters, deadline)
        except Exception as error:
            self.statistics.failed((time.perf_counter() - began) * 1000)
            if isinstance(error, ModelFailed):
                self._tell_owner(error)
            raise
        total_ms = (time.perf_counter() - began) * 1000
        queue_ms += run.waited_ms
        timings = dict(zip(STEPS, (queue_ms, *run.steps_ms, total_ms), strict=True))
        self.statistics.succeeded(timings, joined=run.joined)
        return Prediction(
            run.outputs, {step: round(value, 3) for step, value in timings.items()}
        )

    def follow(self, spec: VersionSpec, lane: Lane) -> None:
        """Join calls as *spec* says, in the place of what its own said until now."""
        self.spec, self.lane = spec, lane
        if isinstance(self.backend, InProcess):
            self.backend.batch(spec.batching)

    def refuse_if_busy(self) -> None:
        """Refuse a call before its values are read, if it would find no place.

        Raises:
            Unavailable: Too many of its runs go on and wait already; or the server
                that it lives on was away a moment ago.
        """
        try:
            self._refuse_if_away()
            self.lane.refuse_if_full()
        except Unavailable:
            self.statistics.failed(0.0)
            raise

    @property
    def trouble(self) -> Unavailable | None:
        """Why the server that it lives on is taken to be away; None otherwise."""
        backend = self.backend
        return backend.trouble if isinstance(backend, OpenInference) else None

    def is_ready(self) -> bool:
        """Ask the server that it lives on, if it lives on one; here it is ready."""
        backend = self.backend
        return not isinstance(backend, OpenInference) or backend.is_ready()

    def _refuse_if_away(self) -> None:
        if isinstance(self.backend, OpenInference):
            self.backend.refuse_if_away()

    def _tell_owner(self, failure: ModelFailed) -> None:
        log.error(
            "model.failed",
            model=self.spec.model_name,
            digest=self.spec.digest[:12],
            exc_info=failure,
        )


def lane_for(spec: VersionSpec, scheduler: Scheduler) -> Lane:
    """Return a lane of *scheduler* with as many runs at once as *spec* takes."""
    if spec.remote is not None:
        return scheduler.lane(max_running=spec.remote.concurrent, uses_core=False)
    if spec.is_isolated:
        return scheduler.lane(max_running=ISOLATED_RUNS)
    if spec.batching:
        return scheduler.lane(max_running=JOINT_RUNS, batch=spec.batching.max)
    return scheduler.lane()


def lane_key(spec: VersionSpec) -> Hashable:
    """Return what versions have in common that take their turns in one lane."""
    concurrent = spec.remote.concurrent if spec.remote else None
    return spec.model_name, spec.is_isolated, spec.batching, concurrent


def _open(
    spec: VersionSpec,
    inference_threads: int,
    providers: tuple[str, ...],
    remote_token: str,
) -> Backend:
    if spec.remote is not None:
        return OpenInference(spec, spec.remote, token=remote_token)
    backend = Isolated if spec.is_isolated else InProcess
    return backend(spec, inference_threads=inference_threads, providers=providers)
