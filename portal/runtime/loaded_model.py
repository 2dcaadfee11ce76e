"""A version in memory, and one run of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import onnxruntime as ort

from portal.errors import Unavailable
from portal.runtime.deadline import Deadline, TimedSession
from portal.runtime.memory import resident_bytes
from portal.runtime.providers import CPU, NAMES
from portal.runtime.scheduler import Lane, Scheduler
from portal.runtime.signature import Signature
from portal.runtime.statistics import STEPS, Statistics
from portal.runtime.tasks import Task, find_task
from portal.runtime.tasks.base import Settings
from portal.runtime.tensor_value import TensorValue

DEFAULT_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class VersionSpec:
    """What the runtime needs to know of a model version.

    Attributes:
        digest: Identifies the version.
        model_name: Which model it is a version of.
        task: The name of its task.
        files: Role → path of the file.
        signatures: Role of each ONNX file → its signature.
        labels: The names of the classes, in the order of the model's output.
        options: The task's own settings.
        timeout_s: How long a call may take, waiting included, in seconds.
    """

    digest: str
    model_name: str
    task: str
    files: Mapping[str, Path]
    signatures: Mapping[str, Signature]
    labels: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = DEFAULT_TIMEOUT_S

    @property
    def settings(self) -> Settings:
        """What the task reads."""
        return Settings(self.signatures, self.labels, self.options)


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
    """A version with its sessions, ready to predict.

    Attributes:
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
        self._threads = inference_threads
        self._providers = [NAMES[name] for name in providers]
        self.lane = lane or Scheduler().lane()
        began, resident = time.perf_counter(), resident_bytes()
        self.task = self._load()
        self.load_ms = (time.perf_counter() - began) * 1000
        self.memory_bytes = max(_file_bytes(spec), resident_bytes() - resident)

    def predict(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Prediction:
        """Run the model once on values that fit the task's description.

        Raises:
            Unavailable: Too many of its runs go on and wait already.
            TimedOut: It was not done within the version's time limit.
            Invalid: The model itself refuses the values.
        """
        began = time.perf_counter()
        deadline = Deadline(self.spec.timeout_s)
        try:
            with self.lane.turn(deadline) as queue_ms, deadline.holds():
                outputs, marks = self._run(inputs, parameters, deadline)
        except Exception:
            self.statistics.failed((time.perf_counter() - began) * 1000)
            raise
        steps = [(after - before) * 1000 for before, after in pairwise(marks)]
        timings = dict(
            zip(
                STEPS,
                (queue_ms, *steps, (marks[-1] - began) * 1000),
                strict=True,
            )
        )
        self.statistics.succeeded(timings)
        return Prediction(
            outputs, {step: round(value, 3) for step, value in timings.items()}
        )

    def _run(
        self,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deadline: Deadline,
    ) -> tuple[dict[str, Any], list[float]]:
        marks = [time.perf_counter()]
        prepared = self.task.preprocess(inputs, parameters)
        deadline.check()
        marks.append(time.perf_counter())
        raw = self.task.infer(prepared)
        deadline.check()
        marks.append(time.perf_counter())
        outputs = self.task.postprocess(raw, parameters)
        marks.append(time.perf_counter())
        return outputs, marks

    def _load(self) -> Task[Any, Any]:
        spec = self.spec
        try:
            sessions = {
                role: self._open(path)
                for role, path in spec.files.items()
                if role in spec.signatures
            }
            others = {
                role: path.read_bytes()
                for role, path in spec.files.items()
                if role not in spec.signatures
            }
            return find_task(spec.task)(spec.settings, sessions, others)
        except Exception as error:
            message = "The model can't be loaded at the moment. Its owner can mend it."
            raise Unavailable(message, retry_after_s=30) from error

    def _open(self, path: Path) -> TimedSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena keeps the memory of the largest input for good: after one
        # narrow strip through the OCR model a process held 1,018 MB with it and
        # 373 MB without. Without it a receipt takes 1.06 times as long.
        options.enable_cpu_mem_arena = False
        return TimedSession(str(path), options, providers=self._providers)


def _file_bytes(spec: VersionSpec) -> int:
    return sum(path.stat().st_size for path in spec.files.values())
