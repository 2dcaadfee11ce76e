"""Finds out whether joining calls of a version into one run is right, and pays.

It is right where each call gets what it would get alone; it pays where a web process
answers a fifth more calls that way, what the portal itself takes of each included.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from portal.runtime.backends import InProcess
from portal.runtime.batching import (
    Array,
    Batching,
    Feed,
    JoiningSession,
    RunAlone,
    are_separable,
    joined_feed,
    rows_of,
)
from portal.runtime.loaded_model import LoadedModel
from portal.runtime.measurement import BatchingTrial
from portal.runtime.signature import Signature

WORTH = 1.2
LONGEST_SHARE = 0.1  # of a call's time limit, for a joint run and the wait for it
MEASURE_S = 0.5
ROUNDS = 4  # in turns, since what else the machine does changes
MAX_RUNS = 50  # per round
# Sums are made in another order when rows are joined.
RELATIVE, ABSOLUTE = 1e-3, 1e-4


@dataclass(frozen=True)
class Cores:
    """What a web process has to answer with.

    Attributes:
        amount: How many cores.
        threads: Threads of one run.
        compute: Whether they compute the runs, and not a device beside them.
        other_ms: What a call takes of one besides its run, in milliseconds.
    """

    amount: int
    threads: int
    compute: bool
    other_ms: float

    def per_s(self, run_ms: float, *, at_once: int) -> float:
        """Return how many calls a second they give.

        Args:
            run_ms: What a call's share of a run takes.
            at_once: How many runs go on at once.
        """
        if self.compute:
            # Neither the runs nor the cores can give more than this.
            runs = min(self.amount, at_once * self.threads) / max(run_ms, 1e-6)
            return 1000 * min(runs, self.amount / (run_ms + self.other_ms))
        return 1000 * min(1 / max(run_ms, 1e-6), self.amount / self.other_ms)


class _NotSo(Exception):
    """Why calls can't be joined."""


def try_batching(
    model: LoadedModel,
    values: tuple[Mapping[str, Any], Mapping[str, Any]],
    batching: Batching,
    cores: Cores,
) -> BatchingTrial:
    """Return whether joining calls of *model* pays.

    Args:
        model: Runs in this process.
        values: Inputs and parameters of a call.
        batching: As the version asks for.
        cores: What a web process has.
    """
    try:
        session, names, feed = _only_run(model, values)
        count = _count(feed, batching)

        def run(feed: Feed) -> list[Array]:
            outputs: list[Array] = session.run(names, feed)
            return outputs

        feeds = [_varied(feed, number) for number in range(count)]
        joint = joined_feed(feeds)
        _compare(run, names, feeds, joint)
    except _NotSo as fact:
        return BatchingTrial(is_on=False, why_not=str(fact))
    alone = _Clock(cores)
    joined = _Clock(cores)
    for _ in range(ROUNDS):
        alone.time(lambda: run(feed))
        joined.time(lambda: run(joint))
    return decide(
        count,
        alone_per_s=cores.per_s(alone.run_ms, at_once=cores.amount),
        joined_per_s=cores.per_s(joined.run_ms / count, at_once=1),
        joint_ms=joined.wall_ms,
        limit_ms=model.spec.timeout_s * 1000 * LONGEST_SHARE - batching.max_wait_ms,
    )


def decide(
    count: int,
    *,
    alone_per_s: float,
    joined_per_s: float,
    joint_ms: float,
    limit_ms: float,
) -> BatchingTrial:
    """Return what the figures say.

    Args:
        count: How many calls were joined.
        alone_per_s: Calls a second when each runs alone.
        joined_per_s: Calls a second when they are joined.
        joint_ms: How long a joint run took.
        limit_ms: How long it may take.
    """
    why_not = ""
    if joint_ms > limit_ms:
        why_not = f"a joint run takes {joint_ms:.0f} ms, longer than {limit_ms:.0f} ms"
    elif joined_per_s < WORTH * alone_per_s:
        why_not = (
            f"it gives {joined_per_s / alone_per_s:.2f} times the calls, "
            f"less than {WORTH:g} times"
        )
    return BatchingTrial(
        is_on=not why_not,
        why_not=why_not,
        joined=count,
        joint_ms=joint_ms,
        alone_per_s=alone_per_s,
        joined_per_s=joined_per_s,
    )


class _Recorder:
    """Notes what a session is asked to run."""

    def __init__(self) -> None:
        self.runs: list[tuple[Sequence[str], Feed]] = []

    def run(self, names: Sequence[str], feed: Feed, run_alone: RunAlone) -> list[Array]:
        self.runs.append((names, feed))
        return run_alone(feed)


