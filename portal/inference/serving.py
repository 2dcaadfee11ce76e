"""Which version of a model answers a call that names none."""

from portal import catalog
from portal.catalog import Model, ModelVersion
from portal.errors import Unavailable
from portal.extensions import config, parts


def serving_version(model: Model) -> ModelVersion:
    """Return the version that answers now, loaded: nearly always the live one.

    While the live version is being loaded, another one of the model that is in
    memory answers; while it can't be loaded, so does that or the version that was
    live before. Such a version is chosen before a request is read, since what it
    takes may differ.

    Raises:
        Unavailable: None of them can be loaded.
    """
    pool, live = parts().pool, model.live
    spec = catalog.version_spec(live, config())
    try:
        answering = pool.answering(spec)
    except Unavailable:
        catalog.note_failure(live)
        if model.previous is None:
            raise
        answering = pool.get(catalog.version_spec(model.previous, config()))
    is_live = answering.spec.digest == live.digest
    if pool.failure(spec) is not None:
        catalog.note_failure(live)
    elif is_live:
        catalog.note_recovery(live)
    if is_live:
        return live
    return next(v for v in model.versions if v.digest == answering.spec.digest)


def refuse_if_busy(version: ModelVersion) -> None:
    """Refuse a call of *version* before its body is parsed, if it would find no place.

    Parsing a picture's worth of numbers costs more than many a run: without this, the
    calls that a busy model refuses take the processor from those that it answers.

    Raises:
        Unavailable: It is busy.
    """
    parts().pool.refuse_if_busy(catalog.version_spec(version, config()))
