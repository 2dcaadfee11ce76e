"""Long lists in pages, by keyset: a page costs the same however deep it lies.

A list runs from its latest row to its first. The address of the next page names
the last row shown (``?before=ID``), so rows that come meanwhile shift nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from portal.db import db

T = TypeVar("T")
PAGE_SIZE = 50
LARGEST_ID = 2**31 - 1  # what the database's integers hold


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a list, the latest first.

    Attributes:
        before: The page shows rows whose id is below this; None on the first.
        older: ``before`` of the next page; None on the last.
    """

    rows: Sequence[T]
    before: int | None = None
    older: int | None = None


def page_asked_for() -> int | None:
    """Return ``before`` of the request's address; what is no id is ignored."""
    before = request.args.get("before", type=int)
    return before if before is not None and 0 < before <= LARGEST_ID else None


def page_of(
    query: Select[T],
    row_id: InstrumentedAttribute[int],
    *,
    before: int | None,
    size: int = PAGE_SIZE,
) -> Page[T]:
    """Return the page of *query* that lies before the id *before*.

    Args:
        query: Selects the list, in any order.
        row_id: The primary key of its rows.
        before: None: the first page.
        size: How many rows a page holds.
    """
    if before is not None:
        query = query.where(row_id < before)
    found = db.session.scalars(query.order_by(row_id.desc()).limit(size + 1)).all()
    rows = found[:size]
    older = getattr(rows[-1], row_id.key) if len(found) > size else None
    return Page(rows, before, older)
