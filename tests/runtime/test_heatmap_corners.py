"""The task `heatmap-corners`, on a model that is hot where a colour is."""

import numpy as np
import pytest

from portal.runtime import LoadedModel, TaskRefused, describe
from portal.runtime.tasks import Settings
from tests import onnx_files, onnx_tasks

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
PLAIN = np.zeros((64, 64, 3), np.uint8)


def load(tmp_path, content, labels=(), **options):
    spec = onnx_files.version(
        tmp_path / "m.onnx",
        content,
        labels=labels,
        task="heatmap-corners",
        options=options,
    )
    return LoadedModel(spec)


def find(model, image=PLAIN, *, center_crop=False, min_score=0.3):
    parameters = {"center_crop": center_crop, "min_score": min_score}
    return model.predict({"image": image}, parameters).outputs["polygons"]


def marked(width, height, *points, radius):
    """Return a black picture with a square of each colour around its point."""
    image = np.zeros((height, width, 3), np.uint8)
    for (x, y), colour in zip(points, COLOURS, strict=True):
        image[y - radius : y + radius, x - radius : x + radius] = colour
    return image


def gaussian(*centres, sigma=1.5, size=(32, 24), peak=1.0):
    """Return maps of *size*, a bell around each centre (x and y in cells)."""
    columns, rows = (np.arange(n) + 0.5 for n in size)
    return np.array(
        [
            peak
            * np.exp(-((columns - x) ** 2 + (rows[:, None] - y) ** 2) / (2 * sigma**2))
            for x, y in centres
        ],
        np.float32,
    )[None]


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", [(320, 180), (180, 320), (64, 64)])
def test_four_corners_are_found_in_pixels_of_the_picture(tmp_path, fit, size):
    width, height = size
    points = [
        (round(width * x), round(height * y))
        for x, y in ((0.2, 0.25), (0.8, 0.2), (0.75, 0.8), (0.25, 0.7))
    ]
    image = marked(width, height, *points, radius=max(size) // 40)

    (polygon,) = find(load(tmp_path, onnx_tasks.corners(), fit=fit), image)

    assert polygon["label"] == "document"
    assert 0.9 <= polygon["score"] <= 1
    # A cell of the maps is up to five pixels wide.
    assert np.array(polygon["points"]) == pytest.approx(np.array(points), abs=1)


def test_the_middle_only_is_looked_at_if_wanted(tmp_path):
    points = [(110, 20), (190, 20), (190, 80), (110, 80)]
    image = marked(300, 100, *points, radius=6)
    model = load(tmp_path, onnx_tasks.corners())

    (polygon,) = find(model, image, center_crop=True)

    assert np.array(polygon["points"]) == pytest.approx(np.array(points), abs=1)
    image[:, :90] = COLOURS[0]
    assert find(model, image, center_crop=True) == [polygon]
    assert find(model, image) != [polygon]


@pytest.mark.parametrize("sigma", [1, 1.5, 2, 2.5])
@pytest.mark.parametrize("peak", [1.0, 0.4, 3e38])
def test_a_place_is_finer_than_the_cells(tmp_path, sigma, peak):
    centres = [(5.5, 6), (20.2, 6.3), (20.75, 17.9), (6.5, 17.5)]
    content = onnx_tasks.says(gaussian(*centres, sigma=sigma, peak=peak))

    (polygon,) = find(load(tmp_path, content))

    # 64 pixels are 32 cells across and 24 down.
    found = np.array(polygon["points"]) / (2, 64 / 24)
    assert found == pytest.approx(np.array(centres), abs=0.12)
    assert all(0 <= v <= 64 for point in polygon["points"] for v in point)


def test_without_all_four_corners_there_is_no_document(tmp_path):
    maps = gaussian((5, 6), (20, 6), (20, 17), (6, 17))
    maps[0, 2] *= 0.2
    model = load(tmp_path, onnx_tasks.says(maps))

    assert find(model) == []
    (polygon,) = find(model, min_score=0.1)
    assert polygon["score"] == pytest.approx(0.2, abs=0.03)


def test_logits_become_probabilities_with_sigmoid(tmp_path):
    maps = gaussian((5, 6), (20, 6), (20, 17), (6, 17)) * 12 - 6

    (polygon,) = find(load(tmp_path, onnx_tasks.says(maps), sigmoid=True))

    assert polygon["score"] == pytest.approx(0.997, abs=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0, -1, 1, 1e-45])
def test_garbage_is_no_fault(tmp_path, value):
    content = onnx_tasks.says(np.full((1, 4, 8, 8), value, np.float32))

    polygons = find(load(tmp_path, content), min_score=0)

    assert len(polygons) == (1 if 0 < value < np.inf else 0)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 4, 0, 4), (1, 4), (2, 4, 4, 4)])
def test_another_shape_than_was_declared_is_told(tmp_path, shape):
    value = np.zeros(shape, np.float32)
    content = onnx_tasks.says(value, shape=("N", "C", "H", "W"))

    with pytest.raises(TaskRefused, match="instead of four maps"):
        find(load(tmp_path, content))


def test_a_label_names_what_is_found(tmp_path):
    content = onnx_tasks.says(gaussian((5, 6), (20, 6), (20, 17), (6, 17)))

    (polygon,) = find(load(tmp_path, content, labels=("receipt",)))

    assert polygon["label"] == "receipt"


@pytest.mark.parametrize(
    ("shape", "labels", "sentence"),
    [
        ((1, 3, 4, 4), (), "needs an output of floats such as [1, 4, 128, 128]"),
        ((1, 4), (), "a map for each corner"),
        ((1, 4, 4, 4), ("a", "b"), "takes one label at most"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(shape, labels, sentence):
    content = onnx_tasks.says(np.zeros(1, np.float32), shape=shape)
    settings = Settings({"model": onnx_files.signature_of(content)}, labels)

    with pytest.raises(TaskRefused) as refused:
        describe("heatmap-corners", settings)

    assert sentence in str(refused.value)
