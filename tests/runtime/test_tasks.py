"""What the tasks make of values, and of what their models answer."""

import json
import tomllib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import orjson
import pytest
from magika import Magika
from PIL import Image, ImageDraw, ImageFont

from portal.catalog import bundled
from portal.errors import Invalid
from portal.runtime import (
    LoadedModel,
    OutputKind,
    TaskRefused,
    TensorSpec,
    describe,
    find_task,
    pictures,
    task_names,
)
from portal.runtime.tasks import Settings
from tests import onnx_files

PICTURES = {
    example["title"]: bundled.FOLDER / "ocr" / example["inputs"]["image"]
    for example in tomllib.loads((bundled.FOLDER / "ocr" / "model.toml").read_text())[
        "examples"
    ]
}


def load(tmp_path, content, *labels):
    return LoadedModel(onnx_files.version(tmp_path / "m.onnx", content, labels=labels))


def floats(*rows):
    return np.array(rows, dtype=np.float32)


def settings(content, *labels):
    return Settings({"model": onnx_files.signature_of(content)}, labels)


# Any task


def test_tasks_are_found_by_name():
    assert set(task_names()) == {
        "file-type",
        "heatmap-corners",
        "image-classification",
        "image-embedding",
        "image-segmentation",
        "mrz",
        "object-detection",
        "ocr",
        "tensor",
        "text-classification",
        "text-embedding",
    }
    assert find_task("tensor").name == "tensor"


def test_a_task_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(TaskRefused) as refused:
        find_task("chess")

    assert "There is no task chess" in str(refused.value)
    assert "tensor" in str(refused.value)


@pytest.mark.parametrize(
    ("task", "roles", "sentence"),
    [
        ("file-type", ["model"], "A file-type model takes one int32 tensor"),
        (
            "ocr",
            ["detection", "orientation", "recognition"],
            "The detection file must take one picture tensor",
        ),
        (
            "mrz",
            ["detection", "orientation", "recognition"],
            "The detection file must take one picture tensor",
        ),
    ],
)
def test_files_of_another_model_are_refused(task, roles, sentence):
    signature = onnx_files.signature_of(onnx_files.adder())

    with pytest.raises(TaskRefused, match=sentence):
        describe(task, Settings(dict.fromkeys(roles, signature)))


# tensor


@pytest.mark.parametrize(
    ("content", "inputs", "outputs"),
    [
        (
            onnx_files.adder(),
            {"x": floats([1, 2], [3, 4])},
            {"y": {"shape": [2, 2], "datatype": "FP32", "data": [[2, 3], [4, 5]]}},
        ),
        (
            onnx_files.product(),
            {"a": floats(*[2, 3]), "b": floats(*[10])},
            {"y": {"shape": [2], "datatype": "FP32", "data": [20, 30]}},
        ),
        (
            onnx_files.echo("int64"),
            {"x": np.array([2**62, -1])},
            {"y": {"shape": [2], "datatype": "INT64", "data": [2**62, -1]}},
        ),
        (
            onnx_files.echo("uint8"),
            {"x": np.array([0, 255], dtype=np.uint8)},
            {"y": {"shape": [2], "datatype": "UINT8", "data": [0, 255]}},
        ),
        (
            onnx_files.echo("bool"),
            {"x": np.array([True, False])},
            {"y": {"shape": [2], "datatype": "BOOL", "data": [True, False]}},
        ),
        (
            onnx_files.echo("str"),
            {"x": np.array(["ä😀", "", "a\x00b"], dtype=object)},
            {"y": {"shape": [3], "datatype": "BYTES", "data": ["ä😀", "", "a\x00b"]}},
        ),
        (
            onnx_files.echo("float32", []),
            {"x": np.array(2.5, dtype=np.float32)},
            {"y": {"shape": [], "datatype": "FP32", "data": 2.5}},
        ),
    ],
    ids=["adder", "two inputs", "int64", "uint8", "bool", "str", "scalar"],
)
def test_tensors_go_in_and_tensors_come_out(tmp_path, content, inputs, outputs):
    model = load(tmp_path, content)

    prediction = model.predict(inputs, {})

    assert prediction.outputs == outputs
    assert orjson.loads(orjson.dumps(prediction.outputs)) == outputs


@pytest.mark.parametrize("rows", [1, 2, 50])
def test_a_batch_may_have_any_size(tmp_path, rows):
    model = load(tmp_path, onnx_files.adder())

    prediction = model.predict({"x": np.zeros((rows, 2), np.float32)}, {})

    assert prediction.outputs["y"]["data"] == [[1, 1]] * rows


def test_what_json_cannot_hold_becomes_null(tmp_path):
    model = load(tmp_path, onnx_files.root())

    prediction = model.predict({"x": floats(*[4, -1, np.inf])}, {})

    expected = {"shape": [3], "datatype": "FP32", "data": [2.0, None, None]}
    assert prediction.outputs["y"] == expected
    assert json.loads(orjson.dumps(prediction.outputs)) == {"y": expected}


