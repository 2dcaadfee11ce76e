"""What the gallery shows of a model: an example, from input to output."""

from dataclasses import dataclass
from typing import Any

from portal import catalog
from portal.catalog import Model, ModelVersion
from portal.extensions import config
from portal.playground.examples import example_texts, example_url, image_input

CARD_LINES = 3
CARD_CHARS = 60
LIKELY = 0.001  # labels below are not worth a place in the gallery


@dataclass(frozen=True)
class Card:
    """A model in the gallery."""

    name: str
    title: str
    summary: str
    task: str
    is_online: bool
    median_ms: float | None
    example_image_url: str | None
    example_input: str
    example_lines: list[str]
    example_labels: list[dict[str, Any]]


def card(model: Model) -> Card:
    """Return *model* as the gallery shows it."""
    version = model.live
    result, measured = version.example_result, version.measurement
    example_ms = result["timings_ms"]["total"] if result else None
    return Card(
        name=model.name,
        title=version.title,
        summary=version.summary,
        task=version.task,
        is_online=is_online(version),
        median_ms=measured.answer_ms if measured else example_ms,
        example_image_url=_example_image_url(version),
        example_input=_example_input(version),
        example_lines=_example_lines(result["outputs"]) if result else [],
        example_labels=_example_labels(result["outputs"]) if result else [],
    )


def is_online(version: ModelVersion) -> bool:
    """Whether *version* answers, or another one in its place."""
    # None answers in the place of a version whose server is away.
    is_alone = version.model.previous is None or version.remote is not None
    if version.failed_at is not None and is_alone:
        return False
    spec = catalog.version_spec(version, config())
    return all(path.is_file() for path in spec.files.values())


def _example_image_url(version: ModelVersion) -> str | None:
    image = image_input(version)
    if image and catalog.examples_of(version):
        return example_url(version, 1, image)
    return None


def _example_input(version: ModelVersion) -> str:
    """Return the first example in a few words: a file's name, or what is typed."""
    for text in example_texts(version, 1).values():
        words = text["filename"] if isinstance(text, dict) else text
        return words if len(words) <= CARD_CHARS else f"{words[:CARD_CHARS]}…"
    return ""


def _example_lines(outputs: dict[str, Any]) -> list[str]:
    """Return the first lines of a result that is text or numbers, for the gallery."""
    items = _example_items(outputs)
    if items:
        return [str(item["text"]) for item in items[:CARD_LINES] if "text" in item]
    for value in outputs.values():
        if isinstance(value, str):
            return value[: CARD_LINES * CARD_CHARS].splitlines()[:CARD_LINES]
        if isinstance(value, list) and value:
            shown = value[:CARD_LINES]
            numbers = ["–" if number is None else f"{number:.4f}" for number in shown]  # noqa: RUF001 - no number
            return [*numbers[: CARD_LINES - 1], "…"]
    return []


def _example_labels(outputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the labels of a result that are likely, for the gallery."""
    items = _example_items(outputs)
    return [
        item
        for item in items[:CARD_LINES]
        if "label" in item and LIKELY <= (item["score"] or 0) <= 1
    ]


def _example_items(outputs: dict[str, Any]) -> list[dict[str, Any]]:
    for value in outputs.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return value
    return []
