"""Sums of records, and how they are added to a table of sums."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from portal.usage.histogram import BUCKETS, bucket_of
from portal.usage.recording import Record
from portal.usage.tables import GROUP, SUMS, usage_days, usage_hours, usage_minutes

SPANS = ((usage_minutes, 60), (usage_hours, 3600), (usage_days, 86_400))


def sums(records: Iterable[Record], span_s: int) -> list[Mapping[str, Any]]:
    """Return a row for each group of *records* that began in the same span."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in records:
        starts_at = record.at // span_s * span_s
        group = (
            record.user_id,
            starts_at,
            record.api_key_id,
            record.model_id,
            record.version,
            record.surface,
            record.status,
        )
        row = rows.get(group)
        if row is None:
            row = rows[group] = defaultdict(int)
        row["calls"] += 1
        row["compute_ms"] += record.compute_ms
        row["latency_ms"] += record.latency_ms
        row[BUCKETS[bucket_of(record.latency_ms)]] += 1
    # In the order of their keys, so that two that drain never wait in a circle.
    return [_row(group, rows[group]) for group in sorted(rows)]


def _row(group: tuple[Any, ...], sums: Mapping[str, Any]) -> dict[str, Any]:
    user_id, starts_at, api_key_id, model_id, version, surface, status = group
    return {
        "user_id": user_id,
        "starts_at": datetime.fromtimestamp(starts_at, UTC),
        "api_key_id": api_key_id,
        "model_id": model_id,
        "version": version,
        "surface": surface,
        "status": status,
        "calls": sums["calls"],
        "compute_ms": sums["compute_ms"],
        "latency_ms": sums["latency_ms"],
        **{bucket: sums[bucket] for bucket in BUCKETS},
    }


def add(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Add each of *rows* to the sum of its group in *table*."""
    if rows:
        connection.execute(_statement(table, connection.dialect.name), rows)


@cache
def _statement(table: Table, dialect: str) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=GROUP,
        set_={name: table.c[name] + statement.excluded[name] for name in SUMS},
    )
