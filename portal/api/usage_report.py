"""A user's usage as the native API tells it."""

from typing import Any

from flask import request

from portal import usage
from portal.accounts import User
from portal.errors import Invalid, pointer
from portal.extensions import config
from portal.usage import By, Label, UsageRow, UsageSum

PARAMETERS = ("from", "to", "by")


def usage_report(user: User) -> dict[str, Any]:
    """Return the usage that the address of this request asks for.

    Raises:
        Invalid: saying what to change.
    """
    asked = _asked()
    by = _by(asked.get("by") or By.DAY)
    span = usage.span_of(
        asked.get("from", ""),
        asked.get("to", ""),
        by=by,
        hours_kept=config().usage_retention_days,
    )
    rows = usage.rows_by(user, by, span)
    return {
        "from": span.first,
        "to": span.last,
        "by": by,
        "rows": [{str(by): _name(by, row), **_numbers(row.sum)} for row in rows],
        "total": _numbers(usage.total(row.sum for row in rows)),
    }


def _asked() -> dict[str, str]:
    for name, values in request.args.lists():
        if name not in PARAMETERS:
            message = "There is no parameter %(name)s; there are %(known)s."
            known = ", ".join(PARAMETERS)
            raise Invalid(message, pointer(name[:80]), name=name[:80], known=known)
        if len(values) > 1:
            message = "The parameter %(name)s is given more than once."
            raise Invalid(message, pointer(name), name=name)
    return request.args.to_dict()


def _by(text: str) -> By:
    try:
        return By(text)
    except ValueError:
        message = "by must be one of %(known)s, not %(came)s."
        known = ", ".join(By)
        raise Invalid(message, "/by", known=known, came=text[:40]) from None


def _name(by: By, row: UsageRow) -> str | None:
    """Return what *row* is of: null for what has no name any more, or never had."""
    label: Label = row.label
    if label in {usage.DELETED, usage.UNKNOWN}:
        return None
    return label.prefix or label.text if by is By.KEY else label.text


def _numbers(found: UsageSum) -> dict[str, float]:
    return {
        "calls": found.calls,
        "errors": found.errors,
        "compute_ms": round(found.compute_ms, 1),
        "p50_ms": round(found.p50_ms, 1),
        "p95_ms": round(found.p95_ms, 1),
        "p99_ms": round(found.p99_ms, 1),
    }
