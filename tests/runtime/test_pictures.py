"""From the bytes of a picture to its pixels, and what is refused on the way."""

import random
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from portal.errors import Invalid, PortalError, UnsupportedType
from portal.runtime import pictures
from tests.runtime import picture_files as files

RED, BLUE, WHITE = [255, 0, 0], [0, 0, 255], [255, 255, 255]


def decode(content):
    return pictures.decode(content, name="photo", pointer="/inputs/photo")


def looks_like(pixel, colour):
    """Whether they are the same but for what JPEG and WebP lose."""
    return np.abs(pixel.astype(int) - colour).max() < 40


def transparent(colour):
    """Return a picture of one colour whose right half can't be seen."""
    image = Image.new("RGBA", (40, 20), colour)
    image.paste((0, 255, 0, 0), (20, 0, 40, 20))
    return image


@pytest.mark.parametrize(
    "content",
    [
        files.encode(files.two_halves(), "PNG"),
        files.encode(files.two_halves(), "JPEG", quality=95, subsampling=0),
        files.encode(files.two_halves(), "JPEG", progressive=True),
        files.encode(files.two_halves("CMYK"), "JPEG", quality=95),
        files.encode(files.two_halves(), "WEBP", quality=90),
        files.encode(files.two_halves(), "WEBP", lossless=True),
        files.encode(files.two_halves("P"), "PNG"),
        files.encode(files.two_halves("RGBA"), "PNG"),
        files.png_with_long_text(),
        files.phone_picture(),
        files.encode(files.two_halves(), "PNG") + b"<script>alert(1)</script>",
    ],
    ids=[
        "PNG",
        "JPEG",
        "progressive JPEG",
        "CMYK JPEG",
        "WebP",
        "lossless WebP",
        "palette PNG",
        "RGBA PNG",
        "PNG with a comment",
        "JPEG with a small copy behind it",
        "PNG with bytes behind it",
    ],
)
def test_a_picture_becomes_rows_of_rgb_pixels(content):
    pixels = decode(content)

    assert pixels.shape == (20, 40, 3)
    assert pixels.dtype == np.uint8
    assert looks_like(pixels[10, 5], RED)
    assert looks_like(pixels[10, 35], BLUE)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (files.encode(transparent("red"), "PNG"), RED),
        (files.encode(transparent("red"), "WEBP", lossless=True), RED),
        (files.encode(transparent("black").convert("LA"), "PNG"), [0, 0, 0]),
        (
            files.encode(
                files.two_halves().convert("P", palette=Image.Palette.ADAPTIVE),
                "PNG",
                transparency=files.two_halves()
                .convert("P", palette=Image.Palette.ADAPTIVE)
                .getpixel((35, 10)),
            ),
            RED,
        ),
        (files.encode(files.two_halves(), "PNG", transparency=(0, 0, 255)), RED),
    ],
    ids=["RGBA", "WebP", "LA", "palette", "RGB with a transparent colour"],
)
def test_what_is_transparent_is_laid_on_white(content, seen):
    pixels = decode(content)

    assert pixels[10, 5].tolist() == seen
    assert pixels[10, 35].tolist() == WHITE


def test_what_is_half_transparent_is_mixed_with_white():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 128))

    pixels = decode(files.encode(image, "PNG"))

    assert pixels[0, 0].tolist() == [255, 127, 127]


def test_sixteen_bits_of_grey_become_eight_and_not_white():
    pixels = decode(files.encode(files.grey_gradient(), "PNG"))

    assert pixels.shape == (8, 256, 3)
    assert pixels[0, :, 0].tolist() == list(range(256))
    assert pixels[0, :, 2].tolist() == list(range(256))


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_picture_without_colours_has_three_equal_channels(mode):
    image = Image.new(mode, (4, 2), 0)
    image.putpixel((3, 1), 255)

    pixels = decode(files.encode(image, "PNG"))

    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[1, 3].tolist() == WHITE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "shape", "red_at", "blue_at"),
    [
        (1, (20, 40, 3), (10, 5), (10, 35)),
        (2, (20, 40, 3), (10, 35), (10, 5)),
        (3, (20, 40, 3), (10, 35), (10, 5)),
        (6, (40, 20, 3), (5, 10), (35, 10)),
        (8, (40, 20, 3), (35, 10), (5, 10)),
    ],
)
def test_a_picture_is_turned_as_its_exif_says(
    kind, orientation, shape, red_at, blue_at
):
    pixels = decode(files.turned(kind, orientation))

    assert pixels.shape == shape
    assert looks_like(pixels[red_at], RED)
    assert looks_like(pixels[blue_at], BLUE)


