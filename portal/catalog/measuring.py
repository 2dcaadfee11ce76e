"""Measuring what a version takes of this machine, and keeping the figures."""

from typing import Any

from portal import runtime
from portal.catalog.examples import example_values
from portal.catalog.service import version_spec
from portal.catalog.tables import ModelVersion, VersionMeasurement, subject
from portal.config import Config
from portal.db import db, exclusive, now
from portal.errors import Invalid
from portal.extensions import places
from portal.runtime.made_up import made_up_inputs


class LivesElsewhere(Invalid):
    """The model of a version that was to be measured lives on another server."""

    def __init__(self, version: ModelVersion) -> None:
        super().__init__(
            "Version %(number)d of %(name)s lives on %(remote)s: what it takes of "
            "that server can't be measured here.",
            number=version.number,
            name=version.model.name,
            remote=str(version.remote),
        )


def measure(version: ModelVersion, config: Config) -> runtime.Measurement:
    """Run *version* for a few seconds in a child process, and keep what that took.

    What runs is its first example, or made-up values. What was measured before is
    replaced.

    Raises:
        LivesElsewhere: Its model is on another server, and takes nothing here.
        FileRefused: It could not be run; what was measured before stays.
    """
    if version.remote is not None:
        raise LivesElsewhere(version)
    measured = runtime.measure(
        version_spec(version, config),
        _inputs(version, config),
        {one.name: one.default for one in version.description.parameters},
        surroundings=runtime.Surroundings(
            inference_threads=config.inference_threads,
            providers=runtime.usable_providers(config.inference_providers),
            workers=config.workers,
            places=places(config),
        ),
        is_made_up=not version.manifest["examples"],
        batching=version.wanted_batching,
        name=f"{version.model.name} version {version.number}",
    )
    exclusive(subject(version.model.name))
    kept = db.session.get(VersionMeasurement, version.id)
    if kept is None:
        kept = VersionMeasurement(version_id=version.id)
        db.session.add(kept)
    kept.measured_at = now()
    kept.figures = measured.to_json()
    db.session.flush()
    db.session.refresh(version, ["kept_measurement"])
    return measured


def _inputs(version: ModelVersion, config: Config) -> dict[str, Any]:
    if version.manifest["examples"]:
        return example_values(version, 1, config)
    return made_up_inputs(version.description)
