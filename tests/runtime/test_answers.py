"""How a run comes back from a process of its own, and what is not believed."""

import socket
import struct

import numpy as np
import pytest

from portal.runtime import TensorValue
from portal.runtime.backends import Run, answers
from portal.runtime.backends.answers import NoAnswer
from portal.runtime.backends.channel import Channel, ChannelBroken

STEPS_MS = (1.0, 2.0, 3.0)


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


def there_and_back(outputs):
    blocks = [bytearray(block) for block in answers.write_run(Run(outputs, STEPS_MS))]
    return answers.read(blocks)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "uint8", "bool"])
def test_arrays_come_back_as_they_were(dtype):
    array = np.eye(3, dtype=dtype)[:2].T

    answer = there_and_back({"y": array, "tokens": 6})

    assert answer["outputs"]["tokens"] == 6
    assert answer["outputs"]["y"].dtype == dtype
    assert answer["outputs"]["y"].tolist() == array.tolist()
    assert answer["steps_ms"] == list(STEPS_MS)


@pytest.mark.parametrize("shape", [(0, 3), ()])
def test_an_array_of_nothing_or_of_one_comes_back(shape):
    answer = there_and_back({"y": np.zeros(shape)})

    assert answer["outputs"]["y"].shape == shape


@pytest.mark.parametrize(
    ("array", "datatype"),
    [
        (np.array([[1.5, np.nan]], np.float32), "FP32"),
        (np.array([["a\0b", "ä"], ["", "c"]], object), "BYTES"),
    ],
)
def test_tensors_stay_tensors(array, datatype):
    answer = there_and_back({"y": TensorValue(array, datatype)})

    tensor = answer["outputs"]["y"]
    assert tensor.datatype == datatype
    assert tensor.array.dtype == array.dtype
    assert str(tensor.array.tolist()) == str(array.tolist())


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [b"no JSON"],
        [b"[]"],
        [b"7"],
        [b"{}", b"more"],
        [b'{"outputs": 7, "arrays": [{"name": "y"}]}', b"1234"],
        [b'{"outputs": {}, "arrays": 7}'],
        [b'{"outputs": {}, "arrays": [{"name": "y"}]}', b"1234"],
        *(
            [
                b'{"outputs": {}, "arrays": [{"name": "y", "datatype": null, %s}]}'
                % array,
                b"1234",
            ]
            for array in (
                b'"dtype": "object", "shape": [1]',
                b'"dtype": "O,O", "shape": [1]',
                b'"dtype": "float32", "shape": [1], "datatype": "LIST"',
                b'"dtype": "float32", "shape": [2]',
                b'"dtype": "float32", "shape": [-1, -1]',
                b'"dtype": "float32", "shape": ["1"]',
                b'"dtype": "float32", "shape": 1',
                b'"dtype": "float32", "shape": [1], "order": "F"',
            )
        ),
    ],
)
def test_what_is_no_answer_is_not_believed(blocks):
    with pytest.raises(NoAnswer):
        answers.read([bytearray(block) for block in blocks])


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("<IQ", 1, 2**60),
        struct.pack("<IQQ", 2, 600, 600),
        struct.pack("<I", 2**32 - 1),
    ],
    ids=["an exabyte", "too much together", "too many blocks"],
)
def test_a_message_that_would_fill_the_memory_is_not_read(ends, head):
    channel, other = ends
    other.sendall(head)

    with pytest.raises(ChannelBroken):
        channel.receive(timeout_s=5, max_bytes=1000)


def test_a_message_is_waited_for_no_longer_than_said(ends):
    channel, other = ends
    other.sendall(struct.pack("<IQ", 1, 5) + b"half")

    with pytest.raises(TimeoutError):
        channel.receive(timeout_s=0.05)


def test_the_other_side_may_have_gone(ends):
    channel, other = ends
    other.close()

    with pytest.raises(ChannelBroken):
        channel.receive(timeout_s=5)
    with pytest.raises(ChannelBroken):
        channel.send(b"hello", timeout_s=5)