class _Clock:
    """Measures what a run takes.

    Attributes:
        run_ms: Of the cores where they compute, else its duration; the least of all
            rounds, since what else the machine does only adds to it.
        wall_ms: Its duration, likewise.
    """

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self.run_ms = self.wall_ms = float("inf")

    def time(self, run: Callable[[], object]) -> None:
        """Run it for a part of `MEASURE_S`."""
        began, began_cpu = time.perf_counter(), time.process_time()
        for runs in range(1, MAX_RUNS + 1):  # noqa: B007 - read below
            run()
            if time.perf_counter() - began > MEASURE_S / ROUNDS:
                break
        cpu_ms = (time.process_time() - began_cpu) * 1000 / runs
        wall_ms = (time.perf_counter() - began) * 1000 / runs
        self.wall_ms = min(self.wall_ms, wall_ms)
        self.run_ms = min(self.run_ms, cpu_ms if self._cores.compute else wall_ms)


def _only_run(
    model: LoadedModel, values: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> tuple[JoiningSession, Sequence[str], Feed]:
    """Return the one run of a graph that a call makes."""
    backend = model.backend
    if not isinstance(backend, InProcess) or len(backend.sessions) != 1:
        message = "its task runs several graphs, or none here"
        raise _NotSo(message)
    ((role, session),) = backend.sessions.items()
    _check_axes(model.spec.signatures[role])
    recorder = session.joiner = _Recorder()
    try:
        model.predict(*values)
    finally:
        session.joiner = None
    if len(recorder.runs) != 1:
        message = f"its task runs the graph {len(recorder.runs)} times for a call"
        raise _NotSo(message)
    return session, *recorder.runs[0]


def _check_axes(signature: Signature) -> None:
    """Refuse a graph that doesn't take any number of rows."""
    for spec in (*signature.inputs, *signature.outputs):
        if not spec.shape or isinstance(spec.shape[0], int):
            message = f"the first axis of {spec.name} {spec.shape_text} is fixed"
            raise _NotSo(message)


def _count(feed: Feed, batching: Batching) -> int:
    """Return how many calls like *feed* fit into a joint run."""
    rows = rows_of(feed)
    if not rows:
        message = "its inputs have different numbers of rows"
        raise _NotSo(message)
    if batching.max < 2 * rows:
        message = (
            f"a run may have {batching.max} rows (max, or the calls that a web process "
            f"takes at once), and one call has {rows}"
        )
        raise _NotSo(message)
    return batching.max // rows


def _varied(feed: Feed, number: int) -> dict[str, Array]:
    """Return *feed* with other values, so that calls can be told from each other."""
    return {name: _vary(array, number) for name, array in feed.items()}


def _vary(array: Array, number: int) -> Array:
    if np.issubdtype(array.dtype, np.floating):
        return (array * (1 - number / 64) + number / 128).astype(array.dtype)
    # Any order of whole numbers, such as tokens, is as good as another.
    return np.roll(array, number, axis=-1) if array.ndim > 1 else array


def _compare(
    run: Callable[[Feed], list[Array]],
    names: Sequence[str],
    feeds: Sequence[Feed],
    joint: Feed,
) -> None:
    """Refuse a graph that gives joined calls something else than each alone."""
    rows = rows_of(joint) or 0
    try:
        alone = [run(feed) for feed in feeds]
        together = run(joint)
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        message = f"the graph fails on joined calls: {why}"
        raise _NotSo(message) from error
    are_separate = are_separable(together, rows) and all(
        are_separable(outputs, rows // len(feeds)) for outputs in alone
    )
    if not are_separate:
        message = "its outputs don't have a row for each row of its inputs"
        raise _NotSo(message)
    for place, name in enumerate(names):
        expected = np.concatenate([outputs[place] for outputs in alone], axis=0)
        if not _are_alike(expected, together[place]):
            message = f"joined calls would get another {name} than each alone"
            raise _NotSo(message)


def _are_alike(expected: Array, came: Array) -> bool:
    if expected.shape != came.shape:
        return False
    if not np.issubdtype(expected.dtype, np.floating):
        return bool(np.array_equal(expected, came))
    scale = float(np.nanmax(np.abs(expected), initial=1.0))
    return bool(
        np.allclose(
            came, expected, rtol=RELATIVE, atol=ABSOLUTE * scale, equal_nan=True
        )
    )
