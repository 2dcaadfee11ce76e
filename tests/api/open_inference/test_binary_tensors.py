"""Tensors as bytes and back."""

import numpy as np
import pytest

from portal.errors import Invalid
from portal.runtime import TensorSpec
from portal.runtime.binary_tensors import read_tensor, write_tensor
from portal.runtime.signature import DATATYPES


@pytest.mark.parametrize("dtype", [dtype for dtype in DATATYPES if dtype != "str"])
def test_a_tensor_of_any_dtype_comes_back_as_it_went(dtype):
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    spec = TensorSpec("x", dtype, (None, 3))

    found = read_tensor(spec, (2, 3), memoryview(write_tensor(array)))

    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert (found == array).all()


def test_a_tensor_is_read_without_a_copy():
    content = np.arange(6, dtype="float32").tobytes()
    spec = TensorSpec("x", "float32", (6,))

    found = read_tensor(spec, (6,), memoryview(content))

    assert np.shares_memory(found, np.frombuffer(content, dtype="uint8"))


def test_a_tensor_at_an_odd_address_is_moved():
    content = b"?" + np.arange(6, dtype="float32").tobytes()
    spec = TensorSpec("x", "float32", (6,))

    found = read_tensor(spec, (6,), memoryview(content)[1:])

    assert found.flags.aligned
    assert found.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_tensor_without_axes_is_one_value():
    spec = TensorSpec("x", "int64", ())

    assert read_tensor(spec, (), memoryview(write_tensor(np.array(7)))) == 7


def test_the_order_of_a_transposed_tensor_is_that_of_its_rows():
    array = np.arange(6, dtype="float32").reshape(2, 3).T

    assert write_tensor(array) == np.ascontiguousarray(array).tobytes()


def test_a_shape_that_does_not_fit_is_refused():
    spec = TensorSpec("x", "int8", (None, 3))

    with pytest.raises(Invalid, match="must have the shape"):
        read_tensor(spec, (2, 2), memoryview(bytes(4)))
