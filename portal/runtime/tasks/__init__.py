"""The tasks: one file each, found by name."""

from typing import Any

from portal.runtime.declaration import Description
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.file_type import FileType
from portal.runtime.tasks.image_classification import ImageClassification
from portal.runtime.tasks.mrz import Mrz
from portal.runtime.tasks.ocr import Ocr
from portal.runtime.tasks.tensor import Tensor

_TASKS: dict[str, type[Task[Any, Any]]] = {
    task.name: task for task in (FileType, ImageClassification, Mrz, Ocr, Tensor)
}

__all__ = [
    "Settings",
    "Task",
    "TaskRefused",
    "describe",
    "find_task",
    "task_names",
]


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks."""
    return tuple(_TASKS)


def find_task(name: str) -> type[Task[Any, Any]]:
    """Return the task called *name*.

    Raises:
        TaskRefused: naming those there are.
    """
    try:
        return _TASKS[name]
    except KeyError:
        raise TaskRefused(
            "There is no task %(name)s; there are: %(names)s.",
            name=name,
            names=", ".join(task_names()),
        ) from None


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
