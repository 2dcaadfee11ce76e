"""Which versions are in memory, and what a damaged file does to the others."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from portal.errors import Unavailable
from portal.runtime import ModelPool
from tests import onnx_files

ROW = {"x": np.array([[1, 2]], dtype=np.float32)}


def first_value(loaded):
    return loaded.predict(ROW, {}).outputs["y"]["data"][0][0]


@pytest.fixture
def pool():
    return ModelPool()


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


def test_one_loaded_model_serves_many_threads(tmp_path, pool):
    spec = onnx_files.version(tmp_path / "adder.onnx", onnx_files.adder())
    loaded = pool.get(spec)

    def run(number):
        row = {"x": np.full((1, 2), number, dtype=np.float32)}
        return loaded.predict(row, {}).outputs["y"]["data"]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(run, range(200)))

    assert answers == [[[n + 1.0, n + 1.0]] for n in range(200)]


def test_a_new_version_takes_the_place_of_the_old(tmp_path, pool):
    old = onnx_files.version(tmp_path / "1.onnx", onnx_files.adder(1), digest="d1")
    new = onnx_files.version(tmp_path / "2.onnx", onnx_files.adder(5), digest="d2")
    pool.get(old)

    loaded = pool.get(new)

    assert first_value(loaded) == 6.0
    assert pool.is_loaded("d2")
    assert not pool.is_loaded("d1")


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
