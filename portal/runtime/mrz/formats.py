"""Where each datum stands in the five formats of ICAO Doc 9303."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import chain
from typing import NamedTuple

FILLER = "<"
SEXES = {"F", "M", "X", ""}  # a filler says that it isn't said


class Kind(Enum):
    """What may stand in a place, beside the filler."""

    LETTERS = auto()
    DIGITS = auto()
    ANY = auto()
    SEX = auto()


class Span(NamedTuple):
    """Neighbouring places of one line; counted from 0, the stop is outside."""

    line: int
    start: int
    stop: int


@dataclass(frozen=True)
class Format:
    """A size of document.

    Attributes:
        name: As in Doc 9303.
        line_count, length: How many lines of how many characters.
        types: The letters that its documents usually begin with.
        spans: Name of a datum → where it stands. A check digit is called like
            what it checks, with ``_check``; `optional` and `optional_2` are what
            the state may fill as it likes.
        composite: What the composite check digit is computed over, in order.
        shortest: The fewest characters of each line that are no mere padding.
    """

    name: str
    line_count: int
    length: int
    types: str
    spans: dict[str, Span]
    shortest: tuple[int, ...]
    composite: tuple[Span, ...] = ()

    @property
    def is_visa(self) -> bool:
        """Whether its documents begin with V, which no others do."""
        return self.types == "V"

    @property
    def may_have_long_number(self) -> bool:
        """Whether a number may go on in the optional data (parts 5 and 6)."""
        return self.name in {"TD1", "TD2"}


@dataclass(frozen=True)
class Zone:
    """The lines of a zone, each as long as the format says."""

    format: Format
    lines: tuple[str, ...]

    def text(self, name: str) -> str:
        """Return what stands in the place called *name*, fillers included."""
        return self.at(self.format.spans[name]) if name in self.format.spans else ""

    def at(self, span: Span) -> str:
        """Return what stands in a place."""
        return self.lines[span.line][span.start : span.stop]

    def with_text(self, span: Span, text: str) -> "Zone":
        """Return the zone with other characters in a place."""
        lines = list(self.lines)
        line = lines[span.line]
        lines[span.line] = line[: span.start] + text + line[span.stop :]
        return replace(self, lines=tuple(lines))


KINDS = {
    "document_type": Kind.LETTERS,
    "issuer": Kind.LETTERS,
    "names": Kind.LETTERS,
    "document_number": Kind.ANY,
    "document_number_check": Kind.DIGITS,
    "nationality": Kind.LETTERS,
    "birth_date": Kind.DIGITS,
    "birth_date_check": Kind.DIGITS,
    "sex": Kind.SEX,
    "expiry_date": Kind.DIGITS,
    "expiry_date_check": Kind.DIGITS,
    "optional": Kind.ANY,
    "optional_2": Kind.ANY,
    "personal_number": Kind.ANY,
    "personal_number_check": Kind.DIGITS,
    "composite": Kind.DIGITS,
}


def _lay_out(*lines: tuple[tuple[str, int], ...]) -> dict[str, Span]:
    """Return the spans of data that follow each other without a gap."""

    def spans() -> Iterator[tuple[str, Span]]:
        for number, line in enumerate(lines):
            start = 0
            for name, width in line:
                yield name, Span(number, start, start + width)
                start += width

    return dict(spans())


_HEAD = (("document_type", 2), ("issuer", 3))
_NUMBER = (("document_number", 9), ("document_number_check", 1))
_BIRTH = (("birth_date", 6), ("birth_date_check", 1), ("sex", 1))
_EXPIRY = (("expiry_date", 6), ("expiry_date_check", 1))
_MIDDLE = (*_NUMBER, ("nationality", 3), *_BIRTH, *_EXPIRY)


def _two_lines(
    name: str, types: str, length: int, *rest: tuple[str, int], is_checked: bool = True
) -> Format:
    """Return a format whose first line holds the names, the second all else."""
    first = (*_HEAD, ("names", length - 5))
    return Format(
        name,
        2,
        length,
        types,
        _lay_out(first, tuple(chain(_MIDDLE, rest))),
        shortest=(8, 28),
        composite=(Span(1, 0, 10), Span(1, 13, 20), Span(1, 21, length - 1))
        if is_checked
        else (),
    )


TD1 = Format(
    "TD1",
    3,
    30,
    "AIC",
    _lay_out(
        (*_HEAD, *_NUMBER, ("optional", 15)),
        (
            *_BIRTH,
            *_EXPIRY,
            ("nationality", 3),
            ("optional_2", 11),
            ("composite", 1),
        ),
        (("names", 30),),
    ),
    shortest=(15, 18, 3),
    composite=(Span(0, 5, 30), Span(1, 0, 7), Span(1, 8, 15), Span(1, 18, 29)),
)
TD2 = _two_lines("TD2", "AIC", 36, ("optional", 7), ("composite", 1))
TD3 = _two_lines(
    "TD3",
    "P",
    44,
    ("personal_number", 14),
    ("personal_number_check", 1),
    ("composite", 1),
)
MRV_A = _two_lines("MRV-A", "V", 44, ("optional", 16), is_checked=False)
MRV_B = _two_lines("MRV-B", "V", 36, ("optional", 8), is_checked=False)
FORMATS = (TD3, TD1, TD2, MRV_A, MRV_B)
