"""A version in memory, and one run of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import onnxruntime as ort

from portal.errors import Unavailable
from portal.runtime.scheduler import Scheduler
from portal.runtime.signature import Signature
from portal.runtime.tasks import Task, find_task
from portal.runtime.tasks.base import Settings


@dataclass(frozen=True)
class VersionSpec:
    """What the runtime needs to know of a model version.

    Attributes:
        digest: Identifies the version.
        model_name: One version of a model is kept in memory at a time.
        task: The name of its task.
        files: Role → path of the file.
        signatures: Role of each ONNX file → its signature.
        labels: The names of the classes, in the order of the model's output.
        options: The task's own settings.
    """

    digest: str
    model_name: str
    task: str
    files: Mapping[str, Path]
    signatures: Mapping[str, Signature]
    labels: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """What the task reads."""
        return Settings(self.signatures, self.labels, self.options)


@dataclass(frozen=True)
class Prediction:
    """The result of one run.

    Attributes:
        outputs: Name → value, ready for JSON, as in the task's description.
        timings_ms: ``queue, preprocess, inference, postprocess, total``.
    """

    outputs: Mapping[str, Any]
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def compute_ms(self) -> float:
        """The time spent computing, without the queue."""
        return self.timings_ms["total"] - self.timings_ms["queue"]


class LoadedModel:
    """A version with its sessions, ready to predict.

    Raises:
        Unavailable: Its files are missing or damaged.
    """

    def __init__(self, spec: VersionSpec, *, inference_threads: int = 1) -> None:
        self.spec = spec
        self._threads = inference_threads
        self._scheduler = Scheduler()
        task_class = find_task(spec.task)
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
            self.task: Task[Any, Any] = task_class(spec.settings, sessions, others)
        except Exception as error:
            message = "The model can't be loaded at the moment. Its owner can mend it."
            raise Unavailable(message, retry_after_s=30) from error

    def predict(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Prediction:
        """Run the model once on values that fit the task's description."""
        began = time.perf_counter()
        with self._scheduler.turn() as queue_ms:
            marks = [time.perf_counter()]
            prepared = self.task.preprocess(inputs, parameters)
            marks.append(time.perf_counter())
            raw = self.task.infer(prepared)
            marks.append(time.perf_counter())
            outputs = self.task.postprocess(raw, parameters)
            marks.append(time.perf_counter())
        steps = [(after - before) * 1000 for before, after in pairwise(marks)]
        timings = dict(
            zip(("preprocess", "inference", "postprocess"), steps, strict=True)
        )
        total = (marks[-1] - began) * 1000
        return Prediction(
            outputs,
            {
                name: round(value, 3)
                for name, value in {
                    "queue": queue_ms,
                    **timings,
                    "total": total,
                }.items()
            },
        )

    def _open(self, path: Path) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena keeps the memory of the largest input for good: after one
        # narrow strip through the OCR model a process held 1,018 MB with it and
        # 373 MB without. Without it a receipt takes 1.06 times as long.
        options.enable_cpu_mem_arena = False
        return ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
