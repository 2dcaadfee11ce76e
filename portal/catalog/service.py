"""Finding, listing, promoting and withdrawing models."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from portal import audit, runtime
from portal.accounts import User
from portal.catalog import store
from portal.catalog.manifest import NAME
from portal.catalog.tables import Model, ModelVersion, Visibility
from portal.config import Config
from portal.db import db, exclusive, now
from portal.errors import Conflict, NotFound
from portal.extensions import store_dir


class ModelNotFound(NotFound):
    """No such model or version, or none for this reader."""


class ModelWithdrawn(Conflict):
    """No version can be made live: the model is taken off."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "%(name)s is withdrawn. Bring it back with flask models publish, "
            "then choose its version.",
            name=name,
        )


class NoPreviousVersion(Conflict):
    """Nothing to roll back to."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "No other version of %(name)s was live before this one, so there is "
            "nothing to go back to. Name one: flask models promote %(name)s VERSION",
            name=name,
        )


def find_model(name: str, *, viewer: User | None) -> Model:
    """Return the callable model called *name* that *viewer* may see.

    Raises:
        ModelNotFound: There is none, or it is withdrawn or private.
    """
    model = _by_name(name)
    if model is None or model.live_number is None or model.is_withdrawn:
        raise _no_model(name)
    if model.visibility == Visibility.PRIVATE and not _is_theirs(model, viewer):
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
    return [m for m in _callable() if m.visibility == Visibility.PUBLIC]


def list_visible(viewer: User | None) -> list[Model]:
    """Return the public models, and the private ones of *viewer*."""
    return [
        model
        for model in _callable()
        if model.visibility == Visibility.PUBLIC
        or (model.visibility == Visibility.PRIVATE and _is_theirs(model, viewer))
    ]


def list_all() -> list[Model]:
    """Return every model, withdrawn ones too, by name."""
    query = select(Model).order_by(Model.name).options(selectinload(Model.versions))
    return list(db.session.scalars(query))


def promote(model: Model, number: int) -> int | None:
    """Make version *number* live from the next commit on, on every worker.

    Returns:
        The version that was live until now.

    Raises:
        ModelNotFound: The model has no such version.
        ModelWithdrawn: The model is taken off.
    """
    _hold(model)
    return _make_live(find_version(model, number), action="model.promoted")


def roll_back(model: Model) -> int | None:
    """Make the version live again that was so before, as `promote` does.

    Rolling back twice returns to where one was.

    Returns:
        The version that was live until now.

    Raises:
        ModelWithdrawn: The model is taken off.
        NoPreviousVersion: No other version was live before.
    """
    _hold(model)
    if model.previous_number is None:
        raise NoPreviousVersion(model.name)
    version = find_version(model, model.previous_number)
    return _make_live(version, action="model.rolled_back")


def withdraw(model: Model) -> None:
    """Take *model* off: its page and its API answer 404 from the next commit on."""
    if model.is_withdrawn:
        return
    model.withdrawn_at = now()
    audit.record("model.withdrawn", subject=f"model:{model.name}")


def version_spec(version: ModelVersion, config: Config) -> runtime.VersionSpec:
    """Return what the runtime needs to know of *version*."""
    files: dict[str, Any] = version.manifest["files"]
    folder = store_dir(config)
    return runtime.VersionSpec(
        digest=version.digest,
        model_name=f"{version.model.name}/{version.number}"
        if version.number != version.model.live_number
        else version.model.name,
        task=version.task,
        files={
            role: store.path_of(folder, file["sha256"]) for role, file in files.items()
        },
        signatures=version.signature_by_role,
        labels=tuple(version.manifest["labels"]),
        options=version.options,
    )


def _hold(model: Model) -> None:
    """Read *model* as it is once every other change of it is done; allow no more."""
    exclusive(f"model:{model.name}")
    db.session.refresh(model)
    if model.is_withdrawn:
        raise ModelWithdrawn(model.name)


def _make_live(version: ModelVersion, *, action: str) -> int | None:
    model = version.model
    before = model.live_number
    if version.number != before:
        model.make_live(version.number)
        db.session.flush()
        audit.record(
            action,
            subject=f"model:{model.name}",
            version=version.number,
            previous=before,
        )
    return before


def _callable() -> list[Model]:
    return [m for m in list_all() if m.live_number is not None and not m.is_withdrawn]


def _by_name(name: str) -> Model | None:
    # PostgreSQL can't even be asked for a name that holds NUL.
    if not NAME.fullmatch(name):
        return None
    return db.session.scalar(
        select(Model).where(Model.name == name).options(selectinload(Model.versions))
    )


def _is_theirs(model: Model, viewer: User | None) -> bool:
    return viewer is not None and (viewer.is_owner or viewer.id == model.owner_id)


def _no_model(name: str) -> ModelNotFound:
    return ModelNotFound("There is no model “%(name)s”.", name=name[:80])
