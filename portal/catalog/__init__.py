"""The published models: publish, find, list, promote, roll back, withdraw."""

from portal.catalog.bundled import publish_bundled
from portal.catalog.errors import ModelNotFound
from portal.catalog.examples import Example, example_file, example_values, examples_of
from portal.catalog.failures import note_failure, note_recovery
from portal.catalog.lifecycle import (
    promote,
    restore,
    roll_back,
    set_visibility,
    withdraw,
)
from portal.catalog.manifest import ManifestInvalid
from portal.catalog.measuring import measure
from portal.catalog.overview import (
    ModelEvent,
    ModelFacts,
    facts_of,
    history,
    list_for,
    publications,
    versions_of,
)
from portal.catalog.publishing import publish
from portal.catalog.service import (
    find_any,
    find_listed,
    find_model,
    find_theirs,
    find_version,
    is_theirs,
    list_all,
    list_callable,
    list_public,
    list_visible,
    version_spec,
)
from portal.catalog.source import Overrides
from portal.catalog.tables import Model, ModelStatus, ModelVersion, Visibility
from portal.catalog.timings import answer_ms, forget_timings, keep_timings, lately

__all__ = [
    "Example",
    "ManifestInvalid",
    "Model",
    "ModelEvent",
    "ModelFacts",
    "ModelNotFound",
    "ModelStatus",
    "ModelVersion",
    "Overrides",
    "Visibility",
    "answer_ms",
    "example_file",
    "example_values",
    "examples_of",
    "facts_of",
    "find_any",
    "find_listed",
    "find_model",
    "find_theirs",
    "find_version",
    "forget_timings",
    "history",
    "is_theirs",
    "keep_timings",
    "lately",
    "list_all",
    "list_callable",
    "list_for",
    "list_public",
    "list_visible",
    "measure",
    "note_failure",
    "note_recovery",
    "promote",
    "publications",
    "publish",
    "publish_bundled",
    "restore",
    "roll_back",
    "set_visibility",
    "version_spec",
    "versions_of",
    "withdraw",
]
