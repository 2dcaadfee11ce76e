"""What a zone says, as people write it."""

from datetime import date
from typing import Any

from portal.runtime.mrz.check_digits import document_number, verdicts
from portal.runtime.mrz.formats import FILLER, Zone

TITLES = {
    "format": "Format",
    "document_type": "Document type",
    "issuer": "Issuing state",
    "surname": "Surname",
    "given_names": "Given names",
    "document_number": "Document number",
    "nationality": "Nationality",
    "birth_date": "Date of birth",
    "sex": "Sex",
    "expiry_date": "Date of expiry",
    "personal_number": "Personal number",
    "composite": "Composite check digit",
}
OPTIONAL_TITLE = "Optional data"
# `<` in the zone stands for X in the part for people (part 4, 4.2.2.2).
SEX_WORDS = {"F": "F", "M": "M", FILLER: "X", "X": "X"}
# No document is valid for longer; some residence permits have no end at all.
MAX_VALID_YEARS = 50


def read_fields(zone: Zone, *, today: date) -> dict[str, dict[str, Any]]:
    """Return name → value, valid and title, as the kind `fields` has it.

    Args:
        zone: Corrected.
        today: Decides the centuries, which the zone leaves out.
    """
    surname, _, given_names = zone.text("names").partition(FILLER * 2)
    birth, expiry = read_dates(zone, today)
    values: dict[str, str | None] = {
        "format": zone.format.name,
        "document_type": _words(zone.text("document_type")),
        "issuer": _words(zone.text("issuer")),
        "surname": _words(surname),
        "given_names": _words(given_names),
        "document_number": _words(document_number(zone).text),
        "nationality": _words(zone.text("nationality")),
        "birth_date": birth.isoformat() if birth else None,
        "sex": SEX_WORDS.get(zone.text("sex")),
        "expiry_date": expiry.isoformat() if expiry else None,
        "personal_number": _personal_number(zone),
        "composite": _words(zone.text("composite")),
    }
    valid = verdicts(zone)
    titles = TITLES.copy()
    if "personal_number" not in zone.format.spans:
        titles["personal_number"] = OPTIONAL_TITLE
    return {
        name: {"value": value, "valid": valid.get(name), "title": titles[name]}
        for name, value in values.items()
    }


def read_dates(zone: Zone, today: date) -> tuple[date | None, date | None]:
    """Return birth and expiry, None for what is no date.

    Years have two digits: a birth lies in the past and before the expiry, an
    expiry not too far ahead.
    """
    expiry = _date(zone.text("expiry_date"), 2000)
    if expiry and expiry.year > today.year + MAX_VALID_YEARS:
        expiry = _date(zone.text("expiry_date"), 1900)
    birth = _date(zone.text("birth_date"), 2000)
    latest = min(today, expiry) if expiry else today
    if birth is None or birth > latest:
        birth = _date(zone.text("birth_date"), 1900)
    return birth, expiry


def _date(text: str, century: int) -> date | None:
    # Fillers stand for what isn't known.
    if not (text.isascii() and text.isdecimal()):
        return None
    year, month, day = (int(text[i : i + 2]) for i in (0, 2, 4))
    try:
        return date(century + year, month, day)
    except ValueError:
        return None


def _personal_number(zone: Zone) -> str | None:
    if "personal_number" in zone.format.spans:
        return _words(zone.text("personal_number"))
    rest = document_number(zone).rest
    return _words(rest + FILLER + zone.text("optional_2"))


def _words(text: str) -> str | None:
    """Return *text* with spaces for fillers; None if nothing else is there."""
    return " ".join(text.replace(FILLER, " ").split()) or None
