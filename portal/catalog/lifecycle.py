"""What becomes of a published model: which version answers, whether, and to whom.

Each change holds the model until its transaction ends, so of two at once the
second sees what the first did. All of it is rows: every worker answers by it from
the next commit on.
"""

from portal import audit
from portal.catalog.errors import (
    LiveVersionChanged,
    ModelWithdrawn,
    NoPreviousVersion,
)
from portal.catalog.service import find_version
from portal.catalog.tables import Model, ModelVersion, Visibility, subject
from portal.db import db, exclusive, now


def promote(
    model: Model, number: int, *, seen: int | None = None, actor_id: int | None = None
) -> int | None:
    """Make version *number* live.

    Args:
        model: The model.
        number: The version to make live.
        seen: The version that was live when *actor_id* chose, 0 if none was; None:
            whichever is.
        actor_id: The user who does it; None for the command line.

    Returns:
        The version that was live until now.

    Raises:
        ModelNotFound: The model has no such version.
        ModelWithdrawn: The model is taken off.
        LiveVersionChanged: Neither *seen* nor *number* is live.
    """
    _hold_callable(model)
    version = find_version(model, number)
    if model.live_number != number:
        _check_seen(model, seen)
    return _make_live(version, action="model.promoted", actor_id=actor_id)


def roll_back(
    model: Model, *, seen: int | None = None, actor_id: int | None = None
) -> int | None:
    """Make the version live again that was so before, as `promote` does.

    Rolling back twice returns to where one was.

    Returns:
        The version that was live until now.

    Raises:
        ModelWithdrawn: The model is taken off.
        LiveVersionChanged: Another version than *seen* is live.
        NoPreviousVersion: No other version was live before.
    """
    _hold_callable(model)
    _check_seen(model, seen)
    if model.previous_number is None:
        raise NoPreviousVersion(model.name)
    version = find_version(model, model.previous_number)
    return _make_live(version, action="model.rolled_back", actor_id=actor_id)


def withdraw(model: Model, *, actor_id: int | None = None) -> None:
    """Take *model* off: its page and its API answer 404."""
    _hold(model)
    if not model.is_withdrawn:
        model.withdrawn_at = now()
        _record(model, "model.withdrawn", actor_id)


def restore(model: Model, *, actor_id: int | None = None) -> None:
    """Let a withdrawn *model* answer again, with the version that did before."""
    _hold(model)
    if model.is_withdrawn:
        model.withdrawn_at = None
        _record(model, "model.restored", actor_id)


def set_visibility(
    model: Model, visibility: Visibility, *, actor_id: int | None = None
) -> None:
    """Let others find *model*, or find it no more."""
    _hold(model)
    before = model.visibility
    if visibility != before:
        model.visibility = visibility
        _record(
            model,
            "model.visibility_changed",
            actor_id,
            before=str(before),
            after=str(visibility),
        )


def _hold_callable(model: Model) -> None:
    _hold(model)
    if model.is_withdrawn:
        raise ModelWithdrawn(model.name)


def _hold(model: Model) -> None:
    """Read *model* as it is once every other change of it is done; allow no more."""
    exclusive(subject(model.name))
    db.session.refresh(model)


def _check_seen(model: Model, seen: int | None) -> None:
    if seen is not None and seen != (model.live_number or 0):
        raise LiveVersionChanged(model.live_number)


def _make_live(
    version: ModelVersion, *, action: str, actor_id: int | None
) -> int | None:
    model = version.model
    before = model.live_number
    if version.number != before:
        model.make_live(version.number)
        _record(model, action, actor_id, version=version.number, previous=before)
    return before


def _record(model: Model, action: str, actor_id: int | None, **details: object) -> None:
    db.session.flush()
    audit.record(action, subject=subject(model.name), actor_id=actor_id, **details)
