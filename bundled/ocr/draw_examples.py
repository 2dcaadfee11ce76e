"""Draw the example pictures of the OCR model: a receipt, a page and a signpost.

Run ``python bundled/ocr/draw_examples.py`` to draw them again into ``examples``.
It needs Pillow, numpy and the DejaVu fonts. Everything is drawn at ``SCALE`` times
its final size and then shrunk, which gives smooth edges. Positions and sizes are
in pixels of the final picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

EXAMPLES = Path(__file__).parent / "examples"
FONTS = Path("/usr/share/fonts/truetype/dejavu")
SCALE = 2
SEED = 1936  # of the paper's grain; any number does, as long as it stays

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAPER: Colour = (253, 252, 248)
INK: Colour = (38, 42, 48)
FADED: Colour = (112, 114, 116)

RECEIPT_ITEMS = (
    ("2 Sourdough loaf", "9.00"),
    ("1 Cinnamon bun", "3.20"),
    ("2 Flat white", "7.60"),
    ("1 Apricot jam", "5.40"),
)

PAGE_TITLE = "The Tide Table"
PAGE_TEXT = """\
The harbour master kept two clocks. One told the time, and nobody looked at it. The
other told the tide, and the whole town lived by it: the boats, the bakery, even the
school, which opened an hour late when the causeway was under water.

In spring the old clock stopped. A letter was sent to the maker, but the maker had
been gone for thirty years, and the letter came back with a stamp across the address.
So Ada, who was eleven and good at sums, sat down on the sea wall with a notebook and
began to write down what the water did.

She wrote for forty days. High water, low water, wind and moon. Then she drew a line
through the numbers, and the line went on past the last of them, over the edge of the
paper and into next week.

On Monday the sea came up to the third step at ten past six, just as she had said it
would. By noon there was a queue on the sea wall, and everybody asked the same thing:
what about tomorrow?
"""

SIGNS = (
    # Text, distance, middle, degrees, points right
    ("Lighthouse", "5.1 km", (752, 208), 2.0, True),
    ("Old Mill", "2.4 km", (452, 338), 2.5, False),
    ("Harbour", "0.8 km", (728, 468), -1.5, True),
)


class Pen(NamedTuple):
    """What words are written with."""

    face: ImageFont.FreeTypeFont
    colour: Colour


def main() -> None:
    """Draw the three pictures."""
    EXAMPLES.mkdir(exist_ok=True)
    # Flat colours need no more than a palette of 256, at a third of the bytes.
    for name, picture in (("receipt", draw_receipt()), ("signpost", draw_signpost())):
        picture.quantize(256, dither=Image.Dither.NONE).save(
            EXAMPLES / f"{name}.png", optimize=True
        )
    draw_page().save(EXAMPLES / "page.jpg", quality=66, optimize=True)


def draw_receipt() -> Image.Image:
    """Draw a baker's receipt on a table, beside a cup of coffee."""
    table = canvas((900, 1100), (70, 108, 106))
    draw = ImageDraw.Draw(table)
    for left, shade in ((0, (72, 111, 109)), (310, (66, 103, 101))):
        draw.rectangle(scaled(left, 0, left + 307, 1100), fill=shade)
        draw.rectangle(scaled(left + 307, 0, left + 310, 1100), fill=(58, 92, 90))
    draw_cup(table, (818, 176))
    slip = Image.new("RGBA", (520 * SCALE, 940 * SCALE))
    draw = ImageDraw.Draw(slip)
    teeth = [(x, 925 if x % 20 else 937) for x in range(520, -1, -10)]
    outline = [(0.0, 0.0), (520.0, 0.0), *teeth]
    draw.polygon(points(*outline), fill=PAPER)
    write_receipt(draw)
    lay(table, slip, middle=(390, 550), degrees=2.2, shadow=True)
    return shrunk(table)


