"""A version in a process of its own takes no call but its own along."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from portal.config import ROOT
from portal.errors import Invalid
from portal.runtime import LoadedModel, ModelPool, Scheduler
from portal.runtime.backends.channel import Channel
from portal.runtime.deadline import RunTimedOut
from portal.runtime.failures import Crashed, ModelFailed, NotStarting, OutOfMemory
from tests import onnx_files
from tests.runtime import strange_children

ROW = {"x": np.array([[1, 2]], dtype=np.float32)}
FOREVER = {"x": np.array([1e15], dtype=np.float32)}
FEW = {"x": np.array([3], dtype=np.float32)}
WAIT_S = 20
PLUG_IN = """
import os, time
from portal.runtime.tasks.tensor import Tensor

class Wild(Tensor):
    name = "wild"

    def infer(self, prepared):
        match prepared["x"].tolist():
            case [7.0]:
                os.abort()
            case [8.0]:
                time.sleep(600)
            case [9.0]:
                raise RuntimeError("nine is too much")
        return super().infer(prepared)
"""
GOOD = '{"outputs": {"y": 1}, "steps_ms": [1.0, 1.0, 1.0]}'
# A portal that loads an isolated version, says which process runs it, and calls it.
PARENT = """
import pickle, sys
from portal.runtime import LoadedModel
spec, inputs = pickle.load(sys.stdin.buffer)
loaded = LoadedModel(spec)
print(loaded.backend.pid, flush=True)
loaded.predict(inputs, {})
"""


def isolated(folder, content, **changes):
    path = folder / "model.onnx"
    return onnx_files.version(path, content, is_isolated=True, **changes)


def is_there(pid):
    """Whether the process goes on: one that ended and was not waited for doesn't."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for(condition):
    ends_at = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.005)


def interrupt(*_, **__):
    raise KeyboardInterrupt


def kill(loaded):
    child = loaded.backend._child  # noqa: SLF001 - nothing else tells
    os.kill(child.pid, signal.SIGKILL)
    wait_for(lambda: child.has_ended)


def kill_while_it_runs(loaded, number):
    """Call *loaded* on what never ends, and send its process a signal meanwhile."""
    pid = loaded.backend.pid
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(loaded.predict, FOREVER, {})
        used = cpu_ticks(pid)
        wait_for(lambda: cpu_ticks(pid) > used)
        os.kill(pid, number)
        return call.exception(WAIT_S)


