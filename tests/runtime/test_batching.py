"""Calls of one version share a run where that is allowed, and none can tell."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from portal.runtime import Batching, LoadedModel, ModelPool, batching
from portal.runtime.batching import Joiner
from portal.runtime.deadline import Deadline, RunTimedOut, current_deadline, under
from tests import onnx_files

NAMES = ("y",)
FOR_EVER_MS = 60_000  # a test that waits for it fails
BAD = 13.0


class Graph:
    """Adds one to x; notes the rows of each run, and stands still while told to.

    Attributes:
        limits: The time limit that each run had.
    """

    def __init__(self):
        self.rows = []
        self.limits = []
        self.goes_on = threading.Event()
        self.goes_on.set()

    def __call__(self, feed):
        self.rows.append(len(feed["x"]))
        deadline = current_deadline()
        self.limits.append(deadline and deadline.limit_s)
        self.goes_on.wait(10)
        if (feed["x"] == BAD).any():
            message = "thirteen"
            raise ValueError(message)
        return [feed["x"] + 1]


class Summing(Graph):
    """Gives one row, whatever it takes."""

    def __call__(self, feed):
        return [super().__call__(feed)[0].sum(axis=0, keepdims=True)]


class Calls:
    """Calls of one graph, each on a thread."""

    def __init__(self, threads, *, max_rows=8, max_wait_ms=0.0, graph=None):
        self.joiner = Joiner(Batching(max_rows, max_wait_ms))
        self.graph = graph or Graph()
        self._threads = threads

    def run(self, x, limit_s=None):
        x = np.asarray(x)
        with under(Deadline(limit_s) if limit_s else None), self.joiner.call() as call:
            (y,) = self.joiner.run(NAMES, {"x": x}, self.graph)
            return y.tolist(), call

    def start(self, x, limit_s=None):
        return self._threads.submit(self.run, x, limit_s)

    @property
    def gathered(self):
        groups = self.joiner._open.values()  # noqa: SLF001 - seen from nowhere else
        return sum(len(group.parts) for group in groups)

    def while_one_runs(self, *started):
        """Run x = [[0, 0]], and let each call of *started* gather meanwhile."""
        self.graph.goes_on.clear()
        first = self.start(np.zeros((1, 2), np.float32))
        wait_for(lambda: self.graph.rows == [1])
        calls = []
        for arguments in started:
            calls.append(self.start(*arguments))
            wait_for(lambda: self.gathered == len(calls))
        return first, calls


def wait_for(is_so):
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def row(value, columns=2, dtype=np.float32):
    return np.full((1, columns), value, dtype)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(12) as pool:
        yield pool


def test_calls_that_come_while_another_runs_share_the_next_run(threads):
    calls = Calls(threads)
    _, started = calls.while_one_runs((row(1),), (np.eye(2, dtype="f4"),), (row(5),))

    calls.graph.goes_on.set()
    outputs, facts = zip(*(one.result(10) for one in started), strict=True)

    assert calls.graph.rows == [1, 4]
    assert outputs == ([[2, 2]], [[2, 1], [1, 2]], [[6, 6]])
    assert [one.joined for one in facts] == [3, 3, 3]


def test_each_call_is_charged_its_share_of_a_joint_run():
    group = batching._Group()  # noqa: SLF001 - the time it takes can't be set elsewhere
    group.parts = [batching._Part({}, rows, None) for rows in (1, 3)]  # noqa: SLF001

    group.give([[np.zeros(1)], [np.zeros(3)]], 0.4)

    assert [part.own_s for part in group.parts] == pytest.approx([0.1, 0.3])


def test_what_a_call_waits_for_others_is_not_charged(threads):
    calls = Calls(threads)
    _, (started,) = calls.while_one_runs((row(1),))
    time.sleep(0.1)
    calls.graph.goes_on.set()

    _, call = started.result(10)

    assert call.waited_ms >= 100


def test_what_differs_in_shape_or_dtype_is_not_joined(threads):
    calls = Calls(threads)
    _, started = calls.while_one_runs(
        (row(1),), (row(1, columns=3),), (row(1, dtype=np.float64),)
    )

    calls.graph.goes_on.set()
    outputs = [one.result(10)[0] for one in started]

    assert calls.graph.rows == [1, 1, 1, 1]
    assert outputs == [[[2, 2]], [[2, 2, 2]], [[2, 2]]]


def test_no_run_has_more_rows_than_the_most(threads):
    calls = Calls(threads, max_rows=4)
    two = np.ones((2, 2), "f4")
    first, started = calls.while_one_runs((two,), (row(1),))
    started.append(calls.start(two))
    wait_for(lambda: calls.gathered == 1)  # the one that had no room

    calls.graph.goes_on.set()
    for one in (first, *started):
        one.result(10)

    assert sorted(calls.graph.rows) == [1, 2, 3]


def test_a_call_that_has_as_many_rows_alone_is_not_joined(threads):
    calls = Calls(threads, max_rows=2, max_wait_ms=FOR_EVER_MS)

    output, call = calls.run(np.zeros((3, 2), "f4"))

    assert (len(output), call.joined) == (3, 1)


def test_a_call_that_breaks_the_joint_run_breaks_no_other(threads):
    calls = Calls(threads)
    _, (good, bad, also_good) = calls.while_one_runs((row(1),), (row(BAD),), (row(2),))

    calls.graph.goes_on.set()

    assert good.result(10)[0] == [[2, 2]]
    assert also_good.result(10)[0] == [[3, 3]]
    with pytest.raises(ValueError, match="thirteen"):
        bad.result(10)
    assert sorted(calls.graph.rows) == [1, 1, 1, 1, 3]


def test_outputs_that_can_not_be_told_apart_are_given_to_nobody(threads):
    calls = Calls(threads, graph=Summing())
    _, started = calls.while_one_runs((row(1),), (row(5),))

    calls.graph.goes_on.set()

    assert [one.result(10)[0] for one in started] == [[[2, 2]], [[6, 6]]]


def test_not_a_number_stays_with_its_call(threads):
    calls = Calls(threads)
    _, (nan, good) = calls.while_one_runs((row(np.nan),), (row(2),))

    calls.graph.goes_on.set()

    assert np.isnan(nan.result(10)[0]).all()
    assert good.result(10)[0] == [[3, 3]]


def test_a_call_that_is_alone_waits_for_nobody(threads):
    calls = Calls(threads, max_wait_ms=FOR_EVER_MS)

    output, call = calls.run(row(1))

    assert (output, call.joined) == ([[2, 2]], 1)


def test_a_call_waits_for_one_that_is_on_its_way(threads):
    calls = Calls(threads, max_wait_ms=FOR_EVER_MS)

    with calls.joiner.call() as late:
        early = calls.start(row(1))
        wait_for(lambda: calls.gathered == 1)
        (y,) = calls.joiner.run(NAMES, {"x": row(2)}, calls.graph)

    assert y.tolist() == [[3, 3]]
    assert early.result(10)[0] == [[2, 2]]
    assert (calls.graph.rows, late.joined) == ([2], 2)


def test_a_call_that_is_refused_on_its_way_keeps_no_other_waiting(threads):
    calls = Calls(threads, max_wait_ms=FOR_EVER_MS)

    with calls.joiner.call():
        early = calls.start(row(1))
        wait_for(lambda: calls.gathered == 1)

    assert early.result(10)[0] == [[2, 2]]


def test_a_call_waits_for_no_longer_than_it_may(threads):
    calls = Calls(threads, max_wait_ms=1)

    with calls.joiner.call():
        output, _ = calls.start(row(1)).result(10)

    assert output == [[2, 2]]


@pytest.mark.parametrize("impatient", [0, 1], ids=["the first", "another"])
def test_the_deadline_of_one_ends_no_other(threads, impatient):
    calls = Calls(threads)
    limits = [10.0, 10.0, 10.0]
    limits[impatient] = 0.3
    _, started = calls.while_one_runs(
        *((row(number), limit) for number, limit in enumerate(limits))
    )

    with pytest.raises(RunTimedOut):
        started[impatient].result(10)
    calls.graph.goes_on.set()
    outputs = [one.result(10)[0] for one in started if not one.exception()]

    expected = [[[number + 1] * 2] for number in range(3) if number != impatient]
    assert outputs == expected


def test_a_joint_run_ends_with_the_first_deadline(threads):
    calls = Calls(threads)
    _, started = calls.while_one_runs((row(1), 20.0), (row(2), 10.0), (row(3), 30.0))

    calls.graph.goes_on.set()
    for one in started:
        one.result(10)

    assert calls.graph.limits == [None, 10.0]


def test_threads_that_call_a_model_at_once_get_their_own_results(tmp_path, threads):
    spec = onnx_files.version(
        tmp_path / "slow.onnx", onnx_files.slow_adder(), batching=Batching(4, 5)
    )
    pool = ModelPool()
    loaded = pool.get(spec)

    def call(value):
        inputs = {"x": np.full((1 + value % 2, 2), value, np.float32)}
        return loaded.predict(inputs, {}), value

    for _ in range(6):
        for prediction, value in threads.map(call, range(6)):
            rows = 1 + value % 2
            assert prediction.values["y"].array.tolist() == [[value + 2000] * 2] * rows
            assert prediction.compute_ms <= prediction.timings_ms["total"]

    measured = loaded.statistics.read()
    assert sum(one.calls for one in measured.batches.values()) == 36
    assert max(measured.batches) > 1
    assert measured.runs < 36


def test_a_loaded_version_follows_what_a_new_measurement_says(tmp_path):
    path, content = tmp_path / "adder.onnx", onnx_files.adder()
    pool = ModelPool()
    plain = onnx_files.version(path, content)
    joined = onnx_files.version(path, content, batching=Batching(4, 5))
    loaded = pool.get(plain)
    lane = loaded.lane

    assert pool.get(joined) is loaded
    assert (loaded.lane.batch, loaded.lane.max_running) == (4, 1)
    assert loaded.predict({"x": row(1)}, {}).values["y"].array.tolist() == [[2, 2]]
    assert pool.get(plain).lane is lane


def test_a_version_of_its_own_process_is_not_joined(tmp_path):
    spec = onnx_files.version(
        tmp_path / "adder.onnx",
        onnx_files.adder(),
        batching=Batching(4, 5),
        is_isolated=True,
    )

    prediction = LoadedModel(spec).predict({"x": row(1)}, {})

    assert prediction.values["y"].array.tolist() == [[2, 2]]
