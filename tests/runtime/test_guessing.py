"""What a graph and its exporter's notes tell of the task."""

import numpy as np
import pytest

from portal.runtime import Inspection, guess_task, noted_settings, read_notes
from tests import onnx_files, onnx_tasks

TEN = tuple("abcdefghij")
NAMES = "{0: 'person', 1: \"cat's tail\", 2: 'a, b: {c}'}"
LABELS = ("person", "cat's tail", "a, b: {c}")
DETECTOR = {"task": "detect", "names": NAMES, "imgsz": "[64, 96]", "stride": "32"}
PICTURE = ("batch", 3, "height", "width")


def inspection(shape, *, picture=(1, 3, 640, 640), output="output0", metadata=None):
    content = onnx_tasks.says(
        np.zeros(1, np.float32), shape=shape, picture=picture, output=output
    )
    return Inspection(onnx_files.signature_of(content), metadata or {})


def guess(found, labels=(), roles=("model",), **options):
    labels = labels or read_notes(found.metadata).labels
    return guess_task(found, labels=labels, options=options, roles=roles)


def language(*, table=8, inputs=("input_ids", "attention_mask"), output="x"):
    content = onnx_tasks.language_model(
        np.zeros((8, table), np.float32), inputs=inputs, output=output
    )
    return Inspection(onnx_files.signature_of(content))


@pytest.mark.parametrize(
    ("found", "labels", "task", "reason"),
    [
        (inspection((1, 84, 8400)), (), "object-detection", "[1, 84, 8400] is that"),
        (inspection((1, 25200, 85)), (), "object-detection", "that of yolov5"),
        (inspection((1, 300, 6)), (), "object-detection", "that of end-to-end"),
        (
            inspection((1, 84, 525), picture=(1, 3, 160, 160)),
            (),
            "object-detection",
            "that of yolov8",
        ),
        (
            inspection((1, 7, 126), picture=(1, 3, 64, 96), metadata=DETECTOR),
            (),
            "object-detection",
            "its exporter says 'detect'",
        ),
        (inspection((1, 10)), TEN, "image-classification", "a score for each label"),
        (
            inspection((1, 3), metadata={"task": "classify", "names": NAMES}),
            (),
            "image-classification",
            "its exporter says 'classify'",
        ),
        (
            inspection((1, 10, 160, 160)),
            TEN,
            "image-segmentation",
            "a map for each label",
        ),
        (
            inspection((1, 4, 128, 128), output="heatmap"),
            (),
            "heatmap-corners",
            "heatmap [1, 4, 128, 128]",
        ),
        (
            inspection((1, 512), output="image_embeds"),
            (),
            "image-embedding",
            "image_embeds [1, 512]",
        ),
    ],
)
def test_what_a_picture_model_gives_tells_its_task(found, labels, task, reason):
    guessed = guess(found, labels)

    assert guessed.task == task
    assert reason in guessed.reason


@pytest.mark.parametrize(
    ("found", "labels", "task"),
    [
        (language(output="last_hidden_state"), (), "text-embedding"),
        (language(output="token_embeddings"), (), "text-embedding"),
        # The logits of a model that writes would make poor vectors.
        (language(output="logits"), (), "tensor"),
        (language(output="last_hidden_state", inputs=("input_ids", "x")), (), "tensor"),
        (
            Inspection(
                onnx_files.signature_of(
                    onnx_tasks.text_classifier(np.zeros((8, 2), np.float32))
                )
            ),
            ("a", "b"),
            "text-classification",
        ),
    ],
)
def test_what_a_language_model_gives_tells_its_task(found, labels, task):
    assert guess(found, labels, roles=("model", "tokenizer")).task == task


def test_a_language_model_without_a_tokenizer_is_a_tensor_model():
    guessed = guess(language(output="last_hidden_state"))

    assert guessed.task == "tensor"
    assert "no tokenizer.json is among its [files]" in guessed.reason


@pytest.mark.parametrize(
    ("found", "labels", "reason"),
    [
        (Inspection(onnx_files.signature_of(onnx_files.adder())), (), "nothing in its"),
        (Inspection(onnx_files.signature_of(onnx_files.product())), (), "nothing in"),
        (inspection((1, 1000)), (), "without labels its numbers may mean anything"),
        (inspection((1, 4, 128, 128)), (), "without labels its maps may mean"),
        (inspection((1, 1, 640, 640)), (), "without labels its maps may mean"),
        (inspection((1, 84, 1234)), (), "nothing in its graph"),
        (inspection((1, 50_000, 6)), (), "nothing in its graph"),
        (inspection((1, 10), picture=(1, 1, 28, 28)), TEN, "nothing in its graph"),
        (
            inspection((1, 8400, 56), metadata={"task": "pose", "names": NAMES}),
            (),
            "its exporter says 'pose', which no task of the portal is",
        ),
        # Eighty classes, and ten names.
        (inspection((1, 84, 8400)), TEN, "it looks like object-detection ("),
        (inspection((1, 10), picture=PICTURE), TEN, "choose one with [settings] size"),
    ],
)
def test_what_may_be_several_things_is_a_tensor_model(found, labels, reason):
    guessed = guess(found, labels)

    assert guessed.task == "tensor"
    assert reason in guessed.reason


def test_settings_that_are_given_help_to_guess():
    found = inspection((1, 10), picture=PICTURE)

    assert guess(found, TEN, size=[32, 32]).task == "image-classification"


def test_the_exporter_s_size_stands_in_where_the_graph_takes_any():
    dynamic = inspection(("batch", 7, "anchors"), picture=PICTURE, metadata=DETECTOR)
    fixed = inspection((1, 7, 126), picture=(1, 3, 32, 32), metadata=DETECTOR)

    assert noted_settings(dynamic) == {"size": [96, 64]}
    assert noted_settings(fixed) == {}
    assert guess(dynamic).task == "object-detection"


def test_the_exporter_s_names_are_labels():
    assert read_notes(DETECTOR).labels == LABELS
    assert read_notes({"names": '{"0": "a", "1": "b"}'}).labels == ("a", "b")
    assert read_notes({"names": "{0: 'a', 1: ''}"}).labels == ("a", "1")


@pytest.mark.parametrize(
    "names",
    [
        "",
        "person",
        "{",
        "{0: 'a', 2: 'b'}",
        "{0: 'a'} + {1: 'b'}",
        "{0: __import__('os')}",
        "{0: 'a\\N{nothing}'}",
        "{0: " + "(" * 50_000,
        "{0: '" + "\\" * 50_001 + "}",
        "['a', 'b']",
    ],
)
def test_names_that_can_t_be_read_are_none(names):
    assert read_notes({"names": names}).labels == ()


@pytest.mark.parametrize("size", ["", "big", "[1, 2, 3]", "[0, 0]"])
def test_a_size_that_can_t_be_read_is_none(size):
    assert read_notes({"imgsz": size}).size is None
