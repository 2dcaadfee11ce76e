"""Spools whose process died: whoever holds their locks may drain them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from portal.spool.lines import Batch, read_lines
from portal.spool.spool import BATCH_BYTES, SUFFIX


@dataclass(frozen=True)
class Orphan:
    """The spool of a process that died.

    Attributes:
        holder: What it was called.
        paths: Its files, the oldest first.
    """

    holder: str
    paths: tuple[Path, ...]

    def read(self, path: Path, offset: int) -> Batch:
        """Return what is to be drained next from the file *path*."""
        return read_lines(path, offset, most=BATCH_BYTES, is_over=True)

    def remove(self) -> None:
        """Delete the files, which are drained."""
        for path in self.paths:
            path.unlink(missing_ok=True)


@contextmanager
def adopt(folder: Path) -> Iterator[list[Orphan]]:
    """Hold the locks of every spool in *folder* whose process died."""
    with ExitStack() as locks:
        yield [
            Orphan(holder, paths)
            for holder, paths in _spools(folder)
            if all(_lock(path, locks) for path in paths)
        ]


def _spools(folder: Path) -> list[tuple[str, tuple[Path, ...]]]:
    paths = sorted(folder.glob(f"*{SUFFIX}"), key=_order)
    return [
        (holder, tuple(of_holder))
        for holder, of_holder in groupby(paths, lambda path: _order(path)[0])
    ]


def _order(path: Path) -> tuple[str, int]:
    holder, _, number = path.name.removesuffix(SUFFIX).partition(".")
    return holder, int(number) if number.isdecimal() else 0


def _lock(path: Path, locks: ExitStack) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    locks.callback(os.close, descriptor)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.exists()
    return False
