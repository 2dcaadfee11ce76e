"""The task `image-embedding`."""

import numpy as np
import pytest

from portal.runtime import LoadedModel, TaskRefused, describe
from portal.runtime.tasks import Settings
from tests import onnx_files, onnx_tasks

IMAGE = np.full((5, 9, 3), (255, 0, 51), np.uint8)


def embed(tmp_path, content, **options):
    spec = onnx_files.version(
        tmp_path / "m.onnx", content, task="image-embedding", options=options
    )
    return LoadedModel(spec).predict({"image": IMAGE}, {}).outputs["embedding"]


def test_a_picture_becomes_a_vector(tmp_path):
    content = onnx_files.mean_colour((1, 3, 8, 8), (1, 3))

    assert embed(tmp_path, content, normalize=False) == pytest.approx([1, 0, 0.2])


def test_a_vector_has_the_length_one(tmp_path):
    content = onnx_files.mean_colour((1, 3, 8, 8), (1, 3))

    vector = embed(tmp_path, content)

    assert np.linalg.norm(vector) == pytest.approx(1)
    assert vector[2] / vector[0] == pytest.approx(0.2)


@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (1, 4), (1, 4, 1)])
def test_axes_of_one_don_t_matter(tmp_path, shape):
    content = onnx_tasks.says(np.array([3, 0, 4, 0], np.float32).reshape(shape))

    assert embed(tmp_path, content) == pytest.approx([0.6, 0, 0.8, 0])


@pytest.mark.parametrize(
    ("value", "normalize"),
    [(np.nan, True), (np.nan, False), (np.inf, True), (np.inf, False), (1e300, False)],
)
def test_what_is_no_number_is_null(tmp_path, value, normalize):
    content = onnx_tasks.says(np.array([[value, value]]))

    assert embed(tmp_path, content, normalize=normalize) == [None, None]


def test_a_zero_stays_a_zero(tmp_path):
    assert embed(tmp_path, onnx_tasks.says(np.zeros((1, 2), np.float32))) == [0, 0]


def test_an_empty_vector_is_told(tmp_path):
    content = onnx_tasks.says(np.zeros((1, 0), np.float32), shape=(1, "d"))

    with pytest.raises(TaskRefused, match="instead of a vector"):
        embed(tmp_path, content)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (1, 4, 7, 7)])
def test_a_model_that_does_not_fit_is_refused(shape):
    content = onnx_tasks.says(np.zeros(1, np.float32), shape=shape)
    settings = Settings({"model": onnx_files.signature_of(content)})

    with pytest.raises(TaskRefused, match="needs an output of floats such as"):
        describe("image-embedding", settings)
