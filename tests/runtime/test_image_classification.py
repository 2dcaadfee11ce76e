"""The task `image-classification`, on a model that tells the mean colour."""

import math

import numpy as np
import pytest

from portal.runtime import LoadedModel, TaskRefused, describe
from portal.runtime.tasks import Settings
from tests import onnx_files

COLOURS = ("red", "green", "blue")
CHANNELS_LAST = {"shape": ("N", "H", "W", 3), "axes": (1, 2)}
SMALL = {"size": [8, 8]}


def load(tmp_path, content, **options):
    spec = onnx_files.version(
        tmp_path / "m.onnx",
        content,
        labels=COLOURS,
        task="image-classification",
        options=options,
    )
    return LoadedModel(spec)


def plain(*colour, size=(40, 30)):
    """Return a picture of one colour; size is width and height."""
    return np.full((size[1], size[0], 3), colour, np.uint8)


def classify(model, image, top=5):
    return model.predict({"image": image}, {"top": top}).outputs["labels"]


def refusal(content, *labels, **options):
    settings = Settings({"model": onnx_files.signature_of(content)}, labels, options)
    with pytest.raises(TaskRefused) as refused:
        describe("image-classification", settings)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (onnx_files.mean_colour(), SMALL),
        (onnx_files.mean_colour((1, 3, 6, 9)), {}),
        (onnx_files.mean_colour(**CHANNELS_LAST), SMALL),
        (onnx_files.mean_colour((1, 6, 9, 3), axes=(1, 2)), {}),
        (onnx_files.mean_colour(**CHANNELS_LAST), SMALL | {"layout": "NHWC"}),
        (onnx_files.mean_colour((1, 3, 3, 3), axes=(1, 2)), {"layout": "NHWC"}),
        (onnx_files.mean_colour(outputs=("N", "C")), SMALL),
    ],
    ids=["NCHW", "fixed", "NHWC", "fixed NHWC", "said", "doubtful", "open output"],
)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (640, 33)])
def test_a_picture_of_any_size_is_classified(tmp_path, content, options, size):
    labels = classify(load(tmp_path, content, **options), plain(51, 255, 0, size=size))

    assert [one["label"] for one in labels] == ["green", "red", "blue"]
    assert [one["score"] for one in labels] == pytest.approx([1, 0.2, 0])


def test_the_whole_picture_counts(tmp_path):
    image = plain(255, 0, 0, size=(20, 10))
    image[:, 10:] = (0, 0, 255)

    labels = classify(load(tmp_path, onnx_files.mean_colour(), **SMALL), image)

    scores = {one["label"]: one["score"] for one in labels}
    assert scores["red"] == pytest.approx(0.5, abs=0.01)
    assert scores["blue"] == pytest.approx(0.5, abs=0.01)


def test_values_are_scaled_less_the_mean_by_the_deviation(tmp_path):
    options = {"scale": 1, "mean": [10, 20, 30], "std": [2, 1, 0.5]}
    model = load(tmp_path, onnx_files.mean_colour(), **SMALL, **options)

    labels = classify(model, plain(20, 20, 20))

    scores = {one["label"]: one["score"] for one in labels}
    assert scores == pytest.approx({"red": 5, "green": 0, "blue": -20})


def test_softmax_makes_shares_of_one(tmp_path):
    options = {"scale": 1, "softmax": True}
    model = load(tmp_path, onnx_files.mean_colour(), **SMALL, **options)

    labels = classify(model, plain(253, 255, 254))

    total = 1 + math.exp(-1) + math.exp(-2)
    expected = [1 / total, math.exp(-1) / total, math.exp(-2) / total]
    assert [one["score"] for one in labels] == pytest.approx(expected)


@pytest.mark.parametrize("top", [1, 2, 50])
def test_as_many_labels_are_named_as_were_asked_for(tmp_path, top):
    model = load(tmp_path, onnx_files.mean_colour(), **SMALL)

    assert len(classify(model, plain(1, 2, 3), top)) == min(top, 3)


