"""Which versions are in memory, and what a damaged file does to the others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from portal.errors import Unavailable
from portal.runtime import ModelPool, find_task
from portal.runtime.backends import InProcess
from tests import onnx_files

ALLOWED = 2**30
ROW = {"x": np.array([[1, 2]], dtype=np.float32)}


def first_value(loaded):
    return loaded.predict(ROW, {}).outputs["y"]["data"][0][0]


@pytest.fixture
def pool():
    return ModelPool()


class Clock:
    """A monotonic clock that a test can put forward."""

    def __init__(self):
        self.shifted_s = 0.0

    def shift(self, seconds):
        self.shifted_s += seconds

    def monotonic(self):
        return time.monotonic() + self.shifted_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("portal.runtime.pool.monotonic", clock.monotonic)
    return clock


def test_a_version_is_loaded_once_however_many_ask(tmp_path, pool):
    spec = onnx_files.version(tmp_path / "adder.onnx", onnx_files.adder())
    start = threading.Barrier(8)

    def ask(_):
        start.wait(5)
        return pool.get(spec)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))

    assert len({id(loaded) for loaded in answers}) == 1
    assert first_value(answers[0]) == 2.0


def test_a_version_that_is_loaded_again_goes_on_counting(tmp_path, pool):
    spec = onnx_files.version(tmp_path / "adder.onnx", onnx_files.adder())
    first_value(pool.get(spec))
    pool.unload(spec.digest)

    first_value(pool.get(spec))

    assert pool.get(spec).statistics.read().successes == 2


def test_one_loaded_model_serves_many_threads(tmp_path, pool):
    spec = onnx_files.version(tmp_path / "adder.onnx", onnx_files.adder())
    loaded = pool.get(spec)

    def run(number):
        row = {"x": np.full((1, 2), number, dtype=np.float32)}
        return loaded.predict(row, {}).outputs["y"]["data"]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(run, range(200)))

    assert answers == [[[n + 1.0, n + 1.0]] for n in range(200)]


def two_versions(folder):
    return [
        onnx_files.version(
            folder / f"{number}.onnx", onnx_files.adder(number), digest=f"d{number}"
        )
        for number in (1, 5)
    ]


def test_the_old_version_goes_once_nobody_asks_for_it_any_more(tmp_path, pool, clock):
    old, new = two_versions(tmp_path)
    pool.get(old)
    pool.get(new)
    clock.shift(40)
    pool.get(old)  # by its number
    clock.shift(40)
    pool.get(new)
    assert pool.is_loaded("d1")

    clock.shift(40)
    loaded = pool.get(new)

    assert first_value(loaded) == 6.0
    assert [one.spec.digest for one in pool.loaded()] == ["d5"]


def test_over_the_budget_the_least_recently_used_goes(tmp_path):
    path = tmp_path / "adder.onnx"
    a, b, c = (
        onnx_files.version(path, onnx_files.adder(), digest=name, model_name=name)
        for name in "abc"
    )
    pool = ModelPool(budget_bytes=2 * ALLOWED)
    for spec in (a, b):
        pool.get(spec).memory_bytes = ALLOWED
    pool.get(a)

    pool.get(c)

    assert [one.spec.digest for one in pool.loaded()] == ["a", "c"]


def test_what_is_larger_than_the_budget_is_loaded_all_the_same(tmp_path):
    spec = onnx_files.version(tmp_path / "adder.onnx", onnx_files.adder())
    pool = ModelPool(budget_bytes=1)

    loaded = pool.get(spec)

    assert first_value(loaded) == 2.0
    assert pool.is_loaded(spec.digest)


def test_what_was_unloaded_is_loaded_again_by_its_next_call(tmp_path, pool):
    spec = onnx_files.version(tmp_path / "adder.onnx", onnx_files.adder())
    first = pool.get(spec)

    pool.unload(spec.digest)

    assert not pool.is_loaded(spec.digest)
    assert pool.get(spec) is not first


def test_while_a_version_is_being_loaded_the_old_one_stands_in(
    tmp_path, pool, monkeypatch
):
    old, new = two_versions(tmp_path)
    pool.get(old)
    loading, go_on = threading.Event(), threading.Event()

    def find_slowly(name):
        loading.set()
        go_on.wait(5)
        return find_task(name)

    monkeypatch.setattr("portal.runtime.backends.in_process.find_task", find_slowly)

    with ThreadPoolExecutor(1) as threads:
        first_call = threads.submit(pool.answering, new)
        loading.wait(5)
        meanwhile = pool.answering(new)
        go_on.set()

        assert meanwhile.spec.digest == "d1"
        assert first_call.result().spec.digest == "d5"
    assert pool.answering(new).spec.digest == "d5"


def test_a_version_that_can_not_be_loaded_has_the_old_one_stand_in(
    tmp_path, pool, clock
):
    old, new = two_versions(tmp_path)
    pool.get(old)
    new.files["model"].write_bytes(b"junk")

    answering = [pool.answering(new).spec.digest for _ in range(3)]

    assert answering == ["d1"] * 3
    assert pool.failure(new) is not None
    clock.shift(31)
    assert pool.failure(new) is None  # so the next call tries it again


def test_without_another_version_a_damaged_one_is_refused(tmp_path, pool):
    _, new = two_versions(tmp_path)
    new.files["model"].write_bytes(b"junk")

    with pytest.raises(Unavailable):
        pool.answering(new)


def test_a_file_that_is_damaged_is_not_read_at_every_call(tmp_path, pool, monkeypatch):
    spec = onnx_files.version(tmp_path / "a.onnx", onnx_files.adder())
    spec.files["model"].write_bytes(b"junk")
    with pytest.raises(Unavailable):
        pool.get(spec)
    monkeypatch.setattr(InProcess, "_load", lambda self: pytest.fail("was read"))

    with pytest.raises(Unavailable):
        pool.get(spec)


def test_a_version_that_was_let_go_finishes_its_runs(tmp_path, pool):
    old = onnx_files.version(tmp_path / "1.onnx", onnx_files.adder(1), digest="d1")
    new = onnx_files.version(tmp_path / "2.onnx", onnx_files.adder(5), digest="d2")
    held = pool.get(old)

    pool.get(new)

    assert first_value(held) == 2.0


def test_models_do_not_push_each_other_out(tmp_path, pool):
    path = tmp_path / "adder.onnx"
    a = onnx_files.version(path, onnx_files.adder(), digest="d1", model_name="a")
    b = onnx_files.version(path, onnx_files.adder(), digest="d2", model_name="b")

    pool.get(a)
    pool.get(b)

    assert pool.is_loaded("d1")
    assert pool.is_loaded("d2")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"junk"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(onnx_files.truncated()),
        lambda path: path.unlink(),
    ],
    ids=["junk", "empty", "truncated", "missing"],
)
def test_a_damaged_file_makes_its_model_unavailable_and_no_other(
    tmp_path, pool, damage
):
    whole = onnx_files.version(
        tmp_path / "a.onnx", onnx_files.adder(), digest="d1", model_name="a"
    )
    broken = onnx_files.version(
        tmp_path / "b.onnx", onnx_files.adder(), digest="d2", model_name="b"
    )
    damage(broken.files["model"])

    with pytest.raises(Unavailable) as refused:
        pool.get(broken)

    assert refused.value.retry_after_s >= 1
    assert str(tmp_path) not in str(refused.value)
    assert not pool.is_loaded("d2")
    assert first_value(pool.get(whole)) == 2.0


def test_a_version_is_tried_again_once_its_file_is_mended(tmp_path, pool):
    spec = onnx_files.version(tmp_path / "a.onnx", onnx_files.adder())
    spec.files["model"].write_bytes(b"junk")
    with pytest.raises(Unavailable):
        pool.get(spec)
    spec.files["model"].write_bytes(onnx_files.adder())

    loaded = pool.get(spec)

    assert first_value(loaded) == 2.0


def test_a_new_version_that_is_damaged_leaves_the_old_one_in_memory(tmp_path, pool):
    old = onnx_files.version(tmp_path / "1.onnx", onnx_files.adder(1), digest="d1")
    new = onnx_files.version(tmp_path / "2.onnx", onnx_files.adder(5), digest="d2")
    new.files["model"].write_bytes(b"junk")
    pool.get(old)

    with pytest.raises(Unavailable):
        pool.get(new)

    assert first_value(pool.get(old)) == 2.0


def test_a_prediction_tells_where_the_time_went(tmp_path, pool):
    spec = onnx_files.version(tmp_path / "a.onnx", onnx_files.adder())

    prediction = pool.get(spec).predict(ROW, {})

    timings = prediction.timings_ms
    steps = ("queue", "preprocess", "inference", "postprocess")
    assert set(timings) == {*steps, "total"}
    assert all(timings[step] >= 0 for step in steps)
    assert timings["total"] >= timings["inference"]
    assert prediction.compute_ms == timings["total"] - timings["queue"]
