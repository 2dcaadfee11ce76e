"""The task `image-segmentation`, on models that tell colours apart."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from portal.runtime import LoadedModel, TaskRefused, describe
from portal.runtime.tasks import Settings
from tests import onnx_files, onnx_tasks

COLOURS = ("red", "green", "blue")
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def load(tmp_path, content, *labels, **options):
    spec = onnx_files.version(
        tmp_path / "m.onnx",
        content,
        labels=labels,
        task="image-segmentation",
        options=options,
    )
    return LoadedModel(spec)


def segment(model, image):
    """Return the mask and its pixels, as whoever reads the PNG has them."""
    mask = model.predict({"image": image}, {}).outputs["mask"]
    png = Image.open(io.BytesIO(base64.b64decode(mask["png"])))
    return mask, np.asarray(png)


def halves(width, height):
    """Return a picture that is red on the left and blue on the right."""
    image = np.full((height, width, 3), RED, np.uint8)
    image[:, width // 2 :] = BLUE
    return image


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", [(128, 40), (40, 128), (64, 64), (2, 2), (900, 3)])
def test_every_pixel_of_the_picture_has_its_label(tmp_path, fit, size):
    width, height = size
    model = load(tmp_path, onnx_tasks.colours(), *COLOURS, fit=fit)

    mask, pixels = segment(model, halves(width, height))

    assert (mask["width"], mask["height"]) == size
    assert mask["labels"] == list(COLOURS)
    assert pixels.shape == (height, width)
    # At the edge between the colours the model sees a mixture.
    edge = -(-width // 64)
    assert set(pixels[:, : width // 2 - edge].ravel()) <= {0}
    assert set(pixels[:, width // 2 + edge :].ravel()) <= {2}
    if size == (2, 2):
        assert pixels.tolist() == [[0, 2], [0, 2]]


def test_a_grid_coarser_than_the_picture_is_enlarged_without_mixing(tmp_path):
    logits = np.zeros((1, 3, 2, 2), np.float32)
    logits[0, 1, 0, 0] = logits[0, 2, 1, 1] = 1
    model = load(tmp_path, onnx_tasks.says(logits), *COLOURS)

    _, pixels = segment(model, halves(6, 4))

    assert pixels.tolist() == [[1, 1, 1, 0, 0, 0]] * 2 + [[0, 0, 0, 2, 2, 2]] * 2


def test_one_channel_is_a_threshold(tmp_path):
    mask, pixels = segment(load(tmp_path, onnx_tasks.redness()), halves(64, 64))

    assert mask["labels"] == ["background", "foreground"]
    assert pixels[:, :31].all()
    assert not pixels[:, 33:].any()


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        (1, {"threshold": 0.7}, 1),
        (1, {"threshold": 0.74}, 0),
        (0.7, {"sigmoid": False, "threshold": 0.6}, 1),
        (0.7, {"sigmoid": False, "threshold": 0.8}, 0),
        (np.nan, {}, 0),
        (-np.inf, {}, 0),
        (np.inf, {}, 1),
    ],
)
def test_the_threshold_can_be_moved(tmp_path, value, options, expected):
    content = onnx_tasks.says(np.full((1, 1, 4, 4), value, np.float32))

    _, pixels = segment(load(tmp_path, content, **options), halves(3, 3))

    assert set(pixels.ravel()) == {expected}


def test_a_background_is_clear_and_other_labels_are_not(tmp_path):
    logits = onnx_tasks.says(np.zeros((1, 2, 4, 4), np.float32))

    for labels, transparency in ((("background", "cat"), 0), (("cat", "dog"), None)):
        mask, _ = segment(load(tmp_path, logits, *labels), halves(4, 4))
        png = Image.open(io.BytesIO(base64.b64decode(mask["png"])))
        assert png.mode == "P"
        assert png.info.get("transparency") == transparency


def test_nan_never_wins(tmp_path):
    logits = np.full((1, 3, 4, 4), np.nan, np.float32)
    logits[0, 1] = -5

    _, pixels = segment(load(tmp_path, onnx_tasks.says(logits), *COLOURS), halves(4, 4))

    assert set(pixels.ravel()) == {1}


def test_labels_that_are_not_given_are_numbered(tmp_path):
    mask, _ = segment(load(tmp_path, onnx_tasks.colours()), halves(4, 4))

    assert mask["labels"] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "value", [np.zeros((1, 2, 4, 4)), np.zeros((1, 3, 0, 4)), np.zeros((1, 3))]
)
def test_another_shape_than_was_declared_is_told(tmp_path, value):
    content = onnx_tasks.says(value.astype(np.float32), shape=(1, 3, "H", "W"))

    with pytest.raises(TaskRefused, match="for 3 labels"):
        segment(load(tmp_path, content, *COLOURS), halves(4, 4))


@pytest.mark.parametrize(
    ("shape", "labels", "options", "sentence"),
    [
        ((1, 3, 4, 4), ("a", "b"), {}, "There are 2 labels and the output is [1, 3"),
        ((1, 1, 4, 4), ("a",), {}, "two for a single channel"),
        ((1, "C", 4, 4), (), {}, "There are 0 labels"),
        ((1, 300, 4, 4), (), {}, "at most 256"),
        ((1, 3), COLOURS, {}, "needs an output of floats with four axes"),
        ((1, 3, 4, 4), COLOURS, {"fit": "crop"}, "fit must be stretch or letterbox."),
        ((1, 3, 4, 4), COLOURS, {"threshold": 2}, "threshold must be a number from"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(shape, labels, options, sentence):
    content = onnx_tasks.says(np.zeros(1, np.float32), shape=shape)
    settings = Settings({"model": onnx_files.signature_of(content)}, labels, options)

    with pytest.raises(TaskRefused) as refused:
        describe("image-segmentation", settings)

    assert sentence in str(refused.value)
