"""The example inputs of a version: one click away in the playground."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.catalog import store
from portal.catalog.errors import ModelNotFound
from portal.catalog.tables import ModelVersion
from portal.config import Config
from portal.extensions import store_dir
from portal.runtime import values


@dataclass(frozen=True)
class ExampleFile:
    """A file of an example, in the store."""

    name: str
    type: str
    size_bytes: int
    path: Path


@dataclass(frozen=True)
class Example:
    """An example of a version.

    Attributes:
        number: 1, 2, 3 …, as in its address.
        inputs: Name → value, or the manifest's entry of a file.
    """

    number: int
    title: str
    inputs: dict[str, Any]


def examples_of(version: ModelVersion) -> list[Example]:
    """Return the examples of *version*."""
    return [
        Example(number, example["title"], example["inputs"])
        for number, example in enumerate(version.manifest["examples"], start=1)
    ]


def find_example(version: ModelVersion, number: int) -> Example:
    """Return example *number*.

    Raises:
        ModelNotFound: There is none.
    """
    for example in examples_of(version):
        if example.number == number:
            return example
    message = "The model has no example %(number)d."
    raise ModelNotFound(message, number=number)


def example_file(
    version: ModelVersion, number: int, name: str, config: Config
) -> ExampleFile:
    """Return the file that example *number* gives for the input *name*.

    Raises:
        ModelNotFound: There is no such example, or it gives no file there.
    """
    entry = find_example(version, number).inputs.get(name)
    if not isinstance(entry, dict) or "sha256" not in entry:
        message = "The example has no file for %(name)s."
        raise ModelNotFound(message, name=name[:80])
    return ExampleFile(
        name=entry["name"],
        type=entry["type"],
        size_bytes=entry["size_bytes"],
        path=store.path_of(store_dir(config), entry["sha256"]),
    )


def example_values(
    version: ModelVersion, number: int, config: Config
) -> dict[str, Any]:
    """Return the values of example *number*, ready for the task."""
    example = find_example(version, number)
    return {
        declared.name: values.input_from_bytes(
            declared,
            example_file(version, number, declared.name, config).path.read_bytes(),
        )
        if declared.is_upload
        else values.input_from_json(declared, example.inputs[declared.name])
        for declared in version.description.inputs
    }
