"""From the pixels of a picture to a model's tensor, and back."""

import numpy as np
import pytest

from portal.runtime import TensorSpec
from portal.runtime.tasks.picture_tensor import PictureOptions, PictureTensor

SPEC = TensorSpec("x", "float32", (1, 3, 32, 64))


def prepare(image, *, middle_square=False, **options):
    tensor = PictureTensor(SPEC, PictureOptions(**options))
    return tensor.prepare(image, middle_square=middle_square)


def plain(width, height, colour=(255, 0, 0)):
    return np.full((height, width, 3), colour, np.uint8)


def test_a_letterbox_keeps_the_proportions_and_fills_the_rest():
    numbers, _ = prepare(plain(50, 50), fit="letterbox", padding=51)

    red = numbers[0, 0]
    assert red[:, 16:48] == pytest.approx(1)
    assert red[:, :16] == pytest.approx(0.2)
    assert red[:, 48:] == pytest.approx(0.2)


def test_a_crop_sees_the_middle_only():
    image = plain(200, 50)
    image[:, 50:150] = (0, 255, 0)

    numbers, _ = prepare(image, fit="crop")

    # The outermost columns are drawn with what is beside them in mind.
    assert numbers[0, 1, :, 1:-1] == pytest.approx(1)
    assert numbers[0, 0, :, 1:-1] == pytest.approx(0)


def test_a_middle_square_leaves_out_what_is_beside_it():
    image = plain(90, 30)
    image[:, 30:60] = (0, 255, 0)

    numbers, _ = prepare(image, middle_square=True)

    assert numbers[0, 1, :, 1:-1] == pytest.approx(1)


def test_channels_can_be_turned_round():
    numbers, _ = prepare(plain(8, 8, (255, 51, 0)), channels="BGR")

    assert numbers[0, :, 0, 0] == pytest.approx([0, 0.2, 1])


@pytest.mark.parametrize("size", [(200, 50), (50, 200), (64, 32), (1, 1), (1, 900)])
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("middle_square", [True, False])
def test_places_in_the_tensor_are_places_in_the_picture(size, fit, middle_square):
    width, height = size
    _, place = prepare(plain(width, height), fit=fit, middle_square=middle_square)
    points = np.array([[width * 0.5, height * 0.5], [width * 0.45, height * 0.51]])

    in_tensor = points * (place.scale_x, place.scale_y) + (place.left, place.top)

    # The middle of the picture is the middle of the tensor, but for the half pixel
    # by which a letterbox may be off.
    assert in_tensor[0] == pytest.approx([32, 16], abs=0.5)
    assert place.to_picture(in_tensor) == pytest.approx(points)


def test_places_outside_are_moved_to_the_edge():
    _, place = prepare(plain(50, 50), fit="letterbox")

    assert place.to_picture(np.array([[0, -5], [99, 40]])).tolist() == [
        [0, 0],
        [50, 50],
    ]


def test_a_bright_column_is_found_where_it_was():
    image = np.zeros((60, 300, 3), np.uint8)
    image[:, 200:210] = 255

    numbers, place = prepare(image, fit="letterbox", padding=0)

    weights = numbers[0, 0].sum(axis=0)
    middle = (weights @ (np.arange(64) + 0.5)) / weights.sum()
    assert place.to_picture(np.array([[middle, 16]]))[0, 0] == pytest.approx(205, 0.01)
