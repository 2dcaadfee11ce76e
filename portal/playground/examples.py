"""The examples of a version, as links and as what they put into the form."""

from dataclasses import dataclass
from typing import Any

import orjson
from flask import url_for

from portal import catalog
from portal.catalog import ModelVersion
from portal.runtime import InputKind


@dataclass(frozen=True)
class ExampleChip:
    """An example, one click away."""

    number: int
    title: str
    url: str
    thumbnail_url: str | None


def example_chips(version: ModelVersion) -> list[ExampleChip]:
    """Return the examples of *version* as links."""
    name = version.model.name
    image = image_input(version)
    return [
        ExampleChip(
            number=example.number,
            title=example.title,
            url=url_for("playground.model", name=name, example=example.number),
            thumbnail_url=example_url(version, example.number, image)
            if image
            else None,
        )
        for example in catalog.examples_of(version)
    ]


def example_texts(version: ModelVersion, number: int) -> dict[str, Any]:
    """Return what the fields show for example *number*: text, or a file's facts."""
    texts: dict[str, Any] = {}
    for example in catalog.examples_of(version):
        if example.number != number:
            continue
        for declared in version.description.inputs:
            value = example.inputs[declared.name]
            if declared.is_upload:
                texts[declared.name] = {
                    "filename": value["name"],
                    "size_bytes": value["size_bytes"],
                    "type": value["type"],
                    "width": value.get("width"),
                    "height": value.get("height"),
                    "url": example_url(version, number, declared.name)
                    if declared.kind is InputKind.IMAGE
                    else None,
                }
            elif declared.kind is InputKind.TEXT:
                texts[declared.name] = value
            else:
                texts[declared.name] = orjson.dumps(value).decode()
    return texts


def first_texts(version: ModelVersion) -> dict[str, Any]:
    """Return what the first example types; a file has to be chosen."""
    texts = example_texts(version, 1)
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def image_input(version: ModelVersion) -> str | None:
    """Return the name of the picture that *version* takes, if it takes one."""
    for declared in version.description.inputs:
        if declared.kind is InputKind.IMAGE:
            return declared.name
    return None


def example_url(version: ModelVersion, number: int, input_name: str) -> str:
    """Return the address of the file that example *number* gives."""
    return url_for(
        "playground.example",
        name=version.model.name,
        number=number,
        input_name=input_name,
        v=version.digest[:8],
    )
