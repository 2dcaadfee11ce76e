"""Which days are meant. Days are in UTC, and both ends belong."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from portal.db import now
from portal.errors import Invalid

MOST_DAYS = 366  # of one answer: a year, leap years too
MOST_DAYS_OF_HOURS = 31
DAYS, DAYS_OF_HOURS = 30, 7  # when nothing is said
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class By(StrEnum):
    """What usage is told by."""

    DAY = "day"
    HOUR = "hour"
    MODEL = "model"
    KEY = "key"


@dataclass(frozen=True)
class Span:
    """Some days, from the first to the last, both inclusive."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """The first instant of the first day."""
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        """The last instant of the last day."""
        return datetime.combine(self.last, time.max, tzinfo=UTC)


def last_days(days: int) -> Span:
    """Return the last *days* days, today included."""
    today = now().date()
    return Span(today - timedelta(days=days - 1), today)


def this_month() -> Span:
    """Return the days of the running month up to today."""
    today = now().date()
    return Span(today.replace(day=1), today)


def span_of(first: str, last: str, *, by: By = By.DAY, hours_kept: int = 0) -> Span:
    """Return the days that are meant by *first* and *last*, as a caller wrote them.

    Args:
        first: Such as ``2026-11-24``; "" where nothing is said.
        last: As *first*.
        by: What is to be told by.
        hours_kept: For how many days there are sums by hour.

    Raises:
        Invalid: at ``/from``, ``/to``.
    """
    is_by_hour = by is By.HOUR
    usual = DAYS_OF_HOURS if is_by_hour else DAYS
    end = _day(last, "to") if last else now().date()
    begin = _day(first, "from") if first else _before(end, usual - 1)
    if begin > end:
        message = "The first day (from) must not be after the last one (%(to)s)."
        raise Invalid(message, "/from", to=end)
    span = Span(begin, end)
    most = MOST_DAYS_OF_HOURS if is_by_hour else MOST_DAYS
    if span.days > most:
        raise Invalid(
            "These are %(days)d days; at most %(most)d are told at once. "
            "Choose a later first day (from) or an earlier last one (to).",
            "/from",
            days=span.days,
            most=most,
        )
    oldest = now().date() - timedelta(days=hours_kept - 1)
    if is_by_hour and begin < oldest:
        raise Invalid(
            "Hours are kept for %(kept)d days, so from must not be before %(oldest)s; "
            "by=day goes further back.",
            "/from",
            kept=hours_kept,
            oldest=oldest,
        )
    return span


def _day(text: str, name: str) -> date:
    try:
        if ISO_DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    message = "%(name)s must be a day such as 2026-11-24, not %(came)s."
    raise Invalid(message, f"/{name}", name=name, came=text[:40])


def _before(day: date, days: int) -> date:
    return date.fromordinal(max(1, day.toordinal() - days))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
