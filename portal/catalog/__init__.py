"""The published models: publish, find, list, promote, roll back, withdraw."""

from portal.catalog.bundled import publish_bundled
from portal.catalog.examples import Example, example_file, example_values, examples_of
from portal.catalog.manifest import ManifestInvalid
from portal.catalog.publishing import publish
from portal.catalog.service import (
    ModelNotFound,
    find_any,
    find_model,
    find_version,
    list_all,
    list_public,
    list_visible,
    promote,
    roll_back,
    version_spec,
    withdraw,
)
from portal.catalog.source import Overrides
from portal.catalog.tables import Model, ModelVersion, Visibility

__all__ = [
    "Example",
    "ManifestInvalid",
    "Model",
    "ModelNotFound",
    "ModelVersion",
    "Overrides",
    "Visibility",
    "example_file",
    "example_values",
    "examples_of",
    "find_any",
    "find_model",
    "find_version",
    "list_all",
    "list_public",
    "list_visible",
    "promote",
    "publish",
    "publish_bundled",
    "roll_back",
    "version_spec",
    "withdraw",
]
