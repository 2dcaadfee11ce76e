"""The task `object-detection`, on models that say the same of every picture."""

import time

import numpy as np
import pytest

from portal.runtime import LoadedModel, TaskRefused, describe
from portal.runtime.tasks import Settings
from tests import onnx_files, onnx_tasks

LABELS = ("cat", "dog")
# A picture of 200 by 100 lies in the tensor of 64 by 64 from row 16 to row 48, at
# 0.32 of its size.
WIDE = np.zeros((100, 200, 3), np.uint8)
# In the tensor: centre, width, height.
CAT = (24, 32, 16, 16)
CAT_IN_PICTURE = [50, 25, 100, 75]


def yolov8(*boxes, dtype=np.float32):
    """Return [1, 4 + C, A] of boxes (x, y, w, h, scores …)."""
    return np.array(boxes, dtype).T[None]


def rows(*boxes, dtype=np.float32):
    """Return [1, A, numbers]."""
    return np.array(boxes, dtype)[None]


def load(tmp_path, content, labels=LABELS, **options):
    spec = onnx_files.version(
        tmp_path / "m.onnx",
        content,
        labels=labels,
        task="object-detection",
        options=options,
    )
    return LoadedModel(spec)


def detect(model, image=WIDE, **parameters):
    values = {"min_score": 0.25, "max_iou": 0.45, "top": 100} | parameters
    return model.predict({"image": image}, values).outputs["boxes"]


def description(value, labels=LABELS, shape=None, **options):
    signature = onnx_files.signature_of(onnx_tasks.says(value, shape=shape))
    return describe("object-detection", Settings({"model": signature}, labels, options))


FORMATS = {
    "yolov8": yolov8((*CAT, 0.9, 0.1), *[(8, 8, 4, 4, 0, 0)] * 7),
    "yolov5": rows((*CAT, 0.9, 1.0, 0.1), *[(8, 8, 4, 4, 0, 0, 0)] * 7),
    "end-to-end": rows((16, 24, 32, 40, 0.9, 0)),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("said", [True, False])
def test_each_format_gives_boxes_in_pixels_of_the_picture(tmp_path, name, said):
    options = {"format": name} if said else {}
    model = load(tmp_path, onnx_tasks.says(FORMATS[name]), **options)

    boxes = detect(model)

    assert boxes == [{"label": "cat", "score": 0.9, "box": CAT_IN_PICTURE}]


@pytest.mark.parametrize(
    ("fit", "size", "box"),
    [
        ("letterbox", (200, 100), [50, 25, 100, 75]),
        ("letterbox", (100, 200), [0, 75, 50, 125]),
        ("letterbox", (64, 64), [16, 24, 32, 40]),
        ("stretch", (640, 64), [160, 24, 320, 40]),
        ("crop", (192, 64), [80, 24, 96, 40]),
        # 101 columns are not quite twice 50 rows: the letterbox is of whole pixels.
        ("letterbox", (101, 50), [25.25, 12.5, 50.5, 37.5]),
    ],
)
def test_the_fit_is_undone(tmp_path, fit, size, box):
    value = rows((16, 24, 32, 40, 0.9, 1))
    image = np.zeros((size[1], size[0], 3), np.uint8)

    (found,) = detect(load(tmp_path, onnx_tasks.says(value), fit=fit), image)

    assert found["box"] == pytest.approx(box, abs=0.01)


def test_of_boxes_that_overlap_the_best_of_each_label_stays(tmp_path):
    value = yolov8(
        (32, 32, 16, 16, 0.8, 0),
        (33, 32, 16, 16, 0.9, 0),
        (32, 32, 16, 16, 0, 0.7),
        (50, 32, 16, 16, 0.6, 0),
        *[(8, 8, 4, 4, 0, 0)] * 4,
    )
    model = load(tmp_path, onnx_tasks.says(value))

    found = [(box["label"], box["score"]) for box in detect(model)]

    assert found == [("cat", 0.9), ("dog", 0.7), ("cat", 0.6)]
    assert len(detect(model, max_iou=0.99)) == 4
    assert len(detect(model, min_score=0.75)) == 1
    assert len(detect(model, top=2)) == 2


def test_boxes_end_at_the_edge_of_the_picture(tmp_path):
    value = rows(
        (-50, -50, 32, 32, 0.9, 0),  # reaches beyond
        (8, 0, 40, 10, 0.8, 0),  # lies in the margin
        (40, 30, 20, 20, 0.8, 0),  # is turned inside out
        (20, 20, 20, 40, 0.8, 0),  # has no width
    )

    boxes = detect(load(tmp_path, onnx_tasks.says(value)))

    assert [box["box"] for box in boxes] == [[0, 0, 100, 50]]


@pytest.mark.parametrize(
    "value",
    [
        np.full((1, 6, 84), np.nan, np.float32),
        np.full((1, 6, 84), np.inf, np.float32),
        np.full((1, 6, 84), -np.inf, np.float32),
        np.full((1, 6, 84), 3e38, np.float32),
        np.full((1, 84, 7), np.nan, np.float32),
        np.full((1, 84, 7), np.inf, np.float32),
        np.full((1, 84, 6), np.nan, np.float32),
        np.full((1, 84, 6), np.inf, np.float32),
        np.full((1, 84, 6), 1e300, np.float64),
        np.zeros((1, 6, 0), np.float32),
        np.zeros((1, 0, 6), np.float32),
    ],
)
def test_garbage_is_no_box(tmp_path, value):
    formats = {(6, 84): "yolov8", (6, 0): "yolov8", (84, 7): "yolov5"}
    name = formats.get(value.shape[1:], "end-to-end")
    content = onnx_tasks.says(value, shape=(1, "A", "B"))

    assert detect(load(tmp_path, content, format=name), min_score=0) == []


def test_one_bad_number_spoils_its_own_box_only(tmp_path):
    value = yolov8(
        (*CAT, 0.9, np.nan), (np.nan, 32, 16, 16, 0.9, 0), *[(8, 8, 4, 4, 0, 0)] * 6
    )

    (box,) = detect(load(tmp_path, onnx_tasks.says(value)))

    assert box == {"label": "cat", "score": 0.9, "box": CAT_IN_PICTURE}


@pytest.mark.parametrize("spread", [0, 0.007])
def test_a_whole_grid_of_likely_boxes_is_done_soon(tmp_path, spread):
    places = 8 + spread * np.arange(8400)
    value = np.stack(
        [places, places, np.full(8400, 2), np.full(8400, 2), *np.ones((2, 8400))]
    )
    model = load(tmp_path, onnx_tasks.says(value[None].astype(np.float32)))
    began = time.process_time()

    boxes = detect(model, np.zeros((64, 64, 3), np.uint8), max_iou=1.0, top=300)

    assert time.process_time() - began < 2
    assert len(boxes) == 300


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((2, 6, 84), np.float32),
        np.zeros((1, 5, 84), np.float32),
        np.zeros((1, 6), np.float32),
        np.float32(1),
    ],
)
def test_another_shape_than_the_format_has_is_told(tmp_path, value):
    content = onnx_tasks.says(np.asarray(value), shape=("N", "A", "B"))

    with pytest.raises(TaskRefused, match="which is not yolov8"):
        detect(load(tmp_path, content, format="yolov8"))


