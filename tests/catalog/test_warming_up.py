"""A version without examples is run once on made-up values before it is live."""

import numpy as np
import pytest

from portal import catalog
from portal.extensions import config
from portal.runtime import FileRefused, warm_up
from portal.runtime.declaration import Description, Input, InputKind, Output, OutputKind
from portal.runtime.made_up import made_up_inputs
from portal.runtime.signature import TensorSpec
from tests import onnx_files

NOTHING = ([0, 0], [])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (InputKind.TEXT, "Hello, world."),
        (InputKind.FILE, b"\n"),
        (InputKind.NUMBER, 0.0),
    ],
)
def test_there_is_a_value_for_what_is_no_array(kind, value):
    description = Description((Input("x", kind, "X"),), ())

    assert made_up_inputs(description) == {"x": value}


def test_a_picture_is_grey():
    description = Description((Input("x", InputKind.IMAGE, "X"),), ())

    picture = made_up_inputs(description)["x"]

    assert (picture.shape, picture.dtype) == ((224, 224, 3), np.uint8)
    assert np.unique(picture).tolist() == [128]


@pytest.mark.parametrize(
    ("dtype", "shape", "value"),
    [
        ("float32", ("N", 2, None), [[[0.0], [0.0]]]),
        ("int64", (), 0),
        ("bool", (1,), [False]),
        ("str", ("N",), [""]),
    ],
)
def test_a_tensor_has_its_declared_shape(dtype, shape, value):
    spec = TensorSpec("x", dtype, shape)
    description = Description(
        (Input("x", InputKind.TENSOR, "X", tensor=spec),),
        (Output("y", OutputKind.TENSOR, "Y"),),
    )

    array = made_up_inputs(description)["x"]

    assert array.tolist() == value
    assert array.dtype == (object if dtype == "str" else dtype)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (onnx_files.endless_loop(), "cats could not be run: The model was not done"),
        (onnx_files.huge_constant(), "cats could not be run: The model needs more mem"),
    ],
    ids=["a loop without an end", "forty gigabytes"],
)
def test_what_hangs_or_eats_the_machine_is_refused(
    publish, stored, tmp_path, content, sentence
):
    path = tmp_path / "cats.onnx"
    path.write_bytes(content)

    with pytest.raises(FileRefused) as refused:
        publish(path, assignments=("limits.timeout_s=0.5",))

    assert sentence in str(refused.value)
    assert stored() == NOTHING


def test_a_version_that_refuses_noughts_is_published(publish, tmp_path):
    path = tmp_path / "picky.onnx"
    path.write_bytes(onnx_files.picky_lookup())

    assert publish(path).is_live


def test_an_isolated_version_is_tried_with_the_memory_it_will_have(publish, tmp_path):
    path = tmp_path / "large.onnx"
    path.write_bytes(onnx_files.huge_constant(10_000, 15_000))  # 600 MB

    with pytest.raises(FileRefused, match="needs more memory than it may have"):
        publish(path, assignments=("limits.isolated=true", "limits.memory_mb=512"))


def test_a_version_is_isolated_as_its_manifest_says(publish, tmp_path):
    path = tmp_path / "cats.onnx"
    path.write_bytes(onnx_files.adder())

    version = publish(
        path, assignments=("limits.isolated=true", "limits.memory_mb=1024")
    )

    spec = catalog.version_spec(version, config())
    assert (spec.is_isolated, spec.memory_mb) == (True, 1024)
    assert version.manifest["limits"] == {"isolated": True, "memory_mb": 1024}


def test_the_child_that_warms_up_is_a_real_one(tmp_path):
    spec = onnx_files.version(tmp_path / "bad.onnx", onnx_files.adder())
    spec.files["model"].write_bytes(b"damaged")

    with pytest.raises(FileRefused, match="cats could not be run: "):
        warm_up(spec, Description((), ()), name="cats")