def cpu_ticks(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


@pytest.fixture(scope="module")
def adder(tmp_path_factory):
    return LoadedModel(isolated(tmp_path_factory.mktemp("adder"), onnx_files.adder()))


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loop")
    return LoadedModel(isolated(folder, onnx_files.counting_loop()))


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    """Return a version whose task, a plug-in, crashes, hangs or fails as it is told."""
    site = tmp_path_factory.mktemp("site")
    info = site / "wild-1.0.dist-info"
    info.mkdir()
    (site / "wild_task.py").write_text(PLUG_IN)
    (info / "METADATA").write_text("Name: wild\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[portal.tasks]\nwild = wild_task:Wild\n")
    content = onnx_files.echo("float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield LoadedModel(isolated(site, content, task="wild"))


def test_it_answers_as_in_the_portals_own_process(adder):
    prediction = adder.predict(ROW, {})

    assert prediction.outputs["y"] == {
        "shape": [1, 2],
        "datatype": "FP32",
        "data": [[2.0, 3.0]],
    }
    assert adder.backend.pid != os.getpid()
    assert adder.memory_bytes > 2**24


def test_its_steps_are_measured_where_they_happen(loop):
    before = loop.statistics.read().successes

    timings = loop.predict({"x": np.array([20_000], dtype=np.float32)}, {}).timings_ms

    assert timings["inference"] > timings["preprocess"] + timings["postprocess"]
    steps = ("queue", "preprocess", "inference", "postprocess")
    assert timings["total"] > sum(timings[step] for step in steps)
    assert loop.statistics.read().successes == before + 1


def test_texts_and_what_json_lacks_survive_the_way(tmp_path):
    loaded = LoadedModel(isolated(tmp_path, onnx_files.echo("str")))

    outputs = loaded.predict({"x": np.array(["a\0b", "ä"], object)}, {}).outputs

    assert outputs["y"]["data"] == ["a\0b", "ä"]


def test_what_the_model_refuses_is_the_callers_fault_as_ever(adder):
    pid = adder.backend.pid
    with pytest.raises(Invalid, match="could not run on this input") as refused:
        adder.predict({"x": np.ones((1, 3, 4), dtype=np.float32)}, {})

    assert refused.value.pointer == "/inputs"
    assert adder.backend.pid == pid


def test_a_crash_costs_its_own_call_and_the_next_one_is_answered(loop):
    broken = kill_while_it_runs(loop, signal.SIGSEGV)

    assert isinstance(broken, Crashed)
    assert broken.status == 503
    assert broken.headers["Retry-After"] == "1"
    assert loop.predict(FEW, {}).outputs["y"]["data"] == [3.0]


def test_native_code_that_aborts_takes_one_call_along(wild):
    with pytest.raises(Crashed):
        wild.predict({"x": np.array([7], np.float32)}, {})

    assert wild.predict({"x": np.array([1], np.float32)}, {}).outputs["y"]["data"] == [
        1
    ]


def test_a_process_that_ended_between_two_calls_costs_none(wild):
    wild.predict({"x": np.array([1], np.float32)}, {})  # it is loaded
    kill(wild)

    prediction = wild.predict({"x": np.array([2], np.float32)}, {})

    assert prediction.outputs["y"]["data"] == [2]


def test_after_a_call_that_was_broken_off_the_next_gets_its_own_answer(
    adder, monkeypatch
):
    adder.predict(ROW, {})  # it is loaded
    with monkeypatch.context() as broken:
        broken.setattr(Channel, "receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            adder.predict({"x": np.array([[70, 80]], np.float32)}, {})

    prediction = adder.predict(ROW, {})

    assert prediction.outputs["y"]["data"] == [[2.0, 3.0]]


def test_a_task_that_fails_is_unavailable_and_told_to_the_owner(wild):
    wild.predict({"x": np.array([1], np.float32)}, {})  # it is loaded
    pid = wild.backend.pid
    with capture_logs() as logs, pytest.raises(ModelFailed) as failed:
        wild.predict({"x": np.array([9], np.float32)}, {})

    assert failed.value.status == 503
    assert "nine is too much" in str(failed.value.__cause__)
    assert [line["event"] for line in logs] == ["model.failed"]
    assert wild.backend.pid == pid


def test_what_cannot_be_ended_is_killed_a_second_after_its_limit(wild, monkeypatch):
    wild.predict({"x": np.array([1], np.float32)}, {})  # it is loaded
    monkeypatch.setattr(wild, "spec", replace(wild.spec, timeout_s=0.2))
    pid = wild.backend.pid
    began = time.monotonic()

    with pytest.raises(RunTimedOut):
        wild.predict({"x": np.array([8], np.float32)}, {})

    assert 1.2 <= time.monotonic() - began < 5
    assert not is_there(pid)


def test_a_run_without_an_end_is_ended_at_its_limit_and_its_process_stays(
    loop, monkeypatch
):
    loop.predict(FEW, {})  # it is loaded
    monkeypatch.setattr(loop, "spec", replace(loop.spec, timeout_s=0.3))
    pid = loop.backend.pid

    with pytest.raises(RunTimedOut):
        loop.predict(FOREVER, {})

    monkeypatch.undo()
    assert loop.backend.pid == pid
    assert loop.predict(FEW, {}).outputs["y"]["data"] == [3.0]


def test_forty_gigabytes_are_refused_and_the_model_answers_on(tmp_path):
    loaded = LoadedModel(isolated(tmp_path, onnx_files.ones(), memory_mb=1024))

    with pytest.raises(OutOfMemory) as refused:
        loaded.predict({"x": np.array([1e5, 1e5], np.float32)}, {})

    assert refused.value.status == 503
    few = loaded.predict({"x": np.array([1, 2], np.float32)}, {})
    assert few.outputs["y"]["data"] == [[1.0, 1.0]]


def test_eight_threads_get_their_own_answers(tmp_path):
    pool = ModelPool(scheduler=Scheduler(max_running=4, places=8))
    loaded = pool.get(isolated(tmp_path, onnx_files.adder()))
    start = threading.Barrier(8)

    def ask(number):
        start.wait(5)
        row = {"x": np.full((1, 2), number, dtype=np.float32)}
        return [loaded.predict(row, {}).outputs["y"]["data"] for _ in range(25)]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))

    assert found == [[[[n + 1.0, n + 1.0]]] * 25 for n in range(8)]
    assert loaded.statistics.read().durations["queue"].p95_ms > 0.01


def test_no_process_is_left_of_a_version_that_was_unloaded(tmp_path):
    pool = ModelPool()
    spec = isolated(tmp_path, onnx_files.adder())
    pid = pool.get(spec).backend.pid
    folder = Path(f"/proc/{pid}/cwd").readlink()

    pool.unload(spec.digest)

    assert not is_there(pid)
    assert not folder.exists()


def test_no_process_outlives_a_portal_that_was_killed(tmp_path):
    spec = isolated(tmp_path, onnx_files.counting_loop())
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        parent.stdin.write(pickle.dumps((spec, FOREVER)))
        parent.stdin.close()
        pid = int(parent.stdout.readline())
        used = cpu_ticks(pid)
        wait_for(lambda: cpu_ticks(pid) > used)

        parent.kill()

    wait_for(lambda: not is_there(pid))


def test_a_forked_process_starts_its_own_and_leaves_the_others_alone(adder):
    adder.predict(ROW, {})
    pid = adder.backend.pid

    forked = os.fork()
    if forked == 0:
        try:
            data = adder.predict(ROW, {}).outputs["y"]["data"]
            is_own = adder.backend.pid != pid
            adder.backend._child.end()  # noqa: SLF001 - nothing is run at this exit
            os._exit(7 if data == [[2.0, 3.0]] and is_own else 2)
        finally:
            os._exit(1)
    _, status = os.waitpid(forked, 0)

    assert os.waitstatus_to_exitcode(status) == 7
    assert adder.backend.pid == pid
    assert adder.predict(ROW, {}).outputs["y"]["data"] == [[2.0, 3.0]]


def test_it_sees_none_of_the_settings_and_an_empty_folder(adder, monkeypatch):
    pid = adder.backend.pid

    names = {
        entry.partition(b"=")[0]
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    }

    assert names - {b""} == {b"PYTHONPATH", b"PATH"}
    assert list(Path(f"/proc/{pid}/cwd").iterdir()) == []
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert f"Max address space         {4096 * 2**20}" in limits
    assert "Max core file size        0 " in limits


def test_after_three_starts_in_vain_it_is_left_alone_for_a_while(adder, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("portal.runtime.backends.child.MODULE", "no.such.module")
        kill(adder)
        for _ in range(3):
            with pytest.raises(Crashed):
                adder.predict(ROW, {})
    with pytest.raises(NotStarting) as refused:
        adder.predict(ROW, {})

    assert 1 <= refused.value.retry_after_s <= 30
    assert adder.backend.pid is None
    later = time.monotonic() + 31
    monkeypatch.setattr("portal.runtime.backends.isolated.monotonic", lambda: later)
    assert adder.predict(ROW, {}).outputs["y"]["data"] == [[2.0, 3.0]]


def test_files_that_are_damaged_make_it_unavailable(tmp_path):
    spec = isolated(tmp_path, onnx_files.adder())
    spec.files["model"].write_bytes(b"damaged")

    with pytest.raises(Exception, match="can't be loaded at the moment") as refused:
        ModelPool().get(spec)

    assert refused.value.status == 503
    assert "INVALID_PROTOBUF" in str(refused.value.__cause__)


def test_a_process_that_was_taken_over_makes_the_portal_run_nothing(
    tmp_path, monkeypatch
):
    module = strange_children.MODULE
    monkeypatch.setattr("portal.runtime.backends.child.MODULE", module)
    loaded = LoadedModel(isolated(tmp_path, onnx_files.adder()))
    path = tmp_path / "written"

    with pytest.raises(Crashed):
        loaded.predict({"way": str(path)}, {})
    with pytest.raises(Crashed):
        loaded.predict({"way": "{}"}, {})
    with pytest.raises(Invalid) as refused:
        loaded.predict({"way": '{"invalid": "%(why)900000000d", "pointer": ""}'}, {})

    assert not path.exists()
    assert str(refused.value) == "%(why)900000000d"
    assert loaded.predict({"way": GOOD}, {}).outputs == {"y": 1}