def test_sixteen_bits_are_turned_too():
    pixels = decode(files.turned("PNG", 6, files.grey_gradient()))

    assert pixels.shape == (256, 8, 3)
    assert pixels[:, 0, 0].tolist() == list(range(256))


def test_a_picture_with_damaged_exif_is_taken_as_it_lies():
    pixels = decode(files.png_with_exif(b"garbage"))

    assert pixels.shape == (20, 40, 3)


def test_an_orientation_that_does_not_exist_changes_nothing():
    pixels = decode(files.turned("JPEG", 77))

    assert pixels.shape == (20, 40, 3)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (files.encode(files.two_halves(), "GIF"), "a GIF"),
        (files.encode(files.two_halves(), "TIFF"), "a TIFF"),
        (b"MM\x00*" + bytes(60), "a TIFF"),
        (files.encode(files.two_halves(), "BMP"), "a BMP"),
        (files.encode(files.two_halves(), "ICO"), "an icon (ICO)"),
        (files.encode(files.two_halves(), "AVIF"), "an AVIF"),
        (files.encode(files.two_halves(), "JPEG2000"), "a JPEG 2000"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "a HEIC"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic", "a HEIC"),
        (b"\xff\x0a" + bytes(60), "a JPEG XL"),
        (b"8BPS\x00\x01" + bytes(60), "a Photoshop file"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a --><svg/>', "an SVG"),
        (b'<?xml version="1.0"?><!--' + b"-" * 5000 + b"--><svg/>", "an SVG"),
        (b"II+\x00\x08\x00\x00\x00", "a TIFF"),
        (b"\xff\x4f\xff\x51", "a JPEG 2000"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
    ],
)
def test_a_picture_of_another_kind_is_refused_by_the_name_of_its_kind(content, kind):
    with pytest.raises(UnsupportedType) as refused:
        decode(content)

    assert str(refused.value) == f"photo is {kind}; send a PNG, JPEG or WebP picture."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "photo is empty"),
        (b"Dear Sir or Madam", "photo is not a picture"),
        (b"BMW builds cars, not pictures.", "photo is not a picture"),
        (b"<!doctype html><p>no such picture", "photo is not a picture"),
        (b'<?xml version="1.0"?><note/>', "photo is not a picture"),
        (random.Random(7).randbytes(5000), "photo is not a picture"),
        (bytes(5000), "photo is not a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(500), "photo is"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(30), "photo is"),
        (files.PNG_SIGNATURE, "photo is"),
        (files.encode(files.two_halves(), "PNG")[:60], "photo is damaged"),
        (files.encode(Image.effect_noise((90, 90), 9), "JPEG")[:900], "is damaged"),
        (files.encode(Image.effect_noise((90, 90), 9), "WEBP")[:400], "photo is"),
        (files.png_that_claims(100, 100), "photo is damaged"),
        (files.png_that_claims(0, 10), "photo is"),
        (files.animation("PNG"), "photo is an animation"),
        (files.animation("WEBP"), "photo is an animation"),
        (files.png_with_text_bomb(), "photo is damaged"),
    ],
    ids=[
        "empty",
        "text",
        "text that begins like a BMP",
        "web page",
        "XML",
        "junk",
        "zeros",
        "beginning of a JPEG",
        "beginning of a WebP",
        "beginning of a PNG",
        "truncated PNG",
        "truncated JPEG",
        "truncated WebP",
        "PNG with too few pixels",
        "PNG without width",
        "animated PNG",
        "animated WebP",
        "PNG with a comment of 100 MB",
    ],
)
def test_what_cannot_be_read_as_a_picture_is_invalid(content, sentence):
    with pytest.raises(Invalid) as refused:
        decode(content)

    assert sentence in str(refused.value)
    assert refused.value.pointer == "/inputs/photo"


