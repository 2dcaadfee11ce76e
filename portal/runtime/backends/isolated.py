"""Runs a version in a process of its own.

Native code that crashes, hangs or asks for all the memory takes that process along,
and no other call. The next process is started at once, so it is ready by the time
that anybody calls again.
"""

import os
import threading
import weakref
from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any

import structlog

from portal.errors import Invalid, Unavailable
from portal.runtime.backends.base import Run
from portal.runtime.backends.child import Child, ChildEnded
from portal.runtime.deadline import Deadline, RunTimedOut
from portal.runtime.failures import (
    Crashed,
    ModelFailed,
    NotStarting,
    OutOfMemory,
    Starting,
)
from portal.runtime.version_spec import VersionSpec

LOADING_LIMIT_S = 60.0
GRACE_S = 1.0  # for an operator that doesn't look whether its run was told to end
MAX_FAILED_STARTS = 3
PAUSE_S = 30.0
log = structlog.get_logger(__name__)


class Isolated:
    """A version in a process of its own, which takes one call at a time.

    Attributes:
        memory_bytes: What the process held once it was loaded.

    Raises:
        Unavailable: It can't be loaded.
    """

    def __init__(
        self, spec: VersionSpec, *, inference_threads: int, providers: tuple[str, ...]
    ) -> None:
        self._spec = spec
        self._start = partial(
            Child, spec, inference_threads=inference_threads, providers=providers
        )
        self._lock = threading.Lock()
        self._failed_starts = 0
        self._paused_until = 0.0
        self._child: Child | None = None
        self.memory_bytes = self._load()
        _backends.add(self)

    @property
    def pid(self) -> int | None:
        """The id of its process, while there is one."""
        return self._child.pid if self._child else None

    def run(
        self,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deadline: Deadline,
    ) -> Run:
        """Run the version, as `Backend.run` says."""
        if not self._lock.acquire(timeout=max(0, deadline.left_s)):
            raise RunTimedOut(deadline.limit_s)
        try:
            child = self._loaded_child(deadline)
            answer = self._call(child, inputs, parameters, deadline)
            return self._read(answer, deadline)
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Let go of the process in a forked one, whose next call starts another."""
        self._lock = threading.Lock()
        if self._child:
            self._child.forget()
            self._child = None

    def _load(self) -> int:
        """Start the first process, and return what it needs, in bytes."""
        try:
            child = self._child = self._start()
            child.wait_until_loaded(LOADING_LIMIT_S)
        except (ChildEnded, OSError) as error:
            if self._child:
                self._child.end()
            message = "The model can't be loaded at the moment. Its owner can mend it."
            raise Unavailable(message, retry_after_s=30) from error
        return child.memory_bytes

    def _loaded_child(self, deadline: Deadline) -> Child:
        """Return a process that takes calls, starting one if need be."""
        if self._child and self._child.is_loaded and self._child.has_ended:
            self._lose("ended while idle")
        if self._child is None:
            if monotonic() < self._paused_until:
                raise NotStarting(int(self._paused_until - monotonic()) + 1)
            self._start_another()
        if self._child is None:
            raise NotStarting(1)
        if not self._child.is_loaded:
            self._wait(self._child, deadline)
        return self._child

    def _wait(self, child: Child, deadline: Deadline) -> None:
        try:
            child.wait_until_loaded(max(0, deadline.left_s))
        except TimeoutError:
            if monotonic() - child.started_at > LOADING_LIMIT_S:
                self._fail_to_start(child, "not loaded in time")
            raise Starting from None
        except ChildEnded as ended:
            self._fail_to_start(child, str(ended))
            raise Crashed from ended
        self._failed_starts, self._paused_until = 0, 0.0

    def _fail_to_start(self, child: Child, why: str) -> None:
        child.end()
        self._child = None
        self._failed_starts += 1
        if self._failed_starts >= MAX_FAILED_STARTS:
            self._failed_starts = 0
            self._paused_until = monotonic() + PAUSE_S
        self._tell("model.not_started", child, why)

    def _call(
        self,
        child: Child,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deadline: Deadline,
    ) -> dict[str, Any]:
        deadline.check()
        left_s = deadline.left_s
        try:
            return child.call(
                inputs, parameters, limit_s=left_s, timeout_s=left_s + GRACE_S
            )
        except TimeoutError:
            self._lose("hung")
            raise RunTimedOut(deadline.limit_s) from None
        except ChildEnded as ended:
            self._lose("ended in a call")
            raise Crashed from ended
        except BaseException:
            # Else the next caller would be given this one's answer.
            self._lose("a call was broken off")
            raise

    def _read(self, answer: dict[str, Any], deadline: Deadline) -> Run:
        match answer:
            case {"outputs": dict(outputs), "steps_ms": [float(a), float(b), float(c)]}:
                return Run(outputs, (a, b, c))
            case {"timed_out": True}:
                raise RunTimedOut(deadline.limit_s)
            case {"invalid": str(why), "pointer": str(pointer)}:
                # As a value: a template could ask for a gigabyte of blanks.
                raise Invalid("%(why)s", pointer, why=why)
            case {"out_of_memory": True}:
                raise OutOfMemory
            case {"failed": str(why)}:
                raise ModelFailed from RuntimeError(why)
        self._lose("gave an answer that is none")
        raise Crashed

    def _lose(self, why: str) -> None:
        """Give the process up, and start the next one, which loads meanwhile."""
        lost, self._child = self._child, None
        if lost:
            lost.end()
            self._tell("model.lost", lost, why)
        self._start_another()

    def _start_another(self) -> None:
        try:
            self._child = self._start()
        except OSError:  # no memory, no files, no processes left: the next call tries
            log.exception("model.not_started", model=self._spec.model_name)

    def _tell(self, event: str, child: Child, why: str) -> None:
        log.error(
            event,
            model=self._spec.model_name,
            digest=self._spec.digest[:12],
            pid=child.pid,
            status=child.status,
            why=why,
        )


_backends: "weakref.WeakSet[Isolated]" = weakref.WeakSet()


def _forget_children() -> None:
    """Leave the processes to the one that was forked: they end with it alone."""
    for backend in list(_backends):
        backend.forget()


os.register_at_fork(after_in_child=_forget_children)
