"""A run that takes too long is ended, and its place is free again."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from portal.runtime import ModelPool
from portal.runtime.deadline import Deadline, RunTimedOut
from portal.runtime.scheduler import Scheduler
from tests import onnx_files

ONE = {"x": np.ones(1, dtype=np.float32)}
ROW = {"x": np.array([[1, 2]], dtype=np.float32)}


@pytest.fixture
def endless(tmp_path):
    return onnx_files.version(
        tmp_path / "endless.onnx",
        onnx_files.endless_loop(),
        digest="endless",
        model_name="endless",
        timeout_s=0.2,
    )


@pytest.fixture
def adder(tmp_path):
    path = tmp_path / "adder.onnx"
    return onnx_files.version(path, onnx_files.adder(), timeout_s=0.2)


def test_a_run_that_never_ends_is_ended_at_its_deadline(endless):
    loaded = ModelPool().get(endless)
    began = time.monotonic()

    with pytest.raises(RunTimedOut) as refused:
        loaded.predict(ONE, {})

    assert 0.2 <= time.monotonic() - began < 2
    assert refused.value.status == 504
    assert "0.2 seconds" in str(refused.value)


def test_its_place_is_free_again(endless):
    pool = ModelPool(scheduler=Scheduler(max_running=1, places=1))
    loaded = pool.get(endless)

    for _ in range(3):
        with pytest.raises(RunTimedOut):
            loaded.predict(ONE, {})

    assert loaded.statistics.read().failures == 3


def test_other_models_run_on_while_one_hangs(endless, adder):
    pool = ModelPool(scheduler=Scheduler(max_running=1, places=1))
    hanging, quick = pool.get(endless), pool.get(adder)

    with ThreadPoolExecutor(1) as threads:
        hangs = threads.submit(hanging.predict, ONE, {})
        while hanging.lane.running == 0:
            time.sleep(0.001)
        answers = [quick.predict(ROW, {}).outputs["y"]["data"] for _ in range(5)]
        was_hanging = not hangs.done()

    assert was_hanging
    assert answers == [[[2.0, 3.0]]] * 5
    assert isinstance(hangs.exception(), RunTimedOut)


def test_a_step_in_python_that_took_too_long_is_told_too(adder, monkeypatch):
    loaded = ModelPool().get(adder)
    preprocess = loaded.backend.task.preprocess

    def slow(inputs, parameters):
        time.sleep(0.25)
        return preprocess(inputs, parameters)

    monkeypatch.setattr(loaded.backend.task, "preprocess", slow)
    monkeypatch.setattr(loaded.backend.task, "infer", lambda _: pytest.fail("went on"))

    with pytest.raises(RunTimedOut):
        loaded.predict(ROW, {})


def test_a_failure_in_time_stays_what_it_was():
    deadline = Deadline(10)

    with pytest.raises(ZeroDivisionError), deadline.holds():
        raise ZeroDivisionError


def test_a_deadline_ends_with_its_call(adder, endless):
    pool = ModelPool()
    with pytest.raises(RunTimedOut):
        pool.get(endless).predict(ONE, {})

    prediction = pool.get(adder).predict(ROW, {})

    assert prediction.outputs["y"]["data"] == [[2.0, 3.0]]


def test_a_forked_process_watches_its_own_runs(endless, adder):
    pool = ModelPool()
    loaded = pool.get(endless)
    pool.get(adder).predict(ROW, {})  # starts the thread that a fork loses
    assert threading.active_count() > 1

    child = os.fork()
    if child == 0:
        try:
            loaded.predict(ONE, {})
        except RunTimedOut:
            os._exit(7)
        os._exit(1)

    deadline = time.monotonic() + 10
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, 9)
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(ended[1]) == 7
