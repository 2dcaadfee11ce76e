"""From the bytes of a picture to its pixels, whatever a stranger sends.

The content decides what a file is; its name and declared type are ignored.
"""

import io
import warnings
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from portal.errors import Invalid, UnsupportedType

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 40_000_000  # phones send 24 megapixels
# Leading bytes of pictures that people send but that aren't taken.
SIGNATURES = (
    (b"GIF87a", "a GIF"),
    (b"GIF89a", "a GIF"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"II+\x00", "a TIFF"),
    (b"MM\x00+", "a TIFF"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"%PDF-", "a PDF"),
)
BRANDS = {b"avif": "an AVIF", b"avis": "an AVIF"}
HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
# EXIF's orientation → how the pixels are turned upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def decode(content: bytes, *, name: str, pointer: str) -> "np.ndarray[Any, Any]":
    """Return the pixels of a PNG, JPEG or WebP, turned as its EXIF says.

    Args:
        content: The file.
        name: What the sentence calls the input.
        pointer: Where it stands in the request.

    Returns:
        Array of shape ``(height, width, 3)``, uint8: row, column, channel (RGB).
        Transparent pixels are laid on white.

    Raises:
        UnsupportedType: A picture of a kind that isn't taken.
        Invalid: Empty, not a picture, damaged, too many pixels or frames.
    """
    if not content:
        message = "%(name)s is empty; send a PNG, JPEG or WebP picture."
        raise Invalid(message, pointer, name=name)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures (the limit below is ours) and of some
            # damaged EXIF data.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            _check_size(image, name, pointer)
            image.load()
            return _as_rgb(_upright(image))
    except UnidentifiedImageError:
        raise _refusal(content, name, pointer) from None
    except Image.DecompressionBombError:
        raise _too_many_pixels(name, pointer) from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, OverflowError):
        message = "%(name)s is damaged: its pixels can't be read. Save it anew."
        raise Invalid(message, pointer, name=name) from None


def _check_size(image: Image.Image, name: str, pointer: str) -> None:
    """Refuse by the header, before any pixel is decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(name, pointer, image.width, image.height)
    # Phones add a small copy or a depth map to a JPEG (MPO): the first picture is
    # the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        message = "%(name)s is an animation; send one picture."
        raise Invalid(message, pointer, name=name)


def _too_many_pixels(
    name: str, pointer: str, width: int = 0, height: int = 0
) -> Invalid:
    size = f"{width} by {height}" if width else "far too many"
    return Invalid(
        "%(name)s has %(size)s pixels; the most that is taken is "
        "%(limit)d megapixels. Scale it down.",
        pointer,
        name=name,
        size=size,
        limit=MAX_PIXELS // 1_000_000,
    )


def _upright(image: Image.Image) -> Image.Image:
    """Return *image* turned as its EXIF says; damaged EXIF says nothing."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - Pillow's reader fails in many ways, with good pixels
        return image
    turn = TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _as_rgb(image: Image.Image) -> "np.ndarray[Any, Any]":
    if image.mode in SIXTEEN_BIT_MODES:
        # Pillow would clip sixteen bits to eight: nearly all would be white.
        grey = (np.asarray(image).astype(np.uint32) >> 8).clip(0, 255)
        return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    return np.asarray(image.convert("RGB"))


def _refusal(content: bytes, name: str, pointer: str) -> Invalid | UnsupportedType:
    kind = _known_kind(content)
    if kind:
        message = "%(name)s is %(kind)s; send a PNG, JPEG or WebP picture."
        return UnsupportedType(message, name=name, kind=kind)
    message = "%(name)s is not a picture; send a PNG, JPEG or WebP picture."
    return Invalid(message, pointer, name=name)


def _known_kind(content: bytes) -> str:
    for signature, kind in SIGNATURES:
        if content.startswith(signature):
            return kind
    # Two letters alone may begin any text; four bytes of a BMP's header are zero.
    if content.startswith(b"BM") and content[6:10] == bytes(4):
        return "a BMP"
    if content[4:8] == b"ftyp":
        brand = content[8:12]
        if brand in HEIC_BRANDS:
            return "a HEIC"
        return BRANDS.get(brand, "")
    beginning = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if beginning.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in (
        content[:65536].lower()
    ):
        return "an SVG"
    return ""
