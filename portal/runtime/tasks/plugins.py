"""Tasks that other packages bring, found by the entry-point group ``portal.tasks``.

A package is imported when its task is first asked for, and once. One that can't be
used is logged and refused by name; nothing else is the worse for it.
"""

import inspect
import threading
from collections import defaultdict
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from portal.runtime.tasks.base import Task, TaskRefused

GROUP = "portal.tasks"
log = structlog.get_logger(__name__)


class PluginTasks:
    """The tasks of the installed packages, without those of *built_in* names."""

    def __init__(self, built_in: Collection[str]) -> None:
        self._built_in = frozenset(built_in)
        self._lock = threading.RLock()
        self._entries: dict[str, list[EntryPoint]] | None = None
        self._found: dict[str, type[Task[Any, Any]] | TaskRefused] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of the tasks that packages say they bring."""
        with self._lock:
            if self._entries is None:
                self._entries = self._look_for_entries()
            return tuple(sorted(self._entries))

    def find(self, name: str) -> type[Task[Any, Any]] | None:
        """Return the task called *name*, if a package brings it.

        Raises:
            TaskRefused: It can't be used; the sentence says why.
        """
        with self._lock:
            if name not in self.names():
                return None
            if name not in self._found:
                self._found[name] = self._load(name)
            found = self._found[name]
        if isinstance(found, TaskRefused):
            # Anew: a traceback would grow with each raise of one and the same.
            raise TaskRefused(str(found))
        return found

    def _look_for_entries(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = defaultdict(list)
        for entry in entry_points(group=GROUP):
            if entry.name in self._built_in:
                log.error(
                    "plugin.refused",
                    task=entry.name,
                    package=_package(entry),
                    why="The portal has a task of this name; take another.",
                )
            else:
                found[entry.name].append(entry)
        return dict(found)

    def _load(self, name: str) -> type[Task[Any, Any]] | TaskRefused:
        entries = (self._entries or {})[name]
        packages = " and ".join(sorted({_package(entry) for entry in entries}))
        try:
            return _checked(*entries)
        except (Exception, SystemExit) as error:
            log.exception("plugin.refused", task=name, package=packages)
            return TaskRefused(
                "The task %(name)s of the plug-in %(package)s can't be used: %(why)s.",
                name=name,
                package=packages,
                why=f"{type(error).__name__}: {error}"[:300].rstrip("."),
            )


def _checked(entry: EntryPoint, *others: EntryPoint) -> type[Task[Any, Any]]:
    """Import what *entry* names and return it if it is a task of that name."""
    if others:
        message = "several packages bring it; uninstall all but one"
        raise ValueError(message)
    found = entry.load()
    if not (isinstance(found, type) and issubclass(found, Task)):
        message = f"{entry.value} is not a subclass of portal.runtime.Task"
        raise TypeError(message)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        message = f"{entry.value} lacks {missing}"
        raise TypeError(message)
    if getattr(found, "name", None) != entry.name:
        message = f"{entry.value}.name is not {entry.name!r}, as its entry point says"
        raise ValueError(message)
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value
