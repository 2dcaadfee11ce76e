"""Check digits: Doc 9303 part 3, section 4.9; weights 7, 3, 1 over and over."""

from itertools import cycle
from typing import NamedTuple

from portal.runtime.mrz.formats import FILLER, Zone

WEIGHTS = (7, 3, 1)
DIGITS = "0123456789"
CHARACTERS = DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHECKED = ("document_number", "birth_date", "expiry_date", "personal_number")


class Number(NamedTuple):
    """A document number, its check digit, and the optional data after it.

    Attributes:
        is_long: Whether it goes on in the optional data.
    """

    text: str
    digit: str
    rest: str
    is_long: bool


def check_digit(text: str) -> str:
    """Return the check digit of *text*; letters count from 10, fillers 0."""
    pairs = zip(text, cycle(WEIGHTS), strict=False)
    return str(sum(max(0, CHARACTERS.find(c)) * weight for c, weight in pairs) % 10)


def document_number(zone: Zone) -> Number:
    """Return the number, also one of more than nine characters.

    Doc 9303 parts 5 and 6: a filler in place of the check digit says that the rest
    of the number, its check digit and a filler begin the optional data.
    """
    text, digit = zone.text("document_number"), zone.text("document_number_check")
    optional = zone.text("optional")
    more, _, rest = optional.partition(FILLER)
    if zone.format.may_have_long_number and digit == FILLER and len(more) > 1:
        return Number(text + more[:-1], more[-1], rest, is_long=True)
    return Number(text, digit, optional, is_long=False)


def verdicts(zone: Zone) -> dict[str, bool | None]:
    """Return what each check digit says: right, wrong, or None if there is none."""
    number = document_number(zone)
    found = {"document_number": _verdict(number.text, number.digit)}
    for name in CHECKED[1:]:
        found[name] = _verdict(zone.text(name), zone.text(f"{name}_check"))
    together = "".join(zone.at(span) for span in zone.format.composite)
    found["composite"] = _verdict(together, zone.text("composite"))
    return found


def _verdict(text: str, digit: str) -> bool | None:
    # Where nothing stands, the digit may be left out (part 4, 4.2.2.2).
    if not digit or (digit == FILLER and not text.strip(FILLER)):
        return None
    return check_digit(text) == digit