def test_it_declares_a_picture_how_many_labels_and_the_labels():
    content = onnx_files.mean_colour((1, 3, 8, 8))
    settings = Settings({"model": onnx_files.signature_of(content)}, COLOURS)

    description = describe("image-classification", settings)

    assert [(i.name, i.kind) for i in description.inputs] == [("image", "image")]
    (top,) = description.parameters
    assert (top.name, top.default, top.minimum, top.maximum) == ("top", 5, 1, 50)
    assert [(o.name, o.kind) for o in description.outputs] == [("labels", "labels")]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mean": [1, 2]}, "mean must be three numbers, for red, green and blue."),
        ({"mean": "grey"}, "mean must be three numbers"),
        ({"mean": [1, 2, math.nan]}, "mean must be three numbers"),
        ({"std": [1, 0, 1]}, "std must be three numbers above 0"),
        ({"std": [True, 1, 1]}, "std must be three numbers above 0"),
        ({"scale": 0}, "scale must be a number above 0."),
        ({"size": [0, 8]}, "size must be [width, height] in pixels"),
        ({"size": 8}, "size must be [width, height] in pixels"),
        ({"size": [8.5, 8]}, "size must be [width, height] in pixels"),
        ({"size": [8, 5000]}, "each from 1 to 4096."),
        ({"layout": "CHW"}, "layout must be NCHW or NHWC."),
        ({"softmax": "yes"}, "softmax must be true or false."),
        ({"crop": 1}, "[settings] crop is not a setting of the task image-class"),
    ],
)
def test_a_setting_that_can_not_be_used_is_named(options, sentence):
    assert sentence in refusal(onnx_files.mean_colour(), *COLOURS, **SMALL | options)


@pytest.mark.parametrize(
    ("content", "labels", "options", "sentence"),
    [
        (onnx_files.mean_colour(), (), SMALL, "needs labels, one for each class."),
        (onnx_files.mean_colour(), ("a", "b"), SMALL, "There are 2 labels, but no"),
        (onnx_files.mean_colour(), COLOURS, {}, "choose one with [settings] size ="),
        (onnx_files.adder(), COLOURS, SMALL, "takes one picture: a tensor of float32"),
        (onnx_files.product(), COLOURS, SMALL, "takes one picture"),
        (
            onnx_files.echo("uint8", ("N", 3, 8, 8)),
            COLOURS,
            {},
            "takes one picture: a tensor of float32 or float16 with four axes.",
        ),
        (
            onnx_files.mean_colour((1, 3, 6, 9)),
            COLOURS,
            SMALL,
            "[settings] size is [8, 8], but the model's input is [1, 3, 6, 9].",
        ),
        (
            onnx_files.mean_colour((1, 3, 8, 8)),
            COLOURS,
            {"layout": "NHWC"},
            "[settings] layout says which it is.",
        ),
        (onnx_files.mean_colour((2, 3, 8, 8)), COLOURS, {}, "must take one picture"),
        (onnx_files.mean_colour((1, 1, 8, 8)), COLOURS, {}, "of three channels"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(content, labels, options, sentence):
    assert sentence in refusal(content, *labels, **options)


def test_another_number_of_scores_than_labels_is_told(tmp_path):
    content = onnx_files.mean_colour(outputs=("N", "C"))
    spec = onnx_files.version(
        tmp_path / "m.onnx",
        content,
        labels=("a", "b"),
        task="image-classification",
        options=SMALL,
    )

    with pytest.raises(TaskRefused, match="gave 3 scores for 2 labels"):
        classify(LoadedModel(spec), plain(1, 2, 3))


def test_a_task_without_settings_refuses_any():
    settings = Settings(
        {"model": onnx_files.signature_of(onnx_files.adder())}, options={"size": 1}
    )

    with pytest.raises(TaskRefused, match="of the task tensor; there are: none"):
        describe("tensor", settings)