def test_with_labels_the_first_row_is_ranked(tmp_path):
    model = load(tmp_path, onnx_files.fraction(), "cat", "dog", "owl")

    prediction = model.predict({"x": floats([4, 1, 2], [1, 2, 4])}, {})

    assert list(prediction.outputs) == ["labels", "y"]
    assert prediction.outputs["labels"] == [
        {"label": "dog", "score": 1.0},
        {"label": "owl", "score": 0.5},
        {"label": "cat", "score": 0.25},
    ]
    assert prediction.outputs["y"]["shape"] == [2, 3]


def test_a_score_that_is_no_number_comes_last_and_as_null(tmp_path):
    model = load(tmp_path, onnx_files.echo("float32", ["N", 3]), "cat", "dog", "owl")

    prediction = model.predict({"x": floats([np.nan, 1, 2])}, {})

    assert prediction.outputs["labels"] == [
        {"label": "owl", "score": 2.0},
        {"label": "dog", "score": 1.0},
        {"label": "cat", "score": None},
    ]


def test_where_no_row_comes_out_there_is_nothing_to_rank(tmp_path):
    model = load(tmp_path, onnx_files.positive_rows(), "cat", "dog")

    prediction = model.predict({"x": floats([1, 2]), "keep": np.array([False])}, {})

    assert prediction.outputs["labels"] == []
    assert prediction.outputs["y"] == {"shape": [0, 2], "datatype": "FP32", "data": []}


def test_an_output_of_the_graph_that_is_called_labels_keeps_its_name(tmp_path):
    content = onnx_files.echo("float32", ["N", 2], output="labels")
    model = load(tmp_path, content, "cat", "dog")

    prediction = model.predict({"x": floats([1, 2])}, {})

    declared = describe("tensor", settings(content, "cat", "dog")).outputs
    assert [output.name for output in declared] == list(prediction.outputs)
    assert prediction.outputs["labels"]["data"] == [[1, 2]]
    assert prediction.outputs["ranked_labels"][0] == {"label": "dog", "score": 2.0}


def test_labels_that_fit_no_output_are_refused():
    with pytest.raises(TaskRefused, match="There are 4 labels, but no output whose"):
        describe("tensor", settings(onnx_files.fraction(), "a", "b", "c", "d"))


def test_labels_name_no_output_of_whole_numbers():
    with pytest.raises(TaskRefused):
        describe("tensor", settings(onnx_files.echo("int64", ["N", 2]), "a", "b"))


def test_a_tensor_model_declares_what_its_graph_says():
    description = describe("tensor", settings(onnx_files.fraction(), "a", "b", "c"))

    (taken,) = description.inputs
    labels, given = description.outputs
    assert taken.tensor == TensorSpec("x", "float32", ("N", 3))
    assert labels.kind is OutputKind.LABELS
    assert given.tensor == TensorSpec("y", "float32", ("N", 3))
    assert description.parameters == ()


@pytest.mark.parametrize(
    ("content", "inputs"),
    [
        (onnx_files.product(), {"a": floats(*[1, 2]), "b": floats(*[1, 2, 3])}),
        (onnx_files.lookup(), {"i": np.array([7])}),
    ],
    ids=["sizes that must agree", "index out of range"],
)
def test_values_that_the_model_itself_refuses_are_the_callers_to_mend(
    tmp_path, content, inputs
):
    model = load(tmp_path, content)

    with pytest.raises(Invalid) as refused:
        model.predict(inputs, {})

    assert "The model could not run on this input: " in str(refused.value)
    assert refused.value.pointer == "/inputs"
    assert len(str(refused.value)) < 300


# file-type


@pytest.mark.parametrize(
    ("name", "label"),
    [("chime.py", "python"), ("tides.csv", "csv"), ("chime.wav", "wav")],
)
def test_the_type_of_each_bundled_example_is_told(file_type, name, label):
    content = (bundled.FOLDER / "file-type" / "examples" / name).read_bytes()

    prediction = file_type.predict({"file": content}, {"top": 5})

    labels = prediction.outputs["labels"]
    assert labels[0]["label"] == label
    assert labels[0]["score"] > 0.9
    assert len(labels) == 5


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1, "b": [1, 2, 3]}',
        b"  \n\n#!/bin/sh\nset -eu\necho hello | tr a b\n   \n",
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        bytes(5000),
        np.random.default_rng(3).bytes(9000),
        "Sehr geehrte Damen und Herren, die Größe stimmt nicht.\n".encode() * 40,
    ],
    ids=["JSON", "script", "PNG", "zeros", "noise", "prose"],
)
def test_the_scores_are_those_of_magika_itself(file_type, content):
    expected = Magika().identify_bytes(content)

    labels = file_type.predict({"file": content}, {"top": 50}).outputs["labels"]

    scores = {label["label"]: label["score"] for label in labels}
    # A few labels, such as randombytes, are shown by another name.
    label = {"randombytes": "unknown"}.get(expected.dl.label, expected.dl.label)
    assert scores[label] == pytest.approx(expected.score, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "label"),
    [
        (b"a", "txt"),
        (b"hi\n", "txt"),
        ("ä".encode(), "txt"),
        (b" " * 5000, "txt"),
        (b"\xff\xfe\x00", "unknown"),
        ("ä".encode("latin-1"), "unknown"),
    ],
)
def test_a_file_too_short_for_the_model_is_text_or_unknown(file_type, content, label):
    prediction = file_type.predict({"file": content}, {"top": 5})

    assert prediction.outputs["labels"] == [{"label": label, "score": 1.0}]


