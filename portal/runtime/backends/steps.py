"""The three steps of a run, timed and ended with its deadline."""

import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from portal.errors import PortalError
from portal.runtime.backends.base import Run
from portal.runtime.deadline import Deadline
from portal.runtime.failures import ModelFailed, OutOfMemory, is_out_of_memory
from portal.runtime.tasks import Task


def run_steps(
    task: Task[Any, Any],
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    deadline: Deadline,
) -> Run:
    """Run *task* once in this thread, as `Backend.run` says."""
    try:
        with deadline.holds():
            return _run(task, inputs, parameters, deadline)
    except PortalError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory from error
        # A graph may give other shapes than it declares.
        raise ModelFailed from error


def _run(
    task: Task[Any, Any],
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    deadline: Deadline,
) -> Run:
    marks = [time.perf_counter()]
    prepared = task.preprocess(inputs, parameters)
    deadline.check()
    marks.append(time.perf_counter())
    raw = task.infer(prepared)
    deadline.check()
    marks.append(time.perf_counter())
    outputs = task.postprocess(raw, parameters)
    marks.append(time.perf_counter())
    first, second, third = ((b - a) * 1000 for a, b in pairwise(marks))
    return Run(outputs, (first, second, third))
