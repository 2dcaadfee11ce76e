"""Guesses the task of a model from its graph and what its exporter noted.

A guess says its reason. What might be several things is taken for `tensor`, which
serves every graph.
"""

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.runtime.inspection import Inspection
from portal.runtime.signature import Signature, TensorSpec
from portal.runtime.tasks import Settings, TaskRefused, describe
from portal.runtime.tasks.box_formats import END_TO_END, MAX_LEFT, YOLOV5, YOLOV8
from portal.runtime.tasks.text_embedding import WHOLE
from portal.runtime.tasks.text_tensors import IDS, TOKENIZER

TENSOR = "tensor"
# Tasks that name what they find, as exporters note it.
LABELLED = {"image-classification", "image-segmentation", "object-detection"}
# What an exporter calls the task → what the portal does.
EXPORTERS_TASKS = {"detect": "object-detection", "classify": "image-classification"}
# The grids of a detector, in pixels per cell.
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
PER_TOKEN = ("last_hidden_state", "token_embeddings", "hidden_states")
NAME = re.compile(
    r"""\s*['"]?(\d{1,6})['"]?\s*:\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*,?"""
)


@dataclass(frozen=True)
class Notes:
    """What an exporter noted of a model.

    Attributes:
        task: In the exporter's words.
        size: Width and height of its pictures, in pixels.
    """

    task: str = ""
    labels: tuple[str, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Guess:
    """The task of a model, and why.

    Attributes:
        settings: What belongs into ``[settings]``, if nothing else is said there.
        reason: Half a sentence, to stand after “since”.
    """

    task: str
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_notes(metadata: Mapping[str, str]) -> Notes:
    """Return what Ultralytics' exporter notes; nothing of what can't be read."""
    sizes = [int(word) for word in re.findall(r"\d{1,4}", metadata.get("imgsz", ""))]
    rows, columns = (sizes * 2)[:2] if len(sizes) in {1, 2} else (0, 0)
    return Notes(
        metadata.get("task", "") if "names" in metadata else "",
        _read_names(metadata.get("names", "")),
        (columns, rows) if rows and columns else None,
    )


def noted_settings(inspection: Inspection) -> dict[str, Any]:
    """Return the size of pictures that the exporter noted, if the graph takes any."""
    size = read_notes(inspection.metadata).size
    pictures = [spec for spec in inspection.signature.inputs if _is_picture(spec)]
    is_open = bool(pictures) and _size(pictures[0]) is None
    return {"size": list(size)} if size and is_open else {}


def guess_task(
    inspection: Inspection,
    *,
    labels: tuple[str, ...],
    options: Mapping[str, Any],
    roles: Collection[str],
) -> Guess:
    """Return the task that the model is for.

    Args:
        inspection: Of its file `model`.
        labels: Those that were given, or that the exporter noted.
        options: The table ``[settings]``, as far as it was given.
        roles: Of all its files.
    """
    signature, notes = inspection.signature, read_notes(inspection.metadata)
    guess = (
        _text(signature, labels, roles)
        or _picture(signature, labels, notes)
        or Guess(TENSOR, "nothing in its graph tells a task")
    )
    if guess.task == TENSOR:
        return guess
    noted = {**noted_settings(inspection), **guess.settings, **options}
    settings = Settings({"model": signature}, labels, noted)
    try:
        describe(guess.task, settings)
    except TaskRefused as refusal:
        why = str(refusal).rstrip(".")
        return Guess(TENSOR, f"it looks like {guess.task} ({guess.reason}), but: {why}")
    return guess


def _text(
    signature: Signature, labels: tuple[str, ...], roles: Collection[str]
) -> Guess | None:
    if IDS not in {spec.name for spec in signature.inputs}:
        return None
    if TOKENIZER not in roles:
        why = "it takes tokens, and no tokenizer.json is among its [files]"
        return Guess(TENSOR, why)
    for spec in signature.outputs:
        if labels and len(spec.shape) == 2 and spec.shape[1] == len(labels):  # noqa: PLR2004 - batch, label
            why = f"it takes tokens and gives a score for each label, {_shown(spec)}"
            return Guess("text-classification", why)
        if spec.name in (*WHOLE, *PER_TOKEN):
            why = f"it takes tokens and gives {_shown(spec)}"
            return Guess("text-embedding", why)
    return Guess(TENSOR, "it takes tokens, but none of its outputs tells what for")


def _picture(
    signature: Signature, labels: tuple[str, ...], notes: Notes
) -> Guess | None:
    pictures = [spec for spec in signature.inputs if _is_picture(spec)]
    if len(signature.inputs) != 1 or not pictures:
        return None
    if len(signature.outputs) > 1:
        return Guess(TENSOR, "it takes a picture, but gives several tensors")
    output = signature.outputs[0]
    if notes.task:
        return _as_noted(notes, output)
    return _by_shape(output, labels, _size(pictures[0]))


def _by_shape(
    output: TensorSpec, labels: tuple[str, ...], size: tuple[int, int] | None
) -> Guess | None:
    match len(output.shape):
        case 2:
            return _vector(output, labels)
        case 3:
            return _boxes(output, size)
        case 4:
            return _map(output, labels)
        case _:
            return None


def _as_noted(notes: Notes, output: TensorSpec) -> Guess:
    task = EXPORTERS_TASKS.get(notes.task)
    if task is None:
        why = f"its exporter says {notes.task[:40]!r}, which no task of the portal is"
        return Guess(TENSOR, why)
    # Ultralytics cuts the middle out of what it classifies.
    fit = {"fit": "crop"} if task == "image-classification" else {}
    why = f"its exporter says {notes.task!r} and its output is {_shown(output)}"
    return Guess(task, why, fit)


def _vector(output: TensorSpec, labels: tuple[str, ...]) -> Guess | None:
    if labels and output.shape[1] == len(labels):
        why = (
            f"it takes a picture and gives a score for each label, {_shown(output)} "
            "(pixels become 0 to 1; [settings] scale, mean and std change that)"
        )
        return Guess("image-classification", why)
    if "embed" in output.name.lower():
        why = f"it takes a picture and gives {_shown(output)}"
        return Guess("image-embedding", why)
    return Guess(
        TENSOR, "it takes a picture, but without labels its numbers may mean anything"
    )


def _boxes(output: TensorSpec, size: tuple[int, int] | None) -> Guess | None:
    _, first, second = output.shape
    cells = {sum(_cells(size, stride) for stride in s) for s in STRIDES} if size else ()
    found = None
    if second in cells:
        found = YOLOV8
    elif first in {3 * count for count in cells}:
        found = YOLOV5
    elif second == 6 and isinstance(first, int) and first <= MAX_LEFT:  # noqa: PLR2004 - two corners, score, class
        found = END_TO_END
    if found is None:
        return None
    why = f"it takes a picture and its output {_shown(output)} is that of {found}"
    return Guess("object-detection", why)


def _map(output: TensorSpec, labels: tuple[str, ...]) -> Guess:
    if "heatmap" in output.name.lower() and output.shape[1] == 4:  # noqa: PLR2004 - corners
        why = f"it takes a picture and gives four maps, {_shown(output)}"
        return Guess("heatmap-corners", why)
    if len(labels) > 1 and output.shape[1] == len(labels):
        why = f"it takes a picture and gives a map for each label, {_shown(output)}"
        return Guess("image-segmentation", why)
    why = "it takes a picture, but without labels its maps may mean anything"
    return Guess(TENSOR, why)


def _is_picture(spec: TensorSpec) -> bool:
    return len(spec.shape) == 4 and 3 in {spec.shape[1], spec.shape[3]}  # noqa: PLR2004 - four axes, three channels


def _size(spec: TensorSpec) -> tuple[int, int] | None:
    """Return width and height of the pictures, if the graph says them."""
    rows, columns = spec.shape[2:] if spec.shape[1] == 3 else spec.shape[1:3]  # noqa: PLR2004 - channels
    if isinstance(rows, int) and isinstance(columns, int):
        return columns, rows
    return None


def _cells(size: tuple[int, int], stride: int) -> int:
    return (size[0] // stride) * (size[1] // stride)


def _shown(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.shape_text}"


def _read_names(text: str) -> tuple[str, ...]:
    """Return the names in ``{0: 'person', 1: 'bicycle'}``, if it is just that."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        return ()
    inner, place = inner[1:-1].rstrip(), 0
    names: list[str] = []
    while place < len(inner):
        found = NAME.match(inner, place)
        if not found or int(found[1]) != len(names):
            return ()
        try:
            # One literal of one string: nothing nested that could go deep.
            names.append(str(ast.literal_eval(found[2])).strip() or found[1])
        except (SyntaxError, ValueError):
            return ()
        place = found.end()
    return tuple(names)
