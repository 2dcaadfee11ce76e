"""The task `mrz` on pictures; tests/runtime/test_mrz.py has the rules."""

import numpy as np
import orjson
import pytest
from PIL import Image, ImageDraw, ImageFont

from portal.catalog import bundled
from portal.runtime import pictures

pytestmark = pytest.mark.slow

EXAMPLES = bundled.FOLDER / "mrz" / "examples"
NAMES = ("straight", "turned", "blurred")
WHOLE = {"center_crop": False, "postprocess": True}
MIDDLE = {"center_crop": True, "postprocess": True}
RAW = {"center_crop": False, "postprocess": False}
ZONE = [
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
]
FIELDS = {
    "format": ("TD3", None),
    "document_type": ("P", None),
    "issuer": ("UTO", None),
    "surname": ("ERIKSSON", None),
    "given_names": ("ANNA MARIA", None),
    "document_number": ("L898902C3", True),
    "nationality": ("UTO", None),
    "birth_date": ("1974-08-12", True),
    "sex": ("F", None),
    "expiry_date": ("2012-04-15", True),
    "personal_number": ("ZE184226B", True),
    "composite": ("0", True),
}


def picture(name):
    path = EXAMPLES / f"{name}.jpg"
    return pictures.decode(path.read_bytes(), name="image", pointer="")


def run(model, image, parameters):
    outputs = model.predict({"image": image}, parameters).outputs
    assert orjson.loads(orjson.dumps(outputs)) == outputs
    return outputs["lines"], outputs["fields"]


def texts(lines):
    return [line["text"] for line in lines]


@pytest.fixture(scope="module")
def straight(mrz):
    """Return the lines of the straight example."""
    return run(mrz, picture("straight"), WHOLE)[0]


@pytest.mark.parametrize("name", NAMES)
def test_each_bundled_example_is_read_rightly(mrz, name):
    lines, fields = run(mrz, picture(name), WHOLE)

    assert texts(lines) == ZONE
    assert {n: (f["value"], f["valid"]) for n, f in fields.items()} == FIELDS
    assert list(fields) == list(FIELDS)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_small_file_that_was_drawn(name):
    assert (EXAMPLES / f"{name}.jpg").stat().st_size < 120_000


def test_a_row_of_digits_is_not_turned_on_its_head(mrz):
    """PP-OCR's orientation model would turn the second line of this card."""
    card = (
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    )
    font = ImageFont.truetype("DejaVuSansMono.ttf", 32)
    image = Image.new("RGB", (1000, 300), "white")
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(card):
        for column, character in enumerate(line):
            at = (40 + 20.3 * column, 80 + 50 * row)
            draw.text(at, character, "black", font, "ls")

    lines, fields = run(mrz, np.asarray(image), WHOLE)

    assert texts(lines) == list(card)
    assert fields["composite"]["valid"] is True


def test_the_corners_are_those_of_the_zone(straight):
    for line, (top, bottom) in zip(straight, [(575, 625), (625, 675)], strict=True):
        assert all(40 <= x <= 960 and top <= y <= bottom for x, y in line["polygon"])
        assert 0.9 < line["score"] <= 1


def test_without_postprocessing_the_lines_come_as_they_were_read(mrz, straight):
    lines, fields = run(mrz, picture("straight"), RAW)

    assert fields == {}
    assert [line["polygon"] for line in lines] == [line["polygon"] for line in straight]
    assert [text.replace("0", "O") for text in texts(lines)] == [
        text.replace("0", "O") for text in ZONE
    ]


def test_the_middle_has_its_corners_where_they_are_in_the_whole(mrz, straight):
    page = picture("straight")
    height, width, _ = page.shape
    framed = np.full((height * 3 // 2, width * 3 // 2, 3), 90, np.uint8)
    top, left = height // 4, width // 4
    framed[top : top + height, left : left + width] = page

    lines, _ = run(mrz, framed, MIDDLE)

    assert texts(lines) == ZONE
    found = np.array([line["polygon"] for line in lines])
    expected = np.add([line["polygon"] for line in straight], (left, top))
    assert np.abs(found - expected).max() < 12


def test_what_lies_outside_the_middle_is_not_read(mrz):
    assert run(mrz, picture("straight"), MIDDLE) == ([], {})


@pytest.mark.parametrize("parameters", [WHOLE, MIDDLE, RAW])
@pytest.mark.parametrize("size", [(1, 1), (300, 200)])
def test_without_a_zone_both_outputs_are_empty(mrz, size, parameters):
    image = np.full((*size, 3), 255, np.uint8)

    assert run(mrz, image, parameters) == ([], {})


def test_other_text_is_no_zone(mrz):
    path = bundled.FOLDER / "ocr" / "examples" / "receipt.png"
    image = np.asarray(Image.open(path).convert("RGB"))

    assert run(mrz, image, WHOLE) == ([], {})
