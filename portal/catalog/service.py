"""Finding and listing models."""

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import selectinload

from portal import runtime
from portal.accounts import User
from portal.catalog import store
from portal.catalog.errors import ModelNotFound, ModelOfAnother
from portal.catalog.manifest import NAME
from portal.catalog.tables import Model, ModelVersion, Visibility
from portal.config import Config
from portal.db import cached, db
from portal.extensions import store_dir


def find_model(name: str, *, viewer: User | None) -> Model:
    """Return the callable model called *name* that *viewer* may see.

    It is detached, and as it was within a second: every call asks for it.

    Raises:
        ModelNotFound: There is none, or it is withdrawn or private.
    """
    model = None
    if NAME.fullmatch(name):
        model = cached(("model", name), lambda session: session.scalar(_query(name)))
    if model is None or model.live_number is None or model.is_withdrawn:
        raise _no_model(name)
    if model.visibility == Visibility.PRIVATE and not is_theirs(model, viewer):
        raise _no_model(name)
    return model


def find_any(name: str) -> Model:
    """Return the model called *name*, for its owner: withdrawn or not.

    Raises:
        ModelNotFound: There is none.
    """
    model = _by_name(name)
    if model is None:
        raise _no_model(name)
    return model


def find_listed(name: str, *, reader: User) -> Model:
    """Return the model called *name* that the back office shows *reader*.

    Withdrawn or not; but of private ones, a publisher sees their own only.

    Raises:
        ModelNotFound: There is none, or it is somebody else's and private.
    """
    model = find_any(name)
    if model.visibility == Visibility.PRIVATE and not is_theirs(model, reader):
        raise _no_model(name)
    return model


def find_theirs(name: str, *, actor: User) -> Model:
    """Return the model called *name* that *actor* may change.

    Raises:
        ModelNotFound: There is none, or *actor* may not know of it.
        ModelOfAnother: It is somebody else's, and *actor* isn't an owner.
    """
    model = find_listed(name, reader=actor)
    if not is_theirs(model, actor):
        raise ModelOfAnother(model.name)
    return model


def is_theirs(model: Model, user: User | None) -> bool:
    """Whether *user* published *model* or is an owner."""
    return user is not None and (user.is_owner or user.id == model.owner_id)


def find_version(model: Model, number: int | None = None) -> ModelVersion:
    """Return version *number* of *model*, or its live one.

    Raises:
        ModelNotFound: It has no such version.
    """
    wanted = model.live_number if number is None else number
    for version in model.versions:
        if version.number == wanted:
            return version
    message = "The model %(name)s has no version %(number)s."
    raise ModelNotFound(message, name=model.name, number=wanted)


def list_public() -> list[Model]:
    """Return the callable public models, by name."""
    return [m for m in list_callable() if m.visibility == Visibility.PUBLIC]


def list_visible(viewer: User | None) -> list[Model]:
    """Return the public models, and the private ones of *viewer*."""
    return [
        model
        for model in list_callable()
        if model.visibility == Visibility.PUBLIC
        or (model.visibility == Visibility.PRIVATE and is_theirs(model, viewer))
    ]


def list_all() -> list[Model]:
    """Return every model, withdrawn ones too, by name."""
    query = select(Model).order_by(Model.name).options(selectinload(Model.versions))
    return list(db.session.scalars(query))


def version_spec(version: ModelVersion, config: Config) -> runtime.VersionSpec:
    """Return what the runtime needs to know of *version*; a call asks often."""
    spec = version.specs.get(config.data_dir)
    if spec is None:
        spec = version.specs[config.data_dir] = _spec(version, config)
    return spec


def list_callable() -> list[Model]:
    """Return the models that answer calls, private ones too, by name."""
    return [
        model
        for model in list_all()
        if model.live_number is not None
        and not model.is_withdrawn
        # A plug-in that broke takes its own models down, and no list of all.
        and model.live.is_usable
    ]


def _spec(version: ModelVersion, config: Config) -> runtime.VersionSpec:
    files: dict[str, Any] = version.manifest["files"]
    folder = store_dir(config)
    return runtime.VersionSpec(
        digest=version.digest,
        model_name=version.model.name,
        task=version.task,
        files={
            role: store.path_of(folder, file["sha256"]) for role, file in files.items()
        },
        signatures=version.signature_by_role,
        labels=tuple(version.manifest["labels"]),
        options=version.options,
        timeout_s=version.timeout_s,
        is_isolated=version.is_isolated,
        memory_mb=version.memory_mb,
        batching=version.batching,
        remote=version.remote,
    )


def _by_name(name: str) -> Model | None:
    # PostgreSQL can't even be asked for a name that holds NUL.
    return db.session.scalar(_query(name)) if NAME.fullmatch(name) else None


def _query(name: str) -> Select[Model]:
    return select(Model).where(Model.name == name).options(selectinload(Model.versions))


def _no_model(name: str) -> ModelNotFound:
    return ModelNotFound("There is no model “%(name)s”.", name=name[:80])
