"""How long a key lives, as people write it: ``10m``, ``12h``, ``30d``, ``never``."""

import re
from datetime import timedelta

from portal.errors import Invalid

SHORTEST = timedelta(minutes=10)
DEFAULT_LIFETIME = timedelta(days=90)
# Five digits can't overflow a timedelta.
FORM = re.compile(r"([0-9]{1,5})([mhd])", re.ASCII)
NEVER = "never"
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta | None:
    """Return the time that *text* stands for, if it is a number and a unit."""
    parts = FORM.fullmatch(text.strip())
    return timedelta(**{UNITS[parts[2]]: int(parts[1])}) if parts else None


def parse_lifetime(text: str) -> timedelta | None:
    """Return the time that *text* stands for; None: the key never expires.

    Raises:
        Invalid: It is neither ``never`` nor a number and one of the units m, h, d.
    """
    if text.strip() == NEVER:
        return None
    lifetime = parse_duration(text)
    if lifetime is None:
        raise Invalid(
            "The life of a key is written like 10m, 12h or 30d.", pointer="/expires_in"
        )
    return lifetime


def check_lifetime(lifetime: timedelta | None, *, max_days: int | None) -> None:
    """Refuse a *lifetime* shorter than ten minutes or longer than *max_days*.

    Where there is no such limit, a key may live for ever.

    Raises:
        Invalid: It is out of these bounds.
    """
    if max_days is None:
        if lifetime is not None and lifetime < SHORTEST:
            raise Invalid("A key lives at least 10 minutes.", pointer="/expires_in")
        return
    if lifetime is None or not SHORTEST <= lifetime <= timedelta(days=max_days):
        raise Invalid(
            "A key lives between 10 minutes and %(max_days)d days.",
            pointer="/expires_in",
            max_days=max_days,
        )
