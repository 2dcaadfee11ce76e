"""What calls really took lately, of each version, in all processes together.

Each process has a row of its own per version and span of time, which it writes over
with what it counted since the span began: none waits for another one, and nothing is
counted twice, however often that fails.
"""

import time
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, tuple_

from portal.catalog.tables import Model, ModelVersion, VersionTiming
from portal.db import db, now
from portal.runtime import LoadedModel, Tally

SPAN_S = 600
LATELY = timedelta(hours=1)
ENOUGH_CALLS = 20  # to speak of how long a call takes


def keep_timings(loaded: Collection[LoadedModel], *, holder: str) -> None:
    """Keep what the calls of *loaded* took in this process; commits.

    Args:
        loaded: Those that have news.
        holder: The name of this process.
    """
    span = int(time.time()) // SPAN_S
    starts_at = datetime.fromtimestamp(span * SPAN_S, UTC)
    tallies = {
        (one.spec.model_name, one.spec.digest): one.statistics.within(span)
        for one in loaded
    }
    versions = db.session.execute(
        select(Model.name, ModelVersion.digest, ModelVersion.id)
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .where(tuple_(Model.name, ModelVersion.digest).in_(tallies))
    )
    for name, digest, version_id in versions.all():
        db.session.merge(
            VersionTiming(
                version_id=version_id,
                starts_at=starts_at,
                holder=holder,
                tally=tallies[name, digest].to_json(),
            )
        )
    db.session.commit()
    for one in loaded:
        one.statistics.kept()


def lately(versions: Iterable[ModelVersion]) -> dict[int, Tally]:
    """Return what calls took in the last hour, by the id of the version.

    What nobody called is left out. The hour begins with a span: it may be ten minutes
    longer.
    """
    ids = [version.id for version in versions]
    rows = db.session.execute(
        select(VersionTiming.version_id, VersionTiming.tally).where(
            VersionTiming.version_id.in_(ids), VersionTiming.starts_at > _oldest()
        )
    )
    told: dict[int, Tally] = {}
    for version_id, document in rows:
        tally = Tally.from_json(document)
        told[version_id] = told.get(version_id, Tally()).merge(tally)
    return told


def answer_ms(version: ModelVersion) -> float | None:
    """Return how long half of the calls of *version* take at most, in milliseconds.

    Those of the last hour, if they are some; else those that measured it; None if
    nobody knows.
    """
    tally = lately([version]).get(version.id)
    if tally and tally.calls >= ENOUGH_CALLS:
        return tally.durations["total"].p50_ms
    measured = version.measurement
    return measured.answer_ms if measured else None


def forget_timings() -> None:
    """Forget what calls took before the last hour; commits."""
    db.session.execute(delete(VersionTiming).where(VersionTiming.starts_at < _oldest()))
    db.session.commit()


def _oldest() -> datetime:
    return now() - LATELY - timedelta(seconds=SPAN_S)
