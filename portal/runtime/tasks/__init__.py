"""The tasks: one file each, found by name."""

from typing import Any

from portal.runtime.declaration import Description
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.file_type import FileType
from portal.runtime.tasks.heatmap_corners import HeatmapCorners
from portal.runtime.tasks.image_classification import ImageClassification
from portal.runtime.tasks.image_embedding import ImageEmbedding
from portal.runtime.tasks.image_segmentation import ImageSegmentation
from portal.runtime.tasks.mrz import Mrz
from portal.runtime.tasks.object_detection import ObjectDetection
from portal.runtime.tasks.ocr import Ocr
from portal.runtime.tasks.plugins import PluginTasks
from portal.runtime.tasks.tensor import Tensor
from portal.runtime.tasks.text_classification import TextClassification
from portal.runtime.tasks.text_embedding import TextEmbedding

_TASKS: dict[str, type[Task[Any, Any]]] = {
    task.name: task
    for task in (
        FileType,
        HeatmapCorners,
        ImageClassification,
        ImageEmbedding,
        ImageSegmentation,
        Mrz,
        ObjectDetection,
        Ocr,
        Tensor,
        TextClassification,
        TextEmbedding,
    )
}
_PLUGINS = PluginTasks(_TASKS)
TEXT_EMBEDDING = TextEmbedding.name

__all__ = [
    "TEXT_EMBEDDING",
    "Settings",
    "Task",
    "TaskRefused",
    "describe",
    "find_task",
    "is_built_in",
    "task_names",
]


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, those of plug-ins last."""
    return (*_TASKS, *_PLUGINS.names())


def is_built_in(name: str) -> bool:
    """Whether the task called *name* is the portal's own."""
    return name in _TASKS


def find_task(name: str) -> type[Task[Any, Any]]:
    """Return the task called *name*.

    Raises:
        TaskRefused: naming those there are; or the plug-in that brings it is broken.
    """
    task = _TASKS.get(name) or _PLUGINS.find(name)
    if task is None:
        message = "There is no task %(name)s; there are: %(names)s."
        raise TaskRefused(message, name=name, names=", ".join(task_names()))
    return task


def describe(name: str, settings: Settings) -> Description:
    """Return what a version of the task *name* takes and gives.

    Raises:
        TaskRefused: The version's files or settings don't fit the task.
    """
    task = find_task(name)
    unknown = sorted(set(settings.options) - set(task.option_names))
    if unknown:
        raise TaskRefused(
            "[settings] %(key)s is not a setting of the task %(task)s; there are: "
            "%(names)s.",
            key=unknown[0],
            task=name,
            names=", ".join(task.option_names) or "none",
        )
    return task.describe(settings)
