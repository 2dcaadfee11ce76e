"""What the result column shows, put together for its template."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from flask import request
from PIL import Image

from portal import catalog
from portal.catalog import ModelVersion
from portal.playground.examples import example_texts, example_url, image_input
from portal.playground.forms import Submission
from portal.runtime.tasks import masks

PREVIEW_PIXELS = 1400  # the longer side of the picture under a result


@dataclass(frozen=True)
class Picture:
    """A picture on the page: its address, its own size in pixels, and its file."""

    url: str
    width: int
    height: int
    filename: str
    size_bytes: int
    type: str


@dataclass(frozen=True)
class Result:
    """What the result column shows.

    Attributes:
        document: The answer, as the API gives it.
        file: What was sent, when it was a file.
        picture: What was sent, when it was a picture.
        example_title: Set when it is an example's result from publishing.
    """

    document: dict[str, Any]
    picture: Picture | None = None
    file: dict[str, Any] | None = None
    example_title: str | None = None

    @property
    def json(self) -> str:
        """The answer as people read it."""
        return orjson.dumps(self.document, option=orjson.OPT_INDENT_2).decode()

    @property
    def download_url(self) -> str:
        """The answer as a file: nothing is kept, so it travels in the page."""
        encoded = base64.b64encode(self.json.encode()).decode()
        return f"data:application/json;base64,{encoded}"


@dataclass(frozen=True)
class MaskPart:
    """What a mask says of one label.

    Attributes:
        number: The value of its pixels.
        share: How much of the picture has it, from 0 to 1.
        is_clear: Whether it has no colour.
    """

    number: int
    label: str
    share: float
    is_clear: bool


def mask_parts(mask: dict[str, Any]) -> list[MaskPart]:
    """Return the labels that a mask shows, the largest first."""
    pixels = masks.read_png(mask["png"])
    labels = mask["labels"]
    counts = np.bincount(pixels.ravel(), minlength=len(labels))
    return [
        MaskPart(
            number,
            labels[number],
            float(counts[number] / pixels.size),
            is_clear=number == 0 and masks.is_clear(labels),
        )
        for number in map(int, np.argsort(-counts, kind="stable"))
        if counts[number] and number < len(labels)
    ]


def example_result(version: ModelVersion) -> Result | None:
    """Return the result of the first example, made when it was published."""
    kept = version.example_result
    examples = catalog.examples_of(version)
    if not kept or not examples:
        return None
    image = image_input(version)
    picture = None
    if image:
        file = examples[0].inputs[image]
        picture = Picture(
            url=example_url(version, 1, image),
            width=file["width"],
            height=file["height"],
            filename=file["name"],
            size_bytes=file["size_bytes"],
            type=file["type"],
        )
    return Result(
        {"model": version.model.name, "version": version.number, **kept},
        picture=picture,
        example_title=examples[0].title,
    )


def sent_picture(version: ModelVersion, submission: Submission) -> Picture | None:
    """Return the picture that was sent, drawn anew and without its metadata."""
    image = image_input(version)
    if not image:
        return None
    pixels: np.ndarray[Any, Any] = submission.inputs[image]
    height, width = pixels.shape[:2]
    facts = sent_file(version, submission) or {}
    if submission.example is not None:
        url = example_url(version, submission.example, image)
    else:
        preview = Image.fromarray(pixels)
        preview.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
        buffer = io.BytesIO()
        preview.save(buffer, "JPEG", quality=82)
        encoded = base64.b64encode(buffer.getvalue()).decode()
        url = f"data:image/jpeg;base64,{encoded}"
    return Picture(
        url=url,
        width=width,
        height=height,
        filename=facts.get("filename", ""),
        size_bytes=facts.get("size_bytes", 0),
        type=facts.get("type", ""),
    )


def sent_file(version: ModelVersion, submission: Submission) -> dict[str, Any] | None:
    """Return name, size in bytes and type of the file that was sent, if any."""
    for declared in version.description.inputs:
        if not declared.is_upload:
            continue
        if submission.example is not None:
            texts = example_texts(version, submission.example)
            return dict(texts[declared.name])
        sent = request.files[declared.name]
        size = sent.stream.seek(0, io.SEEK_END)
        return {
            "filename": sent.filename,
            "size_bytes": size,
            "type": sent.mimetype,
        }
    return None
