"""Runs a version in this process, as fast as onnxruntime does."""

import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import onnxruntime as ort

from portal.errors import PortalError, Unavailable
from portal.runtime.backends.base import Run
from portal.runtime.batching import Batching, Joiner, JoiningSession
from portal.runtime.deadline import Deadline
from portal.runtime.failures import ModelFailed, OutOfMemory, is_out_of_memory
from portal.runtime.memory import resident_bytes
from portal.runtime.providers import NAMES
from portal.runtime.tasks import Task, find_task
from portal.runtime.version_spec import VersionSpec


class InProcess:
    """A version whose sessions this process holds.

    Attributes:
        task: What prepares, runs and reads it.
        sessions: Of each ONNX file, by role.
        memory_bytes: What it needs, as far as can be told; at least its files.

    Raises:
        Unavailable: Its files are missing or damaged.
    """

    def __init__(
        self, spec: VersionSpec, *, inference_threads: int, providers: tuple[str, ...]
    ) -> None:
        self._threads = inference_threads
        self._providers = [NAMES[name] for name in providers]
        self._joiner: Joiner | None = None
        resident = resident_bytes()
        self.task = self._load(spec)
        self.memory_bytes = max(spec.file_bytes, resident_bytes() - resident)
        self.batch(spec.batching)

    def batch(self, batching: Batching | None) -> None:
        """Join calls as *batching* says from now on; None: run each alone."""
        self._joiner = Joiner(batching) if batching else None
        for session in self.sessions.values():
            session.joiner = self._joiner

    def run(
        self,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deadline: Deadline,
    ) -> Run:
        """Run the version, as `Backend.run` says."""
        try:
            with deadline.holds():
                return self._run(inputs, parameters, deadline)
        except PortalError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise OutOfMemory from error
            # A graph may give other shapes than it declares.
            raise ModelFailed from error

    def _run(
        self,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deadline: Deadline,
    ) -> Run:
        joiner = self._joiner
        if joiner is None:
            outputs, steps_ms = self._steps(inputs, parameters, deadline)
            return Run(outputs, steps_ms)
        with joiner.call() as call:
            outputs, steps_ms = self._steps(inputs, parameters, deadline)
        first, second, third = steps_ms
        own_ms = max(0.0, second - call.waited_ms)
        return Run(outputs, (first, own_ms, third), call.waited_ms, call.joined)

    def _steps(
        self,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deadline: Deadline,
    ) -> tuple[dict[str, Any], tuple[float, float, float]]:
        marks = [time.perf_counter()]
        prepared = self.task.preprocess(inputs, parameters)
        deadline.check()
        marks.append(time.perf_counter())
        raw = self.task.infer(prepared)
        deadline.check()
        marks.append(time.perf_counter())
        outputs = self.task.postprocess(raw, parameters)
        marks.append(time.perf_counter())
        first, second, third = ((b - a) * 1000 for a, b in pairwise(marks))
        return outputs, (first, second, third)

    def _load(self, spec: VersionSpec) -> Task[Any, Any]:
        try:
            self.sessions = {
                role: self._open(path)
                for role, path in spec.files.items()
                if role in spec.signatures
            }
            others = {
                role: path.read_bytes()
                for role, path in spec.files.items()
                if role not in spec.signatures
            }
            return find_task(spec.task)(spec.settings, self.sessions, others)
        except Exception as error:
            message = "The model can't be loaded at the moment. Its owner can mend it."
            raise Unavailable(message, retry_after_s=30) from error

    def _open(self, path: Path) -> JoiningSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena keeps the memory of the largest input for good: after one
        # narrow strip through the OCR model a process held 1,018 MB with it and
        # 373 MB without. Without it a receipt takes 1.06 times as long.
        options.enable_cpu_mem_arena = False
        return JoiningSession(str(path), options, providers=self._providers)
