"""The spool of a process: an append-only file that outlives it.

What was written survives the death of the process, since the kernel has it; a loss
of power may cost what was not drained yet. The process holds a lock (flock) on its
file for as long as it lives, so that anybody can tell a file whose writer died.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from portal.forks import begin_afresh_after_fork
from portal.spool.errors import SpoolUnwritable
from portal.spool.lines import Batch, line_of, read_lines

SUFFIX = ".records"
BATCH_BYTES = 512 * 1024
ROTATE_BYTES = 4 * 1024 * 1024
log = structlog.get_logger(__name__)


@dataclass
class _File:
    """An open file of the spool; *size* and *drained* are in bytes."""

    path: Path
    descriptor: int
    size: int = 0
    drained: int = 0


class Spool:
    """What this process writes down, and how much of it was drained.

    Args:
        folder: Where the spools of all processes lie.

    Attributes:
        holder: The name of this process among them, new after a fork.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        begin_afresh_after_fork(self)

    def begin_afresh(self) -> None:
        """Have no file; those of a parent process stay its own."""
        self._lock = threading.Lock()
        self._files: list[_File] = []
        self._number = 0
        self.holder = secrets.token_hex(8)

    def open(self) -> None:
        """Make the file, so that what *holder* holds can be told from a dead one's.

        Raises:
            SpoolUnwritable: It can't be made.
        """
        if not self._files:
            with self._lock:
                if not self._files:
                    self._add_file()

    def append(self, record: bytes) -> None:
        """Write *record*, which holds no line feed.

        Raises:
            SpoolUnwritable: It could not be written whole; nothing of it is kept.
        """
        self.open()
        line = line_of(record)
        with self._lock:
            file = self._files[-1]
            try:
                written = os.write(file.descriptor, line)
            except OSError as error:
                self._fail(type(error).__name__)
            if written < len(line):
                with suppress(OSError):
                    os.ftruncate(file.descriptor, file.size)
                self._fail("disk full")
            file.size += written

    @property
    def is_drained(self) -> bool:
        """Whether nothing is left to be drained."""
        return all(file.drained == file.size for file in tuple(self._files))

    def files(self) -> Sequence[str]:
        """Return the names of the files, the oldest first."""
        return [file.path.name for file in self._files]

    def read(self, name: str) -> Batch:
        """Return what is to be drained next from the file called *name*."""
        file = self._find(name)
        return read_lines(file.path, file.drained, most=BATCH_BYTES)

    def mark_drained(self, name: str, end: int) -> None:
        """Note that the file called *name* is drained up to *end*."""
        self._find(name).drained = end

    def rotate(self) -> None:
        """Let a long file give way to a new one; delete what is drained of the old."""
        with self._lock:
            if self._files and self._files[-1].size > ROTATE_BYTES:
                with suppress(SpoolUnwritable):
                    self._add_file()
            for file in self._files[:-1]:
                if file.drained == file.size:
                    self._remove(file)

    def close(self) -> None:
        """Delete the file if it is drained; otherwise leave it to be adopted."""
        with self._lock:
            for file in tuple(self._files):
                if file.drained == file.size:
                    self._remove(file)
                else:
                    os.close(file.descriptor)
            self._files.clear()
        self.begin_afresh()

    def _add_file(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._files.append(self._make_file())
        except OSError as error:
            self._fail(type(error).__name__)

    def _make_file(self) -> _File:
        while True:
            self._number += 1
            path = self.folder / f"{self.holder}.{self._number}{SUFFIX}"
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            descriptor = os.open(path, flags, 0o600)
            # Until the lock is had, an empty file may be taken for a dead one's.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.stat().st_ino == os.fstat(descriptor).st_ino:
                    return _File(path, descriptor)
            os.close(descriptor)

    def _remove(self, file: _File) -> None:
        with suppress(OSError):
            file.path.unlink()
        os.close(file.descriptor)
        self._files.remove(file)

    def _find(self, name: str) -> _File:
        return next(file for file in self._files if file.path.name == name)

    def _fail(self, why: str) -> None:
        log.error("spool.unwritable", folder=str(self.folder), error=why)
        raise SpoolUnwritable from None