def write_receipt(draw: ImageDraw.ImageDraw) -> None:
    """Write the lines of the receipt on a slip 520 pixels wide."""
    left, middle, right = 46, 260, 474
    mono, faded = pen("SansMono", 25), pen("SansMono", 25, FADED)
    bold, small = pen("SansMono-Bold", 27), pen("Sans", 23)
    write(draw, (middle, 90), "HARBOUR BAKERY", pen("Sans-Bold", 41), "mm")
    address = pen("Sans", 23, FADED)
    write(draw, (middle, 142), "12 Quay Street, Westhaven", address, "mm")
    write(draw, (left, 222), "14 March 2026", faded, "lm")
    write(draw, (right, 222), "08:42", faded, "rm")
    dash(draw, left, right, 262)
    for row, (item, price) in enumerate(RECEIPT_ITEMS):
        write(draw, (left, 312 + 54 * row), item, mono, "lm")
        write(draw, (right, 312 + 54 * row), price, mono, "rm")
    dash(draw, left, right, 524)
    write(draw, (left, 580), "TOTAL EUR", bold, "lm")
    write(draw, (right, 580), "25.20", bold, "rm")
    write(draw, (left, 632), "Card ending 4417", faded, "lm")
    write(draw, (right, 632), "25.20", faded, "rm")
    dash(draw, left, right, 676)
    draw_bars(draw, left=110, top=714, width=300, height=78)
    write(draw, (middle, 850), "Thank you. See you tomorrow.", small, "mm")


def draw_page() -> Image.Image:
    """Draw a photograph of a printed page: tilted, unevenly lit, a little noisy."""
    page = canvas((760, 1080), (247, 242, 230))
    draw = ImageDraw.Draw(page)
    write(draw, (380, 118), PAGE_TITLE, pen("SerifCondensed-Italic", 36), "mm")
    serif = pen("SerifCondensed", 24)
    top = 196
    for paragraph in PAGE_TEXT.split("\n\n"):
        lines = wrap(paragraph, serif.face, width=592, indent=34)
        for number, line in enumerate(lines):
            left = 84 + (0 if number else 34)
            # The last line of a paragraph keeps its natural spaces.
            fill_to = 676 if number < len(lines) - 1 else None
            write_justified(draw, (left, top), line, serif, fill_to)
            top += 39
    write(draw, (380, 1018), "17", pen("Serif", 20, FADED), "mm")
    corners = ((96, 66), (812, 44), (846, 1146), (52, 1120))
    return photographed(page, corners, (900, 1190))


def draw_signpost() -> Image.Image:
    """Draw a signpost with three arms in front of hills and the sea."""
    scene = draw_coast((1200, 800))
    draw = ImageDraw.Draw(scene)
    draw.ellipse(scaled(560, 722, 696, 744), fill=(82, 118, 88))
    for left, shade in ((584, (116, 93, 76)), (594, (96, 76, 62))):
        draw.rectangle(scaled(left, 106, 616, 732), fill=shade)
    draw.polygon(points((576, 108), (600, 82), (624, 108)), fill=(78, 61, 50))
    for text, distance, (x, y), degrees, points_right in SIGNS:
        draw.rectangle(scaled(584, y, 616, y + 64), fill=(74, 58, 47))  # its shadow
        arm = draw_arm(text, distance, points_right=points_right)
        lay(scene, arm, middle=(x, y), degrees=degrees)
    return shrunk(scene)


def draw_arm(text: str, distance: str, *, points_right: bool) -> Image.Image:
    """Draw one arm of the signpost, 520 by 104 pixels, on a clear ground."""
    arm = Image.new("RGBA", (520 * SCALE, 104 * SCALE))
    draw = ImageDraw.Draw(arm)
    for inset, colour in ((0, (20, 72, 68)), (5, PAPER), (10, (28, 96, 90))):
        tip, body, near, far = 518 - 1.5 * inset, 460, inset, 104 - inset
        shape = [(near, near), (body, near), (tip, 52), (body, far), (near, far)]
        if not points_right:
            shape = [(520 - x, y) for x, y in shape]
        draw.polygon(points(*shape), fill=colour)
    left, right = (32, 456) if points_right else (64, 488)
    write(draw, (left, 68), text, pen("Sans-Bold", 44, PAPER))
    write(draw, (right, 68), distance, pen("Sans", 34, (214, 232, 226)), "rs")
    return arm


