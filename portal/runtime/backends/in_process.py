"""Runs a version in this process, as fast as onnxruntime does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort

from portal.errors import Unavailable
from portal.runtime.backends.base import Run
from portal.runtime.backends.steps import run_steps
from portal.runtime.batching import Batching, Joiner, JoiningSession
from portal.runtime.deadline import Deadline
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
        joiner = self._joiner
        if joiner is None:
            return run_steps(self.task, inputs, parameters, deadline)
        with joiner.call() as call:
            run = run_steps(self.task, inputs, parameters, deadline)
        first, second, third = run.steps_ms
        own_ms = max(0.0, second - call.waited_ms)
        return Run(run.outputs, (first, own_ms, third), call.waited_ms, call.joined)

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
