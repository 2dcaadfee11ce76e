"""Usage by day, model and key. Days are in UTC.

The database sums once, per day, model and key; every other cut is a sum of
those cells, so the page, the CSV and the API can't disagree. No single call is read,
so it costs the same whatever their number.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import add
from typing import Any, Self

from sqlalchemy import Row, and_, case, func, select

from portal.accounts.tables import User
from portal.catalog.tables import Model
from portal.db import db, now
from portal.keys.tables import ApiKey
from portal.usage.draining import drain
from portal.usage.histogram import BUCKETS, quantile
from portal.usage.service import Quota, quota
from portal.usage.tables import Surface, usage_days

FIRST_REFUSAL = 400  # statuses from here on are errors


@dataclass(frozen=True, order=True)
class Label:
    """What a sum is of.

    Attributes:
        text: A day (ISO), or the name of a model or key.
        detail: Tells keys of the same name apart: the prefix, with its mark.
        is_named: False when the text is a word of ours, which pages translate.
    """

    text: str
    detail: str = ""
    is_named: bool = True


PLAYGROUND = Label("playground", is_named=False)
DELETED = Label("deleted", is_named=False)
UNKNOWN = Label("unknown", is_named=False)


@dataclass(frozen=True)
class UsageSum:
    """The sum of some calls.

    Attributes:
        errors: Of the calls, those answered with a status of 400 or more.
        playground: Of the calls, those made on a model's page.
        compute_ms: Computing time of all, in milliseconds.
        latencies: How many took how long, in the buckets of `portal.usage.histogram`.
    """

    calls: int = 0
    errors: int = 0
    playground: int = 0
    compute_ms: float = 0
    latencies: tuple[int, ...] = (0,) * len(BUCKETS)

    @property
    def answered(self) -> int:
        """Of the calls, those that were no errors."""
        return self.calls - self.errors

    @property
    def api(self) -> int:
        """Of the calls, those made with a key."""
        return self.calls - self.playground

    @property
    def p50_ms(self) -> float:
        """What half of the calls took at most, in milliseconds."""
        return quantile(self.latencies, 0.5)

    @property
    def p95_ms(self) -> float:
        """What 95 % of the calls took at most, in milliseconds."""
        return quantile(self.latencies, 0.95)

    def __add__(self, other: Self) -> "UsageSum":
        """Return the sum of both."""
        return UsageSum(
            calls=self.calls + other.calls,
            errors=self.errors + other.errors,
            playground=self.playground + other.playground,
            compute_ms=self.compute_ms + other.compute_ms,
            latencies=tuple(map(add, self.latencies, other.latencies)),
        )


@dataclass(frozen=True)
class UsageRow:
    """One line of a table: a label and its sum."""

    label: Label
    sum: UsageSum


@dataclass(frozen=True)
class Cell:
    """The sum of one day, model and key."""

    day: Label
    model: Label
    key: Label
    sum: UsageSum


@dataclass(frozen=True)
class Summary:
    """Everything the usage page shows.

    Attributes:
        days: Those that had calls, the latest first.
        every_day: Those without calls, too, the earliest first.
    """

    quota: Quota
    total: UsageSum
    days: Sequence[UsageRow]
    every_day: Sequence[UsageRow]
    models: Sequence[UsageRow]
    keys: Sequence[UsageRow]


def last_days(days: int) -> tuple[date, date]:
    """Return the first and the last of the last *days* days, today included."""
    today = now().date()
    return today - timedelta(days=days - 1), today


def summary(user: User, first: date, last: date) -> Summary:
    """Return the usage of *user* on these days, both inclusive, in every cut."""
    found = cells(user, first, last)
    days = _by_day(found)
    return Summary(
        quota=quota(user.id, user.plan),
        total=sum((cell.sum for cell in found), UsageSum()),
        days=days,
        every_day=_every_day(days, first, last),
        models=_by_model(found),
        keys=_by_key(found),
    )


def by_day(user: User, first: date, last: date) -> Sequence[UsageRow]:
    """Return a row for each day that had calls, the latest first."""
    return _by_day(cells(user, first, last))


def by_model(user: User, first: date, last: date) -> Sequence[UsageRow]:
    """Return a row for each model, the most called first."""
    return _by_model(cells(user, first, last))


def by_key(user: User, first: date, last: date) -> Sequence[UsageRow]:
    """Return a row for each key and the playground, the most used first."""
    return _by_key(cells(user, first, last))


def cells(user: User, first: date, last: date) -> Sequence[Cell]:
    """Return a row for each day, model and key that had calls, by day."""
    drain()
    days = usage_days.c
    groups = (
        days.starts_at,
        Model.name.label("model"),
        ApiKey.name.label("key"),
        ApiKey.prefix,
        days.surface,
    )
    is_error = days.status >= FIRST_REFUSAL
    is_the_key = and_(ApiKey.id == days.api_key_id, ApiKey.deleted_at.is_(None))
    rows = db.session.execute(
        select(
            *groups,
            func.sum(days.calls).label("calls"),
            func.sum(case((is_error, days.calls), else_=0)).label("errors"),
            func.sum(days.compute_ms).label("compute_ms"),
            *(func.sum(days[bucket]).label(bucket) for bucket in BUCKETS),
        )
        .outerjoin(Model, Model.id == days.model_id)
        .outerjoin(ApiKey, is_the_key)
        .where(
            days.user_id == user.id,
            days.starts_at >= _midnight(first),
            days.starts_at <= _midnight(last),
        )
        .group_by(*groups)
        .order_by(*groups)
    )
    return [_cell(row) for row in rows]


def _cell(row: Row[Any]) -> Cell:
    calls, is_page = int(row.calls), row.surface == Surface.PLAYGROUND
    if row.key is not None:
        key = Label(row.key, f"mp_{row.prefix}…")
    else:
        key = PLAYGROUND if is_page else DELETED
    return Cell(
        day=Label(row.starts_at.date().isoformat()),
        model=Label(row.model) if row.model else UNKNOWN,
        key=key,
        sum=UsageSum(
            calls=calls,
            errors=int(row.errors),
            playground=calls if is_page else 0,
            compute_ms=row.compute_ms,
            latencies=tuple(int(row._mapping[bucket]) for bucket in BUCKETS),  # noqa: SLF001 - SQLAlchemy's public name
        ),
    )


def _by_day(found: Iterable[Cell]) -> list[UsageRow]:
    return _fold(found, lambda cell: cell.day)[::-1]


def _every_day(days: Iterable[UsageRow], first: date, last: date) -> list[UsageRow]:
    """Return these rows by day, and an empty one for each day that has none."""
    sums = {row.label: row.sum for row in days}
    span = range((last - first).days + 1)
    labels = (Label((first + timedelta(days=number)).isoformat()) for number in span)
    return [UsageRow(label, sums.get(label, UsageSum())) for label in labels]


def _by_model(found: Iterable[Cell]) -> list[UsageRow]:
    rows = _fold(found, lambda cell: cell.model)
    return sorted(rows, key=lambda row: -row.sum.calls)


def _by_key(found: Iterable[Cell]) -> list[UsageRow]:
    rows = _fold(found, lambda cell: cell.key)
    return sorted(rows, key=lambda row: -row.sum.calls)


def _fold(found: Iterable[Cell], label_of: Callable[[Cell], Label]) -> list[UsageRow]:
    """Sum the cells of each label, in the order of the labels."""
    return [
        UsageRow(label, sum((cell.sum for cell in group), UsageSum()))
        for label, group in groupby(sorted(found, key=label_of), label_of)
    ]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
