"""How numbers and instants are written in templates."""

from datetime import datetime

from flask import Flask
from flask_babel import format_datetime, gettext

KILO = 1024
LEAST_SHARE = 0.0005  # what is less would be written as nothing


def init_app(app: Flask) -> None:
    """Give the templates their filters."""
    app.jinja_env.filters.update(
        ms=milliseconds,
        duration=duration,
        rate=rate,
        size=file_size,
        percent=percent,
        day_time=day_time,
    )


def milliseconds(value: float) -> str:
    """Write a duration in milliseconds with as many digits as matter."""
    if value >= 1000:  # noqa: PLR2004 - a second
        return str(gettext("%(seconds)s s", seconds=f"{value / 1000:.2f}"))
    digits = 0 if value >= 100 else 1  # noqa: PLR2004 - three figures are enough
    return str(gettext("%(ms)s ms", ms=f"{value:.{digits}f}"))


def duration(value_ms: float) -> str:
    """Write a time that may be long, given in milliseconds, in its own unit."""
    minutes = value_ms / 60_000
    if minutes >= 60:  # noqa: PLR2004 - an hour
        return str(gettext("%(hours)s h", hours=f"{minutes / 60:,.1f}"))
    if minutes >= 1:
        return str(gettext("%(minutes)s min", minutes=f"{minutes:.1f}"))
    return milliseconds(value_ms) if value_ms else str(gettext("0 s"))


def rate(per_s: float) -> str:
    """Write how often something happens, with as many digits as matter."""
    return f"{per_s:,.{0 if per_s >= 10 else 1}f}"  # noqa: PLR2004 - two figures


def file_size(size_bytes: int) -> str:
    """Write a size in bytes, kB or MB."""
    if size_bytes < KILO:
        return str(gettext("%(bytes)d bytes", bytes=size_bytes))
    if size_bytes < KILO * KILO:
        return str(gettext("%(kb)s kB", kb=f"{size_bytes / KILO:.1f}"))
    return str(gettext("%(mb)s MB", mb=f"{size_bytes / KILO / KILO:.1f}"))


def percent(share: float) -> str:
    """Write a share (0 to 1) in percent, one digit."""
    if 0 < share < LEAST_SHARE:
        return str(gettext("< %(percent)s %%", percent="0.1"))
    return str(gettext("%(percent)s %%", percent=f"{share * 100:.1f}"))


def day_time(instant: datetime | None) -> str:
    """Write an instant as day and time, in UTC."""
    if instant is None:
        return str(gettext("never"))
    return f"{format_datetime(instant, 'd MMM y, HH:mm')} UTC"