def draw_coast(size: tuple[int, int]) -> Image.Image:
    """Draw a low sun over the sea, and three rows of hills with a lighthouse."""
    width, height = size
    sky = vertical_blend(size, (182, 214, 222), (250, 229, 202))
    scene = sky.resize((width * SCALE, height * SCALE))
    draw = ImageDraw.Draw(scene)
    draw.ellipse(scaled(66, 404, 190, 528), fill=(255, 246, 224))
    draw.rectangle(scaled(0, 470, width, height), fill=(140, 184, 190))
    for y, half in ((484, 54), (500, 38), (516, 22)):
        glint = scaled(128 - half, y, 128 + half, y)
        draw.line(glint, fill=(206, 224, 218), width=4 * SCALE)
    draw_lighthouse(draw, x=1096, ground=330)
    # Base height, wave height, wave length, shift, slope down to the left, colour
    hills = (
        (430, 34, 640, 0.6, 0.16, (142, 172, 160)),
        (560, 40, 860, 2.4, 0.12, (118, 154, 128)),
        (690, 26, 1100, 0.2, 0.02, (96, 134, 100)),
    )
    for base, swell, length, shift, slope, colour in hills:
        xs = np.arange(0, width + 1, 4)
        ys = base + swell * np.sin(xs * 2 * np.pi / length + shift)
        ys += slope * (width / 2 - xs)
        ridge = zip(xs.tolist(), ys.tolist(), strict=True)
        draw.polygon(points(*ridge, (width, height), (0, height)), fill=colour)
    return scene


def draw_lighthouse(draw: ImageDraw.ImageDraw, *, x: float, ground: float) -> None:
    """Draw a small white lighthouse with a red band, 90 pixels high."""
    # Top and bottom above the ground, half width at each, colour
    parts = (
        (64, -10, 9, 14, PAPER),
        (44, 24, 10.3, 11.6, (190, 84, 70)),
        (68, 63, 14, 14, (70, 82, 88)),
        (82, 68, 7, 7, (255, 226, 150)),
        (94, 82, 0, 10, (190, 84, 70)),
    )
    for top, bottom, above, below, colour in parts:
        high, low = ground - top, ground - bottom
        left, right = (
            ((x - below, low), (x - above, high)),
            ((x + above, high), (x + below, low)),
        )
        draw.polygon(points(*left, *right), fill=colour)


def draw_cup(table: Image.Image, middle: Point) -> None:
    """Draw a cup of coffee on its saucer, seen from above."""
    x, y = middle
    cup = Image.new("RGBA", table.size)
    draw = ImageDraw.Draw(cup)
    saucer = ((150, (228, 222, 211)), (145, (245, 241, 232)), (112, (236, 231, 221)))
    rim = ((95, (222, 215, 203)), (92, (253, 251, 247)))
    coffee = ((79, (104, 68, 46)), (75, (128, 86, 59)), (62, (138, 95, 66)))
    handle = points((x - 78, y + 62), (x - 100, y + 84))
    for radius, colour in (*saucer, *rim, *coffee):
        if radius == rim[1][0]:
            for width, shade in ((30, rim[0][1]), (24, rim[1][1])):
                draw.line(handle, shade, width * SCALE)
                end_x, end_y, end = *handle[1], width * SCALE / 2
                draw.circle((end_x, end_y), end, shade)
        draw.circle((x * SCALE, y * SCALE), radius * SCALE, colour)
    drop_shadow(table, cup.getchannel("A"), (0, 0))
    table.paste(cup, (0, 0), cup)


