"""Loads models before the workers are forked, so that they share the memory.

Linux copies a page of memory only when it is written to, and a model's weights
never are. A session that was made with one thread has none that a fork could lose.
"""

import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from portal import catalog, usage
from portal.catalog import Model
from portal.db import db
from portal.errors import Unavailable
from portal.extensions import config, parts
from portal.inference.serving import serving_version

log = structlog.get_logger(__name__)
TIME_LIMIT_S = 3.0  # readers wait for the first page meanwhile
RECENT_DAYS = 7


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
    callable_models = catalog.list_callable()
    ids = [model.id for model in callable_models]
    calls = usage.calls_of_models(ids, days=RECENT_DAYS)
    models = [
        model
        for model in callable_models
        # Neither a version with a process of its own, nor one on another server, has
        # anything that workers could share.
        if model.id in calls and not (model.live.is_isolated or model.live.remote)
    ]
    return sorted(models, key=lambda model: -calls[model.id])


def _load(model: Model) -> None:
    try:
        serving_version(model)
    except Unavailable:
        log.warning("model.not_preloaded", model=model.name)
