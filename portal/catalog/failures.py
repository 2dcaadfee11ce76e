"""Which versions can't be loaded: noted by the workers, for their owner to see."""

from datetime import datetime

from sqlalchemy import update

from portal.catalog.tables import ModelVersion
from portal.db import db, now


def note_failure(version: ModelVersion) -> None:
    """Note that *version* can't be loaded, unless that is known; commits."""
    if version.failed_at is None:
        _set(version, now())


def note_recovery(version: ModelVersion) -> None:
    """Note that *version* can be loaded again, unless that is known; commits."""
    if version.failed_at is not None:
        _set(version, None)


def _set(version: ModelVersion, failed_at: datetime | None) -> None:
    # Whatever becomes of the call that found out, this is known from now on.
    db.session.execute(
        update(ModelVersion)
        .where(ModelVersion.id == version.id)
        .values(failed_at=failed_at)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
