"""A model that gives other than it declares is told of; nothing else breaks."""

import numpy as np
import pytest
from structlog.testing import capture_logs

from portal.runtime import FileRefused, LoadedModel, TaskRefused, try_out
from portal.runtime.failures import ModelFailed, OutOfMemory
from tests import onnx_files

TWO_ROWS = {"x": np.array([[1, 2, 3], [4, 5, -6]], dtype=np.float32)}


def test_an_undeclared_shape_is_given_as_it_is(tmp_path):
    loaded = LoadedModel(onnx_files.version(tmp_path / "x.onnx", onnx_files.liar()))

    outputs = loaded.predict(TWO_ROWS, {}).outputs

    assert outputs["y"]["shape"] == [1, 5]
    assert outputs["y"]["data"] == [[1, 2, 3, 4, 5]]


def test_scores_that_are_not_as_many_as_the_labels_are_not_named(tmp_path):
    labels = ("a", "b", "c")
    content = onnx_files.liar()
    loaded = LoadedModel(
        onnx_files.version(tmp_path / "x.onnx", content, labels=labels)
    )

    with pytest.raises(TaskRefused) as refused:
        loaded.predict(TWO_ROWS, {})

    assert str(refused.value) == "The model gave a tensor [1, 5] for 3 labels."


def test_a_step_that_breaks_is_unavailable_and_logged(tmp_path, monkeypatch):
    loaded = LoadedModel(onnx_files.version(tmp_path / "x.onnx", onnx_files.liar()))
    monkeypatch.setattr(loaded.backend.task, "postprocess", lambda *_: 1 / 0)

    with capture_logs() as logs, pytest.raises(ModelFailed) as failed:
        loaded.predict(TWO_ROWS, {})

    assert failed.value.status == 503
    assert "portal's log" in str(failed.value)
    assert [line["event"] for line in logs] == ["model.failed"]
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert loaded.statistics.read().failures == 1


def test_what_a_child_logs_does_not_spoil_its_report(tmp_path):
    content = onnx_files.mean_colour()
    spec = onnx_files.version(
        tmp_path / "x.onnx",
        content,
        task="image-classification",
        labels=("red", "green", "blue"),
        options={"size": [8, 8]},
    )

    # Without its picture the task breaks, which is logged.
    with pytest.raises(FileRefused) as refused:
        try_out(spec, {}, {}, name="The example Red")

    assert str(refused.value) == ("The example Red could not be run: KeyError: 'image'")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("… std::bad_alloc"), ValueError("bad_alloc")]
)
@pytest.mark.parametrize("step", ["preprocess", "infer", "postprocess"])
def test_a_step_without_memory_says_so(tmp_path, monkeypatch, step, error):
    loaded = LoadedModel(onnx_files.version(tmp_path / "x.onnx", onnx_files.liar()))

    def fail(*_):
        raise error

    monkeypatch.setattr(loaded.backend.task, step, fail)

    with pytest.raises(OutOfMemory) as failed:
        loaded.predict(TWO_ROWS, {})

    assert failed.value.status == 503
