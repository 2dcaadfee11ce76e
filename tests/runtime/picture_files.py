"""Pictures of every kind, made on the spot."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

ORIENTATION = 0x0112
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(image: Image.Image, kind: str, **options) -> bytes:
    """Return *image* as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def two_halves(mode: str = "RGB") -> Image.Image:
    """Return a picture 40 wide and 20 high: red on the left, blue on the right."""
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    return image.convert(mode)


def grey_gradient() -> Image.Image:
    """Return a picture of 256 columns, from 0 to 65535 in sixteen bits."""
    row = np.arange(256, dtype=np.uint16) * 257
    return Image.fromarray(np.tile(row, (8, 1)))


def turned(kind: str, orientation: int, image: Image.Image | None = None) -> bytes:
    """Return a picture whose EXIF says how a camera was held."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encode(image or two_halves(), kind, exif=exif.tobytes())


def animation(kind: str) -> bytes:
    """Return two frames."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    return encode(
        frames[0], kind, save_all=True, append_images=frames[1:], duration=100
    )


def phone_picture() -> bytes:
    """Return a JPEG with a small copy behind it (MPO), as phones save it."""
    small = two_halves().resize((10, 5))
    return encode(two_halves(), "MPO", save_all=True, append_images=[small])


def png_that_claims(width: int, height: int, colour_type: int = 2) -> bytes:
    """Return a PNG of a few bytes whose header claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return b"".join(
        [
            PNG_SIGNATURE,
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(bytes(1000))),
            png_chunk(b"IEND", b""),
        ]
    )


def png_with_text_bomb() -> bytes:
    """Return a PNG with a comment that unpacks to 100 MB."""
    whole = encode(two_halves(), "PNG")
    packed = zlib.compress(bytes(100_000_000))
    bomb = png_chunk(b"zTXt", b"Comment\x00\x00" + packed)
    after_header = len(PNG_SIGNATURE) + 25
    return whole[:after_header] + bomb + whole[after_header:]


def png_with_exif(exif: bytes) -> bytes:
    """Return a PNG with *exif*, whatever that is."""
    whole = encode(two_halves(), "PNG")
    after_header = len(PNG_SIGNATURE) + 25
    return whole[:after_header] + png_chunk(b"eXIf", exif) + whole[after_header:]


def png_with_long_text() -> bytes:
    """Return a PNG with an ordinary comment."""
    info = PngInfo()
    info.add_text("Comment", "word " * 1000, zip=True)
    return encode(two_halves(), "PNG", pnginfo=info)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk with a valid checksum."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum
