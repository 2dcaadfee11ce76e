"""The lines of a spool: a checksum, a space, the record, a line feed.

A line that was written only in part, or changed since, is told by its checksum
(zlib's CRC-32 of the record, 8 hexadecimal digits).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKSUM_CHARS = 8


@dataclass(frozen=True)
class Batch:
    """Some lines of a spool.

    Attributes:
        records: Those that are whole, in the order of their writing.
        damaged: Lines that are not.
        offset: Where in the file they begin, in bytes.
        end: Where they end.
    """

    records: Sequence[bytes]
    damaged: Sequence[bytes]
    offset: int
    end: int


def line_of(record: bytes) -> bytes:
    """Return *record*, which holds no line feed, as a line."""
    return b"%08x %b\n" % (zlib.crc32(record), record)


def read_lines(path: Path, offset: int, *, most: int, is_over: bool = False) -> Batch:
    """Read whole lines from *offset* on, *most* bytes of them.

    Args:
        path: The file.
        offset: Where to begin, in bytes.
        most: How many bytes at the most.
        is_over: Nobody writes it any more: a last line without an end is damaged.
    """
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(most)
    end = content.rfind(b"\n") + 1
    is_endless = not end and len(content) == most
    if is_endless or (is_over and len(content) < most):
        end = len(content)
    records: list[bytes] = []
    damaged: list[bytes] = []
    for line in content[:end].splitlines(keepends=True):
        record = line[CHECKSUM_CHARS + 1 : -1]
        if line == line_of(record):
            records.append(record)
        else:
            damaged.append(line)
    return Batch(records, damaged, offset, offset + end)