def test_classes_without_labels_are_numbered(tmp_path):
    value = yolov8((*CAT, 0.1, 0.9), *[(8, 8, 4, 4, 0, 0)] * 7)

    (box,) = detect(load(tmp_path, onnx_tasks.says(value), labels=()))

    assert box["label"] == "1"


@pytest.mark.parametrize(("index", "label"), [(7, "7"), (-3, "-1"), (1e20, "1000000")])
def test_a_class_beyond_the_labels_is_a_number(tmp_path, index, label):
    value = rows((16, 24, 32, 40, 0.9, index))

    (box,) = detect(load(tmp_path, onnx_tasks.says(value)))

    assert box["label"] == label


def test_only_formats_that_overlap_have_a_parameter_for_it():
    with_overlap = description(FORMATS["yolov8"]).parameters
    without = description(FORMATS["end-to-end"]).parameters

    assert [p.name for p in with_overlap] == ["min_score", "max_iou", "top"]
    assert [p.name for p in without] == ["min_score", "top"]
    assert with_overlap[0].default == 0.25


@pytest.mark.parametrize(
    ("shape", "labels", "options", "sentence"),
    [
        ((1, 9, 84), LABELS, {}, "not clearly one of"),
        ((1, "A", "B"), LABELS, {}, "[settings] format"),
        ((1, 6, 7), LABELS, {}, "not clearly one of"),
        ((1, 2000, 6), (), {"format": "yolov8"}, None),
        ((1, 2000, 6), LABELS, {"format": "yolov5"}, "There are 2 labels"),
        ((1, 6, 84), LABELS, {"format": "end-to-end"}, "the format is end-to-end"),
        ((1, 6, 84), LABELS, {"format": "v8"}, "format must be yolov8, yolov5 or"),
        ((6, 84), LABELS, {}, "needs an output of floats such as [1, 84, 8400]"),
        ((2, 6, 84), LABELS, {}, "needs an output"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(shape, labels, options, sentence):
    value = np.zeros(1, np.float32)

    if sentence is None:
        assert description(value, labels, shape, **options)
        return
    with pytest.raises(TaskRefused) as refused:
        description(value, labels, shape, **options)
    assert sentence in str(refused.value)