def draw_bars(
    draw: ImageDraw.ImageDraw, *, left: int, top: int, width: int, height: int
) -> None:
    """Draw something that looks like a bar code and says nothing."""
    x, step = left, 0
    while x < left + width:
        thickness, gap = 2 + 2 * (step * 7 % 3), 3 + 2 * (step * 5 % 4 % 3)
        draw.rectangle(scaled(x, top, x + thickness, top + height), fill=INK)
        x, step = x + thickness + gap, step + 1


def pen(name: str, size: int, colour: Colour = INK) -> Pen:
    """Return the DejaVu face *name*, *size* pixels high, in *colour*.

    Raises:
        FileNotFoundError: There is no such face in ``FONTS``.
    """
    path = FONTS / f"DejaVu{name}.ttf"
    if not path.exists():
        message = f"{path} is missing. Install fonts-dejavu, or change FONTS."
        raise FileNotFoundError(message)
    # Raqm, where Pillow has it, spaces letters a little differently.
    layout = ImageFont.Layout.BASIC
    return Pen(ImageFont.truetype(path, size * SCALE, layout_engine=layout), colour)


def write(
    draw: ImageDraw.ImageDraw, at: Point, text: str, pen: Pen, anchor: str = "ls"
) -> None:
    """Write *text* with its Pillow *anchor* (left end of the line) at a point."""
    draw.text((at[0] * SCALE, at[1] * SCALE), text, pen.colour, pen.face, anchor)


def write_justified(
    draw: ImageDraw.ImageDraw, at: Point, line: str, pen: Pen, right: int | None
) -> None:
    """Write *line* so that it ends at *right*, or with plain spaces if None."""
    words = line.split()
    lengths = [pen.face.getlength(word) / SCALE for word in words]
    space = pen.face.getlength(" ") / SCALE
    if right is not None:
        space = (right - at[0] - sum(lengths)) / (len(words) - 1)
    x = at[0]
    for word, length in zip(words, lengths, strict=True):
        write(draw, (x, at[1]), word, pen)
        x += length + space


def wrap(
    text: str, face: ImageFont.FreeTypeFont, *, width: int, indent: int
) -> list[str]:
    """Break *text* into lines of at most *width*, the first shorter by *indent*."""
    lines = [""]
    for word in text.split():
        room = width - (indent if len(lines) == 1 else 0)
        longer = f"{lines[-1]} {word}".strip()
        if face.getlength(longer) <= room * SCALE:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def dash(draw: ImageDraw.ImageDraw, left: int, right: int, y: int) -> None:
    """Draw a dashed line."""
    for x in range(left, right, 12):
        draw.line(scaled(x, y, min(x + 6, right), y), fill=FADED, width=SCALE)


def lay(
    ground: Image.Image,
    piece: Image.Image,
    *,
    middle: Point,
    degrees: float,
    shadow: bool = False,
) -> None:
    """Turn *piece* anticlockwise and lay it on *ground*."""
    # The clear border lets the edges be smoothed as well.
    piece = ImageOps.expand(piece, 2 * SCALE, (0, 0, 0, 0))
    turned = piece.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    left = round(middle[0] * SCALE - turned.width / 2)
    top = round(middle[1] * SCALE - turned.height / 2)
    if shadow:
        drop_shadow(ground, turned.getchannel("A"), (left, top))
    ground.paste(turned, (left, top), turned)


def drop_shadow(ground: Image.Image, shape: Image.Image, at: tuple[int, int]) -> None:
    """Darken *ground* under *shape*, a little below and to the right of it."""
    mask = Image.new("L", ground.size)
    mask.paste(shape, (at[0] + 5 * SCALE, at[1] + 8 * SCALE))
    mask = mask.filter(ImageFilter.GaussianBlur(9 * SCALE)).point(lambda v: v * 0.42)
    ground.paste((14, 24, 26), (0, 0), mask)


