"""What a process that was forked may not go on with: locks, threads, what was lent.

gunicorn imports and builds the application once, then forks its workers from it.
"""

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that begins afresh in a process that was forked."""

    def begin_afresh(self) -> None:
        """Forget what the parent process has and does."""


_things: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


def begin_afresh_after_fork(thing: Forkable) -> None:
    """Call ``thing.begin_afresh()`` now, and in every process forked from this one."""
    thing.begin_afresh()
    _things.add(thing)


def _after_fork() -> None:
    for thing in tuple(_things):
        thing.begin_afresh()


os.register_at_fork(after_in_child=_after_fork)
