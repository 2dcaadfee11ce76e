"""A measurement to show, without measuring."""

from dataclasses import replace

from portal import catalog
from portal.catalog.tables import VersionMeasurement
from portal.db import db
from portal.runtime import STEPS, BatchingTrial, Measurement
from portal.runtime.histogram import Duration

MEASUREMENT = Measurement(
    load_ms=10.0,
    memory_bytes=50 * 2**20,
    runs=200,
    run_ms=8.0,
    durations={step: Duration(200, 1640.0, 8.2, 9.0, 12.0) for step in STEPS},
    cores=4,
    machine="4 cores",
    has_example=True,
)


def keep_measurement(
    name: str, number: int, batching: BatchingTrial | None = None
) -> None:
    """Keep `MEASUREMENT` of version *number* of the model *name*; commit."""
    version = catalog.find_version(catalog.find_any(name), number)
    figures = replace(MEASUREMENT, batching=batching).to_json()
    db.session.add(VersionMeasurement(version_id=version.id, figures=figures))
    db.session.commit()
    db.session.expire_all()
