"""Loads models before the workers are forked, so that they share the memory.

Linux copies a page of memory only when it is written to, and a model's weights
never are. A session that was made with one thread has none that a fork could lose.
"""

import time
from datetime import timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from portal import catalog
from portal.catalog import Model
from portal.db import db, now
from portal.errors import Unavailable
from portal.extensions import config, parts
from portal.inference.serving import serving_version
from portal.usage import UsageRecord

log = structlog.get_logger(__name__)
TIME_LIMIT_S = 3.0  # readers wait for the first page meanwhile
RECENT = timedelta(days=7)


def preload() -> int:
    """Load the live versions that were called lately, the most called first.

    What isn't loaded within the time limit, or doesn't fit into the memory budget,
    is loaded by its first call. Leaves no database connection open.

    Returns:
        How many versions are in memory; 0 without other workers to share them
        with, and where runs have threads or devices that a fork would lose.
    """
    pool = parts().pool
    is_forkable = config().inference_threads == 1 and pool.providers == ("cpu",)
    if config().workers == 1 or not is_forkable:
        return 0
    began = time.monotonic()
    try:
        for model in _most_called():
            if time.monotonic() - began > TIME_LIMIT_S or pool.is_full:
                break
            _load(model)
    except SQLAlchemyError as error:
        log.warning("models.not_preloaded", error=type(error).__name__)
    finally:
        db.session.remove()
        db.engine.dispose()
    return len(pool.loaded())


def _most_called() -> list[Model]:
    calls = (
        select(UsageRecord.model_id, func.count().label("calls"))
        .where(UsageRecord.created_at > now() - RECENT)
        .group_by(UsageRecord.model_id)
    )
    amounts = {row.model_id: row.calls for row in db.session.execute(calls)}
    models = [
        model
        for model in catalog.list_callable()
        # A version with a process of its own has nothing that workers could share.
        if model.id in amounts and not model.live.is_isolated
    ]
    return sorted(models, key=lambda model: -amounts[model.id])


def _load(model: Model) -> None:
    try:
        serving_version(model)
    except Unavailable:
        log.warning("model.not_preloaded", model=model.name)