def photographed(
    page: Image.Image, corners: Sequence[Point], size: tuple[int, int]
) -> Image.Image:
    """Return *page* as a camera would see it on a dark wooden table.

    Args:
        page: The flat page, at ``SCALE`` times its size.
        corners: Where its top left, top right, bottom right and bottom left corner
            come to lie in the photograph.
        size: Width and height of the photograph.
    """
    grain = np.random.default_rng(SEED)
    photo = wooden_table(size, grain)
    goal = (size[0] * SCALE, size[1] * SCALE)
    flat = ((0, 0), (page.width, 0), page.size, (0, page.height))
    carry = perspective([(x * SCALE, y * SCALE) for x, y in corners], flat)
    mode, smooth = Image.Transform.PERSPECTIVE, Image.Resampling.BICUBIC
    seen = page.transform(goal, mode, carry, smooth)
    # The mask ends a little inside the page, where its edges can be smoothed.
    mask = Image.new("L", (page.width - 4 * SCALE, page.height - 4 * SCALE), 255)
    mask = ImageOps.expand(mask, 2 * SCALE).filter(ImageFilter.GaussianBlur(SCALE / 2))
    mask = mask.transform(goal, mode, carry, smooth)
    drop_shadow(photo, mask, (0, 0))
    photo.paste(seen, (0, 0), mask)
    photo = shrunk(photo).filter(ImageFilter.GaussianBlur(0.5))
    light = ImageChops.multiply(photo, lamp_light(size))
    pixels = np.asarray(light, np.float32) + grain.normal(0, 2.2, (*size[::-1], 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def perspective(seen: Sequence[Point], flat: Sequence[Point]) -> tuple[float, ...]:
    """Return Pillow's eight coefficients that carry *seen* points to *flat* ones."""
    rows, goals = [], []
    for (x, y), (u, v) in zip(seen, flat, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        goals += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(goals)).tolist())


def wooden_table(size: tuple[int, int], grain: np.random.Generator) -> Image.Image:
    """Draw dark boards with a grain that runs from top to bottom."""
    width, height = size
    streaks = grain.normal(0, 1, (6, width // 2))
    veins = Image.fromarray(streaks.astype(np.float32)).resize(
        (width * SCALE, height * SCALE), Image.Resampling.BICUBIC
    )
    shade = 1 + 0.07 * np.asarray(veins)[..., np.newaxis]
    wood = np.array((112, 82, 60), np.float32) * shade
    table = Image.fromarray(wood.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(table)
    for x in (width * 0.04, width * 0.5, width * 0.965):
        draw.line(scaled(x, 0, x, height), fill=(58, 41, 30), width=2 * SCALE)
    return table


def lamp_light(size: tuple[int, int]) -> Image.Image:
    """Return the light of one warm lamp at the upper left, white being full."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot(columns / width - 0.3, (rows / height - 0.25) * 1.2)
    strength = 1 - 0.40 * np.clip(distance / 1.1, 0, 1) ** 1.3
    warm = np.array((255, 251, 240), np.float32)
    return Image.fromarray((strength[..., np.newaxis] * warm).astype(np.uint8))


def vertical_blend(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """Return a picture that goes from one colour to another, in 64 flat bands."""
    width, height = size
    part = np.floor(np.linspace(0, 63.99, height)) / 63
    column = np.outer(1 - part, top) + np.outer(part, bottom)
    pixels = np.repeat(column[:, np.newaxis, :], width, axis=1)
    return Image.fromarray(pixels.round().astype(np.uint8))


def canvas(size: tuple[int, int], colour: Colour) -> Image.Image:
    """Return an empty picture to draw on."""
    return Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), colour)


def shrunk(picture: Image.Image) -> Image.Image:
    """Return *picture* at its final size."""
    return picture.resize(
        (picture.width // SCALE, picture.height // SCALE), Image.Resampling.LANCZOS
    )


def points(*places: Point) -> list[Point]:
    """Return points of the final picture as points on the canvas."""
    return [(x * SCALE, y * SCALE) for x, y in places]


def scaled(*numbers: float) -> tuple[int, ...]:
    """Return lengths of the final picture as lengths on the canvas."""
    return tuple(round(number * SCALE) for number in numbers)


if __name__ == "__main__":
    main()
