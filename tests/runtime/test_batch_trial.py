"""Joining calls is tried before it is done: is it right, and does it pay?"""

import numpy as np
import pytest

from portal.runtime import Batching, LoadedModel
from portal.runtime.batch_trial import Cores, decide, try_batching
from tests import onnx_files

TWO_CORES = Cores(amount=2, threads=1, compute=True, other_ms=2.0)
TOO_MANY_ROWS = (
    "a run may have 4 rows (max, or the calls that a web process takes at once), and "
    "one call has 3"
)


def trial(tmp_path, content, inputs, *, most=4):
    spec = onnx_files.version(tmp_path / "a.onnx", content)
    return try_batching(LoadedModel(spec), (inputs, {}), Batching(most, 5), TWO_CORES)


def test_a_graph_that_takes_as_long_for_many_rows_gains(tmp_path):
    found = trial(
        tmp_path, onnx_files.slow_adder(5000), {"x": np.zeros((1, 2), np.float32)}
    )

    assert (found.is_on, found.why_not, found.joined) == (True, "", 4)
    assert found.joined_per_s > found.alone_per_s


def test_a_graph_that_is_quick_anyway_gains_nothing(tmp_path):
    found = trial(tmp_path, onnx_files.adder(), {"x": np.zeros((1, 2), np.float32)})

    assert not found.is_on
    assert "less than 1.2 times" in found.why_not


@pytest.mark.parametrize(
    ("content", "inputs", "most", "why"),
    [
        (
            onnx_files.mean_colour((1, 3, 8, 8), (1, 3)),
            {"x": np.zeros((1, 3, 8, 8), np.float32)},
            4,
            "the first axis of x [1, 3, 8, 8] is fixed",
        ),
        (
            onnx_files.centred(),
            {"x": np.ones((1, 2), np.float32)},
            4,
            "joined calls would get another y than each alone",
        ),
        (
            onnx_files.positive_rows(),
            {"x": np.ones((2, 2), np.float32), "keep": np.array([True, False])},
            4,
            "its outputs don't have a row for each row of its inputs",
        ),
        (
            onnx_files.product(),
            {"a": np.ones(1, np.float32), "b": np.ones(2, np.float32)},
            4,
            "its inputs have different numbers of rows",
        ),
        (
            onnx_files.adder(),
            {"x": np.ones((3, 2), np.float32)},
            4,
            TOO_MANY_ROWS,
        ),
    ],
    ids=["fixed axis", "rows that depend", "fewer rows", "unlike inputs", "many rows"],
)
def test_what_can_not_be_joined_is_not(tmp_path, content, inputs, most, why):
    found = trial(tmp_path, content, inputs, most=most)

    assert (found.is_on, found.why_not) == (False, why)


@pytest.mark.parametrize(
    ("joined_per_s", "joint_ms", "is_on"),
    [(120, 100, True), (119, 100, False), (500, 301, False)],
)
def test_it_is_on_from_a_fifth_more_calls_within_the_time(
    joined_per_s, joint_ms, is_on
):
    found = decide(
        4,
        alone_per_s=100,
        joined_per_s=joined_per_s,
        joint_ms=joint_ms,
        limit_ms=300,
    )

    assert found.is_on == is_on
    assert bool(found.why_not) != is_on


def test_one_joint_run_is_one_core_and_many_are_all():
    # 8 ms of a run and 2 ms besides; joined, one run at a time has one core.
    assert TWO_CORES.per_s(8, at_once=2) == pytest.approx(200)
    assert TWO_CORES.per_s(8, at_once=1) == pytest.approx(125)


def test_a_device_gives_what_its_runs_and_the_cores_allow():
    device = Cores(amount=2, threads=1, compute=False, other_ms=2.0)

    assert device.per_s(8, at_once=2) == pytest.approx(125)
    assert device.per_s(0.5, at_once=1) == pytest.approx(1000)
