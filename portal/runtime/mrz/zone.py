"""Finds the zone among all the lines that were read in a picture.

Every two or three neighbouring rows are fitted to every format, missing fillers
put in where they may have been lost, and the reading that the check digits and the
shape speak for is taken.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise, product
from typing import Any

from portal.runtime.mrz.check_digits import verdicts
from portal.runtime.mrz.correction import correct, correct_by_kind, misfits
from portal.runtime.mrz.fields import read_dates
from portal.runtime.mrz.formats import FILLER, FORMATS, Format, Zone
from portal.runtime.mrz.rows import Row, are_neighbours, rows_of

# Two right check digits or so, or whole lines with names and dates in place.
MIN_POINTS = 5.0
MIN_FILLERS = 2
MAX_SURPLUS = 6
MAX_RUNS = 3  # of fillers in a line, the longest: more readings would take long
RUN = re.compile(r"<+")


@dataclass(frozen=True)
class FoundZone:
    """A zone and the rows of the picture that it was read from."""

    zone: Zone
    rows: tuple[Row, ...]


def find_zone(lines: Sequence[Mapping[str, Any]], *, today: date) -> FoundZone | None:
    """Return the corrected zone among *lines*, None if there is none.

    Args:
        lines: As the kind `lines` has them: text, score, polygon.
        today: Decides what is a plausible date.
    """
    rows = rows_of(lines)
    best: tuple[float, FoundZone] | None = None
    # A picture may stand on its head.
    for ordered in (rows, rows[::-1]):
        for format_ in FORMATS:
            for chosen in _neighbours(ordered, format_.line_count):
                for zone in _readings(chosen, format_):
                    points = _points(zone, chosen, today)
                    if best is None or points > best[0]:
                        best = points, FoundZone(zone, chosen)
    if best is None or best[0] < MIN_POINTS:
        return None
    return FoundZone(correct(best[1].zone), best[1].rows)


def _neighbours(rows: Sequence[Row], count: int) -> Iterator[tuple[Row, ...]]:
    for start in range(len(rows) - count + 1):
        chosen = tuple(rows[start : start + count])
        if all(are_neighbours(*pair) for pair in pairwise(chosen)):
            yield chosen


def _readings(rows: Sequence[Row], format_: Format) -> Iterator[Zone]:
    """Return the ways in which *rows* could be a zone of this format."""
    texts = [row.characters for row in rows]
    for text, shortest in zip(texts, format_.shortest, strict=True):
        if not shortest <= len(text) <= format_.length + MAX_SURPLUS:
            return
    names = texts[format_.spans["names"].line]
    if FILLER not in names or "".join(texts).count(FILLER) < MIN_FILLERS:
        return
    for lines in product(*(_fitted(text, format_.length) for text in texts)):
        zone = correct_by_kind(Zone(format_, lines))
        first = zone.lines[0][0]
        if first.isalpha() and (first == "V") is format_.is_visa:
            yield zone


def _fitted(text: str, length: int) -> list[str]:
    """Return *text* at *length*, with fillers put in or left out at any run."""
    missing = length - len(text)
    if not missing:
        return [text]
    runs = sorted(RUN.finditer(text), key=lambda run: -len(run[0]))[:MAX_RUNS]
    if missing < 0:
        return [
            text[: run.start()] + text[run.start() - missing :]
            for run in runs
            if len(run[0]) > -missing
        ]
    places = dict.fromkeys([len(text), *(run.end() for run in runs), 1])
    found = [text[:at] + FILLER * missing + text[at:] for at in places]
    # P<UTO… may have lost its own filler beside those at the end.
    found.append((text[:1] + FILLER + text[1:]).ljust(length, FILLER))
    return list(dict.fromkeys(found))


def _points(zone: Zone, rows: Sequence[Row], today: date) -> float:
    """Return how much speaks for *zone*."""
    values = list(verdicts(zone).values())
    lost = sum(abs(len(row.characters) - zone.format.length) for row in rows)
    points = 2 * values.count(True) - 0.5 * values.count(False) - 0.02 * lost
    points += 2 * (lost == 0) - misfits(zone)
    points += zone.lines[0][0] in zone.format.types
    points += zone.text("issuer") == zone.text("nationality")
    points += FILLER * 2 in zone.text("names").rstrip(FILLER)
    points += sum(day is not None for day in read_dates(zone, today))
    return points
