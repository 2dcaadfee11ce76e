"""Draw the example pictures of the MRZ model: a specimen passport, three times.

Run ``python bundled/mrz/draw_examples.py`` to draw them again into ``examples``.
It needs Pillow and the DejaVu fonts. The person is the specimen of ICAO Doc 9303
and the state, Utopia, does not exist. Everything is drawn at ``SCALE`` times its
final size and then shrunk; positions and sizes are in pixels of the final picture.
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

EXAMPLES = Path(__file__).parent / "examples"
FONTS = Path("/usr/share/fonts/truetype/dejavu")
SCALE = 2

Colour = tuple[int, int, int]

PAPER: Colour = (238, 241, 236)
INK: Colour = (32, 36, 46)
FADED: Colour = (92, 100, 112)
WAVES: Colour = (222, 229, 226)
TABLE: Colour = (96, 88, 80)
STAMP = (176, 48, 48, 80)

WIDTH, HEIGHT = 1000, 704  # 125 by 88 mm, as Doc 9303 part 4 has it
ZONE = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
FIELDS = (
    # Left, top, label, value
    (340, 120, "Surname", "ERIKSSON"),
    (340, 186, "Given names", "ANNA MARIA"),
    (340, 252, "Nationality", "UTOPIAN"),
    (340, 318, "Date of birth", "12 AUG 1974"),
    (560, 318, "Personal number", "ZE184226B"),
    (340, 384, "Sex", "F"),
    (560, 384, "Place of birth", "ZENITH"),
    (340, 450, "Date of expiry", "15 APR 2012"),
    (560, 450, "Passport number", "L898902C3"),
)


def main() -> None:
    """Draw the three pictures."""
    EXAMPLES.mkdir(exist_ok=True)
    page = draw_page()
    straight = page.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    save(straight, "straight", quality=80)
    save(on_a_table(page, degrees=7), "turned", quality=72)
    blurred = straight.filter(ImageFilter.GaussianBlur(1.6))
    save(blurred, "blurred", quality=80)


def draw_page() -> Image.Image:
    """Draw the data page of the passport."""
    page = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
    draw = ImageDraw.Draw(page)
    for top in range(-260, HEIGHT, 22):
        bow = scaled(-200, top, WIDTH + 200, top + 260)
        draw.arc(bow, 0, 180, fill=WAVES, width=SCALE)
    draw.rectangle(scaled(0, 556, WIDTH, HEIGHT), fill=(246, 247, 245))
    write(draw, (48, 64), "PASSPORT", ("Sans-Bold", 30))
    write(draw, (340, 64), "UTOPIA", ("Sans-Bold", 30))
    write(draw, (560, 64), "Type P    Code UTO", ("Sans", 21), colour=FADED)
    draw_portrait(draw)
    for left, top, label, value in FIELDS:
        write(draw, (left, top), label, ("Sans", 15), colour=FADED)
        write(draw, (left, top + 30), value, ("Sans", 25))
    stamp(page)
    for row, line in enumerate(ZONE):
        # Ten characters an inch, as OCR-B is printed.
        for column, character in enumerate(line):
            at = (54 + 20.32 * column, 614 + 50 * row)
            write(draw, at, character, ("SansMono", 32))
    return page


def draw_portrait(draw: ImageDraw.ImageDraw) -> None:
    """Draw somebody without a face."""
    draw.rectangle(scaled(48, 104, 300, 440), fill=(206, 214, 218))
    draw.ellipse(scaled(112, 156, 236, 320), fill=(134, 148, 158))
    draw.pieslice(scaled(72, 322, 276, 558), 180, 360, fill=(134, 148, 158))


def stamp(page: Image.Image) -> None:
    """Write SPECIMEN across the upper part of *page*."""
    sheet = Image.new("RGBA", (900 * SCALE, 180 * SCALE))
    draw = ImageDraw.Draw(sheet)
    middle = (450 * SCALE, 90 * SCALE)
    draw.text(middle, "SPECIMEN", STAMP, face("Sans-Bold", 118), "mm")
    turned = sheet.rotate(17, Image.Resampling.BICUBIC, expand=True)
    page.paste(turned, (60 * SCALE, 60 * SCALE), turned)


def on_a_table(page: Image.Image, *, degrees: float) -> Image.Image:
    """Return *page* turned anticlockwise on a dark table."""
    table = Image.new("RGB", (1120 * SCALE, 880 * SCALE), TABLE)
    piece = page.convert("RGBA").rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    left, top = ((a - b) // 2 for a, b in zip(table.size, piece.size, strict=True))
    table.paste(piece, (left, top), piece)
    return table.resize((1120, 880), Image.Resampling.LANCZOS)


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    font: tuple[str, int],
    *,
    colour: Colour = INK,
) -> None:
    """Write *text* with the left end of its line at a point."""
    left, top = at
    draw.text((left * SCALE, top * SCALE), text, colour, face(*font), "ls")


def face(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a DejaVu face at *size* pixels."""
    # Raqm, where Pillow has it, spaces letters a little differently.
    layout = ImageFont.Layout.BASIC
    path = FONTS / f"DejaVu{name}.ttf"
    return ImageFont.truetype(path, size * SCALE, layout_engine=layout)


def scaled(*numbers: float) -> tuple[float, ...]:
    """Return *numbers* at the scale of the drawing."""
    return tuple(number * SCALE for number in numbers)


def save(picture: Image.Image, name: str, *, quality: int) -> None:
    """Write *picture* as a JPEG."""
    picture.save(EXAMPLES / f"{name}.jpg", quality=quality, optimize=True)


if __name__ == "__main__":
    main()
