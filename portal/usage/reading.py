"""A user's usage by day, hour, model and key, from the sums.

The database sums what lies in one cut or one cell (a day, model and key); every other
number is a sum of those, so the page, the CSV and the API can't disagree. No single
call is read, so it costs the same whatever their number.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Table, and_, case, func, select

from portal.accounts.tables import User
from portal.catalog.tables import Model
from portal.db import db
from portal.keys.tables import ApiKey
from portal.usage.draining import drain
from portal.usage.forecast import Forecast, forecast
from portal.usage.histogram import BUCKETS
from portal.usage.service import Quota, quota
from portal.usage.spans import By, Span
from portal.usage.tables import Surface, usage_days, usage_hours
from portal.usage.totals import (
    DELETED,
    PLAYGROUND,
    UNKNOWN,
    Cell,
    Label,
    UsageRow,
    UsageSum,
    fold,
    total,
)

FIRST_REFUSAL = 400  # statuses from here on are errors


@dataclass(frozen=True)
class Asked:
    """Which calls are meant.

    Attributes:
        model, key: The `choice` of a label; "" for all.
    """

    span: Span
    model: str = ""
    key: str = ""

    def includes(self, cell: Cell) -> bool:
        """Whether the calls of *cell*, which is of these days, are meant."""
        is_model = self.model in {"", cell.model.choice}
        return is_model and self.key in {"", cell.key.choice}


@dataclass(frozen=True)
class Summary:
    """Everything the usage page shows.

    Attributes:
        plan: Its name.
        days: Those that had calls, the latest first.
        every_day: Those without calls, too, the earliest first.
        model_choices, key_choices: Of all calls of these days, by name.
    """

    plan: str
    quota: Quota
    forecast: Forecast | None
    total: UsageSum
    days: Sequence[UsageRow]
    every_day: Sequence[UsageRow]
    models: Sequence[UsageRow]
    keys: Sequence[UsageRow]
    model_choices: Sequence[Label]
    key_choices: Sequence[Label]


def summary(user: User, asked: Asked) -> Summary:
    """Return the usage of *user* that is *asked* for, in every cut."""
    every = _cells(user, asked.span)
    found = [cell for cell in every if asked.includes(cell)]
    days = _rows((cell.day, cell.sum) for cell in found)
    models = _rows((cell.model, cell.sum) for cell in found)
    keys = _rows((cell.key, cell.sum) for cell in found)
    left = quota(user.id, user.plan)
    return Summary(
        plan=user.plan.name,
        quota=left,
        forecast=forecast(user.id, left),
        total=total(row.sum for row in days),
        days=days[::-1],
        every_day=_every_day(days, asked.span),
        models=_most_called_first(models),
        keys=_most_called_first(keys),
        model_choices=sorted({cell.model for cell in every}),
        key_choices=sorted({cell.key for cell in every}),
    )


def rows_by(user: User, by: By, span: Span) -> Sequence[UsageRow]:
    """Return a row for each day, hour, model or key that had calls.

    Days and hours come in their order, models and keys by their calls.
    """
    drain()
    table = usage_hours if by is By.HOUR else usage_days
    label_of, groups = CUTS[by]
    found = _sums(table, user, span, groups)
    rows = _rows((label_of(row), _sum(row)) for row in found)
    return rows if by in {By.DAY, By.HOUR} else _most_called_first(rows)


def cells(user: User, asked: Asked) -> Sequence[Cell]:
    """Return a row for each day, model and key that is *asked* for, by day."""
    return [cell for cell in _cells(user, asked.span) if asked.includes(cell)]


def _cells(user: User, span: Span) -> Sequence[Cell]:
    drain()
    groups = ("starts_at", "model_id", "api_key_id", "surface")
    found = _sums(usage_days, user, span, groups)
    sums = fold(((_day(row), _model(row), _key(row)), _sum(row)) for row in found)
    return [Cell(*labels, sums[labels]) for labels in sorted(sums)]


def _sums(
    table: Table, user: User, span: Span, groups: Iterable[str]
) -> Sequence[Row[Any]]:
    """Return a row for each group of the sums in *table*, with the names it has."""
    columns = table.c
    is_error = columns.status >= FIRST_REFUSAL
    is_page = columns.surface == Surface.PLAYGROUND
    sums = (
        select(
            *(columns[group] for group in groups),
            func.sum(columns.calls).label("calls"),
            func.sum(case((is_error, columns.calls), else_=0)).label("errors"),
            func.sum(case((is_page, columns.calls), else_=0)).label("playground"),
            func.sum(columns.compute_ms).label("compute_ms"),
            *(func.sum(columns[bucket]).label(bucket) for bucket in BUCKETS),
        )
        .where(
            columns.user_id == user.id,
            columns.starts_at >= span.start,
            columns.starts_at <= span.end,
        )
        .group_by(*(columns[group] for group in groups))
        .subquery()
    )
    query = select(sums)
    if "model_id" in groups:
        query = query.add_columns(Model.name.label("model")).outerjoin(
            Model, Model.id == sums.c.model_id
        )
    if "api_key_id" in groups:
        is_the_key = and_(ApiKey.id == sums.c.api_key_id, ApiKey.deleted_at.is_(None))
        query = query.add_columns(ApiKey.name.label("key"), ApiKey.prefix).outerjoin(
            ApiKey, is_the_key
        )
    return db.session.execute(query).all()


def _day(row: Row[Any]) -> Label:
    return Label(row.starts_at.date().isoformat())


def _hour(row: Row[Any]) -> Label:
    return Label(f"{row.starts_at:%Y-%m-%dT%H:%M:%SZ}")


def _model(row: Row[Any]) -> Label:
    return Label(row.model) if row.model else UNKNOWN


def _key(row: Row[Any]) -> Label:
    if row.prefix is not None:
        return Label(row.key, row.prefix)
    return PLAYGROUND if row.surface == Surface.PLAYGROUND else DELETED


def _sum(row: Row[Any]) -> UsageSum:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    return UsageSum(
        calls=int(row.calls),
        errors=int(row.errors),
        playground=int(row.playground),
        compute_ms=row.compute_ms,
        latencies=tuple(int(found[bucket]) for bucket in BUCKETS),
    )


def _rows(found: Iterable[tuple[Label, UsageSum]]) -> list[UsageRow]:
    sums = fold(found)
    return [UsageRow(label, sums[label]) for label in sorted(sums)]


def _most_called_first(rows: Iterable[UsageRow]) -> list[UsageRow]:
    return sorted(rows, key=lambda row: -row.sum.calls)


def _every_day(days: Iterable[UsageRow], span: Span) -> list[UsageRow]:
    """Return these rows by day, and an empty one for each day that has none."""
    sums = {row.label: row.sum for row in days}
    every = (span.first + timedelta(days=number) for number in range(span.days))
    labels = [Label(day.isoformat()) for day in every]
    return [UsageRow(label, sums.get(label, UsageSum())) for label in labels]


# How each cut is named, and the columns of the sums that make it.
CUTS: Mapping[By, tuple[Callable[[Row[Any]], Label], tuple[str, ...]]] = {
    By.DAY: (_day, ("starts_at",)),
    By.HOUR: (_hour, ("starts_at",)),
    By.MODEL: (_model, ("model_id",)),
    By.KEY: (_key, ("api_key_id", "surface")),
}