@pytest.mark.parametrize("top", [1, 3, 50])
def test_as_many_types_are_named_as_were_asked_for(file_type, top):
    prediction = file_type.predict({"file": b"print('hello')\n" * 9}, {"top": top})

    scores = [label["score"] for label in prediction.outputs["labels"]]
    assert len(scores) == top
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) <= 1.001


# ocr


@pytest.fixture(scope="session")
def read(ocr):
    """Return the lines of the bundled examples, read once: title → size, lines."""
    found = {}
    for title, path in PICTURES.items():
        image = pictures.decode(path.read_bytes(), name="image", pointer="")
        prediction = ocr.predict({"image": image}, {"min_score": 0.0})
        found[title] = (image.shape, prediction.outputs["lines"])
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "texts"),
    [
        ("Receipt", ["HARBOUR BAKERY", "14 March 2026", "2 Flat white", "TOTAL EUR"]),
        ("Page of a book", ["The Tide Table", "causeway was under water."]),
        ("Signpost", ["Lighthouse 5.1 km", "Old Mill", "2.4 km", "Harbour", "0.8 km"]),
    ],
)
def test_the_lines_of_each_bundled_example_are_read(read, title, texts):
    _, lines = read[title]

    assert set(texts) <= {line["text"] for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("title", PICTURES)
def test_each_line_has_a_score_and_four_corners_inside_the_picture(read, title):
    (height, width, _), lines = read[title]

    assert lines
    for line in lines:
        assert 0 <= line["score"] <= 1
        assert len(line["polygon"]) == 4
        assert all(0 <= x <= width and 0 <= y <= height for x, y in line["polygon"])
        (left, top), (right, _), _, (_, bottom) = line["polygon"]
        assert left < right
        assert top < bottom
    assert orjson.loads(orjson.dumps(lines)) == lines


@pytest.mark.slow
def test_lines_come_from_top_to_bottom(read):
    _, lines = read["Page of a book"]

    tops = [line["polygon"][0][1] for line in lines]

    assert tops == sorted(tops)


@pytest.mark.slow
def test_lines_below_the_least_score_are_left_out(ocr, read):
    _, lines = read["Signpost"]
    scores = sorted(line["score"] for line in lines)
    least = (scores[0] + scores[-1]) / 2
    path = PICTURES["Signpost"]
    image = pictures.decode(path.read_bytes(), name="image", pointer="")

    left = ocr.predict({"image": image}, {"min_score": least}).outputs["lines"]

    assert [line["text"] for line in left] == [
        line["text"] for line in lines if line["score"] >= least
    ]
    assert 0 < len(left) < len(lines)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 60])
def test_an_empty_picture_has_no_lines(ocr, size):
    image = np.full((size, size, 3), 255, np.uint8)

    prediction = ocr.predict({"image": image}, {"min_score": 0.0})

    assert prediction.outputs == {"lines": []}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 2000), (2000, 1), (4000, 20)], ids=str)
def test_however_narrow_a_picture_it_is_read_or_has_no_lines(ocr, shape):
    image = np.full((*shape, 3), 255, np.uint8)

    prediction = ocr.predict({"image": image}, {"min_score": 0.0})

    assert prediction.outputs == {"lines": []}


@pytest.mark.slow
def test_a_narrow_strip_is_read_with_its_corners_where_they_are(ocr):
    word = line_of_text("Harbour")
    strip = np.full((word.shape[0] * 30, word.shape[1], 3), 255, np.uint8)
    strip[-word.shape[0] :] = word

    (line,) = ocr.predict({"image": strip}, {"min_score": 0.5}).outputs["lines"]

    height, width, _ = strip.shape
    assert line["text"] == "Harbour"
    assert all(0 <= x <= width for x, _ in line["polygon"])
    assert all(height - word.shape[0] - 5 <= y <= height for _, y in line["polygon"])


@pytest.mark.slow
def test_two_pictures_at_once_do_not_mix(ocr):
    images = [line_of_text("Harbour"), line_of_text("Lighthouse")] * 2

    with ThreadPoolExecutor(2) as threads:
        answers = threads.map(
            lambda image: ocr.predict({"image": image}, {"min_score": 0.5}).outputs,
            images,
        )

    texts = [[line["text"] for line in answer["lines"]] for answer in answers]
    assert texts == [["Harbour"], ["Lighthouse"]] * 2


def line_of_text(text):
    """Return a small picture of *text*, black on white."""
    font = ImageFont.load_default(28)
    width = round(font.getlength(text)) + 40
    image = Image.new("RGB", (width, 60), "white")
    ImageDraw.Draw(image).text((20, 12), text, font=font, fill="black")
    return np.asarray(image)
