"""A version in memory, and one run of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import structlog

from portal.runtime.backends import Backend, InProcess, Isolated
from portal.runtime.deadline import Deadline
from portal.runtime.failures import ModelFailed
from portal.runtime.providers import CPU
from portal.runtime.scheduler import Busy, Lane, Scheduler
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
    ) -> None:
        self.spec = spec
        self.statistics = Statistics()
        self.lane = lane or lane_for(spec, Scheduler())
        began = time.perf_counter()
        self.backend = _open(spec, inference_threads, providers)
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
            Unavailable: Too many of its runs go on and wait already.
        """
        try:
            self.lane.refuse_if_full()
        except Busy:
            self.statistics.failed(0.0)
            raise

    def _tell_owner(self, failure: ModelFailed) -> None:
        log.error(
            "model.failed",
            model=self.spec.model_name,
            digest=self.spec.digest[:12],
            exc_info=failure,
        )


def lane_for(spec: VersionSpec, scheduler: Scheduler) -> Lane:
    """Return a lane of *scheduler* with as many runs at once as *spec* takes."""
    if spec.is_isolated:
        return scheduler.lane(max_running=ISOLATED_RUNS)
    if spec.batching:
        return scheduler.lane(max_running=JOINT_RUNS, batch=spec.batching.max)
    return scheduler.lane()


def _open(
    spec: VersionSpec, inference_threads: int, providers: tuple[str, ...]
) -> Backend:
    backend = Isolated if spec.is_isolated else InProcess
    return backend(spec, inference_threads=inference_threads, providers=providers)
