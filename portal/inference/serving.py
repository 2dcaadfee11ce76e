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
    pool = parts().pool
    try:
        answering = pool.answering(catalog.version_spec(model.live, config()))
    except Unavailable:
        if model.previous is None:
            raise
        answering = pool.get(catalog.version_spec(model.previous, config()))
    by_digest = {version.digest: version for version in model.versions}
    return by_digest[answering.spec.digest]
