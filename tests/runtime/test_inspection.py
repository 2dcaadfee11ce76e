"""What `inspect` says of a stranger's file, and that it always comes back."""

import time

import numpy as np
import pytest

from portal.runtime import FileRefused, TensorSpec, inspect
from tests import onnx_files, onnx_tasks


def write(tmp_path, content):
    path = tmp_path / "cats.onnx"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "inputs", "outputs"),
    [
        (
            onnx_files.adder(),
            [TensorSpec("x", "float32", ("N", 2))],
            [TensorSpec("y", "float32", ("N", 2))],
        ),
        (
            onnx_files.product(),
            [TensorSpec("a", "float32", ("N",)), TensorSpec("b", "float32", ("M",))],
            [TensorSpec("y", "float32", ("K",))],
        ),
        (
            onnx_files.echo("float32", []),
            [TensorSpec("x", "float32", ())],
            [TensorSpec("y", "float32", ())],
        ),
        *(
            (
                onnx_files.echo(dtype),
                [TensorSpec("x", dtype, ("N",))],
                [TensorSpec("y", dtype, ("N",))],
            )
            for dtype in ("int64", "uint8", "bool", "str")
        ),
    ],
    ids=["adder", "two inputs", "scalar", "int64", "uint8", "bool", "str"],
)
def test_a_good_file_tells_its_tensors(tmp_path, content, inputs, outputs):
    path = write(tmp_path, content)

    signature = inspect(path, name="cats.onnx").signature

    assert list(signature.inputs) == inputs
    assert list(signature.outputs) == outputs


@pytest.mark.parametrize(
    "content",
    [onnx_files.idle_domain(), onnx_files.own_function()],
    ids=["a domain that is named but not used", "an operator that the file brings"],
)
def test_what_exporters_add_is_no_obstacle(tmp_path, content):
    path = write(tmp_path, content)

    signature = inspect(path, name="cats.onnx").signature

    assert signature.inputs == (TensorSpec("x", "float32", (1,)),)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cats.onnx is empty."),
        (b"just some words\n", "is not an ONNX file"),
        (b"<!doctype html><title>Not found</title>", "is not an ONNX file"),
        (b"PK\x03\x04" + bytes(60), "is not an ONNX file"),
        (bytes(100), "is not an ONNX file"),
        (onnx_files.truncated(), "is not an ONNX file, or only a part of one."),
        (onnx_files.external_weights(), "keeps its weights in another file; save"),
        (onnx_files.external_weights("/etc/passwd"), "keeps its weights in another"),
        (onnx_files.external_constant("/etc/passwd"), "can't be loaded by onnxruntime"),
        (onnx_files.unknown_domain(), "needs operators of the domain org.example"),
        (onnx_files.sequence_output(), "has the output y of the type seq(tensor(flo"),
        (onnx_files.map_output(), "options={'zipmap': False}"),
        (onnx_files.odd_dtype(), "has the input x of the type tensor(bfloat16); conv"),
        (onnx_files.unknown_rank(), "has the input x without a shape; export it"),
    ],
    ids=[
        "empty",
        "text",
        "web page",
        "zip",
        "zeros",
        "truncated",
        "external weights",
        "external weights elsewhere",
        "external constant",
        "unknown domain",
        "sequence",
        "map",
        "bfloat16",
        "unknown rank",
    ],
)
def test_a_file_that_cannot_be_served_is_refused_with_advice(
    tmp_path, content, sentence
):
    path = write(tmp_path, content)

    with pytest.raises(FileRefused) as refused:
        inspect(path, name="cats.onnx")

    assert sentence in str(refused.value)
    assert str(refused.value).startswith("cats.onnx ")
    assert "Traceback" not in str(refused.value)


@pytest.mark.parametrize(
    "make", [onnx_files.external_weights, onnx_files.external_constant]
)
def test_a_file_beside_the_model_is_never_read_as_its_weights(tmp_path, make):
    (tmp_path / "secret.bin").write_bytes(bytes(4 * onnx_files.EXTERNAL_SIZE))
    path = write(tmp_path, make("secret.bin"))

    with pytest.raises(FileRefused):
        inspect(path, name="cats.onnx")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileRefused):
        inspect(tmp_path / "none.onnx", name="none.onnx")


@pytest.mark.parametrize("make", [onnx_files.endless_loop, onnx_files.huge_constant])
def test_a_file_that_asks_for_too_much_is_looked_at_without_being_run(tmp_path, make):
    path = write(tmp_path, make())

    began = time.monotonic()
    signature = inspect(path, name="cats.onnx").signature

    assert signature.inputs == (TensorSpec("x", "float32", (1,)),)
    assert time.monotonic() - began < 20


def test_a_file_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("portal.runtime.sandbox.TIME_LIMIT_S", 0.01)
    path = write(tmp_path, onnx_files.adder())

    with pytest.raises(FileRefused, match="was not done within"):
        inspect(path, name="cats.onnx")


def test_what_the_exporter_noted_is_kept_but_for_whole_books(tmp_path):
    notes = {"names": "{0: 'cat'}", "task": "detect", "vocabulary": "x" * 100_001}
    content = onnx_tasks.says(np.zeros((1, 6), np.float32), metadata=notes)

    found = inspect(write(tmp_path, content), name="cats.onnx")

    assert found.metadata == {"names": "{0: 'cat'}", "task": "detect"}


def test_a_file_without_notes_has_none(tmp_path):
    found = inspect(write(tmp_path, onnx_files.adder()), name="cats.onnx")

    assert found.metadata == {}