@pytest.mark.parametrize(
    ("width", "height", "is_taken"),
    [(8000, 5000, True), (8000, 5001, False), (40_000_001, 1, False)],
)
def test_forty_megapixels_are_the_most(width, height, is_taken):
    content = files.encode(Image.new("1", (width, height)), "PNG")

    if is_taken:
        assert decode(content).shape == (height, width, 3)
    else:
        with pytest.raises(Invalid, match="the most that is taken is 40 megapixels"):
            decode(content)


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: files.png_that_claims(50_000, 50_000), "far too many"),
        (lambda: files.png_that_claims(2**31 - 1, 2**31 - 1), "far too many"),
        (
            lambda: files.encode(Image.new("L", (10_000, 10_000)), "JPEG"),
            "10000 by 10000",
        ),
        (
            lambda: files.encode(
                Image.new("L", (10_000, 10_000)), "PNG", compress_level=1
            ),
            "10000 by 10000",
        ),
        (
            lambda: files.encode(Image.new("RGB", (10_000, 10_000)), "WEBP", method=0),
            "10000 by 10000",
        ),
    ],
    ids=["50000²", "2³¹²", "100 MP JPEG", "100 MP PNG", "100 MP WebP"],
)
def test_too_many_pixels_are_refused_before_any_is_decoded(tmp_path, make, size):
    path = tmp_path / "bomb"
    path.write_bytes(make())

    sentence, took_s, grown_mb = refuse_in_a_child(path)

    assert "the most that is taken is 40 megapixels" in sentence
    assert f"photo has {size} pixels" in sentence
    assert took_s < 1
    assert grown_mb < 100


def refuse_in_a_child(path):
    """Return the refusal, the seconds it took, and by how many MB memory grew."""
    script = """
import sys, time
from pathlib import Path
from portal.errors import Invalid
from portal.runtime import pictures

def peak_mb():
    # Not ru_maxrss, which a child takes over from its parent.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024

content = Path(sys.argv[1]).read_bytes()
before, began = peak_mb(), time.monotonic()
try:
    pictures.decode(content, name="photo", pointer="")
except Invalid as refused:
    print(refused, time.monotonic() - began, peak_mb() - before, sep="|")
"""
    child = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    sentence, took_s, grown_mb = child.stdout.split("|")
    return sentence, float(took_s), float(grown_mb)


def test_a_comment_that_unpacks_to_a_hundred_megabytes_is_refused_fast():
    content = files.png_with_text_bomb()

    began = time.monotonic()
    with pytest.raises(Invalid):
        decode(content)

    assert len(content) < 200_000
    assert time.monotonic() - began < 1


def test_whatever_bytes_come_only_a_refusal_or_a_picture_comes_back():
    draw = random.Random(20_260_101)
    originals = [
        files.encode(files.two_halves(), "PNG"),
        files.encode(files.two_halves("P"), "PNG", transparency=1),
        files.encode(files.grey_gradient(), "PNG"),
        files.turned("JPEG", 6),
        files.turned("PNG", 8),
        files.turned("WEBP", 3),
        files.phone_picture(),
        files.animation("PNG"),
    ]
    decoded = 0

    for _ in range(4000):
        try:
            pixels = decode(damaged(draw.choice(originals), draw))
        except PortalError as refused:
            assert "photo" in str(refused)  # noqa: PT017 - either will do
        else:
            decoded += 1
            assert pixels.ndim == 3
            assert pixels.dtype == np.uint8

    assert decoded > 100


def damaged(content, draw):
    """Return *content* with a few bytes changed, cut out or cut off."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(changed))
        match draw.choice(["header", "anywhere", "cut out", "cut off"]):
            case "header":
                changed[draw.randrange(min(200, len(changed)))] = draw.randrange(256)
            case "anywhere":
                changed[place] = draw.randrange(256)
            case "cut out":
                del changed[place + 1 : place + draw.randint(2, 30)]
            case "cut off":
                del changed[place + 1 :]
    return bytes(changed)
