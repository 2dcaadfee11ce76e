"""Letters read as digits and digits read as letters, put right.

Most places hold only letters or only digits, so there the kind decides. A document
number may hold both: there the check digits decide. They can't tell G from 6 nor
L from 1, whose values differ by a multiple of ten.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from portal.runtime.mrz.check_digits import document_number, verdicts
from portal.runtime.mrz.formats import FILLER, KINDS, SEXES, Kind, Span, Zone

TO_DIGITS = str.maketrans("OQDUILZASGTB", "000011245678")
TO_LETTERS = str.maketrans("01245678", "OIZASGTB")
# Read, meant, and how unlikely that mistake is where both may stand. Each neighbour
# of the same sort makes it likelier or less likely by two: 89B90 is rather 89890.
_PAIRS = (
    ("0", "O", 1),
    ("O", "0", 1),
    ("1", "I", 2),
    ("I", "1", 2),
    ("5", "S", 3),
    ("S", "5", 3),
    ("8", "B", 3),
    ("B", "8", 3),
    ("2", "Z", 3),
    ("Z", "2", 3),
    ("D", "0", 4),
    ("Q", "0", 4),
)
SWAPS = {read: (meant, cost) for read, meant, cost in _PAIRS}
MAX_SWAPS = 3
# One check digit in ten is right by chance, so a few likely swaps must do.
MAX_COST = 3
# Behind the given names only padding follows; readers take a filler for these.
PADDING = re.compile(r"(?<=[A-Z]<<)[<KCLSX]*$")


def correct(zone: Zone) -> Zone:
    """Return the zone with the mistakes put right that leave no doubt."""
    zone = correct_by_kind(zone)
    if _is_right(zone):
        return zone
    costs = dict(_doubtful_places(zone))
    for count in range(1, MAX_SWAPS + 1):
        by_cost = defaultdict(list)
        for chosen in combinations(costs, count):
            cost = sum(costs[place] for place in chosen)
            if cost <= MAX_COST and _is_right(swapped := _swap(zone, chosen)):
                by_cost[cost].append(swapped)
        if by_cost:
            likeliest = by_cost[min(by_cost)]
            return likeliest[0] if len(likeliest) == 1 else zone
    return _correct_alone(zone, list(costs))


def correct_by_kind(zone: Zone) -> Zone:
    """Return the zone with letters where only letters, digits where only digits go."""
    for name, span in zone.format.spans.items():
        text = zone.at(span)
        if KINDS[name] is Kind.DIGITS:
            zone = zone.with_text(span, text.translate(TO_DIGITS))
        elif KINDS[name] is Kind.LETTERS:
            zone = zone.with_text(span, text.translate(TO_LETTERS))
    names = zone.format.spans["names"]
    text = zone.at(names)
    surname, separator, given = text.partition(FILLER * 2)
    given = PADDING.sub(lambda found: FILLER * len(found[0]), given)
    return zone.with_text(names, surname + separator + given)


def misfits(zone: Zone) -> int:
    """Return how many characters stand where their kind can't."""
    count = 0
    for name, span in zone.format.spans.items():
        text = zone.at(span).replace(FILLER, "")
        match KINDS[name]:
            case Kind.DIGITS:
                count += sum(not character.isdigit() for character in text)
            case Kind.LETTERS:
                count += sum(character.isdigit() for character in text)
            case Kind.SEX:
                count += text not in SEXES
            case Kind.ANY:
                pass
    return count


def _is_right(zone: Zone) -> bool:
    return False not in verdicts(zone).values()


def _doubtful_places(zone: Zone) -> Iterator[tuple[Span, int]]:
    """Yield each place that could be swapped, and how unlikely that is."""
    for name, span in zone.format.spans.items():
        if KINDS[name] is not Kind.ANY:
            continue
        text = zone.at(span)
        for index, character in enumerate(text):
            if character not in SWAPS:
                continue
            meant, cost = SWAPS[character]
            for neighbour in text[max(0, index - 1) : index] + text[index + 1 :][:1]:
                if neighbour != FILLER:
                    is_alike = neighbour.isdigit() == meant.isdigit()
                    cost += -2 if is_alike else 2
            if cost <= MAX_COST:
                start = span.start + index
                yield Span(span.line, start, start + 1), max(1, cost)


def _swap(zone: Zone, places: tuple[Span, ...]) -> Zone:
    for place in places:
        zone = zone.with_text(place, SWAPS[zone.at(place)][0])
    return zone


def _correct_alone(zone: Zone, places: list[Span]) -> Zone:
    """Correct the number by its own digit, when another digit stays wrong."""
    for name in ("document_number", "personal_number"):
        if verdicts(zone)[name] is not False:
            continue
        single = [_swap(zone, (place,)) for place in places]
        right = [swapped for swapped in single if verdicts(swapped)[name]]
        if len(right) == 1 and _says_the_same(zone, right[0]):
            zone = right[0]
    return zone


def _says_the_same(zone: Zone, other: Zone) -> bool:
    """Whether the numbers are of one length: a swap may not end one earlier."""
    return len(document_number(zone).text) == len(document_number(other).text)
